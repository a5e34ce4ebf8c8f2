"""The pipelines that the checks of the schema are made with."""
import glob
import json
import os

import schema_check as c


def of_pages(pages):
    """Pipelines in pages: whole ones, and steps and params wrapped in one."""
    for page in pages:
        for i, text in enumerate(c.code_blocks(page)):
            name = "%s block %d" % (os.path.relpath(page, c.TOP), i)
            try:
                document = json.loads(text)
            except ValueError:
                document = json.loads("{%s}" % text)
            if "steps" not in document or "group" in document:
                if "name" in document:
                    document = {"steps": [document]}
                document.setdefault("steps", [])
            document.setdefault("name", "page")
            yield name, document


def files(*patterns):
    for pattern in patterns:
        for name in sorted(glob.glob(os.path.join(c.TOP, pattern))):
            with open(name, "rb") as file:
                try:
                    yield os.path.relpath(name, c.TOP), json.load(file)
                except ValueError:
                    pass


def documents():
    """(name, document) of all, everything.json first."""
    found = list(files("tests/schema/everything.json", "tests/schema/more/*.json",
                       "examples/*/*.json", "tests/scenario/*/*.json"))
    found = [(n, d) for n, d in found if isinstance(d, dict) and "steps" in d]
    found += of_pages([os.path.join(c.TOP, page)
                       for page in ("README.md", "docs/language.md")])
    return found


def whole_documents():
    """Those that are made to have every key."""
    return [d for _, d in files("tests/schema/everything.json",
                                "tests/schema/more/*.json")]


def valid_documents():
    """Those without errors that are small enough to be changed often."""
    all_of = [d for _, d in documents() if len(json.dumps(d)) < 8000]
    said = c.compile_all([json.dumps(d) for d in all_of])
    return [d for d, p in zip(all_of, said) if not c.errors_only(p)]
