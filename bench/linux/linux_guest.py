"""A Linux guest: Debian's cloud kernel in QEMU with an initial ramdisk of ours.

The kernel comes as a Debian package by apt at the time of use, is unpacked into build/, and is never
committed. One guest runs at a time here: the caller holds no lock, this module takes one."""
import fcntl
import glob
import os
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
sys.path[:0] = [HERE, os.path.join(ROOT, "tests")]

import cpio  # noqa: E402
import debian_packages  # noqa: E402

META_PACKAGE = "linux-image-cloud-amd64"
BUSYBOX = "/bin/busybox"
LOCK = "/tmp/isotope-qemu.lock"
# The settings that favour Linux: no mitigations, and no `rep movsb`, which emulation does bytewise.
CPU = "max,-erms,-la57"
COMMAND_LINE = ("console=ttyS0 quiet loglevel=0 mitigations=off tsc=reliable nokaslr "
                "random.trust_cpu=on panic=-1")
BOUND_SECONDS = 900


def kernel():
    """The path of Debian's cloud kernel, and its version."""
    depends = subprocess.run(["apt-cache", "depends", META_PACKAGE], check=True, text=True,
                             stdout=subprocess.PIPE).stdout
    package = next(line.split()[1] for line in depends.splitlines()
                   if line.strip().startswith("Depends: linux-image-"))
    folder = os.path.join(ROOT, "build/debian/unpacked", package)
    if not glob.glob(f"{folder}/boot/vmlinuz-*"):
        os.makedirs(os.path.dirname(folder), exist_ok=True)
        subprocess.run(["dpkg-deb", "-x", debian_packages.binary(package), folder], check=True)
    path = glob.glob(f"{folder}/boot/vmlinuz-*")[0]
    return path, os.path.basename(path).removeprefix("vmlinuz-")


def command(ramdisk, counting):
    """QEMU's command line; `counting` makes the time-stamp counter count instructions."""
    line = ["qemu-system-x86_64", "-M", "q35", "-accel", "tcg", "-cpu", CPU, "-smp", "1", "-m", "512M",
            "-nodefaults", "-display", "none", "-no-reboot", "-serial", "stdio", "-kernel", kernel()[0],
            "-initrd", ramdisk, "-append", COMMAND_LINE]
    return line + (["-icount", "shift=0,sleep=off"] if counting else [])


def boot(archive, counting):
    """Runs the guest until it powers off; what its serial line said, with plain line ends."""
    with tempfile.TemporaryDirectory() as folder, open(LOCK, "w", encoding="ascii") as lock:
        ramdisk = os.path.join(folder, "initrd")
        with open(ramdisk, "wb") as out:
            out.write(archive.data())
        line = command(ramdisk, counting)
        fcntl.flock(lock, fcntl.LOCK_EX)
        done = subprocess.run(line, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, timeout=BOUND_SECONDS, check=False)
    return done.stdout.replace(b"\r\n", b"\n")


def run_script(script, files):
    """Runs a busybox shell script as the first process's child, with `files` ({path in the guest: file
    on this host}) in place; what it wrote."""
    archive = cpio.Archive()
    archive.device("dev/console", 5, 1)
    for folder in ("proc", "sys", "tmp", "etc", "root"):
        archive.folder(folder)
    with open(BUSYBOX, "rb") as binary:
        archive.file("bin/busybox", binary.read())
    for name in subprocess.run([BUSYBOX, "--list"], check=True, text=True,
                               stdout=subprocess.PIPE).stdout.split():
        if name != "busybox":
            archive.link(f"bin/{name}", "/bin/busybox")
    archive.file("etc/passwd", b"root:x:0:0:root:/root:/bin/sh\n", 0o644)
    archive.file("etc/group", b"root:x:0:\n", 0o644)
    for path, source in files.items():
        with open(source, "rb") as content:
            archive.file(path, content.read())
    begin = ("#!/bin/sh\nexport PATH=/bin\nmount -t devtmpfs dev /dev\nmount -t proc proc /proc\n"
             "mount -t sysfs sys /sys\nmkdir -p /dev/pts /dev/shm\nmount -t devpts devpts /dev/pts\n"
             "mount -t tmpfs tmpfs /dev/shm\nmount -t tmpfs tmpfs /tmp\nchmod 1777 /tmp /dev/shm\n"
             "for n in fd:fd stdin:fd/0 stdout:fd/1 stderr:fd/2; do\n"
             "ln -sfn /proc/self/${n#*:} /dev/${n%:*}; done\nstty -onlcr\necho; echo SCRIPT-BEGINS\n")
    archive.file("init", (begin + script + "\necho SCRIPT-ENDS\npoweroff -f\n").encode())
    output = boot(archive, False)
    inside, found, _ = output.partition(b"SCRIPT-BEGINS\n")[2].partition(b"SCRIPT-ENDS")
    if not found:
        raise SystemExit("the Linux guest did not reach its end:\n" +
                         output[-3000:].decode(errors="replace"))
    return inside
