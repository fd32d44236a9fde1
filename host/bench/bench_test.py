#!/usr/bin/env python3
"""Tests of the bench's host side: parsing, rows, and the ramdisk writer (read back by busybox)."""
import contextlib
import io
import os
import subprocess
import sys
import tempfile
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
sys.path[:0] = [HERE, os.path.join(ROOT, "bench/linux")]

import cpio  # noqa: E402
import isotope_side  # noqa: E402
import main  # noqa: E402
import posix_program  # noqa: E402
import rows  # noqa: E402


class BenchTest(unittest.TestCase):
    def test_program_lines(self):
        values, failures = posix_program.parse("getppid\t360\nstat\tfailed\terrno 2 (x)\n")
        self.assertEqual((values, failures), ({"getppid": 360}, {"stat": "errno 2 (x)"}))

    def test_other_lines_are_refused(self):
        for line in ("getppid 360", "getppid\t-3", "getppid\t3.5", "panic"):
            with self.assertRaises(ValueError):
                posix_program.parse(line)

    def test_native_lines(self):
        results = isotope_side.Results()
        results.take_native("[1.2] log: bench ipc_call_0w 690 2\nbench boot 150000000\n"
                            "bench unknown 5\nbench null_call 0\nbench null_call many\n")
        self.assertEqual(results.values, {"ipc_call_0w": 690, "boot": 150000000})
        self.assertEqual(results.switches, {"ipc_call_0w": 2.0})

    def test_script_runs_what_was_asked(self):
        self.assertEqual(isotope_side.script(["boot"]), "true")
        self.assertTrue(isotope_side.script(["stat"]).endswith("/tmp/posix-bench stat"))
        self.assertEqual(isotope_side.script(["null_call"]), "true")

    def test_tsv(self):
        results = isotope_side.Results()
        results.values = {"getppid": 300}
        out = io.StringIO()
        with contextlib.redirect_stdout(out):
            main.tsv(["getppid", "stat"], results, {"getppid": 360})
        self.assertEqual(out.getvalue(), "getppid\t300\t360\tinstructions\n"
                                         "stat\t-\t-\tinstructions\n")

    def test_every_row_of_the_program_is_known(self):
        text = ""
        for name in os.listdir(os.path.join(ROOT, "bench/posix")):
            with open(os.path.join(ROOT, "bench/posix", name), encoding="utf-8") as source:
                text += source.read()
        for name in rows.POSIX:
            self.assertIn(f'{{"{name}", ', text)

    def test_program_reports_failed_rows(self):
        done = subprocess.run([posix_program.build(), "pipe_self"], capture_output=True, text=True,
                              check=False, preexec_fn=few_descriptors)
        self.assertEqual(posix_program.parse(done.stdout)[1],
                         {"pipe_self": "errno 24 (No file descriptors available)"})

    def test_ramdisk(self):
        archive = cpio.Archive()
        archive.file("a/b/c", b"hello")
        archive.link("a/l", "b/c")
        with tempfile.TemporaryDirectory() as folder:
            subprocess.run(["busybox", "cpio", "-id"], input=archive.data(), cwd=folder, check=True,
                           stderr=subprocess.DEVNULL)
            with open(f"{folder}/a/l", "rb") as content:
                self.assertEqual(content.read(), b"hello")


def few_descriptors():
    """Leaves no room for a pipe."""
    import resource
    resource.setrlimit(resource.RLIMIT_NOFILE, (3, 3))


if __name__ == "__main__":
    result = unittest.TextTestRunner(verbosity=1).run(
        unittest.defaultTestLoader.loadTestsFromTestCase(BenchTest))
    bad = len(result.failures) + len(result.errors)
    print(f"{result.testsRun - bad} passed, {bad} failed")
    sys.exit(1 if bad else 0)
