#!/usr/bin/env python3
"""Shows that the workload's comparison can fail: one byte, one status, one line too many."""
import contextlib
import io
import os
import sys
import tempfile
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)

import run  # noqa: E402


class Forged:
    """A system under test that answers what this host gave, changed by `change`."""

    def __init__(self, outcome, change):
        self.outcome, self.change = outcome, change
        self.calls = []

    def run(self, argv, put=(), get=(), options=()):
        del argv, get
        self.calls.append((list(put), list(options)))
        return self.change(self.outcome)


class WorkloadTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory()
        cls.path = run.make_path(f"{cls.folder.name}/bin")
        cls.files = run.inputs()
        cls.want = run.on_host("repack", cls.files, cls.path)

    @classmethod
    def tearDownClass(cls):
        cls.folder.cleanup()

    def verdict(self, change, variants=("plain",), seeds=1):
        system = Forged(self.want, change)
        with contextlib.redirect_stdout(io.StringIO()):
            counts = run.compare(system, ["repack"], variants, seeds, self.files, self.path)
        return counts, system

    def test_same_passes(self):
        self.assertEqual(self.verdict(lambda outcome: outcome)[0], (1, 0))

    def test_changes_fail(self):
        for change in (lambda o: (o[0].replace(b"round", b"Round", 1), o[1], o[2]),
                       lambda o: (o[0] + b"\n", o[1], o[2]),
                       lambda o: (o[0][:-1], o[1], o[2]),
                       lambda o: (o[0], b"", o[2]),
                       lambda o: (o[0], o[1], o[2] + 1)):
            self.assertEqual(self.verdict(change)[0], (0, 1))

    def test_kills_run_once_for_each_seed(self):
        _, system = self.verdict(lambda outcome: outcome, ("smp", "kills"), 3)
        options = [options for _, options in system.calls]
        self.assertEqual(options[0], ["--smp", "4"])
        self.assertEqual([option[-1] for option in options[1:]], ["1", "2", "3"])

    def test_enough_applets_and_lines(self):
        self.assertGreaterEqual(len(run.used_applets()), 40)
        for name in run.SCRIPTS:
            with open(f"{HERE}/{name}.sh", encoding="ascii") as script:
                self.assertGreaterEqual(sum(1 for _ in script), 60)


if __name__ == "__main__":
    unittest.main()
