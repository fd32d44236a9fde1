#!/usr/bin/env python3
# needs: asan-tools
"""The exec protocol: frames, the host's link, and both ends together, the real agent (built with the
address sanitizer) at the other end of a line that loses, doubles and changes bytes, and of a pty."""

import os
import pty
import random
import select
import signal
import subprocess
import sys
import tempfile
import threading
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
import frames  # noqa: E402
import link  # noqa: E402
import request  # noqa: E402
import session  # noqa: E402

AGENT = os.path.join(HERE, "../../build/host/asan-tools/exec-agent")
EVERY_BYTE = bytes(range(256)) * 4


class Frames(unittest.TestCase):
    def test_what_is_encoded_is_decoded(self):
        for payload in (b"", b"x", EVERY_BYTE, b"\x7e\x7d\x11\x13" * 256):
            frame = frames.Frame(b"d", 7, 2**32 - 1, payload)
            self.assertEqual(frames.Decoder().feed(frames.encode(frame)), [frame])

    def test_special_bytes_appear_only_as_flags(self):
        wire = frames.encode(frames.Frame(b"d", 0x11137D7E, 0, EVERY_BYTE))
        self.assertEqual([i for i, b in enumerate(wire) if b == 0x7E], [0, len(wire) - 1])
        self.assertNotIn(0x11, wire)
        self.assertNotIn(0x13, wire)

    def test_noise_is_dropped_and_kept_for_reports(self):
        frame = frames.Frame(b"a", 0, 1)
        decoder = frames.Decoder()
        found = decoder.feed(b"booting\r\n" + frames.encode(frame) + b"panic: x")
        self.assertEqual(found, [frame])
        self.assertEqual(decoder.pending_noise(), b"booting\r\npanic: x")

    def test_a_frame_with_any_byte_lost_doubled_or_changed_is_no_other_frame(self):
        frame = frames.Frame(b"d", 5, 6, b"payload \x7e")
        wire = frames.encode(frame)
        for i in range(len(wire)):
            for damaged in (wire[:i] + wire[i + 1 :], wire[:i] + wire[i : i + 1] + wire[i:],
                            wire[:i] + bytes([wire[i] ^ 4]) + wire[i + 1 :]):
                found = frames.Decoder().feed(b"\x7e" + damaged + b"\x7e")
                self.assertIn(found, ([], [frame]), f"byte {i}")

    def test_the_next_frame_survives_a_damaged_one(self):
        wire = frames.encode(frames.Frame(b"d", 1, 0, b"one"))
        after = frames.Frame(b"d", 2, 0, b"two")
        for i in range(len(wire)):
            self.assertIn(after, frames.Decoder().feed(wire[:i] + wire[i + 1 :] + frames.encode(after)))

    def test_endless_noise_takes_bounded_memory(self):
        decoder = frames.Decoder()
        for _ in range(100):
            decoder.feed(b"x" * 10000)
        self.assertLess(len(decoder.pending_noise()), 20000)


def guest(kind, number, acknowledged=0, payload=b""):
    return frames.encode(frames.Frame(kind, number, acknowledged, payload))


