#!/usr/bin/env python3
# needs: all
"""A first look at the booted system: Debian's busybox runs first.sh. Every line of its output follows from the script
alone and is expected exactly."""

import hashlib
import os
import subprocess
import unittest

ROOT = os.path.abspath(os.path.join(os.path.dirname(os.path.abspath(__file__)), "../.."))


class Boot(unittest.TestCase):
    def test_busybox_runs_a_script(self):
        with open(os.path.join(ROOT, "system/root/etc/passwd"), "rb") as file:
            checksum = hashlib.sha256(file.read()).hexdigest()
        expected = ["child ended with 1", "child ended with 2", "child ended with 3", "/tmp/a",
                    "/tmp/a/b", "/tmp/a/q", "written into nothing", " 00 00 00 00 00 00 00 00", "crw------- console",
                    "lrwxrwxrwx fd -> /proc/self/fd", "crw-rw-rw- full", "crw------- kmsg", "lrwxrwxrwx log -> /run/log",
                    "crw-rw-rw- null", "crw-rw-rw- ptmx", "crw-rw-rw- random",
                    "lrwxrwxrwx shm -> /run/shm", "lrwxrwxrwx stderr -> /proc/self/fd/2",
                    "lrwxrwxrwx stdin -> /proc/self/fd/0", "lrwxrwxrwx stdout -> /proc/self/fd/1", "crw-rw-rw- tty",
                    "crw-rw-rw- urandom", "crw-rw-rw- zero", f"{checksum}  /etc/passwd", "A B", "2000", "done"]
        script = os.path.join(ROOT, "tests/system/first.sh")
        done = subprocess.run([os.path.join(ROOT, "isotope"), "exec", "--put", f"{script}:/root/first.sh", "--", "sh",
                               "/root/first.sh"], stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
        self.assertEqual(done.stdout.splitlines(), expected, done.stderr)
        self.assertEqual(done.returncode, 0)


if __name__ == "__main__":
    unittest.main()
