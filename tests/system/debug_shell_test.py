#!/usr/bin/env python3
# needs: all debug-kernel
"""The kernel's debug shell on the second serial port: it shows what a person did at the console, for which this test has
its own evidence, and neither it nor the system minds what is typed. What ships has no such shell."""

import os
import re
import select
import socket
import subprocess
import sys
import tempfile
import time
import unittest

ROOT = os.path.abspath(os.path.join(os.path.dirname(os.path.abspath(__file__)), "../.."))
sys.path.insert(0, os.path.join(ROOT, "host/qemu"))
import machine  # noqa: E402
import slots  # noqa: E402

BOUND_S = 120


class Port:
    """One end of a serial line, and all that came over it."""

    def __init__(self, path, process):
        until = time.monotonic() + BOUND_S
        while not os.path.exists(path) and process.poll() is None and time.monotonic() < until:
            time.sleep(0.05)
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.connect(path)
        self.text = ""

    def type(self, data):
        self.socket.sendall(data if isinstance(data, bytes) else data.encode())

    def wait(self, pattern, bound=BOUND_S):
        """Waits until what came matches; takes everything up to there and gives the match."""
        until = time.monotonic() + bound
        while not (found := re.search(pattern, self.text, re.MULTILINE | re.DOTALL)):
            if time.monotonic() > until or not select.select([self.socket], [], [], bound)[0]:
                raise AssertionError(f"no {pattern!r} in {self.text[-3000:]!r}")
            data = self.socket.recv(65536)
            if not data:
                raise AssertionError(f"the machine ended; {self.text[-3000:]!r}")
            self.text += data.decode(errors="replace").replace("\r", "")
        self.text = self.text[found.end():]
        return found


class Machine:
    """A guest with this profile's kernel: its console, and its second serial port."""

    def __init__(self, profile, folder):
        kernel, _ = machine.outputs(profile, ROOT)
        _, image = machine.outputs("release", ROOT)
        console, shell = os.path.join(folder, "console"), os.path.join(folder, "shell")
        self.line = machine.Machine(kernel=kernel, image=image, processors=2, arguments=("mode=login",), debug_shell=shell,
                                    console=f"socket,path={console},server=on,wait=off").line()
        self.paths = console, shell

    def __enter__(self):
        self.process = subprocess.Popen(self.line, stdin=subprocess.DEVNULL)
        self.console, self.shell = (Port(path, self.process) for path in self.paths)
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()

    def ask(self, command):
        """What the shell answers to a command."""
        self.shell.type(command + "\r")
        return self.shell.wait(rf"^(> )?{re.escape(command)}\n(?P<answer>.*?)^> ")["answer"]

    def ask_until(self, command, pattern):
        """Asks until the answer matches: what was typed at the console takes a while to get there."""
        until = time.monotonic() + BOUND_S
        while not (found := re.search(pattern, answer := self.ask(command), re.MULTILINE)):
            if time.monotonic() > until:
                raise AssertionError(f"no {pattern!r} in {answer}")
        return found


