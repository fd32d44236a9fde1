"""Frames of the exec protocol (docs/exec-protocol.md): encoding, and a decoder that finds the valid
ones among noise."""

import struct
import zlib
from typing import NamedTuple

FLAG, ESCAPE, FLIP = 0x7E, 0x7D, 0x20
ESCAPED = (0x7E, 0x7D, 0x11, 0x13)
HEADER = struct.Struct("<cII")
CHECKSUM = struct.Struct("<I")
PAYLOAD_MAXIMUM = 1024
FRAME_MAXIMUM = HEADER.size + PAYLOAD_MAXIMUM + CHECKSUM.size


class Frame(NamedTuple):
    kind: bytes
    number: int
    acknowledged: int
    payload: bytes = b""


def encode(frame):
    body = HEADER.pack(frame.kind, frame.number, frame.acknowledged) + frame.payload
    body += CHECKSUM.pack(zlib.crc32(body))
    out = bytearray([FLAG])
    for byte in body:
        if byte in ESCAPED:
            out += bytes((ESCAPE, byte ^ FLIP))
        else:
            out.append(byte)
    out.append(FLAG)
    return bytes(out)


def _parse(body):
    if not HEADER.size + CHECKSUM.size <= len(body) <= FRAME_MAXIMUM:
        return None
    if CHECKSUM.unpack(body[-4:])[0] != zlib.crc32(body[:-4]):
        return None
    return Frame(*HEADER.unpack_from(body), bytes(body[HEADER.size : -4]))


class Decoder:
    """Takes bytes, gives frames; `noise` keeps the last bytes that were none, for error reports."""

    NOISE_KEPT = 8192

    def __init__(self):
        self._body = bytearray()
        self._escaped = False
        self.noise = bytearray()

    def feed(self, data):
        frames = []
        for byte in data:
            if byte == FLAG:
                frame = _parse(self._body)
                if frame:
                    frames.append(frame)
                else:
                    self._note(self._body)
                self._body.clear()
                self._escaped = False
            elif byte == ESCAPE and not self._escaped:
                self._escaped = True
            else:
                self._body.append(byte ^ FLIP if self._escaped else byte)
                self._escaped = False
                if len(self._body) > 2 * FRAME_MAXIMUM:
                    self._note(self._body)
                    self._body.clear()
        return frames

    def pending_noise(self):
        """All noise so far, with what is not ended by a flag yet."""
        return bytes(self.noise + self._body)

    def _note(self, body):
        self.noise += body
        del self.noise[: -self.NOISE_KEPT]
