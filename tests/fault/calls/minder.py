#!/usr/bin/env python3
"""Let calls into the kernel fail in the helper that programs run under.

Usage: minder.py --cases N [--seed SEED]
       minder.py --all [--call NAME]
       minder.py --case CALL:WHEN:ERRNO

flo-minder is linked statically, so strace makes its calls fail: CALLS below says
which with what. One pipeline (programs with output and input, in parallel, a
daemon that is left behind) is run for each case. The calls in OF_PROGRAMS are
made to fail in what the helper starts, too, between its fork and its exec.

After each case
- flowctl has ended in time, with 0, 1, 4 or 5, and said why
- each step that failed says why
- nothing is alive after 3 s
- `doctor` finds no fault with the store
- with nothing failing the run goes on, or what failed is run again, to a good end

Exit code 0 if all was well, 77 if there is no strace or it may not trace.
"""

import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)

import options  # noqa: E402
import verbs  # noqa: E402

Fault = verbs.Fault
MINDER = os.path.abspath(os.environ.get("FLO_MINDER", ""))
TIMES = 6  # how many of each call are tried
ONCE = {"EINTR"}  # for ever it would be a machine that cannot be
# With these what is to be ended is looked up. They are also tried without
# cgroups, where it matters more, and always for ever.
SEES = {"read", "openat"}
END_S = 60  # within which the run ends
CALLS = {
    "clone3": ["EAGAIN", "ENOMEM"], "wait4": ["EINTR"],
    "recvmsg": ["EINTR", "ENOMEM"], "sendto": ["ENOBUFS", "EINTR"],
    "ppoll": ["EINTR", "ENOMEM"], "pidfd_open": ["EMFILE"],
    "openat": ["EMFILE", "ENOENT"], "read": ["EIO", "EINTR"],
    "fcntl": ["EMFILE"], "prctl": ["EPERM"], "setsid": ["EPERM"],
    "dup2": ["EBADF", "EINTR"], "chdir": ["EACCES"],
    "close_range": ["ENOMEM"], "execve": ["ENOMEM", "EACCES"],
}
OF_PROGRAMS = {"setsid", "dup2", "chdir", "close_range", "execve"}

PIPELINE = {
    "name": "minder", "defaults": {"grace": "200ms"}, "steps": [
        {"name": "a", "sh": "echo 7", "output": "json"},
        {"name": "g", "group": [
            {"name": "input", "exec": ["cat"], "stdin": "text",
             "output": "text"},
            {"name": "daemon", "sh": "sleep 600 & :"},
            {"name": "far", "sh": "setsid sleep 600 & :"}]}],
    "output": {"a": "${{ steps.a.output }}"}}


def may_trace():
    if shutil.which("strace") is None:
        return False
    return subprocess.run(["strace", "-D", "-qq", "-o", "/dev/null", "true"],
                          stderr=subprocess.DEVNULL,
                          check=False).returncode == 0


def write_wrapper(place, plan):
    """A helper that is the real one, with its call failing."""
    call, when, error = plan
    path = os.path.join(place.dir, "minder")
    follow = "-f " if call in OF_PROGRAMS else ""
    with open(path, "w") as file:
        file.write(f"#!/bin/sh\nexec strace -D -qq {follow}-o /dev/null "
                   f"-e trace={call} -e inject={call}:error={error}:"
                   f"when={when} {MINDER} \"$@\"\n")
    os.chmod(path, 0o700)
    return path


def check_reasons(place):
    """Each step that failed says why."""
    shown = json.loads(place.must(0, "show", "r", "--json"))
    for step in shown["steps"]:
        if step["status"] == "failed" and \
                not (step.get("error") or {}).get("message"):
            raise Fault(f"{step['path']} failed without a reason")


def go_on(place):
    status = place.status("r")
    if status == "interrupted":
        place.must(0, "resume", "r")
    elif status == "failed":
        place.must(0, "rerun", "r", "--failed")
    elif status is None:
        place.must(0, "run", "p.json")
    elif status != "succeeded":
        raise Fault(f"it is {status}")


def play(directory, plan, cgroup):
    name = ".".join((*plan, cgroup))
    os.makedirs(os.path.join(directory, name))
    place = verbs.Place(os.path.join(directory, name),
                        f"{name}.{os.getpid()}")
    with open(os.path.join(place.dir, "p.json"), "w") as file:
        json.dump(PIPELINE, file)
    began = time.monotonic()
    code, _ = place.call("run", "p.json", "--run-id", "r", FLO_CGROUP=cgroup,
                         FLO_MINDER=write_wrapper(place, plan))
    said = place.said
    if time.monotonic() - began > END_S:
        raise Fault(f"took more than {END_S} s")
    if code not in (0, 1, 4, 5):
        raise Fault(f"ended with {code}: {said[-2000:]}")
    if code != 0 and "flowctl: " not in said:
        raise Fault(f"ended with {code} without a reason: {said[-2000:]}")
    place.check_nobody()
    place.check_store()
    if place.status("r"):
        check_reasons(place)
    go_on(place)
    place.check_nobody()
    shutil.rmtree(place.dir)
    return code


def plans_of(call):
    for error in CALLS[call]:
        for n in range(1, TIMES + 1):
            yield call, str(n), error
        if error not in ONCE:
            yield call, "1+", error
            yield call, "3+", error


def choose(args):
    if args.case:
        return [tuple(args.case.split(":"))]
    every = [plan for call in CALLS if args.call in (None, call)
             for plan in plans_of(call)]
    if args.all:
        return every
    always = [plan for plan in every if plan[0] in SEES and plan[1] == "1+"]
    rest = [plan for plan in every if plan not in always]
    return always + random.Random(args.seed).sample(
        rest, min(len(rest), args.cases - len(always)))


def main():
    parser = options.parser(__doc__, CALLS)
    args = parser.parse_args()
    if not may_trace():
        print("skipped: there is no strace, or it may not trace")
        sys.exit(77)
    directory = tempfile.mkdtemp(prefix="flow-minder.")
    codes, faults = {}, 0
    for plan, cgroup in [(plan, cgroup) for plan in choose(args)
                         for cgroup in (["on", "off"] if plan[0] in SEES
                                        else ["on"])]:
        try:
            code = play(directory, plan, cgroup)
            codes[code] = codes.get(code, 0) + 1
        except Exception as e:  # a fault of ours is one, too
            faults += 1
            print(f"{':'.join(plan)} (FLO_CGROUP={cgroup}): "
                  f"{'' if isinstance(e, Fault) else repr(e)}{e}", flush=True)
    print("ended: " + ", ".join(f"{n} with {code}" for code, n
                                in sorted(codes.items())) +
          f"; {faults} faults")
    if not faults:
        shutil.rmtree(directory)
    sys.exit(1 if faults else 0)


if __name__ == "__main__":
    main()
