# What the scripts say by themselves (src/web/page.rs, SCRIPT_WORDS); at most 3 KB together.
js-undo = Undo
js-retry = Try again
js-failed = That did not work.
