#!/usr/bin/env python3
"""Let calls into the kernel fail: flowctl must say so and lose nothing.

Usage: run.py --cases N [--seed SEED] [--engines N] [--dir DIR]
       run.py --all [--call NAME] [--engines N] [--dir DIR]
       run.py --case CALL:N:HOW:ERRNO [--dir DIR]

One pipeline (programs with output, input, logs, files and daemons, native
steps, a foreach) is run undisturbed, for reference; then again in a store of
its own for each case, with one call failing: failer.c, which $CALL_FAILER names
built, has the calls, FAILURES below what they fail with. With --all each call
of the undisturbed run fails once, and from the first and from one in the middle
on all later ones; --cases draws some of these from a seed, every kind of call
first.

After each case
- flowctl has ended, with one of the exit codes for it, and said why in words
- nothing of the run is alive, after 3 s at the latest
- the record, if there is one, and the effects are in order (checker.py)
- with nothing failing any more the run goes on, from the start if it was not
  recorded, and ends as the reference did; or as it had ended before
- if a step failed because of the call, so that there is another end: the record
  is in order

$FLOWCTL names the program. Exit code 0 if all was well.
"""

import errno
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
import threading
import time

HERE = os.path.dirname(os.path.abspath(__file__))
CRASH = os.path.join(HERE, "..", "crash")
sys.path.insert(0, CRASH)
sys.path.insert(0, HERE)

import options  # noqa: E402
import rounds as crash  # noqa: E402
from pipelines import leaf  # noqa: E402

FAILER = os.environ.get("CALL_FAILER")
SUCCEEDED, FAILED, USAGE, STORE, INTERRUPTED = 0, 1, 2, 4, 5
FAILURES = {
    "open64": ["EMFILE", "ENOSPC"], "openat64": ["EMFILE", "ENOSPC"],
    "read": ["EIO", "EINTR"], "pread64": ["EIO", "short"],
    "write": ["ENOSPC", "EIO", "EINTR", "short"],
    "pwrite64": ["ENOSPC", "EIO", "EINTR", "short"],
    "fsync": ["EIO"], "fdatasync": ["EIO"], "ftruncate64": ["EIO", "ENOSPC"],
    "posix_fallocate64": ["ENOSPC", "EOPNOTSUPP"],
    "rename": ["EIO", "ENOSPC"], "renameat": ["EIO", "ENOSPC"],
    "unlink": ["EIO", "EACCES"], "unlinkat": ["EIO", "EACCES"],
    "mkdir": ["ENOSPC", "EACCES"], "mkdirat": ["ENOSPC", "EACCES"],
    "pipe2": ["EMFILE"], "socketpair": ["EMFILE"],
    "sendmsg": ["ENOBUFS", "EINTR"], "send": ["ENOBUFS", "EINTR"],
    "recv": ["EINTR", "ECONNRESET"], "epoll_create1": ["EMFILE"],
    "epoll_ctl": ["ENOSPC", "ENOMEM"], "epoll_wait": ["EINTR"],
    "timerfd_create": ["EMFILE"], "eventfd": ["EMFILE"],
    "memfd_create": ["EMFILE"], "posix_spawn": ["EAGAIN", "ENOMEM"],
    "pthread_create": ["EAGAIN"], "fcntl64": ["ENOLCK", "EINTR"],
    "mmap64": ["ENOMEM"],
}
# What for ever would be no failure but a machine that cannot be.
NOT_FOR_EVER = {"EINTR", "short"}

PIPELINE = {
    "name": "calls", "defaults": {"grace": "200ms"}, "limit": 4,
    "steps": [
        leaf("a", ms=0, output="text"),
        {"name": "list", "use": "core.set", "with": {"items": [1, 2]}},
        {"name": "g", "group": [
            leaf("daemon", ms=0, daemon=1),
            {"name": "files", "output": "json", "stdin": "a short text",
             "sh": "cat >\"$FLOW_WORKDIR/f\"; echo seen >&2; echo 7; "
                   "./step 0 0 0 >/dev/null && echo '{\"n\": 1}' "
                   ">\"$FLOW_OUTPUT\""},
            leaf("slow", ms=20, needs=["daemon"]),
            {"name": "large", "stdin": "x" * 70000, "output": "text",
             "sh": "./step 0 0 0 >/dev/null; wc -c"},
        ]},
        {"name": "each", "foreach": "steps.list.output.items", "limit": 2,
         "steps": [leaf("x", ms=0, output="text")]},
    ],
    "finally": [leaf("last", ms=0)],
    "output": {"a": "${{ steps.a.output }}", "g": "${{ steps.g.output }}",
               "each": "${{ steps.each.output }}"},
}


