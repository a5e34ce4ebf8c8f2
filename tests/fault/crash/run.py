#!/usr/bin/env python3
"""Kill engines with SIGKILL, resume, and see that nothing was lost.

Usage: run.py KILLS [--seed SEED] [--engines N] [--dir DIR]
       run.py KILLS --each any|sync [--seed SEED] [--engines N] [--dir DIR]

Plays rounds until engines were killed KILLS times. A round is a pipeline, drawn
from its seed, in a store that other rounds use at the same time: first it is
run undisturbed, for reference; then again, and the engine is killed at a moment
that is drawn too, and resumed and killed again, until the run has ended.

A kill comes at a time, or at one of the calls with which the engine changes
what outlives it (killer.c, if $CRASH_KILLER names it built). With --each the
pipeline of one seed is run, in a new store each time, and killed at the first
such call, at the second, and so on; `sync` are the calls that commit.

After each kill
- nothing of the run is alive, after 3 s at the latest
- checker.py finds the record and the effects in order
- the run is `interrupted`, and `flowctl show` can show it
and at the end
- the exit code is the reference's; a second `resume` has it too, and changes
  nothing
- checker.py finds all as it should be and, where the pipeline decides it alone,
  as in the reference; `flowctl show` tells the same states of both
- no file of a run that succeeded is left in the store's directory of work,
  unless the last kill came between the run's end and their removal: nothing
  removes them then

A run in which a step with "idempotent": false was lost waits for a person:
resume must refuse, with exit code 5 and the step's name, as often as it is
asked. Such a round ends there.

The seed of a round is SEED plus its number, so a failure is played again by
`run.py 1 --seed THAT`. Where the moment of a kill is a time on a clock it may
take more than one try; the directory of a failed round is kept, and its path
printed. $FLOWCTL names the program. Exit code 0 if all was well.
"""

import argparse
import itertools
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time

import pipelines

HERE = os.path.dirname(os.path.abspath(__file__))
CHECKER = os.path.join(HERE, "checker.py")
FLOWCTL = os.path.abspath(os.environ.get("FLOWCTL", "build/cli/flowctl"))
GONE_S = 3  # within which all of a killed engine's steps must have ended
KILLER = os.environ.get("CRASH_KILLER")
HOWS = {"any": ["before", "half", "after"], "sync": ["before", "after"]}
TRIES = 25  # kills a round may take before it must be let through
HANG_S = 120  # an engine that nobody kills ends before
INTERRUPTED, REFUSED = 5, "idempotent"


class Fault(Exception):
    """Something that must hold does not."""


def alive(mark):
    """pid and words of the processes that have @mark in their environment."""
    found = []
    needle = f"CRASH_MARK={mark}".encode()
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{pid}/environ", "rb") as file:
                if needle not in file.read().split(b"\0"):
                    continue
            with open(f"/proc/{pid}/cmdline", "rb") as file:
                words = file.read().replace(b"\0", b" ").decode().strip()
        except OSError:
            continue  # it has just ended
        if words:  # a zombie has none
            found.append(f"{pid} {words}")
    return found


class Reference:
    """How a run went that nobody disturbed."""

    def __init__(self, store, run, code, seconds, counts):
        self.store = store
        self.run = run
        self.code = code
        self.seconds = seconds
        self.counts = counts  # of calls to be killed at: any, sync


