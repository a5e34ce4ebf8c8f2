"""What a run left behind, read without a line of the engine's code.

The rows of the store, the hashes of its chain, the pipeline as it is written,
and the effect log of the steps; checker.py has the rules.
"""

import calendar
import ctypes
import ctypes.util
import json
import os
import posixpath
import re
import sqlite3
import struct
import time

KINDS = ["run.queued", "run.started", "run.resumed", "run.cancelling",
         "run.finished", "step.started", "step.finished", "step.retrying",
         "step.skipped", "step.lost", "step.reused"]
STATES = ["", "queued", "pending", "running", "retrying", "succeeded",
          "failed", "skipped", "cancelled", "blocked", "interrupted"]
SEPARATOR = "\x1e"  # between a pipeline's text and those of its files
PINNED = ["id", "trace_id", "parent_span", "pipeline", "file", "dir", "params"]

class NoRun(Exception):
    """The run to check is not in the store."""


# --- the hash chain ---

class Hash128(ctypes.Structure):
    _fields_ = [("low", ctypes.c_uint64), ("high", ctypes.c_uint64)]


def load_xxhash():
    try:
        library = ctypes.CDLL("libxxhash.so.0")
    except OSError:  # under another name: slow, it starts programs
        library = ctypes.CDLL(ctypes.util.find_library("xxhash"))
    fn = library.XXH3_128bits
    fn.restype = Hash128
    fn.argtypes = [ctypes.c_char_p, ctypes.c_size_t]
    return fn


XXH3 = load_xxhash()


def xxh3_128(data):
    h = XXH3(data, len(data))
    return struct.pack(">QQ", h.high, h.low)


def first_link(row):
    texts = [row[name] for name in PINNED] + [row["text"]]
    data = b""
    for text in texts:
        text = text.encode()
        data += struct.pack(">Q", len(text)) + text
    numbers = struct.pack(">QQ", row["step_limit"], row["created_us"])
    return xxh3_128(data + struct.pack(">Q", len(numbers)) + numbers)


def next_link(link, seq, body):
    return xxh3_128(link + struct.pack(">Q", seq) + body.encode())


# --- the store ---

class Run:
    """The row of a run, and its events as objects."""

    def __init__(self, db, run_id):
        db.row_factory = sqlite3.Row
        self.row = db.execute("SELECT * FROM runs WHERE id = ?",
                              (run_id,)).fetchone()
        if self.row is None:
            raise NoRun(f"no run {run_id}")
        self.rows = db.execute("SELECT * FROM run_events WHERE run = ? "
                               "ORDER BY seq", (self.row["run"],)).fetchall()
        self.lease = db.execute("SELECT * FROM leases WHERE run = ?",
                                (self.row["run"],)).fetchone()
        self.events = [json.loads(row["body"]) for row in self.rows]
        self.steps = [e for e in self.events if "path" in e]
        last = self.events[-1] if self.events else None
        self.end = last if last and last["kind"] == "run.finished" else None

    def ends(self):
        """path -> how the step ended."""
        return {e["path"]: "skipped" if e["kind"] == "step.skipped"
                else e["status"] for e in self.steps
                if e["kind"] in ("step.finished", "step.skipped",
                                 "step.reused")}


def connect(store):
    db = sqlite3.connect(f"file:{os.path.abspath(store)}?mode=ro", uri=True,
                         timeout=30)
    db.execute("BEGIN")  # one moment for all that is read
    return db


# --- the pipeline, read anew ---

class Node:
    """A step as it is written; `kind` is leaf, steps, group or foreach."""

    def __init__(self, spec, parent, files, directory):
        self.spec = spec
        self.parent = parent
        self.name = spec.get("name", "")
        self.children = []
        self.final = None
        self.kind = "leaf"
        if parent is None:
            self.add("steps", spec["steps"], files, directory)
        elif "foreach" in spec or "matrix" in spec:
            body = {k: v for k, v in spec.items() if k not in (
                "name", "foreach", "matrix", "as", "when", "needs", "limit", "on_error",
                "max_failures", "allow_failure", "finally")}
            self.add("foreach", [body], files, directory)
        elif "pipeline" in spec:
            file = files[posixpath.join(directory, spec["pipeline"])]
            inner = json.loads(file["text"])
            self.add("steps", inner["steps"], files, file["dir"])
            spec = inner
        else:
            for kind in ("steps", "group"):
                if kind in spec:
                    self.add(kind, spec[kind], files, directory)
        if self.kind != "leaf" and "finally" in spec:
            body = spec["finally"]
            body = body if isinstance(body, dict) else {"steps": body}
            self.final = Node({"name": "finally", "steps": body["steps"]},
                              self, files, directory)

    def add(self, kind, specs, files, directory):
        self.kind = kind
        self.children = [Node(s, self, files, directory) for s in specs]

    def child(self, name):
        if name == "finally":
            return self.final
        return next(c for c in self.children if c.name == name)

    def needs(self, child):
        """The members that must have ended before @child starts."""
        if self.kind == "steps":
            return self.children[:self.children.index(child)]
        todo, found = list(child.spec.get("needs", [])), []
        while todo:
            member = self.child(todo.pop())
            if member not in found:
                found.append(member)
                todo += member.spec.get("needs", [])
        return found


def read_pipeline(row):
    text, _, rest = row["text"].partition(SEPARATOR)
    files = json.loads(rest) if rest else {}
    return Node(json.loads(text), None, files, row["dir"])


def join(prefix, name):
    return f"{prefix}.{name}" if prefix else name


def walk(root, path):
    """(block, its path, member, its path) from the outside to @path."""
    node, prefix = root, ""
    for name, index in re.findall(r"\.?(\w+)|\[(\d+)\]", path):
        if name:
            member, inner = node.child(name), join(prefix, name)
        else:
            member, inner = node.children[0], f"{prefix}[{index}]"
        yield node, prefix, member, inner
        node, prefix = member, inner


def prefixes(path):
    """All blocks that @path is in, and itself."""
    for at, char in enumerate(path):
        if char in ".[" and at > 0:
            yield path[:at]
    yield path


def tolerated(node, member):
    # (of several failures it is not told here which are tolerated)
    return member.spec.get("allow_failure") or node.spec.get("max_failures")


# --- the effect log ---

class Deeds:
    """The effect log."""

    def __init__(self, name):
        with open(name, encoding="utf-8") as file:
            lines = [line.split() for line in file]
        self.kills = [(at, int(line[1])) for at, line in enumerate(lines)
                      if line[0] == "K"]
        self.all = [(at, *line[:2], int(line[2]))
                    for at, line in enumerate(lines) if line[0] in "BEF"]
        self.begun = [d for d in self.all if d[1] == "B"]

    def count(self, path, attempt=None):
        return sum(1 for _, _, p, n in self.begun
                   if p == path and attempt in (None, n))


def ts_us(event):
    whole, fraction = event["ts"][:-1].split(".")
    return calendar.timegm(time.strptime(whole, "%Y-%m-%dT%H:%M:%S")) * \
        1000000 + int(fraction.ljust(6, "0"))
