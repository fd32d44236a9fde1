#!/usr/bin/env python3
"""The peer column: the benchmark program as the only process of Debian's cloud kernel.

    bench/linux/run.py                   the rows as `NAME<TAB>INSTRUCTIONS`
    bench/linux/run.py --reference       beside the figures of docs/testing.md, with how far off
    bench/linux/run.py --raw             the guest's whole serial output
"""
import argparse
import os
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
sys.path[:0] = [HERE, os.path.join(ROOT, "tests"), os.path.join(ROOT, "host/bench")]

import cpio  # noqa: E402
import linux_guest  # noqa: E402
import posix_program  # noqa: E402
import rows  # noqa: E402


def output():
    """The serial output of the guest whose first and only program is the benchmark."""
    archive = cpio.Archive()
    archive.device("dev/console", 5, 1)
    archive.folder("tmp")
    with open(posix_program.build(), "rb") as binary:
        archive.file("init", binary.read())
    return linux_guest.boot(archive, True).decode(errors="replace")


def measure():
    """({row: instructions}, {row: why it failed}); ends with a message if the guest did not finish."""
    text = output()
    inside, found, _ = text.partition("bench begins\n")[2].partition("bench ends\n")
    if not found:
        raise SystemExit("the Linux guest did not finish:\n" + text[-3000:])
    return posix_program.parse(inside)


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--raw", action="store_true")
    parser.add_argument("--reference", action="store_true")
    options = parser.parse_args()
    if options.raw:
        print(output())
        return 0
    values, failures = measure()
    for name, value in values.items():
        known = rows.LINUX_RECORDED.get(name)
        if options.reference and known:
            print(f"{name}\t{value}\t{known}\t{100 * (value - known) / known:+.1f} %")
        else:
            print(f"{name}\t{value}")
    for name, why in failures.items():
        print(f"{name}\tfailed\t{why}")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
