#!/usr/bin/env python3
"""Check what a run left behind, without a line of the engine's code.

Usage: checker.py STORE RUN EFFECTS [--told FILE] [--reference STORE RUN]

Reads the store (with SQLite), the effect log that the run's steps appended to,
and nothing else. It may look whenever no engine is at work on the run, be it
at its end or after a crash; others may use the store meanwhile. Each rule
that is broken is a line on stdout, and the exit code is then 1.

The effect log has a line a deed, in the order of the deeds:

    B PATH ATTEMPT    a step's program has begun
    F PATH ATTEMPT    it is about to fail
    E PATH ATTEMPT    it is about to succeed
    K MICROSECONDS    the engine was killed and nothing of it was alive any
                      more at that time; whoever kills it writes this

--told is what `flowctl --json` printed, as far as it came. --reference names
a run of the same pipeline that was never disturbed: ends, outputs and counts
must be the same.

The rules:

    store      the file passes SQLite's integrity check; columns repeat what
               the bodies say; the row of the run and its lease are as its last
               event says
    once       a step succeeds at most once, and nothing follows its end
    attempts   they are numbered from 1 without gaps, one at a time
    order      nothing starts before all that it depends on has ended, and
               ended well; neither by the record nor by the deeds
    limit      no more members of a block at once than its limit
    closed     no member of a block starts after the failure that cancelled it
    error      the run's error is the first failure that counts
    told       what was printed is in the store
    repeated   what was recorded as succeeded is not executed again; nothing is
               executed more often than attempts and crashes account for, and
               with "idempotent": false than its attempts
    executed   what is recorded as succeeded was executed to its end
    final      nothing follows the end of the run, and nothing is open at it
    chain      events are numbered without gaps, and the hashes are right
    same       the end is that of the reference
    cancelled  a run ends so only if somebody asked, and before anything failed
               that counts; then nothing starts in the next engine but finally,
               and nothing was cancelled in a run that succeeded
    reused     what a rerun takes over had ended so, and well, in the run that it
               repeats, and is not executed; what succeeded there, and nothing
               that comes before it failed, is taken over
"""

import argparse
import contextlib
import json
import sys
import threading

from record import (KINDS, STATES, Deeds, NoRun, Run, connect, first_link,
                    join, next_link, prefixes, read_pipeline, tolerated, ts_us,
                    walk)

here = threading.local()  # problems: of the check of this thread


def complain(rule, text):
    here.problems.append(f"{rule}: {text}")


# --- the file ---


def check_chain(row, rows):
    link = first_link(row)
    for n, event in enumerate(rows, 1):
        if event["seq"] != n:
            complain("chain", f"event {event['seq']} where {n} should be")
            return
        link = next_link(link, n, event["body"])
        if link != event["hash"]:
            complain("chain", f"event {n} has a wrong hash")
            return


def check_integrity(db):
    for (line,) in db.execute("PRAGMA integrity_check"):
        if line != "ok":
            complain("store", f"integrity check: {line}")


def check_columns(run):
    for row, event in zip(run.rows, run.events):
        where = f"event {row['seq']}"
        if event["seq"] != row["seq"]:
            complain("store", f"{where}: seq differs")
        if event["run"] != run.row["id"]:
            complain("store", f"{where} is of run {event['run']}")
        if KINDS[row["kind"]] != event["kind"]:
            complain("store", f"{where}: kind differs")
        if row["path"] != event.get("path"):
            complain("store", f"{where}: path differs")
        if row["attempt"] != event.get("attempt", 0):
            complain("store", f"{where}: attempt differs")
        if "status" in event and STATES[row["state"]] != event["status"]:
            complain("store", f"{where}: state differs")


def check_row(run):
    status = STATES[run.row["status"]]
    if run.end is None:
        if status not in ("queued", "running"):
            complain("store", f"the row says {status}, the events no end")
        if run.row["finished_json"] is not None:
            complain("store", "the row has an end, the events have none")
        if run.lease is None:
            complain("store", "a run without end has no lease")
        return
    if status != run.end["status"]:
        complain("store", f"the row says {status}, the events "
                 f"{run.end['status']}")
    if run.row["finished_json"] != run.rows[-1]["body"]:
        complain("store", "the row repeats another end")
    if run.lease is not None:
        complain("store", "a run that has ended has a lease")


# --- rules of the record ---

