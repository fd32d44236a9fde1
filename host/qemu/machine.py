"""The machine that Isotope boots on: one place that knows QEMU's command line.

q35, the kernel by PVH (-kernel), the boot image as its initrd, the first UART as the console, in the
debug profile the second UART as the kernel's debug shell, port 0xe9 for the log, and isa-debug-exit:
a guest that ends with EXIT_PASSED succeeded, and nothing else is success (a triple fault exits 0)."""

import dataclasses
import os
import re

EXIT_PASSED = 0x10 << 1 | 1  # the guest wrote 0x10
EXIT_FAILED = 0x11 << 1 | 1  # a panic or a failed start: the guest wrote 0x11
MEMORY_DEFAULT = "256M"
PROCESSORS_MAXIMUM = 4


def memory_size(text):
    """Validates a size as QEMU takes it: digits and M or G."""
    if not re.fullmatch(r"[1-9][0-9]{0,5}[MG]", text):
        raise ValueError(f"{text!r} is no memory size: write for example 256M or 1G")
    return text


@dataclasses.dataclass
class Machine:
    kernel: str
    image: str
    accelerator: str = "tcg"
    memory: str = MEMORY_DEFAULT
    processors: int = 1
    icount: bool = False
    arguments: tuple = ()  # words for the kernel's command line
    console: str = "stdio"  # stdio: the terminal, with Ctrl-A X; else a chardev description
    log: str = ""  # file that takes the log (port 0xe9)
    debug_shell: str = ""  # path of a Unix socket for the second UART
    gdb: str = ""  # chardev of the gdb stub
    monitor: str = ""  # path of a Unix socket for QMP
    stopped: bool = False
    extra: tuple = ()

    def line(self):
        """The command line, as a list."""
        words = ["qemu-system-x86_64", "-M", "q35", "-accel", self._accelerator(), "-cpu", "max",
                 "-m", self.memory, "-smp", str(self.processors),
                 "-nodefaults", "-no-user-config", "-display", "none", "-no-reboot",
                 "-device", "isa-debug-exit,iobase=0xf4,iosize=4",
                 "-kernel", self.kernel, "-initrd", self.image]
        if self.arguments:
            words += ["-append", " ".join(self.arguments)]
        if self.icount:
            words += ["-icount", "shift=0,sleep=off", "-rtc", "base=2026-01-01,clock=vm"]
        words += self._console()
        if self.debug_shell:
            words += ["-chardev", f"socket,id=shell,path={self.debug_shell},server=on,wait=off",
                      "-serial", "chardev:shell"]
        if self.log:
            words += ["-chardev", f"file,id=log,path={self.log}",
                      "-device", "isa-debugcon,iobase=0xe9,chardev=log"]
        if self.monitor:
            words += ["-qmp", f"unix:{self.monitor},server=on,wait=off"]
        if self.gdb:
            words += ["-gdb", self.gdb]
        if self.stopped:
            words += ["-S"]
        return words + list(self.extra)

    def _accelerator(self):
        # Counting instructions is something that only emulation can do.
        return "tcg" if self.icount else self.accelerator

    def _console(self):
        if self.console == "stdio":
            return ["-chardev", "stdio,id=console,mux=on,signal=off", "-serial", "chardev:console",
                    "-mon", "chardev=console"]
        return ["-chardev", f"{self.console},id=console", "-serial", "chardev:console"]


def outputs(profile, root):
    """(kernel, boot image) of a profile."""
    folder = os.path.join(root, "build", f"x86_64-{profile}")
    return os.path.join(folder, "kernel.elf"), os.path.join(folder, "boot.img")
