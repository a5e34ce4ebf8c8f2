#!/usr/bin/env python3
"""Let calls into the kernel fail where people go on with runs.

Usage: verbs.py --cases N [--seed SEED] [--dir DIR]
       verbs.py --all [--verb VERB] [--call NAME] [--dir DIR]
       verbs.py --case VERB:CALL:N:HOW:ERRNO [--dir DIR]

As run.py, which has the calls and what they fail with, for VERBS below: a rerun
of what failed, a resume with a person's word, a cancel, a prune. A store with a
run that failed, one whose engine was killed in a step with "idempotent": false
and some that are to be pruned is made once, and copied for each case.

After each case
- flowctl has ended in time, with one of the exit codes for it, and said why
- nothing that it started is alive, after 3 s at the latest
- `doctor` finds no fault with the store
- what the verb was not about is as it was; done again with nothing failing the
  verb comes to its end, and no step is executed that must not be

$FLOWCTL names the program, $CALL_FAILER the library. Exit code 0 if all was well.
"""

import importlib.util
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

HERE = os.path.dirname(os.path.abspath(__file__))
SPEC = importlib.util.spec_from_file_location("calls",
                                              os.path.join(HERE, "run.py"))
calls = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(calls)
crash = calls.crash
options = calls.options
Fault = crash.Fault
SUCCEEDED, FAILED, USAGE, STORE, INTERRUPTED = 0, 1, 2, 4, 5
END_S = 120  # within which each command ends: it waits 60 s for a lock


def effect(name, more="true"):
    return {"name": name, "sh": f"echo {name} >>\"$EFFECTS\"; {more}"}


FAILS = {
    "name": "fails", "steps": [
        {**effect("a", "echo 7"), "output": "json"},
        {"name": "g", "on_error": "continue", "group": [
            effect("b", "test -e \"$READY\""), effect("d")]},
        effect("c")],
    "finally": [effect("z")], "output": "${{ steps.a.output }}"}
HANGS = {
    "name": "hangs", "steps": [
        {**effect("a", "echo 7"), "output": "json"},
        {**effect("b", "test -e \"$READY\" || sleep 600"),
         "idempotent": False},
        effect("c")],
    "finally": [effect("z")], "output": "${{ steps.a.output }}"}


class Place:
    """A store, and commands on it."""

    def __init__(self, directory, mark):
        self.dir = directory
        self.mark = mark
        self.effects = os.path.join(directory, "effects")
        self.store = os.path.join(directory, "state", "flow.db")
        self.said = ""

    def environment(self, ready=True):
        return {**os.environ, "FLOW_STORE": self.store,
                "CRASH_MARK": self.mark, "EFFECTS": self.effects,
                "READY": "/" if ready else "/nothing"}

    def call(self, *words, ready=True, **more):
        """Returns the exit code and what was printed."""
        env = {**self.environment(ready), **more}
        try:
            done = subprocess.run([crash.FLOWCTL, *words], env=env,
                                  cwd=self.dir, text=True, timeout=END_S,
                                  stdin=subprocess.DEVNULL, check=False,
                                  stdout=subprocess.PIPE,
                                  stderr=subprocess.PIPE)
        except subprocess.TimeoutExpired:
            raise Fault(f"{words} did not end within {END_S} s") from None
        self.said = done.stderr
        if "Sanitizer" in done.stderr:
            raise Fault(f"{words} said: {done.stderr[-4000:]}")
        return done.returncode, done.stdout

    def must(self, code, *words, **more):
        got, out = self.call(*words, **more)
        if got != code:
            raise Fault(f"{words} ended with {got}, not {code}: "
                        f"{self.said[-2000:]}")
        return out

    def status(self, run):
        """The run's status; None if there is no such run."""
        code, out = self.call("show", run, "--json")
        return json.loads(out)["status"] if code == SUCCEEDED else None

    def executed(self):
        if not os.path.exists(self.effects):
            return []
        with open(self.effects, encoding="ascii") as file:
            return file.read().split()

    def check_nobody(self):
        end = time.monotonic() + crash.GONE_S
        while left := crash.alive(self.mark):
            if time.monotonic() > end:
                raise Fault(f"alive after {crash.GONE_S} s: {left}")
            time.sleep(0.01)

    def check_store(self):
        """What doctor says of the store; of the machine it may say anything."""
        code, out = self.call("doctor")
        if code != SUCCEEDED:
            raise Fault(f"doctor: {code}\n{out}{self.said}")


