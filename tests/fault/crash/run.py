#!/usr/bin/env python3
"""Kill engines with SIGKILL, resume, and see that nothing was lost.

Usage: run.py KILLS [--seed SEED] [--engines N] [--dir DIR]

Plays rounds until engines were killed KILLS times. A round is a pipeline, drawn
from its seed, in a store that other rounds use at the same time: first it is
run undisturbed, for reference; then again, and the engine is killed at a moment
that is drawn too, and resumed and killed again, until the run has ended.

After each kill
- nothing of the run is alive, after 3 s at the latest
- checker.py finds the record and the effects in order
- the run is `interrupted`, and `flowctl show` can show it
and at the end
- the exit code is the reference's; a second `resume` has it too, and changes
  nothing
- checker.py finds all as it should be and, where the pipeline decides it alone,
  as in the reference; `flowctl show` tells the same states of both
- no file of the run is left in the store's directory of work

A run in which a step with "idempotent": false was lost waits for a person:
resume must refuse, with exit code 5 and the step's name, as often as it is
asked. Such a round ends there.

The seed of a round is SEED plus its number, so a failure is played again by
`run.py 1 --seed THAT`. The moment of a kill is a time on a clock, so it may
take more than one try; the directory of a failed round is kept, and its path
printed. $FLOWCTL names the program. Exit code 0 if all was well.
"""

import argparse
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


class Round:
    """One pipeline, run twice: in peace, and with kills."""

    def __init__(self, seed, directory, store):
        self.seed = seed
        self.random = random.Random(seed)
        self.name = f"r{seed}"
        self.store = store
        self.dir = os.path.join(directory, self.name)
        self.kills = 0
        self.told = []

    def write_files(self):
        os.mkdir(self.dir)
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

    def start(self, run, *words):
        """Start an engine; what it prints goes to files of its own."""
        n = len(self.told)
        self.told.append(os.path.join(self.dir, f"told.{run}.{n}"))
        with open(self.told[-1], "w") as out, \
                open(os.path.join(self.dir, f"said.{run}.{n}"), "w") as err:
            return subprocess.Popen(
                [FLOWCTL, *words, "--json"], cwd=self.dir, stdout=out,
                stderr=err, env=self.environment(run))

    def said(self, run):
        name = os.path.join(self.dir, f"said.{run}.{len(self.told) - 1}")
        with open(name, encoding="utf-8", errors="replace") as file:
            return file.read()

    def ask(self, *words):
        return subprocess.run([FLOWCTL, *words, "--store", self.store],
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
        if code not in (0, 1) or "Sanitizer" in said:
            raise Fault(f"{run} ended with {code}:\n{said[-4000:]}")

    def show(self, run):
        done = self.ask("show", run, "--json")
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

    def check_end(self, run, reference, code, reference_code):
        self.check_nobody(run)
        settled = self.pipeline["settled"]
        if settled and code != reference_code:
            raise Fault(f"{run} ended with {code}, {reference} with "
                        f"{reference_code}:\n{self.said(run)}")
        again = self.wait(self.start(run, "resume", run), run)
        if again != code:
            raise Fault(f"{run} ended with {code}, resumed with {again}")
        self.check(run, *(f"--told={name}" for name in self.told),
                   *([f"--reference={reference}"] if settled else []))
        if settled:
            self.check_states(run, reference)
        work = os.path.join(f"{self.store}.d", "work", run)
        if code == 0 and os.path.exists(work):
            raise Fault(f"{work} is left")

    def check_states(self, run, reference):
        mine, theirs = (
            {s["path"]: (s["status"], s["output"]) for s in self.show(r)["steps"]}
            for r in (run, reference))
        for path in sorted(mine.keys() | theirs.keys()):
            if mine.get(path) != theirs.get(path):
                raise Fault(f"{run} shows {path} as {mine.get(path)}, "
                            f"{reference} as {theirs.get(path)}")

    # --- the round ---

    def kill_after(self, engine, seconds):
        try:
            return engine.wait(seconds)
        except subprocess.TimeoutExpired:
            engine.send_signal(signal.SIGKILL)
            return engine.wait()

    def undisturbed(self, run):
        began = time.monotonic()
        code = self.wait(self.start(run, "run", "main.json", "--run-id", run),
                         run)
        self.check_code(run, code)
        self.check_nobody(run)
        self.check(run, f"--told={self.told[-1]}")
        self.told = []
        return code, time.monotonic() - began

    def disturbed(self, run, seconds):
        """Returns the exit code, or None if a person must say what to do."""
        words = ["run", "main.json", "--run-id", run]
        for n in range(TRIES):
            at = self.random.random() * seconds
            code = self.kill_after(self.start(run, *words), at)
            if code == INTERRUPTED:
                self.check_refusal(run)
                return None
            if code != -signal.SIGKILL:
                self.check_code(run, code)
                return code
            self.kills += 1
            if self.after_kill(run):
                words = ["resume", run]
            if n > TRIES // 2:
                seconds *= 1.5
        raise Fault(f"{run} makes no progress")

    def play(self):
        self.write_files()
        calm, wild = f"{self.name}.calm", f"{self.name}.wild"
        reference_code, seconds = self.undisturbed(calm)
        code = self.disturbed(wild, seconds)
        if code is None:
            return "waits for a person"
        self.check_end(wild, calm, code, reference_code)
        return "ended"


class Runner:
    """Rounds side by side, until there were enough kills."""

    def __init__(self, args, directory):
        self.args = args
        self.dir = directory
        self.store = os.path.join(directory, "flow.db")
        self.lock = threading.Lock()
        self.next = args.seed  # by lock
        self.kills = self.rounds = self.waiting = 0  # by lock
        self.faults = []  # by lock

    def take(self):
        with self.lock:
            if self.kills >= self.args.kills or self.faults:
                return None
            self.next += 1
            return self.next - 1

    def report(self, played, how, fault):
        with self.lock:
            self.rounds += 1
            self.kills += played.kills
            self.waiting += how == "waits for a person"
            if fault:
                self.faults.append(played.seed)
                print(f"seed {played.seed}: {fault}\n"
                      f"  kept: {played.dir} and {self.store}\n"
                      f"  again: tools/crash 1 --seed {played.seed}",
                      flush=True)

    def work(self):
        while (seed := self.take()) is not None:
            played = Round(seed, self.dir, self.store)
            how = fault = None
            try:
                how = played.play()
            except Fault as e:
                fault = e
            except Exception as e:  # a fault of ours is one, too
                fault = f"{type(e).__name__}: {e}"
            self.report(played, how, fault)
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
              f"waiting for a person, {len(self.faults)} faults")
        return not self.faults


def main():
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("kills", type=int)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--engines", type=int, default=2)
    parser.add_argument("--dir")
    args = parser.parse_args()
    directory = args.dir or tempfile.mkdtemp(prefix="flow-crash.")
    os.makedirs(directory, exist_ok=True)
    good = Runner(args, os.path.abspath(directory)).run()
    if good and not args.dir:
        shutil.rmtree(directory)
    sys.exit(0 if good else 1)


if __name__ == "__main__":
    main()
