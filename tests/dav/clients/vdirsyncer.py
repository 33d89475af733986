"""Two machines, each with a folder of events and one of contacts, kept in step through a server by vdirsyncer.

    vdirsyncer.py BASE_URL USER PASSWORD FOLDER EDITS SEED FINGERPRINT

Random edits (new, changed, deleted) on both machines, a sync of one of them now and then. At the end both are synced until
nothing moves, and must hold the same objects with the same content. Prints `ok` and counts; any other end is a failure.
"""

import pathlib
import random
import subprocess
import sys

base, user, password, folder, edits, seed, fingerprint = sys.argv[1:]
folder = pathlib.Path(folder)
rng = random.Random(int(seed))
KINDS = {
    "cal": ("caldav", f"{base}dav/calendars/{user}/calendar/", ".ics"),
    "book": ("carddav", f"{base}dav/addressbooks/{user}/contacts/", ".vcf"),
}


def event(uid, n):
    rule = "RRULE:FREQ=WEEKLY;COUNT=5\r\n" if n % 3 == 0 else ""
    return (
        "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//t//EN\r\nBEGIN:VEVENT\r\n"
        f"UID:{uid}\r\nDTSTAMP:20260101T000000Z\r\nDTSTART:202603{1 + n % 28:02}T100000Z\r\nDTEND:202603{1 + n % 28:02}T110000Z\r\n"
        f"SUMMARY:Grüße {n}\\, <&> und mehr\r\n{rule}X-OWN;P=\"a;b\":{n}\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n"
    )


def card(uid, n):
    return f"BEGIN:VCARD\r\nVERSION:3.0\r\nUID:{uid}\r\nFN:Jürgen {n}\r\nN:{n};Jürgen;;;\r\nX-OWN:{n}\r\nEND:VCARD\r\n"


def config(machine):
    path = folder / f"{machine}.conf"
    parts = [f'[general]\nstatus_path = "{folder / machine}-status"\n']
    for kind, (storage, url, ending) in KINDS.items():
        (folder / machine / kind).mkdir(parents=True)
        parts.append(
            f'[pair {kind}]\na = "{kind}_here"\nb = "{kind}_there"\ncollections = null\nconflict_resolution = "b wins"\n'
            f'[storage {kind}_here]\ntype = "filesystem"\npath = "{folder / machine / kind}"\nfileext = "{ending}"\n'
            f'[storage {kind}_there]\ntype = "{storage}"\nurl = "{url}"\nusername = "{user}"\npassword = "{password}"\n'
            f'verify_fingerprint = "{fingerprint}"\n'
        )
    path.write_text("\n".join(parts))
    return path


def vdirsyncer(machine, *words):
    done = subprocess.run(
        ["vdirsyncer", "-c", str(folder / f"{machine}.conf"), *words],
        input="y\n" * 10,
        capture_output=True,
        text=True,
        timeout=300,
    )
    if done.returncode != 0:
        print(done.stdout, done.stderr)
        sys.exit(f"vdirsyncer {words} of {machine} failed, seed {seed}")


def held(machine, kind):
    found = {}
    for path in (folder / machine / kind).iterdir():
        text = path.read_bytes().decode().replace("\r\n", "\n").strip()
        uid = next(line for line in text.split("\n") if line.startswith("UID:"))
        assert uid not in found, f"{uid} twice on {machine}, seed {seed}"
        found[uid] = text
    return found


machines = ["one", "two"]
for machine in machines:
    config(machine)
    vdirsyncer(machine, "discover")
made = changed = deleted = syncs = 0
for n in range(int(edits)):
    machine, kind = rng.choice(machines), rng.choice(list(KINDS))
    ending, make = KINDS[kind][2], event if kind == "cal" else card
    here = sorted((folder / machine / kind).iterdir())
    what = rng.random()
    if what < 0.5 or not here:
        uid = f"{kind}-{n}-{rng.getrandbits(32)}"
        (folder / machine / kind / f"{uid}{ending}").write_bytes(make(uid, n).encode())
        made += 1
    elif what < 0.8:
        path = rng.choice(here)
        text = path.read_bytes().decode().replace("\r\n", "\n")
        uid = next(line[4:] for line in text.split("\n") if line.startswith("UID:"))
        path.write_bytes(make(uid, n).encode())
        changed += 1
    else:
        rng.choice(here).unlink()
        deleted += 1
    if rng.random() < 0.1:
        vdirsyncer(rng.choice(machines), "sync", "--force-delete")
        syncs += 1
for machine in machines * 2:
    vdirsyncer(machine, "sync", "--force-delete")
for kind in KINDS:
    one, two = held("one", kind), held("two", kind)
    assert one == two, f"{kind} differ, seed {seed}: {set(one) ^ set(two)}"
print(f"ok made {made} changed {changed} deleted {deleted} syncs {syncs + 4} left {[len(held('one', k)) for k in KINDS]}")
