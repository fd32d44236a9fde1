"""`./isotope bench latticefs [ROW…] [--size PERCENT] [--tsv] [--folder FOLDER]`: latticefs beside others.

On this machine, in one run: ext4 and btrfs on loop devices, a FUSE file system that only passes through to ext4 (the price of
FUSE itself), and latticefs under FUSE, each on a loop device over a sparse file of its own in the same folder. Every row is
measured on all of them one after the other, mounted afresh where it says cold. `net` is latticefs less that price (passthrough
less ext4), as a share of btrfs: at or below 1.00 is the aim. Bytes, operations and flushes are those of the loop device. Then
the core alone, in executed instructions per operation, in a Linux guest under instruction counting. Needs root; what cannot be
measured here is listed with the reason. Ends with status 1 if a row of latticefs is missing.
"""
import argparse
import os
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
sys.path[:0] = [HERE, os.path.join(ROOT, "bench/linux"), os.path.join(ROOT, "host/command")]

BIN = os.path.join(ROOT, "build/host/bin")
PROGRAMS = os.path.join(ROOT, "build/host/latticefs")
SIDES = ("ext4", "btrfs", "passthrough", "latticefs")
CORE_ROWS = ("core_create", "core_lookup", "core_write_4k", "core_read_4k", "core_commit_1", "core_commit_10000",
             "core_snapshot")


class NotMeasured(Exception):
    """Why a side or a row has no figure."""


def run(*arguments, **options):
    """Runs a program; what it wrote. Failing says why, with its last line."""
    try:
        done = subprocess.run(arguments, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace",
                              check=False, **options)
    except FileNotFoundError as error:
        raise NotMeasured(f"{arguments[0]} is not installed") from error
    if done.returncode != 0:
        last = done.stdout.strip().splitlines()[-1:] or ["no message"]
        raise NotMeasured(f"{os.path.basename(arguments[0])}: status {done.returncode}: {last[0]}")
    return done.stdout


class Disk:
    """A loop device over a sparse file, and what it has counted."""

    def __init__(self, path, size):
        self.path = path
        with open(path, "wb") as file:
            file.truncate(size)
        self.device = run("losetup", "--find", "--show", path).strip()

    def counters(self):
        """Operations, bytes and flushes so far."""
        with open(f"/sys/block/{os.path.basename(self.device)}/stat", encoding="ascii") as file:
            fields = [int(word) for word in file.read().split()]
        flushes = fields[15] if len(fields) > 15 else 0
        return {"operations": fields[0] + fields[4], "bytes": 512 * (fields[2] + fields[6]), "flushes": flushes}

    def close(self):
        subprocess.run(["losetup", "-d", self.device], check=False)
        os.unlink(self.path)


