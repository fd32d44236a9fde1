#!/usr/bin/env python3
"""Programs that the sources never name: each runs one session, byte for byte as on Linux.

    tests/foreign/run.py                     all, in the system under test
    tests/foreign/run.py bash lua            some of them
    tests/foreign/run.py --variant kills     while servers are killed
    tests/foreign/run.py --prove 5           on this host only: that the sessions are deterministic

What is expected comes from this Linux host, at test time, from the same binary and session (in
tests/sandbox.py). The binaries are Debian's, byte for byte, or built here from Debian's sources;
apt fetches both into build/.
"""
import argparse
import glob
import os
import shutil
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
sys.path.insert(0, os.path.join(ROOT, "tests"))

import debian_packages  # noqa: E402
import sandbox  # noqa: E402
import static_programs  # noqa: E402
import target  # noqa: E402
from outcome import BUSYBOX, differences, make_path  # noqa: E402

BUILD = os.path.join(ROOT, "build/tests/foreign")
VARIANTS = {"plain": [], "smp": ["--smp", "4"], "kills": ["--kills", "2", "--seed", "1"]}
ENVIRONMENT = ["HOME=/", "LC_ALL=C", "TZ=UTC0"]


def from_package(package, path):
    """A binary of a Debian package, as it is."""
    folder = os.path.join(BUILD, package)
    found = os.path.join(folder, path)
    if not os.path.exists(found):
        subprocess.run(["dpkg-deb", "-x", debian_packages.binary(package), folder], check=True)
    return found


def lua():
    """The interpreter of a Debian source package, built with musl."""
    output = os.path.join(BUILD, "lua")
    if not os.path.exists(output):
        archive = next(path for path in debian_packages.source("lua5.4")
                       if path.endswith(".orig.tar.gz"))
        with tempfile.TemporaryDirectory() as folder:
            subprocess.run(["tar", "xzf", archive, "-C", folder, "--strip-components=1"],
                           check=True)
            sources = sorted(path for path in glob.glob(f"{folder}/src/*.c")
                             if not path.endswith("/luac.c"))
            line = static_programs.command("musl", sources, output)
            line[1:1] = ["-w", "-DLUA_USE_POSIX"]
            kept = [word for word in line if not word.startswith("-W") and word != "-std=gnu23"]
            os.makedirs(BUILD, exist_ok=True)
            subprocess.run(kept, check=True)
    return output


# Name: the binary, and its session.
PROGRAMS = {
    "bash": (lambda: from_package("bash-static", "bin/bash-static"), "bash.sh"),
    "korn-musl": (lambda: from_package("mksh", "usr/lib/x86_64-linux-musl/bin/mksh"), "korn.sh"),
    "korn-klibc": (lambda: from_package("mksh", "usr/lib/klibc/bin/mksh"), "korn.sh"),
    "korn-diet": (lambda: from_package("mksh", "usr/lib/diet/bin/mksh"), "korn.sh"),
    "lua": (lua, "lua.lua"),
}


def on_host(binary, session):
    """(stdout, stderr, status) on this host: in an empty /tmp, with busybox's tools alone."""
    path = os.path.join(BUILD, "bin")
    if not os.path.exists(path):
        made = tempfile.mkdtemp(dir=BUILD)
        os.rename(make_path(os.path.join(made, "bin")), path)
        shutil.rmtree(made)
    script = f"cp {HERE}/{session} . && exec env -i PATH={path} \"$@\""
    done = subprocess.run(
        sandbox.wrap([BUSYBOX, "sh", "-c", script, "sh", *ENVIRONMENT, binary, session]),
        stdin=subprocess.DEVNULL, capture_output=True, timeout=60, start_new_session=True,
        check=False)
    return done.stdout, done.stderr, done.returncode


def on_isotope(binary, session, options):
    """The same in the system under test."""
    put = [f"{binary}:/tests/program", f"{HERE}/{session}:/tmp/{session}"]
    script = "cd /tmp && exec env -i PATH=/bin:/usr/bin:/sbin:/usr/sbin \"$@\""
    return target.Isotope().run(
        ["sh", "-c", script, "sh", *ENVIRONMENT, "/tests/program", session], put=put,
        options=["--timeout", "120", *options])


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("programs", nargs="*")
    parser.add_argument("--variant", choices=list(VARIANTS), action="append")
    parser.add_argument("--prove", type=int, metavar="ROUNDS", default=0)
    options = parser.parse_args()
    unknown = set(options.programs) - set(PROGRAMS)
    if unknown:
        parser.error("no such program: " + " ".join(sorted(unknown)))
    os.makedirs(BUILD, exist_ok=True)
    passed = failed = 0
    for name in options.programs or PROGRAMS:
        make, session = PROGRAMS[name]
        binary = make()
        want = on_host(binary, session)
        runs = [f"round {number}" for number in range(options.prove)]
        for label in runs or options.variant or ["plain"]:
            got = (on_host(binary, session) if options.prove
                   else on_isotope(binary, session, VARIANTS[label]))
            shown = differences(want, got)
            passed, failed = passed + (not shown), failed + bool(shown)
            print(("FAIL " if shown else "ok ") + f"{name} ({label})", *shown, sep="\n")
            if shown and not options.prove:
                print(f"  again: tests/foreign/run.py {name} --variant {label}")
    print(f"{passed} passed, {failed} failed")
    return 1 if failed or not passed else 0


if __name__ == "__main__":
    sys.exit(main())
