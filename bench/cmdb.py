#!/usr/bin/env python3
"""A CMDB in step with a million records: pull, diff and apply.

Usage: tools/bench cmdb [--json] [--records N] [--rounds N] [ROW...]

  --records N  instead of 1,000,000; targets are for that many
  --rounds N   how often each program runs a row, in turn; the median counts
  ROW          stable, parsed, speedup, first, memory, array, parquet; all
               without one

Ours is `flowctl run` of a pipeline, at the default durability. Peers are
DuckDB (with as many threads as cores, and with one), sqlite3 and sqldiff, as
far as they are there; what they do is to tell two sets of records apart: they
apply nothing and record nothing. Builds this tree in build-bench/, unless
$FLOWCTL names a program, and installs npm's DuckDB there, unless $DUCKDB names
a directory that has it in node_modules. docs/benchmarks.md says what each row
is.
"""
import json
import os
import re
import shutil
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time

TOP = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
FLOWCTL = os.path.abspath(
    os.environ.get("FLOWCTL", TOP + "/build-bench/cli/flowctl"))
DUCKDB = os.path.abspath(
    os.environ.get("DUCKDB", TOP + "/build-bench/parquet-readers"))
ROWS = ("stable", "parsed", "speedup", "first", "memory", "array", "parquet")
PEERS = ("duckdb", "duckdb-1", "sqlite3", "sqldiff")


class Usage(Exception):
    pass


def run(argv, cwd, **more):
    """Run a program: seconds, and the most memory it had, in MB."""
    begin = time.monotonic()
    with open(cwd + "/said", "w+b") as said:
        process = subprocess.Popen(argv, cwd=cwd, stdout=said, stderr=said,
                                   stdin=subprocess.DEVNULL, **more)
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = status
        seconds = time.monotonic() - begin
        said.seek(0)
        text = said.read().decode(errors="replace")
    if status != 0:
        raise SystemExit("bench: %s ended with %d:\n%s" % (
            " ".join(argv), status, text))
    return {"seconds": seconds, "mb": used.ru_maxrss / 1024, "text": text}


