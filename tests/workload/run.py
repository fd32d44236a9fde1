#!/usr/bin/env python3
"""Real work: busybox scripts over a Debian source package, byte for byte as on Linux.

    tests/workload/run.py                            the scripts in the system under test, plain
    tests/workload/run.py --variant smp --variant memory --variant kills --seeds 3
    tests/workload/run.py --prove 20                 on this host only: that the scripts are deterministic
    tests/workload/run.py --count                    the applets that the scripts use

What is expected comes from this Linux host, at test time, from the same busybox and the same files.
The package is fetched by apt into build/ and unpacked by busybox inside the system under test.
"""
import argparse
import os
import random
import re
import shutil
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
sys.path.insert(0, os.path.join(ROOT, "tests"))

import debian_packages  # noqa: E402
import kills_log  # noqa: E402
import target  # noqa: E402
from outcome import BUSYBOX, applets, differences, make_path  # noqa: E402

PACKAGE = "lz4"
SCRIPTS = ["census", "rewrite", "repack"]
INPUTS = ["source.tar.gz", "packaging.tar.xz"]
VARIANTS = {"plain": [], "smp": ["--smp", "4"], "memory": ["--memory", "64M"],
            "kills": ["--kills", "2"]}


def inputs():
    """{name in the working folder: file on this host}, within the size limits of the workload."""
    files = debian_packages.source(PACKAGE)
    upstream = next(path for path in files if path.endswith(".orig.tar.gz"))
    packaging = next(path for path in files if path.endswith(".debian.tar.xz"))
    if os.path.getsize(upstream) > 2 << 20:
        raise SystemExit(f"{upstream} is larger than 2 MiB")
    return dict(zip(INPUTS, [upstream, packaging]))


def used_applets():
    """The applets that the scripts name in command position, comments apart."""
    words = set()
    for name in SCRIPTS:
        with open(f"{HERE}/{name}.sh", encoding="ascii") as script:
            for line in script:
                if not line.lstrip().startswith("#"):
                    words |= set(re.findall(r"(?:^|[|;&(`]|\bthen|\bdo|xargs|while|until|if|test|\{)"
                                            r"\s*([a-z][a-z0-9]*)", line))
    return sorted(words & set(applets()))


def on_host(name, files, path, environment=None, umask=0o022):
    """(stdout, stderr, status) of a script on this host, in a scratch folder."""
    with tempfile.TemporaryDirectory() as folder:
        for target_name, source in files.items():
            shutil.copyfile(source, os.path.join(folder, target_name))
        shutil.copyfile(f"{HERE}/{name}.sh", os.path.join(folder, f"{name}.sh"))
        done = subprocess.run(
            [f"{path}/sh", f"{name}.sh", *INPUTS], cwd=folder, stdin=subprocess.DEVNULL,
            capture_output=True, check=False, umask=umask, timeout=300, start_new_session=True,
            env={"PATH": path, "HOME": "/", **(environment or {})})
        return done.stdout, done.stderr, done.returncode


def on_isotope(system, name, files, options):
    """The same in the system under test."""
    put = [f"{source}:/tmp/{target_name}" for target_name, source in files.items()]
    put.append(f"{HERE}/{name}.sh:/tmp/{name}.sh")
    script = ("mkdir /tmp/work && cd /tmp/work && mv /tmp/*.tar.* /tmp/*.sh . && "
              f"exec sh {name}.sh {' '.join(INPUTS)}")
    return system.run(["sh", "-c", script], put=put, options=options)


def prove(rounds, files, path):
    """Runs each script again and again under load and in other surroundings; (passed, failed)."""
    passed = failed = 0
    chance = random.Random(1)
    load = [subprocess.Popen([BUSYBOX, "sh", "-c", "while :; do :; done"]) for _ in range(3)]
    try:
        for name in SCRIPTS:
            want = on_host(name, files, path)
            for number in range(rounds):
                environment = {f"V{i}": "x" * chance.randrange(200)
                               for i in range(chance.randrange(40))}
                environment["TZ"] = chance.choice(["UTC", "Asia/Tokyo", "XYZ-5:30", ""])
                for _ in range(chance.randrange(30)):
                    subprocess.run(["true"], check=True)
                got = on_host(name, files, path, environment, chance.choice([0, 0o022, 0o077]))
                shown = differences(want, got)
                passed, failed = passed + (not shown), failed + bool(shown)
                if shown:
                    print(f"FAIL {name}, round {number}", *shown, sep="\n")
            print(f"{name}: {rounds} rounds")
    finally:
        for process in load:
            process.kill()
            process.wait()
    return passed, failed


def runs(variants, seeds):
    """(label, options of ./isotope exec) of each run."""
    for variant in variants:
        if variant == "kills":
            for seed in range(1, seeds + 1):
                yield f"kills, seed {seed}", [*VARIANTS[variant], "--seed", str(seed)]
        else:
            yield variant, VARIANTS[variant]


def outcome(system, name, files, options, want, folder):
    """What to show of one run: differences, and kills that found too little to do; and a note."""
    if "--kills" not in options:
        return differences(want, on_isotope(system, name, files, options)), ""
    log = os.path.join(folder, "log")
    shown = differences(want, on_isotope(system, name, files, [*options, "--log", log]))
    kills, met, _ = kills_log.read(log)
    return shown + kills_log.complaints(log), f": {kills} kills, {met} found a call in hand"


def compare(system, scripts, variants, seeds, files, path):
    """Runs the scripts in the system under test; (passed, failed)."""
    passed = failed = 0
    for name in scripts:
        want = on_host(name, files, path)
        for label, options in runs(variants, seeds):
            with tempfile.TemporaryDirectory() as folder:
                shown, note = outcome(system, name, files, options, want, folder)
            passed, failed = passed + (not shown), failed + bool(shown)
            print(("FAIL " if shown else "ok ") + f"{name} ({label}){note}", *shown, sep="\n", flush=True)
            if shown:
                print(f"  again: tests/workload/run.py --script {name} --variant "
                      f"{label.split(',')[0]}" + (f" --seeds {seeds}" if "seed" in label else ""))
    return passed, failed


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--variant", choices=list(VARIANTS), action="append")
    parser.add_argument("--script", choices=SCRIPTS, action="append")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--prove", type=int, metavar="ROUNDS")
    parser.add_argument("--count", action="store_true")
    options = parser.parse_args()
    if options.count:
        names = used_applets()
        print(*names)
        print(f"{len(names)} applets")
        return 0 if len(names) >= 40 else 1
    files = inputs()
    with tempfile.TemporaryDirectory() as folder:
        path = make_path(f"{folder}/bin")
        if options.prove:
            passed, failed = prove(options.prove, files, path)
        else:
            passed, failed = compare(target.Isotope(), options.script or SCRIPTS,
                                     options.variant or ["plain"], options.seeds, files, path)
    print(f"{passed} passed, {failed} failed")
    return 1 if failed or not passed else 0


if __name__ == "__main__":
    sys.exit(main())
