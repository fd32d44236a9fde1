#!/usr/bin/env python3
# needs: kernel native-tests
"""A static program in a POSIX process on the nucleus, with no servers but tests/posix/boot.c. Every check is a line
of the log; the machine's verdict is the program's exit status."""

import os
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../native"))
import native_test  # noqa: E402

CHECKS = 42


class Posix(unittest.TestCase):
    def check(self, libc, **options):
        image = os.path.join(native_test.FOLDER, "native", f"posix-{libc}.img")
        status, lines = native_test.boot(image, **options)
        text = "\n".join(lines)
        self.assertEqual([line for line in lines if line.startswith("FAILED")], [], text)
        self.assertEqual(status, native_test.machine.EXIT_PASSED, text)
        self.assertEqual(len([line for line in lines if line.startswith("ok ")]), CHECKS, text)

    def test_a_musl_program_runs(self):
        self.check("musl")

    def test_a_glibc_program_runs(self):
        self.check("glibc")

    def test_a_musl_program_runs_on_four_processors(self):
        self.check("musl", processors=4)

    def test_a_musl_program_runs_with_instructions_counted(self):
        self.check("musl", icount=True)


if __name__ == "__main__":
    unittest.main()
