#!/usr/bin/env python3
"""Nothing survives: trees of seven that are ended, and many steps.

Usage: survivors.py [--trees N] [--steps N]    (or FLO_SURVIVORS_FULL=1)

A tree has a plain child, one in a session of its own, a double-forked daemon,
one in a session of its own with an emptied environment, and a shell that
ignores SIGTERM with a child that inherits that; every one of them is up when the tree is ended. It is ended
in each of these ways N times, without cgroups and, where the engine can have
them, with:

  limit     the step's time limit
  ctrl-c    SIGINT to flowctl
  cancel    `flowctl cancel` from another process
  kill      SIGKILL to flowctl
  minder    SIGKILL to the minder (without cgroups only what is in the session
            or knows its attempt can be found, so there the tree keeps its
            environment; one tree that does not shows that we see survivors)

After it no process of the tree, no minder and no cgroup may be left, alive or
as a zombie: at once where flowctl ends by itself, after 3 s where it was killed.

Then a pipeline of N steps runs /bin/true, and one writes logs; meanwhile the
descriptors and the memory of flowctl and its minders are looked at, early and
late, as are zombies.
"""
import argparse
import concurrent.futures
import glob
import json
import os
import signal
import subprocess
import sys
import tempfile
import time

FLOWCTL = os.environ["FLOWCTL"]
TREE = (
    "u='echo up >>$MARK.up; exec sleep '$MARK_SLEEP; s=$MARK_SLEEP;"
    'sh -c "$u" & setsid sh -c "$u" &'
    '(setsid sh -c "sh -c \'$u\' & exit" &) &'
    "setsid env -i MARK=$MARK A=1 sh -c \"$u\" &"
    "sh -c \"trap '' TERM; sh -c '$u' & echo up >>$MARK.up; wait; sleep $s\" &"
    "echo up >>$MARK.up; sleep $s; :")
UP = 7
AT_ONCE = 4
WAYS = ("limit", "ctrl-c", "cancel", "kill", "minder")
problems = []


def complain(text):
    problems.append(text)
    print(text, file=sys.stderr)


def stat_of(pid):
    """(state, parent, start) or None."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as f:
            rest = f.read().rpartition(b")")[2].split()
    except OSError:
        return None
    return rest[0].decode(), int(rest[1]), int(rest[19])


def table():
    pids = [int(p) for p in os.listdir("/proc") if p.isdigit()]
    return {p: s for p in pids if (s := stat_of(p))}


def below(top, procs):
    found = {top}
    grown = True
    while grown:
        more = {p for p, s in procs.items() if s[1] in found and p not in found}
        grown = bool(more)
        found |= more
    return {p: procs[p][2] for p in found if p in procs}


def left(seen):
    """Those of seen that are there still, zombies too."""
    return {p: s[0] for p, start in seen.items()
            if (s := stat_of(p)) and s[2] == start}


def until(test, seconds, what):
    end = time.monotonic() + seconds
    while not test():
        if time.monotonic() > end:
            complain(f"waited in vain: {what}")
            return False
        time.sleep(0.005)  # a look, not a wait
    return True


def lines(path):
    try:
        with open(path) as f:
            return len(f.readlines())
    except OSError:
        return 0


def cgroups(pid):
    return glob.glob(f"/sys/fs/cgroup/**/flowctl-{pid}-*", recursive=True)


def environment(where, mode):
    return dict(os.environ, FLOW_STORE=f"{where}/store/flow.db",
                FLO_CGROUP=mode)


def start(where, mode, pipeline):
    path = f"{where}/pipeline.json"
    with open(path, "w") as f:
        json.dump(pipeline, f)
    return subprocess.Popen(
        ["env", "--default-signal=INT", FLOWCTL, "run", path, "--run-id",
         "r1", "--quiet", "--durability", "none"],
        env=environment(where, mode), stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def mark_of(where):
    """A time to sleep that no other tree has, from its directory's name."""
    name = where.rpartition(".")[2]
    return "7205." + "".join(f"{ord(c):03}" for c in name)


