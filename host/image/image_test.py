#!/usr/bin/env python3
"""Boot image and root archive: round trips, refusals, determinism."""

import io
import os
import sys
import tarfile
import tempfile
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import bootimage as bi  # noqa: E402
import rootarchive as ra  # noqa: E402

SUPERVISOR = bi.Entry("supervisor", bi.PROGRAM, b"\x7fELF" + b"s" * 5000, bi.FLAG_SUPERVISOR)
SAMPLE = [SUPERVISOR, bi.Entry("log", bi.MANIFEST, b"program log\n"), bi.Entry("root", bi.ROOT, b"")]


class BootImage(unittest.TestCase):
    def test_what_is_built_is_read_back(self):
        self.assertEqual(bi.parse(bi.build(SAMPLE)), SAMPLE)

    def test_layout_is_the_one_of_the_abi(self):
        image = bi.build(SAMPLE)
        self.assertEqual(image[:8], b"ISOBOOT1")
        self.assertEqual(int.from_bytes(image[8:12], "little"), 3)
        self.assertEqual(int.from_bytes(image[16:24], "little"), len(image))
        self.assertEqual(image[32:43], b"supervisor\0")
        self.assertEqual(int.from_bytes(image[32 + 64 : 32 + 72], "little"), 4096)
        self.assertEqual(int.from_bytes(image[32 + 72 : 32 + 80], "little"), 5004)
        self.assertEqual(int.from_bytes(image[32 + 80 : 32 + 84], "little"), bi.PROGRAM)
        self.assertEqual(int.from_bytes(image[32 + 84 : 32 + 88], "little"), 1)
        self.assertEqual(image[4096:4100], b"\x7fELF")
        self.assertEqual(len(image), 4096 + 8192 + 4096)

    def test_many_entries_move_the_contents(self):
        many = [SUPERVISOR] + [bi.Entry(f"m{i}", bi.MANIFEST, bytes([i])) for i in range(100)]
        self.assertEqual(bi.parse(bi.build(many)), many)

    def refuses(self, entries):
        with self.assertRaises(bi.ImageError):
            bi.build(entries)

    def test_bad_entries_are_refused(self):
        self.refuses([bi.Entry("a", bi.PROGRAM, b"")])
        self.refuses([SUPERVISOR, SUPERVISOR])
        self.refuses([SUPERVISOR, bi.Entry("b", bi.PROGRAM, b"", 1)])
        self.refuses([bi.Entry("x", bi.ROOT, b"", 1)])
        self.refuses([bi.Entry("x", 9, b"")])
        self.refuses([bi.Entry("x", bi.OTHER, b"", 2)])
        self.refuses([bi.Entry("x" * 64, bi.OTHER, b"")])
        self.refuses([bi.Entry("", bi.OTHER, b"")])
        bi.build([bi.Entry("x" * 63, bi.OTHER, b"")])

    def test_damaged_images_are_refused(self):
        good = bytearray(bi.build(SAMPLE))
        for position, value in ((0, 0), (8, 255), (12, 1), (16, 1), (32 + 64, 1), (32 + 72 + 4, 9), (32 + 88, 1)):
            bad = bytearray(good)
            bad[position] = value
            with self.assertRaises(bi.ImageError, msg=f"byte {position}"):
                bi.parse(bytes(bad))
        for length in (0, 31, 4096, len(good) - 1):
            with self.assertRaises(bi.ImageError):
                bi.parse(bytes(good[:length]))


class RootArchive(unittest.TestCase):
    def names(self, tree):
        with tarfile.open(fileobj=io.BytesIO(tree.archive())) as tar:
            return {m.name: m for m in tar.getmembers()}

    def test_folders_appear_by_themselves_and_first(self):
        tree = ra.Tree()
        tree.add_file("/usr/share/a", b"hello")
        with tarfile.open(fileobj=io.BytesIO(tree.archive())) as tar:
            self.assertEqual([m.name for m in tar.getmembers()], ["usr", "usr/share", "usr/share/a"])
            self.assertEqual(tar.extractfile("usr/share/a").read(), b"hello")

    def test_list_gives_modes_owners_and_links(self):
        tree = ra.Tree()
        tree.add_file("etc/secret", b"x")
        tree.apply_list("directory /tmp 1777 0 0 # all\nmode etc/secret 0600 3 4\nlink /bin/x ../y\n", "t")
        found = self.names(tree)
        self.assertEqual(found["tmp"].mode, 0o1777)
        secret = found["etc/secret"]
        self.assertEqual((secret.mode, secret.uid, secret.gid), (0o600, 3, 4))
        self.assertEqual(found["bin/x"].linkname, "../y")

    def test_bad_lists_name_the_line(self):
        for text in ("nonsense a b", "mode absent 0600 0 0", "directory /x 9 0 0", "link ../x y"):
            with self.assertRaisesRegex(ra.RootError, "t:2:"):
                ra.Tree().apply_list("\n" + text, "t")

    def test_paths_stay_below_the_root(self):
        for path in ("../x", "/", "a/../b", ""):
            with self.assertRaises(ra.RootError):
                ra.Tree().add_file(path, b"")
        tree = ra.Tree()
        tree.add_file("a", b"")
        with self.assertRaises(ra.RootError):
            tree.add_file("a/b", b"")

    def test_same_inputs_give_same_bytes(self):
        with tempfile.TemporaryDirectory() as folder:
            for name in ("b", "a"):
                with open(os.path.join(folder, name), "w", encoding="utf-8") as file:
                    file.write(name)
            os.chmod(os.path.join(folder, "a"), 0o755)
            results = []
            for _ in range(2):
                tree = ra.Tree()
                tree.add_folder(folder)
                results.append(tree.archive())
                os.utime(os.path.join(folder, "b"), (1, 1))
            self.assertEqual(results[0], results[1])
            self.assertEqual(self.names(tree)["a"].mode, 0o755)
            self.assertEqual(self.names(tree)["b"].mode, 0o644)

    def test_an_archive_can_be_taken_up_again(self):
        tree = ra.Tree()
        tree.add_file("a/b", b"1", 0o640, 5, 6)
        tree.add_link("l", "/absent/elsewhere")
        again = ra.Tree()
        again.add_archive(tree.archive())
        self.assertEqual(again.archive(), tree.archive())
        again.add_file("a/c", b"2")
        self.assertIn("a/c", self.names(again))

    @unittest.skipUnless(os.path.exists("/bin/busybox"), "busybox-static is not installed")
    def test_busybox_is_unchanged_and_linked(self):
        tree = ra.Tree()
        tree.add_busybox("/bin/busybox")
        found = self.names(tree)
        self.assertEqual(found["bin/sh"].linkname, "/bin/busybox")
        with tarfile.open(fileobj=io.BytesIO(tree.archive())) as tar, open("/bin/busybox", "rb") as real:
            self.assertEqual(tar.extractfile("bin/busybox").read(), real.read())


if __name__ == "__main__":
    unittest.main()
