"""The tools and the FUSE mount do what they say, from the outside."""
# needs: build/host/bin/mkfs.latticefs build/host/bin/latticefs build/host/bin/mount.fuse.latticefs

import filecmp
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import unittest

ROOT = os.path.normpath(os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../.."))
BIN = os.path.join(ROOT, "build/host/bin")
SOURCE = os.path.join(ROOT, "fs/latticefs")


def tool(*arguments, status=0):
    done = subprocess.run([os.path.join(BIN, arguments[0]), *arguments[1:]], stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, check=False)
    if done.returncode != status:
        raise AssertionError(f"{arguments}: status {done.returncode}\n{done.stdout}")
    return done.stdout


def same(left, right):
    difference = filecmp.dircmp(left, right, ignore=[])
    return (not difference.left_only and not difference.right_only and not difference.diff_files
            and all(same(os.path.join(left, d), os.path.join(right, d)) for d in difference.common_dirs))


class ToolsTest(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, self.folder)
        self.disks = [os.path.join(self.folder, name) for name in ("one", "two")]

    def export_same(self, pool, dataset):
        out = tempfile.mkdtemp(dir=self.folder)
        tool("latticefs", "export", pool, dataset, out)
        self.assertTrue(same(SOURCE, out))

    def test_snapshots_keep_and_give_back(self):
        pool = self.disks[0]
        tool("mkfs.latticefs", "-s", "64M", pool)
        tool("latticefs", "snapshot", pool, "root@empty")
        tool("latticefs", "import", pool, "root", SOURCE)
        tool("latticefs", "snapshot", pool, "root@full")
        tool("latticefs", "clone", pool, "root@full", "copy")
        self.export_same(pool, "copy")
        self.assertIn("@full", tool("latticefs", "list", pool))
        tool("latticefs", "destroy", pool, "root@full", status=1)  # it has a clone
        tool("latticefs", "destroy", pool, "copy")
        tool("latticefs", "destroy", pool, "root@full")
        tool("latticefs", "rollback", pool, "root")
        tool("latticefs", "destroy", pool, "root@empty")
        self.assertIn(" 1 objects", tool("latticefs", "list", pool).replace("\t", " "))
        self.assertIn(" 0 problems", tool("latticefs", "check", pool))

    def test_mirror_heals_and_resilvers(self):
        pool = ",".join(self.disks)
        tool("mkfs.latticefs", "-s", "64M", "-m", "2", *self.disks)
        tool("latticefs", "import", pool, "root", SOURCE)
        with open(self.disks[1], "r+b") as disk:  # all that is not a superblock
            disk.seek(1 << 20)
            disk.write(b"\xa5" * (32 << 20))
        self.export_same(pool, "root")
        self.assertIn(" 0 lost", tool("latticefs", "scrub", pool))
        self.assertIn(" 0 problems", tool("latticefs", "check", pool))
        only = self.disks[0]  # the other vanishes, and comes back stale
        tool("latticefs", "snapshot", only, "root@alone")
        self.assertIn("missing", tool("latticefs", "pool", pool))
        tool("latticefs", "resilver", pool)
        self.assertNotIn("missing", tool("latticefs", "pool", pool))
        self.export_same(self.disks[1], "root@alone")

    def test_a_lost_bitmap_is_rebuilt(self):
        pool = self.disks[0]
        tool("mkfs.latticefs", "-s", "64M", pool)
        tool("latticefs", "import", pool, "root", SOURCE)
        sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
        import reader  # noqa: PLC0415
        image = reader.Pool([pool])
        start = image.segment_start(image.places[0][0] & (1 << 48) - 1)
        image.close()
        with open(pool, "r+b") as disk:  # all three slots of segment 0
            disk.seek(start * 4096)
            disk.write(b"\x5a" * 3 * 4096)
        self.assertIn("bitmap cannot be read", tool("latticefs", "check", pool, status=4))
        self.assertIn("rebuilt", tool("latticefs", "check", pool, "--repair", status=4))
        self.assertIn(" 0 problems", tool("latticefs", "check", pool))
        self.export_same(pool, "root")

    def test_damage_is_named(self):
        pool = self.disks[0]
        tool("mkfs.latticefs", "-s", "64M", "-d", "1", pool)
        tool("latticefs", "import", pool, "root", SOURCE)
        with open(pool, "r+b") as disk:
            content = disk.read()
            at = content.index(b"LTND")  # a node: its copies are gone
            while at >= 0:
                disk.seek(at + 100)
                disk.write(b"\xff" * 8)
                at = content.find(b"LTND", at + 4096)
        tool("latticefs", "check", pool, status=1)
        tool("latticefs", "check", os.path.join(self.folder, "absent"), status=1)


@unittest.skipUnless(os.path.exists("/dev/fuse") and shutil.which("fusermount3"), "needs FUSE")
class MountTest(unittest.TestCase):
    def test_files_survive_a_kill_after_fsync(self):
        with tempfile.TemporaryDirectory() as folder:
            pool, mount = os.path.join(folder, "disk"), os.path.join(folder, "mount")
            os.mkdir(mount)
            tool("mkfs.latticefs", "-s", "256M", pool)
            for round_number in range(3):
                server = subprocess.Popen([os.path.join(BIN, "mount.fuse.latticefs"), pool, mount, "-f"])
                while not os.path.ismount(mount):
                    self.assertIsNone(server.poll())
                    time.sleep(0.01)
                for earlier in range(round_number):
                    with open(os.path.join(mount, f"file{earlier}"), "rb") as file:
                        self.assertEqual(file.read(), bytes([earlier]) * 100000)
                path = os.path.join(mount, f"file{round_number}")
                with open(path + ".new", "wb") as file:
                    file.write(bytes([round_number]) * 100000)
                    file.flush()
                    os.fsync(file.fileno())
                os.rename(path + ".new", path)
                descriptor = os.open(mount, os.O_RDONLY)
                os.fsync(descriptor)
                os.close(descriptor)
                server.send_signal(signal.SIGKILL)
                server.wait()
                subprocess.run(["fusermount3", "-u", "-z", mount], check=True)
            self.assertIn(" 0 problems", tool("latticefs", "check", pool))


if __name__ == "__main__":
    unittest.main()