def marked(where):
    """The living that have the mark among their arguments, seen before or not."""
    found = []
    for path in glob.glob("/proc/[0-9]*/cmdline"):
        try:
            with open(path, "rb") as f:
                if mark_of(where).encode() in f.read():
                    found.append(int(path.split("/")[2]))
        except OSError:
            pass
    return found


def tree_pipeline(where, way, limit_ms, keep_environment):
    mark = f"{where}/tree"
    script = TREE.replace("env -i", "env") if keep_environment else TREE
    step = {"name": "tree", "sh": script, "grace": "50ms",
            "env": {"MARK": mark, "MARK_SLEEP": mark_of(where)}}
    if way == "limit":
        step["timeout"] = f"{limit_ms}ms"
    return {"name": "survivors", "steps": [step]}


def end_tree(way, engine, where, mode, minders):
    if way == "ctrl-c":
        engine.send_signal(signal.SIGINT)
    elif way == "cancel":
        subprocess.run([FLOWCTL, "cancel", "r1"], stdout=subprocess.DEVNULL,
                       env=environment(where, mode), check=False)
    elif way == "kill":
        engine.kill()
    elif way == "minder":
        for pid in minders:
            os.kill(pid, signal.SIGKILL)


def play_tree(way, mode, limit_ms=0):
    """One tree, ended; how many processes were seen of it."""
    keep = way == "minder" and mode == "off"
    with tempfile.TemporaryDirectory(prefix="flow-survivors.") as where:
        engine = start(where, mode, tree_pipeline(where, way, limit_ms, keep))
        until(lambda: lines(f"{where}/tree.up") == UP or
              engine.poll() is not None, 20, f"{way}: the tree is up")
        procs = table()
        seen = below(engine.pid, procs)
        minders = [p for p in seen if procs[p][1] == engine.pid]
        seen.pop(engine.pid, None)
        if way == "limit" and lines(f"{where}/tree.up") < UP:
            seen = {}  # the machine was too slow for the limit
        end_tree(way, engine, where, mode, minders)
        try:
            engine.wait(20)
        except subprocess.TimeoutExpired:
            complain(f"{way}: flowctl does not end")
            engine.kill()
            engine.wait()
        # A minder without a parent is reaped by init, when that comes to it.
        until(lambda: not left(seen), 3, f"{way}, cgroups {mode or 'on'}: "
              f"nothing is left of {sorted(seen)}")
        if marked(where):
            complain(f"{way}, cgroups {mode or 'on'}: alive and not seen "
                     f"before: {marked(where)}")
        for pid in set(left(seen)) | set(marked(where)):
            os.kill(pid, signal.SIGKILL)
        if way != "kill" and cgroups(engine.pid):
            complain(f"{way}: left {cgroups(engine.pid)}")
        return len(seen)


def play_trees(times, mode):
    for way in WAYS:
        done = processes = 0
        before = len(problems)
        limit_ms = 250
        # Some at once: a tree is mostly waited for. Those that the limit
        # ended before they were whole are made again, with more time.
        with concurrent.futures.ThreadPoolExecutor(AT_ONCE) as pool:
            while done < times and limit_ms < 20000:
                limit_ms *= 2
                for count in pool.map(
                        lambda _, ms=limit_ms: play_tree(way, mode, ms),
                        range(times - done)):
                    done += count >= UP + 1
                    processes += count
                if way != "limit":
                    break
        if done < times:
            complain(f"{way}: only {done} of {times} trees were whole")
        print(f"{way:7} cgroups {mode or 'on':3}: {done} trees, {processes} "
              f"processes, {len(problems) - before} survivors or problems",
              flush=True)


def play_planted():
    """What is said to survive must be seen to: else we see nothing."""
    with tempfile.TemporaryDirectory(prefix="flow-survivors.") as where:
        engine = start(where, "off", tree_pipeline(where, "minder", 0, False))
        until(lambda: lines(f"{where}/tree.up") == UP, 20, "planted: up")
        procs = table()
        end_tree("minder", engine, where, "off",
                 [p for p, s in procs.items() if s[1] == engine.pid])
        engine.wait(20)
        if len(marked(where)) != 1:
            complain(f"planted: one survives and is seen: {marked(where)}")
        for pid in marked(where):
            os.kill(pid, signal.SIGKILL)


