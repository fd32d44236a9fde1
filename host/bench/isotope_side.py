"""Isotope's column, under instruction counting.

The POSIX rows come from the benchmark program of bench/posix, the same binary that Linux runs. The
native rows come from a boot of bench/native, and `boot` from one to root's shell, as lines
`bench NAME VALUE [SWITCHES]`: VALUE is instructions per operation, SWITCHES address-space switches."""
import os
import re
import subprocess
import sys
import tempfile

import threading

import posix_program
import rows

ROOT = posix_program.ROOT
sys.path.insert(0, os.path.join(ROOT, "host/qemu"))
import machine  # noqa: E402
import slots  # noqa: E402

NATIVE_IMAGE = os.path.join(ROOT, "build/x86_64-release/bench/native.img")
KERNEL = os.path.join(ROOT, "build/x86_64-release/kernel.elf")
LINE = re.compile(r"\bbench ([a-z0-9_]+) ([0-9]+)(?: ([0-9]+(?:\.[0-9]+)?))?\s*$", re.MULTILINE)


class Results:
    """What was measured: values, switches and notes per row, and why the others were not."""

    def __init__(self):
        self.values, self.switches, self.failures, self.notes = {}, {}, {}, {}

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
    """What runs inside: the POSIX rows that were asked for."""
    posix = [name for name in names if name in rows.POSIX]
    return "chmod 755 /tmp/posix-bench && /tmp/posix-bench " + " ".join(posix) if posix else "true"


def measure_native(results):
    """Boots bench/native; what it says goes into `results`."""
    subprocess.run(["make", "-C", ROOT, "-s", "native-bench"], check=True, stdout=subprocess.DEVNULL)
    with tempfile.NamedTemporaryFile("r", errors="replace") as log, slots.slot():
        guest = machine.Machine(kernel=KERNEL, image=NATIVE_IMAGE, console="null", log=log.name, icount=True)
        subprocess.run(guest.line(), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, timeout=600, check=False)
        results.take_native(log.read())


def measure_boot(results):
    """Boots to root's shell, whose profile says the counter just before the first prompt: all that the machine
    did since its reset, waits included."""
    sys.path += [os.path.join(ROOT, folder) for folder in ("host/command", "host/image")]
    import guest  # brings folders with other modules of our names
    kernel, base = guest.build("release")
    with tempfile.NamedTemporaryFile("w", suffix=".profile") as profile:
        profile.write("chmod 755 /tmp/posix-bench; /tmp/posix-bench --boot\n")
        profile.flush()
        puts = [(posix_program.build(), "/tmp/posix-bench"), (profile.name, "root/.profile")]
        image = guest.with_files(base, puts)
    line = machine.Machine(kernel=kernel, image=image, console="stdio,signal=off", icount=True,
                           arguments=("mode=login",)).line()
    try:
        with slots.slot(), subprocess.Popen(line, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
            patience = threading.Timer(300, process.kill)
            patience.start()
            text = ""
            for raw in process.stdout:
                text += raw.decode(errors="replace").replace("\r", "")
                results.take_native(text)
                if "boot" in results.values:
                    break
            patience.cancel()
            process.kill()
    finally:
        os.unlink(image)
    if "boot" not in results.values:
        results.failures["boot"] = "no prompt: " + (text.strip().splitlines()[-1:] or ["nothing on the console"])[0]


def measure(names):
    """Boots and measures; the results, with a reason for each row that is missing."""
    results = Results()
    if any(name in rows.NATIVE for name in names):
        measure_native(results)
    if any(name in rows.ASKED for name in names):
        import stretch  # not above: with it comes another main.py
        results.values[stretch.NAME], results.notes[stretch.NAME] = stretch.measure()
    if "boot" in names:
        measure_boot(results)
    names = [name for name in names if name in rows.POSIX]
    if not names:
        return results
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
