"""The pipelines that are run and killed.

Each is {"files": {name: document}, "settled": bool}; `main.json` is the one to
run. All ends in a settled one are decided by the pipeline alone, so they must
be those of an undisturbed run; elsewhere a failure cancels what happens to be
running. FIXED has five by hand.
"""

ALWAYS = 1000000


def leaf(name, ms=20, failures=0, daemon=0, **more):
    """A step of `ms` milliseconds that fails `failures` times before."""
    return {"name": name, **more,
            "exec": ["./step", str(ms), str(failures), str(daemon)]}


def retry(limit, backoff="20ms", **more):
    return {"limit": limit, "backoff": backoff, **more}


def pipeline(settled, main, **files):
    files = {f"{name}.json": doc for name, doc in files.items()}
    return {"settled": settled,
            "files": {"main.json": {"name": "crash", **main}, **files}}


def chain():
    """A sequence: retries, a skipped step, outputs that are used."""
    return pipeline(True, {
        "steps": [
            leaf("a", output="text"),
            leaf("b", failures=2, retry=retry(3)),
            leaf("never", when="size(steps.a.output) > 100"),
            leaf("c", ms=60, daemon=1),
            {"name": "d", "steps": [leaf("x"), leaf("y", output="text")],
             "finally": [leaf("f")]},
            leaf("e", failures=ALWAYS, allow_failure=True),
            leaf("g", ms=5),
        ],
        "finally": [leaf("f"), leaf("h", failures=1, retry=retry(1))],
        "output": {"a": "${{ steps.a.output }}", "y": "${{ steps.d.output.y }}"},
    })


def graph():
    """Groups in groups, with limits and needs."""
    members = [leaf(f"m{i}", ms=10 * i, daemon=i % 2) for i in range(6)]
    return pipeline(True, {
        "limit": 4,
        "steps": [
            {"name": "g", "limit": 3, "group": members + [
                leaf("n1", needs=["m0", "m3"]),
                {"name": "n2", "needs": ["m1"], "limit": 2, "group": [
                    leaf("x", failures=1, retry=retry(2)), leaf("y"),
                    leaf("z"), {"name": "w", "steps": [leaf("p"), leaf("q")]},
                ], "finally": [leaf("f")]},
                leaf("n3", needs=["n1", "n2"], output="text"),
            ]},
            leaf("last"),
        ],
        "output": "${{ steps.g.output.n3 }}",
    })


def items():
    """A foreach over what a step said, with one in it."""
    return pipeline(True, {
        "limit": 3,
        "steps": [
            {"name": "list", "use": "core.set",
             "with": {"items": [1, 2, 3, 4, 5, 6]}},
            {"name": "each", "foreach": "steps.list.output.items", "limit": 2,
             "finally": [leaf("f")], "steps": [
                 leaf("x", output="text"),
                 leaf("y", failures=1, retry=retry(2)),
                 leaf("odd", when="item % 2 == 1"),
                 {"name": "each2", "foreach": ["a", "b", "c"], "limit": 2,
                  **{k: v for k, v in leaf("", ms=10).items() if k != "name"}},
             ]},
        ],
        "finally": [leaf("f")],
        "output": "${{ steps.each.output.map(e, e.x) }}",
    })


def files():
    """Pipelines in a pipeline, once and for each item."""
    sub = {
        "name": "sub", "params": {"n": {"type": "integer", "default": 0}},
        "steps": [
            leaf("a", output="text"),
            {"name": "g", "limit": 2,
             "group": [leaf("x"), leaf("y", failures=1, retry=retry(1)),
                       leaf("z", when="params.n == 1")]},
        ],
        "finally": [leaf("f")],
        "output": "${{ steps.a.output }}",
    }
    return pipeline(True, {
        "steps": [
            {"name": "one", "pipeline": "sub.json"},
            {"name": "many", "foreach": [1, 2, 3], "limit": 2,
             "pipeline": "sub.json", "with": {"n": "${{ item }}"}},
            leaf("last", daemon=1),
        ],
        "output": "${{ steps.many.output }}",
    }, sub=sub)


def failures():
    """Failures that cancel, drain, go on and are tolerated; steps that are
    not to be run twice."""
    return pipeline(False, {
        "on_error": "continue",
        "steps": [
            {"name": "pay", "group": [
                leaf("p1", ms=100, idempotent=False),
                leaf("p2", ms=30)]},
            {"name": "on", "on_error": "continue", "allow_failure": True,
             "group": [leaf("x", failures=ALWAYS), leaf("y", needs=["x"]),
                       leaf("z")]},
            {"name": "some", "foreach": [1, 2, 3, 4], "limit": 2,
             "max_failures": 4, "steps": [leaf("x", failures=ALWAYS),
                                          leaf("y")]},
            {"name": "off", "limit": 2, "on_error": "drain",
             "allow_failure": True,
             "group": [leaf("x", ms=80), leaf("y", failures=ALWAYS),
                       leaf("z")]},
            {"name": "stop", "limit": 3,
             "group": [leaf("x", ms=200, daemon=1),
                       leaf("y", failures=ALWAYS, retry=retry(1)),
                       leaf("z"), leaf("w")], "finally": [leaf("f")]},
        ],
        "finally": [leaf("f")],
    })


FIXED = [chain, graph, items, files, failures]


def draw(random):
    return random.choice(FIXED)()
