"""A round of the crash runner: one pipeline, in peace and with disasters.

run.py tells what is done and what must hold.
"""

import collections
import functools
import json
import os
import random
import signal
import subprocess
import time

import checker
import disasters
import pipelines
from disasters import MOST, alive, mark

HERE = os.path.dirname(os.path.abspath(__file__))
FLOWCTL = os.path.abspath(os.environ.get("FLOWCTL", "build/cli/flowctl"))
CALM_LOOKS = 2  # in a row: one may miss the child of what ends meanwhile
GONE_S = 3  # within which all of a killed engine's steps must have ended
KILLER = os.environ.get("CRASH_KILLER")
RUNS = 3  # of a pipeline with kills, for one that is left in peace
TRIES = 2 * MOST  # engines that one run may take
HANG_S = 120  # an engine that nobody kills ends before
USAGE, INTERRUPTED, REFUSED = 2, 5, "idempotent"
EARLY = "ended before the run was gone on with"
ENDED = "has already ended"
CANCELLED = {6, 130, 143}
WAITS = "sleep "  # a program of `step` that stays as it is until it ends


class Fault(Exception):
    """Something that must hold does not."""


@functools.cache
def has_cgroups():
    """Whether an engine makes them here: what it says itself. (That there
    are none is `ok`, too.)"""
    done = subprocess.run([FLOWCTL, "doctor", "--json"], text=True,
                          stdout=subprocess.PIPE, check=False)
    said = [x["message"] for x in map(json.loads, done.stdout.splitlines())
            if x["check"] == "cgroup"]
    if len(said) != 1 or ("each minder has a cgroup" in said[0]) == \
            ("not by cgroups" in said[0]):
        raise Fault(f"doctor says of cgroups: {said}")
    return "not by cgroups" not in said[0]


class Reference:
    """How a run went that nobody disturbed."""

    def __init__(self, store, run, code, seconds, counts):
        self.store = store
        self.run = run
        self.code = code
        self.seconds = seconds
        self.counts = counts  # of calls to be killed at: any, sync


class Course:
    """What has befallen one run so far, and so what ends it may have."""

    def __init__(self, character):
        self.character = character
        self.cancelled = False  # somebody asked for its end
        self.changed = False  # it may end in another way than undisturbed
        self.end_killed = False  # a kill came behind the end of the run
        self.unminded = False  # the last engine went with its minders

    def options(self):
        return ["--on-sigterm", "interrupt"] \
            if self.character == "interrupt" else []

    def asked(self, disaster, words):
        if disaster.what in ("term", "cancel"):
            self.cancelled = True
        elif disaster.what == "interrupt":
            self.cancelled |= "interrupt" not in words


