#!/usr/bin/env python3
"""./isotope new server, driver and tool, in a copy of the tree: what they make builds for the machine (and for the
simulator), passes its test (there under kills), passes the checks, and its test fails once it is broken."""

import os
import shutil
import subprocess
import tempfile
import unittest

ROOT = os.path.abspath(os.path.join(os.path.dirname(os.path.abspath(__file__)), "../.."))
PARTS = ("abi", "host", "idl", "kernel", "lib", "servers/supervisor", "docs")


class New(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.root = folder.name
        for path in ("isotope", "Makefile", "VERSION", ".clang-format"):
            shutil.copy(os.path.join(ROOT, path), self.root)
        for path in PARTS:
            shutil.copytree(os.path.join(ROOT, path), os.path.join(self.root, path),
                            ignore=shutil.ignore_patterns("__pycache__", "*_test.*", "*_fuzz.c", "tests.list", "tests"))
        # Templates hold a file named *_test.*, too.
        shutil.copytree(os.path.join(ROOT, "host/new"), os.path.join(self.root, "host/new"), dirs_exist_ok=True)
        os.makedirs(os.path.join(self.root, "tests/sim"))
        shutil.copy(os.path.join(ROOT, "tests/sim/world.h"), os.path.join(self.root, "tests/sim"))

    def run_in_copy(self, *command):
        done = subprocess.run(command, cwd=self.root, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True, check=False)
        return done.returncode, done.stdout

    def replace(self, path, old, new):
        full = os.path.join(self.root, path)
        with open(full, encoding="utf-8") as file:
            text = file.read()
        self.assertIn(old, text)
        with open(full, "w", encoding="utf-8") as file:
            file.write(text.replace(old, new))

    def works(self, kind, name, source, right, wrong, passed="1 passed, 0 failed"):
        base = name.rpartition("/")[2]
        test = f"tools/{base}" if kind == "tool" else f"sim/{base}"
        output = f"tools/{base}" if kind == "tool" else f"server/{source}.o"
        self.assertEqual(self.run_in_copy("./isotope", "new", kind, name)[0], 0)
        status, text = self.run_in_copy("./isotope", "test", test)
        self.assertEqual((status, text.splitlines()[-1]), (0, passed), text)
        status, text = self.run_in_copy("make", f"build/x86_64-release/{output}")
        self.assertEqual(status, 0, text)
        for check in ("format", "layering", "words", "limits"):
            text = self.run_in_copy("./isotope", "check", check)[1]
            self.assertNotIn(base, text)
        self.replace(source, right, wrong)
        self.assertEqual(self.run_in_copy("./isotope", "test", test)[0], 1)

    def test_a_new_server(self):
        self.works("server", "acorn", "servers/acorn/main.c", "return rt_stage_record(server, state, &next.header);",
                   "return STATUS_OK;")

    def test_a_new_driver(self):
        self.works("driver", "misc/acorn", "drivers/misc/acorn/main.c", "return status == STATUS_OK ? STATUS_OK : STATUS_IO;",
                   "return status == STATUS_OK ? STATUS_IO : STATUS_OK;")

    def test_a_new_tool(self):
        self.works("tool", "acorn", "tools/acorn.c", "fflush(stdout) != 0", "fflush(stdout) == 0", "2 passed, 0 failed")


if __name__ == "__main__":
    unittest.main()
