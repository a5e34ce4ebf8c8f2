#!/usr/bin/env python3
"""Kill syncs of a CMDB with SIGKILL between pull and export, resume, and check.

Usage: sync.py KILLS [--seed SEED] [--dir DIR]
       sync.py KILLS --each any|sync [--seed SEED] [--dir DIR]

Plays rounds until flowctl was killed KILLS times. A round has two to four
sources with records drawn from its seed, and four syncs: a pipeline pulls,
diffs, applies and exports all of them, at most two at a time. From sync to sync
records come, change and go, or stay as they are; now and then a product's
answer is cut off, so that its pull fails and the others go on. Each sync is
killed up to three times, at a moment drawn from the seed or at one of the calls
that change what stays (killer.c), and resumed until it ends. In the end the last
sync is run again with the same input, and then the day's files are put together
(cmdb.compact), which is killed too.

With --each one sync is killed at its first call, at its second, and so on.

What must hold after each kill and after each end is in sync_checker.py. The seed
of a round is SEED plus its number; the directory of a failed round is kept and
printed. $FLOWCTL names the program, $CRASH_KILLER the library. Exit code 0 if
all was well, 1 after the first fault.
"""

import argparse
import collections
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile

import sync_checker as checker

FLOWCTL = os.path.abspath(os.environ.get("FLOWCTL", "build/cli/flowctl"))
KILLER = os.environ.get("CRASH_KILLER")
SYNCS, KILLS_MOST, HANG_S = 4, 3, 120
FAILED_STEP = 1  # flowctl's exit code

SYNC = """{ "name": "sync", "steps": [
  { "name": "product", "foreach": "%s", "limit": 2, "on_error": "continue", "steps": [
    { "name": "pull", "use": "cmdb.pull", "with": { "db": "cmdb.db", "source": "${{ item }}", "file": "${{ item }}.json" } },
    { "name": "diff", "use": "cmdb.diff", "with": { "db": "cmdb.db", "pull": "${{ steps.pull.output }}", "key": ["/id"], "guard": false } },
    { "name": "apply", "use": "cmdb.apply", "with": { "db": "cmdb.db", "plan": "${{ steps.diff.output }}" } },
    { "name": "out", "use": "cmdb.export", "with": { "db": "cmdb.db", "plan": "${{ steps.diff.output }}", "format": "ndjson", "root": "out" } }
  ] } ] }
"""
COMPACT = """{ "name": "compact", "steps": [
  { "name": "compact", "use": "cmdb.compact", "with": { "db": "cmdb.db", "root": "out", "before": "2999-01-01" } } ] }
"""


