"""The host's end of the link: numbered frames out, messages in. It has no clock and does no input
or output: `feed` takes what came, `output` gives what is to be sent, `silence` is called by the
owner when nothing came for a while. The rules are numbered in docs/exec-protocol.md."""

from collections import deque

import frames

WINDOW = 2
MESSAGE_MAXIMUM = 512


class HostLink:
    def __init__(self):
        self.decoder = frames.Decoder()
        self.heard = False  # a valid frame has come (rule 6)
        self._out = bytearray()
        self._accepted = 0  # frames of the guest, in order
        self._first = 0  # number of the oldest frame that is not acknowledged
        self._queue = deque()  # messages from number _first on
        self._sent = 0  # how many of them are in flight
        self._polled_gap = -1  # the gap that was polled for already (rule 3)

    def send(self, message):
        if len(message) > MESSAGE_MAXIMUM:
            raise ValueError(f"message of {len(message)} bytes")
        self._queue.append(message)
        self._fill()

    def unacknowledged(self):
        return len(self._queue)

    def output(self):
        data = bytes(self._out)
        self._out.clear()
        return data

    def feed(self, data):
        """Messages that are complete and in order with these bytes."""
        messages = []
        for frame in self.decoder.feed(data):
            if frame.kind in (b"d", b"w", b"a"):
                self.heard = True
                self._acknowledge(frame.acknowledged)
                if frame.kind != b"a":
                    self._receive(frame, messages)
        if self.heard:
            self._fill()
        return messages

    def silence(self):
        self._sent = 0
        self._fill(force=True)
        self._emit(b"P")

    def _receive(self, frame, messages):
        if frame.number == self._accepted:
            self._accepted += 1
            messages.append(frame.payload)
            if frame.kind == b"w":
                self._emit(b"A")
        elif frame.number < self._accepted:
            self._emit(b"A")
        elif self._polled_gap != self._accepted:
            self._polled_gap = self._accepted
            self._emit(b"P")

    def _acknowledge(self, count):
        done = count - self._first
        if 0 < done <= self._sent:
            for _ in range(done):
                self._queue.popleft()
            self._first += done
            self._sent -= done

    def _fill(self, force=False):
        while (self.heard or force) and self._sent < min(WINDOW, len(self._queue)):
            self._emit(b"D", self._first + self._sent, self._queue[self._sent])
            self._sent += 1

    def _emit(self, kind, number=0, payload=b""):
        self._out += frames.encode(frames.Frame(kind, number, self._accepted, payload))
