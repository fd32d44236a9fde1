"""What the tests of the mount share: tools by name, and a mount that may die."""

import fcntl
import os
import shutil
import subprocess
import time

ROOT = os.path.normpath(os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../.."))
BIN = os.path.join(ROOT, "build/host/bin")
HELPERS = os.path.join(ROOT, "build/host/latticefs")
HAS_FUSE = os.path.exists("/dev/fuse") and shutil.which("fusermount3") is not None


def run(*arguments, status=0, **options):
    """Runs a program of build/host/bin; what it wrote. An unexpected status fails."""
    done = subprocess.run([os.path.join(BIN, arguments[0]), *arguments[1:]], stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, check=False, **options)
    if done.returncode != status:
        raise AssertionError(f"{' '.join(arguments)}: status {done.returncode}, not {status}\n{done.stdout}")
    return done.stdout


def wait_unlocked(disk):
    """Until nobody has a disk: what a mount that was killed started may end a moment after it."""
    with open(disk, "rb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)


class Mount:
    """A mount in the foreground of a process of ours."""

    def __init__(self, pool, folder, *options, program=None, environment=None):
        self.folder = folder
        line = [program or os.path.join(BIN, "mount.fuse.latticefs"), pool, folder, "-f", *options]
        self.process = subprocess.Popen(line, env={**os.environ, **(environment or {})}, stdin=subprocess.DEVNULL)
        while self.process.poll() is None and not os.path.ismount(folder):
            time.sleep(0.002)  # until it is mounted, or dead
        self.mounted = self.process.poll() is None

    def detach(self):
        """Takes away what a dead mount left behind."""
        subprocess.run(["fusermount3", "-u", "-z", self.folder], stderr=subprocess.DEVNULL, check=False)

    def kill(self):
        """Ends the process at once, as a crash does."""
        self.process.kill()
        self.process.wait()
        self.detach()

    def end(self):
        """Unmounts, and waits for the last commit; the process's status."""
        for _ in range(600):  # busy while the mount's own helper closes what it had written back
            if subprocess.run(["fusermount3", "-u", self.folder], check=False).returncode == 0:
                break
            time.sleep(0.05)
        try:
            return self.process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            # Another mount namespace, made meanwhile, still has it; all files are closed.
            self.process.terminate()
            return self.process.wait()
