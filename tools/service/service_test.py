#!/usr/bin/env python3
# needs: asan-tools
"""service on the build machine, over a copy of the files of /proc that it reads and writes."""

import json
import os
import subprocess
import tempfile
import unittest

ROOT = os.path.abspath(os.path.join(os.path.dirname(os.path.abspath(__file__)), "../.."))
TOOL = os.path.join(ROOT, "build/host/asan-tools/service")
HEAD = ("name program state cause restarts faults hangs poisoned redelivered started ended run pages queued in-hand "
        "parked sessions oldest\n")
TTY = "tty tty running crash 3 2 1 0 4 48 500 17 89 1 2 3 5 7\n"
LOG = "log log stopped killed 1 0 0 0 0 47 900 1 13 0 0 0 1 0\n"
REPORTS = """report 1 of tty: crash at 0.503373 s, process 136
  code 1
report 2 of log: hang at 0.6 s, process 137
  code 2
report 3 of tty: crash at 0.7 s, process 138
  code 3
"""
KMSG = """<6>[    0.072597] supervisor: 12 services
<6>[    0.477908] tty: a line
no entry
<4>[    0.5] tty2: another's
"""


class Service(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.proc = folder.name
        os.mkdir(f"{self.proc}/isotope")
        self.put("isotope/services", HEAD + TTY + LOG)
        self.put("isotope/reports", REPORTS)
        self.put("kmsg", KMSG)

    def put(self, name, text):
        with open(f"{self.proc}/{name}", "w", encoding="utf-8") as file:
            file.write(text)

    def run_tool(self, *words, status=0):
        done = subprocess.run([TOOL, "--from", self.proc, *words], capture_output=True, text=True, check=False)
        self.assertEqual(done.returncode, status, done.stdout + done.stderr)
        return done.stdout

    def test_list_and_json(self):
        lines = self.run_tool("list").splitlines()
        self.assertEqual(len(lines), 3)
        self.assertEqual(lines[1].split(), ["tty", "running", "3", "crash", "48", "17", "356K"])
        rows = json.loads(self.run_tool("--json", "list"))
        self.assertEqual([row["name"] for row in rows], ["tty", "log"])
        self.assertEqual(rows[0]["redelivered"], 4)
        self.assertEqual(rows[0]["oldest_ms"], 7)

    def test_status_tells_whether_it_runs(self):
        text = self.run_tool("status", "tty")
        self.assertIn("restarts         3", text)
        self.assertNotIn(" \n", text)
        self.assertEqual(json.loads(self.run_tool("--json", "status", "log", status=3))["state"], "stopped")
        self.run_tool("status", "nobody", status=4)

    def test_reports_of_one_or_all(self):
        self.assertEqual(self.run_tool("report"), REPORTS)
        of_tty = self.run_tool("report", "tty")
        self.assertEqual([line for line in of_tty.splitlines() if line.startswith("report")],
                         [line for line in REPORTS.splitlines() if " of tty:" in line])
        self.assertIn("code 3", of_tty)
        self.assertNotIn("code 2", of_tty)

    def test_log_of_one_or_all(self):
        self.assertEqual(len(self.run_tool("log").splitlines()), 3)
        self.assertEqual(self.run_tool("log", "tty"), "[    0.477908] tty: a line\n")

    def test_commands_are_one_line(self):
        for words in (["restart", "tty"], ["stop", "tty"], ["stop", "tty", "3"], ["start", "tty"], ["crash", "tty"],
                      ["update", "tty", "tty2"]):
            self.put("isotope/services", "")
            self.run_tool(*words)
            with open(f"{self.proc}/isotope/services", encoding="utf-8") as file:
                self.assertEqual(file.read(), " ".join(words))

    def test_usage(self):
        for words in ([], ["fly"], ["status"], ["restart"], ["restart", "a", "b"], ["update", "a"], ["list", "x"],
                      ["--wrong", "list"], ["stop", "tty", "1", "2"], ["restart", "x" * 400]):
            self.run_tool(*words, status=2)
        self.assertIn("usage: service", self.run_tool("--help"))

    def test_a_table_that_is_none(self):
        for text in ("", HEAD + "tty tty running\n", HEAD + "x" * 100 + TTY, HEAD + (" " * 17) + "\n",
                     HEAD + TTY * 41):
            self.put("isotope/services", text)
            done = subprocess.run([TOOL, "--from", self.proc, "list"], capture_output=True, text=True, check=False)
            self.assertIn(done.returncode, (0, 1), done.stderr)
            self.assertNotIn("Sanitizer", done.stderr)
        os.remove(f"{self.proc}/isotope/services")
        self.run_tool("list", status=1)


if __name__ == "__main__":
    unittest.main()