class Work:
    """A directory with all that is measured on."""

    def __init__(self, path, records):
        self.path = path
        self.records = records
        self.duck = os.path.isdir(DUCKDB + "/node_modules/@duckdb/node-api") \
            and shutil.which("node")
        run(["cc", "-O2", "-o", path + "/input", TOP + "/bench/cmdb_input.c"],
            path)
        self.pipeline("sync", ["pull", "diff", "apply"])
        self.pipeline("pull", ["pull"])

    def pipeline(self, name, steps, pointer=None):
        pull = {"db": "cmdb.db", "source": "vm", "file": "${{ params.file }}"}
        if pointer:
            pull["records"] = pointer
        known = {
            "pull": {"name": "pull", "use": "cmdb.pull", "with": pull},
            "diff": {"name": "diff", "use": "cmdb.diff", "with": {
                "db": "cmdb.db", "pull": "${{ steps.pull.output }}",
                "key": ["/id"], "ignore": ["/seen_at"]}},
            "apply": {"name": "apply", "use": "cmdb.apply", "with": {
                "db": "cmdb.db", "plan": "${{ steps.diff.output }}"}},
            "export": {"name": "export", "use": "cmdb.export", "with": {
                "db": "cmdb.db", "plan": "${{ params.file }}",
                "format": "parquet", "what": "snapshot", "root": "out"}},
        }
        with open("%s/%s.json" % (self.path, name), "w") as out:
            json.dump({"name": name, "params": {"file": {"type": "string"}},
                       "steps": [known[s] for s in steps]}, out)

    def input(self, version, *kind):
        name = "-".join(("%d" % version,) + kind) + ".json"
        path = self.path + "/" + name
        if not os.path.exists(path):
            with open(path, "wb") as out:
                subprocess.run([self.path + "/input", str(self.records),
                                str(version)] + list(kind),
                               stdout=out, check=True)
        return path

    def forget(self, base=None):
        """Begin with no database, or with a copy of one."""
        for name in ("cmdb.db", "cmdb.db-wal", "cmdb.db-shm"):
            if os.path.exists(self.path + "/" + name):
                os.unlink(self.path + "/" + name)
        shutil.rmtree(self.path + "/store", ignore_errors=True)
        shutil.rmtree(self.path + "/out", ignore_errors=True)
        if base:
            shutil.copyfile(base, self.path + "/cmdb.db")
        os.sync()

    def flowctl(self, name, param, cores=None):
        argv = [FLOWCTL, "run", name + ".json", "-p", "file=" + param,
                "--store", "store/flow.db", "--quiet"]
        if cores is None:
            return run(argv, self.path)
        return run(argv, self.path,
                   preexec_fn=lambda: os.sched_setaffinity(0, cores))

    def base(self):
        """A database that holds the first version."""
        path = self.path + "/base.db"
        if not os.path.exists(path):
            self.forget()
            self.flowctl("sync", self.input(0))
            os.rename(self.path + "/cmdb.db", path)
        return path

    def duckdb(self, threads, what, file):
        path = self.path + "/vm.duckdb"
        if what == "load" and os.path.exists(path):
            os.unlink(path)
        done = run(["node", TOP + "/bench/cmdb_duckdb.mjs", DUCKDB,
                    str(threads), path, what, file], self.path)
        # Of its own work only: starting node is not counted.
        seconds, mb = done["text"].splitlines()[-1].split()
        return {"seconds": float(seconds), "mb": float(mb)}

    def sqlite_tables(self):
        """Both versions in one file each, for those who compare tables."""
        sides = [self.path + "/old.db", self.path + "/new.db"]
        for version, path in enumerate(sides):
            if os.path.exists(path):
                continue
            with sqlite3.connect(path) as db, \
                    open(self.input(version)) as lines:
                db.execute("CREATE TABLE vm(id TEXT PRIMARY KEY, body TEXT)"
                           " WITHOUT ROWID")
                # The field that nobody compares is left out.
                db.executemany("INSERT INTO vm VALUES(?, ?)", (
                    (line[7:19], re.sub('"seen_at":"[^"]*",', "", line))
                    for line in lines))
            db.close()
        return sides

    def join(self):
        old, new = self.sqlite_tables()
        return run(["sqlite3", old, "ATTACH '%s' AS n;"
                    "SELECT count(*) FROM n.vm n LEFT JOIN vm o USING (id)"
                    " WHERE o.body IS NOT n.body;"
                    "SELECT count(*) FROM vm o LEFT JOIN n.vm n USING (id)"
                    " WHERE n.id IS NULL" % new], self.path)

    def sqldiff(self):
        old, new = self.sqlite_tables()
        return run(["sqldiff", "--changeset", self.path + "/changes", old,
                    new], self.path)

    def peers(self):
        """{name: how it compares the second version with the first}."""
        found = {}
        if self.duck:
            self.duckdb(os.cpu_count(), "load", self.input(0))
            for name, n in (("duckdb", os.cpu_count()), ("duckdb-1", 1)):
                found[name] = lambda n=n: \
                    self.duckdb(n, "diff", self.input(1))
        if shutil.which("sqlite3"):
            found["sqlite3"] = self.join
        if shutil.which("sqldiff"):
            found["sqldiff"] = self.sqldiff
        if len(found) > 1:
            self.sqlite_tables()
        return found


def targets():
    found = {}
    with open(TOP + "/bench/cmdb.targets") as lines:
        for line in lines:
            words = line.split()
            if words and words[0] != "#" and not line.startswith("#"):
                found[words[0]] = words[1:]
    return found


