#!/usr/bin/env python3
"""Give `flowctl validate` every kind of malformed JSON, and ask for manners.

Usage: torture.py [--keep DIR] [CLASS ...]

The documents are made here, class by class (see `classes`). Of each:

- flowctl ends by itself, in time, with exit code 0 or 3;
- it is refused as JSON exactly if Python's own parser, made as strict as
  RFC 8259 and the pipeline language are, refuses it;
- what is refused is so with at least one message, a line and a column that
  are inside the file, and a JSON pointer;
- and the first of each class also in words: FILE:LINE:COLUMN: error: ...

$FLOWCTL names the program. With --keep the files stay where they are named.
"""

import json
import math
import os
import re
import shutil
import subprocess
import sys
import tempfile
import threading

FLOWCTL = os.environ.get("FLOWCTL", "build/cli/flowctl")
BATCH = 400  # files a process
SECONDS = 5  # a file may take, and a batch on top of one a file's share
DEPTH_MAX = 2048
JSON_CODES = {"syntax", "duplicate-key", "too-deep", "too-large"}

# A document around a value: "x" is an unknown key, which is no error of JSON.
AROUND = (b'{"name":"p","steps":[{"name":"a","exec":["true"]}],"x":', b"}")
SMALL = b'{"name":"p","steps":[{"name":"a","sh":":"}]}'
RICH = rb"""{
  "$schema": "./pipeline.schema.json",
  "name": "rich", "description": "caf\u00e9 \ud83d\ude00 """ + \
    "\u00e9\u20ac\U0001F600".encode() + rb"""",
  "labels": { "team": "infra", "a/b~c": "" },
  "params": {
    "products": { "type": "array", "default": ["vm", "db"] },
    "dry_run": { "type": "boolean", "default": false },
    "share": { "type": "number", "default": -1.5e-3 }
  },
  "env": { "LC_ALL": "C" },
  "limit": 16, "timeout": "30m",
  "schedule": { "cron": "*/15 * * * *", "timezone": "Asia/Shanghai" },
  "steps": [
    { "name": "sync", "foreach": "params.products", "as": "product",
      "limit": 3, "on_error": "continue", "steps": [
      { "name": "fetch", "exec": ["./pull.sh", "${{ product }}"],
        "retry": { "limit": 3, "backoff": "1s", "factor": 2 } },
      { "name": "all", "group": [
        { "name": "one", "use": "core.noop", "when": "!params.dry_run" },
        { "name": "two", "sh": ["echo \"$P\"", "true"], "needs": ["one"],
          "env": { "P": "${{ string(params.share) }}\t" } }
      ] }
    ] }
  ],
  "finally": [ { "name": "bye", "exec": ["true"], "exit_ok": [0, 1] } ],
  "output": { "n": "${{ size(steps.sync.output) }}", "z": [null, {}, []] }
}
"""


# ---- the documents ----

def around(value):
    return AROUND[0] + value + AROUND[1]


def encodings():
    """Byte order marks, other encodings, bytes that are no UTF-8."""
    yield b"\xef\xbb\xbf" + SMALL
    yield SMALL + b"\xef\xbb\xbf"
    for name in ("utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-le",
                 "latin-1", "utf-7"):
        yield SMALL.decode().replace("p", "p\u00e9").encode(name)
        yield SMALL.decode().encode(name)
    bad = [b"\xc0\x80", b"\xc1\xbf", b"\xe0\x80\x80", b"\xe0\x9f\xbf",
           b"\xf0\x80\x80\x80", b"\xf0\x8f\xbf\xbf", b"\xed\xa0\x80",
           b"\xed\xbf\xbf", b"\xed\xa0\x81\xed\xb0\x80", b"\xf4\x90\x80\x80",
           b"\xf5\x80\x80\x80", b"\xf8\x88\x80\x80\x80",
           b"\xfc\x84\x80\x80\x80\x80", b"\xfe", b"\xff", b"\x80", b"\xbf",
           b"\xc3", b"\xe2\x82", b"\xf0\x9f\x98", b"\xc3\x28",
           b"\xe2\x28\xa1", b"\xf0\x28\x8c\xbc", b"\xf0\x90\x28\xbc"]
    good = [b"\xc2\x80", b"\xdf\xbf", b"\xe0\xa0\x80", b"\xed\x9f\xbf",
            b"\xee\x80\x80", b"\xef\xbf\xbf", b"\xef\xbf\xbe",
            b"\xf0\x90\x80\x80", b"\xf4\x8f\xbf\xbf", b"\xef\xbb\xbf",
            b"\xe2\x80\xa8", b"\x7f", b"\xc2\x85"]
    for text in bad + good:
        yield around(b'"' + text + b'"')
        yield around(b'"a' + text + b'b"')
        yield around(b'{"' + text + b'":1}')
        yield around(text)
        yield text + SMALL
        yield SMALL + text
        yield text


