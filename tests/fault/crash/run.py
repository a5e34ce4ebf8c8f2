#!/usr/bin/env python3
"""Kill engines with SIGKILL, resume, and see that nothing was lost.

Usage: run.py KILLS [--seed SEED] [--engines N] [--dir DIR]
       run.py KILLS --each any|sync [--seed SEED] [--engines N] [--dir DIR]

Plays rounds, N (6) at a time, until engines were killed KILLS times. A round is
a pipeline, drawn from its seed, in a store that other rounds use at the same
time: first it is run undisturbed, for reference; then three times again, and the
engine is killed at a moment that is drawn too, and resumed and killed again,
until the run has ended. Without --dir most stores are in memory (/dev/shm).

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
import collections
import functools
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

import checker
import pipelines

HERE = os.path.dirname(os.path.abspath(__file__))
FLOWCTL = os.path.abspath(os.environ.get("FLOWCTL", "build/cli/flowctl"))
GONE_S = 3  # within which all of a killed engine's steps must have ended
KILLER = os.environ.get("CRASH_KILLER")
HOWS = {"any": ["before", "half", "after"], "sync": ["before", "after"]}
MEMORY = "/dev/shm"
SEEDS_A_STORE = 8
RUNS = 3  # of a pipeline with kills, for one that is left in peace
MOST = 10  # kills of one run
TRIES = 2 * MOST  # engines that one run may take
HANG_S = 120  # an engine that nobody kills ends before
USAGE, INTERRUPTED, REFUSED = 2, 5, "idempotent"


class Fault(Exception):
    """Something that must hold does not."""


def mark(run):
    """What the processes of a run have, and none of another runner's."""
    return f"{os.getpid()}.{run}"


def alive(marked):
    """pid and words of the processes whose environment is so marked."""
    found = []
    needle = f"CRASH_MARK={marked}".encode()
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