class Table:
    def __init__(self, as_json):
        self.as_json = as_json
        self.targets = targets()
        if not as_json:
            print(("%-14s %-4s %9s" + " %9s" * len(PEERS) +
                   "  %-8s %6s  %-12s %s") % (
                ("row", "unit", "ours") + PEERS +
                ("best", "ratio", "target", "met")))

    def judge(self, name, unit, ours, others):
        if name not in self.targets:
            return None, None
        limit, *peer = self.targets[name]
        if not peer:
            met = ours >= float(limit) if unit == "x" else ours <= float(limit)
            return (">=" if unit == "x" else "<=") + limit, met
        if peer[0] not in others:
            return None, None
        return "<=%sx %s" % (limit, peer[0]), \
            ours <= float(limit) * others[peer[0]]

    def row(self, name, unit, ours, others=None):
        others = others or {}
        best = min(others, key=others.get) if others else None
        ratio = round(others[best] / ours, 2) if best else None
        target, met = self.judge(name, unit, ours, others)
        if self.as_json:
            print(json.dumps({"row": name, "unit": unit,
                              "ours": round(ours, 3),
                              "peers": {k: round(v, 3)
                                        for k, v in others.items()},
                              "best_peer": best, "ratio": ratio,
                              "target": target, "met": met}), flush=True)
            return
        show = lambda v: "-" if v is None else \
            "%.0f" % v if v >= 100 else "%.2f" % v
        print(("%-14s %-4s %9s" + " %9s" * len(PEERS) +
               "  %-8s %6s  %-12s %s") % (
            (name, unit, show(ours)) +
            tuple(show(others.get(p)) for p in PEERS) +
            (best or "-", show(ratio), target or "-",
             "-" if met is None else "yes" if met else "no")), flush=True)


def in_turn(rounds, programs):
    """{name: [measures]}: everybody in turn, so that a disturbance hits all."""
    results = {name: [] for name in programs}
    for _ in range(rounds):
        for name, program in programs.items():
            results[name].append(program())
    return results


def median(measures, key="seconds"):
    return statistics.median(m[key] for m in measures)


def ours(work, file, cores=None):
    def program():
        work.forget(work.base())
        return work.flowctl("sync", file, cores)
    return program


def compare(table, work, rounds, rows):
    """stable, parsed, speedup and the memory of them."""
    work.base()
    programs = dict(work.peers())
    if rows & {"stable", "memory"}:
        programs["stable"] = ours(work, work.input(1))
    if rows & {"parsed", "speedup", "memory"}:
        programs["parsed"] = ours(work, work.input(1, "volatile"))
    if "speedup" in rows and len(os.sched_getaffinity(0)) > 1:
        core = {min(os.sched_getaffinity(0))}
        programs["one"] = ours(work, work.input(1, "volatile"), core)
    results = in_turn(rounds, programs)
    others = {p: median(results[p]) for p in PEERS if p in results}
    for name in ("stable", "parsed"):
        if name in rows:
            table.row(name, "s", median(results[name]), others)
    if "one" in results:
        table.row("speedup", "x",
                  median(results["one"]) / median(results["parsed"]))
    if "memory" in rows:
        others = {p: median(results[p], "mb")
                  for p in ("duckdb", "duckdb-1") if p in results}
        table.row("memory", "MB", median(results["stable"], "mb"), others)
        table.row("memory-parsed", "MB", median(results["parsed"], "mb"),
                  others)


def first_load(table, work, rounds):
    def load():
        work.forget()
        return work.flowctl("sync", work.input(0))
    programs = {"ours": load}
    if work.duck:
        for name, n in (("duckdb", os.cpu_count()), ("duckdb-1", 1)):
            programs[name] = lambda n=n: \
                work.duckdb(n, "load", work.input(0))
    results = in_turn(rounds, programs)
    mine = results.pop("ours")
    table.row("first", "s", median(mine),
              {p: median(results[p]) for p in results})
    table.row("memory-first", "MB", median(mine, "mb"),
              {p: median(results[p], "mb") for p in results})
    if not os.path.exists(work.path + "/base.db"):
        os.rename(work.path + "/cmdb.db", work.path + "/base.db")


