"""What the programs here share: which cases to play, and how to say so."""

import argparse


def parser(doc, calls):
    """A parser of the options that choose cases; `calls` may be named."""
    parser = argparse.ArgumentParser(
        description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--cases", type=int)
    what.add_argument("--all", action="store_true")
    what.add_argument("--case")
    parser.add_argument("--call", choices=list(calls))
    parser.add_argument("--seed", type=int, default=1)
    return parser
