"""The boot image: one file that holds every program, manifest and archive that a start needs.

Format (little-endian; the kernel's view of it is abi/boot.h):
  header   magic "ISOBOOT1", u32 entry_count, u32 0, u64 total_size, u64 0
  entries  char name[64] NUL-terminated, u64 offset, u64 size, u32 kind, u32 flags, u64 0
  contents each at a multiple of 4096, zero padded; total_size is a multiple of 4096
Invariants: (1) the same inputs give the same bytes; (2) exactly one entry is the supervisor and it
is a program, unless the image has no programs; (3) no two entries of a kind share a name.
"""

import struct
from dataclasses import dataclass

MAGIC = b"ISOBOOT1"
HEADER = struct.Struct("<8sIIQQ")
ENTRY = struct.Struct("<64sQQIIQ")
PAGE = 4096

PROGRAM, MANIFEST, ROOT, RUNTIME, OTHER = 1, 2, 3, 4, 5
KIND_NAMES = {PROGRAM: "program", MANIFEST: "manifest", ROOT: "root", RUNTIME: "runtime", OTHER: "other"}
FLAG_SUPERVISOR = 1


class ImageError(Exception):
    """An image that would not be valid, or bytes that are none."""


@dataclass(frozen=True)
class Entry:
    name: str
    kind: int
    data: bytes
    flags: int = 0


def _round_up(value):
    return (value + PAGE - 1) // PAGE * PAGE


def _check(entries):
    seen = set()
    for entry in entries:
        name = entry.name.encode()
        if not name or len(name) > 63 or b"\0" in name:
            raise ImageError(f"name of {len(name)} bytes, must be 1 to 63 without NUL: {entry.name!r}")
        if entry.kind not in KIND_NAMES:
            raise ImageError(f"{entry.name}: unknown kind {entry.kind}")
        if entry.flags & ~FLAG_SUPERVISOR:
            raise ImageError(f"{entry.name}: unknown flags {entry.flags:#x}")
        if entry.flags & FLAG_SUPERVISOR and entry.kind != PROGRAM:
            raise ImageError(f"{entry.name}: the supervisor must be a program")
        if (entry.kind, name) in seen:
            raise ImageError(f"two entries of kind {KIND_NAMES[entry.kind]} are named {entry.name}")
        seen.add((entry.kind, name))
    supervisors = [e.name for e in entries if e.flags & FLAG_SUPERVISOR]
    if len(supervisors) > 1:
        raise ImageError(f"more than one supervisor: {', '.join(supervisors)}")
    if not supervisors and any(e.kind == PROGRAM for e in entries):
        raise ImageError("no program is marked as the supervisor")


def build(entries):
    """The bytes of an image of these entries, in their order."""
    _check(entries)
    offset = _round_up(HEADER.size + ENTRY.size * len(entries))
    table, contents = [], []
    for entry in entries:
        table.append(ENTRY.pack(entry.name.encode(), offset, len(entry.data), entry.kind, entry.flags, 0))
        padded = _round_up(len(entry.data))
        contents.append(entry.data.ljust(padded, b"\0"))
        offset += padded
    head = HEADER.pack(MAGIC, len(entries), 0, offset, 0) + b"".join(table)
    return head.ljust(_round_up(len(head)), b"\0") + b"".join(contents)


def parse(image):
    """The entries of an image; ImageError says what is wrong with it."""
    if len(image) < HEADER.size:
        raise ImageError("shorter than a header")
    magic, count, reserved, total, reserved2 = HEADER.unpack_from(image)
    if magic != MAGIC or reserved or reserved2:
        raise ImageError("no boot image header")
    if total != len(image) or total % PAGE:
        raise ImageError(f"total size {total}, but the file has {len(image)} bytes")
    first = HEADER.size + ENTRY.size * count
    if first > total:
        raise ImageError(f"{count} entries do not fit")
    entries = []
    for index in range(count):
        raw, offset, size, kind, flags, reserved = ENTRY.unpack_from(image, HEADER.size + ENTRY.size * index)
        name, _, rest = raw.partition(b"\0")
        if rest.strip(b"\0") or len(name) == 64 or reserved:
            raise ImageError(f"entry {index}: bad name or reserved field")
        if offset % PAGE or offset < first or offset > total or size > total - offset:
            raise ImageError(f"entry {index} lies outside the image")
        entries.append(Entry(name.decode(errors="replace"), kind, image[offset : offset + size], flags))
    _check(entries)
    return entries
