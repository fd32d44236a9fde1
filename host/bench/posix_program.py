"""The benchmark program of bench/posix: how it is built, and how its output is read."""
import glob
import os
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(ROOT, "tests"))

import static_programs  # noqa: E402


def build(libc="musl"):
    """The path of the static program, built where it is out of date."""
    folder = os.path.join(ROOT, "bench/posix")
    return static_programs.build_program(
        libc, sorted(glob.glob(f"{folder}/*.c")), glob.glob(f"{folder}/*.h"),
        os.path.join(ROOT, "build/bench", libc, "posix-bench"))


def parse(text):
    """({row: instructions}, {row: why it failed}) of the program's output."""
    values, failures = {}, {}
    for line in text.splitlines():
        fields = line.split("\t")
        if len(fields) == 2 and fields[1].isdigit():
            values[fields[0]] = int(fields[1])
        elif len(fields) == 3 and fields[1] == "failed":
            failures[fields[0]] = fields[2]
        elif line.strip():
            raise ValueError(f"not a line of the benchmark program: {line!r}")
    return values, failures