def check_attempts(run):
    """once, attempts"""
    attempts, open_now, ended = {}, {}, {}
    for e in run.events:
        path = e.get("path")
        if path is None:
            continue
        kind, n = e["kind"], e.get("attempt", 0)
        if path in ended:
            complain("once", f"{path}: {kind} (event {e['seq']}) after its "
                     f"end (event {ended[path]})")
        if kind == "step.reused":  # ended in another run, with its numbers
            if attempts.get(path, 0) or open_now.get(path):
                complain("attempts", f"{path}: taken over (event {e['seq']}) "
                         "after it had begun here")
            attempts[path] = n
        elif kind == "step.started":
            if n != attempts.get(path, 0) + 1:
                complain("attempts", f"{path}: attempt {n} follows "
                         f"{attempts.get(path, 0)}")
            if path in open_now:
                complain("attempts", f"{path}: attempt {n} while "
                         f"{open_now[path]} is open")
            attempts[path] = open_now[path] = n
        elif n and open_now.pop(path, None) != n and not (
                e.get("status") == "cancelled" and n == attempts.get(path)):
            # (one in back-off, or lost in a crash, is cancelled as it is)
            complain("attempts", f"{path}: {kind} of attempt {n}, which is "
                     "not open")
        if kind in ("step.finished", "step.skipped", "step.reused"):
            ended[path] = e["seq"]
    if run.end is not None and open_now:
        complain("final", f"open at the end of the run: {sorted(open_now)}")


def check_final(run):
    for e in run.events[:-1]:
        if e["kind"] == "run.finished":
            complain("final", f"event {e['seq']} is not the last")
    if run.end is None:
        return
    counts = dict.fromkeys(run.end["counts"], 0)
    counts.update({s: 0 for s in ("succeeded", "failed", "skipped")})
    root = read_pipeline(run.row)
    for path, state in run.ends().items():
        if list(walk(root, path))[-1][2].kind == "leaf" and state in counts:
            counts[state] += 1
    for state in ("succeeded", "failed"):
        if counts[state] != run.end["counts"].get(state, 0):
            complain("final", f"counts say {run.end['counts']}, the events "
                     f"{counts[state]} {state}")


def check_order(root, paths, last, what):
    """@paths: (position, path) of what began; @last: of each prefix."""
    for at, path in paths:
        for block, prefix, member, _ in walk(root, path):
            if member is block.final:
                before = [join(prefix, c.name) for c in block.children]
                if block.kind == "foreach":
                    before = [p for p in last if p.startswith(prefix + "[")]
            elif block.kind == "foreach":
                before = []
            else:
                before = [join(prefix, c.name) for c in block.needs(member)]
            for dep in before:
                if last.get(dep, -1) > at:
                    complain("order", f"{what}: {path} began (at {at}) before "
                             f"{dep} had ended (at {last[dep]})")


def check_recorded_order(run, root):
    last = {}
    for e in run.steps:
        for prefix in prefixes(e["path"]):
            last[prefix] = e["seq"]
    began = [(e["seq"], e["path"]) for e in run.steps
             if e["kind"] == "step.started"]
    check_order(root, began, last, "record")
    ends = run.ends()
    for at, path in began:
        for block, prefix, member, _ in walk(root, path):
            if member is block.final or block.kind == "foreach":
                continue
            for dep in block.needs(member):
                end = ends.get(join(prefix, dep.name))
                if dep.kind == "leaf" and not tolerated(block, dep) and \
                        end not in ("succeeded", "skipped"):
                    complain("order", f"{path} started, {dep.name} before it "
                             f"ended as {end}")


def spans(run, root):
    """(block path, limit) -> [(first, last) of a member's being at work]

    A crash ends it for all members; who goes on after it is admitted anew."""
    found, leaf_open, blocks = {}, {}, {}
    for e in run.events:
        if e["kind"] in ("run.resumed", "run.finished"):
            for key, first in leaf_open.values():
                found.setdefault(key, []).append((first, e["seq"]))
            for (key, _), span in blocks.items():
                found.setdefault(key, []).append(span)
            leaf_open, blocks = {}, {}
        if "path" not in e or e["kind"] in ("step.lost", "step.reused"):
            continue
        for block, prefix, member, inner in walk(root, e["path"]):
            limit = block.spec.get("limit") if block.parent else None
            if not isinstance(limit, int) or member is block.final or \
                    block.kind == "steps":
                continue
            key = (prefix, limit)
            if member.kind != "leaf":
                first, _ = blocks.get((key, inner), (e["seq"], 0))
                blocks[key, inner] = first, e["seq"]
            elif e["kind"] == "step.started":
                leaf_open[inner] = key, e["seq"]
            elif inner in leaf_open:
                _, first = leaf_open.pop(inner)
                found.setdefault(key, []).append((first, e["seq"]))
    for (key, _), span in blocks.items():
        found.setdefault(key, []).append(span)
    return found


def most_at_once(intervals):
    marks = sorted([(a, 1) for a, _ in intervals] +
                   [(b, -1) for _, b in intervals])
    most = now = 0
    for _, step in marks:
        now += step
        most = max(most, now)
    return most


