"""The row interrupts_off: the longest stretch of instructions with interrupts off, on the kernel that ships.

A boot with the plugin of bench/stretch and a load in root's .profile. In the kernel interrupts are off but for the idle
loop, so a stretch is what is executed between two looks at user space or at the instruction that waits."""

import bisect
import collections
import os
import re
import subprocess
import sys
import tempfile

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path[:0] = [os.path.join(ROOT, "host", folder) for folder in ("qemu", "command", "image")]
import guest  # noqa: E402
import machine  # noqa: E402
import slots  # noqa: E402

NAME = "interrupts_off"
AIM = 20000
KERNEL_BASE = 0xFFFFFFFF80000000
LOAD = """
i=0; while [ $i -lt 20 ]; do i=$((i+1)); ls -lR /bin | sort | gzip | gunzip | wc -c; (exit 3); sleep 0; done
dd if=/dev/zero of=/tmp/large bs=64k count=64; sha256sum /tmp/large; rm /tmp/large
find / -xdev | xargs stat >/tmp/all; awk '{ n[$1] = $0 } END { print length(n) }' /tmp/all
x=; i=0; while [ $i -lt 12 ]; do i=$((i+1)); x=$x$x$i; done; (sleep 100 & kill -9 $!; wait)
poweroff
"""


def plugin():
    """The plugin for the interface that this QEMU has."""
    text = subprocess.run(["qemu-system-x86_64", "--version"], stdout=subprocess.PIPE, text=True, check=True).stdout
    major = int(re.search(r"version (\d+)", text)[1])
    path = f"build/host/bench/stretch-{1 if major < 9 else 3}.so"
    subprocess.run(["make", "-C", ROOT, "-s", path], check=True, stdout=subprocess.DEVNULL)
    return os.path.join(ROOT, path)


def idle_addresses(kernel):
    """Where the kernel waits with interrupts on: each `hlt` behind an `sti`."""
    text = subprocess.run(["llvm-objdump-22", "-d", "--no-show-raw-insn", kernel], stdout=subprocess.PIPE, text=True,
                          check=True).stdout
    return re.findall(r"\tsti\n([0-9a-f]+):\s+hlt", text)


class Symbols:
    def __init__(self, kernel):
        text = subprocess.run(["llvm-nm-22", "-n", kernel], stdout=subprocess.PIPE, text=True, check=True).stdout
        found = [line.split() for line in text.splitlines()]
        found = [(int(f[0], 16), f[2]) for f in found if len(f) == 3 and f[1] in "tT" and not f[2].startswith("__cfi_")]
        self.addresses, self.names = zip(*found)

    def shares(self, addresses):
        """[(function, share in per cent)], largest first."""
        names = collections.Counter(self.names[bisect.bisect_right(self.addresses, at) - 1] for at in addresses)
        return [(name, 100 * count // len(addresses)) for name, count in names.most_common(4)]


def run(kernel, image, report=AIM, **options):
    """Boots with the plugin; ([(length, sampled addresses)] of the longest and of those over `report`, entries)."""
    with tempfile.TemporaryDirectory() as folder:
        out = os.path.join(folder, "out")
        words = [plugin(), f"out={out}", f"kernel={KERNEL_BASE:x}", f"report={report}"]
        words += [f"idle={address}" for address in idle_addresses(kernel)]
        line = machine.Machine(kernel=kernel, image=image, console="null", icount=True,
                               extra=("-plugin", ",".join(words)), **options).line()
        with slots.slot():
            subprocess.run(line, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, timeout=900, check=False)
        with open(out, encoding="ascii") as file:
            lines = [line.split() for line in file]
    found = [(int(line[1]), [int(word, 16) for word in line[2:]]) for line in lines if line[0] in ("stretch", "longest")]
    entries = next(int(line[1]) for line in lines if line[0] == "entries")
    return sorted(found, key=lambda pair: -pair[0]), entries


def groups(symbols, found):
    """{the two functions that a stretch is mostly spent in: [lengths]}, longest first."""
    result = collections.defaultdict(list)
    for length, addresses in found:
        result[" and ".join(name for name, _ in symbols.shares(addresses)[:2])].append(length)
    return dict(sorted(result.items(), key=lambda item: -item[1][0]))


def measure():
    """(the longest stretch, lines for people)."""
    kernel, base = guest.build("release")
    with tempfile.NamedTemporaryFile("w") as profile:
        profile.write(LOAD)
        profile.flush()
        image = guest.with_files(base, [(profile.name, "root/.profile")])
    try:
        found, entries = run(kernel, image, arguments=("mode=login",))
    finally:
        os.unlink(image)
    over = [pair for pair in found[1:] if pair[0] > AIM]  # the first is the longest, once more
    lines = [f"    {len(over)} of {entries:,} entries are longer than {AIM:,}; mostly spent in:"] if over else []
    lines += [f"    {lengths[0]:>9,}  {len(lengths):>5} times  {name}" for name, lengths in
              groups(Symbols(kernel), over).items()]
    return found[0][0], lines
