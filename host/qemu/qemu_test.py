#!/usr/bin/env python3
"""Slots, the probe guest, and the command line of the machine."""

import contextlib
import os
import shutil
import subprocess
import sys
import tempfile
import unittest
from unittest import mock

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
import machine  # noqa: E402
import probe  # noqa: E402
import slots  # noqa: E402


class Slots(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        patch = mock.patch.dict(os.environ, XDG_RUNTIME_DIR=folder.name)
        patch.start()
        self.addCleanup(patch.stop)

    def test_two_guests_hold_different_slots_and_a_third_waits(self):
        class Waits(Exception):
            pass

        def third_must_wait(_text):
            raise Waits

        with slots.slot() as first, slots.slot() as second:
            self.assertNotEqual(first, second)
            with self.assertRaises(Waits), slots.slot(third_must_wait):
                pass
        with slots.slot(third_must_wait), slots.slot(third_must_wait):
            pass

    def test_a_holder_that_is_killed_gives_its_slot_back(self):
        code = "import sys; sys.path.insert(0, sys.argv[1]); import slots\n" \
               "with slots.slot(), slots.slot():\n print('held', flush=True); sys.stdin.read()"
        holder = subprocess.Popen([sys.executable, "-c", code, HERE], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.assertEqual(holder.stdout.readline(), b"held\n")
        told = []
        with contextlib.ExitStack() as stack:
            stack.callback(holder.wait)
            stack.enter_context(slots.slot(lambda text: (told.append(text), holder.kill())))
        self.assertEqual(len(told), 1)
        holder.stdin.close()
        holder.stdout.close()


class Probe(unittest.TestCase):
    @unittest.skipUnless(shutil.which("qemu-system-x86_64"), "QEMU is not installed")
    def test_the_guest_runs_under_emulation_and_a_wrong_code_is_noticed(self):
        with slots.slot():
            self.assertTrue(probe.runs("tcg"))
            with mock.patch.object(probe, "CODE", b"\xb0\x30" + probe.CODE[2:]):
                self.assertFalse(probe.runs("tcg"))

    def test_an_accelerator_that_does_not_exist_does_not_run(self):
        self.assertFalse(probe.runs("no-such-accelerator"))

    def test_the_processor_must_report_it(self):
        with tempfile.NamedTemporaryFile("w") as file:
            file.write("flags\t\t: fpu sse svmx\n")
            file.flush()
            self.assertFalse(probe.processor_reports_it(file.name))
            file.write("flags\t\t: fpu vmx sse\n")
            file.flush()
            self.assertTrue(probe.processor_reports_it(file.name))
        self.assertFalse(probe.processor_reports_it("/absent"))

    def test_without_a_working_guest_emulation_is_used(self):
        with mock.patch.object(probe, "processor_reports_it", return_value=True), \
                mock.patch.object(os, "access", return_value=True):
            for works, expected in ((True, "kvm"), (False, "tcg")):
                with mock.patch.object(probe, "runs", return_value=works):
                    self.assertEqual(probe.accelerator(), expected)


class Machine(unittest.TestCase):
    def test_counting_instructions_means_emulation(self):
        line = machine.Machine("k", "i", accelerator="kvm", icount=True).line()
        self.assertEqual(line[line.index("-accel") + 1], "tcg")
        self.assertIn("shift=0,sleep=off", line)

    def test_the_first_uart_is_the_console_and_the_second_the_debug_shell(self):
        line = machine.Machine("k", "i", debug_shell="/run/s").line()
        serials = [line[i + 1] for i, word in enumerate(line) if word == "-serial"]
        self.assertEqual(serials, ["chardev:console", "chardev:shell"])

    def test_passed_is_not_what_a_triple_fault_gives(self):
        self.assertNotIn(0, (machine.EXIT_PASSED, machine.EXIT_FAILED))
        self.assertNotEqual(machine.EXIT_PASSED, machine.EXIT_FAILED)

    def test_memory_sizes(self):
        for good in ("64M", "256M", "1G"):
            self.assertEqual(machine.memory_size(good), good)
        for bad in ("", "0M", "64", "64K", "-1G", "64M,x", "1T"):
            with self.assertRaises(ValueError):
                machine.memory_size(bad)


if __name__ == "__main__":
    unittest.main()
