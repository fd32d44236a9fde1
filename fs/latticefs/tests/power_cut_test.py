"""Power cuts through the mount: the process that serves it is killed at a random write or flush, over a disk that loses
what was not flushed (dropping_disk.c). Nothing that was synced is lost, and no renamed file is empty or half there.

    power_cut_test.py [--first SEED] [--count N]      (200 cuts from seed 1)

Four writers at a time, each with a folder of its own and the strictest expectation that the log's contract allows:
  append    lines of a file, each synced: all that were acknowledged are there, then perhaps more, no half line in front
  replace   a new file renamed over the old one, closed or still open, synced or not: old or new, always whole
  stamp     blocks overwritten in place: each shows what was last synced, or something written since
  names     files made and removed in order: the folder is what it was after one of the calls since the last sync
"""
# needs: build/host/latticefs/mount-dropping build/host/bin/mkfs.latticefs build/host/bin/latticefs

import argparse
import os
import random
import sys
import tempfile
import threading

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import mounted  # noqa: E402

CUTS_PER_POOL = 20
BLOCK = 4096
STAMP_BLOCKS = 48


def sync_folder(path):
    folder = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def write_all(path, data, flags=0):
    """Writes a new file; the open descriptor."""
    file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | flags, 0o644)
    view = memoryview(data)
    while view:
        view = view[os.write(file, view):]
    return file


class Append:
    name = "append"

    def __init__(self):
        self.lines, self.acknowledged = [], 0

    def step(self, folder, dice):
        path = os.path.join(folder, "log")
        line = (f"{len(self.lines)}:" + "x" * dice.randrange(3000) + "\n").encode()
        first = not self.lines
        self.lines.append(line)
        file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        try:
            os.write(file, line)
            os.fsync(file)
        finally:
            os.close(file)
        if first:
            sync_folder(folder)
        self.acknowledged = len(self.lines)

    def verify(self, folder):
        path = os.path.join(folder, "log")
        content = open(path, "rb").read() if os.path.exists(path) else b""
        whole, synced = b"".join(self.lines), b"".join(self.lines[:self.acknowledged])
        if not content.startswith(synced):
            return f"{len(synced)} bytes were synced, {len(content)} are there"
        if content != whole[:len(content)]:
            at = next(i for i, pair in enumerate(zip(content, whole + b"\0" * len(content))) if pair[0] != pair[1])
            return (f"bytes that were never written: {len(synced)} synced, {len(whole)} written, {len(content)} there, wrong from "
                    f"{at}: {content[at:at + 16]!r}")
        # A line that was not acknowledged may be cut; go on from whole lines.
        kept, lines = 0, []
        for line in self.lines:
            if kept + len(line) > len(content):
                break
            kept += len(line)
            lines.append(line)
        self.lines, self.acknowledged = lines, len(lines)
        if os.path.exists(path):
            os.truncate(path, kept)
        return None