def escapes():
    """Escapes in strings, surrogates among them."""
    for e in (b"u0000", b"u0001", b"u001f", b"ud800", b"udbff", b"udc00",
              b"udfff", b"ud800\\ud800", b"udc00\\ud800", b"ud800x",
              b"ud800\\n", b"ud800\\u", b"ud800\\u0041", b"ud83d\\ude00",
              b"uD83D\\uDE00", b"ud83d\\ude0", b"u", b"u1", b"u12", b"u123",
              b"u12g4", b"u 123", b"u+123", b"u-123", b"uABCD", b"uabcd",
              b"U0041", b"x41", b"a", b"v", b"0", b"'", b"e", b"", b"\\",
              b"/", b"b", b"f", b"n", b"r", b"t", b"\"", b"\n", b"\xc3\xa9",
              b"ufffe", b"uffff", b"u2028", b"u007f", b"u0080"):
        yield around(b'"\\' + e + b'"')
        yield around(b'{"\\' + e + b'":1}')
        yield around(b'"\\' + e)
        yield b'"\\' + e + b'"'


def controls():
    """Each byte below space, raw, in each kind of place."""
    for i in list(range(0x20)) + [0x7f]:
        c = bytes([i])
        yield around(b'"a' + c + b'b"')
        yield around(b'{"a' + c + b'b":1}')
        yield around(b"1" + c)
        yield c + SMALL
        yield SMALL + c
        yield around(b"tr" + c + b"ue")
        yield around(b"1" + c + b"2")
    yield b"\0"
    yield b"\0" * 1000


def numbers():
    """All that a number might be taken for."""
    for n in """0 -0 1 -1 10 1.0 1.5 -1.5 1e5 1E5 1e+5 1e-5 1E+05 1e05 1.25e-3
        0.0 -0.0 0e0 0e+0 00 01 -01 00.5 012 +1 +0 -+1 --1 - + . .5 -.5 5. -5.
        5.e3 .e3 1.e 1e 1e+ 1e- 1e1.5 1ee5 1e5e5 1.2.3 1,5 1_000 0x1f 0X1F -0x1
        0b1 0o7 1f 1d 1L 1u 1n NaN nan -NaN Infinity -Infinity +Infinity inf
        -inf 1/2 1e309 -1e309 1e400 -1e400 1e999999999 1e-400 1e-999999999
        1e99999999999999999999 1e-99999999999999999999 1.7976931348623157e308
        1.7976931348623159e308 4.9e-324 2e-324 9223372036854775807
        9223372036854775808 -9223372036854775808 -9223372036854775809
        18446744073709551615 18446744073709551616 12345678901234567890
        -12345678901234567890 1e+ 0e 0e- 0.e1 1.0E 9007199254740993 1E400 \u0661
        \uff11 1\u00a0 1\u3000""".split(" "):
        n = n.strip().encode()
        for text in (n, b"[" + n + b"]", b" " + n + b" "):
            yield around(text)
        yield n
    for digits in (300, 308, 309, 310, 400, 5000):
        yield around(b"9" * digits)
        yield around(b"-" + b"1" * digits)
        yield around(b"0." + b"0" * digits + b"1")
        yield around(b"1" + b"0" * digits + b".0e-" + str(digits).encode())


def words():
    """Literals, quotes, commas, comments: what other formats allow."""
    for text in """true false null True TRUE tru truee nul nulll undefined None
        nil yes on 'a' `a` "a"b" a" "a a {a:1} {'a':1} {a} {"a"} {"a":} {"a",1}
        {"a":1,} {,"a":1} {"a":1,,"b":2} {"a":1"b":2} {"a" 1} {"a"::1} {:1} {1:1}
        {null:1} {[]:1} {"a":1;"b":2} {"a"=1} {"a"=>1} [1,] [,1] [,] [1,,2] [1;2]
        [1:2] [1}{ {] } ] ( (1) [1)] {"a":1]} [} {] [[] {{} ]] }} [1]] {"a":[}
        /*a*/1 1/*a*/ 1//a 1#a #a <a/> $a @a %a ^ & * ? | ~ ! \\ "\\ [*] [...]
        [1..2] .. , : :1 ;1 1; "a":1 [] {} [[]] [{}] {"a":{}} {"":1} [""] ""
        """.split():
        yield around(text.encode())
        yield text.encode()
    for text in (b"/* c */", b"// c\n", b"# c\n", b"-- c\n", b"<!-- c -->"):
        yield text + SMALL
        yield SMALL + text
        yield SMALL.replace(b",", b"," + text)
        yield around(text + b"1")


