# make run    a mail host with a demo domain on this machine, on unprivileged ports
# make test   everything the CI runs
# make bench  what it can do, in numbers
# make fuzz   the fuzz targets for FUZZ_SECONDS each (60)
# make assets the browser's half alone

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := run
.PHONY: run test bench fuzz assets lint clean-data

DATA ?= $(shell .ci/data-dir)
FUZZ_SECONDS ?= 60
CARGO ?= cargo

run: export POSTAMT_SERVER_DATA_DIR = $(DATA)
run: export POSTAMT_LOG_FORMAT = text
run:
	.ci/setup run
	$(MAKE) --no-print-directory assets
	$(CARGO) build --locked
	target/debug/postamt demo
	exec target/debug/postamt serve

assets: node_modules/.package-lock.json
	node static/build.mjs

node_modules/.package-lock.json: package.json package-lock.json
	npm ci --ignore-scripts --no-audit --no-fund
	touch $@

lint: assets
	$(CARGO) fmt --check
	npm run --silent check
	npm run --silent contrast
	$(CARGO) clippy --locked --all-targets -- -D warnings

test:
	.ci/setup test
	$(MAKE) --no-print-directory lint
	$(CARGO) test --locked
	if compgen -G 'tests/browser/*.test.*' >/dev/null; then \
		$(CARGO) build --locked && node --test --test-reporter=tap tests/browser/; fi

bench:
	.ci/setup run
	$(MAKE) --no-print-directory assets
	$(CARGO) bench --locked

fuzz: export BOLERO_RANDOM_TEST_TIME_MS = $(FUZZ_SECONDS)000
fuzz: export BOLERO_RANDOM_ITERATIONS = 4000000000
fuzz:
	$(CARGO) test --locked --lib --test 'fuzz_*'

# The demo's data, private database included.
clean-data:
	rm -rf "$(DATA)"