class Round:
    """One CMDB, and what befalls it."""

    def __init__(self, seed, where, tally):
        self.random = random.Random(seed)
        self.dir = where
        self.tally = tally
        self.calls = (1, 1)
        self.models = [checker.Model(f"src{i}")
                       for i in range(self.random.randint(2, 4))]
        names = ", ".join(f"'{x.name}'" for x in self.models)
        self.write("sync.json", SYNC % f"[{names}]")
        self.write("compact.json", COMPACT)

    def path(self, name):
        return os.path.join(self.dir, name)

    def write(self, name, text):
        with open(self.path(name), "w", encoding="utf-8") as file:
            file.write(text)

    # Inputs

    def record(self, key):
        r = self.random
        return {"id": key, "n": r.randint(0, 9), "tags": {"a": r.choice("xyz")},
                "note": "\u00e9" * r.randint(0, 400)}

    def mutate(self, state):
        r = self.random
        if r.random() < 0.2:
            return dict(state)
        keys = range(r.choice([3, 30, 300]))
        new = {k: v for k, v in state.items() if r.random() < 0.9}
        for key in keys:
            if r.random() < 0.3:
                new[f"k{key}"] = self.record(f"k{key}")
        return new

    def feed(self):
        """Write each source's file, and tell the model what comes of it."""
        for model in self.models:
            new = self.mutate(model.states[-1])
            items = list(new.values())
            self.random.shuffle(items)
            text = json.dumps(items)
            if self.random.random() < 0.1:
                text = text[:-1]
                self.tally["cut off"] += 1
            else:
                model.pending = new
            self.write(f"{model.name}.json", text)

    # Runs

    def flowctl(self, *args, kill=None, counts=False):
        """Run it, killed or not; its exit code, -9 if it was killed."""
        env = dict(os.environ, FLOW_STORE=self.path("store/flow.db"))
        env["ASAN_OPTIONS"] = (os.environ.get("ASAN_OPTIONS", "") +
                               ":verify_asan_link_order=0")
        if counts or (kill and isinstance(kill, str)):
            env["LD_PRELOAD"] = KILLER
        if counts:
            env["CRASH_COUNT"] = self.path("counts")
        if isinstance(kill, str):
            env["CRASH_CALL"] = kill
        with subprocess.Popen([FLOWCTL, *args, "--quiet"], cwd=self.dir,
                              env=env, stdout=subprocess.DEVNULL,
                              stderr=subprocess.PIPE, text=True) as p:
            try:
                timed = isinstance(kill, float)
                self.said = p.communicate(timeout=kill if timed else HANG_S)[1]
            except subprocess.TimeoutExpired:
                p.kill()
                p.communicate()
                if not timed:
                    raise checker.Fault(f"{args} does not end") from None
                return -9
        if counts:
            with open(self.path("counts"), encoding="utf-8") as file:
                self.calls = tuple(int(x) for x in file.read().split())
        return p.returncode

    def draw_kill(self):
        r = self.random
        if KILLER is None or r.random() < 0.3:
            return r.uniform(0.005, 0.25)
        if r.random() < 0.4:
            return f"sync:{r.randint(1, self.calls[1])}:{r.choice(['before', 'after'])}"
        how = r.choice(["before", "after", "half"])
        return f"any:{r.randint(1, self.calls[0])}:{how}"

    def go(self, run, file, kills, midway):
        """Run @file as @run, killed as @kills say, until it has ended."""
        started = False
        for kill in [*kills, None]:
            args = ["resume", run] if started else ["run", file, "--run-id", run]
            code = self.flowctl(*args, kill=kill)
            if code != -9 and started and "no run" in self.said:
                # killed before the run was recorded
                code = self.flowctl("run", file, "--run-id", run)
            started = True
            if code != -9:
                return code
            self.tally["kills"] += 1
            midway()
        raise checker.Fault("it was killed though nobody did")

    def midway(self):
        checker.check_midway(self.path("cmdb.db"), self.path("out"),
                             self.models)

    def end(self, code):
        cut = any(x.pending is None for x in self.models)
        checker.want(code == (FAILED_STEP if cut else 0), "end", code,
                     self.said)
        for model in self.models:
            model.settle()
        checker.check_end(self.path("cmdb.db"), self.path("out"), self.models)

    def sync(self, number, kills):
        self.feed()
        self.end(self.go(f"sync-{number}", "sync.json", kills, self.midway))
        self.tally["syncs"] += 1

    def first(self):
        """One that nobody kills, to learn how many calls there are."""
        self.feed()
        self.end(self.flowctl("run", "sync.json", "--run-id", "sync-0",
                              counts=KILLER is not None))

    def again(self):
        """The same input once more."""
        for model in self.models:
            text = json.dumps(list(model.states[-1].values()))
            self.write(f"{model.name}.json", text)
            model.pending = dict(model.states[-1])
        before = checker.fingerprint(self.path("cmdb.db"))
        self.end(self.flowctl("run", "sync.json", "--run-id", "again"))
        checker.want(before == checker.fingerprint(self.path("cmdb.db")),
                     "still", "the same input has changed something")

    def compact(self):
        def midway():
            checker.check_day(self.path("out"), self.models)

        code = self.go("compact", "compact.json", [self.draw_kill()], midway)
        checker.want(code == 0, "end", "compact", code, self.said)
        midway()
        for model in self.models:
            files = checker.files_of(self.path("out"), model.name)
            n = len(model.states) - 1
            checker.want(len(files) == min(n, 1), "once", files)

    def play(self):
        self.first()
        for number in range(1, SYNCS + 1):
            kills = [self.draw_kill()
                     for _ in range(self.random.randint(1, KILLS_MOST))]
            self.sync(number, kills)
        self.again()
        self.compact()
        self.tally["rounds"] += 1

    def play_each(self, what, most):
        """The second sync, killed at each of its calls."""
        self.first()
        self.feed()
        models = [(x.states[:], x.pending) for x in self.models]
        keep = self.dir + ".keep"
        shutil.copytree(self.dir, keep, symlinks=True)
        for call in range(1, most + 1):
            shutil.rmtree(self.dir)
            shutil.copytree(keep, self.dir, symlinks=True)
            for model, (states, pending) in zip(self.models, models):
                model.states, model.pending = states[:], pending
            before = self.tally["kills"]
            how = ("before", "after", "half")[call % 3 if what == "any" else
                                              call % 2]
            self.end(self.go("sync-1", "sync.json", [f"{what}:{call}:{how}"],
                             self.midway))
            self.tally["syncs"] += 1
            if self.tally["kills"] == before:
                break
        shutil.rmtree(keep)


def read_args():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("kills", type=int)
    parser.add_argument("--seed", type=int, default=None)
    parser.add_argument("--each", choices=["any", "sync"])
    parser.add_argument("--dir")
    args = parser.parse_args()
    if args.seed is None:
        args.seed = random.randrange(1 << 31)
    return args


def main():
    args = read_args()
    tally = collections.Counter()
    seed = args.seed
    while tally["kills"] < args.kills:
        where = tempfile.mkdtemp(prefix="flow-sync.", dir=args.dir)
        one = Round(seed, where, tally)
        try:
            if args.each:
                one.play_each(args.each, args.kills)
            else:
                one.play()
        except (checker.Fault, AssertionError, ValueError) as fault:
            print(f"sync: {fault}\nsync: seed {seed}; kept: {where}\n"
                  f"sync: again: {sys.argv[0]} 1 --seed {seed}"
                  f"{' --each ' + args.each if args.each else ''}",
                  file=sys.stderr)
            return 1
        shutil.rmtree(where)
        if args.each:
            break
        seed += 1
    print(f"seed {args.seed}:", ", ".join(f"{n} {x}" for x, n in
                                          sorted(tally.items())))
    return 0


if __name__ == "__main__":
    sys.exit(main())
