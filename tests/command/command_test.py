#!/usr/bin/env python3
"""./isotope from outside: help, wrong options, what it would run, templates, the soak ledger."""

import os
import shutil
import subprocess
import sys
import tempfile
import unittest

ROOT = os.path.abspath(os.path.join(os.path.dirname(os.path.abspath(__file__)), "../.."))
COMMANDS = ("run", "exec", "test", "debug", "bench", "size", "check", "fmt", "new", "image", "tools", "manual", "soak", "doctor")


def isotope(*arguments, root=ROOT, environment=None):
    done = subprocess.run([os.path.join(root, "isotope"), *arguments], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, text=True, env=environment, check=False)
    return done.returncode, done.stdout, done.stderr


class Outside(unittest.TestCase):
    def test_every_command_has_help(self):
        status, text, _ = isotope("help")
        self.assertEqual(status, 0)
        for command in COMMANDS:
            self.assertIn(f"\n  {command} ", text)
            status, text_of_command, error = isotope(command, "--help")
            self.assertEqual((status, error), (0, ""), command)
            self.assertIn(f"isotope {command}", text_of_command)

    def test_unknown_options_and_commands_are_usage_errors(self):
        for command in COMMANDS:
            needed = {"new": ("tool", "x"), "soak": ("x",)}.get(command, ())
            status, _, error = isotope(command, *needed, "--no-such-option")
            self.assertEqual(status, 2, command)
            self.assertIn("--no-such-option", error)
        self.assertEqual(isotope("no-such-command")[0], 2)

    def test_bad_values_are_usage_errors(self):
        for arguments in (("run", "--smp", "0"), ("run", "--smp", "5"), ("run", "--memory", "1"), ("run", "--put", "x"),
                          ("run", "--put", "x:../y"), ("exec", "true"), ("exec", "--"), ("exec", "--kills", "0", "--", "x"),
                          ("exec", "--kills", "2:a,", "--", "x"), ("exec", "--seed", "-1", "--", "x"),
                          ("exec", "--get", "relative:x", "--", "x"), ("new", "driver", "foo"), ("new", "tool", "../x"),
                          ("soak", "a/b"), ("check", "nonsense"), ("test", "no-test-has-this-name")):
            status, _, error = isotope(*arguments)
            self.assertEqual(status, 2, f"{arguments}: {error}")
            self.assertTrue(error)

    def test_manual_pages_are_generated_and_shown(self):
        self.assertEqual(isotope("manual", "no-such-page")[0], 2)
        names = isotope("manual")[1].split()
        self.assertTrue({"syscalls", "stream", "process"} <= set(names), names)
        status, text, error = isotope("manual", "syscalls")
        self.assertEqual((status, error), (0, ""))
        self.assertIn("SYS_STREAM_READ", text)
        self.assertIn("read", isotope("manual", "stream")[1])

    def test_version(self):
        with open(os.path.join(ROOT, "VERSION"), encoding="ascii") as file:
            self.assertIn(file.read().strip(), isotope("--version")[1])

    def test_it_can_be_called_from_anywhere(self):
        done = subprocess.run([os.path.join(ROOT, "isotope"), "run", "--dry-run", "--smp", "2", "--memory", "64M"], cwd="/",
                              stdout=subprocess.PIPE, text=True, check=True)
        self.assertIn("-m 64M -smp 2 ", done.stdout)
        self.assertIn("mode=login", done.stdout)


