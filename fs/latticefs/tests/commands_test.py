"""Every command of `latticefs` does what it says: exact output where it is fixed, JSON, statuses, and advice in errors."""
# needs: build/host/bin/mkfs.latticefs build/host/bin/latticefs build/host/bin/mount.fuse.latticefs

import json
import os
import pathlib
import pty
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import mounted  # noqa: E402
from tools_test import SOURCE, same  # noqa: E402

COMMANDS = ("check scrub resilver list df pool get set quota create snapshot clone rename rollback destroy key send receive token "
            "abandon import export restore dump").split()


def latticefs(*arguments, status=0, **options):
    return mounted.run("latticefs", *arguments, status=status, **options)


class Case(unittest.TestCase):
    def setUp(self):
        self.base = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, self.base)
        self.pool = self.path("pool")
        mounted.run("mkfs.latticefs", "-s", "96M", self.pool)

    def path(self, name):
        return os.path.join(self.base, name)

    def folder(self, name):
        os.mkdir(self.path(name))
        return self.path(name)

    def export_same(self, dataset, pool=None, *options):
        out = tempfile.mkdtemp(dir=self.base)
        latticefs("export", pool or self.pool, dataset, out, *options)
        self.assertTrue(same(SOURCE, out))

    def stream(self, name, *arguments):
        """Sends into a file."""
        with open(self.path(name), "wb") as out:
            subprocess.run([os.path.join(mounted.BIN, "latticefs"), "send", self.pool, *arguments], stdout=out, check=True)
        return self.path(name)

    def receive(self, stream, *arguments, pool=None, status=0):
        with open(stream, "rb") as source:
            return latticefs("receive", pool or self.pool, *arguments, status=status, stdin=source)


class DescriptionTest(Case):
    def test_help_manual_and_completion_know_every_command(self):
        texts = latticefs("--help"), latticefs("manual"), latticefs("completion")
        for command in COMMANDS:
            for text in texts:
                self.assertRegex(text, rf"\b{command}\b")
            own = latticefs(command, "--help")
            self.assertTrue(own.startswith(f"usage: latticefs {command} POOL"))
            for option in re.findall(r"^  (--[a-z-]+)", own, re.MULTILINE):
                self.assertIn(option, texts[2] + " --help")

    def test_the_manual_page_is_one(self):
        if shutil.which("groff") is None:
            self.skipTest("needs groff")
        pages = [latticefs("manual")]
        for name in ("mkfs.latticefs.8", "mount.fuse.latticefs.8"):
            with open(os.path.join(SOURCE, "tools", name), encoding="utf-8") as file:
                pages.append(file.read())
        for page in pages:
            done = subprocess.run(["groff", "-k", "-man", "-Tutf8", "-ww", "-z"], input=page, capture_output=True, text=True, check=True)
            self.assertEqual(done.stderr, "")

    def test_manual_pages_name_the_options(self):
        for program, options in (("mkfs.latticefs", r"^  -\w, (--[a-z-]+)"), ("mount.fuse.latticefs", r"^  -o (\w+)")):
            text = mounted.run(program, "--help")
            with open(os.path.join(SOURCE, "tools", program + ".8"), encoding="utf-8") as file:
                page = file.read().replace("\\-", "-")
            found = re.findall(options, text, re.MULTILINE)
            self.assertGreater(len(found), 5)
            for option in found:
                self.assertIn(option, page, program)

    def test_bash_completes(self):
        script = latticefs("completion") + "COMP_WORDS=(latticefs %s) COMP_CWORD=%d; _latticefs; echo ${COMPREPLY[*]}"
        for words, index, expected in (("sn", 1, "snapshot"), ("check pool --re", 3, "--repair")):
            done = subprocess.run(["bash", "-c", script.replace("%s", words).replace("%d", str(index))], capture_output=True, text=True,
                                  check=True)
            self.assertEqual(done.stdout.strip(), expected)

    def test_wrong_use_is_told(self):
        for line, says in ((["nonsense"], "no such command"), (["list"], "usage: latticefs list"),
                           (["list", self.pool, "more"], "too much"), (["check", self.pool, "--from", "x"], "no such option"),
                           (["snapshot", self.pool, "root"], "DATASET@NAME"), (["set", self.pool, "root", "quota=much"], "quota=SIZE"),
                           (["pool", self.pool, "explode"], "not one of"), (["get", self.pool, "root", "colour"], "no such property")):
            self.assertIn(says, latticefs(*line, status=2))

    def test_failures_say_what_to_do(self):
        for line, says in ((["list", self.path("absent")], "mkfs.latticefs --size"), (["get", self.pool, "none"], "latticefs list"),
                           (["list", __file__], "made by mkfs.latticefs")):
            self.assertIn(says, latticefs(*line, status=1))
        latticefs("snapshot", self.pool, "root@a")
        latticefs("clone", self.pool, "root@a", "copy")
        self.assertIn("clones first", latticefs("destroy", self.pool, "root@a", status=1))
        self.assertIn("snapshots first", latticefs("destroy", self.pool, "root", status=1))

    def test_progress_is_for_a_terminal(self):
        latticefs("import", self.pool, "root", SOURCE)
        primary, secondary = pty.openpty()
        subprocess.run([os.path.join(mounted.BIN, "latticefs"), "export", self.pool, "root", self.folder("a")], stderr=secondary,
                       check=True)
        os.close(secondary)
        self.assertIn(b"objects: 64", os.read(primary, 65536))
        os.close(primary)
        self.assertNotIn("objects: ", latticefs("export", self.pool, "root", self.folder("b")))