class Side:
    """A file system on its disk."""

    def __init__(self, name, folder, size):
        self.name, self.base = name, os.path.join(folder, name)
        self.mounted, self.below = os.path.join(self.base, "mount"), os.path.join(self.base, "below")
        os.makedirs(self.mounted)
        os.makedirs(self.below)
        self.why, self.disk, self.server, self.snapshots = None, None, None, 0
        try:
            self.disk = Disk(os.path.join(self.base, "disk"), size)
            self.make(self.disk.device)
            self.mount()
        except (NotMeasured, OSError) as error:
            self.why = str(error)

    def make(self, device):
        {"ext4": lambda: run("mkfs.ext4", "-q", "-F", device),
         "passthrough": lambda: run("mkfs.ext4", "-q", "-F", device),
         "btrfs": lambda: run("mkfs.btrfs", "-q", "-f", device),
         "latticefs": lambda: run(f"{BIN}/mkfs.latticefs", device)}[self.name]()

    def mount_device(self, device, where):
        if self.name == "latticefs":
            run(f"{BIN}/mount.fuse.latticefs", device, where, "-o", "hide_snapshots")
        else:
            options = ["-o", "compress=lzo"] if self.name == "btrfs" else []
            run("mount", *options, device, where)

    def serve(self, *line):
        """Starts a FUSE server in this session, as the other one: by its session the kernel shares out processors."""
        self.server = subprocess.Popen(line)
        while self.server.poll() is None and not os.path.ismount(self.mounted):
            time.sleep(0.005)
        if self.server.poll() is not None:
            raise NotMeasured(f"{os.path.basename(line[0])} ended with status {self.server.returncode}")

    def mount(self):
        if self.name == "passthrough":
            self.mount_device(self.disk.device, self.below)
            self.serve(f"{PROGRAMS}/bench-passthrough", self.below, self.mounted)
        elif self.name == "latticefs":
            self.serve(f"{BIN}/mount.fuse.latticefs", self.disk.device, self.mounted, "-f", "-o", "hide_snapshots")
        else:
            self.mount_device(self.disk.device, self.mounted)

    def unmount(self):
        run("umount", self.mounted)
        if self.server is not None:
            self.server.wait()
            self.server = None
            if self.name == "passthrough":
                run("umount", self.below)

    def cold(self):
        """Empties all caches of this side."""
        self.unmount()
        run("blockdev", "--flushbufs", self.disk.device)
        self.mount()

    def close(self):
        for folder in (self.mounted, self.below):
            if os.path.ismount(folder):
                subprocess.run(["umount", folder], check=False)
            if self.server is not None:
                self.server.wait()
        if self.disk is not None:
            self.disk.close()

    def snapshot(self):
        self.snapshots += 1
        name = f"s{self.snapshots}"
        if self.name == "latticefs":
            os.mkdir(os.path.join(self.mounted, ".snapshots", name))
        elif self.name == "btrfs":
            run("btrfs", "subvolume", "snapshot", "-r", self.mounted, os.path.join(self.mounted, f".{name}"))
        else:
            raise NotMeasured("has no snapshots")

    def scrub(self):
        if self.name == "btrfs":
            run("btrfs", "scrub", "start", "-B", self.mounted)
        elif self.name == "latticefs":
            self.unmount()
            try:
                run(f"{BIN}/latticefs", "scrub", self.disk.device)
            finally:
                self.mount()
        else:
            raise NotMeasured("has no scrub")


def timed(action):
    start = time.monotonic_ns()
    action()
    return time.monotonic_ns() - start


def workload(side, row, count):
    """One row of bench/latticefs/workload.c; nanoseconds."""
    return int(run(f"{PROGRAMS}/bench-workload", row, side.mounted, str(count)))


def sync(side):
    run("sync", "-f", side.mounted)


def unpack(side, archive):
    folder = os.path.join(side.mounted, "unpacked")
    os.makedirs(folder)
    return timed(lambda: (run("tar", "-xf", archive, "-C", folder), sync(side)))


def remove_tree(side):
    return timed(lambda: (run("rm", "-r", os.path.join(side.mounted, "unpacked")), sync(side)))


def sqlite_inserts(side, count):
    database = sqlite3.connect(os.path.join(side.mounted, "database"), isolation_level=None)
    database.execute("create table t (a integer primary key, b text)")

    def insert():
        for number in range(count):
            database.execute("insert into t (b) values (?)", (f"row {number}",))
    taken = timed(insert)
    database.close()
    os.unlink(os.path.join(side.mounted, "database"))
    return taken


def snapshot(side):
    sync(side)
    return timed(side.snapshot)


def mount_empty(side, size):
    """Mounts a new file system of a size, empty."""
    disk = Disk(os.path.join(side.base, "other"), size)
    where = os.path.join(side.base, "other-mount")
    os.makedirs(where, exist_ok=True)
    try:
        if side.name == "passthrough":
            raise NotMeasured("mounts nothing")
        side.make(disk.device)
        taken = timed(lambda: side.mount_device(disk.device, where))
        run("umount", where)
        return taken
    finally:
        disk.close()


def archive_of(folder):
    """A tar file of this project's sources, several times over."""
    path = os.path.join(folder, "sources.tar")
    with open(path, "wb") as file:
        subprocess.run(["git", "-C", ROOT, "archive", "HEAD"], stdout=file, check=True)
    return path