def make_template(directory):
    """The store that each case begins with."""
    place = Place(directory, f"template.{os.getpid()}")
    for name, doc in ("fails.json", FAILS), ("hangs.json", HANGS):
        with open(os.path.join(directory, name), "w") as file:
            json.dump(doc, file)
    for n in range(3):
        place.must(SUCCEEDED, "run", "hangs.json", "--run-id", f"old{n}")
    place.must(FAILED, "run", "fails.json", "--run-id", "bad", ready=False)
    os.unlink(place.effects)
    with subprocess.Popen([crash.FLOWCTL, "run", "hangs.json", "--run-id",
                           "lost", "--quiet"], cwd=directory,
                          stderr=subprocess.DEVNULL,
                          env=place.environment(ready=False)) as engine:
        while "b" not in place.executed():
            time.sleep(0.01)
        engine.send_signal(signal.SIGKILL)
    place.check_nobody()
    place.check_store()
    return place


# --- the verbs, and what must hold after each ---


def never(place, *steps):
    for step in steps:
        if step in place.executed():
            raise Fault(f"{step} was executed, which must not be")


def after_rerun(place, before):
    if place.must(SUCCEEDED, "events", "bad", "--json") != before["bad"]:
        raise Fault("the run that was repeated has changed")
    status = place.status("again")
    if status is None:
        place.must(SUCCEEDED, "rerun", "bad", "--failed", "--run-id", "again")
    elif status == "interrupted":
        place.call("resume", "again")
        status = place.status("again")
    if place.status("again") == "failed":  # the call was a step's failure
        place.must(SUCCEEDED, "rerun", "again", "--failed", "--run-id", "third")
    elif place.status("again") != "succeeded":
        raise Fault(f"in the end it is {place.status('again')}")
    never(place, "a", "d")


def after_accept(place, _):
    if place.status("lost") == "interrupted":
        code, _ = place.call("resume", "lost")
        if code == INTERRUPTED:
            if "--accept" not in place.said:
                raise Fault(f"resume does not say what to do: {place.said}")
            place.call("resume", "lost", "--accept", "b=rerun")
    if place.status("lost") not in ("succeeded", "failed"):
        raise Fault(f"in the end it is {place.status('lost')}: {place.said}")
    never(place, "a")
    if place.executed().count("b") > 3:
        raise Fault(f"executed: {place.executed()}")


def after_word(place, before):
    after_accept(place, before)


def after_cancel(place, _):
    if place.status("lost") == "interrupted":
        place.call("cancel", "lost")
    if place.status("lost") not in ("cancelled", "failed"):
        raise Fault(f"in the end it is {place.status('lost')}: {place.said}")
    never(place, "a", "b", "c")


def after_prune(place, before):
    place.must(SUCCEEDED, "prune", "--older-than", "0s")
    if place.status("old0") or place.status("bad"):
        raise Fault("prune left what it was to delete")
    if place.must(SUCCEEDED, "events", "lost", "--json") != before["lost"]:
        raise Fault("the run that is to stay has changed")


VERBS = {
    "rerun": (["rerun", "bad", "--failed", "--run-id", "again"], after_rerun),
    "accept": (["resume", "lost", "--accept", "b=rerun"], after_accept),
    "word": (["resume", "lost", "--accept", "b=succeeded"], after_word),
    "cancel": (["cancel", "lost"], after_cancel),
    "prune": (["prune", "--older-than", "0s"], after_prune),
}


# --- cases ---