def check_limits(run, root):
    for (path, limit), intervals in spans(run, root).items():
        most = most_at_once(intervals)
        if most > limit:
            complain("limit", f"{path}: {most} at once, its limit is {limit}")
    limit = root.spec.get("limit")
    most = now = 0
    for e in run.events:
        if e["kind"] == "run.resumed":
            now = 0
        elif e["kind"] == "step.started":
            now += 1
        elif e["kind"] in ("step.retrying", "step.finished") and \
                "attempt" in e:
            now -= 1
        most = max(most, now)
    if isinstance(limit, int) and most > limit:
        complain("limit", f"the run: {most} at once, its limit is {limit}")


def check_closed(run, root):
    """Of a block's own leaves; those deeper in may be a moment late."""
    failed = {}
    for e in run.steps:
        block, prefix, member, _ = list(walk(root, e["path"]))[-1]
        if member.kind != "leaf" or member is block.final:
            continue
        if e["kind"] == "step.started" and prefix in failed and \
                e["attempt"] == 1:
            complain("closed", f"{e['path']} started (event {e['seq']}) after "
                     f"event {failed[prefix]} had closed its block")
        if e.get("status") == "failed" and not tolerated(block, member) and \
                block.spec.get("on_error", "cancel") != "continue":
            failed.setdefault(prefix, e["seq"])


def first_failure(run, root):
    """The event of the first that counts, or None."""
    for e in run.steps:
        if e.get("status") != "failed" or e["kind"] == "step.reused":
            continue
        steps = list(walk(root, e["path"]))
        if not any(tolerated(b, m) or m is b.final for b, _, m, _ in steps):
            return e
    return None


def check_error(run, root):
    if run.end is None:
        return
    error, first = run.end["error"], first_failure(run, root)
    if run.end["status"] == "succeeded":
        if error is not None:
            complain("error", "a run that succeeded has an error")
    elif run.end["status"] == "cancelled":
        if not error or error["kind"] != "cancelled":
            complain("error", f"that of a cancelled run is {error}")
    elif first and error["path"] != first["path"]:
        complain("error", f"the run's is of {error['path']}, the first that "
                 f"counts of {first['path']}")


# --- cancelled, and run again ---

def in_finally(root, path):
    return any(m is b.final for b, _, m, _ in walk(root, path))


def asked_at(run):
    """The seq of the event that says so, or None."""
    return next((e["seq"] for e in run.events
                 if e["kind"] == "run.cancelling"), None)


def check_cancelled(run, root):
    asked, status = asked_at(run), run.end and run.end["status"]
    if asked is None:
        if status == "cancelled":
            complain("cancelled", "the run is, and nobody asked for it")
        return
    first = first_failure(run, root)
    if status == "cancelled" and first and first["seq"] < asked:
        complain("cancelled", f"{first['path']} had failed before")
    check_cancelling(run, root, asked)
    for e in run.steps:
        if status == "succeeded" and e.get("status") == "cancelled":
            complain("cancelled", f"{e['path']} is, the run succeeded")


def check_cancelling(run, root, asked):
    """In the engine that is asked a start may be under way."""
    resumed = [e["seq"] for e in run.events
               if e["kind"] == "run.resumed" and e["seq"] > asked]
    for e in run.steps:
        if resumed and e["seq"] > resumed[0] and \
                e["kind"] == "step.started" and \
                not in_finally(root, e["path"]):
            complain("cancelled", f"{e['path']} started (event {e['seq']}) in "
                     "a run that was being cancelled")


def check_reused(run, old, root, deeds):
    """@old: the run that this one repeats, or None."""
    reused = {e["path"]: e for e in run.steps if e["kind"] == "step.reused"}
    started = next((e["seq"] for e in run.events
                    if e["kind"] == "run.started"), None)
    if old is None:
        for path in reused:
            complain("reused", f"{path}, in a run that repeats none")
        return
    for path, e in reused.items():
        if started and e["seq"] > started:
            complain("reused", f"{path} after the start of the run")
        if deeds.count(path):
            complain("reused", f"{path} was executed")
    check_same_ends(reused, old)
    if started and run.events[0].get("rerun_failed"):
        check_all_reused(reused, old, root)


def check_same_ends(reused, old):
    theirs = {e["path"]: e for e in old.steps if e["kind"] in (
        "step.finished", "step.skipped", "step.reused")}
    ends = old.ends()
    for path, e in reused.items():
        if e["status"] not in ("succeeded", "skipped"):
            complain("reused", f"{path} had ended as {e['status']}")
        if e["status"] != ends.get(path):
            complain("reused", f"{path} as {e['status']}, it had ended as "
                     f"{ends.get(path)}")
        elif any(e.get(key) != theirs[path].get(key)
                 for key in ("attempt", "output")):
            complain("reused", f"{path} with another output or attempt")


