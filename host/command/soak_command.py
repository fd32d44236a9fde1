"""./isotope soak: long campaigns of seeds with a ledger, cumulative over runs.

An area is a program build/host/bin/soak-AREA (built by the Makefile) or a script tests/soak/AREA. It is called with
`--first N --count K`, runs the seeds N … N+K-1, and prints "seed S failed: WHY" for each that fails; status 0 means that
none did. The ledger tests/soak/AREA.tsv has one row for each batch: first, count, failures, commit, the failing seeds."""

import argparse
import os
import re
import subprocess
import time

import common

FAILED_SEED = re.compile(r"^seed (\d+) failed\b.*", re.MULTILINE)
FAILURES_ENOUGH = 20  # in one run
HEADER = "first\tcount\tfailures\tcommit\tseeds\n"


def ledger_path(area):
    return common.path("tests/soak", f"{area}.tsv")


def read_ledger(path):
    """Rows as (first, count, failures, commit, seeds)."""
    if not os.path.exists(path):
        return []
    with open(path, encoding="ascii") as file:
        rows = [line.rstrip("\n").split("\t") for line in file.readlines()[1:]]
    return [(int(r[0]), int(r[1]), int(r[2]), r[3], r[4]) for r in rows]


def add_row(path, row):
    """Rows of one commit that follow on each other without failures are one row."""
    rows = read_ledger(path)
    if rows and rows[-1][0] + rows[-1][1] == row[0] and rows[-1][3] == row[3] and not rows[-1][2] and not row[2]:
        row = (rows[-1][0], rows[-1][1] + row[1], 0, row[3], "")
        rows.pop()
    rows.append(row)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path + ".new", "w", encoding="ascii") as file:
        file.write(HEADER + "".join("\t".join(map(str, r)) + "\n" for r in rows))
    os.replace(path + ".new", path)


def next_seed(rows):
    return max((first + count for first, count, *_ in rows), default=1)


def summary(rows):
    return f"{sum(r[1] for r in rows):,} seeds in all, {sum(r[2] for r in rows):,} failures"


def program(area):
    if has_rule(area):
        common.make(f"build/host/bin/soak-{area}")
    for path in (common.path("build/host/bin", f"soak-{area}"), common.path("tests/soak", area)):
        if os.access(path, os.X_OK) and os.path.isfile(path):
            return path
    raise common.Failure(f"there is no area {area}: neither build/host/bin/soak-{area} nor tests/soak/{area}", common.USAGE)


def has_rule(area):
    done = subprocess.run(["make", "-n", "-C", common.ROOT, f"build/host/bin/soak-{area}"], stdout=subprocess.DEVNULL,
                          stderr=subprocess.DEVNULL, check=False)
    return done.returncode == 0


def run_batch(path, first, count):
    """The failing seeds of a batch, and what was printed."""
    done = subprocess.run([path, "--first", str(first), "--count", str(count)], cwd=common.ROOT, stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace", check=False)
    seeds = [int(s) for s in FAILED_SEED.findall(done.stdout)]
    if done.returncode != 0 and not seeds:
        raise common.Failure(f"seeds {first} to {first + count - 1}: status {done.returncode} without naming a seed\n"
                             + done.stdout[-4000:])
    return seeds, done.stdout


def main(arguments):
    parser = argparse.ArgumentParser(prog="isotope soak", description="Runs seeds of an area until the time is up, from where "
                                     "the ledger (tests/soak/AREA.tsv) ends.")
    parser.add_argument("area", metavar="AREA")
    parser.add_argument("--minutes", type=float, default=10, metavar="M")
    parser.add_argument("--batch", type=int, default=100, metavar="N", help="seeds at a time (default 100)")
    options = parser.parse_args(arguments)
    if not re.fullmatch(r"[a-z0-9-]+", options.area) or options.batch < 1:
        parser.error("AREA is made of a-z, 0-9 and -; a batch has at least one seed")
    path, ledger = program(options.area), ledger_path(options.area)
    commit = common.version().partition("(")[2].rstrip(")")
    end, failures = time.monotonic() + 60 * options.minutes, 0
    while time.monotonic() < end and failures < FAILURES_ENOUGH:
        first = next_seed(read_ledger(ledger))
        seeds, output = run_batch(path, first, options.batch)
        add_row(ledger, (first, options.batch, len(seeds), commit, ",".join(map(str, seeds))))
        failures += len(seeds)
        for line in FAILED_SEED.finditer(output):
            print(f"{line[0]}\n    alone: {os.path.relpath(path, common.ROOT)} --first {line[1]} --count 1", flush=True)
    print(f"{options.area}: {summary(read_ledger(ledger))}")
    return 1 if failures else 0
