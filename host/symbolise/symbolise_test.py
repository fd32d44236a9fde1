#!/usr/bin/env python3
# needs: kernel
"""An address inside a kernel function gets that function's name and line; other text stays as it is."""

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
        address = next(int(line.split()[0], 16) for line in symbols.splitlines() if line.endswith(" syscall_dispatch"))
        text = symbolise.symbolise(KERNEL, f"before\nbacktrace:\n  at {address + 8:x}\nafter\n").splitlines()
        self.assertEqual(text[:2] + text[-1:], ["before", "backtrace:", "after"])
        self.assertEqual(len(text), 5)
        self.assertRegex(text[3], r"syscall_dispatch at .*kernel/syscall/dispatch\.c:[0-9]+")


if __name__ == "__main__":
    unittest.main()
