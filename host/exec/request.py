"""What a command asks of the agent, as messages; and what the agent's messages mean, as a result."""

import struct

VERSION = 1
CHUNK = 480


def _pieces(first, more, data):
    yield first + data[:CHUNK]
    for start in range(CHUNK, len(data), CHUNK):
        yield more + data[start : start + CHUNK]


def put(path, mode, data):
    yield b"P" + struct.pack("<I", mode) + path.encode()
    for start in range(0, len(data), CHUNK):
        yield b"p" + data[start : start + CHUNK]
    yield b"q"


def command(arguments, environment, directory="/"):
    for argument in arguments:
        yield from _pieces(b"A", b"a", argument.encode("utf-8", "surrogateescape"))
    for name, value in sorted(environment.items()):
        yield from _pieces(b"E", b"e", f"{name}={value}".encode("utf-8", "surrogateescape"))
    yield b"W" + directory.encode()
    yield b"R"


def get(path):
    yield b"G" + path.encode()


def as_file(messages):
    """The bytes of a --request file."""
    return b"".join(struct.pack("<H", len(m)) + m for m in messages)


class ProtocolError(Exception):
    """The agent said what it never may."""


class Result:
    """Collects the agent's messages. Output is handed to the two functions as it comes."""

    def __init__(self, on_output, on_error):
        self._streams = {b"o": on_output, b"e": on_error}
        self.greeted = False
        self.ended = None  # (how, value)
        self.files = []  # (errno, mode, data) in the order asked for
        self.failed_puts = []  # (errno, path)
        self._file = bytearray()

    def take(self, message):
        kind, body = message[:1], message[1:]
        if not self.greeted:
            if message != b"H" + struct.pack("<I", VERSION):
                raise ProtocolError(f"greeting {message[:16]!r}")
            self.greeted = True
        elif kind in self._streams:
            self._streams[kind](body)
        elif kind == b"X" and len(body) == 5 and self.ended is None:
            self.ended = struct.unpack("<BI", body)
        elif kind == b"g":
            self._file += body
        elif kind == b"z" and len(body) == 8:
            self.files.append((*struct.unpack("<II", body), bytes(self._file)))
            self._file.clear()
        elif kind == b"F" and len(body) >= 4:
            self.failed_puts.append((struct.unpack("<I", body[:4])[0], body[4:].decode(errors="replace")))
        else:
            raise ProtocolError(f"message {message[:16]!r}")

    def status(self):
        """The exit status as a shell would give it."""
        how, value = self.ended
        if how == 0:
            return value & 0xFF
        if how == 1:
            return 128 + value
        return 127 if value == 2 else 126
