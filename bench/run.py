#!/usr/bin/env python3
"""Runs of /bin/true: `flowctl run` at each durability against its peers.

Usage: tools/bench run [--json] [--rounds N] [--steps N] [ROW...]

  --rounds N   how often each program runs a row, in turn; the median counts
  --steps N    instead of 1,000 and 5,000 independent steps, and a chain of N/2
  ROW          wide, chain, start, memory, noop; all without one

Peers are make, ninja, xargs and dagu, as far as they are installed
($DAGU names the program; the npm package @dagu-org/dagu-linux-x64 has one).
Builds this tree in build-bench/, unless $FLOWCTL names a program.
docs/benchmarks.md says what each row is.
"""
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

TOP = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
FLOWCTL = os.path.abspath(
    os.environ.get("FLOWCTL", TOP + "/build-bench/cli/flowctl"))
DAGU = os.environ.get("DAGU") or shutil.which("dagu")
LEVELS = ("power", "process", "none")
ROWS = ("wide", "chain", "start", "memory", "noop")


class Usage(Exception):
    pass


def high_water(pid):
    """The most memory that a process has had at once, in KiB; 0: it is gone."""
    try:
        with open("/proc/%d/status" % pid) as status:
            for line in status:
                if line.startswith("VmHWM:"):
                    return int(line.split()[1])
    except OSError:
        pass
    return 0


def watched(argv, cwd, stdin):
    """The peak memory of a program: looked at, because what wait4() tells is
    that of the process that it was forked from, too."""
    kib = 0
    with open(os.devnull, "r+b") as null:
        source = open(stdin, "rb") if stdin else null
        process = subprocess.Popen(argv, cwd=cwd, stdin=source, stdout=null,
                                   stderr=null)
        while process.poll() is None:
            kib = max(kib, high_water(process.pid))
            time.sleep(0.01)
    return {"kib": kib}


def measured(argv, cwd, stdin=None, memory=False):
    """Run a program to its end: seconds, CPU seconds, bytes written.

    CPU and bytes are those of the program and of all whom it has waited for.
    """
    if memory:
        return watched(argv, cwd, stdin)
    begin = time.monotonic()
    with open(os.devnull, "r+b") as null, \
            open(cwd + "/stderr", "w+b") as said:
        source = open(stdin, "rb") if stdin else null
        process = subprocess.Popen(argv, cwd=cwd, stdin=source, stdout=null,
                                   stderr=said)
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = status
        if status != 0:
            said.seek(0)
            raise SystemExit("bench: %s ended with %d:\n%s" % (
                " ".join(argv), status, said.read().decode(errors="replace")))
    return {
        "seconds": time.monotonic() - begin,
        "cpu": used.ru_utime + used.ru_stime,
        "bytes": used.ru_oublock * 512,
    }


def write(path, lines):
    with open(path, "w") as out:
        out.write("\n".join(lines) + "\n")


def shape(work, kind, n):
    """The same steps for each program. Returns the stem of their files."""
    stem = "%s/%s%d" % (work, kind, n)
    after = lambda i: "s%d" % (i - 1) if kind == "chain" and i else ""
    step = '{"name":"s%d","exec":["/bin/true"]}'
    steps = ",\n".join(step % i for i in range(n))
    body = steps if kind == "chain" else \
        '{"name":"g","limit":2,"group":[%s]}' % steps
    write(stem + ".json", ['{"name":"p","steps":[%s]}' % body])
    ends = ["s%d" % (n - 1)] if kind == "chain" else \
        ["s%d" % i for i in range(n)]
    names = " ".join("s%d" % i for i in range(n))
    write(stem + ".mk", ["all: " + " ".join(ends), ".PHONY: all " + names] +
          ["s%d: %s\n\t@/bin/true" % (i, after(i)) for i in range(n)])
    write(stem + ".ninja", ["rule t\n command = /bin/true",
                            "build all: phony " + " ".join(ends)] +
          ["build s%d: t %s" % (i, after(i)) for i in range(n)])
    write(stem + ".names", ["s%d" % i for i in range(n)])
    write(stem + ".yaml", ["type: graph", "maxActiveSteps: 2", "steps:"] +
          ["  - name: s%d\n    command: /bin/true" % i +
           ("\n    depends: [%s]" % after(i) if after(i) else "")
           for i in range(n)])
    return stem


