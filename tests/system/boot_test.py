#!/usr/bin/env python3
# needs: all
"""The booted system with its own servers: the first program is Debian's busybox, which runs /etc/rc. Every line that
follows from the script alone is expected exactly, in its order."""

import hashlib
import os
import sys
import unittest

ROOT = os.path.abspath(os.path.join(os.path.dirname(os.path.abspath(__file__)), "../.."))
sys.path.insert(0, os.path.join(ROOT, "tests/native"))
import native_test  # noqa: E402


class Boot(unittest.TestCase):
    def test_busybox_runs_the_first_script(self):
        with open(os.path.join(ROOT, "system/root/etc/passwd"), "rb") as file:
            checksum = hashlib.sha256(file.read()).hexdigest()
        expected = ["shell 1", "child ended with 1", "child ended with 2", "child ended with 3", "/tmp/a",
                    "/tmp/a/b", "/tmp/a/q", "written into nothing", " 00 00 00 00 00 00 00 00", "crw------- console",
                    "lrwxrwxrwx fd -> /proc/self/fd", "crw-rw-rw- full", "crw-rw-rw- null", "crw-rw-rw- random",
                    "lrwxrwxrwx shm -> /run/shm", "lrwxrwxrwx stderr -> /proc/self/fd/2",
                    "lrwxrwxrwx stdin -> /proc/self/fd/0", "lrwxrwxrwx stdout -> /proc/self/fd/1", "crw-rw-rw- tty",
                    "crw-rw-rw- urandom", "crw-rw-rw- zero", f"{checksum}  /etc/passwd", "A B", "2000", "done"]
        status, lines = native_test.boot(os.path.join(native_test.FOLDER, "boot.img"), console="stdio,signal=off")
        told = [line for line in lines if line in expected]
        self.assertEqual(told, expected, "\n".join(lines))
        self.assertEqual(status, native_test.machine.EXIT_PASSED)


if __name__ == "__main__":
    unittest.main()