def spaces():
    """Which bytes are space, before, behind and between."""
    for s in (b" ", b"\t", b"\n", b"\r", b"\r\n", b"\v", b"\f", b"\xc2\xa0",
              b"\xc2\x85", b"\xe2\x80\x83", b"\xe2\x80\xa8", b"\xe3\x80\x80",
              b"\xef\xbb\xbf", b"\xe2\x81\xa0", b"\b", b"\x1c", b"\0"):
        yield s + SMALL
        yield SMALL + s
        yield SMALL.replace(b":", s + b":" + s)
        yield SMALL.replace(b",", s + b"," + s)
        yield SMALL.replace(b"[", b"[" + s)
        yield s
        yield s * 5000
        yield s * 5000 + SMALL
    yield b""


def nesting():
    """Nested arrays and objects, closed and not, deep and deeper."""
    for n in (1, 10, 100, 255, 256, 257, 1000, 2040, 2046, 2047, 2048, 2049,
              2050, 3000, 10000, 100000):
        yield around(b"[" * n + b"]" * n)
        yield around(b'{"a":' * n + b"1" + b"}" * n)
        yield around(b'[{"a":' * n + b"1" + b"}]" * n)
        yield b"[" * n
        yield b"[" * n + b"]" * n
        yield b'{"a":' * n
        yield around(b"[" * n + b"]" * (n - 1))
        yield b"]" * n
        yield b"[" * n + b"}" * n
        yield b"[" + b"[]," * n + b"[]]"
        yield b'{"steps":[' * n


def duplicates():
    """Keys that an object has twice, however they are written."""
    pairs = ((b"a", b"a"), (b"a", b"\\u0061"), (b"\\u0061", b"\\u0061"),
             (b"/", b"\\/"), (b"\\n", b"\\u000a"), (b"\xc3\xa9", b"\\u00e9"),
             (b"\xc3\xa9", b"e\xcc\x81"), (b"\\u00E9", b"\\u00e9"),
             (b"\\ud83d\\ude00", b"\xf0\x9f\x98\x80"), (b"", b""),
             (b"a", b"A"), (b"a", b"a "), (b"a", b"b"), (b"1", b"1.0"))
    for a, b in pairs:
        yield around(b'{"%s":1,"%s":2}' % (a, b))
        yield around(b'{"%s":1,"c":{"%s":2}}' % (a, b))
        yield around(b'{"%s":1,"c":0,"%s":{"%s":1}}' % (a, b, a))
        many = b",".join(b'"k%d":%d' % (i, i) for i in range(50))
        yield around(b'{"%s":1,%s,"%s":2}' % (a, many, b))
    yield SMALL.replace(b'"name":"p"', b'"name":"p","name":"p"')
    yield SMALL.replace(b'"name":"p"', b'"name":"p","\\u006eame":"p"')


def concatenated():
    """More than one document, or none."""
    for sep in (b"", b" ", b"\n", b",", b"\0", b"\x1e", b";", b"\n---\n"):
        yield SMALL + sep + SMALL
        yield SMALL + sep + b"{}"
        yield SMALL + sep + b"1"
        yield SMALL + sep
        yield sep + SMALL
    for text in (b"{}", b"[]", b"1", b'"a"', b"null", b"true", b"[" + SMALL +
                 b"]"):
        yield text


