"""Every test by name, and how it is run.

Found by where they lie:
  unit/PATH, unit-msan/PATH, unit-tsan/PATH   PATH_test.c, built by the Makefile (host/build/tests.mk)
  fuzz/PATH                                   PATH_fuzz.c: a fixed number of inputs from a fixed seed
  sim/NAME, sim-tsan/NAME                     tests/sim/NAME.c: whole systems on the simulator
  script/PATH                                 PATH_test.py, PATH_test.sh of whatever folder
  check/NAME                                  each part of ./isotope check
Said in a file tests.list in any folder, one line each:
  NAME [deep] [make=TARGET]… : COMMAND [ARGUMENT]…
A script says what must be built for it in lines "# needs: TARGET…" among its first 20.
A test is deep when only --deep runs it. Status 0 passes, 77 skips, all else fails; if the output ends
with "N passed, N failed[, N skipped]" (or is unittest's), its cases are counted, else the test as one."""

import os
import re
import shlex
import subprocess
from dataclasses import dataclass

SKIPPED = 77
FUZZ_RUNS, FUZZ_RUNS_DEEP = 20000, 2000000
NOT_LOOKED_INTO = {"build", ".git", "__pycache__"}


class RegistryError(Exception):
    """A line of a tests.list that makes no sense."""


@dataclass(frozen=True)
class Test:
    name: str
    command: tuple
    targets: tuple = ()  # of make
    deep: bool = False

    def wanted(self, filters, deep):
        if self.deep and not deep and self.name not in filters:
            return False
        return not filters or any(f in self.name for f in filters)


def parse_line(line, origin):
    """A line of tests.list, or None if it is empty."""
    line = line.partition("#")[0].strip()
    if not line:
        return None
    head, colon, command = line.partition(" : ")
    name, *marks = head.split()
    targets = tuple(m.removeprefix("make=") for m in marks if m.startswith("make="))
    others = [m for m in marks if m != "deep" and not m.startswith("make=")]
    if not colon or not command.strip() or others or not re.fullmatch(r"[a-z0-9_./-]+", name):
        raise RegistryError(f"{origin}: not NAME [deep] [make=TARGET]… : COMMAND")
    return Test(name, tuple(shlex.split(command)), targets, "deep" in marks)


def files(root):
    for base, folders, names in os.walk(root):
        folders[:] = sorted(f for f in folders if f not in NOT_LOOKED_INTO)
        for name in sorted(names):
            yield os.path.relpath(os.path.join(base, name), root)


def needs(path):
    with open(path, encoding="utf-8") as file:
        lines = [line for _, line in zip(range(20), file) if line.startswith("# needs:")]
    return tuple(word for line in lines for word in line.removeprefix("# needs:").split())


def from_tree(root):
    """Scripts and tests.list files."""
    for path in files(root):
        full = os.path.join(root, path)
        if path.endswith("_test.py"):
            yield Test("script/" + path.removesuffix("_test.py"), ("python3", path), needs(full))
        elif path.endswith("_test.sh"):
            yield Test("script/" + path.removesuffix("_test.sh"), ("sh", path), needs(full))
        elif os.path.basename(path) == "tests.list":
            with open(full, encoding="utf-8") as file:
                for number, line in enumerate(file, 1):
                    test = parse_line(line, f"{path}:{number}")
                    if test:
                        yield test


def make_line(root, *arguments):
    """make, one at a time in a tree: two that build the same file spoil it for each other."""
    os.makedirs(os.path.join(root, "build"), exist_ok=True)
    return ["flock", os.path.join(root, "build/.make"), "make", "-C", root, *arguments]


def make_list(root, target):
    done = subprocess.run(make_line(root, "-s", target), stdout=subprocess.PIPE, text=True, check=True)
    return done.stdout.split()


def from_make(root):
    """Programs that the Makefile knows. Address layout is fixed for the sanitizers that need it so."""
    fixed = ("setarch", "-R")
    for variant, prefix, before in (("asan", "unit", ()), ("msan", "unit-msan", fixed), ("tsan", "unit-tsan", fixed)):
        for path in make_list(root, f"list-unit-{variant}"):
            name = path.removeprefix(f"build/host/unit/{variant}/").removesuffix("_test")
            yield Test(f"{prefix}/{name}", (*before, path), (path,))
    for path in make_list(root, "list-fuzzers"):
        source = path.removeprefix("build/host/unit/fuzz/")
        corpus = (source + ".corpus",) if os.path.isdir(os.path.join(root, source + ".corpus")) else ()
        for name, runs, deep in (("fuzz", FUZZ_RUNS, False), ("fuzz-long", FUZZ_RUNS_DEEP, True)):
            # A read-only corpus: libFuzzer writes to its first folder only.
            scratch = f"build/host/fuzz-corpus/{source}"
            command = f'mkdir -p {scratch} && exec "$@"'
            yield Test(f"{name}/{source.removesuffix('_fuzz')}",
                       ("sh", "-c", command, "sh", path, f"-runs={runs}", "-seed=1", "-max_len=4096", "-error_exitcode=1",
                        f"-artifact_prefix={scratch}-", *((scratch, *corpus) if corpus else ())), (path,), deep)
    # The simulator handles page faults in a signal handler, on purpose.
    for name in make_list(root, "list-simulations"):
        for variant, prefix, before in (("asan", "sim", ()), ("tsan", "sim-tsan", ("env", "TSAN_OPTIONS=report_signal_unsafe=0", *fixed))):
            path = f"build/host/sim/{variant}/{name}"
            yield Test(f"{prefix}/{name}", (*before, path), (path,))


def check_unique(tests):
    seen = set()
    for test in tests:
        if test.name in seen:
            raise RegistryError(f"two tests are named {test.name}")
        seen.add(test.name)


def counts(output, status):
    """(passed, failed, skipped) of a test that ended so."""
    if status == SKIPPED:
        return 0, 0, 1
    last = output.rstrip().rsplit("\n", 1)[-1].strip()
    found = re.fullmatch(r"(?:\w+: )?(\d+) passed, (\d+) failed(?:, (\d+) skipped)?", last)
    if found:
        passed, failed, skipped = (int(group or 0) for group in found.groups())
    else:
        ran = re.search(r"^Ran (\d+) tests? in ", output, re.MULTILINE)
        bad = sum(int(n) for n in re.findall(r"(?:failures|errors)=(\d+)", last)) if ran else 0
        skips = re.search(r"skipped=(\d+)", last)
        skipped = int(skips[1]) if ran and skips else 0
        passed, failed = (max(0, int(ran[1]) - bad - skipped), bad) if ran else (int(status == 0), 0)
    if status != 0 and failed == 0:
        failed = 1  # it failed outside its cases
    if status == 0 and passed + failed + skipped == 0:
        failed = 1  # nothing ran
    return passed, failed, skipped
