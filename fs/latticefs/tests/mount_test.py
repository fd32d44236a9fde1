"""The FUSE mount keeps the promises of a POSIX file system, shows snapshots, and is alone on its disks."""
# needs: build/host/bin/mkfs.latticefs build/host/bin/latticefs build/host/bin/mount.fuse.latticefs build/host/latticefs/mount-tsan
# needs: build/host/latticefs/mount-asan

import errno
import mmap
import os
import random
import shutil
import stat
import subprocess
import sys
import tempfile
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import mounted  # noqa: E402


class Case(unittest.TestCase):
    """A fresh pool, mounted."""

    maxDiff = None
    options = ()
    size = "256M"

    def setUp(self):
        if not mounted.HAS_FUSE:
            self.skipTest("needs FUSE")
        self.base = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, self.base)
        self.disk, self.folder = os.path.join(self.base, "disk"), os.path.join(self.base, "mount")
        os.mkdir(self.folder)
        mounted.run("mkfs.latticefs", "-s", self.size, self.disk)
        self.mount = None
        self.start()
        self.addCleanup(self.stop)

    def start(self, *options, **named):
        self.mount = mounted.Mount(self.disk, self.folder, *self.options, *options, **named)
        self.assertTrue(self.mount.mounted)

    def stop(self):
        if self.mount is not None and self.mount.process.poll() is None:
            self.mount.end()
        self.mount = None

    def restart(self, *options):
        self.assertEqual(self.mount.end(), 0)
        self.start(*options)

    def path(self, *names):
        return os.path.join(self.folder, *names)

    def write(self, name, content):
        with open(self.path(name), "wb") as file:
            file.write(content)

    def read(self, *names):
        with open(self.path(*names), "rb") as file:
            return file.read()

    def refuses(self, number, call, *arguments):
        with self.assertRaises(OSError) as caught:
            call(*arguments)
        self.assertEqual(caught.exception.errno, number, errno.errorcode.get(caught.exception.errno))

    def check(self):
        self.stop()
        self.assertIn(" 0 problems", mounted.run("latticefs", "check", self.disk))


class SnapshotTest(Case):
    def test_a_snapshot_shows_what_was(self):
        self.write("file", b"one")
        os.mkdir(self.path("folder"))
        self.write("folder/inner", b"inner")
        os.mkdir(self.path(".snapshots/first"))
        self.write("file", b"two")
        shutil.rmtree(self.path("folder"))
        self.assertEqual(self.read(".snapshots/first/file"), b"one")
        self.assertEqual(self.read(".snapshots/first/folder/inner"), b"inner")
        self.assertEqual(sorted(os.listdir(self.path(".snapshots/first"))), ["file", "folder"])
        self.restart()
        self.assertEqual(os.listdir(self.path(".snapshots")), ["first"])
        self.assertEqual(self.read(".snapshots/first/file"), b"one")
        self.assertEqual(self.read("file"), b"two")
        self.check()

    def test_an_open_file_is_in_it_with_all_that_was_written(self):
        with open(self.path("open"), "wb", buffering=0) as file:
            file.write(b"x" * 100000)
            os.mkdir(self.path(".snapshots/now"))
            file.write(b"y")
        self.assertEqual(self.read(".snapshots/now/open"), b"x" * 100000)

    def test_it_cannot_be_changed(self):
        self.write("file", b"one")
        os.mkdir(self.path(".snapshots/first"))
        inside = self.path(".snapshots/first/file")
        self.refuses(errno.EROFS, open, inside, "ab")
        self.refuses(errno.EROFS, os.unlink, inside)
        self.refuses(errno.EROFS, os.chmod, inside, 0o600)
        self.refuses(errno.EROFS, os.mkdir, self.path(".snapshots/first/new"))
        self.refuses(errno.EROFS, os.rename, self.path("file"), self.path(".snapshots/first/file"))
        self.refuses(errno.EROFS, os.link, self.path("file"), self.path(".snapshots/first/other"))
        self.refuses(errno.EPERM, os.rmdir, self.path(".snapshots"))
        self.refuses(errno.EEXIST, os.mkdir, self.path(".snapshots"))
        self.refuses(errno.EEXIST, os.mkdir, self.path(".snapshots/first"))
        self.refuses(errno.EINVAL, os.mkdir, self.path(".snapshots/a@b"))

    def test_it_is_destroyed_by_rmdir_and_its_space_comes_back(self):
        self.write("large", os.urandom(40 << 20))
        os.mkdir(self.path(".snapshots/first"))
        os.unlink(self.path("large"))
        held = os.open(self.path(".snapshots/first/large"), os.O_RDONLY)
        os.rmdir(self.path(".snapshots/first"))
        os.close(held)
        self.assertEqual(os.listdir(self.path(".snapshots")), [])
        self.refuses(errno.ENOENT, os.stat, self.path(".snapshots/first"))
        self.restart()
        for _ in range(4):  # more than would fit beside it
            self.write("again", os.urandom(60 << 20))
        self.check()

    def test_hidden_on_request(self):
        self.assertIn(".snapshots", os.listdir(self.folder))
        self.restart("-o", "hide_snapshots")
        self.assertEqual(os.listdir(self.folder), [])
        self.assertEqual(os.listdir(self.path(".snapshots")), [])

    def test_one_can_be_mounted_itself(self):
        self.write("file", b"one")
        os.mkdir(self.path(".snapshots/first"))
        self.write("file", b"two")
        self.restart("-o", "dataset=root@first")
        self.assertEqual(self.read("file"), b"one")
        self.refuses(errno.EROFS, open, self.path("file"), "ab")
        self.assertEqual(os.listdir(self.folder), ["file"])


