"""Drives a HostLink over file descriptors: the only part of exec that knows of time."""

import os
import select
import time

import link
import request


TIMED_OUT, NO_AGENT = "timed out", "no agent answered"


class SessionError(Exception):
    """The other side went away, or the time is up; `noise` is what it said outside frames."""

    def __init__(self, text, noise=b""):
        super().__init__(text)
        self.noise = noise


class Session:
    """One exec over the pair (read_fd, write_fd). `silence_s` is how long nothing may be heard before
    the guest is polled (it doubles up to `silence_maximum_s`), `first_silence_s` the same before the
    guest was ever heard; who was not heard for `patience_s` has no agent; `deadline` is in
    time.monotonic()'s time, or None."""

    def __init__(self, read_fd, write_fd, on_output, on_error):
        self.link = link.HostLink()
        self.result = request.Result(on_output, on_error)
        self.silence_s, self.silence_maximum_s, self.first_silence_s = 0.5, 8.0, 30.0
        self.patience_s = 180.0
        self.deadline = None
        self.watch = lambda: None  # called now and then; raises SessionError if the guest died
        self._read_fd, self._write_fd = read_fd, write_fd
        self._pending = b""
        os.set_blocking(read_fd, False)
        os.set_blocking(write_fd, False)

    def run(self, messages, gets=0):
        """Sends these messages and takes answers until the command has ended and `gets` files came."""
        for message in messages:
            self.link.send(message)
        self._until(lambda: self.result.ended is not None and len(self.result.files) == gets)

    def goodbye(self):
        """Lets the agent leave; that it heard this may never become known."""
        self.link.send(b"Q")
        self._until(lambda: self.link.unacknowledged() == 0)

    def _until(self, done):
        quiet = self.silence_s
        begun = time.monotonic()
        while not done():
            if not self.link.heard and time.monotonic() - begun >= self.patience_s:
                raise SessionError(NO_AGENT, self.link.decoder.pending_noise())
            wait = quiet if self.link.heard else min(self.first_silence_s, self.patience_s)
            data = self._exchange(wait)
            if data is None:
                self.link.silence()
                quiet = min(2 * quiet, self.silence_maximum_s)
                continue
            for message in self.link.feed(data):
                quiet = self.silence_s
                self.result.take(message)

    def _exchange(self, wait):
        """Writes what is due, and returns what came, or None if nothing came for `wait` seconds."""
        limit = time.monotonic() + wait
        while True:
            self._pending += self.link.output()
            now = time.monotonic()
            if self.deadline is not None and now >= self.deadline:
                raise SessionError(TIMED_OUT, self.link.decoder.pending_noise())
            self.watch()
            if now >= limit:
                return None
            until = min(limit, self.deadline or limit, now + 1.0) - now
            writers = [self._write_fd] if self._pending else []
            readable, writable, _ = select.select([self._read_fd], writers, [], until)
            if writable:
                self._pending = self._pending[os.write(self._write_fd, self._pending) :]
            if readable:
                data = self._read()
                if data:
                    return data

    def _read(self):
        try:
            data = os.read(self._read_fd, 65536)
        except BlockingIOError:
            return b""
        except OSError:  # a pty whose other side is closed
            data = b""
        if not data:
            raise SessionError("the guest is gone", self.link.decoder.pending_noise())
        return data
