#!/usr/bin/env python3
"""The registry: lines, names, filters, and how outcomes are counted."""

import os
import sys
import tempfile
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import registry  # noqa: E402
from registry import Test  # noqa: E402


class Lines(unittest.TestCase):
    def test_a_line_has_name_marks_and_command(self):
        self.assertEqual(registry.parse_line("a/b deep make=x make=y : run 'one arg' : two # why", "t"),
                         Test("a/b", ("run", "one arg", ":", "two"), ("x", "y"), True))
        self.assertIsNone(registry.parse_line("  # nothing", "t"))

    def test_bad_lines_are_refused(self):
        for line in ("a", "a : ", ": x", "a slow : x", "A : x", "a:x"):
            with self.assertRaises(registry.RegistryError, msg=line):
                registry.parse_line(line, "t")

    def test_names_are_unique(self):
        registry.check_unique([Test("a", ()), Test("b", ())])
        with self.assertRaises(registry.RegistryError):
            registry.check_unique([Test("a", ()), Test("a", ())])

    def test_scripts_and_lists_are_found(self):
        with tempfile.TemporaryDirectory() as root:
            os.makedirs(os.path.join(root, "x/build"))
            for name, text in (("x/a_test.py", "#!/bin/sh\n# needs: p\n# needs: q\n"), ("x/b_test.sh", ""), ("x/test.py", ""),
                               ("x/tests.list", "x/c : true\n"), ("x/build/d_test.py", "")):
                with open(os.path.join(root, name), "w", encoding="utf-8") as file:
                    file.write(text)
            self.assertEqual(list(registry.from_tree(root)),
                             [Test("script/x/a", ("python3", "x/a_test.py"), ("p", "q")),
                              Test("script/x/b", ("sh", "x/b_test.sh")), Test("x/c", ("true",))])


class Filters(unittest.TestCase):
    def test_deep_tests_run_when_asked_for(self):
        deep, plain = Test("a/deep", (), deep=True), Test("a/plain", ())
        self.assertTrue(plain.wanted([], False))
        self.assertFalse(deep.wanted([], False))
        self.assertTrue(deep.wanted([], True))
        self.assertTrue(deep.wanted(["a/deep"], False))
        self.assertFalse(deep.wanted(["a/"], False))
        self.assertFalse(plain.wanted(["b"], True))


class Counts(unittest.TestCase):
    def check(self, output, status, expected):
        self.assertEqual(registry.counts(output, status), expected)

    def test_a_closing_line_is_taken(self):
        self.check("x\n3 passed, 0 failed\n", 0, (3, 0, 0))
        self.check("models: 3 passed, 1 failed, 2 skipped", 1, (3, 1, 2))

    def test_unittest_is_understood(self):
        self.check("...\nRan 5 tests in 0.1s\n\nOK\n", 0, (5, 0, 0))
        self.check("Ran 5 tests in 0.1s\n\nOK (skipped=2)\n", 0, (3, 0, 2))
        self.check("Ran 5 tests in 0.1s\n\nFAILED (failures=1, errors=1, skipped=1)\n", 1, (2, 2, 1))

    def test_without_one_the_status_counts(self):
        self.check("hello", 0, (1, 0, 0))
        self.check("hello", 1, (0, 1, 0))
        self.check("no busybox", 77, (0, 0, 1))

    def test_a_crash_after_good_cases_is_a_failure(self):
        self.check("3 passed, 0 failed", 134, (3, 1, 0))
        self.check("", -11, (0, 1, 0))

    def test_a_run_of_no_tests_is_a_failure(self):
        self.check("0 passed, 0 failed", 0, (0, 1, 0))
        self.check("Ran 0 tests in 0.0s\n\nOK\n", 0, (0, 1, 0))


if __name__ == "__main__":
    unittest.main()
