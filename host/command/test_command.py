"""./isotope test: builds and runs tests, and ends with "N passed, N failed[, N skipped]"."""

import argparse
import concurrent.futures
import os
import signal
import subprocess
import sys
import threading

import common

sys.path.insert(0, common.path("host/check"))
import checks  # noqa: E402
import registry  # noqa: E402

HANG_S = {False: 1500, True: 6 * 3600}  # a test that takes longer has hung (deep or not)


def parse(arguments):
    parser = argparse.ArgumentParser(prog="isotope test", description="Runs the tests whose names contain any FILTER; "
                                     "all of them without one.")
    parser.add_argument("filter", nargs="*", metavar="FILTER", help="part of a test's name")
    parser.add_argument("--deep", action="store_true", help="also what takes hours")
    parser.add_argument("--list", action="store_true", help="list the names only")
    parser.add_argument("--jobs", type=int, default=os.cpu_count(), metavar="N", help="tests at the same time")
    return parser.parse_args(arguments)


def all_tests():
    tests = [*registry.from_make(common.ROOT), *registry.from_tree(common.ROOT)]
    tests += [registry.Test(f"check/{name}", ("./isotope", "check", name)) for name in checks.NAMES]
    registry.check_unique(tests)
    return tests


def build(tests):
    """Makes what the tests need. A target that fails fails its own test, not the others'."""
    targets = sorted({target for test in tests for target in test.targets})
    if targets:
        print(f"building {len(targets)} targets", flush=True)
        subprocess.run(registry.make_line(common.ROOT, "-k", "-s", f"-j{os.cpu_count()}", *targets),
                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False)


def end(process):
    """Ends a test that hangs, with all that it started."""
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass
    return process.communicate()[0]


def run(test):
    """(status, output)"""
    if test.targets:
        built = subprocess.run(registry.make_line(common.ROOT, *test.targets), stdout=subprocess.PIPE,
                               stderr=subprocess.STDOUT, text=True, errors="replace", check=False)
        if built.returncode != 0:
            return 1, built.stdout
    try:
        process = subprocess.Popen(test.command, cwd=common.ROOT, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                   stderr=subprocess.STDOUT, text=True, errors="replace", start_new_session=True)
    except OSError as error:
        return 1, f"{error}\n"
    limit = HANG_S[test.deep]
    try:
        output = process.communicate(timeout=limit)[0]
    except subprocess.TimeoutExpired:
        return 1, end(process) + f"\nno end after {limit} seconds: killed\n"
    except BaseException:
        end(process)
        raise
    return process.returncode, output


class Report:
    """Prints each test as it ends, and counts."""

    def __init__(self, total):
        self.total, self.done = total, 0
        self.passed = self.failed = self.skipped = 0
        self.failures = []
        self._lock = threading.Lock()

    def add(self, test, status, output):
        passed, failed, skipped = registry.counts(output, status)
        with self._lock:
            self.done += 1
            self.passed, self.failed, self.skipped = self.passed + passed, self.failed + failed, self.skipped + skipped
            word = "FAIL" if failed else "skip" if skipped and not passed else "ok  "
            what = f"{passed} passed" + (f", {failed} failed" if failed else "") + (f", {skipped} skipped" if skipped else "")
            print(f"[{self.done}/{self.total}] {word} {test.name} ({what})", flush=True)
            if failed:
                self.failures.append(test.name)
                print("".join(f"    {line}\n" for line in output.splitlines()[-200:]), end="")
                print(f"    alone: ./isotope test {test.name}", flush=True)
            elif skipped:
                print("".join(f"    {line}\n" for line in output.splitlines() if "skip" in line.lower())[:800], end="")

    def last_line(self):
        return f"{self.passed} passed, {self.failed} failed" + (f", {self.skipped} skipped" if self.skipped else "")


def run_all(tests, jobs):
    report = Report(len(tests))
    with concurrent.futures.ThreadPoolExecutor(max(1, jobs)) as pool:
        waiting = {pool.submit(run, test): test for test in tests}
        for future in concurrent.futures.as_completed(waiting):
            report.add(waiting[future], *future.result())
    return report


def main(arguments):
    options = parse(arguments)
    try:
        tests = [t for t in all_tests() if t.wanted(options.filter, options.deep)]
    except registry.RegistryError as error:
        raise common.Failure(str(error)) from error
    if options.list:
        for test in sorted(tests, key=lambda t: t.name):
            print(f"{test.name}{' (deep)' if test.deep else ''}")
        return 0
    if not tests:
        raise common.Failure(f"no test is named like {' '.join(options.filter)}; --list shows the names", common.USAGE)
    build(tests)
    report = run_all(tests, options.jobs)
    if report.failures:
        print("failed: " + " ".join(report.failures))
    print(report.last_line(), flush=True)
    return 1 if report.failed else 0
