#!/usr/bin/env python3
"""check and scrub of a million files: in bounded memory, with progress on a terminal.

usage: million.py [FILES]
Makes a pool, imports an archive of so many files of 100 bytes in folders of 1,000, checks and scrubs it. Prints what they found, the
most memory that was held, and how often lines of progress were written. Exit 0: all was found, below the bound."""

import os
import pty
import re
import resource
import subprocess
import sys
import tarfile
import tempfile
import threading

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import mounted  # noqa: E402

MEMORY_MAX = 192 << 20  # 50 MiB of facts while their table is made anew, the cache of nodes, the program
FOLDER = 1000


def write_archive(to, files):
    """Without tarfile's list of members, which would be the largest thing here."""
    with os.fdopen(to, "wb") as out:
        for number in range(files):
            if number % FOLDER == 0:
                folder = tarfile.TarInfo(f"folder{number // FOLDER}")
                folder.type, folder.mode = tarfile.DIRTYPE, 0o755
                out.write(folder.tobuf(tarfile.USTAR_FORMAT))
            file = tarfile.TarInfo(f"folder{number // FOLDER}/file{number}")
            file.size = 100
            out.write(file.tobuf(tarfile.USTAR_FORMAT) + str(number).encode().ljust(512, b"x"))
        out.write(bytes(1024))


def import_files(pool, files):
    reading, writing = os.pipe()
    with subprocess.Popen([os.path.join(mounted.BIN, "latticefs"), "import", pool, "root", "-", "--tar"], stdin=reading) as importing:
        os.close(reading)
        write_archive(writing, files)
    if importing.returncode != 0:
        sys.exit(f"import ended with {importing.returncode}")


def watched(command, pool):
    """What a command printed, and what it wrote on the terminal."""
    primary, secondary = pty.openpty()
    shown = []

    def read():
        try:
            while part := os.read(primary, 65536):
                shown.append(part)
        except OSError:
            pass  # the other side is closed

    with subprocess.Popen([os.path.join(mounted.BIN, "latticefs"), command, pool], stdout=subprocess.PIPE, stderr=secondary,
                          text=True) as checking:
        os.close(secondary)
        reader = threading.Thread(target=read)
        reader.start()
        text = checking.stdout.read()
    reader.join()
    return text, b"".join(shown)


def main():
    files = int(sys.argv[1]) if len(sys.argv) > 1 else 1000000
    with tempfile.TemporaryDirectory() as folder:
        pool = os.path.join(folder, "pool")
        mounted.run("mkfs.latticefs", "-s", "8G", pool)
        import_files(pool, files)
        importing = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss << 10
        text, shown = watched("check", pool)
        scrubbed, more = watched("scrub", pool)
        most = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss << 10
    lines = {what: len(re.findall(rb"\r" + what, shown + more)) for what in (b"check, blocks: ", b"check, names: ", b"scrub, blocks: ")}
    print(text.strip(), scrubbed.strip(), sep="\n")
    print(f"at most {importing >> 20} MiB in import, {most >> 20} MiB with check and scrub; lines of progress: {sorted(lines.values())}")
    folders = (files + FOLDER - 1) // FOLDER
    whole = scrubbed.strip().endswith(" read, 0 bad copies healed, 0 lost")
    right = whole and text.startswith(f"{files + folders + 1} objects, ") and text.strip().endswith(" 0 problems")
    return 0 if right and most < MEMORY_MAX and all(lines.values()) else 1


if __name__ == "__main__":
    sys.exit(main())
