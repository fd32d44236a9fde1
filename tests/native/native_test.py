#!/usr/bin/env python3
# needs: kernel native-tests
"""The kernel on the machine: each program of this folder boots in the supervisor's place, says every check in a
line, and ends the machine with its verdict. A guest that hangs, stops early or says nothing has failed."""

import io
import os
import subprocess
import sys
import tempfile
import threading
import unittest

ROOT = os.path.abspath(os.path.join(os.path.dirname(os.path.abspath(__file__)), "../.."))
sys.path.insert(0, os.path.join(ROOT, "host/qemu"))
import machine  # noqa: E402
import slots  # noqa: E402

FOLDER = os.path.join(ROOT, "build/x86_64-release")
HANG_S = int(os.environ.get("H", "300"))  # a bound on a hang, not a measure


def boot(image, console="null", **options):
    """(exit code, the lines of the log and then of the console)"""
    with tempfile.TemporaryDirectory() as folder, slots.slot():
        log = os.path.join(folder, "log")
        guest = machine.Machine(kernel=os.path.join(FOLDER, "kernel.elf"), image=image, console=console, log=log, **options)
        try:
            ended = subprocess.run(guest.line(), stdin=subprocess.DEVNULL, stderr=subprocess.STDOUT,
                                   stdout=subprocess.PIPE, timeout=HANG_S, check=False)
            status, said = ended.returncode, ended.stdout
        except subprocess.TimeoutExpired as hang:
            status, said = "hang", hang.stdout or b""
        with open(log, encoding="utf-8", errors="replace") as file:
            return status, file.read().splitlines() + said.decode(errors="replace").splitlines()


class Native(unittest.TestCase):
    def check(self, program, checks, **options):
        status, lines = boot(os.path.join(FOLDER, "native", program + ".img"), **options)
        text = "\n".join(lines)
        self.assertEqual(status, machine.EXIT_PASSED, text)
        self.assertEqual([line for line in lines if line.startswith("FAILED")], [], text)
        self.assertEqual(len([line for line in lines if line.startswith("ok ")]), checks, text)
        return lines

    def test_basics(self):
        self.check("basics", 24)

    def test_basics_in_little_memory(self):
        self.check("basics", 24, memory="16M")

    def test_basics_in_memory_beyond_4_gib(self):
        self.check("basics", 24, memory="5G")

    def test_calls(self):
        self.check("calls", 4)

    def test_foreign_calls_and_upcalls(self):
        self.check("foreign", 11)

    def test_foreign_calls_and_upcalls_on_four_processors(self):
        self.check("foreign", 11, processors=4)

    def test_floating_point_and_fork(self):
        self.check("floating", 3)

    def test_floating_point_on_four_processors(self):
        self.check("floating", 3, processors=4)

    def test_pager_interrupts_and_leftovers(self):
        self.check("paging", 6)

    def test_pager_interrupts_and_leftovers_on_four_processors(self):
        self.check("paging", 6, processors=4)

    def test_four_processors(self):
        lines = self.check("processors", 4, processors=4)
        self.assertIn("measured processors 4", lines)

    def test_instruction_counts_are_the_same_in_every_run(self):
        first = [line for line in self.check("calls", 4, icount=True) if line.startswith("measured")]
        second = [line for line in self.check("calls", 4, icount=True) if line.startswith("measured")]
        self.assertEqual(first, second)

    def test_without_a_boot_image_the_machine_stops_as_failed(self):
        with tempfile.NamedTemporaryFile() as empty:
            empty.write(bytes(8192))
            empty.flush()
            status, lines = boot(empty.name)
        self.assertEqual(status, machine.EXIT_FAILED, "\n".join(lines))
        self.assertTrue(any("cannot start the supervisor" in line for line in lines), "\n".join(lines))


class Console(unittest.TestCase):
    """Line by line with the console: each is echoed, edited, and said back."""

    def talk(self, guest, typed, expected):
        """Types, then takes exactly what is expected."""
        guest.stdin.write(typed)
        self.take(guest, expected)

    def take(self, guest, expected):
        self.assertEqual(guest.stdout.read(len(expected)), expected)

    def test_lines_are_echoed_edited_and_read(self):
        image = os.path.join(FOLDER, "native", "console.img")
        with slots.slot():
            line = machine.Machine(kernel=os.path.join(FOLDER, "kernel.elf"), image=image,
                                   console="stdio,signal=off").line()
            with subprocess.Popen(line, stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0) as unbuffered:
                unbuffered.stdout = io.BufferedReader(unbuffered.stdout)
                clock = threading.Timer(HANG_S, unbuffered.kill)
                clock.start()
                try:
                    self.converse(unbuffered)
                    self.assertEqual(unbuffered.wait(), machine.EXIT_PASSED)
                finally:
                    clock.cancel()
                    unbuffered.kill()

    def converse(self, guest):
        while guest.stdout.readline() not in (b"console ready\r\n", b""):
            pass  # what the kernel said before the driver took the port
        self.talk(guest, b"hello\n", b"hello\r\nread: hello\r\n")
        self.talk(guest, b"worlx\x7fd\n", b"worlx\b \bd\r\nread: world\r\n")
        self.talk(guest, b"no\x15yes\n", b"no\b \b\b \byes\r\nread: yes\r\n")
        for number in range(40):
            text = b"%04d " % number * 20
            self.talk(guest, text + b"\n", text + b"\r\nread: " + text + b"\r\n")
        self.talk(guest, b"end\n", b"end\r\n")


if __name__ == "__main__":
    unittest.main()
