"""The pipelines that are run and killed.

Each is {"files": {name: document}, "settled": bool}; `main.json` is the one to
run. All ends in a settled one are decided by the pipeline alone, so they must
be those of an undisturbed run; elsewhere a failure cancels what happens to be
running. FIXED has five by hand; the others are drawn.
"""

ALWAYS = 1000000
GRACE = {"grace": "200ms"}  # some of what is left behind ignores SIGTERM


def leaf(name, ms=20, failures=0, daemon=0, **more):
    """A step of `ms` milliseconds that fails `failures` times before."""
    return {"name": name, **more,
            "exec": ["./step", str(ms), str(failures), str(daemon)]}


def retry(limit, backoff="20ms", **more):
    return {"limit": limit, "backoff": backoff, **more}


def pipeline(settled, main, **files):
    files = {f"{name}.json": doc for name, doc in files.items()}
    return {"settled": settled,
            "files": {"main.json": {"name": "crash", "defaults": GRACE,
                                    **main}, **files}}


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
                  **Drawn.without_name(leaf("", ms=10))},
             ]},
        ],
        "finally": [leaf("f")],
        "output": "${{ steps.each.output.map(e, e.x) }}",
    })


def files():
    """Pipelines in a pipeline, once and for each item."""
    sub = {
        "name": "sub", "defaults": GRACE, "params": {"n": {"type": "integer", "default": 0}},
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



class Drawn:
    """A pipeline of random steps: one of `settled` style has failures only
    where they end nothing that is running."""

    def __init__(self, random):
        self.random = random
        self.settled = random.random() < 0.7
        self.room = random.randint(6, 30)  # leaves, counting each item's
        self.names = 0
        self.files = {}

    def once_in(self, n):
        return self.random.randrange(n) == 0

    def name(self):
        self.names += 1
        return f"n{self.names}"

    # --- leaves ---

    def native(self):
        return self.random.choice([
            {"use": "core.noop"},
            {"use": "core.set", "with": {"x": self.random.randrange(9)}},
            {"use": "core.sleep", "with":
             {"duration": f"{self.random.randrange(60)}ms"}},
        ])

    def program(self, may_fail):
        step = {}
        failures = 0
        ms = self.random.choice([0, 1, 5, 20, 50, 120])
        if self.once_in(3):
            step["retry"] = retry(self.random.randint(1, 3),
                                  f"{self.random.randrange(60)}ms")
            if self.once_in(2):
                step["retry"]["factor"] = 2
            failures = self.random.randint(0, step["retry"]["limit"])
        if self.once_in(4) and not may_fail:
            step["allow_failure"] = may_fail = True
        if self.once_in(3) and may_fail:
            failures = ALWAYS
            if self.once_in(4):  # rather than by its exit code
                step["timeout"], ms = "100ms", 60000
        if self.once_in(3):
            step["output"] = "text"
        if self.once_in(30):
            step["idempotent"] = False
        return self.without_name(
            leaf("", ms, failures, int(self.once_in(6)), **step))

    # --- blocks ---

    def steps(self, depth, may_fail):
        return [self.step(depth, may_fail)
                for _ in range(self.random.randint(1, 4))]

    def members(self, depth, may_fail, keys):
        """Which failures are tolerated may depend on which come first, and so
        does then what those that need them do."""
        members = self.steps(depth, may_fail)
        if self.once_in(2) and not (self.settled and "max_failures" in keys):
            for n, member in enumerate(members):
                needs = [m["name"] for m in members[:n] if self.once_in(3)]
                if needs:
                    member["needs"] = needs
        return members

    def crew(self, most):
        """The keys of a group or foreach, and whether steps in it may fail."""
        keys = {}
        if self.once_in(2):
            keys["limit"] = self.random.randint(1, 3)
        modes = ["continue"] if self.settled else \
            ["cancel", "drain", "continue"]
        may_fail = not self.settled or self.once_in(2)
        if may_fail:
            keys["on_error"] = self.random.choice(modes)
            if self.once_in(3):
                keys["max_failures"] = self.random.randrange(most)
            if self.once_in(2):
                keys["allow_failure"] = True
        return keys, may_fail

    def last(self, depth):
        if depth > 1 and not self.once_in(4):
            return {}
        return {"finally": [{**self.program(False), "name": self.name()}
                            for _ in range(self.random.randint(1, 2))]}

    def group(self, depth, may_fail):
        keys, inside = self.crew(4)
        return {"group": self.members(depth + 1, inside and (
            may_fail or "allow_failure" in keys), keys), **keys, **self.last(depth)}

    def sequence(self, depth, may_fail):
        return {"steps": self.steps(depth + 1, may_fail), **self.last(depth)}

    def each(self, depth, may_fail):
        n = self.random.randint(1, 5)
        keys, inside = self.crew(n)
        room = self.room
        self.room = max(1, room // n)
        body = self.body(depth + 1, inside and (
            may_fail or "allow_failure" in keys))
        # What these say belongs to the whole, so in here they are steps.
        if {"group", "foreach", "matrix"} & body.keys():
            body = {"steps": [{**body, "name": self.name()}]}
        if "allow_failure" in body:
            keys.update(on_error="continue", allow_failure=True)
        for key in ("finally", "allow_failure"):
            body.pop(key, None)
        self.room = room - n * (room // n - self.room)
        items = {"matrix": {"a": list(range(n)), "b": ["x"]}} \
            if self.once_in(4) else {"foreach": list(range(n))}
        return {**items, **body, **keys, **self.last(depth)}

    def file(self, depth, may_fail):
        name = f"sub{len(self.files)}"
        self.files[name] = None
        self.files[name] = {
            "name": name, "defaults": GRACE,
            "params": {"n": {"type": "integer", "default": 0}}, "steps": self.steps(depth + 1, may_fail), **self.last(depth),
            "output": "${{ params.n }}"}
        return {"pipeline": f"{name}.json", "with":
                {"n": self.random.randrange(9)}}

    def body(self, depth, may_fail):
        self.room -= 1
        if depth > 3 or self.room < 4 or self.once_in(2):
            return self.native() if self.once_in(6) else \
                self.program(may_fail)
        return self.random.choice([self.sequence, self.group, self.group,
                                   self.each, self.file])(depth, may_fail)

    @staticmethod
    def without_name(step):
        return {k: v for k, v in step.items() if k != "name"}

    def step(self, depth, may_fail):
        step = {"name": self.name()}
        if self.once_in(10):
            step["when"] = self.random.choice(
                ["run.name == 'another'", "run.name != 'another'"])
        return {**self.body(depth, may_fail), **step}

    def draw(self):
        main = {}
        if self.once_in(3):
            main["limit"] = self.random.randint(1, 4)
        steps = []
        while self.room > 0:
            steps.append(self.step(1, not self.settled or self.once_in(8)))
        return pipeline(self.settled, {**main, "steps": steps,
                                       **self.last(1)}, **self.files)


def draw(random):
    if random.random() < 0.2:
        return random.choice(FIXED)()
    return Drawn(random).draw()