class Replace:
    name = "replace"

    def __init__(self):
        self.content, self.acknowledged, self.next = {}, 0, 1

    def step(self, folder, dice):
        number = self.next
        self.next += 1
        size = dice.choice((1, 500, 2048, 5000, 70000, 200000))
        self.content[number] = (f"version {number} " * (size // 8 + 1)).encode()[:size] + f" {number}".encode()
        new, path = os.path.join(folder, "conf.new"), os.path.join(folder, "conf")
        file = write_all(new, self.content[number])
        try:
            if dice.random() < 0.3:
                os.fsync(file)
            if dice.random() < 0.5:  # renamed while it is open: the kernel still has its pages
                os.rename(new, path)
                new = None
        finally:
            os.close(file)
        if new is not None:
            os.rename(new, path)
        if dice.random() < 0.4:
            sync_folder(folder)
            self.acknowledged = number

    def verify(self, folder):
        path = os.path.join(folder, "conf")
        found = open(path, "rb").read() if os.path.exists(path) else None
        versions = [n for n, c in self.content.items() if c == found]
        if found is None and self.acknowledged:
            return f"version {self.acknowledged} was synced, there is no file"
        if found is not None and not versions:
            return f"{len(found)} bytes that are no version (beginning {found[:20]!r})"
        if versions and versions[0] < self.acknowledged:
            return f"version {self.acknowledged} was synced, {versions[0]} is there"
        kept = versions[0] if versions else 0
        self.content = {n: c for n, c in self.content.items() if n == kept}
        self.acknowledged = kept
        return None


class Stamp:
    name = "stamp"

    def __init__(self):
        self.possible = [{0} for _ in range(STAMP_BLOCKS)]  # what each block may show
        self.now, self.next = [0] * STAMP_BLOCKS, 1
        self.made = False

    def step(self, folder, dice):
        path = os.path.join(folder, "stamps")
        file = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
        try:
            if not self.made:
                os.ftruncate(file, BLOCK * STAMP_BLOCKS)
                os.fsync(file)
                sync_folder(folder)
                self.made = True
            for _ in range(dice.randrange(1, 6)):
                block, number = dice.randrange(STAMP_BLOCKS), self.next
                self.next += 1
                self.possible[block].add(number)
                self.now[block] = number
                os.pwrite(file, number.to_bytes(8, "little") * (BLOCK // 8), block * BLOCK)
            if dice.random() < 0.5:
                os.fsync(file)
                self.possible = [{number} for number in self.now]
        finally:
            os.close(file)

    def verify(self, folder):
        path = os.path.join(folder, "stamps")
        if not os.path.exists(path):
            return "the file is gone" if self.made else None
        with open(path, "rb") as file:
            content = file.read()
        if self.made and len(content) != BLOCK * STAMP_BLOCKS:
            return f"{len(content)} bytes"
        for block in range(len(content) // BLOCK):
            data = content[block * BLOCK:(block + 1) * BLOCK]
            number = int.from_bytes(data[:8], "little")
            if data != data[:8] * (BLOCK // 8) or number not in self.possible[block]:
                return f"block {block} shows {number}, not one of {sorted(self.possible[block])}"
            self.possible[block], self.now[block] = {number}, number
        return None


class Names:
    name = "names"

    def __init__(self):
        self.states, self.acknowledged, self.next = [frozenset()], 0, 1

    def step(self, folder, dice):
        present = self.states[-1]
        if present and dice.random() < 0.4:
            name = dice.choice(sorted(present))
            self.states.append(present - {name})
            os.unlink(os.path.join(folder, name))
        elif present and dice.random() < 0.3:
            old, new = dice.choice(sorted(present)), f"r{self.next}"
            self.next += 1
            self.states.append(present - {old} | {new})
            os.rename(os.path.join(folder, old), os.path.join(folder, new))
        else:
            name = f"f{self.next}"
            self.next += 1
            self.states.append(present | {name})
            os.close(write_all(os.path.join(folder, name), b"content", os.O_EXCL))
        done = len(self.states) - 1
        if dice.random() < 0.2:
            sync_folder(folder)
            self.acknowledged = done

    def verify(self, folder):
        found = frozenset(os.listdir(folder))
        if found not in self.states[self.acknowledged:]:
            return f"{sorted(found)} is no state since the last sync ({sorted(self.states[self.acknowledged])})"
        for name in found:
            if os.path.getsize(os.path.join(folder, name)) not in (0, 7):
                return f"{name} is damaged"
        self.states, self.acknowledged = [found], 0
        return None


def work(writer, folder, seed):
    """Steps until the mount is dead."""
    dice = random.Random(seed)
    try:
        while True:
            writer.step(folder, dice)
    except OSError:
        pass


class Pool:
    """One pool through several cuts."""

    def __init__(self, base):
        self.disk, self.folder = os.path.join(base, "disk"), os.path.join(base, "mount")
        os.makedirs(self.folder, exist_ok=True)
        if os.path.exists(self.disk):
            os.unlink(self.disk)
        mounted.run("mkfs.latticefs", "-s", "128M", self.disk)
        self.writers = [Append(), Replace(), Stamp(), Names()]
        mount = mounted.Mount(self.disk, self.folder)
        for writer in self.writers:
            os.mkdir(os.path.join(self.folder, writer.name))
        mount.end()

    def path(self, writer):
        return os.path.join(self.folder, writer.name)

    def cut(self, seed):
        """Writes until the power goes."""
        at = random.Random(seed).choice((30, 100, 300, 800))
        environment = {"LATTICEFS_DROP_SEED": str(seed), "LATTICEFS_DROP_AT": str(1 + random.Random(~seed).randrange(at))}
        mount = mounted.Mount(self.disk, self.folder, "-o", "commit=1", environment=environment,
                              program=os.path.join(mounted.HELPERS, "mount-dropping"))
        threads = [threading.Thread(target=work, args=(w, self.path(w), seed * 10 + i))
                   for i, w in enumerate(self.writers) if mount.mounted]
        for thread in threads:
            thread.start()
        mount.process.wait()
        mount.detach()
        mounted.wait_unlocked(self.disk)
        for thread in threads:
            thread.join()
        if mount.process.returncode != -9:
            raise AssertionError(f"the mount ended with {mount.process.returncode}")
        return bool(threads)

    def verify(self, check_first):
        """What is wrong, or None."""
        if check_first:
            mounted.run("latticefs", "check", self.disk)
        mount = mounted.Mount(self.disk, self.folder)
        wrong = [f"{w.name}: {why}" for w in self.writers for why in [w.verify(self.path(w))] if why]
        mount.end()
        if not check_first:
            mounted.run("latticefs", "check", self.disk)
        return "; ".join(wrong) or None


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--first", type=int, default=1)
    parser.add_argument("--count", type=int, default=200)
    options = parser.parse_args()
    if not mounted.HAS_FUSE:
        print("no /dev/fuse, or no fusermount3 here")
        return 77
    failures, early = 0, 0
    with tempfile.TemporaryDirectory() as base:
        pool = None
        for seed in range(options.first, options.first + options.count):
            start = seed - seed % CUTS_PER_POOL
            if pool is None or seed % CUTS_PER_POOL == 0:
                pool = Pool(base)
            try:
                early += not pool.cut(seed)
                why = pool.verify(seed % 2 == 0)
            except AssertionError as error:
                why = str(error)
            if why:
                failures += 1
                print(f"cut {seed} failed: {why}\n    alone: fs/latticefs/tests/power_cut_test.py --first {max(start, 1)} "
                      f"--count {seed - max(start, 1) + 1}", flush=True)
                pool = None
    print(f"{early} cuts during recovery")
    print(f"{options.count - failures} passed, {failures} failed")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
