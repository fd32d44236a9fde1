"""What a command gave, on Linux and on the system under test, and how the two differ."""
import os
import subprocess

BUSYBOX = "/bin/busybox"


def applets():
    """The names of busybox's applets."""
    return subprocess.run([BUSYBOX, "--list"], check=True, text=True,
                          stdout=subprocess.PIPE).stdout.split()


def make_path(folder):
    """A folder of applet links: the only one on the scripts' PATH."""
    os.makedirs(folder)
    for name in applets():
        os.symlink(BUSYBOX, os.path.join(folder, name))
    return folder


def differences(want, got):
    """What to show of two outcomes (standard output, standard error, status) that are not equal."""
    lines = []
    for what, left, right in zip(("standard output", "standard error"), want, got):
        if left == right:
            continue
        left_lines, right_lines = left.splitlines(), right.splitlines()
        at = next((i for i, pair in enumerate(zip(left_lines, right_lines))
                   if pair[0] != pair[1]), min(len(left_lines), len(right_lines)))
        lines.append(f"  {what}, line {at + 1}: want {left_lines[at:at + 1]}, "
                     f"got {right_lines[at:at + 1]}")
    if want[2] != got[2]:
        lines.append(f"  status: want {want[2]}, got {got[2]}")
    return lines
