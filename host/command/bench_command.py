"""./isotope bench: hands over to host/bench, which measures."""

import argparse
import os
import sys

import common


def main(arguments):
    script = common.path("host/bench/main.py")
    if os.path.exists(script):
        os.execv(sys.executable, [sys.executable, script, *arguments])
    parser = argparse.ArgumentParser(prog="isotope bench", description="Measures in executed instructions.")
    parser.add_argument("name", nargs="*", metavar="NAME")
    parser.add_argument("--against", choices=("linux",))
    parser.add_argument("--tsv", action="store_true")
    parser.parse_args(arguments)
    raise common.Failure("host/bench/main.py is not in this tree")
