"""At most two emulated guests at a time for one user on one machine, across all trees and commands.

A slot is a file that is locked while a guest runs (flock: the kernel gives it back when the holder
dies, however it dies). A guest under hardware virtualisation takes a slot as well."""

import contextlib
import fcntl
import os
import sys
import tempfile
import time

COUNT = 2


def folder():
    base = os.environ.get("XDG_RUNTIME_DIR") or tempfile.gettempdir()
    path = os.path.join(base, f"isotope-{os.getuid()}")
    os.makedirs(path, mode=0o700, exist_ok=True)
    return path


def debug_shell():
    """The socket of the kernel's debug shell of a running guest (short: such paths have a limit)."""
    return os.path.join(folder(), "debug-shell")


def _try_all(files):
    for file in files:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return file
        except BlockingIOError:
            pass
    return None


def _say(text):
    """Tells a person; who reads our standard error as a program gets what the guest wrote, no more."""
    if sys.stderr.isatty():
        print(text, file=sys.stderr)


@contextlib.contextmanager
def slot(say=_say):
    """Holds one slot; waits for it as long as it takes, and says so once."""
    with contextlib.ExitStack() as stack:
        files = []
        for number in range(COUNT):
            file = stack.enter_context(open(os.path.join(folder(), f"guest.{number}"), "a", encoding="ascii"))
            os.set_inheritable(file.fileno(), False)
            files.append(file)
        held = _try_all(files)
        if held is None:
            say(f"isotope: {COUNT} guests are running already; waiting for one to end")
        while held is None:
            time.sleep(0.2)
            held = _try_all(files)
        try:
            yield held.name
        finally:
            fcntl.flock(held, fcntl.LOCK_UN)
