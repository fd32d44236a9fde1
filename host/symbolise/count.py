#!/usr/bin/env python3
"""Where the kernel's instructions go: runs one boot image under -icount, one instruction a step, and prints, for a
system call near the end of the run, the instructions of each function.

  count.py IMAGE [--calls N] [--skip M]     N calls together (2: a round trip), M calls before the last"""

import argparse
import bisect
import collections
import os
import re
import subprocess
import sys

ROOT = os.path.abspath(os.path.join(os.path.dirname(os.path.abspath(__file__)), "../.."))
sys.path.insert(0, os.path.join(ROOT, "host/qemu"))
import machine  # noqa: E402
import slots  # noqa: E402

KERNEL = os.path.join(ROOT, "build/x86_64-release/kernel.elf")
BASE = 0xFFFFFFFF80000000
STEP = re.compile(r"^Trace \d+: \S+ \[[0-9a-f]+/([0-9a-f]+)/")
KEPT = 400000  # steps at the end of the run


def symbols():
    text = subprocess.run(["llvm-nm-22", "-n", KERNEL], stdout=subprocess.PIPE, text=True, check=True).stdout
    found = [line.split() for line in text.splitlines()]
    return [(int(f[0], 16), f[2]) for f in found if len(f) == 3 and f[1] in "tT"]


def steps(image):
    extra = ("-singlestep", "-d", "exec,nochain", "-dfilter", "0xffffffff80200000+0x200000,0x400000+0x100000",
             "-D", "/dev/stdout")
    guest = machine.Machine(kernel=KERNEL, image=image, console="null", memory="32M", icount=True, extra=extra)
    kept = collections.deque(maxlen=KEPT)
    with slots.slot(), subprocess.Popen(guest.line(), stdout=subprocess.PIPE, text=True, errors="replace") as process:
        for line in process.stdout:
            if found := STEP.match(line):
                kept.append(int(found[1], 16))
    return list(kept)


def main():
    parser = argparse.ArgumentParser(description="Where the kernel's instructions go.")
    parser.add_argument("image")
    parser.add_argument("--calls", type=int, default=1)
    parser.add_argument("--skip", type=int, default=100)
    options = parser.parse_args()
    table = symbols()
    addresses = [address for address, _ in table]
    entry = next(address for address, name in table if name == "entry_syscall")
    trace = steps(options.image)
    entries = [i for i, at in enumerate(trace) if at == entry]
    if len(entries) <= options.skip + options.calls:
        sys.exit(f"count: only {len(entries)} calls in the last {KEPT} steps")
    first = len(entries) - 1 - options.skip - options.calls
    part = trace[entries[first]:entries[first + options.calls]]
    names = ["user" if at < BASE else table[bisect.bisect_right(addresses, at) - 1][1] for at in part]
    for name, count in collections.Counter(names).most_common():
        print(f"{count:6} {name}")
    print(f"{len(part):6} all")


if __name__ == "__main__":
    main()