class HostLink(unittest.TestCase):
    def sent(self, host):
        return frames.Decoder().feed(host.output())

    def test_silent_until_the_guest_was_heard(self):
        host = link.HostLink()
        host.send(b"A")
        self.assertEqual(host.output(), b"")
        host.feed(b"Welcome to the guest\r\n")
        self.assertEqual(host.output(), b"")
        host.feed(guest(b"w", 0, 0, b"H"))
        self.assertEqual([f.kind for f in self.sent(host)], [b"A", b"D"])

    def test_own_echo_is_ignored(self):
        host = link.HostLink()
        host.silence()
        self.assertEqual(host.feed(host.output()), [])
        self.assertFalse(host.heard)

    def test_no_more_than_the_window_in_flight_and_in_order(self):
        host = link.HostLink()
        host.feed(guest(b"a", 0))
        for i in range(4):
            host.send(bytes([i]))
        self.assertEqual([f.number for f in self.sent(host)], [0, 1])
        host.feed(guest(b"a", 0, 1))
        self.assertEqual([(f.number, f.payload) for f in self.sent(host)], [(2, b"\2")])
        host.feed(guest(b"a", 0, 3))
        self.assertEqual([f.number for f in self.sent(host)], [3])
        host.feed(guest(b"a", 0, 4))
        self.assertEqual(host.unacknowledged(), 0)

    def test_acknowledgements_of_what_was_never_sent_are_ignored(self):
        host = link.HostLink()
        host.feed(guest(b"a", 0))
        host.send(b"x")
        host.feed(guest(b"a", 0, 2))
        self.assertEqual(host.unacknowledged(), 1)

    def test_messages_come_once_and_in_order(self):
        host = link.HostLink()
        self.assertEqual(host.feed(guest(b"d", 0, 0, b"a") + guest(b"d", 0, 0, b"a")), [b"a"])
        self.assertEqual(host.feed(guest(b"d", 2, 0, b"c")), [])
        self.assertEqual(host.feed(guest(b"d", 1, 0, b"b") + guest(b"d", 2, 0, b"c")), [b"b", b"c"])

    def test_one_poll_for_each_gap_and_an_answer_only_where_wanted(self):
        host = link.HostLink()
        host.feed(guest(b"d", 0, 0, b"a"))
        self.assertEqual(self.sent(host), [])
        host.feed(guest(b"d", 2) + guest(b"d", 3))
        self.assertEqual([(f.kind, f.acknowledged) for f in self.sent(host)], [(b"P", 1)])
        host.feed(guest(b"w", 1))
        self.assertEqual([(f.kind, f.acknowledged) for f in self.sent(host)], [(b"A", 2)])
        host.feed(guest(b"d", 3))
        self.assertEqual([(f.kind, f.acknowledged) for f in self.sent(host)], [(b"P", 2)])

    def test_silence_sends_again_and_polls(self):
        host = link.HostLink()
        host.feed(guest(b"a", 0))
        host.send(b"x")
        host.output()
        host.silence()
        self.assertEqual([(f.kind, f.payload) for f in self.sent(host)], [(b"D", b"x"), (b"P", b"")])


class Channel:
    """A line between two descriptors that treats bytes badly, by a seed. Runs in a thread; it ends
    when either side closes."""

    def __init__(self, guest_fd, seed, rate):
        ours, self.host_fd = (s.detach() for s in __import__("socket").socketpair())
        self._random, self._rate = random.Random(seed), rate
        self._ends = {ours: guest_fd, guest_fd: ours}
        self._ours = ours
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    def _spoil(self, data):
        out = bytearray()
        for byte in data:
            luck = self._random.random()
            if luck < self._rate:
                continue
            out.append(byte ^ 0x10 if luck < 2 * self._rate else byte)
            if luck > 1 - self._rate:
                out.append(byte)
        return bytes(out)

    def _run(self):
        while True:
            for fd in select.select(list(self._ends), [], [])[0]:
                try:
                    data = os.read(fd, 4096)
                except OSError:
                    data = b""
                if not data:
                    os.close(self._ours)
                    return
                spoiled = self._spoil(data)
                while spoiled:
                    spoiled = spoiled[os.write(self._ends[fd], spoiled) :]


