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

Half of the runs meet other disasters too (disasters.py), and half of those that do
not succeed are run again where they had failed.

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
import os
import shutil
import sys
import tempfile
import threading

from disasters import HOWS
from rounds import KILLER, Fault, Round

MEMORY = "/dev/shm"
SEEDS_A_STORE = 8

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
    reference = calm.calm()
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
        self.others = collections.Counter()  # by lock
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
            self.others += played.others
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
        print("also: " + ", ".join(f"{n} {what}" for what, n
                                   in sorted(self.others.items())))
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
