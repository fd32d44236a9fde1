"""Writes an initial ramdisk: the `newc` form of cpio, as Linux's documentation describes it."""
import stat


class Archive:
    """An archive in memory: add folders, files, links and devices, then take `data()`."""

    def __init__(self):
        self._parts = []
        self._count = 0
        self._folders = set()

    def _entry(self, name, mode, content=b"", device=(0, 0)):
        self._count += 1
        encoded = name.encode() + b"\0"
        fields = [self._count, mode, 0, 0, 1, 0, len(content), 0, 0, *device, len(encoded), 0]
        header = b"070701" + b"".join(b"%08x" % field for field in fields) + encoded
        self._parts.append(header + b"\0" * (-len(header) % 4))
        self._parts.append(content + b"\0" * (-len(content) % 4))

    def folder(self, name):
        """Adds a folder and those above it, once."""
        parts = name.strip("/").split("/")
        for depth in range(1, len(parts) + 1):
            path = "/".join(parts[:depth])
            if path and path not in self._folders:
                self._folders.add(path)
                self._entry(path, stat.S_IFDIR | 0o755)

    def file(self, name, content, mode=0o755):
        """Adds a file, with the folders above it."""
        if "/" in name:
            self.folder(name.rpartition("/")[0])
        self._entry(name, stat.S_IFREG | mode, content)

    def link(self, name, target):
        """Adds a symbolic link, with the folders above it."""
        if "/" in name:
            self.folder(name.rpartition("/")[0])
        self._entry(name, stat.S_IFLNK | 0o777, target.encode())

    def device(self, name, major, minor):
        """Adds a character device, with the folders above it."""
        self.folder(name.rpartition("/")[0])
        self._entry(name, stat.S_IFCHR | 0o600, device=(major, minor))

    def data(self):
        """The whole archive."""
        self._entry("TRAILER!!!", 0)
        whole = b"".join(self._parts)
        self._parts, self._count = [whole], self._count
        return whole + b"\0" * (-len(whole) % 512)