class DebugShell(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.enterClassContext(slots.slot())
        cls.folder = cls.enterClassContext(tempfile.TemporaryDirectory())
        cls.guest = cls.enterClassContext(Machine("debug", cls.folder))
        cls.guest.console.wait("# ")

    def test_a_blocked_read_waits_at_the_terminals_endpoint(self):
        guest = self.guest
        guest.console.type("cat; echo $((40+2))\n")
        found = guest.ask_until("waits", r"^cat \(process (\d+)\), thread (\d+): calls endpoint (\d+) of tty \(process (\d+)\): "
                                         r"parked, label \w+")
        process, thread, endpoint, server = found.groups()
        self.assertRegex(guest.ask("processes"), rf"(?m)^process {server} tty: running")
        self.assertRegex(guest.ask("processes"), rf"(?m)^process {process} cat: running, .* threads 1,")
        self.assertRegex(guest.ask("threads cat"), rf"(?m)^thread {thread} of cat .*: calls, .* endpoint {endpoint} of tty")
        endpoints = guest.ask("endpoints")
        self.assertRegex(endpoints, rf"(?m)^endpoint {endpoint} of tty \(process {server}\): queued 0, in hand \d+.*\n"
                                    rf"(  from .*\n)*  from process {process}: parked")
        self.assertRegex(guest.ask(f"handles {process}"), rf"(?m)^handle \w+: session \d+, rights \w+, endpoint {endpoint}$")
        guest.console.type("\x04")  # the end of cat's input
        guest.console.wait("^42\n")
        self.assertNotIn("process " + process + ")", guest.ask("waits"))

    def test_a_quota_is_what_the_manifest_says(self):
        with open(os.path.join(ROOT, "system/manifests/uart.manifest"), encoding="utf-8") as file:
            manifest = dict(line.split(None, 1) for line in file if " " in line)
        line = re.search(r"(?m)^domain .*first process uart$", self.guest.ask("domains"))[0]
        for word, key in (("pages", "pages"), ("kernel pages", "kernel-pages"), ("handles", "handles"), ("threads", "threads")):
            self.assertRegex(line, rf", {word} \d+ of {manifest[key].strip()}(,|$)")

    def test_pages_add_up_to_the_machine(self):
        kinds = dict(re.findall(r"(?m)^(\w+): (\d+) pages$", self.guest.ask("memory")))
        self.assertEqual(set(kinds), {"reserved", "free", "kernel", "slab", "user"})
        total = sum(map(int, kinds.values())) * 4096
        # QEMU keeps a few pages at the end for its own tables.
        self.assertTrue((256 << 20) - (1 << 20) < total <= 256 << 20, kinds)

    def test_both_processors_are_there(self):
        answer = self.guest.ask("processors")
        self.assertRegex(answer, r"(?m)^processor 0: .*\nprocessor 1: .*switches \d+, calls [1-9]\d*,")

    def test_a_kill_is_in_the_trace(self):
        guest = self.guest
        guest.console.type("sleep 1000 & kill -9 $!; wait; echo $((40+3))\n")
        guest.console.wait("^43\n")
        self.assertRegex(guest.ask("trace kill"), r"(?m)^\d+ us, processor [01], thread \d+: kill of process \w+, \w+$")

    def test_nonsense_is_answered_and_hurts_nobody(self):
        guest = self.guest
        for text, answer in ((b"frobnicate", "no command 'frobnicate'"), (b"threads nobody", "no process 'nobody'"),
                             (b"handles", "which process?"), (b"handles 18446744073709551616", "no process '18446744073709551616'"),
                             (b"a b c", "too many words"), (b"x" * 5000, "too long: a line has at most 79 characters"),
                             (b"trace x", "0 of "), (b"memoryx\x7f", "free: "), (b"zzz\x15memory", "free: ")):
            guest.shell.type(text + b"\r")
            guest.shell.wait(rf"^{answer}.*?^> ")
        guest.shell.type(bytes(range(256)) * 8 + b"\r")
        guest.shell.wait("> ")
        guest.shell.type("\x15help\r")
        guest.shell.wait("^help: .*?^> ")
        guest.console.type("echo $((40+4))\n")
        guest.console.wait("^44\n")

    def test_a_peer_that_reads_nothing_holds_nobody_up(self):
        guest = self.guest
        guest.shell.type(b"threads\r" * 300)  # more than a socket holds, and nobody reads
        guest.console.type("echo $((40+5))\n")
        guest.console.wait("^45\n")
        # Output is dropped until the line has room again, so the first question may go unanswered.
        for attempt in range(BOUND_S):
            guest.shell.type("\x15help\r")
            try:
                guest.shell.wait("^trace: .*^> ", bound=1 if attempt < BOUND_S - 1 else BOUND_S)
                return
            except AssertionError:
                pass
        self.fail("it answers no more")


class WhatShips(unittest.TestCase):
    def test_it_has_no_shell(self):
        for profile, count in (("release", 0), ("debug", 1)):
            kernel, _ = machine.outputs(profile, ROOT)
            with open(kernel, "rb") as file:
                self.assertEqual(file.read().count(b"kernel's debug shell;"), count, profile)


if __name__ == "__main__":
    unittest.main()