class Case(crash.Round):
    """The pipeline, with one call that fails."""

    def __init__(self, name, directory):
        super().__init__(0, name, directory,
                         os.path.join(directory, name, "state", "flow.db"))
        self.run = f"{name}.{os.getpid()}"  # also the mark of its processes
        self.counts = {}

    def write_files(self):
        os.makedirs(self.dir)
        self.pipeline = {"settled": True}
        with open(os.path.join(self.dir, "main.json"), "w") as file:
            json.dump(PIPELINE, file)
        os.symlink(os.path.join(CRASH, "step"), os.path.join(self.dir, "step"))

    def start(self, run, *words, **more):
        """Start an engine; what it prints goes to files of its own."""
        n = len(self.told)
        self.told.append(os.path.join(self.dir, f"told.{run}.{n}"))
        env = {**self.environment(run), **more}
        if more:
            env["LD_PRELOAD"] = FAILER
            env["FAIL_COUNT"] = os.path.join(self.dir, "counts")
            env["ASAN_OPTIONS"] = ":".join(filter(None, [
                os.environ.get("ASAN_OPTIONS"), "verify_asan_link_order=0"]))
        with open(self.told[-1], "w") as out, \
                open(os.path.join(self.dir, f"said.{run}.{n}"), "w") as err:
            return subprocess.Popen([crash.FLOWCTL, *words, "--json"],
                                    cwd=self.dir, stdin=subprocess.DEVNULL,
                                    stdout=out, stderr=err, env=env)

    def read_counts(self):
        """{call: (how often, how often it failed)}"""
        with open(os.path.join(self.dir, "counts"), encoding="ascii") as file:
            return {name: (int(count), int(failed))
                    for name, count, failed in map(str.split, file)}

    def calm(self):
        self.write_files()
        code = self.wait(self.start(self.run, "run", "main.json", "--run-id",
                                    self.run, FAIL_CALL=""), self.run)
        if code != SUCCEEDED:
            raise crash.Fault(f"undisturbed: {code}, {self.said(self.run)}")
        self.check_nobody(self.run)
        self.check(self.run)
        self.counts = {n: c for n, (c, _) in self.read_counts().items()}

    def is_there(self, run):
        return os.path.exists(self.store) and \
            self.ask("show", run, "--json").returncode == SUCCEEDED

    def check_said(self, code, there):
        said = self.said(self.run)
        may = [SUCCEEDED, FAILED, STORE, INTERRUPTED] + \
            ([] if there else [USAGE])
        if code not in may or "Sanitizer" in said:
            raise crash.Fault(f"ended with {code}, and said: {said[-4000:]}")
        if code != SUCCEEDED and "flowctl: " not in said:
            raise crash.Fault(f"ended with {code} without a reason: {said}")

    def was_changed(self):
        """Whether a step failed, as none does in the reference."""
        done = self.ask("events", self.run, "--json")
        events = map(json.loads, done.stdout.splitlines())
        return any(e.get("status") in ("failed", "cancelled") or
                   e["kind"] in ("step.retrying", "run.cancelling")
                   for e in events if e["kind"] != "run.finished")

    def go_on(self, there, reference):
        """Without failures. Returns whether it came to the reference's end."""
        status = self.show(self.run)["status"] if there else None
        changed = there and self.was_changed()
        words = ["run", "main.json", "--run-id", self.run]
        if there:
            words = ["resume", self.run]
            self.check_interrupted()
        code = self.wait(self.start(self.run, *words), self.run)
        ends = {"succeeded": [SUCCEEDED], "failed": [FAILED]}
        want = ends.get(status, [SUCCEEDED, FAILED] if changed
                        else [SUCCEEDED])
        if code not in want:
            raise crash.Fault(f"{status} before; then {words[0]} ended with "
                              f"{code}: {self.said(self.run)}")
        self.check_nobody(self.run)
        self.check(self.run, None if changed else reference)
        return not changed

    def check_interrupted(self):
        """The record so far; for the checker the engine has crashed."""
        with open(os.path.join(self.dir, f"effects.{self.run}"), "a") as file:
            file.write(f"K {time.time_ns() // 1000}\n")
        self.check(self.run)

    def play(self, reference, plan):
        """Returns the exit code, whether the call came, and the end."""
        self.write_files()
        call, n, how, number = plan
        code = self.wait(
            self.start(self.run, "run", "main.json", "--run-id", self.run,
                       FAIL_CALL=f"{call}:{n}:{how}:{number}"), self.run)
        self.check_nobody(self.run)
        there = self.is_there(self.run)
        self.check_said(code, there)
        came = self.read_counts().get(call, (0, 0))[1] > 0 \
            if os.path.exists(os.path.join(self.dir, "counts")) else True
        if code == SUCCEEDED:
            self.check(self.run, reference)
        return code, came, self.go_on(there, reference)


