#!/usr/bin/env python3
"""Names the addresses of a kernel's backtrace.

  symbolise.py [--kernel FILE] [LOG]      LOG or standard input, copied with a name behind each "  at ADDRESS"

A return address lies behind its call: one byte before it is asked for, except for the first of a
backtrace from an exception, which is where it happened; both lie in the same line almost always."""

import argparse
import os
import re
import subprocess
import sys

ROOT = os.path.abspath(os.path.join(os.path.dirname(os.path.abspath(__file__)), "../.."))
LINE = re.compile(r"^\s*at ([0-9a-f]{8,16})\s*$")


def names(kernel, addresses):
    """For each address its frames, innermost first: "function file:line" (inlined ones too)."""
    if not addresses:
        return []
    asked = "".join(f"0x{address - 1:x}\n" for address in addresses)
    done = subprocess.run(["llvm-symbolizer-22", "--obj=" + kernel, "--relativenames", "--output-style=GNU", "-f", "-i", "-p"],
                          input=asked, stdout=subprocess.PIPE, text=True, check=False)
    return done.stdout.splitlines()


def symbolise(kernel, text):
    lines = []
    for line in text.splitlines():
        lines.append(line)
        if found := LINE.match(line):
            lines += ["      " + name.strip() for name in names(kernel, [int(found[1], 16)]) if name.strip()]
    return "\n".join(lines) + "\n"


def main():
    parser = argparse.ArgumentParser(description="Names the addresses of a kernel's backtrace.")
    parser.add_argument("--kernel", default=os.path.join(ROOT, "build/x86_64-release/kernel.elf"))
    parser.add_argument("log", nargs="?")
    options = parser.parse_args()
    if not os.path.exists(options.kernel):
        sys.exit(f"symbolise: {options.kernel} is not there; --kernel names another")
    if options.log:
        with open(options.log, encoding="utf-8", errors="replace") as file:
            text = file.read()
    else:
        text = sys.stdin.read()
    sys.stdout.write(symbolise(options.kernel, text))


if __name__ == "__main__":
    main()
