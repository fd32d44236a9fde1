"""Is there hardware virtualisation that works? The processor must report it, and a guest of a few
instructions must really run: a device file alone proves nothing."""

import os
import struct
import subprocess
import tempfile

# 32-bit, from PVH's entry: mov $0x31, %al; mov $0xf4, %dx; out %al, %dx; hlt; jmp to hlt
CODE = b"\xb0\x31\x66\xba\xf4\x00\xee\xf4\xeb\xfd"
EXPECTED = 0x31 << 1 | 1
BASE = 0x100000
LIMIT_S = 20


def guest():
    """An ELF file with a PVH note whose only act is to write to the exit device."""
    note = struct.pack("<III4sI", 4, 4, 18, b"Xen\0", BASE + 0x1000)
    headers = 2 * 32
    note_offset = 52 + headers
    elf = b"\x7fELF\1\1\1" + bytes(9)
    elf += struct.pack("<HHIIIIIHHHHHH", 2, 3, 1, BASE + 0x1000, 52, 0, 0, 52, 32, 2, 0, 0, 0)
    elf += struct.pack("<8I", 1, 0x1000, BASE + 0x1000, BASE + 0x1000, len(CODE), len(CODE), 5, 0x1000)
    elf += struct.pack("<8I", 4, note_offset, 0, 0, len(note), len(note), 4, 4)
    elf += note
    return elf.ljust(0x1000, b"\0") + CODE


def runs(accelerator):
    """True if the probe guest runs with this accelerator and ends with its own code."""
    with tempfile.NamedTemporaryFile(suffix=".elf") as file:
        file.write(guest())
        file.flush()
        line = ["qemu-system-x86_64", "-M", "q35", "-accel", accelerator, "-m", "64M", "-nodefaults",
                "-display", "none", "-no-reboot", "-device", "isa-debug-exit,iobase=0xf4,iosize=1",
                "-kernel", file.name]
        try:
            done = subprocess.run(line, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                  stderr=subprocess.DEVNULL, timeout=LIMIT_S, check=False)
        except (OSError, subprocess.TimeoutExpired):
            return False
        return done.returncode == EXPECTED


def processor_reports_it(cpuinfo="/proc/cpuinfo"):
    try:
        with open(cpuinfo, encoding="ascii", errors="replace") as file:
            for line in file:
                if line.startswith("flags") and {"vmx", "svm"} & set(line.split()):
                    return True
    except OSError:
        pass
    return False


def accelerator():
    """kvm where it works, else tcg."""
    if processor_reports_it() and os.access("/dev/kvm", os.R_OK | os.W_OK) and runs("kvm"):
        return "kvm"
    return "tcg"