def flowctl(stem, level, memory=False, fresh=True):
    # A store of its own each time: how much there is already is not the row.
    store = stem + "-store"
    if fresh:
        shutil.rmtree(store, ignore_errors=True)
    return measured([FLOWCTL, "run", stem + ".json", "--store",
                     store + "/flow.db", "--quiet", "--durability", level],
                    os.path.dirname(stem), memory=memory)


def make(stem, memory=False):
    return measured(["make", "-s", "-j2", "-f", stem + ".mk"],
                    os.path.dirname(stem), memory=memory)


def ninja(stem, memory=False):
    work = os.path.dirname(stem)
    for name in (".ninja_log", ".ninja_deps"):
        if os.path.exists(work + "/" + name):
            os.unlink(work + "/" + name)
    return measured(["ninja", "-j2", "-f", stem + ".ninja"], work,
                    memory=memory)


def xargs(stem, memory=False):
    jobs = "1" if "chain" in os.path.basename(stem) else "2"
    return measured(["xargs", "-P", jobs, "-n", "1", "/bin/true"],
                    os.path.dirname(stem), stdin=stem + ".names",
                    memory=memory)


def dagu(stem, memory=False):
    home = stem + "-dagu"
    shutil.rmtree(home, ignore_errors=True)
    os.environ["DAGU_HOME"] = home
    return measured([DAGU, "start", stem + ".yaml"], os.path.dirname(stem),
                    memory=memory)


def peers():
    found = {name: fn for name, fn in
             (("make", make), ("ninja", ninja), ("xargs", xargs))
             if shutil.which(name)}
    if DAGU:
        found["dagu"] = dagu
    return found


class Table:
    def __init__(self, as_json):
        self.as_json = as_json
        if not as_json:
            print("%-30s %-8s %9s %9s %9s %9s %9s  %-6s %6s" % (
                "row", "unit", "ours", "make", "ninja", "xargs", "dagu",
                "best", "ratio"))

    def row(self, name, unit, ours, others, less=False):
        """@less: a smaller figure is better."""
        pick = min if less else max
        best = pick(others, key=others.get) if others else None
        ratio = 0.0
        if best and ours and others[best]:
            ratio = others[best] / ours if less else ours / others[best]
        if self.as_json:
            print(json.dumps({"row": name, "unit": unit, "ours": ours,
                              "peers": others, "best_peer": best,
                              "ratio": round(ratio, 2)}), flush=True)
            return
        show = lambda v: "-" if v is None else \
            "%.0f" % v if v >= 100 else "%.2f" % v
        print("%-30s %-8s %9s %9s %9s %9s %9s  %-6s %6s" % (
            name, unit, show(ours), show(others.get("make")),
            show(others.get("ninja")), show(others.get("xargs")),
            show(others.get("dagu")), best or "-",
            "%.2f" % ratio if best else "-"), flush=True)


def rounds_of(stem, rounds, fresh=True):
    """{who: [measures]}: everybody in turn, so that a disturbance hits all."""
    found = peers()
    results = {}
    for turn in range(rounds):
        for level in LEVELS:
            results.setdefault(level, []).append(
                flowctl(stem, level, fresh=fresh))
        for name, fn in found.items():
            # Dagu takes a minute for what the others do in a second.
            if name != "dagu" or turn == 0:
                results.setdefault(name, []).append(fn(stem))
    return results


def median(measures, key):
    return statistics.median(m[key] for m in measures)


def report_memory(table, label, stem):
    others = {name: fn(stem, memory=True)["kib"] / 1024
              for name, fn in peers().items()}
    table.row(label + ", peak memory", "MB",
              flowctl(stem, "power", memory=True)["kib"] / 1024, others, True)


