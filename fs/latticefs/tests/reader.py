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


def library(name):
    import ctypes
    return ctypes.CDLL(name)


def zstd(data, size):
    import ctypes
    out = ctypes.create_string_buffer(size)
    if library("libzstd.so.1").ZSTD_decompress(out, ctypes.c_size_t(size), data, ctypes.c_size_t(len(data))) != size:
        raise ValueError("zstd")
    return out.raw


def open_sealed(cipher, key, nonce, message, tag, associated):
    """XChaCha20-Poly1305 by libsodium."""
    import ctypes
    if cipher != 1:
        raise ValueError("cipher unknown to this reader")
    out = ctypes.create_string_buffer(max(1, len(message)))
    failed = library("libsodium.so.23").crypto_aead_xchacha20poly1305_ietf_decrypt_detached(
        out, None, message, ctypes.c_ulonglong(len(message)), tag, associated, ctypes.c_ulonglong(len(associated)), nonce, key)
    if failed:
        raise ValueError("the tag does not match")
    return out.raw[:len(message)]


class Keys:
    """Section 8: what a dataset record's key slot and a key file give."""

    def __init__(self, record, secret):
        import hashlib
        self.cipher = record[5]
        operations, memory = struct.unpack_from("<QQ", record, 232)
        if operations != 0:
            raise ValueError("this reader takes key files, no passphrases")
        wrapped, wrap_nonce, self.fixed = record[264:312], record[312:336], record[336:348]
        associated = self.fixed + struct.pack("<IQQ", self.cipher, operations, memory)
        master = open_sealed(1, secret, wrap_nonce, wrapped[:32], wrapped[32:], associated)
        self.content = hashlib.blake2b(b"latticefs content", key=master, digest_size=32).digest()

    def open(self, pointer, message, associated):
        return open_sealed(self.cipher, self.content, self.fixed + pointer.nonce, message, pointer.tag, associated)


class Pointer:
    def __init__(self, raw):
        self.nonce = raw[32:40] + raw[28:32]
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
                    found = hashlib.blake2b(raw, digest_size=16).digest()
                    if found == pointer.tag if not pointer.cipher else found[:8] == struct.pack("<Q", pointer.checksum):
                        return raw
        raise ValueError("no good copy")

    def unsealed(self, raw, pointer, keys):
        """A node with its values in the clear; inner nodes are only verified."""
        if not pointer.cipher:
            return raw
        places = []
        level, count = raw[4], struct.unpack_from("<H", raw, 6)[0]
        for i in range(count if level == 0 else 0):
            _, kind, _, at, length = struct.unpack_from("<QQQHH", raw, 64 + 32 * i)
            if kind >> 56 != 21:
                places.append((at, length))
        clear = bytearray(raw)
        for at, length in places:
            clear[at:at + length] = bytes(length)
        message = keys.open(pointer, b"".join(raw[at:at + length] for at, length in places), bytes(clear))
        for at, length in places:
            clear[at:at + length] = message[:length]
            message = message[length:]
        return bytes(clear)

    def items(self, root, keys=None):
        stack = [root]
        while stack:
            pointer = stack.pop()
            raw = self.unsealed(self.read(pointer), pointer, keys)
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

    def dataset_records(self):
        """number -> the whole dataset record."""
        return {obj: value for (obj, type_, _, _), value in self.items(self.root) if type_ == 1}

    def record(self, pointer, keys=None, obj=0, offset=0):
        raw = self.read(pointer)
        if pointer.cipher:
            raw = keys.open(pointer, raw, struct.pack("<QQBBBB4x", obj, offset, pointer.stored, pointer.logical,
                                                      pointer.compression, 2))
        if pointer.compression == 0:
            return raw
        size = struct.unpack_from("<I", raw)[0]
        if pointer.compression == 2:
            return zstd(raw[4:4 + size], pointer.logical * BLOCK)
        if pointer.compression != 1:
            raise ValueError("compression unknown to this reader")
        return lz4(raw[4:4 + size], pointer.logical * BLOCK)

    def files(self, root, keys=None):
        return tree_files(self.items(root, keys), lambda pointer, obj, offset: self.record(pointer, keys, obj, offset))


