"""What the checks of `flowctl schema` share: the schema, an independent
validator, the compiler, and which of its codes are about form."""
import json
import os
import re
import subprocess
import sys
import tempfile

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
FLOWCTL = os.environ.get("FLOWCTL", os.path.join(TOP, "build/cli/flowctl"))

# Codes of what only a compiler can tell. All others, warnings aside, are about
# form: a schema must see them.
SEMANTIC = {
    "too-deep", "too-large", "duplicate-key", "duplicate-name", "unknown-step",
    "step-order", "cycle", "unknown-param", "bad-default", "bad-template",
    "bad-expression", "unknown-name", "unknown-function", "type-mismatch",
    "bad-param", "missing-param", "bad-cron", "bad-pattern",
    "unknown-timezone", "unreadable-pipeline", "included-errors",
    "unknown-secret", "secret-not-allowed",
}
# Not JSON, or not all of it: there is nothing for a validator to look at.
SYNTAX = {"syntax"}
WARNINGS = {"never-true", "unused-param", "idle-limit", "constant-when",
            "no-zoneinfo", "not-a-template", "idle-exclude", "unused-secret",
            "unreachable-step", "partial-include", "idle-retry"}
# After these the compiler does not look at the rest of a step.
HIDES = {"too-deep"}


def skip(why):
    print("skipped: " + why)
    sys.exit(77)


def load_validator():
    """The validator class, or leave: Debian's package is python3-jsonschema."""
    try:
        import jsonschema
        return jsonschema.Draft202012Validator
    except ImportError:
        # Another python3 may hide the system's, which has Debian's packages.
        if os.path.realpath(sys.executable) != os.path.realpath("/usr/bin/python3") \
                and os.access("/usr/bin/python3", os.X_OK):
            os.execv("/usr/bin/python3", ["python3"] + sys.argv)
        skip("python3 has no jsonschema (Debian: python3-jsonschema)")
    except AttributeError:
        skip("this jsonschema does not know draft 2020-12")


def load_schema():
    out = subprocess.run([FLOWCTL, "schema"], check=True, capture_output=True)
    return json.loads(out.stdout)


def pointer(path):
    """A JSON pointer of a path, as the compiler writes it."""
    return "".join("/" + str(p).replace("~", "~0").replace("/", "~1")
                   for p in path)


def compile_all(texts):
    """What the compiler says about each text: a list of lists of problems."""
    said = [[] for _ in texts]
    with tempfile.TemporaryDirectory() as folder:
        names = []
        for i, text in enumerate(texts):
            names.append("%d.json" % i)
            with open(os.path.join(folder, names[-1]), "w") as file:
                file.write(text)
        for at in range(0, len(names), 1000):
            out = subprocess.run(
                [FLOWCTL, "validate", "--json"] + names[at:at + 1000],
                cwd=folder, capture_output=True, text=True)
            if out.returncode not in (0, 3):
                sys.exit("flowctl validate: exit %d\n%s"
                         % (out.returncode, out.stderr))
            for line in out.stdout.splitlines():
                problem = json.loads(line)
                said[int(problem["file"][:-5])].append(problem)
    return said


# Codes of form that no schema can see, by place and message, with the reason.
BLIND = [
    # A step that is needed twice. (One that is not there is not looked for
    # twice, so that uniqueItems would refuse more.)
    ("bad-value", r"/needs/[0-9]+ "),
    # What may be excluded, the other keys decide.
    ("unknown-key", r"/matrix/exclude/[0-9]+/[^/]* "),
    # A matrix of nothing but exclusions.
    ("bad-value", r"/matrix "),
    # Two keys of a param against each other, and values that are equal.
    ("bad-value", r"so no value can fit|in `enum` already"),
    # Two pauses against each other.
    ("bad-value", r"`max` is less than `backoff`"),
    # How much a duration comes to.
    ("bad-value", r"which is too large$"),
    # Another pipeline's params are in another file.
    ("wrong-type", r'/with/[^/]* param "'),
    ("unknown-argument", r" has no param "),
    ("missing-argument", r" needs the param "),
]


def is_of_form(problem):
    """Whether a schema must see it."""
    if problem["code"] in SEMANTIC | SYNTAX | WARNINGS:
        return False
    text = problem["pointer"] + " " + problem["message"]
    return not any(problem["code"] == code and re.search(what, text)
                   for code, what in BLIND)


def errors_only(problems):
    return [p for p in problems if p["severity"] == "error"]


def code_blocks(path):
    """The ```json blocks of a page."""
    with open(path) as file:
        return re.findall(r"^```json\n(.*?)^```", file.read(), re.S | re.M)
