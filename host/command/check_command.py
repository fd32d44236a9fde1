"""./isotope check: format, warnings, layering, banned constructs, analyser, and the rest of host/check."""

import argparse
import sys
import time

import common

sys.path.insert(0, common.path("host/check"))
import checks  # noqa: E402
import documents  # noqa: E402
from tree import Tree  # noqa: E402


def parse(arguments):
    parser = argparse.ArgumentParser(prog="isotope check", description="Runs the checks named, or all of them: "
                                     + ", ".join(checks.NAMES))
    parser.add_argument("name", nargs="*", metavar="NAME")
    parser.add_argument("--fix", action="store_true", help="write the right figures into the documentation")
    options = parser.parse_args(arguments)
    unknown = [name for name in options.name if name not in checks.NAMES]
    if unknown:
        parser.error(f"no check is named {', '.join(unknown)}; there are {', '.join(checks.NAMES)}")
    return options


def main(arguments):
    options = parse(arguments)
    if options.fix:
        documents.figures(Tree(common.ROOT), fix=True)
    passed = failed = 0
    for name in options.name or checks.NAMES:
        start = time.monotonic()
        complaints = checks.run(name, common.ROOT)
        for complaint in complaints:
            print(complaint)
        passed, failed = passed + (not complaints), failed + bool(complaints)
        print(f"{'FAIL' if complaints else 'ok  '} {name} ({time.monotonic() - start:.0f} s)", flush=True)
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0
