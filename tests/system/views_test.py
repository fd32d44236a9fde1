#!/usr/bin/env python3
# needs: all test-programs
"""/dev and /proc on the booted system tell the truth: the test programs that pass on Linux pass there;
and Debian's busybox shows processes, memory, mounts as it does on Linux."""

import os
import re
import subprocess
import tempfile
import unittest

ROOT = os.path.abspath(os.path.join(os.path.dirname(os.path.abspath(__file__)), "../.."))


def run(script, programs=()):
    """The lines that a shell script says on the booted system, which has these test programs."""
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "script")
        with open(path, "w", encoding="utf-8") as file:
            file.write(script)
        line = [os.path.join(ROOT, "isotope"), "exec", "--put", f"{path}:/root/script"]
        for name in programs:
            line += ["--put", f"{ROOT}/build/host/programs/musl/{name}:/bin/{name}"]
        done = subprocess.run(line + ["--", "sh", "/root/script"], stdin=subprocess.DEVNULL, capture_output=True,
                              text=True, check=False)
        if "end of script" not in done.stdout:
            raise AssertionError(f"status {done.returncode}\n{done.stdout}{done.stderr}")
        return done.stdout.splitlines()


class Views(unittest.TestCase):
    def check_program(self, name):
        lines = run(f"cd /tmp\n{name}\necho end of script\n", [name])
        failed = {line.split()[1].rstrip(":") for line in lines if line.startswith("FAIL ")}
        passed = [line for line in lines if line.startswith("ok ")]
        self.assertEqual(failed, set(), "\n".join(lines))
        self.assertGreater(len(passed), 40, "\n".join(lines))

    def test_devices(self):
        self.check_program("devices")

    def test_proc(self):
        self.check_program("proc_views")

    def test_busybox_shows_the_system(self):
        script = """
            ps -o pid,ppid,comm
            top -b -n 1 | head -1
            free | grep Mem:
            df / | tail -1
            mount
            mount -t proc proc /mnt && mount | tail -1 && cat /mnt/sys/kernel/ostype && umount /mnt
            mount -o bind /etc /mnt && cat /mnt/hostname && umount /mnt
            uptime
            sleep 1000 & pidof sleep >/dev/null && echo found it; kill $!; wait $!; echo killed with $?
            cd /proc/1/task && pwd
            readlink /proc/1/exe
            cat /proc/isotope/unsupported >/dev/null && echo end of script
        """
        lines = run("\n".join(line.strip() for line in script.splitlines()))
        text = "\n".join(lines)
        for pattern in (r"^ +1 +0 busybox$", r"^Mem: \d+K used, \d+K free", r"^Mem: +\d+ +\d+", r"^ramfs +\d+ +\d+ +\d+ +\d+% /$",
                        r"^ramfs on / type ramfs \(rw\)$", r"^devtmpfs on /dev type devtmpfs \(rw\)$",
                        r"^proc on /proc type proc \(rw\)$", r"^proc on /mnt type proc \(rw\)$", r"^Linux$", r"^isotope$",
                        r"load average: \d", r"^found it$", r"^killed with 143$", r"^/proc/1/task$", r"^/bin/busybox$"):
            self.assertTrue(re.search(pattern, text, re.MULTILINE), f"no line like {pattern}:\n{text}")

    def test_an_ordinary_user_sees_and_does_less(self):
        script = """
            cat > /tmp/less <<'END'
            grep -E "Uid|CapEff" /proc/self/status
            cat /etc/shadow /proc/1/environ
            ls /proc/1/fd
            readlink /proc/1/exe
            date -u -s "2001-01-01 00:00:00"
            ls -d /proc/1
            END
            su -s /bin/sh user /tmp/less 2>/dev/null
            echo end of script
        """
        lines = run("\n".join(line.strip() for line in script.splitlines()))
        # date says what it was asked for, and fails
        self.assertEqual(lines, ["Uid:\t1000\t1000\t1000\t1000", "CapEff:\t0000000000000000",
                                 "Mon Jan  1 00:00:00 UTC 2001", "/proc/1", "end of script"])

    def test_root_sets_the_clock(self):
        script = """
            date -u -s "2031-07-04 05:06:07" >/dev/null && date -u +%Y-%m-%d
            touch /tmp/f && ls -l --full-time /tmp/f
            echo end of script
        """
        lines = run("\n".join(line.strip() for line in script.splitlines()))
        self.assertEqual(lines[0], "2031-07-04")
        self.assertIn(" 2031-07-04 05:06:", lines[1])


if __name__ == "__main__":
    unittest.main()
