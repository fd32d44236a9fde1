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

    def __init__(self, outcome, change, kills):
        self.outcome, self.change, self.kills = outcome, change, kills
        self.calls = []

    def run(self, argv, put=(), get=(), options=()):
        del argv, get
        self.calls.append((list(put), list(options)))
        if "--log" in options:
            with open(options[-1], "w", encoding="utf-8") as file:
                file.writelines(f"supervisor: {line}\n" for line in self.kills)
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

    def verdict(self, change, variants=("plain",), seeds=1, kills=("kill 1: tty, 1 calls in hand, 1 parked",)):
        system = Forged(self.want, change, kills)
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
        self.assertEqual([option[3] for option in options[1:]], ["1", "2", "3"])

    def test_half_of_the_kills_must_find_a_call(self):
        met, unmet = "kill 1: tty, 2 calls in hand, 1 parked", "kill 2: ramfs, 0 calls in hand, 0 parked"
        for kills, passed in (((met, unmet), 1), ((met, unmet, unmet), 0), ((), 0), ((met, "kill 2: supervisor"), 1),
                              (("kill 1: supervisor",), 0)):
            counts, _ = self.verdict(lambda outcome: outcome, ("kills",), kills=kills)
            self.assertEqual(counts, (passed, 1 - passed), kills)

    def test_enough_applets_and_lines(self):
        self.assertGreaterEqual(len(run.used_applets()), 40)
        for name in run.SCRIPTS:
            with open(f"{HERE}/{name}.sh", encoding="ascii") as script:
                self.assertGreaterEqual(sum(1 for _ in script), 60)


if __name__ == "__main__":
    unittest.main()
