#!/usr/bin/env python3
"""Names the addresses of a kernel's backtrace, and of the reports of services that crashed.

  symbolise.py [--kernel FILE] [LOG]      LOG or standard input, copied with a name behind each "  at ADDRESS"

Behind "report N of SERVICE:" addresses below the kernel's are of that service's program, which lies beside the kernel;
labels of calls (PROTOCOL.METHOD) are named from idl/.

A return address lies behind its call: one byte before it is asked for, except for the first of a
backtrace from an exception, which is where it happened; both lie in the same line almost always."""

import argparse
import os
import re
import subprocess
import sys

ROOT = os.path.abspath(os.path.join(os.path.dirname(os.path.abspath(__file__)), "../.."))
LINE = re.compile(r"^\s*at ([0-9a-f]{8,16})\s*$")
REPORT = re.compile(r"^report \d+ of ([a-z0-9-]+):")
CALLS = re.compile(r"^  (call in hand:|last calls, of \d+:) ")
KERNEL_FIRST = 1 << 63


def labels():
    """The names of protocols' methods by "PROTOCOL.METHOD"."""
    found = {}
    folder = os.path.join(ROOT, "idl")
    for name in sorted(os.listdir(folder)):
        if name.endswith(".idl"):
            with open(os.path.join(folder, name), encoding="utf-8") as file:
                text = file.read()
            protocol = re.search(r"^protocol (\w+) number (\d+)", text, re.MULTILINE)
            for number, method in re.findall(r"^method (\d+) (\w+)", text, re.MULTILINE):
                found[f"{protocol[2]}.{number}"] = f"{protocol[1]}.{method}"
    return found


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
    program = None
    known = labels()
    for line in text.splitlines():
        if found := REPORT.match(line):
            program = os.path.join(os.path.dirname(kernel), "programs", found[1])
        if CALLS.match(line):
            line = re.sub(r"(?<= )\d+\.\d+(?= |$)", lambda label: known.get(label[0], label[0]), line)
        lines.append(line)
        if found := LINE.match(line):
            address = int(found[1], 16)
            binary = kernel if address >= KERNEL_FIRST or program is None else program
            if os.path.exists(binary):
                lines += ["      " + name.strip() for name in names(binary, [address]) if name.strip()]
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