def attribute_values(items):
    """object -> {name: value} of extended attributes (section 6)."""
    chunks, found = {}, {}
    for (obj, type_, sub, offset), value in items:
        if type_ == 19:
            chunks.setdefault((obj, offset), {})[sub] = value
        elif type_ == 18:
            length, name_length, flags = struct.unpack_from("<IBB", value)
            name, rest = value[6:6 + name_length], value[6 + name_length:]
            found.setdefault(obj, {})[name] = (length, rest, flags & 1, offset)
    return {obj: {name: (b"".join(v for _, v in sorted(chunks[obj, cookie].items())) if chunked else rest)[:length]
                  for name, (length, rest, chunked, cookie) in names.items()} for obj, names in found.items()}


def tree_files(items, record):
    """path -> (mode, content) with directories' content None, links' content their target."""
    inodes, entries, inline, extents = {}, {}, {}, {}
    for (obj, type_, _, offset), value in items:
        if type_ == 16:
            inodes[obj] = struct.unpack_from("<I", value)[0], struct.unpack_from("<Q", value, 16)[0]
        elif type_ == 17:
            child, _, length = struct.unpack_from("<QBB", value)
            entries.setdefault(obj, []).append((value[10:10 + length], child))
        elif type_ == 20:
            inline[obj] = value
        elif type_ == 21:
            extents.setdefault(obj, []).append((offset, value if isinstance(value, Granule) else Pointer(value)))
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
            data = record(pointer, obj, offset)[:max(0, size - offset)]
            content[offset:offset + len(data)] = data
        found[path] = mode, bytes(content)
    return found


# ---- section 9 ----

class Granule(bytes):
    """Content of a granule, as a stream has it."""


def frames(data):
    """(kind, payload) of a stream; ends with ValueError where it is damaged or cut."""
    at, before, number = 0, 0, 0
    while True:
        head = data[at:at + 32]
        if len(head) < 32:
            raise ValueError("the stream is cut")
        magic, kind, size, count, checksum = struct.unpack("<IB3xI4xQQ", head)
        payload = data[at + 32:at + 32 + size]
        if magic != 0x5453544c or count != number or xxh64(head[:24] + struct.pack("<Q", before) + payload) != checksum:
            raise ValueError("damaged frame")
        yield kind, payload
        if kind == 6:
            if struct.unpack_from("<Q", payload)[0] != number or at + 32 + size != len(data):
                raise ValueError("frames are missing")
            return
        at, before, number = at + 32 + size, checksum, number + 1


def apply_stream(data, items=None):
    """A dataset's items ({key: value}, extents as Granules), and the stream's name, after a stream."""
    items, name = dict(items or {}), None
    for kind, payload in frames(data):
        if kind == 1:
            length = struct.unpack_from("<H", payload, 86)[0]
            name = payload[88:88 + length].decode()
        elif kind in (2, 3):
            obj, packed, offset = struct.unpack_from("<QQQ", payload)
            key = obj, packed >> 56, packed & (1 << 56) - 1, offset
            if kind == 2:
                items[key] = payload[24:]
            else:
                items.pop(key, None)
        elif kind == 4:
            obj = struct.unpack("<Q", payload)[0]
            items = {key: value for key, value in items.items() if key[0] != obj}
        elif kind == 5:
            obj, offset, size = struct.unpack_from("<QQI", payload)
            content = Granule(payload[24:].ljust(size, b"\0"))
            items = {key: value for key, value in items.items()
                     if not (key[0] == obj and key[1] == 21 and offset <= key[3] < offset + size)}
            items[obj, 21, 0, offset] = content
    return items, name


def stream_files(items):
    return tree_files(items.items(), lambda granule, obj, offset: granule)
