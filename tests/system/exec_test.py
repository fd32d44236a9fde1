#!/usr/bin/env python3
"""The booted system, through ./isotope exec: output, error output and status are exactly the command's, in each
way in which exec can boot. What a program prints here is what it prints on Linux."""

import os
import re
import subprocess
import sys
import tempfile
import unittest

ROOT = os.path.abspath(os.path.join(os.path.dirname(os.path.abspath(__file__)), "../.."))
NEEDED = ("kernel/arch/x86_64/kernel.ld", "servers/supervisor", "posix/posix.ld", "servers/tty")
SKIPPED = 77


def execute(*arguments, options=()):
    """(status, standard output, standard error)"""
    done = subprocess.run([os.path.join(ROOT, "isotope"), "exec", *options, "--", *arguments], stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=False)
    return done.returncode, done.stdout, done.stderr


def shell(text, *options):
    return execute("sh", "-c", text, options=options)


class Exec(unittest.TestCase):
    def test_output_error_and_status_are_exact(self):
        self.assertEqual(shell("printf 'out\\000\\r\\n'; printf '~}\\021err' >&2; exit 7"), (7, b"out\0\r\n", b"~}\x11err"))

    def test_death_by_signal_and_absent_commands(self):
        self.assertEqual(shell("kill -9 $$")[0], 137)
        status, out, err = execute("/absent")
        self.assertEqual((status, out), (127, b""))
        self.assertIn(b"No such file or directory", err)

    def test_much_output_on_both_streams(self):
        status, out, err = shell("seq 1 20000; seq 1 10000 >&2")
        self.assertEqual(status, 0)
        self.assertEqual(out, "".join(f"{i}\n" for i in range(1, 20001)).encode())
        self.assertEqual(err, "".join(f"{i}\n" for i in range(1, 10001)).encode())

    def test_it_runs_as_root_in_its_home_with_a_plain_environment(self):
        status, out, _ = shell("id -u; pwd; echo $PATH; cat /etc/hostname; ls -d /tmp /proc /dev")
        self.assertEqual((status, out.decode().splitlines()),
                         (0, ["0", "/root", "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin", "isotope", "/dev", "/proc", "/tmp"]))

    def test_files_go_in_and_come_out(self):
        with tempfile.TemporaryDirectory() as folder:
            data = os.urandom(100000)
            source, target = os.path.join(folder, "in"), os.path.join(folder, "out")
            with open(source, "wb") as file:
                file.write(data)
            status, _, err = shell("cat /root/in /root/in > /tmp/out", "--put", f"{source}:/root/in", "--get", f"/tmp/out:{target}")
            self.assertEqual((status, err), (0, b""))
            with open(target, "rb") as file:
                self.assertEqual(file.read(), data + data)

    def test_a_file_that_is_not_there_cannot_come_out(self):
        status, _, err = shell("true", "--get", "/absent:/dev/null")
        self.assertEqual(status, 1)
        self.assertIn(b"/absent: No such file", err)

    def test_with_four_processors(self):
        self.assertEqual(shell("nproc; for i in 1 2 3 4; do (seq 1 2000 | sha256sum) & done; wait", "--smp", "4")[:2],
                         (0, b"4\n" + subprocess.run("seq 1 2000 | sha256sum", shell=True, stdout=subprocess.PIPE, check=True).stdout * 4))

    def test_with_little_memory(self):
        status, out, _ = shell("free -m | awk '/Mem/ { print $2 }'", "--memory", "64M")
        self.assertEqual(status, 0)
        self.assertTrue(24 <= int(out) <= 64, out)

    def test_counting_instructions(self):
        self.assertEqual(execute("echo", "counted", options=("--icount",)), (0, b"counted\n", b""))

    def test_the_log_goes_to_its_file(self):
        with tempfile.NamedTemporaryFile() as file:
            self.assertEqual(execute("true", options=("--log", file.name))[0], 0)
            self.assertTrue(re.search(rb"supervisor|kernel", file.read()))

    def test_a_time_out_is_told(self):
        status, _, err = execute("sleep", "1000", options=("--timeout", "20"))
        self.assertEqual(status, 124)
        self.assertIn(b"no end after 20 seconds", err)

    def test_under_kills_nothing_changes(self):
        for seed in ("1", "2", "3"):
            with self.subTest(seed=seed):
                status, out, err = shell("for i in 1 2 3 4 5; do seq 1 1000 | sort -n | tail -1; done; exit 3", "--kills", "2", "--seed", seed)
                self.assertEqual((status, out, err), (3, b"1000\n" * 5, b""))


if __name__ == "__main__":
    missing = [path for path in NEEDED if not os.path.exists(os.path.join(ROOT, path))]
    if missing:
        print(f"skipped: this tree cannot boot: it has no {', '.join(missing)}")
        sys.exit(SKIPPED)
    unittest.main()
