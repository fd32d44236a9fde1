#!/usr/bin/env python3
# needs: all
"""The `service` command, the log and /dev/random on the booted system: services are stopped, crashed and updated under
programs that use them, and the programs notice nothing."""

import json
import os
import re
import subprocess
import sys
import tempfile
import unittest

ROOT = os.path.abspath(os.path.join(os.path.dirname(os.path.abspath(__file__)), "../.."))


def run(script, *options):
    """What a shell script says on the booted system; what it says between "== NAME" lines, by name."""
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "script")
        with open(path, "w", encoding="utf-8") as file:
            file.write(script + "\necho == end\n")
        done = subprocess.run([os.path.join(ROOT, "isotope"), "exec", *options, "--put", f"{path}:/root/script", "--",
                               "sh", "/root/script"], stdin=subprocess.DEVNULL, capture_output=True, text=True,
                              check=False)
    if "== end" not in done.stdout:
        raise AssertionError(f"status {done.returncode}\n{done.stdout}{done.stderr}")
    parts = re.split(r"^== (\S+)\n", done.stdout, flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2]))


class Services(unittest.TestCase):
    def test_look_after_services(self):
        said = run("""
            echo == list; service --json list
            echo == status; service status tty; echo $?; service status nobody 2>/dev/null; echo $?
            echo == refused
            service stop ramfs 2>/dev/null; echo $?
            service restart nobody 2>/dev/null; echo $?
            echo "fly tty" > /proc/isotope/services 2>/dev/null || echo refused
            su user -c "service restart tty" 2>/dev/null; echo $?
            su user -c "service report" 2>/dev/null; echo $?
            su user -c "service list" | wc -l
            echo == stop
            service stop entropy; service status entropy | grep state; service status entropy >/dev/null; echo $?
            (head -c 4 /dev/urandom | wc -c; echo it goes on) & sleep 1
            echo it waits; service start entropy; wait
            echo == hold
            service stop ramfs 1; echo text > /tmp/file; cat /tmp/file
            service stop procfs 1; service restart vfs; service restart process; cat /proc/sys/kernel/ostype
            for name in devfs local tty uart time init log; do service restart $name; done; echo still here
            service --json status ramfs
        """)
        rows = {row["name"]: row for row in json.loads(said["list"])}
        self.assertLess({"supervisor", "ramfs", "vfs", "tty", "process", "log", "entropy"}, set(rows))
        self.assertEqual({row["state"] for row in rows.values()}, {"running"})
        self.assertIn("restarts         0", said["status"])
        self.assertEqual([line for line in said["status"].splitlines() if line.isdigit()], ["0", "4"])
        self.assertEqual(said["refused"].split()[:5], ["5", "4", "refused", "5", "5"])
        self.assertGreater(int(said["refused"].split()[5]), 10)
        self.assertEqual(re.sub(" +", " ", said["stop"]).splitlines(),
                         ["state stopped", "3", "it waits", "4", "it goes on"])
        self.assertEqual(said["hold"].splitlines()[:3], ["text", "Linux", "still here"])
        ramfs = json.loads(said["hold"].splitlines()[3])
        self.assertEqual((ramfs["restarts"], ramfs["last_cause"], ramfs["faults"]), (1, "killed", 0))

    def test_a_crash_leaves_a_report(self):
        said = run("""
            echo == work
            (for i in 1 2 3 4 5 6 7 8; do echo $i | cat > /tmp/$i; done; cat /tmp/? | wc -l) &
            service crash ramfs; service crash local; ls / >/dev/null; echo x | cat; wait
            echo == ramfs; service report ramfs
            echo == all; service report
            echo == status; service --json status ramfs
        """)
        self.assertEqual(sorted(said["work"].split()), ["8", "x"])
        report = said["ramfs"]
        for pattern in (r"^report \d+ of ramfs: crash at ", r"fault unmapped, address [0-9a-f]+, counter 4[0-9a-f]{5}$",
                        r"(call in hand: \d+\.\d+|close in hand:) attempt 1, c", r"last calls, of \d+:( \d+\.\d+)+$",
                        r"  rip 00000000004[0-9a-f]{5} flags", r"^  at 00000000004[0-9a-f]{5}$"):
            self.assertRegex(report, re.compile(pattern, re.MULTILINE))
        self.assertNotIn("of local:", report)
        self.assertIn("of local:", said["all"])
        status = json.loads(said["status"])
        self.assertEqual((status["faults"], status["last_cause"], status["poisoned"]), (1, "crash", 0))
        named = subprocess.run([sys.executable, os.path.join(ROOT, "host/symbolise/symbolise.py")], input=report,
                               capture_output=True, text=True, check=True).stdout
        self.assertRegex(named, r"rt_server_run .*lib/rt/server.c:\d+")
        self.assertRegex(named, r"(call in hand: (filesystem|stream|vfs)\.[a-z_]+|close in hand:) attempt 1")

    def test_an_update_is_on_probation(self):
        said = run("""
            echo == good; service update tty tty; echo $?; service --json status tty
            echo == bad; service update local uart 2>/dev/null; echo $?; echo text | cat; service --json status local
            echo == none; service update tty nothing 2>/dev/null; echo $?
        """)
        status, facts = said["good"].splitlines()
        self.assertEqual((status, json.loads(facts)["state"]), ("0", "running"))
        status, text, facts = said["bad"].splitlines()
        facts = json.loads(facts)
        self.assertEqual((status, text), ("6", "text"))
        self.assertEqual((facts["program"], facts["state"], facts["last_cause"]), ("local", "running", "update"))
        self.assertEqual(said["none"].strip(), "4")

    def log_script(self):
        return """
            echo == boot; dmesg | grep -c "supervisor: .* services"
            echo == kmsg; echo "said by the test" > /dev/kmsg; echo "<3>an error" > /dev/kmsg
            dmesg | grep "said by\\|an error" | sed "s/.*] //"; grep -c "<3>.*an error" /proc/kmsg
            echo == service; service log ramfs
            echo == clear; dmesg -c >/dev/null; echo behind > /dev/kmsg; dmesg | grep -c .; dmesg | sed "s/.*] //"
            echo == user; su user -c dmesg 2>/dev/null || echo refused
            echo == syslog; syslogd; logger -t here from the logger; sleep 1; grep -c "here: from the logger" /var/log/messages
            echo == random; head -c 100000 /dev/urandom | sha256sum | wc -c; head -c 1000 /dev/random | wc -c
            cmp -n 100 /dev/urandom /dev/urandom >/dev/null || echo they differ; echo more > /dev/random && echo mixed
            stat -c "%t:%T" -L /dev/urandom; readlink /dev/log
        """

    def check_log(self, said, kills):
        self.assertEqual(said["boot"].strip() if not kills else "1", "1")
        self.assertEqual(said["kmsg"].splitlines(), ["said by the test", "an error", "1"])
        self.assertIn("ramfs: 3", said["service"])
        self.assertIn("behind", said["clear"].splitlines()[1:] if not kills else said["clear"])
        self.assertEqual(said["user"].strip(), "refused")
        self.assertEqual(said["syslog"].strip(), "1")
        self.assertEqual(said["random"].split("\n")[:6],
                         ["68", "1000", "they differ", "mixed", "1:9", "/run/log"])

    def test_log_and_random_bytes(self):
        said = run(self.log_script())
        self.check_log(said, False)
        self.assertEqual(said["clear"].splitlines()[0], "1")

    def test_log_and_random_bytes_under_kills(self):
        self.check_log(run(self.log_script(), "--kills", "8:log,entropy,procfs,devfs,supervisor"), True)


if __name__ == "__main__":
    unittest.main()