def check_all_reused(reused, old, root):
    ends = old.ends()
    bad = [path for path, end in ends.items()
           if end not in ("succeeded", "skipped")]
    for path, end in ends.items():
        if end == "succeeded" and path not in reused and \
                not in_finally(root, path) and \
                not any(comes_before(root, b, path) for b in bad):
            complain("reused", f"{path} is not, though nothing before it "
                     "failed")


def comes_before(root, other, path):
    """Whether @path, or a block it is in, needs @other or one that has it."""
    around = list(prefixes(other))
    for block, prefix, member, _ in walk(root, path):
        if block.kind != "foreach" and any(
                join(prefix, dep.name) in around
                for dep in block.needs(member)):
            return True
    return False


# --- rules of the deeds ---

def check_repeated(run, root, deeds):
    attempts, crashes = {}, len(deeds.kills)
    for e in run.steps:
        if e["kind"] == "step.started":
            attempts[e["path"]] = e["attempt"]
        if e.get("status") != "succeeded":
            continue
        after = [at for at, us in deeds.kills if us > ts_us(e)]
        for at, _, path, n in deeds.begun:
            if after and path == e["path"] and at > after[0]:
                complain("repeated", f"{path} was executed (attempt {n}) "
                         f"after event {e['seq']} and a crash")
    for path in {d[2] for d in deeds.begun}:
        times, recorded = deeds.count(path), attempts.get(path, 0)
        leaf = list(walk(root, path))[-1][2]
        may = recorded + crashes
        if leaf.spec.get("idempotent") is False:
            may = recorded
        if times > may:
            complain("repeated", f"{path} was executed {times} times, with "
                     f"{recorded} attempts and {crashes} crashes")


def check_executed(run, root, deeds):
    done = {(d[2], d[3]) for d in deeds.all if d[1] == "E"}
    for e in run.steps:
        if e.get("status") != "succeeded" or "attempt" not in e or \
                e["kind"] == "step.reused":
            continue
        spec = list(walk(root, e["path"]))[-1][2].spec
        if ("exec" in spec or "sh" in spec) and \
                (e["path"], e["attempt"]) not in done:
            complain("executed", f"{e['path']} succeeded (event {e['seq']}) "
                     "without having been executed")


def check_deeds(run, root, deeds):
    last = {}
    for at, _, path, _ in deeds.all:
        for prefix in prefixes(path):
            last[prefix] = at
    check_order(root, [(at, p) for at, _, p, _ in deeds.begun], last, "deeds")
    check_repeated(run, root, deeds)
    check_executed(run, root, deeds)


# --- what was told, and the reference ---

def check_told(run, name):
    bodies = {row["body"] for row in run.rows}
    with open(name, encoding="utf-8") as file:
        for line in file.read().split("\n")[:-1]:  # the last may be cut
            if line and line not in bodies:
                complain("told", f"not in the store: {line[:200]}")


def check_same(run, other):
    if run.end is None or other.end is None:
        complain("same", "one of the two runs has no end")
        return
    for key in ("status", "output", "counts"):
        if run.end[key] != other.end[key]:
            complain("same", f"{key} is {run.end[key]}, that of the "
                     f"reference {other.end[key]}")
    mine, theirs = run.ends(), other.ends()
    for path in sorted(mine.keys() | theirs.keys()):
        if mine.get(path) != theirs.get(path):
            complain("same", f"{path} ended as {mine.get(path)}, in the "
                     f"reference as {theirs.get(path)}")


def check(store, run_id, effects, told=(), reference=None):
    """What is wrong, a line a breach. @reference: (store, run), or None.

    Any number of threads may check at once."""
    here.problems = []
    with contextlib.closing(connect(store)) as db:
        check_integrity(db)
        run = Run(db, run_id)
        of = run.events[0].get("rerun_of") if run.events else None
        old = Run(db, of) if of else None
    root = read_pipeline(run.row)
    deeds = Deeds(effects)
    check_chain(run.row, run.rows)
    check_columns(run)
    check_row(run)
    check_attempts(run)
    check_final(run)
    check_recorded_order(run, root)
    check_limits(run, root)
    check_closed(run, root)
    check_error(run, root)
    check_cancelled(run, root)
    check_reused(run, old, root, deeds)
    check_deeds(run, root, deeds)
    for name in told:
        check_told(run, name)
    if reference:
        with contextlib.closing(connect(reference[0])) as db:
            check_same(run, Run(db, reference[1]))
    return here.problems


def main():
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("store")
    parser.add_argument("run")
    parser.add_argument("effects")
    parser.add_argument("--told", action="append", default=[])
    parser.add_argument("--reference", nargs=2)
    args = parser.parse_args()
    try:
        problems = check(args.store, args.run, args.effects, args.told,
                         args.reference)
    except NoRun as e:
        sys.exit(f"checker: {e}")
    for problem in problems:
        print(problem)
    sys.exit(1 if problems else 0)


if __name__ == "__main__":
    main()
