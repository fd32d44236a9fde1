"""An independent reader of latticefs images, written from docs/latticefs-format.md alone. It shares no code with the core: where
the two disagree, the specification or one of them is wrong. Reads only; knows single and mirrored pools, LZ4 not zstd."""

import struct

BLOCK = 4096
MASK = (1 << 64) - 1


def xxh64(data, seed=0):
    p1, p2, p3, p4, p5 = (11400714785074694791, 14029467366897019727, 1609587929392839161,
                          9650029242287828579, 2870177450012600261)

    def rotl(x, r):
        return ((x << r) | (x >> (64 - r))) & MASK

    def rnd(acc, lane):
        return rotl((acc + lane * p2) & MASK, 31) * p1 & MASK

    n, at = len(data), 0
    if n >= 32:
        a, b, c, d = (seed + p1 + p2) & MASK, (seed + p2) & MASK, seed, (seed - p1) & MASK
        lanes = struct.unpack_from(f"<{n // 32 * 4}Q", data)
        for i in range(0, len(lanes), 4):
            a, b = rnd(a, lanes[i]), rnd(b, lanes[i + 1])
            c, d = rnd(c, lanes[i + 2]), rnd(d, lanes[i + 3])
        at = n // 32 * 32
        h = (rotl(a, 1) + rotl(b, 7) + rotl(c, 12) + rotl(d, 18)) & MASK
        for v in (a, b, c, d):
            h = ((h ^ rnd(0, v)) * p1 + p4) & MASK
    else:
        h = (seed + p5) & MASK
    h = (h + n) & MASK
    while at + 8 <= n:
        h = (rotl(h ^ rnd(0, struct.unpack_from("<Q", data, at)[0]), 27) * p1 + p4) & MASK
        at += 8
    if at + 4 <= n:
        h = (rotl(h ^ struct.unpack_from("<I", data, at)[0] * p1 & MASK, 23) * p2 + p3) & MASK
        at += 4
    while at < n:
        h = rotl(h ^ data[at] * p5 & MASK, 11) * p1 & MASK
        at += 1
    h = (h ^ h >> 33) * p2 & MASK
    h = (h ^ h >> 29) * p3 & MASK
    return h ^ h >> 32


def lz4(data, size):
    out, at = bytearray(), 0
    while at < len(data):
        token = data[at]
        at += 1
        length = token >> 4
        if length == 15:
            while True:
                length += data[at]
                at += 1
                if data[at - 1] != 255:
                    break
        out += data[at:at + length]
        at += length
        if at >= len(data):
            break
        offset = data[at] | data[at + 1] << 8
        at += 2
        length = (token & 15) + 4
        if token & 15 == 15:
            while True:
                length += data[at]
                at += 1
                if data[at - 1] != 255:
                    break
        for _ in range(length):
            out.append(out[-offset])
    if len(out) != size:
        raise ValueError("LZ4 record of a wrong size")
    return bytes(out)


class Pointer:
    def __init__(self, raw):
        place0, place1, self.birth, self.type, self.level, self.cipher, _, _, _ = struct.unpack_from("<QQQBBBBIQ", raw)
        self.tag, self.checksum = raw[40:56], struct.unpack_from("<Q", raw, 56)[0]
        self.addresses = [a for a in (place0 & (1 << 48) - 1, place1 & (1 << 48) - 1) if a]
        self.stored, self.logical = place0 >> 48 & 255, place0 >> 56
        self.compression, self.kind = place1 >> 48 & 255, place1 >> 56