class Agent(unittest.TestCase):
    """The agent on this host."""

    def setUp(self):
        self.out, self.err = bytearray(), bytearray()
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)

    def path(self, name):
        return os.path.join(self.folder.name, name)

    def start(self, guest_fd, *arguments):
        environment = dict(os.environ, ASAN_OPTIONS="detect_leaks=0")
        child = subprocess.Popen([AGENT, *arguments], stdin=guest_fd, stdout=subprocess.DEVNULL, env=environment)
        self.addCleanup(lambda: (child.kill(), child.wait()))
        return child

    def session(self, host_fd):
        talk = session.Session(host_fd, host_fd, self.out.extend, self.err.extend)
        talk.silence_s, talk.silence_maximum_s, talk.first_silence_s = 0.05, 0.2, 0.3
        return talk

    def line(self, seed=None, rate=0.0):
        """(descriptor for the agent, descriptor for the host)"""
        host, guest_end = (s.detach() for s in __import__("socket").socketpair())
        if seed is None:
            return guest_end, host
        return guest_end, Channel(host, seed, rate).host_fd

    def execute(self, messages, gets=0, seed=None, rate=0.0, arguments=()):
        guest_fd, host_fd = self.line(seed, rate)
        child = self.start(guest_fd, *arguments)
        os.close(guest_fd)
        talk = self.session(host_fd)
        talk.run(messages, gets)
        try:
            talk.goodbye()
        except session.SessionError:
            self.assertIsNotNone(seed)  # on a good line the goodbye is acknowledged
        self.assertEqual(child.wait(), 0)
        os.close(host_fd)
        return talk.result

    def shell(self, text, **more):
        return self.execute([*request.command(["sh", "-c", text], {"PATH": os.environ["PATH"]})], **more)

    def test_output_error_and_status_are_exact(self):
        result = self.shell("printf 'out\\000\\n'; printf '~}err' >&2; exit 7")
        self.assertEqual((bytes(self.out), bytes(self.err)), (b"out\0\n", b"~}err"))
        self.assertEqual((result.ended, result.status()), ((0, 7), 7))

    def test_death_by_signal(self):
        result = self.shell("kill -9 $$")
        self.assertEqual((result.ended, result.status()), ((1, signal.SIGKILL), 137))

    def test_a_command_that_is_not_there(self):
        result = self.execute([*request.command(["/absent/command"], {})])
        self.assertEqual((result.ended, result.status()), ((2, 2), 127))
        result = self.execute([*request.command([self.folder.name], {})])
        self.assertEqual((result.ended, result.status()), ((2, 13), 126))

    def test_no_command_at_all(self):
        self.assertEqual(self.execute([b"R"]).ended, (2, 22))

    def test_environment_directory_and_standard_input_are_as_asked(self):
        environment = {"PATH": os.environ["PATH"], "LONG": "x" * 3000, "EMPTY": ""}
        self.execute([*request.command(["sh", "-c", "env | grep -v ^_= | sort; pwd; wc -c"], environment, self.folder.name)])
        lines = bytes(self.out).decode().splitlines()
        expected = sorted(f"{k}={v}" for k, v in {**environment, "PWD": self.folder.name}.items())
        self.assertEqual(sorted(l for l in lines[:-2] if not l.startswith(("OLDPWD", "SHLVL"))), expected)
        self.assertEqual(lines[-2:], [self.folder.name, "0"])

    def test_many_and_long_arguments(self):
        arguments = ["printf", "%s|"] + [f"{i}" * i for i in range(1, 120)] + ["\udcff raw"]
        self.execute([*request.command(arguments, {"PATH": os.environ["PATH"]})])
        expected = "".join(f"{a}|" for a in arguments[2:]).encode("utf-8", "surrogateescape")
        self.assertEqual(bytes(self.out), expected)

    def test_more_output_than_any_window_on_both_streams(self):
        self.shell("seq 1 30000; seq 1 20000 >&2")
        self.assertEqual(self.out, "".join(f"{i}\n" for i in range(1, 30001)).encode())
        self.assertEqual(self.err, "".join(f"{i}\n" for i in range(1, 20001)).encode())

    def test_all_that_was_written_before_the_end_is_given(self):
        for _ in range(20):
            self.out.clear()
            self.shell("head -c 60000 /dev/zero; printf end; exit 0")
            self.assertEqual(len(self.out), 60003)

    def test_a_process_left_behind_does_not_hold_the_command_up(self):
        started = self.path("pid")
        self.shell(f"sleep 1000 & echo $! > {started}; echo done")
        with open(started, encoding="ascii") as file:
            os.kill(int(file.read()), signal.SIGKILL)
        self.assertEqual(bytes(self.out), b"done\n")

    def test_files_are_put_and_got(self):
        data = random.Random(1).randbytes(20000)
        messages = [*request.put(self.path("in"), 0o751, data)]
        messages += request.command(["sh", "-c", "cat in in > out; chmod 600 out"], {"PATH": os.environ["PATH"]}, self.folder.name)
        messages += [*request.get(self.path("out")), *request.get(self.path("absent")), *request.get(self.path("in"))]
        result = self.execute(messages, gets=3)
        self.assertEqual(result.files, [(0, 0o600, data + data), (2, 0, b""), (0, 0o751, data)])

    def test_a_put_that_fails_is_told(self):
        messages = [*request.put("/absent/x", 0o644, b"1"), *request.put(self.folder.name, 0o644, b"1")]
        result = self.execute(messages + [*request.command(["true"], {"PATH": os.environ["PATH"]})])
        self.assertEqual(result.failed_puts, [(2, "/absent/x"), (21, self.folder.name)])

    def test_a_request_from_a_file(self):
        with open(self.path("request"), "wb") as file:
            file.write(request.as_file(request.command(["echo", "hello"], {"PATH": os.environ["PATH"]})))
        self.execute([], arguments=("--request", self.path("request")))
        self.assertEqual(bytes(self.out), b"hello\n")

    def test_a_bad_request_file_is_refused(self):
        for content in (b"\xff\xff", b"\5\0abc", b"\1"):
            with open(self.path("request"), "wb") as file:
                file.write(content)
            guest_fd, host_fd = self.line()
            child = self.start(guest_fd, "--request", self.path("request"))
            os.close(guest_fd)
            self.assertEqual(child.wait(), 1, content)
            os.close(host_fd)

    def test_bad_lines_change_nothing(self):
        data = random.Random(2).randbytes(30000)
        for seed in range(8):
            with self.subTest(seed=seed, rerun=f"{__file__} Agent.test_bad_lines_change_nothing"):
                self.out.clear()
                self.err.clear()
                messages = [*request.put(self.path("in"), 0o644, data)]
                messages += request.command(["sh", "-c", "cat in; seq 1 3000 >&2; exit 3"], {"PATH": os.environ["PATH"]}, self.folder.name)
                messages += request.get(self.path("in"))
                result = self.execute(messages, 1, seed, 0.0001 if seed % 2 else 0.00002)
                self.assertEqual((bytes(self.out), result.status()), (data, 3))
                self.assertEqual(self.err, "".join(f"{i}\n" for i in range(1, 3001)).encode())
                self.assertEqual(result.files, [(0, 0o644, data)])

    def test_the_agent_survives_garbage(self):
        chaos = random.Random(3)
        guest_fd, host_fd = self.line()
        child = self.start(guest_fd)
        os.close(guest_fd)
        for _ in range(300):
            kind, payload = bytes([chaos.choice(b"DPAdwa\0\xff")]), chaos.randbytes(chaos.randrange(1100))
            wire = frames.encode(frames.Frame(kind, chaos.randrange(3), chaos.choice((0, 1, 2**31, 2**32 - 1)), payload))
            os.write(host_fd, chaos.choice((wire, chaos.randbytes(200), wire[: len(wire) // 2])))
        talk = self.session(host_fd)
        talk.link.silence()
        os.write(host_fd, talk.link.output())
        self.assertTrue(select.select([host_fd], [], [], 30)[0])
        self.assertIsNone(child.poll())
        os.close(host_fd)
        self.assertEqual(child.wait(), 1)

    def test_over_a_terminal_in_cooked_mode_with_noise_before(self):
        host_fd, guest_fd = pty.openpty()
        os.write(guest_fd, b"booting 1 2 3\n")
        os.write(host_fd, b"typed too early")
        child = self.start(guest_fd, os.ttyname(guest_fd))
        talk = self.session(host_fd)
        talk.run([*request.command(["printf", "\\003\\021\\377\\r\\n%s", "x" * 5000], {"PATH": os.environ["PATH"]})])
        self.assertEqual(bytes(self.out), b"\x03\x11\xff\r\n" + b"x" * 5000)
        self.assertIn(b"booting 1 2 3", talk.link.decoder.pending_noise())
        talk.goodbye()
        self.assertEqual(child.wait(), 0)
        os.close(guest_fd)
        os.close(host_fd)


class Refusals(unittest.TestCase):
    def test_a_guest_that_breaks_the_protocol_is_refused(self):
        for messages in ([b"o"], [b"H\2\0\0\0"], [b"H\1\0\0\0", b"?"], [b"H\1\0\0\0", b"X\0"],
                         [b"H\1\0\0\0", b"X\0\0\0\0\0", b"X\0\0\0\0\0"], [b"H\1\0\0\0", b"z"]):
            result = request.Result(lambda b: None, lambda b: None)
            with self.assertRaises(request.ProtocolError, msg=str(messages)):
                for message in messages:
                    result.take(message)

    def test_a_guest_that_goes_away_or_stays_silent_is_told(self):
        read_fd, write_fd = os.pipe()
        os.write(write_fd, b"panic: no memory")
        talk = session.Session(read_fd, os.open("/dev/null", os.O_WRONLY), None, None)
        os.close(write_fd)
        with self.assertRaises(session.SessionError) as caught:
            talk.run([])
        self.assertEqual(caught.exception.noise, b"panic: no memory")
        read_fd, write_fd = os.pipe()
        talk = session.Session(read_fd, os.open("/dev/null", os.O_WRONLY), None, None)
        talk.deadline = 0
        with self.assertRaisesRegex(session.SessionError, "timed out"):
            talk.run([])
        talk = session.Session(read_fd, os.open("/dev/null", os.O_WRONLY), None, None)
        talk.first_silence_s, talk.patience_s = 0.05, 0.2
        with self.assertRaisesRegex(session.SessionError, "no agent answered"):
            talk.run([])


if __name__ == "__main__":
    unittest.main()
