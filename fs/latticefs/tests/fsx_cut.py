"""fsx through the mount, with crash variants: random calls on files (exercise.c), every read compared with a model; the process that
serves the mount is killed at a random write or flush over a disk that loses what was not flushed; then each byte and the size of each
file must be as in one of the versions since its last fsync.

    fsx_cut.py [--first SEED] [--count N] [--calls N]    (cuts, and calls in all between two cuts without one)
"""
# needs: build/host/latticefs/mount-dropping build/host/latticefs/exercise build/host/bin/mkfs.latticefs build/host/bin/latticefs

import argparse
import os
import random
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import mounted  # noqa: E402

EXERCISE = os.path.join(mounted.HELPERS, "exercise")
FILES = 2  # at a time
SIGBUS = 7  # a mapped page of a mount that is dead
STOPPED = 1
FOREVER = 1 << 40  # calls: until the mount is dead
RECORDS = ("4K", "64K", "256K")
HANG_SECONDS = 300  # a cut takes about one, 100 calls much less


class Failure(Exception):
    pass


class Pool:
    def __init__(self, base, seed):
        self.mount = None
        self.disk, self.folder = os.path.join(base, "disk"), os.path.join(base, "mount")
        os.makedirs(self.folder, exist_ok=True)
        self.states = [os.path.join(base, f"state{i}") for i in range(FILES)]
        for path in (self.disk, *self.states):
            if os.path.exists(path):
                os.unlink(path)
        mounted.run("mkfs.latticefs", "-s", "128M", "-r", RECORDS[seed % len(RECORDS)], self.disk)

    def names(self):
        return [(os.path.join(self.folder, f"file{i}"), state) for i, state in enumerate(self.states)]

    def run(self, seed, calls):
        """Until all are through, or the mount is dead; the statuses."""
        running = [subprocess.Popen([EXERCISE, "run", file, state, str(seed * FILES + i), str(calls)], stdout=subprocess.PIPE, text=True)
                   for i, (file, state) in enumerate(self.names())]
        try:
            return [(process.wait(HANG_SECONDS + (calls // 100 if calls < FOREVER else 0)), process.stdout.read()) for process in running]
        except subprocess.TimeoutExpired:
            self.mount.process.kill()  # calls that wait for it end, too
            for process in running:
                process.kill()
                process.wait()
            raise Failure("calls do not end") from None

    def whole(self, seed, calls):
        self.mount = mounted.Mount(self.disk, self.folder)
        for status, text in self.run(seed, calls):
            if status != 0:
                raise Failure(f"status {status}: {text}")
        self.end()

    def end(self):
        if self.mount is not None:
            self.mount.end()
        self.mount = None

    def give_up(self):
        if self.mount is not None:
            self.mount.kill()

    def cut(self, seed):
        """Whether the power went before anything was called."""
        at = random.Random(seed).choice((30, 100, 300, 1000))
        environment = {"LATTICEFS_DROP_SEED": str(seed), "LATTICEFS_DROP_AT": str(1 + random.Random(~seed).randrange(at))}
        self.mount = mount = mounted.Mount(self.disk, self.folder, "-o", "commit=1", environment=environment,
                                           program=os.path.join(mounted.HELPERS, "mount-dropping"))
        early = not mount.mounted
        results = [] if early else self.run(seed, FOREVER)
        mount.process.wait()
        mount.detach()
        mounted.wait_unlocked(self.disk)
        self.mount = None
        if mount.process.returncode != -9:
            raise Failure(f"the mount ended with {mount.process.returncode}")
        for status, text in results:
            if status not in (STOPPED, -SIGBUS):
                raise Failure(f"before the cut, status {status}: {text}")
        return early

    def verify(self):
        mounted.run("latticefs", "check", self.disk)
        self.mount = mounted.Mount(self.disk, self.folder)
        for file, state in self.names():
            done = subprocess.run([EXERCISE, "verify", file, state], stdout=subprocess.PIPE, text=True, check=False)
            if done.returncode != 0:
                raise Failure(f"{os.path.basename(file)} after the cut: {done.stdout}")
        self.end()


CUTS_PER_POOL = 10


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--first", type=int, default=1)
    parser.add_argument("--count", type=int, default=60)
    parser.add_argument("--calls", type=int, default=1000)
    options = parser.parse_args()
    if not mounted.HAS_FUSE:
        print("no /dev/fuse, or no fusermount3 here")
        return 77
    failures, early, pool = 0, 0, None
    with tempfile.TemporaryDirectory() as base:
        for seed in range(options.first, options.first + options.count):
            start = max(seed - seed % CUTS_PER_POOL, 1)
            try:
                if pool is None or seed % CUTS_PER_POOL == 0:
                    pool = Pool(base, start)
                    pool.whole(seed, options.calls)
                early += pool.cut(seed)
                pool.verify()
            except (Failure, AssertionError) as error:
                failures += 1
                print(f"cut {seed} failed: {error}\n    alone: fs/latticefs/tests/fsx_cut.py --first {start} "
                      f"--count {seed - start + 1}", flush=True)
                pool.give_up()
                pool = None
    print(f"{early} cuts during recovery")
    print(f"{options.count - failures} passed, {failures} failed")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