# --- many steps ---------------------------------------------------------


def look(engine):
    """(descriptors of flowctl, most of a minder, minders, KiB, zombies)."""
    procs = table()
    minders = [p for p, s in procs.items() if s[1] == engine.pid]
    tree = below(engine.pid, procs)
    zombies = [p for p in tree if (s := stat_of(p)) and s[0] == "Z"
               and s[2] == tree[p]]
    fds, kib = [], 0
    for pid in [engine.pid] + minders:
        try:
            fds.append(len(os.listdir(f"/proc/{pid}/fd")))
            with open(f"/proc/{pid}/status") as f:
                kib += sum(int(x.split()[1]) for x in f if x[:6] == "VmRSS:")
        except OSError:
            return None
    return fds[0], max(fds[1:], default=0), len(minders), kib, zombies


def steps_pipeline(where, count, body):
    """Count steps, 4 at once; a gate holds the first fifth's end and the last."""
    def gate(name):
        return {"name": name, "sh": f"echo >{where}/{name}; read x <{where}/go"}

    def part(name, n):
        return dict(body, name=name, foreach=list(range(n)), limit=4)
    return {"name": "many", "steps": [
        part("early", count // 5), gate("first"),
        part("late", count - count // 5), gate("second")]}


def play_steps(count, body, name, mode):
    with tempfile.TemporaryDirectory(prefix="flow-survivors.") as where:
        os.mkfifo(f"{where}/go")
        engine = start(where, mode, steps_pipeline(where, count, body))
        looks = []
        for gate in ("first", "second"):
            if not until(lambda g=gate: os.path.exists(f"{where}/{g}") or
                         engine.poll() is not None, 600, f"{name}: {gate}"):
                break
            if engine.poll() is not None:
                break
            looks.append(look(engine))
            with open(f"{where}/go", "w") as f:
                f.write("\n")
        if engine.wait() != 0 or len(looks) != 2 or None in looks:
            complain(f"{name}: the run ended with {engine.returncode}")
            return
        (fds, minder_fds, minders, kib, _), late = looks
        print(f"{name:7} cgroups {mode or 'on':3}: {count} steps; descriptors "
              f"{fds} then {late[0]}, of a minder {minder_fds} then {late[1]};"
              f" minders {minders} then {late[2]}; {kib} then {late[3]} KiB")
        if late[0] > fds + 2 or late[1] > minder_fds or late[2] > 5:
            complain(f"{name}: descriptors or minders leak: {looks}")
        if late[4]:
            complain(f"{name}: zombies {late[4]}")
        # The engine keeps a record of every step: some hundred bytes each.
        if late[3] > kib + 4096 + count * 2:
            complain(f"{name}: memory grows: {looks}")
        if cgroups(engine.pid):
            complain(f"{name}: left {cgroups(engine.pid)}")


def can_have_cgroups():
    """Whether an engine makes one here, seen by a step's own eyes."""
    with tempfile.TemporaryDirectory(prefix="flow-survivors.") as where:
        start(where, "", {"name": "p", "steps": [
            {"name": "a", "sh": f"cat /proc/self/cgroup >{where}/own"}]}).wait()
        with open(f"{where}/own") as f:
            return "0::" in (text := f.read()) and "/flowctl-" in text


def main():
    full = bool(os.environ.get("FLO_SURVIVORS_FULL"))
    parser = argparse.ArgumentParser()
    parser.add_argument("--trees", type=int, default=200 if full else 2)
    parser.add_argument("--steps", type=int, default=10000 if full else 200)
    args = parser.parse_args()
    modes = ["off"]
    if can_have_cgroups():
        modes.append("")
    else:
        print("no cgroups can be had here: tried without")
    play_planted()
    for mode in modes:
        play_trees(args.trees, mode)
        play_steps(args.steps, {"exec": ["/bin/true"]}, "true", mode)
        play_steps(args.steps, {"sh": "echo out; echo err >&2"}, "log", mode)
    print(f"{len(problems)} problems")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