class Fate:
    """When the engines of one run are killed.

    A moment is a share of what the undisturbed run took, of its time or of its
    calls. What an engine has done the next one need not do, so kills are drawn
    from what is left then, and never from less than a tenth. How many there
    may be is drawn too, so that some resumed runs are left in peace."""

    def __init__(self, draw):
        self.random = draw
        self.left = 1.0
        self.most = draw.randint(1, MOST)

    def draw(self):
        """(the kind of call and how it ends, or None for a time; share)"""
        share = self.random.random() * self.left
        self.left = max(0.1, self.left - share)
        self.most -= 1
        if self.most < 0:
            return None, HANG_S
        if not KILLER or self.random.randrange(2):
            return None, share
        what = self.random.choice(list(HOWS))
        return (what, self.random.choice(HOWS[what])), share


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
        return {**os.environ, "FLOW_STORE": self.store, "CRASH_MARK": mark(run),
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

    def check(self, run, reference=None):
        problems = checker.check(
            self.store, run, os.path.join(self.dir, f"effects.{run}"),
            self.told, reference and (reference.store, reference.run))
        if problems:
            raise Fault(f"{run}, the checker says:\n" + "\n".join(problems))

    def check_nobody(self, run):
        end = time.monotonic() + GONE_S
        while left := alive(mark(run)):
            if time.monotonic() > end:
                raise Fault(f"{run}, alive after {GONE_S} s: {left}")
            time.sleep(0.01)

    def check_code(self, run, code):
        """A sanitizer's report, a signal, or an end that is none."""
        said = self.said(run)
        if code not in (0, 1) or "Sanitizer" in said or "ASan" in said:
            raise Fault(f"{run} ended with {code}:\n{said[-4000:]}")

    def look(self, run, store=None):
        """The run as `show` has it, or None if it was not recorded."""
        done = self.ask("show", run, "--json", store=store)
        if done.returncode == USAGE and f"no run {run}" in done.stderr:
            return None
        if done.returncode:
            raise Fault(f"show {run}: {done.stderr}")
        return json.loads(done.stdout)

    def show(self, run, store=None):
        shown = self.look(run, store)
        if shown is None:
            raise Fault(f"{run} is gone")
        return shown

    def after_kill(self, run):
        self.check_nobody(run)
        with open(os.path.join(self.dir, f"effects.{run}"), "a") as file:
            file.write(f"K {time.time_ns() // 1000}\n")
        shown = self.look(run)
        if shown is None:
            return False
        status = shown["status"]
        if status not in ("interrupted", "succeeded", "failed"):
            raise Fault(f"{run} shows as {status} after a kill")
        self.end_killed |= status != "interrupted"
        self.check(run)
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
        self.check(run)

    def check_end(self, run, code, reference):
        self.check_nobody(run)
        settled = self.pipeline["settled"]
        if settled and code != reference.code:
            raise Fault(f"{run} ended with {code}, {reference.run} with "
                        f"{reference.code}:\n{self.said(run)}")
        again = self.wait(self.start(run, "resume", run), run)
        if again != code:
            raise Fault(f"{run} ended with {code}, resumed with {again}")
        self.check(run, reference if settled else None)
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
        self.check(run)
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

    def run_and_kill(self, run, words, reference, fate):
        """Returns the exit code; -SIGKILL if the kill came in time."""
        call, share = fate.draw()
        if call is None:
            seconds = min(HANG_S, share * reference.seconds)
            return self.kill_at_time(self.start(run, *words), seconds)
        what, how = call
        n = 1 + int(share * reference.counts[what])
        return self.wait(self.start(run, *words, CRASH_CALL=f"{what}:{n}:{how}"),
                         run)

    def run_to_call(self, run, words, first):
        """Killed at one call of the first engine; then left in peace."""
        if words[0] == "run" and self.kills == 0:
            return self.wait(self.start(run, *words, CRASH_CALL=first), run)
        return self.wait(self.start(run, *words), run)

    def disturbed(self, run, reference, first=None):
        """Returns the exit code, or None if a person must say what to do.

        @first: the one kill, at that call; without it many, as drawn."""
        words = ["run", "main.json", "--run-id", run]
        fate = Fate(self.random)
        for _ in range(TRIES):
            if first:
                code = self.run_to_call(run, words, first)
            else:
                code = self.run_and_kill(run, words, reference, fate)
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

    def wild(self, run, reference, first=None):
        """Returns whether the run waits for a person at its end."""
        self.told = []
        self.end_killed = False  # a kill came behind the end of the run
        code = self.disturbed(run, reference, first)
        if code is not None:
            self.check_end(run, code, reference)
        return code is None

    def play(self):
        """Returns how many runs wait for a person at their end."""
        self.write_files()
        reference = self.undisturbed()
        return sum(self.wild(f"{self.name}.wild{n}", reference)
                   for n in range(RUNS))

    def play_one(self, reference, first):
        """As play(), with one kill, at the call @first."""
        self.write_files()
        return self.wild(f"{self.name}.wild", reference, first)


Todo = collections.namedtuple("Todo", "round play place again")


class Place:
    """A directory with a store, for the rounds of some seeds one after another.

    A new store every few rounds, or looking at all of it takes ever longer.
    Killed processes lose nothing that the kernel has, so most stores need no
    disk; each fourth has one, as there calls take their time."""

    def __init__(self, directory, memory, number):
        """@memory: a directory of a file system in memory, or None."""
        if number % 4 and memory:
            directory = memory
        self.dir = os.path.join(directory, f"store{number}")
        self.rounds = 0  # that use it, by the runner's lock
        self.kept = False  # for a fault, by the runner's lock


def drawn_rounds(args, directory, memory):
    """A round a seed, in a store that others use at the same time."""
    place = None
    for seed in itertools.count(args.seed):
        if place is None or seed % SEEDS_A_STORE == 0:
            place = Place(directory, memory, seed // SEEDS_A_STORE)
        played = Round(seed, f"r{seed}", place.dir,
                       os.path.join(place.dir, "flow.db"))
        yield Todo(played, played.play, place, f"tools/crash 1 --seed {seed}")


def each_round(args, directory, _):
    """A round a call of one seed's pipeline, in a store each."""
    calm = Round(args.seed, "reference", directory,
                 os.path.join(directory, "reference.db"))
    calm.write_files()
    reference = calm.undisturbed()
    for n in range(1, reference.counts[args.each] + 1):
        for how in HOWS[args.each]:
            name = f"{args.each}.{n}.{how}"
            played = Round(args.seed, name, directory,
                           os.path.join(directory, name, "store", "flow.db"))
            yield Todo(played, functools.partial(
                played.play_one, reference, f"{args.each}:{n}:{how}"), None,
                f"tools/crash {args.kills} --each {args.each} "
                f"--seed {args.seed}")


class Runner:
    """Rounds side by side, until there were enough kills."""

    def __init__(self, args, directory, memory):
        self.args = args
        self.lock = threading.Lock()
        self.todo = (each_round if args.each else drawn_rounds)(
            args, directory, memory)  # by lock
        self.kills = self.rounds = self.waiting = 0  # by lock
        self.faults = 0  # by lock
        self.place = None  # the newest; by lock

    def take(self):
        with self.lock:
            if self.kills >= self.args.kills or self.faults:
                return None
            todo = next(self.todo, None)
            if todo and todo.place:
                self.place = todo.place
                self.place.rounds += 1
            return todo

    def leave(self, place, fault):
        """A place that nobody comes back to is removed."""
        with self.lock:
            place.rounds -= 1
            place.kept |= fault
            if not (place.rounds or place.kept or place is self.place):
                shutil.rmtree(place.dir)

    def report(self, todo, waits, fault):
        played = todo.round
        with self.lock:
            self.rounds += 1
            self.kills += played.kills
            self.waiting += waits
            if fault:
                self.faults += 1
                print(f"seed {played.seed}, {played.name}: {fault}\n"
                      f"  kept: {played.dir} and {played.store}\n"
                      f"  again: {todo.again}", flush=True)

    def work(self):
        while (todo := self.take()) is not None:
            waits, fault = 0, None
            try:
                waits = todo.play()
            except Fault as e:
                fault = e
            except Exception as e:  # a fault of ours is one, too
                fault = f"{type(e).__name__}: {e}"
            self.report(todo, waits, fault)
            if not fault:
                shutil.rmtree(todo.round.dir)
            if todo.place:
                self.leave(todo.place, bool(fault))

    def run(self):
        threads = [threading.Thread(target=self.work)
                   for _ in range(self.args.engines)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        if self.place and not self.place.kept:
            shutil.rmtree(self.place.dir)
        print(f"{self.rounds} rounds, {self.kills} kills, {self.waiting} "
              f"waiting for a person, {self.faults} faults")
        return not self.faults


def main():
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("kills", type=int)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--engines", type=int, default=6)
    parser.add_argument("--each", choices=list(HOWS))
    parser.add_argument("--dir")
    args = parser.parse_args()
    if args.each and not KILLER:
        parser.error("--each needs the killer ($CRASH_KILLER)")
    directory = args.dir or tempfile.mkdtemp(prefix="flow-crash.")
    os.makedirs(directory, exist_ok=True)
    memory = None
    if not args.dir and os.access(MEMORY, os.W_OK):
        memory = tempfile.mkdtemp(prefix="flow-crash.", dir=MEMORY)
    good = Runner(args, os.path.abspath(directory), memory).run()
    for made in [] if args.dir else filter(None, [directory, memory]):
        if good or not os.listdir(made):
            shutil.rmtree(made)
    sys.exit(0 if good else 1)


if __name__ == "__main__":
    main()