class Pool:
    def __init__(self, paths):
        self.disks = [open(p, "rb") for p in paths]
        candidates = []
        for index, disk in enumerate(self.disks):
            blocks = disk.seek(0, 2) // BLOCK
            for slot in range(32):
                for start in (16, blocks - 32):
                    raw = self.raw(index, start + slot)
                    if (struct.unpack_from("<Q", raw)[0] == 0x314543495454414c and
                            struct.unpack_from("<Q", raw, 8)[0] == xxh64(raw[16:])):
                        candidates.append((struct.unpack_from("<Q", raw, 64)[0], index, raw))
        if not candidates:
            self.close()
            raise ValueError("no superblock")
        self.transaction, _, raw = max(candidates, key=lambda c: c[0])
        order = {}
        for _, index, other in candidates:
            order[other[23]] = index
        self.disks = [self.disks[order[i]] for i in sorted(order)]
        self.shift = raw[20]
        (self.segment_count, self.table_pages, self.index_pages) = struct.unpack_from("<III", raw, 84)
        self.root = Pointer(raw[128:192])
        self.places, self.entries = [], []
        self.load_tables(raw)

    def close(self):
        for disk in self.disks:
            disk.close()

    def raw(self, disk, block, count=1):
        self.disks[disk].seek(block * BLOCK)
        return self.disks[disk].read(count * BLOCK)

    def page(self, first, reference):
        checksum, slot = struct.unpack_from("<QB", reference)
        for disk in range(len(self.disks)):
            raw = self.raw(disk, first + slot)
            if xxh64(raw) == checksum:
                return raw
        raise ValueError("table page damaged")

    def load_tables(self, raw):
        tables = []
        for i in range(self.index_pages):
            reference = raw[1280 + 16 * i:1296 + 16 * i]
            body = self.page(48 + 3 * i, reference)[64:] if any(reference) else bytes(252 * 16)
            tables += [body[16 * j:16 * j + 16] for j in range(252)]
        for p in range((self.segment_count + 62) // 63):
            body = self.page(48 + 3 * self.index_pages + 3 * p, tables[p])[64:]
            for i in range(63):
                entry = body[64 * i:64 * i + 64]
                self.entries.append(entry)
                self.places.append([x for x in struct.unpack_from("<4Q", entry, 32)[:entry[3]]])

    def segment_start(self, segment):
        area = 48 + 3 * (self.index_pages + self.table_pages)
        return (area + 255) // 256 * 256 + (segment << self.shift)

    def copies(self, address, count):
        for place in self.places[address >> self.shift]:
            offset = address & (1 << self.shift) - 1
            yield self.raw(place >> 48, self.segment_start(place & (1 << 48) - 1) + offset, count)

    def read(self, pointer):
        for address in pointer.addresses:
            for raw in self.copies(address, pointer.stored):
                if pointer.kind == 1 and xxh64(raw) == pointer.checksum:
                    return raw
                if pointer.kind == 2:
                    import hashlib
                    if hashlib.blake2b(raw, digest_size=16).digest() == pointer.tag:
                        return raw
        raise ValueError("no good copy")

    def items(self, root):
        stack = [root]
        while stack:
            pointer = stack.pop()
            raw = self.read(pointer)
            magic, level, _, count = struct.unpack_from("<IBBH", raw)
            birth, address = struct.unpack_from("<QQ", raw, 16)
            if magic != 0x444e544c or level != pointer.level or birth != pointer.birth or address != pointer.addresses[0]:
                raise ValueError("invalid node")
            if level == 0:
                end = 16384
                for i in range(count):
                    obj, kind, offset, at, length = struct.unpack_from("<QQQHH", raw, 64 + 32 * i)
                    end -= length
                    if at != end:
                        raise ValueError("values are not packed")
                    yield (obj, kind >> 56, kind & (1 << 56) - 1, offset), raw[at:at + length]
            else:
                stack += [Pointer(raw[64 + 88 * i + 24:64 + 88 * i + 88]) for i in reversed(range(count))]

    def datasets(self):
        """name -> (kind, root pointer) of heads and snapshots (as NAME@SNAPSHOT)."""
        records, names = {}, {}
        for (obj, type_, _, _), value in self.items(self.root):
            if type_ == 1:
                records[obj] = Pointer(value[16:80])
            elif type_ in (2, 3):
                names[struct.unpack_from("<Q", value)[0]] = (obj if type_ == 3 else 0, value[8:].decode())
        return {(names[scope][1] + "@" if scope else "") + name: records[number]
                for number, (scope, name) in names.items()}

    def record(self, pointer):
        raw = self.read(pointer)
        if pointer.compression == 0:
            return raw
        size = struct.unpack_from("<I", raw)[0]
        if pointer.compression != 1:
            raise ValueError("compression unknown to this reader")
        return lz4(raw[4:4 + size], pointer.logical * BLOCK)

    def files(self, root):
        """path -> (mode, content) with directories' content None, links' content their target."""
        inodes, entries, inline, extents = {}, {}, {}, {}
        for (obj, type_, _, offset), value in self.items(root):
            if type_ == 16:
                inodes[obj] = struct.unpack_from("<I", value)[0], struct.unpack_from("<Q", value, 16)[0]
            elif type_ == 17:
                child, _, length = struct.unpack_from("<QBB", value)
                entries.setdefault(obj, []).append((value[10:10 + length], child))
            elif type_ == 20:
                inline[obj] = value
            elif type_ == 21:
                extents.setdefault(obj, []).append((offset, Pointer(value)))
        found, stack = {}, [(b"", 1)]
        while stack:
            path, obj = stack.pop()
            mode, size = inodes[obj]
            if mode >> 12 == 4:
                found[path] = mode, None
                stack += [(path + b"/" + name, child) for name, child in entries.get(obj, [])]
                continue
            content = bytearray(inline.get(obj, b"").ljust(size, b"\0"))
            for offset, pointer in extents.get(obj, []):
                data = self.record(pointer)[:max(0, size - offset)]
                content[offset:offset + len(data)] = data
            found[path] = mode, bytes(content)
        return found