class PropertyTest(Case):
    def test_golden(self):
        latticefs("set", self.pool, "root", "compression=zstd", "record=16K", "checksum=blake2b", "readonly=on")
        self.assertEqual(latticefs("get", self.pool, "root"),
                         "record\t16384\ncompression\tzstd\nchecksum\tblake2b\nencryption\tnone\nreadonly\ton\nquota\t0\n"
                         "reservation\t0\nused\t32768\nobjects\t1\n")
        self.assertEqual(json.loads(latticefs("get", self.pool, "root", "record", "--json")), {"record": 16384})
        self.assertEqual(latticefs("list", self.pool), "root\t1 objects\t32 KiB\n")
        self.assertIn("read-only", latticefs("import", self.pool, "root", SOURCE, status=1))

    def test_quota(self):
        latticefs("quota", self.pool, "root", "1M")
        self.assertEqual(latticefs("quota", self.pool, "root"), "quota\t1048576\n")
        with open(os.path.join(self.folder("large"), "file"), "wb") as file:
            file.write(os.urandom(2 << 20))
        out = latticefs("import", self.pool, "root", self.path("large"), status=1)
        self.assertIn("quota exceeded", out)
        latticefs("quota", self.pool, "root", "none")
        latticefs("create", self.pool, "other")
        latticefs("import", self.pool, "other", self.path("large"))
        self.assertIn(" 0 problems", latticefs("check", self.pool))

    def test_json_of_the_others(self):
        latticefs("snapshot", self.pool, "root@a")
        listed = json.loads(latticefs("list", self.pool, "--json"))
        self.assertEqual([(d["name"], d["snapshot"]) for d in listed], [("root", False), ("a", True)])
        self.assertEqual(json.loads(latticefs("check", self.pool, "--json"))["problems"], [])
        self.assertEqual(json.loads(latticefs("scrub", self.pool, "--json"))["lost"], 0)
        self.assertEqual(json.loads(latticefs("pool", self.pool, "--json"))[0]["state"], "online")
        space = json.loads(latticefs("df", self.pool, "--json"))
        self.assertLess(space["used"] + space["available"], space["total"] + 1)

    def test_rename(self):
        latticefs("rename", self.pool, "root", "kept")
        self.assertTrue(latticefs("list", self.pool).startswith("kept\t"))