class Copy(unittest.TestCase):
    """In a copy of the parts of the tree that these commands need."""

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.root = folder.name
        for path in ("isotope", "Makefile", "VERSION", ".clang-format"):
            shutil.copy(os.path.join(ROOT, path), self.root)
        for path in ("host/build", "host/command", "host/doctor", "host/exec", "host/qemu", "host/image", "host/test",
                     "host/check", "host/new", "lib/base"):
            shutil.copytree(os.path.join(ROOT, path), os.path.join(self.root, path),
                            ignore=shutil.ignore_patterns("__pycache__", "*_test.py", "*_test.sh"))

    def write(self, path, text, mode=0o644):
        full = os.path.join(self.root, path)
        os.makedirs(os.path.dirname(full), exist_ok=True)
        with open(full, "w", encoding="utf-8") as file:
            file.write(text)
        os.chmod(full, mode)

    def run_in_copy(self, *arguments):
        return isotope(*arguments, root=self.root)

    def test_a_new_tool_builds_and_passes_its_test(self):
        self.assertEqual(self.run_in_copy("new", "tool", "foo")[0], 0)
        status, text, error = self.run_in_copy("test", "script/tools/foo")
        self.assertEqual((status, text.splitlines()[-1]), (0, "2 passed, 0 failed"), text + error)
        self.assertEqual(self.run_in_copy("check", "format", "layering", "words", "limits")[0], 0)
        status, _, error = self.run_in_copy("new", "tool", "foo")
        self.assertEqual(status, 1)
        self.assertIn("is there already", error)

    def test_a_failing_test_fails_the_run_and_says_how_to_run_it_alone(self):
        self.write("lib/base/bad_test.c", '#include "lib/base/test.h"\nTEST(one_is_two) {\n    EXPECT_EQUAL(1, 2);\n}\nTEST(fine) {\n}\n')
        status, text, _ = self.run_in_copy("test", "unit/lib/base/bad")
        self.assertEqual((status, text.splitlines()[-1]), (1, "1 passed, 1 failed"), text)
        self.assertIn("alone: ./isotope test unit/lib/base/bad", text)
        self.assertIn("bad_test one_is_two", text)

    def test_what_does_not_build_or_crashes_is_a_failure(self):
        self.write("lib/base/broken_test.c", "#include <absent.h>\n")
        self.write("lib/base/crash_test.c", '#include "lib/base/test.h"\n#include "lib/base/safe.h"\nTEST(crash) {\n    CHECK(test_state.failures);\n}\n')
        for name in ("broken", "crash"):
            status, text, _ = self.run_in_copy("test", f"unit/lib/base/{name}")
            self.assertEqual((status, text.splitlines()[-1]), (1, "0 passed, 1 failed"), text)

    def test_sanitizers_see_what_they_are_for(self):
        head = '#include "lib/base/test.h"\n#include <pthread.h>\n'
        self.write("lib/base/race_test.c", head + "static int counter;\nstatic void *count(void *nothing) {\n    counter++;\n    return nothing;\n}\n"
                   "TEST(race) {\n    pthread_t one;\n    REQUIRE(pthread_create(&one, nullptr, count, nullptr) == 0);\n    counter++;\n"
                   "    (void)pthread_join(one, nullptr);\n}\n")
        self.write("lib/base/blank_test.c", head + "TEST(blank) {\n    int *value = malloc(sizeof(int));\n    REQUIRE(value);\n"
                   "    if (*value == 7) {\n        puts(\"seven\");\n    }\n    free(value);\n}\n")
        self.write("lib/base/over_test.c", head + "TEST(over) {\n    char *value = malloc(4);\n    REQUIRE(value);\n    volatile int at = 4;\n"
                   "    value[at] = 1;\n    free(value);\n}\n")
        for name, part in (("unit-tsan/lib/base/race", "data race"), ("unit-msan/lib/base/blank", "uninitialized"),
                           ("unit/lib/base/over", "heap-buffer-overflow")):
            status, text, _ = self.run_in_copy("test", name)
            self.assertEqual(status, 1, text)
            self.assertIn(part, text)

    def test_a_fuzzer_is_run_and_can_fail(self):
        body = '#include "lib/base/safe.h"\nint LLVMFuzzerTestOneInput(const uint8_t *_Nonnull data, size_t size);\n' \
               "int LLVMFuzzerTestOneInput(const uint8_t *_Nonnull data, size_t size) {\n    %s\n    return 0;\n}\n"
        self.write("lib/base/x_fuzz.c", body % "(void)data, (void)size;")
        self.assertEqual(self.run_in_copy("test", "fuzz/lib/base/x")[0], 0)
        self.write("lib/base/x_fuzz.c", body % "CHECK(size < 2 || data[0] != 'a' || data[1] != 'b');")
        self.assertEqual(self.run_in_copy("test", "fuzz/lib/base/x")[0], 1)

    def test_soak_goes_on_where_the_ledger_ends_and_names_failing_seeds(self):
        self.write("tests/soak/toy", '#!/bin/sh\n[ "$2" -le 25 ] && [ $(($2 + $4)) -gt 25 ] && { echo "seed 25 failed: x"; exit 1; }\nexit 0\n', 0o755)
        status, text, _ = self.run_in_copy("soak", "toy", "--minutes", "0.002", "--batch", "10")
        self.assertEqual(status, 1)
        self.assertIn("seed 25 failed: x", text)
        self.assertIn("--first 25 --count 1", text)
        before = int(text.splitlines()[-1].split()[1].replace(",", ""))
        status, text, _ = self.run_in_copy("soak", "toy", "--minutes", "0.002", "--batch", "10")
        self.assertEqual(status, 0)
        self.assertGreater(int(text.splitlines()[-1].split()[1].replace(",", "")), before)
        with open(os.path.join(self.root, "tests/soak/toy.tsv"), encoding="ascii") as file:
            rows = [line.rstrip("\n").split("\t") for line in file][1:]
        self.assertEqual([row[:3] for row in rows[:2]], [["1", "20", "0"], ["21", "10", "1"]])
        self.assertEqual(rows[1][4], "25")
        self.assertTrue(text.endswith("1 failures, 1 open\n"), text)

    def test_a_failing_seed_is_open_until_it_passes(self):
        self.write("tests/soak/toy", '#!/bin/sh\necho "seed $2 failed: x"\nexit 1\n', 0o755)
        self.assertEqual(self.run_in_copy("soak", "toy", "--minutes", "0.0001", "--batch", "1")[0], 1)
        status, text, _ = self.run_in_copy("soak", "toy", "--again")
        self.assertEqual((status, text.splitlines()[-1]), (1, "toy: 1 seeds in all, 1 failures, 1 open"))
        self.write("tests/soak/toy", "#!/bin/sh\nexit 0\n", 0o755)
        status, text, _ = self.run_in_copy("soak", "toy", "--again")
        self.assertEqual((status, text.splitlines()[-1]), (0, "toy: 1 seeds in all, 1 failures, 0 open"))
        with open(os.path.join(self.root, "tests/soak/toy.tsv"), encoding="ascii") as file:
            self.assertEqual(file.readlines()[1].rstrip("\n").split("\t")[5][:2], "1@")

    def test_a_soak_program_that_fails_without_a_seed_is_an_error(self):
        self.write("tests/soak/toy", "#!/bin/sh\nexit 3\n", 0o755)
        self.assertEqual(self.run_in_copy("soak", "toy", "--minutes", "0.002")[0], 1)
        self.assertFalse(os.path.exists(os.path.join(self.root, "tests/soak/toy.tsv")))


if __name__ == "__main__":
    unittest.main()
