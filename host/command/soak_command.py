"""./isotope soak: long campaigns of seeds with a ledger, cumulative over runs.

An area is a program build/host/bin/soak-AREA (built by the Makefile) or a script tests/soak/AREA. It is called with
`--first N --count K`, runs the seeds N … N+K-1, and prints "seed S failed: WHY" for each that fails; status 0 means that
none did. The ledger tests/soak/AREA.tsv has one row for each batch: first, count, failures, commit, the failing seeds, and
those of them that passed later, as SEED@COMMIT (`--again`); a failure is open until then. What runs is a copy of the
program as it was at the start, so that every row belongs to one commit whatever is built meanwhile."""

import argparse
import collections
import os
import re
import shutil
import subprocess
import tempfile
import time

import common

FAILED_SEED = re.compile(r"^seed (\d+) failed\b.*", re.MULTILINE)
FAILURES_ENOUGH = 20  # in one run
HEADER = "first\tcount\tfailures\tcommit\tseeds\tmended\n"
Row = collections.namedtuple("Row", "first count failures commit seeds mended", defaults=("",))


def ledger_path(area):
    return common.path("tests/soak", f"{area}.tsv")


def read_ledger(path):
    if not os.path.exists(path):
        return []
    with open(path, encoding="ascii") as file:
        rows = [line.rstrip("\n").split("\t") for line in file.readlines()[1:]]
    return [Row(int(r[0]), int(r[1]), int(r[2]), *r[3:6]) for r in rows]


def write_ledger(path, rows):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path + ".new", "w", encoding="ascii") as file:
        file.write(HEADER + "".join("\t".join(map(str, r)) + "\n" for r in rows))
    os.replace(path + ".new", path)


def add_row(path, row):
    """Rows of one commit that follow on each other without failures are one row."""
    rows, row = read_ledger(path), Row(*row)
    if rows and rows[-1].first + rows[-1].count == row.first and rows[-1].commit == row.commit \
            and not rows[-1].failures and not row.failures:
        row = row._replace(first=rows[-1].first, count=rows[-1].count + row.count)
        rows.pop()
    write_ledger(path, rows + [row])


def next_seed(rows):
    return max((row.first + row.count for row in rows), default=1)


def open_seeds(row):
    mended = {entry.partition("@")[0] for entry in row.mended.split(",")}
    return [int(seed) for seed in row.seeds.split(",") if seed and seed not in mended]


def summary(rows):
    return f"{sum(r.count for r in rows):,} seeds in all, {sum(r.failures for r in rows):,} failures, " \
           f"{sum(len(open_seeds(r)) for r in rows):,} open"


def program(area):
    if has_rule(area):
        common.make(f"build/host/bin/soak-{area}")
    for path in (common.path("build/host/bin", f"soak-{area}"), common.path("tests/soak", area)):
        if os.access(path, os.X_OK) and os.path.isfile(path):
            return path
    raise common.Failure(f"there is no area {area}: neither build/host/bin/soak-{area} nor tests/soak/{area}", common.USAGE)


def revision():
    """The commit that the program was built from; the ledgers do not make it another."""
    try:
        commit = subprocess.run(["git", "-C", common.ROOT, "rev-parse", "--short", "HEAD"], check=True, text=True,
                                stdout=subprocess.PIPE, stderr=subprocess.DEVNULL).stdout.strip()
        changed = subprocess.run(["git", "-C", common.ROOT, "status", "--porcelain", "--", ":!tests/soak"], check=True, text=True,
                                 stdout=subprocess.PIPE, stderr=subprocess.DEVNULL).stdout
    except (OSError, subprocess.CalledProcessError):
        return "no git"
    return commit + ("-dirty" if changed else "")


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


def run_new(path, ledger, options):
    """The number of failures."""
    end, failures, commit = time.monotonic() + 60 * options.minutes, 0, revision()
    while True:
        first = next_seed(read_ledger(ledger))
        seeds, output = run_batch(path, first, options.batch)
        add_row(ledger, (first, options.batch, len(seeds), commit, ",".join(map(str, seeds))))
        failures += len(seeds)
        for line in FAILED_SEED.finditer(output):
            print(f"{line[0]}\n    alone: {os.path.relpath(program(options.area), common.ROOT)} --first {line[1]} --count 1", flush=True)
        if time.monotonic() >= end or failures >= FAILURES_ENOUGH:  # one batch at least
            return failures


def run_again(path, ledger):
    """Runs the open failures; those that pass are closed. The number of those that do not."""
    rows, failures, commit = read_ledger(ledger), 0, revision()
    for number, row in enumerate(rows):
        mended = [row.mended] if row.mended else []
        for seed in open_seeds(row):
            seeds, _ = run_batch(path, seed, 1)
            failures += len(seeds)
            print(f"seed {seed} {'failed' if seeds else 'passes'}", flush=True)
            mended += [] if seeds else [f"{seed}@{commit}"]
        rows[number] = row._replace(mended=",".join(mended))
    write_ledger(ledger, rows)
    return failures


def main(arguments):
    parser = argparse.ArgumentParser(prog="isotope soak", description="Runs seeds of an area until the time is up, from where "
                                     "the ledger (tests/soak/AREA.tsv) ends.")
    parser.add_argument("area", metavar="AREA")
    parser.add_argument("--minutes", type=float, default=10, metavar="M")
    parser.add_argument("--batch", type=int, default=100, metavar="N", help="seeds at a time (default 100)")
    parser.add_argument("--again", action="store_true", help="the seeds that failed, and not new ones")
    options = parser.parse_args(arguments)
    if not re.fullmatch(r"[a-z0-9-]+", options.area) or options.batch < 1:
        parser.error("AREA is made of a-z, 0-9 and -; a batch has at least one seed")
    path, ledger = program(options.area), ledger_path(options.area)
    with tempfile.TemporaryDirectory() as folder:
        copy = shutil.copy(path, folder)
        failures = run_again(copy, ledger) if options.again else run_new(copy, ledger, options)
    print(f"{options.area}: {summary(read_ledger(ledger))}")
    return 1 if failures else 0
