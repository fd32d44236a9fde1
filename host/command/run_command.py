"""./isotope run: boots to a login shell on this terminal."""

import argparse
import os
import shlex
import subprocess
import sys

import common
import guest
import machine
import slots


def parse(arguments):
    parser = argparse.ArgumentParser(prog="isotope run", description="Boots to a login shell on this terminal. "
                                     "To leave: poweroff, or Ctrl-A and then X.")
    guest.add_options(parser)
    parser.add_argument("--dry-run", action="store_true", help="print QEMU's command line and do nothing")
    return parser.parse_args(arguments)


def terminal_size():
    """The size of the terminal as words for the kernel's command line: a serial line cannot tell it."""
    try:
        size = os.get_terminal_size(sys.stdin.fileno())
    except OSError:
        return ()
    return (f"columns={size.columns}", f"rows={size.lines}")


def main(arguments):
    options = parse(arguments)
    words = ("mode=login", *terminal_size())
    shell = slots.debug_shell() if options.profile == "debug" else ""
    if options.dry_run:
        kernel, image = machine.outputs(options.profile, common.ROOT)
        line = guest.make_machine(options, kernel, image, arguments=words, debug_shell=shell).line()
        print(shlex.join(line))
        return 0
    kernel, base = guest.build(options.profile)
    image = guest.with_files(base, options.put)
    try:
        line = guest.make_machine(options, kernel, image, arguments=words, debug_shell=shell).line()
        with slots.slot():
            guest.say("Booting. To leave: poweroff, or Ctrl-A and then X. Nothing is kept: what you write is in memory.")
            if shell:
                guest.say("The kernel's debug shell: ./isotope debug --shell, in another terminal.")
            status = subprocess.run(line, check=False).returncode
    finally:
        if image != base:
            os.unlink(image)
    # 0: left by Ctrl-A X.
    if status in (0, machine.EXIT_PASSED):
        return 0
    raise common.Failure(guest.explain(status, "", options.profile), common.MACHINE)
