"""What must hold of a CMDB and its exports, told from the inputs alone.

Shares no code with the engine: it has a model of its own of each source (which
records each sync was given), and reads the database with SQLite and the exports
as lines of JSON. The words of the rules:

sound      the database passes SQLite's check
state      a source's records are those before its sync or those after it
change     an export has the changes that the model has, each once
once       each sync of a source that succeeded has one export, under its pull
litter     nothing else is below the root, in the end
history    versions follow each other without overlap, and without a gap
           where a record was changed; they are the model's, in its order
still      the same input again changes nothing
"""

import glob
import json
import os
import sqlite3


class Fault(Exception):
    """A rule is broken."""


def want(holds, rule, *words):
    if not holds:
        raise Fault(rule + ": " + " ".join(str(x) for x in words))


def changes_of(before, after):
    """The changes from one state to another: op, id, before, after."""
    found = set()
    for key in before.keys() | after.keys():
        old, new = before.get(key), after.get(key)
        if old != new:
            op = "c" if old is None else "d" if new is None else "u"
            found.add((op, key, frozen(old), frozen(new)))
    return found


def frozen(record):
    return json.dumps(record, sort_keys=True)


class Model:
    """What one source has been told: a state for each sync that succeeded."""

    def __init__(self, name):
        self.name = name
        self.states = [{}]  # after each sync
        self.pending = None  # the state that the sync under way leads to

    def settle(self):
        if self.pending is not None:
            self.states.append(self.pending)
            self.pending = None


def open_db(path):
    db = sqlite3.connect(path, timeout=60)
    want([x[0] for x in db.execute("PRAGMA integrity_check")] == ["ok"],
         "sound", path)
    return db


def state_of(db, source):
    found = {}
    for key, body in db.execute(
            "SELECT key, body FROM cmdb_current WHERE source = ?", [source]):
        record = json.loads(body)
        want(json.loads(key) == [record["id"]], "state", "key", key, body)
        want(record["id"] not in found, "state", key, "is there twice")
        found[record["id"]] = record
    rows = db.execute("SELECT rows FROM source WHERE name = ?", [source])
    for (n,) in rows:
        want(n == len(found), "state", source, "says it has", n, "rows")
    return found


def lines_of(path):
    with open(path, encoding="utf-8") as file:
        text = file.read()
    want(text == "" or text.endswith("\n"), "change", path, "is cut off")
    return [json.loads(x) for x in text.splitlines()]


def set_of(lines, where):
    found = [(x["op"], x["key"][0], frozen(x["before"]), frozen(x["after"]))
             for x in lines]
    want(len(found) == len(set(found)), "change", where, "has one twice")
    return set(found)


def files_of(root, source):
    return sorted(glob.glob(os.path.join(root, source, "changes", "*", "*")))


def check_exports(root, model, ended):
    """Each file is a sync's, whole; in the end each sync has one."""
    syncs = list(zip(model.states, model.states[1:]))
    if model.pending is not None:
        syncs.append((model.states[-1], model.pending))
    missing = [changes_of(a, b) for a, b in syncs]
    for path in files_of(root, model.name):
        if path.endswith(".tmp") and not ended:
            continue
        want(path.endswith(".ndjson"), "litter", path)
        lines = lines_of(path)
        pull = os.path.basename(path)[:-len(".ndjson")]
        want(all(x["pull_id"] == pull and x["source"] == model.name
                 for x in lines), "change", path, "has others' lines")
        found = set_of(lines, path)
        want(found in missing, "once", path, "is of no sync, or again", found)
        missing.remove(found)
    may_miss = 0 if ended else 1 if model.pending is not None else 0
    want(len(missing) <= may_miss, "once", model.name, "has no file of",
         missing)


def check_marks(db, root, model):
    """What is marked is there, and the other way round."""
    marked = sorted(x for (x,) in db.execute(
        "SELECT path FROM export WHERE path LIKE ?",
        [f"%/{model.name}/changes/%"]))
    there = [os.path.abspath(x) for x in files_of(root, model.name)]
    want(marked == there, "once", "marks", marked, "files", there)


def check_history(db, model):
    """SCD2: what each record was, one version after the other."""
    wanted = {}
    for before, after in zip(model.states, model.states[1:]):
        for op, key, _, new in changes_of(before, after):
            wanted.setdefault(key, []).append((op, new))
    found = {}
    for key, since, until, body in db.execute(
            "SELECT key, valid_from, valid_to, body FROM cmdb_history"
            " WHERE source = ? ORDER BY key, valid_from", [model.name]):
        found.setdefault(json.loads(key)[0], []).append((since, until, body))
    want(found.keys() == wanted.keys(), "history", "keys", found.keys())
    for key, versions in found.items():
        check_versions(key, versions, wanted[key],
                       key in model.states[-1])


def check_versions(key, versions, wanted, lives):
    bodies = [frozen(json.loads(x)) for _, _, x in versions]
    want(bodies == [new for op, new in wanted if op != "d"], "history", key,
         "was", bodies)
    # What follows each version: "u", "d", or nothing.
    after = [op for op, _ in wanted][1:] + [None]
    after = [op for (now, _), op in zip(wanted, after) if now != "d"]
    for i, (since, until, _) in enumerate(versions):
        last = i + 1 == len(versions)
        want((until is None) == (last and lives), "history", key, versions)
        want(until is None or since < until, "history", key, versions)
        if not last:
            following = versions[i + 1][0]
            want(until <= following, "history", key, "overlaps", versions)
            want(after[i] != "u" or until == following, "history", key,
                 "has a gap", versions)


def check_midway(path, root, models):
    """After a kill: each source is as it was or as it is to be."""
    if not os.path.exists(path):
        return
    db = open_db(path)
    for model in models:
        if not db.execute("SELECT 1 FROM sqlite_schema WHERE name ="
                          " 'cmdb_current'").fetchone():
            break
        now = state_of(db, model.name)
        want(now in (model.states[-1], model.pending), "state", model.name,
             "is neither: ", now)
        check_exports(root, model, False)
    db.close()


def check_end(path, root, models):
    """After a sync has ended; the models are settled."""
    db = open_db(path)
    for model in models:
        now = state_of(db, model.name)
        want(now == model.states[-1], "state", model.name, "is not new:", now)
        check_exports(root, model, True)
        check_marks(db, root, model)
        check_history(db, model)
    db.close()


def check_day(root, models):
    """Put together or not, all changes are there once."""
    for model in models:
        lines = []
        for path in files_of(root, model.name):
            want(path.endswith(".ndjson"), "litter", path)
            lines += lines_of(path)
        found = sorted((x["pull_id"], x["op"], x["key"][0]) for x in lines)
        want(len(found) == len(set(found)), "change", "one twice in the day")
        wanted = [x for a, b in zip(model.states, model.states[1:])
                  for x in changes_of(a, b)]
        is_ = [(x["op"], x["key"][0], frozen(x["before"]), frozen(x["after"]))
               for x in lines]
        want(sorted(is_) == sorted(wanted), "change", model.name, "the day")


def fingerprint(path):
    """What must not change when nothing does."""
    db = open_db(path)
    found = [db.execute("SELECT name, version, rows FROM source"
                        " ORDER BY name").fetchall()]
    for table in ("state", "history"):
        found.append(db.execute(f"SELECT * FROM {table} ORDER BY 1, 2"
                                ).fetchall())
    db.close()
    return found
