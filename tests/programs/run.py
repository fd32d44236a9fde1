#!/usr/bin/env python3
"""Builds the test programs, static, with musl and with glibc, and runs them on a target.

    tests/programs/run.py                       all, on this Linux host: what is expected
    tests/programs/run.py --on isotope          all, in one boot of the system under test
    tests/programs/run.py --on linux            all, in a Linux guest (bench/linux)
    tests/programs/run.py pipes signals --libc musl

Each program's output is the expectation of its own run on the host: the same lines, all `ok`. The
last line is `N passed, N failed`.
"""
import argparse
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
sys.path.insert(0, os.path.join(ROOT, "tests"))

import target  # noqa: E402
import static_programs  # noqa: E402


def names():
    """The programs: every C file of this folder."""
    return sorted(name[:-2] for name in os.listdir(HERE) if name.endswith(".c"))


def build_all(wanted, libcs):
    """Builds what is out of date; {(libc, name): path of the binary}, and what did not build."""
    binaries = {}
    with ThreadPoolExecutor(2) as pool:
        for libc in libcs:
            for name in wanted:
                binaries[libc, name] = pool.submit(
                    static_programs.build, libc, os.path.join(HERE, name + ".c"),
                    [os.path.join(HERE, name) for name in os.listdir(HERE) if name.endswith(".h")], os.path.join(ROOT, "build/tests/programs"))
    return {key: future.result() for key, future in binaries.items()
            if future.exception() is None}, [key for key, future in binaries.items()
                                             if future.exception() is not None]


def verdict(key, output, status):
    """(passed, failed) of one program, and the lines worth showing."""
    libc, name = key
    lines = output.decode(errors="replace").splitlines()
    shown = [f"{libc}/{name}: {line}" for line in lines if line.startswith("FAIL ")]
    passed = sum(line.startswith("ok ") for line in lines)
    failed = len(shown)
    closing = f"{passed} passed, {failed} failed"
    if not lines or lines[-1] != closing or status != (1 if failed else 0):
        last = lines[-1] if lines else "(nothing)"
        shown.append(f"{libc}/{name}: ended with status {status} after: {last}")
        failed += 1
    return passed, failed, shown


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("programs", nargs="*")
    parser.add_argument("--libc", choices=["musl", "glibc"], action="append")
    parser.add_argument("--build-only", action="store_true")
    target.add_arguments(parser)
    options = parser.parse_args()
    unknown = set(options.programs) - set(names())
    if unknown:
        parser.error("no such program: " + " ".join(sorted(unknown)))
    binaries, broken = build_all(options.programs or names(), options.libc or ["musl", "glibc"])
    for libc, name in broken:
        print(f"{libc}/{name}: does not build")
    if options.build_only:
        return 1 if broken else 0
    results = target.choose(options).run_programs(binaries)
    passed, failed = 0, len(broken)
    for key, (output, status) in results.items():
        good, bad, shown = verdict(key, output, status)
        passed, failed = passed + good, failed + bad
        print(f"{key[0]}/{key[1]}: {good} passed, {bad} failed")
        for line in shown:
            print(line)
        if bad:
            print(f"  again: tests/programs/run.py --on {options.on} --libc {key[0]} {key[1]}")
    print(f"{passed} passed, {failed} failed")
    return 1 if failed or not passed else 0


if __name__ == "__main__":
    sys.exit(main())