def long_ones():
    """A megabyte of one thing."""
    n = 1 << 20
    yield around(b'"' + b"a" * n + b'"')
    yield around(b'"' + b"a" * n)
    yield around(b'{"' + b"k" * n + b'":1}')
    yield around(b'"' + b"\\u00e9" * (n // 6) + b'"')
    yield around(b'"' + b"\\" * (n + 1) + b'"')
    yield around(b"1" * n)
    yield around(b"0." + b"1" * n)
    yield around(b"1e" + b"1" * n)
    yield around(b"1e-" + b"1" * n)
    yield around(b"-" * n)
    yield around(b"[" + b"1," * (n // 2) + b"1]")
    yield around(b"[" + b"1," * (n // 2) + b"]")
    yield around(b"[" + b"1 " * (n // 2) + b"]")
    yield b" " * n
    yield b"\n" * n
    yield b"\n" * n + SMALL
    yield b"\n" * n + SMALL + b"}"
    yield b" " * n + b"}"
    yield b"a" * n
    yield SMALL.replace(b'"p"', b'"' + b"p" * n + b'"')
    yield SMALL.replace(b'"sh"', b'"' + b"s" * n + b'"')
    yield b'{"name":"p","steps":[' + b'{"name":"a"},' * (n // 13) + b"1]}"
    yield around(b"{" + b",".join(b'"k%d":1' % i for i in range(n // 12)) +
                 b"}")


def truncated():
    """A rich document that ends after each of its bytes."""
    for i in range(len(RICH)):
        yield RICH[:i]
    yield RICH


def mutated():
    """A small document with each of its bytes made each other, or gone."""
    for i in range(len(SMALL)):
        for b in range(256):
            yield SMALL[:i] + bytes([b]) + SMALL[i + 1:]
        yield SMALL[:i] + SMALL[i + 1:]
        yield SMALL[:i] + SMALL[i:i + 1] + SMALL[i:]


classes = [encodings, escapes, controls, numbers, words, spaces, nesting,
           duplicates, concatenated, long_ones, truncated, mutated]


# ---- what must come out ----

def depth_of(text):
    """How deep values nest, which is a level more than their brackets do."""
    depth = deepest = 0
    for token in re.finditer(rb'"(?:[^"\\]|\\.)*"?|[][{}]|[^][{}",:\s]+', text,
                             re.DOTALL):
        if token.group() in (b"]", b"}"):
            depth -= 1
            continue
        deepest = max(deepest, depth + 1)
        depth += token.group() in (b"[", b"{")
    return deepest


def no_duplicates(pairs):
    keys = [key for key, _ in pairs]
    if len(set(keys)) != len(keys):
        raise ValueError("duplicate key")
    for key in keys:
        of_text(key)
    return dict(pairs)


def of_text(text):
    text.encode("utf-8")  # no half of a surrogate pair
    if "\0" in text:
        raise ValueError("NUL")
    return text


def of_number(text):
    if math.isinf(float(text)):
        raise ValueError("beyond a double")
    return 0


def no_constant(text):
    raise ValueError(text)


def check_strings(value):
    todo = [value]
    while todo:
        value = todo.pop()
        if isinstance(value, str):
            of_text(value)
        elif isinstance(value, list):
            todo.extend(value)
        elif isinstance(value, dict):
            todo.extend(value.values())


def is_json(text):
    """What RFC 8259 and the language's limits say, by Python's parser."""
    if depth_of(text) > DEPTH_MAX:
        return False
    try:
        value = json.loads(text.decode("utf-8"), parse_float=of_number,
                           parse_int=of_number, parse_constant=no_constant,
                           object_pairs_hook=no_duplicates)
        check_strings(value)
    except ValueError:  # of decoding, encoding and parsing
        return False
    return True


class Wrong(Exception):
    pass


def columns_of(line):
    """Code points, as flowctl counts them: every byte that is no tail."""
    return sum(b & 0xc0 != 0x80 for b in line)


def check_place(text, said):
    lines = text.split(b"\n")
    line, column, end = said["line"], said["column"], said["end_column"]
    if not 1 <= line <= len(lines):
        raise Wrong("line %d of %d" % (line, len(lines)))
    if not 1 <= column <= columns_of(lines[line - 1]) + 1:
        raise Wrong("column %d of %d" % (column, columns_of(lines[line - 1])))
    if end <= column:
        raise Wrong("from column %d to %d" % (column, end))


def check_file(text, all_said):
    errors = [said for said in all_said if said["severity"] == "error"]
    refused = any(said["code"] in JSON_CODES for said in errors)
    for said in all_said:
        if not said["message"].strip():
            raise Wrong("an empty message")
        if said["pointer"] and not said["pointer"].startswith("/"):
            raise Wrong("pointer %r" % said["pointer"])
        check_place(text, said)
    if refused and is_json(text):
        raise Wrong("refused, but is JSON: " + errors[0]["message"])
    if not refused and not is_json(text):
        raise Wrong("taken for JSON")
    return bool(errors)


# ---- running ----

def validate(paths, *options, text=None):
    limit = SECONDS + len(paths) * 0.1
    try:
        return subprocess.run([FLOWCTL, "validate", *options, *paths],
                              input=text, capture_output=True, timeout=limit)
    except subprocess.TimeoutExpired:
        raise Wrong("more than %g s" % limit) from None


def lines_of(done):
    """The diagnostics of a run, by file."""
    by_file = {}
    for line in done.stdout.decode("utf-8").splitlines():
        said = json.loads(line)
        by_file.setdefault(said["file"], []).append(said)
    return by_file


def check_batch(files):
    """files: [(path, text)]. Raises Wrong with what is wrong first."""
    done = validate([path for path, _ in files], "--json")
    # Of many problems those beyond the limit are counted there.
    rest = re.sub(rb".*: [0-9]+ more problems?( is| are)? not shown\n", b"",
                  done.stderr)
    if done.returncode not in (0, 3) or rest:
        raise Wrong("exit %d: %s" % (done.returncode, done.stderr.decode(
            "utf-8", "replace")[:2000]))
    by_file = lines_of(done)
    invalid = False
    for path, text in files:
        try:
            invalid |= check_file(text, by_file.get(path, []))
        except Wrong as e:
            raise Wrong("%s: %s\n%r" % (path, e, text[:300])) from None
    if done.returncode != (3 if invalid else 0):
        raise Wrong("exit %d" % done.returncode)


def check_alone(files):
    """After a batch went wrong: which of its files does so alone?"""
    for path, text in files:
        try:
            check_batch([(path, text)])
        except Wrong as e:
            return "%s: %s\n%r" % (path, e, text[:300])
    return None


def check_words(path, text):
    """For people, from a file and from standard input."""
    for name, done in ((path, validate([path])),
                       ("<stdin>", validate(["-"], text=text))):
        said = done.stderr.decode("utf-8")
        form = re.escape(name) + r":\d+:\d+: (error|warning): .+\n"
        if done.returncode not in (0, 3):
            raise Wrong("exit %d: %s" % (done.returncode, said[:2000]))
        if done.returncode == 3 and not re.match(form, said):
            raise Wrong("%s: it says %r" % (name, said[:300]))


def run_class(make, folder):
    files = []
    seen = set()
    for text in make():
        if text in seen:
            continue
        seen.add(text)
        path = "%s/%s-%05d.json" % (folder, make.__name__, len(files))
        with open(path, "wb") as file:
            file.write(text)
        files.append((path, text))
    for i in range(0, len(files), BATCH):
        batch = files[i:i + BATCH]
        try:
            check_batch(batch)
        except Wrong as e:
            raise Wrong(check_alone(batch) or "only together: %s" % e) from None
    check_words(*files[0])
    return len(files)


def too_large(folder):
    """A byte more than a file may have, without its blocks on the disk."""
    path = folder + "/too-large.json"
    with open(path, "wb") as file:
        file.truncate((1 << 30) + 1)
    done = validate([path])
    os.unlink(path)
    if done.returncode != 3 or b"1 GiB" not in done.stderr:
        raise Wrong("too large: exit %d: %r" % (done.returncode, done.stderr))


def main(arguments):
    keep = None
    if arguments[:1] == ["--keep"]:
        keep, arguments = arguments[1], arguments[2:]
        os.makedirs(keep, exist_ok=True)
    folder = keep or tempfile.mkdtemp(prefix="flow-torture.")
    failed = 0
    try:
        for make in classes:
            if arguments and make.__name__ not in arguments:
                continue
            try:
                print("%-13s %6d documents" % (make.__name__, run_class(
                    make, folder)), flush=True)
            except Wrong as e:
                failed += 1
                print("%-13s FAILED %s" % (make.__name__, e), flush=True)
        too_large(folder)
    finally:
        if not keep:
            shutil.rmtree(folder)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.setrecursionlimit(10 * DEPTH_MAX)
    if hasattr(sys, "set_int_max_str_digits"):
        sys.set_int_max_str_digits(0)
    # json nests by recursion: that needs room.
    threading.stack_size(256 << 20)
    result = []
    thread = threading.Thread(target=lambda: result.append(main(sys.argv[1:])))
    thread.start()
    thread.join()
    sys.exit(result[0] if result else 1)
