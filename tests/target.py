"""Where a test runs: this Linux host, the system under test, or a Linux guest.

Every target has two methods:
- `run(argv, put, get, options)`: one command; (stdout, stderr, status).
- `run_programs({key: binary})`: many programs, in one boot where a boot is needed;
  {key: (stdout, status)}.
"""
import os
import subprocess
import sys

import sandbox

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
BOUND_SECONDS = 60


class Host:
    """This Linux host: what it gives is what is expected."""

    name = "host"

    def run(self, argv, put=(), get=(), options=()):
        del put, get, options
        done = subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True,
                              timeout=BOUND_SECONDS, check=False)
        return done.stdout, done.stderr, done.returncode

    def run_programs(self, binaries):
        results = {}
        for key, binary in binaries.items():
            try:
                done = subprocess.run(
                    sandbox.wrap([binary]), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                    stderr=subprocess.STDOUT, timeout=BOUND_SECONDS, start_new_session=True,
                    check=False, env={"PATH": "/bin:/usr/bin:/sbin:/usr/sbin", "HOME": "/"})
                results[key] = done.stdout, done.returncode
            except subprocess.TimeoutExpired as late:
                results[key] = late.output or b"", "none (out of time)"
        return results


def split_by_marks(output, binaries, marks):
    """Cuts one output at its `=== MARK STATUS` lines; a program without one did not end."""
    results = {}
    rest = output
    for key in binaries:
        head, found, tail = rest.partition(f"=== {marks[key]} ".encode())
        if not found:
            results[key] = rest, "none (did not end)"
            rest = b""
            continue
        status, _, rest = tail.partition(b"\n")
        results[key] = head, int(status)
    return results


class Isotope:
    """The system under test, through `./isotope exec`."""

    name = "isotope"

    def __init__(self, arguments=()):
        self.arguments = list(arguments)

    def run(self, argv, put=(), get=(), options=()):
        command = [os.path.join(ROOT, "isotope"), "exec", *self.arguments, *options]
        for pair in put:
            command += ["--put", pair]
        for pair in get:
            command += ["--get", pair]
        done = subprocess.run([*command, "--", *argv], stdin=subprocess.DEVNULL,
                              capture_output=True, check=False)
        return done.stdout, done.stderr, done.returncode

    def run_programs(self, binaries):
        marks = {key: "/".join(key) for key in binaries}
        put = [f"{binary}:/tests/{marks[key]}" for key, binary in binaries.items()]
        script = "for t in \"$@\"; do /tests/$t 2>&1; echo \"=== $t $?\"; done"
        output, errors, status = self.run(["sh", "-c", script, "sh", *marks.values()], put)
        if status != 0:
            sys.stderr.write(errors.decode(errors="replace"))
        return split_by_marks(output, binaries, marks)


class LinuxGuest:
    """A Linux guest (bench/linux): the same programs, on the kernel that we compare with."""

    name = "linux"

    def run_programs(self, binaries):
        sys.path.insert(0, os.path.join(ROOT, "bench/linux"))
        import linux_guest
        marks = {key: "/".join(key) for key in binaries}
        files = {f"tests/{marks[key]}": binary for key, binary in binaries.items()}
        script = ""
        for mark in marks.values():
            script += f"setsid /tests/{mark} </dev/null 2>&1\necho \"=== {mark} $?\"\n"
        return split_by_marks(linux_guest.run_script(script, files), binaries, marks)


def add_arguments(parser):
    """The options that choose a target."""
    parser.add_argument("--on", choices=["host", "isotope", "linux"], default="host")
    parser.add_argument("--exec-option", action="append", default=[],
                        help="one more option for ./isotope exec, such as --smp=4")


def choose(options):
    """The target that the options name."""
    if options.on == "isotope":
        return Isotope(options.exec_option)
    return LinuxGuest() if options.on == "linux" else Host()
