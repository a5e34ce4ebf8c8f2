#!/usr/bin/env python3
"""A file system without locks is told as that, and at once.

Usage: no_locks.py

NFS without its lock daemon answers each lock with ENOLCK. failer.c plays that for
all that flowctl locks; LATE is for who loses them in the middle. Each command on a
store that is there, and `run` on one that is not, must end with 4, name the file
and the reason, say what to do, and leave the store as it was; doctor must find the
problem. The commands work again afterwards.

$FLOWCTL names the program, $CALL_FAILER the library. Exit code 0 if all was well.
"""

import errno
import json
import os
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)

import verbs  # noqa: E402

Fault = verbs.Fault
AT_ONCE_S = 20  # SQLite's own patience would be 60
FAILER = os.environ["CALL_FAILER"]
SAID = "gives no locks", os.strerror(errno.ENOLCK), "local disk"
COMMANDS = {
    "runs": ["runs"], "show": ["show", "r"], "events": ["events", "r"],
    "run": ["run", "p.json"], "resume": ["resume", "r"],
    "rerun": ["rerun", "r"], "cancel": ["cancel", "r"],
    "prune": ["prune", "--keep", "0"],
}
LATE = [2, 3, 4, 5, 6]  # the lock from which on there are none


def without_locks(place, words, first=1):
    """Returns the exit code and all that was said."""
    began = time.monotonic()
    code, out = place.call(
        *words, LD_PRELOAD=FAILER, FAIL_CALL=f"fcntl64:{first}:ever:"
        f"{errno.ENOLCK}",
        ASAN_OPTIONS=":".join(filter(None, [os.environ.get("ASAN_OPTIONS"),
                                            "verify_asan_link_order=0"])))
    if time.monotonic() - began > AT_ONCE_S:
        raise Fault(f"{words} took {time.monotonic() - began:.0f} s")
    return code, out + place.said


def check(place, words, first=1):
    code, said = without_locks(place, words, first)
    if code != verbs.STORE:
        raise Fault(f"{words} ended with {code}: {said}")
    for want in (*SAID, place.store):
        if want not in said:
            raise Fault(f"{words} does not say \"{want}\": {said}")


def check_doctor(place):
    code, said = without_locks(place, ["doctor"])
    lines = [x for x in said.splitlines() if x.startswith("problem ")]
    if code != verbs.STORE or not any("gives no locks" in x for x in lines):
        raise Fault(f"doctor ended with {code}: {said}")


def main():
    with tempfile.TemporaryDirectory(prefix="flow-locks.") as directory:
        place = verbs.Place(directory, f"locks.{os.getpid()}")
        with open(os.path.join(directory, "p.json"), "w") as file:
            json.dump({"name": "p", "steps": [{"name": "a", "sh": ":"}]},
                      file)
        check(place, ["run", "p.json"])
        for first in LATE:  # while the store is made
            check(place, ["run", "p.json"], first)
        place.must(0, "run", "p.json", "--run-id", "r")
        for words in COMMANDS.values():
            check(place, words)
        for first in LATE[:1]:
            check(place, ["runs"], first)
        check_doctor(place)
        place.check_store()
        if place.status("r") != "succeeded":
            raise Fault("the run is not as it was")
        place.check_nobody()
    print(f"{len(COMMANDS)} commands: all told at once")


if __name__ == "__main__":
    main()
