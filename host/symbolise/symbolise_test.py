#!/usr/bin/env python3
# needs: kernel all
"""An address inside a kernel function, or of a report inside a service, gets that function's name and line, and a label
its method's name; other text stays as it is."""

import os
import subprocess
import sys
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import symbolise  # noqa: E402

KERNEL = os.path.join(symbolise.ROOT, "build/x86_64-release/kernel.elf")


class Symbolise(unittest.TestCase):
    def test_a_backtrace_is_named(self):
        symbols = subprocess.run(["llvm-nm-22", KERNEL], stdout=subprocess.PIPE, text=True, check=True).stdout
        address = next(int(line.split()[0], 16) for line in symbols.splitlines() if line.endswith(" scheduler_exit"))
        text = symbolise.symbolise(KERNEL, f"before\nbacktrace:\n  at {address + 8:x}\nafter\n").splitlines()
        self.assertEqual(text[:2] + text[-1:], ["before", "backtrace:", "after"])
        self.assertEqual(len(text), 5)
        self.assertRegex(text[3], r"scheduler_exit at .*kernel/sched/scheduler\.c:[0-9]+")

    def test_a_report_is_named(self):
        program = os.path.join(symbolise.ROOT, "build/x86_64-release/programs/time")
        symbols = subprocess.run(["llvm-nm-22", program], stdout=subprocess.PIPE, text=True, check=True).stdout
        address = next(int(line.split()[0], 16) for line in symbols.splitlines() if line.endswith(" server_main"))
        text = symbolise.symbolise(KERNEL, f"report 3 of time: crash\n  call in hand: 8.1 attempt 1\n"
                                           f"  last calls, of 2: 1.2 99.1\n  at {address + 8:016x}\n").splitlines()
        self.assertEqual(text[1:3], ["  call in hand: time.set attempt 1", "  last calls, of 2: stream.write 99.1"])
        self.assertRegex(text[4], r"server_main at .*servers/time/main\.c:[0-9]+")


if __name__ == "__main__":
    unittest.main()