def whole_array(table, work, rounds):
    """Above the digest map: 16 bytes a record, and the index's slots."""
    slots = 64
    while slots < 2 * work.records:
        slots *= 2
    held = (16 * work.records + 4 * slots) / 1e6
    work.pipeline("array", ["pull"], "/data/items")
    work.base()
    document = work.input(1, "array")

    def pull():
        work.forget(work.base())
        return work.flowctl("array", document)
    results = in_turn(rounds, {"ours": pull})["ours"]
    table.row("array", "MB", max(0, median(results, "mb") - held))


def parquet(table, work, rounds):
    """The plan's apply gave the state: its snapshot is the million rows."""
    work.pipeline("export", ["export"])
    db = sqlite3.connect(work.base())
    plan, = db.execute("SELECT id FROM plan ORDER BY no DESC").fetchone()
    db.close()

    def export():
        work.forget(work.base())
        return work.flowctl("export", plan)
    programs = {"ours": export}
    if work.duck:
        work.duckdb(os.cpu_count(), "load", work.input(0))
        for name, n in (("duckdb", os.cpu_count()), ("duckdb-1", 1)):
            programs[name] = lambda n=n: \
                work.duckdb(n, "parquet", work.path + "/vm.parquet")
    results = in_turn(rounds, programs)
    mine = results.pop("ours")
    table.row("parquet", "s", median(mine),
              {p: median(results[p]) for p in results})
    size = sum(os.path.getsize(os.path.join(at, name))
               for at, _, names in os.walk(work.path + "/out")
               for name in names)
    others = {}
    if work.duck:
        others["duckdb"] = os.path.getsize(work.path + "/vm.parquet") / 1e6
    table.row("parquet-bytes", "MB", size / 1e6, others)


def read_args(argv):
    options = {"records": 1000000, "rounds": 5, "json": False, "rows": set()}
    args = iter(argv)
    for arg in args:
        if arg in ("-h", "--help"):
            print(__doc__.strip())
            raise SystemExit(0)
        if arg == "--json":
            options["json"] = True
        elif arg in ("--rounds", "--records"):
            value = next(args, "")
            if not value.isdigit() or int(value) == 0:
                raise Usage("%s wants a number" % arg)
            options[arg[2:]] = int(value)
        elif arg in ROWS:
            options["rows"].add(arg)
        else:
            raise Usage("unknown argument '%s'" % arg)
    options["rows"] = options["rows"] or set(ROWS)
    return options


def build():
    """Make what is measured, and what it is measured against, unless the
    caller has named it."""
    if "FLOWCTL" not in os.environ:
        subprocess.run(["bash", "-c", 'top=$1; . "$top/bench/common.sh"; '
                        'build_bench "$top/build-bench" cli/flowctl',
                        "build", TOP], check=True)
    if not os.access(FLOWCTL, os.X_OK):
        raise Usage("no flowctl at " + FLOWCTL)
    if "DUCKDB" not in os.environ and not os.path.isdir(DUCKDB) and \
            os.path.isdir(TOP + "/build-bench"):
        subprocess.run([TOP + "/tests/parquet/install", TOP + "/build-bench"],
                       stdout=sys.stderr)


def main(argv):
    options = read_args(argv)
    rows, rounds = options["rows"], options["rounds"]
    build()
    table = Table(options["json"])
    with tempfile.TemporaryDirectory(prefix="flow-bench.") as path:
        work = Work(path, options["records"])
        if "first" in rows:
            first_load(table, work, rounds)
        if rows & {"stable", "parsed", "speedup", "memory"}:
            compare(table, work, rounds, rows)
        if "array" in rows:
            whole_array(table, work, rounds)
        if "parquet" in rows:
            parquet(table, work, rounds)
    return 0


try:
    sys.exit(main(sys.argv[1:]))
except Usage as problem:
    print("bench: %s\n\n%s" % (problem, __doc__.strip()), file=sys.stderr)
    sys.exit(2)