class Round:
    """One pipeline, run twice: in peace, and with kills."""

    def __init__(self, seed, name, directory, store):
        self.seed = seed
        self.random = random.Random(seed)
        self.name = name
        self.store = store
        self.dir = os.path.join(directory, name)
        self.kills = 0
        self.others = collections.Counter()  # what else befell engines
        self.told = []

    def write_files(self):
        os.makedirs(self.dir)
        self.pipeline = pipelines.draw(self.random)
        for name, doc in self.pipeline["files"].items():
            with open(os.path.join(self.dir, name), "w") as file:
                json.dump(doc, file, indent=1)
        # Not a copy: what is written while another thread starts a process
        # is open there until that has begun, and cannot be run (ETXTBSY).
        os.symlink(os.path.join(HERE, "step"), os.path.join(self.dir, "step"))

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
            raise Fault(f"{run}, the checker says:\n" +
                        "\n".join(problems[:20]))

    def check_nobody(self, run):
        end = time.monotonic() + GONE_S
        while left := alive(mark(run)):
            if time.monotonic() > end:
                raise Fault(f"{run}, alive after {GONE_S} s: {left}")
            time.sleep(0.01)

    def check_code(self, run, code):
        """A sanitizer's report, a signal, or an end that is none."""
        said = self.said(run)
        if code not in {0, 1} | CANCELLED or "Sanitizer" in said or \
                "ASan" in said:
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

    def after_kill(self, run, course):
        """Returns whether the run was recorded at all."""
        self.check_gone(run, course)
        with open(os.path.join(self.dir, f"effects.{run}"), "a") as file:
            file.write(f"K {time.time_ns() // 1000}\n")
        shown = self.look(run)
        if shown is None:
            return False
        status = shown["status"]
        if status not in ("interrupted", "succeeded", "failed") and not (
                status == "cancelled" and course.cancelled):
            raise Fault(f"{run} shows as {status} after a kill")
        course.end_killed |= status != "interrupted"
        self.check(run)
        return True

    def check_gone(self, run, course):
        """Nothing is alive. When the minders went with their engine only the
        programs are gone; the rest ends with the next engine. But without
        cgroups, as is documented, what emptied its environment does not."""
        if not course.unminded:
            self.check_nobody(run)
            return
        end = time.monotonic() + GONE_S
        while left := [x for x in alive(mark(run)).values() if "./step" in x]:
            if time.monotonic() > end:
                raise Fault(f"{run}, alive without minders: {left}")
            time.sleep(0.01)
        if not has_cgroups():
            self.end_daemons(run)

    def end_daemons(self, run):
        """What no one finds: it left its session, and its environment.

        What has just been started is still about to: so until there is no
        such process, nor any that may become one."""
        end = time.monotonic() + GONE_S
        looks = 0
        while looks < CALM_LOOKS:
            daemons = alive(mark(run), bare=True)
            disasters.kill(daemons)
            moving = {pid: words for pid, words in alive(mark(run)).items()
                      if pid in daemons or not words.startswith(WAITS)}
            looks = 0 if daemons or moving else looks + 1
            if time.monotonic() > end:
                raise Fault(f"{run}, alive besides daemons: {moving}")

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

    def check_cancelled(self, run, code, course):
        status = self.show(run)["status"]
        if not course.cancelled or status != "cancelled":
            raise Fault(f"{run} ended with {code}, and shows as {status}:\n"
                        f"{self.said(run)}")

    def check_end(self, run, code, reference, course):
        # (a commit that was cut off by a kill may be found by the next one)
        course.end_killed |= ENDED in self.said(run)
        if course.character in ("minder", "both") and not has_cgroups():
            self.end_daemons(run)
        self.check_nobody(run)
        # (one that has failed before it is cancelled stays failed)
        settled = self.pipeline["settled"] and not course.changed and \
            not course.cancelled
        if code in CANCELLED:
            self.check_cancelled(run, code, course)
            settled = False
        if settled and code != reference.code:
            raise Fault(f"{run} ended with {code}, {reference.run} with "
                        f"{reference.code}:\n{self.said(run)}")
        again = self.wait(self.start(run, "resume", run), run)
        if again != code and not {again, code} <= CANCELLED:
            raise Fault(f"{run} ended with {code}, resumed with {again}")
        self.check(run, reference if settled else None)
        if settled:
            self.check_states(run, reference)
        work = os.path.join(f"{self.store}.d", "work", run)
        if code == 0 and not course.end_killed and os.path.exists(work):
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

    def undisturbed(self, run, *words):
        self.told = []
        counts = os.path.join(self.dir, "counts")
        began = time.monotonic()
        code = self.wait(
            self.start(run, *words, "--run-id", run,
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

    def befall(self, engine, disaster, run, course):
        """The moment has come. Returns the engine's exit code."""
        if disaster.what == "kill":
            engine.send_signal(signal.SIGKILL)
        elif disaster.what == "minder":
            course.changed |= disasters.kill_minder(engine, disaster.share)
        elif disaster.what == "both":
            disasters.kill_all(engine)
            course.unminded = True
        elif disaster.what == "cancel":
            self.cancel(engine, disaster, run, course)
            if self.wait(engine, run) == USAGE:  # that one was first
                engine = self.start(run, "resume", run)
        else:
            disasters.terminate(engine, disaster)
        return self.wait(engine, run)

    def cancel(self, engine, disaster, run, course):
        """Ask for the run's end, and kill its engine just before or after."""
        if disaster.behind < 0:
            engine.send_signal(signal.SIGKILL)
            disasters.ends_within(engine, disaster.behind + 0.2)
        asking = self.start(run, "cancel", run)
        disasters.ends_within(asking, disaster.behind)
        if disaster.second:
            engine.send_signal(signal.SIGKILL)
        code = self.wait(asking, run)
        shown = self.look(run)
        status = shown["status"] if shown else "nothing"
        may = {0: ["cancelled", "succeeded"], 1: ["failed"],
               USAGE: ["nothing"],
               INTERRUPTED: ["interrupted"] if REFUSED in self.said(run)
               else []}  # it waits for a person
        # (what was about to be recorded may be found after it was missed)
        missed = code == USAGE and f"no run {run}" in self.said(run)
        if status not in may.get(code, []) and not missed:
            raise Fault(f"cancel of {run} ended with {code}, and it shows as "
                        f"{status}: {self.said(run)}")

    def run_and_kill(self, run, words, reference, fate, course):
        """Returns the exit code; -SIGKILL if the kill came in time."""
        disaster = fate.draw()
        words = [*words, *course.options()]
        if disaster.what == "call":
            what, how = disaster.call
            n = 1 + int(disaster.share * reference.counts[what])
            return self.wait(
                self.start(run, *words, CRASH_CALL=f"{what}:{n}:{how}"), run)
        engine = self.start(run, *words)
        seconds = min(HANG_S, disaster.share * reference.seconds)
        if disasters.ends_within(engine, seconds):
            return engine.returncode
        if disaster.share == disasters.FOR_EVER:
            return self.wait(engine, run)
        self.count(disaster)
        course.asked(disaster, words)
        return self.befall(engine, disaster, run, course)

    def count(self, disaster):
        if disaster.what != "kill":
            self.others[disaster.what] += 1

    def run_to_call(self, run, words, first):
        """Killed at one call of the first engine; then left in peace."""
        if words[0] == "run" and self.kills == 0:
            return self.wait(self.start(run, *words, CRASH_CALL=first), run)
        return self.wait(self.start(run, *words), run)

    def is_over(self, run, code, course):
        """Whether the run goes on no more; False after what is like a kill:
        interrupted, or by SIGTERMs that nobody expected yet."""
        if code == -signal.SIGKILL:
            self.kills += 1
            return False
        if code == -signal.SIGTERM and not os.path.getsize(self.told[-1]):
            return False
        if code == INTERRUPTED and EARLY in self.said(run):
            return False
        if code in CANCELLED and self.look(run) is None:
            return False  # before it was recorded: there is no such run
        return code != INTERRUPTED or course.character != "interrupt" or \
            REFUSED in self.said(run)

    def disturbed(self, run, words, reference, course, play):
        """Returns the exit code, or None if a person must say what to do.

        @play: of the words, until the end of one engine."""
        resume = ["resume", run]
        for _ in range(TRIES):
            course.unminded = False
            code = play(words)
            if self.is_over(run, code, course):
                if code == INTERRUPTED:
                    self.check_refusal(run)
                    return None
                self.check_code(run, code)
                return code
            if self.after_kill(run, course):
                words = resume
        raise Fault(f"{run} makes no progress")

    def wild(self, run, words, reference, first=None):
        """Returns the exit code, None if it waits for a person, and whether
        nothing but kills of engines has befallen it.

        @first: the one kill, at that call; without it many, as drawn."""
        self.told = []
        fate = disasters.Fate(self.random, bool(KILLER))
        course = Course("kill" if first else fate.character)

        def play(words):
            if first:
                return self.run_to_call(run, words, first)
            return self.run_and_kill(run, words, reference, fate, course)

        try:
            code = self.disturbed(run, [*words, "--run-id", run], reference,
                                  course, play)
            if code is not None:
                self.check_end(run, code, reference, course)
        except Fault as fault:
            raise Fault(f"{fault}\n  what befell it: {course.character}") \
                from None
        return code, not course.changed

    def again(self, old, code, same, references):
        """Some runs that did not end well are run again where they had not.

        A rerun of the undisturbed run is made when it is needed first."""
        if code not in {1} | CANCELLED or self.random.randrange(2):
            return 0
        new = f"{old}.again"
        reference = references[0]
        if code == 1 and same and self.pipeline["settled"]:
            if len(references) == 1:
                references.append(self.undisturbed(
                    f"{self.name}.calm.again", "rerun", reference.run,
                    "--failed"))
            reference = references[1]
            settled = True
        else:
            settled = False
        self.others["rerun"] += 1
        was, self.pipeline["settled"] = self.pipeline["settled"], settled
        waits, _ = self.wild(new, ["rerun", old, "--failed"], reference)
        self.pipeline["settled"] = was
        return waits is None

    def play(self):
        """Returns how many runs wait for a person at their end."""
        self.write_files()
        references = [self.calm()]
        waits = 0
        for n in range(RUNS):
            run = f"{self.name}.wild{n}"
            code, same = self.wild(run, ["run", "main.json"], references[0])
            waits += code is None
            waits += self.again(run, code, same, references)
        return waits

    def calm(self):
        return self.undisturbed(f"{self.name}.calm", "run", "main.json")

    def play_one(self, reference, first):
        """As play(), with one kill, at the call @first."""
        self.write_files()
        code, _ = self.wild(f"{self.name}.wild", ["run", "main.json"],
                            reference, first)
        return code is None