class StreamTest(Case):
    def test_full_and_incremental(self):
        latticefs("import", self.pool, "root", SOURCE)
        latticefs("snapshot", self.pool, "root@one")
        latticefs("create", self.pool, "extra")
        other = self.path("other")
        mounted.run("mkfs.latticefs", "-s", "96M", other)
        self.receive(self.stream("full", "root@one"), "copy", pool=other)
        self.export_same("copy", other)
        extra = self.folder("more")
        with open(os.path.join(extra, "new"), "w", encoding="ascii") as file:
            file.write("new")
        latticefs("import", self.pool, "root", extra)
        latticefs("snapshot", self.pool, "root@two")
        changes = self.stream("changes", "root@two", "--from", "root@one")
        self.assertLess(os.path.getsize(changes), os.path.getsize(self.path("full")) // 4)
        self.receive(changes, "copy", pool=other)
        out = self.folder("out")
        latticefs("export", other, "copy@two", out)
        self.assertEqual(sorted(os.listdir(out)), sorted([*os.listdir(SOURCE), "new"]))
        self.assertIn("exists", self.receive(self.path("full"), "copy", pool=other, status=1))
        self.assertIn(" 0 problems", latticefs("check", other))

    def test_a_cut_stream_goes_on(self):
        latticefs("import", self.pool, "root", SOURCE)
        latticefs("snapshot", self.pool, "root@one")
        whole = self.stream("whole", "root@one")
        size = os.path.getsize(whole)
        with open(whole, "rb") as file, open(self.path("part"), "wb") as part:
            part.write(file.read(size // 2))
        out = self.receive(self.path("part"), "copy", status=1)
        self.assertIn("latticefs token POOL copy", out)
        token = latticefs("token", self.pool, "copy").strip()
        rest = self.stream("rest", "root@one", "--token", token)
        self.receive(rest, "copy")
        self.export_same("copy@one")
        self.receive(self.path("part"), "given-up", status=1)
        latticefs("abandon", self.pool, "given-up")
        self.assertNotIn("given-up", latticefs("list", self.pool))
        self.assertIn(" 0 problems", latticefs("check", self.pool))

    def test_a_stream_does_not_go_to_a_terminal(self):
        latticefs("snapshot", self.pool, "root@one")
        primary, secondary = pty.openpty()
        done = subprocess.run([os.path.join(mounted.BIN, "latticefs"), "send", self.pool, "root@one"], stdout=secondary,
                              stderr=subprocess.PIPE, check=False)
        os.close(secondary)
        os.close(primary)
        self.assertEqual(done.returncode, 2)


class DiskTest(Case):
    def disk(self, name, size=96 << 20):
        with open(self.path(name), "wb") as file:
            file.truncate(size)
        return self.path(name)

    def test_attach_replace_detach(self):
        latticefs("import", self.pool, "root", SOURCE)
        self.assertEqual(latticefs("pool", self.pool, "attach", self.disk("two")), "disk 1\n")
        both = f"{self.pool},{self.path('two')}"
        states = [d["state"] for d in json.loads(latticefs("pool", both, "--json"))]
        self.assertEqual(states, ["online", "online"])
        latticefs("pool", both, "replace", "0", self.disk("three"))
        now = f"{self.path('two')},{self.path('three')}"
        os.unlink(self.pool)
        self.export_same("root", now)
        self.assertIn(" 0 problems", latticefs("check", now))
        latticefs("pool", now, "detach", "2")
        self.export_same("root", self.path("two"))

    def test_add_grow_and_trim(self):
        before = json.loads(latticefs("df", self.pool, "--json"))["total"]
        latticefs("pool", self.pool, "add", self.disk("two"))
        both = f"{self.pool},{self.path('two')}"
        middle = json.loads(latticefs("df", both, "--json"))["total"]
        self.assertGreater(middle, before + (60 << 20))
        os.truncate(self.path("two"), 300 << 20)
        self.assertIn("grow 1", latticefs("pool", both))
        latticefs("pool", both, "grow", "1")
        self.assertGreater(json.loads(latticefs("df", both, "--json"))["total"], middle + (150 << 20))
        self.assertRegex(latticefs("pool", both, "trim"), r"^\d+ MiB\n$")
        self.assertIn(" 0 problems", latticefs("check", both))


class CopyTest(Case):
    def test_tar_both_ways(self):
        source = self.path("source.tar")
        for kind in (tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT):
            with tarfile.open(source, "w", format=kind) as archive:
                archive.add(SOURCE, arcname=".")
            name = f"of{kind}"
            latticefs("create", self.pool, name)
            latticefs("import", self.pool, name, source, "--tar")
            self.export_same(name)
        latticefs("export", self.pool, name, self.path("out.tar"), "--tar")
        with tarfile.open(self.path("out.tar")) as archive:
            archive.extractall(self.path("out"), filter="fully_trusted")
        self.assertTrue(same(SOURCE, self.path("out")))
        self.assertIn(" 0 problems", latticefs("check", self.pool))

    def test_long_names_links_and_hostile_paths(self):
        inner = self.folder("inner")
        os.makedirs(os.path.join(inner, *["d" * 60] * 5))
        with open(os.path.join(inner, *["d" * 60] * 5, "f" * 200), "w", encoding="ascii") as file:
            file.write("deep")
        os.symlink("x" * 300, os.path.join(inner, "symbolic"))
        with open(os.path.join(inner, "one"), "w", encoding="ascii") as file:
            file.write("one")
        os.link(os.path.join(inner, "one"), os.path.join(inner, "two"))
        for kind in (tarfile.GNU_FORMAT, tarfile.PAX_FORMAT):
            with tarfile.open(self.path("in.tar"), "w", format=kind) as archive:
                archive.add(inner, arcname="top")
                archive.addfile(tarfile.TarInfo("../outside"))
            name = f"of{kind}"
            latticefs("create", self.pool, name)
            self.assertIn("../outside: invalid", latticefs("import", self.pool, name, self.path("in.tar"), "--tar", status=1))
            latticefs("export", self.pool, name, self.path("out.tar"), "--tar")
            with tarfile.open(self.path("out.tar")) as archive:
                shutil.rmtree(self.path("out"), ignore_errors=True)
                archive.extractall(self.path("out"), filter="fully_trusted")
            self.assertTrue(same(inner, self.path("out/top")))
            self.assertEqual(os.readlink(self.path("out/top/symbolic")), "x" * 300)

    def tree_with_attributes(self):
        """A folder with all that is copied, and only once each."""
        top = self.folder("attributes")
        os.makedirs(os.path.join(top, "a/b"))
        one = os.path.join(top, "a/one")
        with open(one, "wb") as file:
            file.write(b"content")
        os.setxattr(one, "user.plain", b"value")
        os.setxattr(one, "user.bytes", bytes(range(256)) + b"\n12 key=value\n")
        os.setxattr(one, "user.empty", b"")
        os.setxattr(os.path.join(top, "a"), "user.folder", b"x" * 3000)
        os.link(one, os.path.join(top, "a/b/two"))
        os.link(one, os.path.join(top, "three"))
        os.symlink("nowhere", os.path.join(top, "symbolic"))
        os.link(os.path.join(top, "symbolic"), os.path.join(top, "symbolic2"), follow_symlinks=False)
        with open(os.path.join(top, "set"), "wb"):
            pass
        os.chmod(os.path.join(top, "set"), 0o4511)
        os.utime(one, ns=(5, 1234567890123456789))
        os.utime(os.path.join(top, "set"), ns=(5, -1500000000))
        return top

    @staticmethod
    def described(top):
        """By path: type and mode, names of the same file, content, attributes, time."""
        paths, numbers = {}, {}
        for folder, folders, files in os.walk(top):
            for path in (os.path.join(folder, name) for name in folders + files):
                facts = os.lstat(path)
                numbers.setdefault(facts.st_ino, []).append(os.path.relpath(path, top))
                content = os.readlink(path) if os.path.islink(path) else None if os.path.isdir(path) else pathlib.Path(path).read_bytes()
                attributes = {n: os.getxattr(path, n, follow_symlinks=False) for n in os.listxattr(path, follow_symlinks=False)}
                time = facts.st_mtime_ns if os.path.isfile(path) else 0
                paths[os.path.relpath(path, top)] = (facts.st_mode, facts.st_ino, content, attributes, time)
        return {path: (mode, sorted(numbers[number]), *rest) for path, (mode, number, *rest) in paths.items()}

    def test_extended_attributes_and_hard_links_go_both_ways(self):
        top = self.tree_with_attributes()
        tar = ["tar", "--xattrs", "--xattrs-include=*", "--numeric-owner", "-C"]
        subprocess.run([*tar, top, "--format=pax", "-cf", self.path("in.tar"), "."], check=True)
        for name, source in (("folders", [top]), ("archives", [self.path("in.tar"), "--tar"])):
            latticefs("create", self.pool, name)
            latticefs("import", self.pool, name, *source)
            latticefs("export", self.pool, name, self.folder(name))
            self.assertEqual(self.described(self.path(name)), self.described(top))
            latticefs("export", self.pool, name, self.path(name + ".tar"), "--tar")
            self.folder(name + "2")
            subprocess.run([*tar, self.path(name + "2"), "-xpf", self.path(name + ".tar")], check=True)
            self.assertEqual(self.described(self.path(name + "2")), self.described(top))
        self.assertIn(" 0 problems", latticefs("check", self.pool))

    def test_what_cannot_be_kept_of_an_archive_is_said(self):
        entry = tarfile.TarInfo("entry")
        entry.pax_headers = {"SCHILY.xattr.user.large": "x" * 65536, "SCHILY.acl.access": "user::rw-", "SCHILY.xattr.system.x": "y",
                             "SCHILY.xattr.user.toolarge": "x" * 65537}
        # Around the lengths at which the length of a record has a digit more.
        entry.pax_headers |= {f"SCHILY.xattr.user.n{n}": "x" * n for n in (*range(60, 90), *range(960, 990))}
        with tarfile.open(self.path("in.tar"), "w", format=tarfile.PAX_FORMAT) as archive:
            archive.addfile(entry)
        text = latticefs("import", self.pool, "root", self.path("in.tar"), "--tar", status=1)
        self.assertEqual(text.count("access control list is not copied"), 2, text)
        self.assertEqual(text.count("entry: "), 3, text)
        latticefs("export", self.pool, "root", self.path("out.tar"), "--tar")
        with tarfile.open(self.path("out.tar")) as archive:
            headers = archive.getmember("entry").pax_headers
        kept = {k: v for k, v in entry.pax_headers.items() if k.startswith("SCHILY.xattr.user") and "toolarge" not in k}
        self.assertEqual({k: v for k, v in headers.items() if k.startswith("SCHILY")}, kept)

    def test_damaged_pax_headers_are_refused(self):
        for content in (b"9 path=x", b"999999999999999999999 path=x\n", b"3 =\n", b"0 path=x\n", b"-1 a=b\n", b"9 path=xx\n", b"\0" * 600):
            header = tarfile.TarInfo("./PaxHeaders/x")
            header.type, header.size = b"x", len(content)
            with open(self.path("in.tar"), "wb") as file:
                file.write(header.tobuf(tarfile.USTAR_FORMAT) + content.ljust((len(content) + 511) // 512 * 512, b"\0"))
                file.write(tarfile.TarInfo("named").tobuf(tarfile.USTAR_FORMAT) + b"\0" * 1024)
            latticefs("create", self.pool, "fresh")
            latticefs("import", self.pool, "fresh", self.path("in.tar"), "--tar")
            latticefs("export", self.pool, "fresh", self.path("out.tar"), "--tar")
            with tarfile.open(self.path("out.tar")) as archive:
                self.assertEqual(archive.getnames(), ["named"], content)
            latticefs("destroy", self.pool, "fresh")

    def test_damaged_archives_are_refused(self):
        with open(self.path("bad.tar"), "wb") as file:
            file.write(b"\x55" * 10240)
        self.assertIn("sum is wrong", latticefs("import", self.pool, "root", self.path("bad.tar"), "--tar", status=1))
        open(self.path("empty.tar"), "wb").close()
        self.assertIn("no tar archive", latticefs("import", self.pool, "root", self.path("empty.tar"), "--tar", status=1))


class RestoreTest(Case):
    def test_what_is_readable_comes_out(self):
        latticefs("import", self.pool, "root", SOURCE)
        with open(self.pool, "r+b") as disk:  # every fourth block that looks like data
            disk.seek(0)
            content = disk.read()
            for at in range(1 << 20, len(content) - (1 << 20), 4096):
                if at // 4096 % 4 == 0 and content[at:at + 4] != b"LTND" and len(set(content[at:at + 4096])) > 64:
                    disk.seek(at)
                    disk.write(b"\xff" * 4096)
        out = self.folder("out")
        done = subprocess.run([os.path.join(mounted.BIN, "latticefs"), "restore", self.pool, "root", out], capture_output=True,
                              text=True, check=False)
        self.assertEqual(done.returncode, 4, done.stderr)
        self.assertIn("are lost, zeros instead", done.stderr)
        for base, _, files in os.walk(out):
            for name in files:
                path = os.path.join(base, name)
                original = os.path.join(SOURCE, os.path.relpath(path, out))
                with open(path, "rb") as left, open(original, "rb") as right:
                    if left.read() != right.read():
                        self.assertIn(f"{os.path.relpath(path, out)}:", done.stderr)

    def test_lost_nodes_are_named(self):
        mounted.run("mkfs.latticefs", "-s", "96M", "-d", "1", self.pool)
        latticefs("import", self.pool, "root", SOURCE)
        with open(self.pool, "r+b") as disk:
            content = disk.read()
            leaves = [m.start() for m in re.finditer(b"LTND\0", content)
                      if m.start() % 16384 == 0 and int.from_bytes(content[m.start() + 8:m.start() + 16], "little") == 1]
            for leaf in leaves[::3]:
                disk.seek(leaf + 64)
                disk.write(b"\xff" * 64)
        done = subprocess.run([os.path.join(mounted.BIN, "latticefs"), "restore", self.pool, "root", self.folder("out")],
                              capture_output=True, text=True, check=False)
        self.assertEqual(done.returncode, 4, done.stderr)
        self.assertIn("unreadable: what belongs to objects", done.stderr)
        latticefs("check", self.pool, status=4)


class EncryptionTest(Case):
    def test_keys_and_passphrases(self):
        with open(self.path("key"), "wb") as file:
            file.write(bytes(range(32)))
        with open(self.path("phrase"), "w", encoding="ascii") as file:
            file.write("correct horse\n")
        with open(self.path("wrong"), "wb") as file:
            file.write(bytes(32))
        mounted.run("mkfs.latticefs", "-s", "96M", "--encrypt", "xchacha20", "--key", self.path("key"), self.path("safe"))
        safe = self.path("safe")
        self.assertIn("Give --key", latticefs("import", safe, "root", SOURCE, status=1))
        self.assertIn("does not follow", latticefs("import", safe, "root", SOURCE, "--key", self.path("wrong"), status=1).replace(
            "wrong key", "does not follow"))
        latticefs("import", safe, "root", SOURCE, "--key", self.path("key"))
        self.export_same("root", safe, "--key", self.path("key"))
        self.assertIn("encrypted", latticefs("list", safe))
        self.assertIn(" 0 problems", latticefs("check", safe))  # needs no key
        latticefs("key", safe, "root", "--key", self.path("key"), "--new-passphrase", self.path("phrase"))
        latticefs("export", safe, "root", self.folder("no"), "--key", self.path("key"), status=1)
        self.export_same("root", safe, "--passphrase", self.path("phrase"))
        with open(safe, "rb") as disk:
            self.assertNotIn(b"copy-on-write", disk.read())
        if mounted.HAS_FUSE:
            folder = self.folder("mount")
            self.assertIn("key is needed", mounted.run("mount.fuse.latticefs", safe, folder, "-f", status=1, stdin=subprocess.DEVNULL))
            mount = mounted.Mount(safe, folder, "-o", f"passphrase={self.path('phrase')},hide_snapshots")
            self.assertTrue(same(SOURCE, folder))
            self.assertEqual(mount.end(), 0)


if __name__ == "__main__":
    unittest.main()
