"""The specification is true: an image written by the tools is read back by a reader that knows only the specification."""
# needs: build/host/bin/mkfs.latticefs build/host/bin/latticefs build/host/bin/mount.fuse.latticefs

import os
import random
import subprocess
import sys
import tempfile
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import mounted  # noqa: E402
import reader  # noqa: E402

ROOT = os.path.normpath(os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../.."))
BIN = os.path.join(ROOT, "build/host/bin")


def tool(*arguments):
    subprocess.run([os.path.join(BIN, arguments[0]), *arguments[1:]], check=True, stdout=subprocess.DEVNULL)


def make_tree(folder):
    dice = random.Random(1)
    os.makedirs(os.path.join(folder, "a/b/c"))
    for i in range(300):  # more than one leaf
        with open(os.path.join(folder, "a", f"file-{i}"), "wb") as file:
            file.write(dice.randbytes(dice.choice((0, 10, 2048, 2049, 5000))))
    with open(os.path.join(folder, "a/b/large"), "wb") as file:
        file.write(dice.randbytes(70000) + b"text " * 40000)
    with open(os.path.join(folder, "a/b/sparse"), "wb") as file:
        file.seek(1 << 20)
        file.write(b"end")
    os.symlink("../b/large", os.path.join(folder, "a/b/c/link"))


def expected(folder):
    found = {b"": None}
    for base, folders, files in os.walk(folder):
        for name in folders + files:
            path = os.path.join(base, name)
            key = os.fsencode(path[len(folder):])
            if os.path.islink(path):
                found[key] = os.fsencode(os.readlink(path))
            elif os.path.isdir(path):
                found[key] = None
            else:
                with open(path, "rb") as file:
                    found[key] = file.read()
    return found


class ReaderTest(unittest.TestCase):
    def check(self, options, disks):
        with tempfile.TemporaryDirectory() as folder:
            source = os.path.join(folder, "source")
            os.mkdir(source)
            make_tree(source)
            paths = [os.path.join(folder, f"disk{i}") for i in range(disks)]
            pool = ",".join(paths)
            tool("mkfs.latticefs", "-s", "64M", *options, *paths)
            tool("latticefs", "import", pool, "root", source)
            tool("latticefs", "snapshot", pool, "root@one")
            image = reader.Pool(paths)
            datasets = image.datasets()
            self.assertEqual(set(datasets), {"root", "root@one"})
            for name in datasets:
                content = {path: data for path, (_, data) in image.files(datasets[name]).items()}
                self.assertEqual(content, expected(source))
            image.close()
            # A flipped bit must be noticed by the reader as by the tools.
            with open(paths[0], "r+b") as disk:
                for block in range(16, 48):
                    disk.seek(block * 4096 + 100)
                    disk.write(b"\xff")
                disk.seek(-32 * 4096, 2)
                disk.write(b"\xff" * 4096 * 32)
            if disks == 1:
                with self.assertRaises(ValueError):
                    reader.Pool(paths)

    def test_encrypted(self):
        with tempfile.TemporaryDirectory() as folder:
            source, disk, key = (os.path.join(folder, name) for name in ("source", "disk", "key"))
            os.mkdir(source)
            make_tree(source)
            with open(key, "wb") as file:
                file.write(bytes(range(32)))
            for checksum in ("xxh64", "blake2b"):
                tool("mkfs.latticefs", "-s", "64M", "-k", checksum, "--encrypt", "xchacha20", "--key", key, disk)
                tool("latticefs", "import", disk, "root", source, "--key", key)
                image = reader.Pool([disk])
                keys = reader.Keys(image.dataset_records()[1], bytes(range(32)))
                content = {path: data for path, (_, data) in image.files(image.datasets()["root"], keys).items()}
                self.assertEqual(content, expected(source))
                with self.assertRaises(ValueError):
                    reader.Keys(image.dataset_records()[1], bytes(32))
                image.close()

    def test_streams(self):
        with tempfile.TemporaryDirectory() as folder:
            source, disk = os.path.join(folder, "source"), os.path.join(folder, "disk")
            os.mkdir(source)
            make_tree(source)
            tool("mkfs.latticefs", "-s", "64M", disk)
            tool("latticefs", "import", disk, "root", source)
            tool("latticefs", "snapshot", disk, "root@one")
            more = os.path.join(folder, "more")
            os.mkdir(more)
            with open(os.path.join(more, "new"), "wb") as file:
                file.write(b"new" * 50000)
            tool("latticefs", "import", disk, "root", more)
            tool("latticefs", "snapshot", disk, "root@two")
            streams = [subprocess.run([os.path.join(BIN, "latticefs"), "send", disk, *line], check=True, stdout=subprocess.PIPE).stdout
                       for line in (["root@one"], ["root@two", "--from", "root@one"])]
            items, name = reader.apply_stream(streams[0])
            self.assertEqual(name, "one")
            self.assertEqual({path: data for path, (_, data) in reader.stream_files(items).items()}, expected(source))
            items, name = reader.apply_stream(streams[1], items)
            self.assertEqual(name, "two")
            self.assertEqual({path: data for path, (_, data) in reader.stream_files(items).items()},
                             {**expected(source), b"/new": b"new" * 50000})
            for damaged in (streams[0][:-100], streams[0][:5000] + b"x" + streams[0][5001:]):
                with self.assertRaises(ValueError):
                    reader.apply_stream(damaged)

    @unittest.skipUnless(mounted.HAS_FUSE, "needs FUSE")
    def test_attributes(self):
        with tempfile.TemporaryDirectory() as folder:
            disk, where = os.path.join(folder, "disk"), os.path.join(folder, "mount")
            os.mkdir(where)
            tool("mkfs.latticefs", "-s", "64M", disk)
            mount = mounted.Mount(disk, where)
            open(os.path.join(where, "file"), "wb").close()
            values = {b"user.small": b"value", b"user.large": bytes(range(256)) * 200}
            for name, value in values.items():
                os.setxattr(os.path.join(where, "file"), name, value)
            number = os.stat(os.path.join(where, "file")).st_ino
            self.assertEqual(mount.end(), 0)
            image = reader.Pool([disk])
            self.assertEqual(reader.attribute_values(image.items(image.datasets()["root"])), {number: values})
            image.close()

    def test_zstd(self):
        self.check(["-c", "zstd"], 1)

    def test_plain(self):
        self.check(["-c", "none"], 1)

    def test_lz4_small_records(self):
        self.check(["-c", "lz4", "-r", "8K"], 1)

    def test_blake2b(self):
        self.check(["-c", "lz4", "-k", "blake2b"], 1)

    def test_mirror(self):
        self.check(["-c", "lz4", "-m", "2"], 2)


if __name__ == "__main__":
    unittest.main()