class Round:
    """One pipeline, run twice: in peace, and with kills."""

    def __init__(self, seed, name, directory, store):
        self.seed = seed
        self.random = random.Random(seed)
        self.name = name
        self.store = store
        self.dir = os.path.join(directory, name)
        self.kills = 0
        self.told = []
        self.end_killed = False  # a kill came behind the end of the run

    def write_files(self):
        os.makedirs(self.dir)
        self.pipeline = pipelines.draw(self.random)
        for name, doc in self.pipeline["files"].items():
            with open(os.path.join(self.dir, name), "w") as file:
                json.dump(doc, file, indent=1)
        shutil.copy(os.path.join(HERE, "step"), self.dir)

    def environment(self, run):
        effects = os.path.join(self.dir, f"effects.{run}")
        open(effects, "a").close()
        return {**os.environ, "FLOW_STORE": self.store, "CRASH_MARK": run,
                "CRASH_EFFECTS": effects}

    def start(self, run, *words, **killer):
        """Start an engine; what it prints goes to files of its own."""
        n = len(self.told)
        if killer:
            killer["LD_PRELOAD"] = KILLER
            # It comes before the sanitizer's run-time, which minds that.
            killer["ASAN_OPTIONS"] = ":".join(filter(None, [
                os.environ.get("ASAN_OPTIONS"), "verify_asan_link_order=0"]))
        self.told.append(os.path.join(self.dir, f"told.{run}.{n}"))
        with open(self.told[-1], "w") as out, \
                open(os.path.join(self.dir, f"said.{run}.{n}"), "w") as err:
            return subprocess.Popen(
                [FLOWCTL, *words, "--json"], cwd=self.dir, stdout=out,
                stderr=err, env={**self.environment(run), **killer})

    def said(self, run):
        name = os.path.join(self.dir, f"said.{run}.{len(self.told) - 1}")
        with open(name, encoding="utf-8", errors="replace") as file:
            return file.read()

    def ask(self, *words, store=None):
        return subprocess.run([FLOWCTL, *words,
                               "--store", store or self.store],
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                              text=True, timeout=HANG_S, check=False)

    def wait(self, engine, run):
        try:
            return engine.wait(HANG_S)
        except subprocess.TimeoutExpired:
            engine.kill()
            engine.wait()
            raise Fault(f"{run} did not end within {HANG_S} s") from None

    # --- what must hold ---

    def check(self, run, *more):
        done = subprocess.run(
            [sys.executable, CHECKER, self.store, run,
             os.path.join(self.dir, f"effects.{run}"), *more],
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
            check=False)
        if done.returncode:
            raise Fault(f"{run}, the checker says:\n{done.stdout.rstrip()}")

    def check_nobody(self, run):
        end = time.monotonic() + GONE_S
        while left := alive(run):
            if time.monotonic() > end:
                raise Fault(f"{run}, alive after {GONE_S} s: {left}")
            time.sleep(0.01)

    def check_code(self, run, code):
        """A sanitizer's report, a signal, or an end that is none."""
        said = self.said(run)
        if code not in (0, 1) or "Sanitizer" in said or "ASan" in said:
            raise Fault(f"{run} ended with {code}:\n{said[-4000:]}")

    def show(self, run, store=None):
        done = self.ask("show", run, "--json", store=store)
        if done.returncode:
            raise Fault(f"show {run}: {done.stderr}")
        return json.loads(done.stdout)

    def is_there(self, run):
        """Whether the run was recorded at all."""
        return os.path.exists(self.store) and \
            self.ask("show", run, "--json").returncode == 0

    def after_kill(self, run):
        self.check_nobody(run)
        with open(os.path.join(self.dir, f"effects.{run}"), "a") as file:
            file.write(f"K {time.time_ns() // 1000}\n")
        if not self.is_there(run):
            return False
        status = self.show(run)["status"]
        if status not in ("interrupted", "succeeded", "failed"):
            raise Fault(f"{run} shows as {status} after a kill")
        self.end_killed |= status != "interrupted"
        self.check(run, *(f"--told={name}" for name in self.told))
        return True

    def check_refusal(self, run):
        """A step waits for a person; asking again changes nothing."""
        for _ in range(2):
            said = self.said(run)
            if REFUSED not in said:
                raise Fault(f"{run} does not go on, and says: {said}")
            if self.show(run)["status"] != "interrupted":
                raise Fault(f"{run} shows as {self.show(run)['status']}")
            code = self.wait(self.start(run, "resume", run), run)
            if code != INTERRUPTED:
                raise Fault(f"resume of {run} ended with {code}")
        self.check(run, *(f"--told={name}" for name in self.told))

    def check_end(self, run, code, reference):
        self.check_nobody(run)
        settled = self.pipeline["settled"]
        if settled and code != reference.code:
            raise Fault(f"{run} ended with {code}, {reference.run} with "
                        f"{reference.code}:\n{self.said(run)}")
        again = self.wait(self.start(run, "resume", run), run)
        if again != code:
            raise Fault(f"{run} ended with {code}, resumed with {again}")
        self.check(run, *(f"--told={name}" for name in self.told),
                   *(["--reference", reference.store, reference.run]
                     if settled else []))
        if settled:
            self.check_states(run, reference)
        work = os.path.join(f"{self.store}.d", "work", run)
        if code == 0 and not self.end_killed and os.path.exists(work):
            raise Fault(f"{work} is left")

    def check_states(self, run, reference):
        mine, theirs = (
            {s["path"]: (s["status"], s["output"]) for s in shown["steps"]}
            for shown in (self.show(run),
                          self.show(reference.run, reference.store)))
        for path in sorted(mine.keys() | theirs.keys()):
            if mine.get(path) != theirs.get(path):
                raise Fault(f"{run} shows {path} as {mine.get(path)}, "
                            f"the reference as {theirs.get(path)}")

    # --- the round ---

    def undisturbed(self):
        run = f"{self.name}.calm"
        counts = os.path.join(self.dir, "counts")
        began = time.monotonic()
        code = self.wait(
            self.start(run, "run", "main.json", "--run-id", run,
                       **({"CRASH_COUNT": counts} if KILLER else {})), run)
        seconds = time.monotonic() - began
        self.check_code(run, code)
        self.check_nobody(run)
        self.check(run, f"--told={self.told[-1]}")
        self.told = []
        calls = {}
        if KILLER:
            with open(counts, encoding="ascii") as file:
                calls = dict(zip(("any", "sync"), map(int, file.read().split())))
        return Reference(self.store, run, code, seconds, calls)

    def kill_at_time(self, engine, seconds):
        try:
            return engine.wait(seconds)
        except subprocess.TimeoutExpired:
            engine.send_signal(signal.SIGKILL)
            return engine.wait()

    def run_and_kill(self, run, words, reference, patience):
        """Returns the exit code; -SIGKILL if the kill came in time."""
        share = self.random.random()
        if KILLER and self.random.randrange(2):
            what = self.random.choice(list(HOWS))
            n = 1 + int(share * reference.counts[what])
            call = f"{what}:{n}:{self.random.choice(HOWS[what])}"
            return self.wait(self.start(run, *words, CRASH_CALL=call), run)
        return self.kill_at_time(self.start(run, *words),
                                 share * reference.seconds * patience)

    def disturbed(self, run, reference, first=None):
        """Returns the exit code, or None if a person must say what to do.

        @first: the one kill, at that call; without it many, as drawn."""
        words = ["run", "main.json", "--run-id", run]
        for n in range(TRIES):
            if first and n > 0:
                code = self.wait(self.start(run, *words), run)
            elif first:
                code = self.wait(self.start(run, *words, CRASH_CALL=first),
                                 run)
            else:
                code = self.run_and_kill(run, words, reference,
                                         1.5 ** max(0, n - TRIES // 2))
            if code == INTERRUPTED:
                self.check_refusal(run)
                return None
            if code != -signal.SIGKILL:
                self.check_code(run, code)
                return code
            self.kills += 1
            if self.after_kill(run):
                words = ["resume", run]
        raise Fault(f"{run} makes no progress")

    def play(self, reference=None, first=None):
        """Returns whether the run waits for a person at its end."""
        self.write_files()
        reference = reference or self.undisturbed()
        run = f"{self.name}.wild"
        code = self.disturbed(run, reference, first)
        if code is not None:
            self.check_end(run, code, reference)
        return code is None


def drawn_rounds(args, directory):
    """A round a seed, in one store."""
    store = os.path.join(directory, "flow.db")
    for seed in itertools.count(args.seed):
        yield (Round(seed, f"r{seed}", directory, store), {},
               f"tools/crash 1 --seed {seed}")


def each_round(args, directory):
    """A round a call of one seed's pipeline, in a store each."""
    calm = Round(args.seed, "reference", directory,
                 os.path.join(directory, "reference.db"))
    calm.write_files()
    reference = calm.undisturbed()
    for n in range(1, reference.counts[args.each] + 1):
        for how in HOWS[args.each]:
            name = f"{args.each}.{n}.{how}"
            yield (Round(args.seed, name, directory,
                         os.path.join(directory, name, "store", "flow.db")),
                   {"reference": reference, "first": f"{args.each}:{n}:{how}"},
                   f"tools/crash {args.kills} --each {args.each} "
                   f"--seed {args.seed}")


class Runner:
    """Rounds side by side, until there were enough kills."""

    def __init__(self, args, directory):
        self.args = args
        self.lock = threading.Lock()
        self.todo = (each_round if args.each else drawn_rounds)(
            args, directory)  # by lock
        self.kills = self.rounds = self.waiting = 0  # by lock
        self.faults = 0  # by lock

    def take(self):
        with self.lock:
            if self.kills >= self.args.kills or self.faults:
                return None
            return next(self.todo, None)

    def report(self, played, waits, fault, again):
        with self.lock:
            self.rounds += 1
            self.kills += played.kills
            self.waiting += waits
            if fault:
                self.faults += 1
                print(f"seed {played.seed}, {played.name}: {fault}\n"
                      f"  kept: {played.dir} and {played.store}\n"
                      f"  again: {again}", flush=True)

    def work(self):
        while (todo := self.take()) is not None:
            played, how, again = todo
            waits, fault = False, None
            try:
                waits = played.play(**how)
            except Fault as e:
                fault = e
            except Exception as e:  # a fault of ours is one, too
                fault = f"{type(e).__name__}: {e}"
            self.report(played, waits, fault, again)
            if not fault:
                shutil.rmtree(played.dir)

    def run(self):
        threads = [threading.Thread(target=self.work)
                   for _ in range(self.args.engines)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        print(f"{self.rounds} rounds, {self.kills} kills, {self.waiting} "
              f"waiting for a person, {self.faults} faults")
        return not self.faults


def main():
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("kills", type=int)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--engines", type=int, default=2)
    parser.add_argument("--each", choices=list(HOWS))
    parser.add_argument("--dir")
    args = parser.parse_args()
    if args.each and not KILLER:
        parser.error("--each needs the killer ($CRASH_KILLER)")
    directory = args.dir or tempfile.mkdtemp(prefix="flow-crash.")
    os.makedirs(directory, exist_ok=True)
    good = Runner(args, os.path.abspath(directory)).run()
    if good and not args.dir:
        shutil.rmtree(directory)
    sys.exit(0 if good else 1)


if __name__ == "__main__":
    main()
