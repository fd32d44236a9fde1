#!/usr/bin/env python3
"""Drives a terminal: shell, vi, top, less, job control, resizing; screens compared with Linux's.

    tests/terminal/run.py                    busybox on a pty of this Linux host
    tests/terminal/run.py --on isotope       the system's console, booted by `./isotope run`
    tests/terminal/run.py --record vi        draws the expected screens anew, on Linux
    tests/terminal/run.py --on isotope --fresh    compares with what this host draws now
    tests/terminal/run.py --slow             each prompt comes late: nothing may be typed before it
"""
import argparse
import functools
import os
import shutil
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
sys.path.insert(0, HERE)

import driver  # noqa: E402
import scenarios  # noqa: E402

BUSYBOX = "/bin/busybox"
# The shell sees no process but its own: what else runs on this host is no business of the test.
ALONE = [shutil.which("unshare"), *([] if os.geteuid() == 0 else ["--user", "--map-root-user"]),
         "--pid", "--fork", "--kill-child", "--mount-proc"]


@functools.cache
def can_be_alone():
    """Whether this host lets us have a process namespace."""
    return subprocess.run([*ALONE, BUSYBOX, "true"], stderr=subprocess.DEVNULL, check=False).returncode == 0


def open_linux(folder, prompt="$ "):
    """busybox's shell on a pty, with nothing on its path but its own applets and nothing of this
    host's surroundings."""
    path = os.path.join(folder, "bin")
    os.mkdir(path)
    for name in os.popen(f"{BUSYBOX} --list").read().split():
        os.symlink(BUSYBOX, os.path.join(path, name))
    work = os.path.join(folder, "work")
    os.mkdir(work)
    environment = {"PATH": path, "PS1": prompt, "TERM": "vt100", "LC_ALL": "C.UTF-8", "HOME": work}
    shell = driver.Pty([*(ALONE if can_be_alone() else []), f"{path}/sh", "-i"],
                       environment=environment, folder=work)
    return driver.Terminal(shell, alone=can_be_alone())


class Console(driver.Pty):
    """The system's console through QEMU: Ctrl-A is QEMU's own key, typed twice to be meant; and a
    serial line has no way to tell the size of a window."""

    def write(self, data):
        super().write(data.replace(b"\x01", b"\x01\x01"))

    def resize(self, rows, columns):
        del rows, columns
        return False


def open_isotope(folder):
    """The console of a booted system: root's shell, with the same surroundings."""
    del folder
    terminal = driver.Terminal(Console([os.path.join(ROOT, "isotope"), "run"]))
    terminal.wait(lambda screen: screen.lines()[screen.row].endswith(("#", "$", "login:")),
                  "a login or a prompt", 300)
    if terminal.screen.lines()[terminal.screen.row].endswith("login:"):
        terminal.type("root\n")
        terminal.wait(lambda screen: screen.lines()[screen.row].endswith("#"), "root's prompt")
    terminal.type("mkdir /tmp/work && cd /tmp/work && stty rows 24 cols 80 && clear && "
                  "exec env -i PATH=/bin:/sbin:/usr/bin TERM=vt100 LC_ALL=C.UTF-8 HOME=/tmp/work "
                  "PS1='$ ' sh -i\n")
    return terminal


def run_one(name, opener, record, screens):
    """Runs one scenario; None, or why it failed or was skipped."""
    with tempfile.TemporaryDirectory() as folder:
        terminal = opener(folder)

        def look(view):
            path = os.path.join(screens, f"{name}-{view}.txt")
            if record:
                terminal.settle()
                with open(path, "w", encoding="utf-8") as out:
                    out.write(terminal.screen.text())
                return
            if not os.path.exists(path):
                raise driver.Failed(f"there is no recorded screen {path}")
            with open(path, encoding="utf-8") as wanted:
                terminal.wait_screen(wanted.read())

        try:
            terminal.enter("clear")
            terminal.wait_clear()
            note = scenarios.ALL[name](terminal, look)
            if terminal.screen.unknown:
                return "unknown sequences: " + " ".join(sorted(set(terminal.screen.unknown)))
            return note
        except driver.Failed as failure:
            return str(failure)
        finally:
            terminal.close()


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("scenarios", nargs="*")
    parser.add_argument("--on", choices=["linux", "isotope"], default="linux")
    parser.add_argument("--record", action="store_true")
    parser.add_argument("--fresh", action="store_true")
    parser.add_argument("--slow", action="store_true")
    options = parser.parse_args()
    unknown = set(options.scenarios) - set(scenarios.ALL)
    if unknown:
        parser.error("no such scenario: " + " ".join(sorted(unknown)))
    if options.slow and (options.record or options.on != "linux"):
        parser.error("--slow compares, and on Linux")
    opener = open_linux if options.on == "linux" else open_isotope
    if options.slow:
        opener = functools.partial(open_linux, prompt="$(sleep 0.3)$ ")
    names = options.scenarios or list(scenarios.ALL)
    with tempfile.TemporaryDirectory() as fresh:
        screens = fresh if options.fresh else os.path.join(HERE, "screens")
        if options.fresh:
            run_all(names, open_linux, True, screens)
        counts = run_all(names, opener, options.record, screens)
    print(", ".join(f"{count} {what}" for what, count in counts.items()
                    if count or what != "skipped"))
    return 1 if counts["failed"] or not counts["passed"] else 0


def run_all(names, opener, record, screens):
    """Runs the scenarios and prints each verdict; how many passed, failed and were skipped."""
    counts = {"passed": 0, "failed": 0, "skipped": 0}
    for name in names:
        why = run_one(name, opener, record, screens)
        verdict = "passed" if why is None else \
            "skipped" if why.startswith("skipped") else "failed"
        counts[verdict] += 1
        print({"passed": "ok", "failed": "FAIL", "skipped": "skip"}[verdict], name)
        if why:
            print(why)
        if verdict == "failed":
            print(f"  again: tests/terminal/run.py {name}")
    return counts


if __name__ == "__main__":
    sys.exit(main())
