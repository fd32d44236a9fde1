"""What the commands share: where the tree is, how the build is called, how failures end."""

import os
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
for _folder in ("qemu", "exec", "image", "test"):
    sys.path.insert(0, os.path.join(ROOT, "host", _folder))
import registry  # noqa: E402

# Statuses of ./isotope itself; a command under exec has its own.
FAILED, USAGE, TIMED_OUT, MACHINE = 1, 2, 124, 125


class Failure(Exception):
    """Ends the command with this text and status."""

    def __init__(self, text, status=FAILED):
        super().__init__(text)
        self.status = status


def path(*parts):
    return os.path.join(ROOT, *parts)


def make(*targets, profile="release", quiet=True):
    """Builds; what make says is shown only if it fails, or without `quiet`."""
    line = registry.make_line(ROOT, f"-j{os.cpu_count()}", f"PROFILE={profile}", *targets)
    done = subprocess.run(line, stdout=subprocess.PIPE if quiet else sys.stderr,
                          stderr=subprocess.STDOUT, text=True, check=False)
    if done.returncode != 0:
        if quiet:
            sys.stderr.write(done.stdout)
        raise Failure(f"building {' '.join(targets) or 'all'} failed")


def version():
    with open(path("VERSION"), encoding="ascii") as file:
        number = file.read().strip()
    try:
        revision = subprocess.run(["git", "-C", ROOT, "describe", "--always", "--dirty"], check=True,
                                  stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        revision = "no git"
    return f"isotope {number} ({revision})"