class NamesTest(Case):
    def test_an_unlinked_open_file_lives_until_it_is_closed(self):
        with open(self.path("file"), "w+b") as file:
            file.write(b"content")
            file.flush()
            os.unlink(self.path("file"))
            self.assertEqual(os.fstat(file.fileno()).st_nlink, 0)
            file.seek(0)
            self.assertEqual(file.read(), b"content")
        self.check()

    def test_rename_replaces_exchanges_and_refuses(self):
        self.write("a", b"a")
        self.write("b", b"b")
        os.rename(self.path("a"), self.path("b"))
        self.assertEqual(self.read("b"), b"a")
        self.assertFalse(os.path.exists(self.path("a")))
        os.makedirs(self.path("d/e"))
        self.refuses(errno.EINVAL, os.rename, self.path("d"), self.path("d/e/f"))
        self.refuses(errno.EISDIR, os.rename, self.path("b"), self.path("d"))
        self.refuses(errno.ENOTDIR, os.rename, self.path("d"), self.path("b"))
        os.mkdir(self.path("full"))
        self.write("full/x", b"")
        self.refuses(errno.ENOTEMPTY, os.rename, self.path("d"), self.path("full"))
        self.refuses(errno.ENOTEMPTY, os.rmdir, self.path("full"))
        links = os.stat(self.folder).st_nlink
        os.rename(self.path("d/e"), self.path("moved"))
        self.assertEqual(os.stat(self.folder).st_nlink, links + 1)
        self.assertEqual(os.stat(self.path("d")).st_nlink, 2)

    def test_links_names_and_numbers(self):
        self.write("a", b"a")
        os.link(self.path("a"), self.path("b"))
        self.assertEqual(os.stat(self.path("b")).st_nlink, 2)
        self.assertEqual(os.stat(self.path("a")).st_ino, os.stat(self.path("b")).st_ino)
        self.write("n" * 255, b"")
        self.refuses(errno.ENAMETOOLONG, self.write, "n" * 256, b"")
        os.symlink("t" * 4095, self.path("link"))
        self.assertEqual(os.readlink(self.path("link")), "t" * 4095)
        os.mkfifo(self.path("fifo"))
        self.assertTrue(stat.S_ISFIFO(os.stat(self.path("fifo")).st_mode))
        for i in range(3000):
            self.write(f"many{i}", b"")
        names = os.listdir(self.folder)
        self.assertEqual(len(names), len(set(names)))
        self.assertEqual(sum(name.startswith("many") for name in names), 3000)
        for name in names:  # removing while the listing was read before
            if name.startswith("many"):
                os.unlink(self.path(name))
        self.restart()
        self.assertEqual(sorted(os.listdir(self.folder)), sorted([".snapshots", "a", "b", "fifo", "link", "n" * 255]))

    def test_attributes_survive(self):
        self.write("a", b"a")
        os.chmod(self.path("a"), 0o4751)
        os.chown(self.path("a"), 1234, 4321)  # takes the set-user-ID bit
        os.utime(self.path("a"), ns=(1_000_000_001, -5_000_000_003))
        os.setxattr(self.path("a"), "user.small", b"value")
        os.setxattr(self.path("a"), "user.large", b"x" * 60000)
        self.refuses(errno.EEXIST, os.setxattr, self.path("a"), "user.small", b"", os.XATTR_CREATE)
        self.refuses(errno.ENODATA, os.setxattr, self.path("a"), "user.none", b"", os.XATTR_REPLACE)
        self.refuses(errno.ENODATA, os.getxattr, self.path("a"), "user.none")
        self.restart()
        facts = os.stat(self.path("a"))
        self.assertEqual((facts.st_mode & 0o7777, facts.st_uid, facts.st_gid), (0o751, 1234, 4321))
        self.assertEqual((facts.st_atime_ns, facts.st_mtime_ns), (1_000_000_001, -5_000_000_003))
        self.assertEqual(os.getxattr(self.path("a"), "user.large"), b"x" * 60000)
        self.assertEqual(sorted(os.listxattr(self.path("a"))), ["user.large", "user.small"])
        os.removexattr(self.path("a"), "user.large")
        self.check()

    def test_times_beyond_the_format_are_cut(self):
        self.write("a", b"")
        for seconds, kept in ((1 << 33, 1 << 33), (1 << 60, 9223372036), (-(1 << 60), -9223372037), (-(1 << 31), -(1 << 31))):
            os.utime(self.path("a"), (seconds, seconds))
            self.assertEqual(os.stat(self.path("a")).st_atime_ns // 10**9, kept)
        self.check()

    def test_a_full_pool_says_so_and_can_delete(self):
        with self.assertRaises(OSError) as caught:
            for i in range(100):
                with open(self.path(f"fill{i}"), "wb", buffering=0) as file:
                    for _ in range(16):
                        file.write(os.urandom(1 << 20))
                        os.fsync(file.fileno())
        self.assertEqual(caught.exception.errno, errno.ENOSPC)
        before = os.statvfs(self.folder).f_bavail
        for name in os.listdir(self.folder):
            if name.startswith("fill"):
                os.unlink(self.path(name))
        os.sync()
        self.restart()
        self.assertGreater(os.statvfs(self.folder).f_bavail, before + 40000)
        self.check()


class Model:
    """One file's content by all calls that change it, against bytes in memory (the properties of fsx)."""

    def __init__(self, path, seed, largest=300000):
        self.dice, self.path, self.largest, self.content = random.Random(seed), path, largest, bytearray()
        self.file = os.open(path, os.O_RDWR | os.O_CREAT)

    def grow(self, size):
        self.content.extend(bytes(max(0, size - len(self.content))))

    def span(self):
        start = self.dice.randrange(self.largest)
        return start, self.dice.randrange(1, 70000)

    def step(self):
        getattr(self, self.dice.choice(("write", "write", "read", "read", "truncate", "map_write", "map_read", "punch", "zero",
                                        "reopen", "sync", "append")))()

    def write(self):
        start, size = self.span()
        data = self.dice.randbytes(size)
        os.pwrite(self.file, data, start)
        self.grow(start + size)
        self.content[start:start + size] = data

    def append(self):
        data = self.dice.randbytes(self.dice.randrange(1, 5000))
        if len(self.content) < self.largest:
            os.pwrite(self.file, data, len(self.content))
            self.content += data

    def read(self):
        start, size = self.span()
        assert os.pread(self.file, size, start) == bytes(self.content[start:start + size]), f"read at {start}"

    def truncate(self):
        size = self.dice.randrange(self.largest)
        os.ftruncate(self.file, size)
        del self.content[size:]
        self.grow(size)

    def map_write(self):
        if self.content:
            with mmap.mmap(self.file, len(self.content)) as memory:
                start = self.dice.randrange(len(self.content))
                data = self.dice.randbytes(min(20000, len(self.content) - start))
                memory[start:start + len(data)] = data
                self.content[start:start + len(data)] = data

    def map_read(self):
        if self.content:
            with mmap.mmap(self.file, len(self.content), prot=mmap.PROT_READ) as memory:
                assert memory[:] == bytes(self.content), "mapped read"

    def fallocate(self, mode, start, size):
        done = subprocess.run(["fallocate", *mode, "-o", str(start), "-l", str(size), self.path], check=False)
        assert done.returncode == 0

    def punch(self):
        start, size = self.span()
        self.fallocate(["--punch-hole"], start, size)
        end = min(start + size, len(self.content))
        self.content[start:end] = bytes(max(0, end - start))

    def zero(self):
        start, size = self.span()
        self.fallocate(["--zero-range"], start, size)
        self.grow(start + size)
        self.content[start:start + size] = bytes(size)

    def reopen(self):
        os.close(self.file)
        assert os.stat(self.path).st_size == len(self.content), "size"
        self.file = os.open(self.path, os.O_RDWR)

    def sync(self):
        os.fsync(self.file)

    def compare(self):
        with open(self.path, "rb") as file:
            assert file.read() == bytes(self.content)


class ContentTest(Case):
    def test_contents_follow_a_model_over_restarts(self):
        models = [Model(self.path(f"file{seed}"), seed) for seed in range(4)]
        for round_number in range(4):
            for step in range(250):
                for model in models:
                    try:
                        model.step()
                    except AssertionError as error:
                        raise AssertionError(f"seed {models.index(model)}, round {round_number}, step {step}") from error
            for model in models:
                os.close(model.file)
            self.restart()
            for model in models:
                model.compare()
                model.file = os.open(model.path, os.O_RDWR)
        for model in models:
            os.close(model.file)
        self.check()

    def test_data_that_the_kernel_still_holds_is_no_hole(self):
        with open(self.path("open"), "wb", buffering=0) as file:
            file.write(b"x" * 100000)
            self.assertEqual(os.lseek(file.fileno(), 0, os.SEEK_DATA), 0)
            self.assertEqual(os.lseek(file.fileno(), 0, os.SEEK_HOLE), 100000)
            file.seek(1 << 20)
            file.write(b"y" * 5000)
            self.assertEqual(os.lseek(file.fileno(), 200000, os.SEEK_DATA), 1 << 20)

    def test_holes_are_found_and_take_no_space(self):
        with open(self.path("sparse"), "wb") as file:
            file.seek(1 << 40)
            file.write(b"end")
            file.flush()
            os.fsync(file.fileno())
        with open(self.path("sparse"), "rb") as file:
            self.assertGreaterEqual(os.lseek(file.fileno(), 0, os.SEEK_DATA), (1 << 40) - 65536)
            self.assertEqual(os.lseek(file.fileno(), 0, os.SEEK_HOLE), 0)
        self.assertLess(os.stat(self.path("sparse")).st_blocks, 1024)
        self.check()


class OthersTest(Case):
    """What users who are not root may do, and what becomes of set-ID bits."""

    options = ("-o", "allow_other,default_permissions")

    @unittest.skipUnless(os.geteuid() == 0 and shutil.which("fallocate"), "needs root")
    def test_set_id_bits_go_when_others_change_the_content(self):
        os.chmod(self.folder, 0o777)
        os.chmod(self.base, 0o755)
        punch = ["fallocate", "--punch-hole", "--offset", "0", "--length", "4096"]
        calls = (punch, ["fallocate", "--zero-range", "--offset", "0", "--length", "4096"], ["truncate", "--size", "8000"],
                 ["dd", "if=/dev/zero", "count=1", "conv=notrunc", "status=none"])
        plain, member = {"user": 1234, "group": 1234, "extra_groups": []}, {"user": 1234, "group": 1234, "extra_groups": [4321]}
        for number, call in enumerate(calls):
            for who, mode, left in ((plain, 0o6666, 0o666), (plain, 0o6676, 0o666), (plain, 0o6777, 0o777), (member, 0o6777, 0o777),
                                    ({}, 0o6666, 0o6666), ({}, 0o6777, 0o6777)):
                if call != punch and call[0] != "fallocate" and mode & 0o010 == 0 and who == plain:
                    continue  # the kernel itself lets it stay there: writes through a mount reach it without their user
                name = f"{number}{mode:o}{len(str(who))}"
                self.write(name, b"x" * 10000)
                os.chown(self.path(name), 0, 4321)
                os.chmod(self.path(name), mode)
                line = [*call, f"of={self.path(name)}"] if call[0] == "dd" else [*call, self.path(name)]
                subprocess.run(line, check=True, **who)
                # stat asks for the mode alone, which the kernel may answer from what it knows.
                mode_now = subprocess.run(["stat", "-c", "%a", self.path(name)], stdout=subprocess.PIPE, check=True).stdout
                self.assertEqual(int(mode_now, 8), left if mode != 0o6676 else 0o676, (call, who, oct(mode)))


def stress(folder, seed, steps):
    """Random calls in a folder that others work in, too; refusals are part of it (the properties of fsstress)."""
    dice = random.Random(seed)
    folders = [folder]

    def name():
        return os.path.join(dice.choice(folders), f"n{dice.randrange(30)}")

    def make_folder():
        path = name()
        os.mkdir(path)
        folders.append(path)

    def write():
        file = os.open(name(), os.O_RDWR | os.O_CREAT)
        try:
            os.pwrite(file, dice.randbytes(dice.choice((10, 3000, 90000))), dice.randrange(200000))
            if dice.random() < 0.1:
                os.fsync(file)
        finally:
            os.close(file)

    def tree():
        for base, inner, files in os.walk(folder):
            for entry in inner + files:
                os.lstat(os.path.join(base, entry))

    calls = [write, write, make_folder, tree, lambda: os.unlink(name()), lambda: os.rename(name(), name()),
             lambda: os.link(name(), name()), lambda: os.symlink("x", name()), lambda: os.rmdir(name()),
             lambda: os.truncate(name(), dice.randrange(100000)), lambda: os.setxattr(name(), "user.a", dice.randbytes(100)),
             lambda: os.chmod(name(), 0o600 + dice.randrange(64)),
             lambda: os.mkdir(os.path.join(folder, "../.snapshots", f"s{dice.randrange(5)}")),
             lambda: os.rmdir(os.path.join(folder, "../.snapshots", f"s{dice.randrange(5)}"))]
    refusals = (errno.ENOENT, errno.EEXIST, errno.ENOTDIR, errno.EISDIR, errno.ENOTEMPTY, errno.EINVAL, errno.EPERM, errno.EXDEV,
                errno.ELOOP, errno.ENAMETOOLONG, errno.ENOTSUP, errno.ESTALE)
    for _ in range(steps):
        try:
            dice.choice(calls)()
        except OSError as error:
            if error.errno not in refusals:
                raise


class StressTest(Case):
    steps = 600

    def program(self):
        return None

    def start(self, *options, **named):
        super().start(*options, program=self.program(), **named)

    def test_several_processes_at_a_time(self):
        os.mkdir(self.path("work"))
        children = []
        for seed in range(4):
            child = os.fork()
            if child == 0:
                status = 1
                try:
                    stress(self.path("work"), seed, self.steps)
                    status = 0
                finally:
                    os._exit(status)
            children.append(child)
        self.assertEqual([os.waitpid(child, 0)[1] for child in children], [0] * 4)
        self.assertEqual(self.mount.end(), 0)
        self.mount = None
        self.check()


class StressUnderThreadSanitizer(StressTest):
    steps = 150

    def program(self):
        return os.path.join(mounted.HELPERS, "mount-tsan")


class StressUnderAddressSanitizer(StressTest):
    steps = 150

    def program(self):
        return os.path.join(mounted.HELPERS, "mount-asan")


class MountingTest(Case):
    def test_nobody_else_may_touch_the_disk(self):
        for command in (["check"], ["list"], ["snapshot"]):
            out = mounted.run("latticefs", command[0], self.disk, *(["root@x"] if command[0] == "snapshot" else []), status=1)
            self.assertIn("Is it mounted?", out)
        self.assertIn("in use", mounted.run("mkfs.latticefs", self.disk, status=1))
        self.assertIn("in use", mounted.run("mount.fuse.latticefs", self.disk, self.folder, status=1))

    def test_read_only(self):
        self.write("a", b"a")
        self.restart("-o", "ro")
        self.assertEqual(self.read("a"), b"a")
        self.refuses(errno.EROFS, self.write, "b", b"")

    def test_a_killed_mount_dies_and_its_disk_is_free(self):
        file = os.open(self.path("file"), os.O_RDWR | os.O_CREAT)
        os.write(file, b"x" * 4096)
        os.fsync(file)
        os.write(file, b"y" * 500000)
        self.mount.kill()
        try:
            os.close(file)
        except OSError:
            pass
        self.start()
        self.assertEqual(self.read("file")[:4096], b"x" * 4096)
        self.check()

    @unittest.skipUnless(os.geteuid() == 0 and shutil.which("unshare"), "needs root")
    def test_mount_and_umount_know_the_type(self):
        self.stop()
        program = os.path.join(mounted.BIN, "mount.fuse.latticefs")
        script = f"""set -e
            mkdir {self.base}/sbin {self.base}/out
            ln -s {program} {self.base}/sbin/mount.fuse.latticefs
            mount -t overlay none -o lowerdir={self.base}/sbin:$(readlink -f /sbin) $(readlink -f /sbin)
            mount -t fuse.latticefs {self.disk} {self.folder} -o noatime,nofail,hide_snapshots
            echo file > {self.folder}/file
            ln -s {program} {self.base}/umount.fuse.latticefs
            {self.base}/umount.fuse.latticefs {self.folder}
            {mounted.BIN}/latticefs list {self.disk} > {self.base}/out/list
            loop=$(losetup --find --show {self.disk})
            trap 'losetup -d $loop' EXIT
            mount -t fuse.latticefs $loop {self.folder}
            echo device >> {self.folder}/file
            mknod {self.folder}/null c 1 3
            echo gone > {self.folder}/null
            mount -o remount,ro {self.folder}
            ! touch {self.folder}/refused 2> /dev/null
            mount -o remount,rw {self.folder}
            ! {mounted.BIN}/latticefs list $loop 2> {self.base}/out/refused
            umount {self.folder}
            mount -t fuse.latticefs $loop {self.folder} -o nodev
            ! echo refused 2> /dev/null > {self.folder}/null
            rm {self.folder}/null
            umount {self.folder}
            cp {self.disk} {self.base}/copy  # at once: nothing may be missing
            {mounted.BIN}/latticefs export {self.base}/copy root {self.base}/out
            cat {self.base}/out/file"""
        done = subprocess.run(["unshare", "--mount", "--propagation", "private", "bash", "-c", script], stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True, check=False)
        if "losetup: cannot find" in done.stdout or "unknown filesystem" in done.stdout:
            self.skipTest("no loop devices or overlays here")
        self.assertEqual((done.returncode, done.stdout), (0, "file\ndevice\n"))
        with open(os.path.join(self.base, "out/refused"), encoding="utf-8") as file:
            self.assertIn("Is it mounted?", file.read())


if __name__ == "__main__":
    unittest.main()
