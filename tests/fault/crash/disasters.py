"""What befalls the engines of a run, and the processes that it happens to.

A run has a character: what befalls its engines besides SIGKILL. Which it is,
and the moments, are drawn; a moment is a share of what the undisturbed run took,
of its time or of its calls.
"""

import collections
import os
import random
import signal
import subprocess

HOWS = {"any": ["before", "half", "after"], "sync": ["before", "after"]}
MOST = 10  # disasters of one run
FOR_EVER = 1e6  # a share that nobody waits for

# And how many of a hundred runs have it.
CHARACTERS = {
    "kill": 45,  # nothing but SIGKILL to the engine
    "minder": 12,  # SIGKILL to one of its minders instead
    "both": 10,  # SIGKILL to the engine and all its minders
    "term": 13,  # SIGTERM, once or twice or with SIGKILL behind it
    "interrupt": 10,  # the same with --on-sigterm interrupt
    "cancel": 10,  # `flowctl cancel`, and SIGKILL at about that moment
}

# what: a character, or "call" (`call` is WHAT and HOW, of killer.c).
# behind: seconds between the two things that happen, or None for one.
Disaster = collections.namedtuple("Disaster", "what share call behind second")


class Fate:
    """What befalls the engines of one run, and when.

    What an engine has done the next one need not do, so moments are drawn
    from what is left then, and never from less than a tenth. How many there
    may be is drawn too, so that some resumed runs are left in peace."""

    def __init__(self, draw, calls):
        """@calls: whether engines can be killed at a call."""
        self.random = draw
        self.calls = calls
        self.left = 1.0
        self.most = draw.randint(1, MOST)
        self.character = draw.choices(
            list(CHARACTERS), list(CHARACTERS.values()))[0]

    def share(self):
        share = self.random.random() * self.left
        self.left = max(0.1, self.left - share)
        return share

    def draw(self):
        share = self.share()
        self.most -= 1
        if self.most < 0:
            return Disaster("kill", FOR_EVER, None, None, None)
        if self.character != "kill" and self.random.randrange(2):
            return Disaster(self.character, share, None,
                            self.random.uniform(-0.2, 0.3),
                            self.random.choice([None, signal.SIGTERM,
                                                signal.SIGKILL]))
        if not self.calls or self.random.randrange(2):
            return Disaster("kill", share, None, None, None)
        what = self.random.choice(list(HOWS))
        how = self.random.choice(HOWS[what])
        return Disaster("call", share, (what, how), None, None)


def mark(run):
    """What the processes of a run have, and none of another runner's."""
    return f"{os.getpid()}.{run}"


def processes():
    return filter(str.isdigit, os.listdir("/proc"))


def read(pid, name):
    with open(f"/proc/{pid}/{name}", "rb") as file:
        return file.read()


def after_name(stat):
    """The fields of a process behind its name, which may hold anything."""
    return stat.rpartition(b")")[2].split()


def program(pid):
    """The environment and the words of a process; None if it has ended.

    One that is becoming another program has neither, for a moment."""
    try:
        while True:
            environment, words = read(pid, "environ"), read(pid, "cmdline")
            if environment or words:
                return environment.split(b"\0"), words
            state, _, _, session = after_name(read(pid, "stat"))[:4]
            if state in (b"Z", b"X") or session == b"0":  # the kernel's own
                return None
    except OSError:
        return None  # it has just ended, or is not ours


def alive(marked, bare=False):
    """pid -> words of the processes whose environment is so marked.

    @bare: only those that have nothing else of a step in it."""
    found = {}
    needle = f"CRASH_MARK={marked}".encode()
    for pid in processes():
        environment, words = program(pid) or ([], b"")
        if needle in environment and not (
                bare and any(x.startswith(b"FLOW_") for x in environment)):
            found[int(pid)] = words.replace(b"\0", b" ").decode().strip()
    return found


def minders(engine):
    """The pids of an engine's minders."""
    found = []
    for pid in processes():
        try:
            stat = read(pid, "stat")
        except OSError:
            continue  # it has just ended
        if b"(flo-minder)" in stat and int(after_name(stat)[1]) == engine.pid:
            found.append(int(pid))
    return found


def kill(pids):
    for pid in pids:
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            pass  # it was quicker


def ends_within(engine, seconds):
    try:
        engine.wait(max(0, seconds))
    except subprocess.TimeoutExpired:
        return False
    return True


def kill_minder(engine, seed):
    """Returns whether there was one."""
    found = sorted(minders(engine))
    kill(random.Random(seed).sample(found, min(1, len(found))))
    return bool(found)


def kill_all(engine):
    """The engine and its minders at one instant: none sees another's end."""
    engine.send_signal(signal.SIGSTOP)
    kill([*minders(engine), engine.pid])


def terminate(engine, disaster):
    engine.send_signal(signal.SIGTERM)
    if disaster.second and not ends_within(engine, abs(disaster.behind)):
        engine.send_signal(disaster.second)