def report(table, label, n, results):
    others = [name for name in results if name not in LEVELS]
    for level in LEVELS:
        table.row("%s, %s" % (label, level), "steps/s",
                  n / median(results[level], "seconds"),
                  {o: n / median(results[o], "seconds") for o in others})
    table.row(label + ", CPU a step", "us",
              median(results["power"], "cpu") / n * 1e6,
              {o: median(results[o], "cpu") / n * 1e6 for o in others}, True)
    for level in LEVELS:
        table.row("%s, written, %s" % (label, level), "B/step",
                  median(results[level], "bytes") / n,
                  {o: median(results[o], "bytes") / n for o in others
                   if median(results[o], "bytes")}, True)


def start_up(table, work, rounds):
    stem = shape(work, "chain", 1)
    flowctl(stem, "process")  # from here on there is a store
    results = rounds_of(stem, 4 * rounds, fresh=False)
    others = {o: median(m, "seconds") * 1e3 for o, m in results.items()
              if o not in LEVELS}
    for level in LEVELS:
        table.row("start, one step, " + level, "ms",
                  median(results[level], "seconds") * 1e3, others, True)


def noop(table, work, rounds, n=100000):
    stem = "%s/noop" % work
    write(stem + ".json", ['{"name":"p","steps":[{"name":"g","group":[%s]}]}' %
                           ",".join('{"name":"s%d","use":"core.noop"}' % i
                                    for i in range(n))])
    for level in LEVELS:
        runs = [flowctl(stem, level) for _ in range(rounds)]
        table.row("%d no-ops, %s" % (n, level), "steps/s",
                  n / median(runs, "seconds"), {})
    table.row("%d no-ops, peak memory" % n, "MB",
              flowctl(stem, "process", memory=True)["kib"] / 1024, {}, True)


def build():
    """Make what is measured, unless the caller has named it."""
    if "FLOWCTL" not in os.environ:
        subprocess.run(["bash", "-c", 'top=$1; . "$top/bench/common.sh"; '
                        'build_bench "$top/build-bench" cli/flowctl '
                        'engine/proc/flo-minder', "build", TOP], check=True)
    if not os.access(FLOWCTL, os.X_OK):
        raise Usage("no flowctl at " + FLOWCTL)


def main(argv):
    rounds, steps, rows, as_json = 5, None, [], False
    args = iter(argv)
    for arg in args:
        if arg in ("-h", "--help"):
            print(__doc__.strip())
            return 0
        if arg == "--json":
            as_json = True
        elif arg in ("--rounds", "--steps"):
            value = next(args, "")
            if not value.isdigit() or int(value) == 0:
                raise Usage("%s wants a number" % arg)
            if arg == "--rounds":
                rounds = int(value)
            else:
                steps = int(value)
        elif arg in ROWS:
            rows.append(arg)
        else:
            raise Usage("unknown argument '%s'" % arg)
    rows = rows or ROWS
    build()
    table = Table(as_json)
    with tempfile.TemporaryDirectory(prefix="flow-bench.") as work:
        if "wide" in rows or "memory" in rows:
            for n in [steps] if steps else [1000, 5000]:
                stem = shape(work, "wide", n)
                if "wide" in rows:
                    report(table, "%d at -j2" % n, n, rounds_of(stem, rounds))
                report_memory(table, "%d at -j2" % n, stem)
        if "chain" in rows:
            n = steps // 2 if steps else 500
            results = rounds_of(shape(work, "chain", n), rounds)
            report(table, "chain of %d" % n, n, results)
        if "start" in rows:
            start_up(table, work, rounds)
        if "noop" in rows:
            noop(table, work, rounds)
    return 0


try:
    sys.exit(main(sys.argv[1:]))
except Usage as problem:
    print("bench: %s\n\n%s" % (problem, __doc__.strip()), file=sys.stderr)
    sys.exit(2)