def rows_of(share, folder):
    """(name, operations, unit, cold, action(side) → nanoseconds), in the order in which they must run."""
    def some(count):
        return max(1, count * share // 100)
    archive = archive_of(folder)
    large, random_io, files, synced, inserts = some(512), some(20000), some(100000), some(500), some(1000)
    rows = [("snapshot_of_1", 1, "one", False, lambda side: (workload(side, "create_sync", 1), snapshot(side))[1])]
    for name, count, unit, cold, row in (
            ("write_sequential", large, "MiB", False, "write"), ("read_sequential", large, "MiB", True, "read"),
            ("read_random_4k", random_io, "operation", True, "random_read"),
            ("write_random_4k", random_io, "operation", True, "random_write"),
            ("create_1k", files, "file", False, "create"), ("create_1k_fsync", synced, "file", False, "create_sync"),
            ("readdir_cold", files, "entry", True, "readdir"), ("stat_cold", files, "file", True, "stat"),
            ("stat_warm", files, "file", False, "stat")):
        rows.append((name, count, unit, cold, lambda side, row=row, count=count: workload(side, row, count)))
    rows += [(f"snapshot_of_{files}", 1, "one", False, snapshot), ("scrub", large, "MiB written", False, lambda side: timed(side.scrub)),
             ("remove", files, "file", False, lambda side: workload(side, "remove", files)),
             ("unpack", 1, "archive", False, lambda side: unpack(side, archive)),
             ("remove_tree", 1, "tree", False, remove_tree),
             ("sqlite_insert", inserts, "insert", False, lambda side: sqlite_inserts(side, inserts)),
             ("mount_1_gib", 1, "mount", False, lambda side: mount_empty(side, 1 << 30)),
             ("mount_1_tib", 1, "mount", False, lambda side: mount_empty(side, 1 << 40))]
    return rows


def measure_row(side, operations, cold, action):
    """{ns, bytes, operations, flushes} for one operation of the row."""
    if side.why is not None:
        raise NotMeasured(side.why)
    if cold:
        side.cold()
    else:
        sync(side)
    before = side.disk.counters()
    taken = action(side)
    sync(side)
    after = side.disk.counters()
    return {"ns": taken / operations, **{key: (after[key] - before[key]) / operations for key in before}}


def net_share(figures):
    """What latticefs takes less the price of FUSE, as a share of btrfs; None if something is missing."""
    if any(side not in figures for side in SIDES):
        return None
    price = figures["passthrough"]["ns"] - figures["ext4"]["ns"]
    return max(0.0, figures["latticefs"]["ns"] - max(0.0, price)) / figures["btrfs"]["ns"]


def readable(nanoseconds):
    for limit, divisor, unit in ((1e4, 1, "ns"), (1e7, 1e3, "us"), (1e10, 1e6, "ms")):
        if nanoseconds < limit:
            return f"{nanoseconds / divisor:.0f} {unit}"
    return f"{nanoseconds / 1e9:.1f} s"


def ratio(figures, other):
    if "latticefs" not in figures or other not in figures:
        return "-"
    return f"{figures['latticefs']['ns'] / figures[other]['ns']:.2f}"


def print_row(name, unit, figures, reasons):
    times = "".join(f"{readable(figures[s]['ns']) if s in figures else '-':>12}" for s in SIDES)
    net = net_share(figures)
    print(f"{name:<20}{unit:>12}{times}{ratio(figures, 'ext4'):>8}{ratio(figures, 'btrfs'):>8}"
          f"{'-' if net is None else f'{net:.2f}':>8}", flush=True)
    for key, divisor, format_ in (("bytes", 1024, "{:.1f} KiB"), ("operations", 1, "{:.2f}"), ("flushes", 1, "{:.2f}")):
        cells = "".join(f"{format_.format(figures[s][key] / divisor) if s in figures else '-':>12}" for s in SIDES)
        print(f"    {key:<16}{'':>12}{cells}")
    for side, why in reasons.items():
        print(f"    {side}: not measured: {why}")


def print_tsv(name, figures):
    for side in SIDES:
        values = [f"{figures[side][key]:.1f}" for key in ("ns", "bytes", "operations", "flushes")] if side in figures else ["-"] * 4
        print(name, side, *values, sep="\t", flush=True)


def measure_sides(options, folder):
    """Runs all rows; whether latticefs has a figure in each."""
    complete = True
    sides = [Side(name, folder, 6 << 30) for name in SIDES]
    try:
        for name, operations, unit, cold, action in rows_of(options.size, folder):
            wanted = not options.rows or name in options.rows
            figures, reasons = {}, {}
            for side in sides:
                try:
                    figures[side.name] = measure_row(side, operations, cold, action)
                except (NotMeasured, OSError, sqlite3.Error) as error:
                    reasons[side.name] = str(error)
            if wanted and options.tsv:
                print_tsv(name, figures)
            elif wanted:
                print_row(name, unit, figures, reasons)
            complete &= "latticefs" in figures
    finally:
        for side in sides:
            side.close()
    return complete


def core_figures():
    """({row: instructions}, {row: why not}) of bench/latticefs/core.c in a Linux guest under instruction counting."""
    import cpio
    import linux_guest
    import posix_program
    archive = cpio.Archive()
    archive.device("dev/console", 5, 1)
    with open(f"{PROGRAMS}/bench-core", "rb") as program:
        archive.file("init", program.read())
    text = linux_guest.boot(archive, True).decode(errors="replace")
    inside, found, _ = text.partition("bench begins\n")[2].partition("bench ends\n")
    if not found:
        return {}, {row: "the Linux guest did not finish: " + text[-300:] for row in CORE_ROWS}
    return posix_program.parse(inside)


def measure_core(options):
    """The core's rows; whether all have a figure."""
    try:
        values, failures = core_figures()
    except (OSError, subprocess.SubprocessError, StopIteration) as error:
        values, failures = {}, {row: str(error) for row in CORE_ROWS}
    if not options.tsv:
        print("\nThe core alone over a disk in memory, executed instructions per operation:")
    for row in CORE_ROWS:
        if options.tsv:
            print(row, "core", values.get(row, "-"), "-", "-", "-", sep="\t")
        else:
            print(f"{row:<20}{values.get(row, 'not measured: ' + failures.get(row, 'no answer')):>12}")
    return all(row in values for row in CORE_ROWS)


def packages_need():
    """Has the doctor say what is missing for the comparison, and install it as it does for the build."""
    environment = {**os.environ, "ISOTOPE_PACKAGES": os.path.join(ROOT, "bench/latticefs/packages.txt")}
    line = ["sh", os.path.join(ROOT, "host/doctor/doctor.sh"), "--before", "bench latticefs"]
    if subprocess.run(line, env=environment, check=False).returncode != 0:
        sys.exit("isotope bench latticefs: without these packages ext4 and btrfs cannot be measured")


def private_mounts(arguments):
    """Starts anew where no other namespace of mounts can copy ours, and keep them when we unmount."""
    if os.environ.get("BENCH_PRIVATE_MOUNTS") is None and shutil.which("unshare") is not None:
        os.environ["BENCH_PRIVATE_MOUNTS"] = "1"
        os.execvp("unshare", ["unshare", "--mount", "--propagation", "private", sys.executable, os.path.abspath(__file__),
                              *arguments])


def main(arguments):
    parser = argparse.ArgumentParser(prog="isotope bench latticefs", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("rows", nargs="*", metavar="ROW", help="rows to show; `core` for the core's alone")
    parser.add_argument("--size", type=int, default=100, metavar="PERCENT", help="of the amounts of work (default 100)")
    parser.add_argument("--folder", help="where the disks' files lie (default: a new one in the temporary folder)")
    parser.add_argument("--tsv", action="store_true")
    options = parser.parse_args(arguments)
    import common
    common.make(f"{BIN}/mkfs.latticefs".removeprefix(ROOT + "/"), f"{BIN}/latticefs".removeprefix(ROOT + "/"),
                f"{BIN}/mount.fuse.latticefs".removeprefix(ROOT + "/"),
                *(f"build/host/latticefs/bench-{name}" for name in ("workload", "passthrough", "core")))
    complete = True
    if options.rows != ["core"]:
        if os.geteuid() != 0:
            parser.error("loop devices and mounts need root")
        packages_need()
        private_mounts(arguments)
        if not options.tsv:
            print(f"{'row':<20}{'for one':>12}" + "".join(f"{side:>12}" for side in SIDES) + f"{'/ext4':>8}{'/btrfs':>8}{'net':>8}")
        folder = tempfile.mkdtemp(dir=options.folder)
        try:
            complete = measure_sides(options, folder)
        finally:
            shutil.rmtree(folder)
    if not options.rows or "core" in options.rows:
        complete &= measure_core(options)
    return 0 if complete else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
