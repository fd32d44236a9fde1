"""Isotope's column: one boot under instruction counting.

The POSIX rows come from the benchmark program of bench/posix, the same binary that Linux runs. The
native rows and `boot` come as lines `bench NAME VALUE [SWITCHES]`, in the system's log or in the
command's output: VALUE is instructions per operation, SWITCHES address-space switches per operation.
NATIVE_COMMAND is what makes the native benchmark server print them."""
import os
import re
import subprocess
import tempfile

import posix_program
import rows

ROOT = posix_program.ROOT
NATIVE_COMMAND = "test ! -x /sbin/native-bench || /sbin/native-bench"
LINE = re.compile(r"\bbench ([a-z0-9_]+) ([0-9]+)(?: ([0-9]+(?:\.[0-9]+)?))?\s*$", re.MULTILINE)


class Results:
    """What was measured: values and switches per row, and why the others were not."""

    def __init__(self):
        self.values, self.switches, self.failures = {}, {}, {}

    def take_native(self, text):
        """Takes in the `bench` lines of a text."""
        for name, value, switches in LINE.findall(text):
            if name in rows.ALL and int(value) > 0:
                self.values[name] = int(value)
                if switches:
                    self.switches[name] = float(switches)

    def take_posix(self, text):
        """Takes in the benchmark program's own lines, whatever else stands between them."""
        own = [line for line in text.splitlines() if "\t" in line]
        values, failures = posix_program.parse("\n".join(own))
        self.values.update(values)
        self.failures.update(failures)


def script(names):
    """What runs inside: the native benchmark, then the POSIX rows that were asked for."""
    parts = []
    if any(name in rows.NATIVE for name in names):
        parts.append(NATIVE_COMMAND)
    posix = [name for name in names if name in rows.POSIX]
    if posix:
        parts.append("chmod 755 /tmp/posix-bench && /tmp/posix-bench " + " ".join(posix))
    return "; ".join(parts) or "true"


def measure(names):
    """Boots and measures; the results, with a reason for each row that is missing."""
    results = Results()
    program = os.path.join(ROOT, "isotope")
    why = "nothing was measured"
    if not os.path.exists(program):
        why = "there is no ./isotope"
    else:
        with tempfile.NamedTemporaryFile("r", errors="replace") as log:
            done = subprocess.run(
                [program, "exec", "--icount", "--log", log.name, "--put",
                 f"{posix_program.build()}:/tmp/posix-bench", "--", "sh", "-c", script(names)],
                stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace",
                check=False)
            results.take_native(log.read() + "\n" + done.stdout)
            results.take_posix(done.stdout)
        if done.returncode != 0:
            last = done.stderr.strip().splitlines()[-1:] or ["no message"]
            why = f"./isotope exec ended with status {done.returncode}: {last[0]}"
    for name in names:
        if name not in results.values:
            results.failures.setdefault(name, why)
    return results