class Verbs:
    """Cases side by side, to the end."""

    def __init__(self, directory):
        self.directory = directory
        os.makedirs(os.path.join(directory, "template"))
        self.template = make_template(os.path.join(directory, "template"))
        self.before = {run: self.template.must(SUCCEEDED, "events", run,
                                               "--json")
                       for run in ("bad", "lost")}
        self.lock = threading.Lock()
        self.plans = []  # by lock
        self.codes = {}  # by lock
        self.faults = self.came = 0  # by lock

    def place(self, name):
        path = os.path.join(self.directory, name)
        os.makedirs(path)
        shutil.copytree(os.path.join(self.template.dir, "state"),
                        os.path.join(path, "state"))
        return Place(path, f"{name}.{os.getpid()}")

    def counts(self, verb):
        """How often each call is made when nothing fails."""
        place = self.place(f"{verb}.calm")
        counts = os.path.join(place.dir, "counts")
        place.must(SUCCEEDED, *VERBS[verb][0],
                   **failing(counts, ""))
        place.check_nobody()
        VERBS[verb][1](place, self.before)
        return {name: count for name, (count, _) in read(counts).items()}

    def play(self, plan):
        verb, call, n, how, number = plan
        place = self.place(".".join(map(str, plan)))
        counts = os.path.join(place.dir, "counts")
        code, _ = place.call(*VERBS[verb][0], **failing(
            counts, f"{call}:{n}:{how}:{number}"))
        if code not in (SUCCEEDED, FAILED, USAGE, STORE, INTERRUPTED):
            raise Fault(f"ended with {code}: {place.said[-4000:]}")
        if code != SUCCEEDED and "flowctl: " not in place.said and \
                "failed" not in place.said:
            raise Fault(f"ended with {code} without a reason: {place.said}")
        came = not os.path.exists(counts) or \
            read(counts).get(call, (0, 0))[1] > 0
        place.check_nobody()
        place.check_store()
        VERBS[verb][1](place, self.before)
        place.check_nobody()
        place.check_store()
        shutil.rmtree(place.dir)
        return code, came

    def work(self):
        while True:
            with self.lock:
                if not self.plans:
                    return
                plan = self.plans.pop(0)
            name = ":".join(map(str, plan))
            try:
                code, came = self.play(plan)
            except Exception as e:  # a fault of ours is one, too
                with self.lock:
                    self.faults += 1
                    print(f"{name} ({os.strerror(plan[4])}): "
                          f"{'' if isinstance(e, Fault) else repr(e)}{e}",
                          flush=True)
                continue
            with self.lock:
                key = f"{plan[0]} {code}"
                self.codes[key] = self.codes.get(key, 0) + 1
                self.came += came

    def run(self, plans):
        self.plans = list(plans)
        threads = [threading.Thread(target=self.work) for _ in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        print("ended: " + ", ".join(f"{n} {key}" for key, n
                                    in sorted(self.codes.items())) +
              f"; {self.came} calls failed, {self.faults} faults")
        return not self.faults and self.came > 0


def failing(counts, what):
    return {"LD_PRELOAD": calls.FAILER, "FAIL_COUNT": counts,
            "FAIL_CALL": what, "ASAN_OPTIONS": ":".join(filter(None, [
                os.environ.get("ASAN_OPTIONS"), "verify_asan_link_order=0"]))}


def read(counts):
    with open(counts, encoding="ascii") as file:
        return {name: (int(count), int(failed))
                for name, count, failed in map(str.split, file)}


def choose(args, verbs):
    if args.case:
        verb, call, n, how, number = args.case.split(":")
        return [(verb, call, int(n), how, int(number))]
    every = {}  # what is to be tried, by verb and call
    for verb in [args.verb] if args.verb else VERBS:
        counts = verbs.counts(verb)
        for call in calls.FAILURES:
            if args.call in (None, call) and counts.get(call):
                every[verb, call] = [(verb, *plan) for plan in
                                     calls.plans_of(call, counts[call])]
    everything = sum(every.values(), [])
    if args.all:
        return everything
    draw = random.Random(args.seed)
    return draw.sample(everything, min(len(everything), args.cases))


def main():
    parser = options.parser(__doc__, calls.FAILURES)
    parser.add_argument("--verb", choices=list(VERBS))
    parser.add_argument("--dir")
    args = parser.parse_args()
    if not calls.FAILER:
        parser.error("$CALL_FAILER must name the library")
    directory = args.dir or tempfile.mkdtemp(prefix="flow-verbs.")
    os.makedirs(directory, exist_ok=True)
    verbs = Verbs(os.path.abspath(directory))
    good = verbs.run(choose(args, verbs))
    if good and not args.dir:
        shutil.rmtree(directory)
    sys.exit(0 if good else 1)


if __name__ == "__main__":
    main()
