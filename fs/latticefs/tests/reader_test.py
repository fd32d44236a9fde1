"""The specification is true: an image written by the tools is read back by a reader that knows only the specification."""
# needs: build/host/bin/mkfs.latticefs build/host/bin/latticefs

import os
import random
import subprocess
import sys
import tempfile
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
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
