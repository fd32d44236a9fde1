"""The root archive: a ustar file that ramfs is filled from.

Sources, later ones winning: system/root/ as it lies there; system/root.list, which says what git
cannot (modes, owners, empty folders, links); Debian's busybox with one symbolic link per applet;
files put by the caller. Owners and times are fixed, so that the same inputs give the same bytes.

A line of root.list is one of
  directory PATH MODE UID GID
  mode      PATH MODE UID GID      (of a file in system/root)
  link      PATH TARGET            (symbolic)
"""

import io
import os
import subprocess
import tarfile

# 2026-01-01: an arbitrary time that is in the past of every run.
FIXED_TIME = int(os.environ.get("SOURCE_DATE_EPOCH", "1767225600"))


class RootError(ValueError):
    """An input of the root archive that makes no sense."""


def clean(path):
    """A guest path as a member name: no leading slash, no dots."""
    parts = [p for p in path.split("/") if p]
    if not parts or any(p in (".", "..") for p in parts):
        raise RootError(f"not a path below /: {path!r}")
    return "/".join(parts)


class Tree:
    """Members by name; folders above a member appear by themselves."""

    def __init__(self):
        self.members = {}

    def _add(self, name, data=None, **fields):
        parent = name.rpartition("/")[0]
        if parent:
            above = self.members.get(parent)
            if above is None:
                self.add_directory(parent)
            elif not above[0].isdir():
                raise RootError(f"{name}: {parent} is no folder")
        info = tarfile.TarInfo(name)
        info.mtime = FIXED_TIME
        info.uname = info.gname = ""
        for key, value in fields.items():
            setattr(info, key, value)
        self.members[name] = (info, data)

    def add_directory(self, path, mode=0o755, uid=0, gid=0):
        self._add(clean(path), type=tarfile.DIRTYPE, mode=mode, uid=uid, gid=gid)

    def add_file(self, path, data, mode=0o644, uid=0, gid=0):
        self._add(clean(path), data, size=len(data), mode=mode, uid=uid, gid=gid)

    def add_link(self, path, target):
        self._add(clean(path), type=tarfile.SYMTYPE, linkname=target, mode=0o777)

    def add_folder(self, folder):
        """Everything below a folder of the host; executable bits are kept, owners are root."""
        for base, folders, files in os.walk(folder):
            folders.sort()
            for name in sorted(files):
                full = os.path.join(base, name)
                path = os.path.relpath(full, folder)
                if os.path.islink(full):
                    self.add_link(path, os.readlink(full))
                else:
                    self.add_host_file(path, full)

    def add_host_file(self, path, host_path):
        """A file of the host, or a folder of it with all that is below."""
        if os.path.isdir(host_path):
            self.add_directory(path)
            for name in sorted(os.listdir(host_path)):
                self.add_host_file(f"{path}/{name}", os.path.join(host_path, name))
            return
        with open(host_path, "rb") as file:
            data = file.read()
        self.add_file(path, data, 0o755 if os.access(host_path, os.X_OK) else 0o644)

    def apply_list(self, text, origin):
        for number, line in enumerate(text.splitlines(), 1):
            words = line.split("#")[0].split()
            if not words:
                continue
            try:
                self._apply(words)
            except (RootError, ValueError, KeyError) as error:
                raise RootError(f"{origin}:{number}: {error}") from error

    def _apply(self, words):
        if words[0] == "link" and len(words) == 3:
            self.add_link(words[1], words[2])
        elif words[0] in ("directory", "mode") and len(words) == 5:
            mode, uid, gid = int(words[2], 8), int(words[3]), int(words[4])
            if words[0] == "directory":
                self.add_directory(words[1], mode, uid, gid)
            else:
                info, _ = self.members[clean(words[1])]
                info.mode, info.uid, info.gid = mode, uid, gid
        else:
            raise RootError(f"not a line of a root list: {' '.join(words)}")

    def add_busybox(self, binary):
        """Debian's binary, byte for byte, and its applets as links."""
        with open(binary, "rb") as file:
            self.add_file("bin/busybox", file.read(), 0o755)
        names = subprocess.run(
            [binary, "--list-full"], check=True, stdout=subprocess.PIPE, text=True
        ).stdout.split()
        for name in names:
            if clean(name) not in self.members:
                self.add_link(name, "/bin/busybox")

    def add_archive(self, data):
        """What an archive made by `archive` holds."""
        with tarfile.open(fileobj=io.BytesIO(data), mode="r:") as tar:
            for info in tar:
                self.members[info.name] = (info, tar.extractfile(info).read() if info.isreg() else None)

    def archive(self):
        """The ustar bytes, folders before what they hold."""
        out = io.BytesIO()
        with tarfile.open(fileobj=out, mode="w", format=tarfile.USTAR_FORMAT) as tar:
            for name in sorted(self.members):
                info, data = self.members[name]
                tar.addfile(info, io.BytesIO(data) if data is not None else None)
        return out.getvalue()