def plans_of(call, count):
    """(CALL, N, HOW, number) for all that is to be tried of a call."""
    for name in FAILURES[call]:
        how = "short" if name == "short" else "once"
        number = getattr(errno, name, 0)
        for n in range(1, count + 1):
            yield call, n, how, number
        if name not in NOT_FOR_EVER:
            for n in sorted({1, (count + 1) // 2}):
                yield call, n, "ever", number


def choose(args, counts):
    if args.case:
        call, n, how, number = args.case.split(":")
        return [(call, int(n), how, int(number))]
    every = {c: list(plans_of(c, counts.get(c, 0))) for c in FAILURES
             if args.call in (None, c)}
    if args.all:
        return sum(every.values(), [])
    draw = random.Random(args.seed)
    chosen = [draw.choice(plans) for plans in every.values() if plans]
    rest = [p for p in sum(every.values(), []) if p not in chosen]
    return (chosen + draw.sample(rest, min(len(rest), args.cases)))[:args.cases]


class Runner:
    """Cases side by side, to the end."""

    def __init__(self, directory, reference, plans):
        self.directory = directory
        self.reference = reference
        self.lock = threading.Lock()
        self.plans = iter(plans)  # by lock
        self.codes = {}  # by lock
        self.faults = self.came = self.same = 0  # by lock

    def take(self):
        with self.lock:
            return next(self.plans, None)

    def report(self, plan, outcome, fault, case):
        name = ":".join(map(str, plan))
        with self.lock:
            if fault:
                self.faults += 1
                print(f"{name} ({os.strerror(plan[3])}): {fault}\n"
                      f"  kept: {case.dir}; again: --case {name}", flush=True)
                return
            code, came, same = outcome
            self.codes[code] = self.codes.get(code, 0) + 1
            self.came += came
            self.same += same

    def work(self):
        while (plan := self.take()) is not None:
            case = Case(".".join(map(str, plan)), self.directory)
            outcome, fault = None, None
            try:
                outcome = case.play(self.reference, plan)
            except crash.Fault as e:
                fault = e
            except Exception as e:  # a fault of ours is one, too
                fault = f"{type(e).__name__}: {e}"
            self.report(plan, outcome, fault, case)
            if not fault:
                shutil.rmtree(case.dir)

    def run(self, engines):
        threads = [threading.Thread(target=self.work) for _ in range(engines)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        codes = ", ".join(f"{n} with {code}"
                          for code, n in sorted(self.codes.items()))
        print(f"ended: {codes or 'none'}; {self.came} calls failed, "
              f"{self.same} came to the same end, {self.faults} faults")
        return not self.faults and self.came > 0


def main():
    parser = options.parser(__doc__, FAILURES)
    parser.add_argument("--engines", type=int, default=2)
    parser.add_argument("--dir")
    args = parser.parse_args()
    if not FAILER:
        parser.error("$CALL_FAILER must name the library")
    directory = args.dir or tempfile.mkdtemp(prefix="flow-calls.")
    os.makedirs(directory, exist_ok=True)
    directory = os.path.abspath(directory)
    reference = Case("reference", directory)
    reference.calm()
    print("calls: " + ", ".join(f"{n} {c}"
                                for n, c in reference.counts.items()))
    good = Runner(directory, reference,
                  choose(args, reference.counts)).run(args.engines)
    if good and not args.dir:
        shutil.rmtree(directory)
    sys.exit(0 if good else 1)


if __name__ == "__main__":
    main()
