"""./isotope debug: gdb on the kernel or on a server; or the kernel's debug shell."""

import argparse
import os
import select
import shlex
import shutil
import socket
import struct
import subprocess
import sys
import tempfile
import termios
import time
import tty

import common
import guest
import slots


EPILOG = """The kernel's debug shell sits on the second serial port of the debug profile, beside gdb or without it:
  ./isotope run --profile debug     in one terminal
  ./isotope debug --shell           in another one; help lists the commands, Ctrl-] leaves
It shows processes, threads, endpoints, who waits on whom, memory, quotas and the last events, each answer the
truth of one moment; nothing is changed. docs/debugging.md tells more."""


def parse(arguments):
    parser = argparse.ArgumentParser(prog="isotope debug", description="Boots the debug profile, stopped, and opens gdb on "
                                     "the kernel, or on a server's image in it. The console is in another window: "
                                     "the command prints how to reach it.", epilog=EPILOG,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("server", nargs="?", metavar="SERVER", help="load this program's symbols and break at its start")
    parser.add_argument("--shell", action="store_true", help="only connect to the debug shell of a running ./isotope run --profile debug")
    guest.add_options(parser, profile="debug")
    parser.add_argument("--dry-run", action="store_true", help="print the command lines of QEMU and gdb, and do nothing")
    return parser.parse_args(arguments)


def gdb_line(kernel, program, address):
    """gdb's command line: symbols, our pretty-printers, the target."""
    line = ["gdb", "-q", kernel]
    printers = common.path("host/gdb/isotope.py")
    if os.path.exists(printers):
        line += ["-x", printers]
    if program:
        line += ["-ex", f"add-symbol-file {program}"]
    line += ["-ex", f"target remote {address}"]
    if program:
        # All programs lie at the same addresses, so gdb stops at the entry of whichever comes there first.
        line += ["-ex", f"hbreak *{entry_address(program):#x}"]
    return line


def entry_address(program):
    """Where an ELF64 file is entered."""
    with open(program, "rb") as file:
        return struct.unpack_from("<Q", file.read(64), 24)[0]


def connect(path):
    """Copies between this terminal and a Unix socket; Ctrl-] leaves."""
    with socket.socket(socket.AF_UNIX) as peer:
        try:
            peer.connect(path)
        except OSError as error:
            raise common.Failure(f"{path}: {error.strerror}; is ./isotope run --profile debug running?") from error
        guest.say("Connected; Ctrl-] leaves, help lists what the shell can show.")
        saved = termios.tcgetattr(0) if os.isatty(0) else None
        try:
            if saved:
                tty.setraw(0)
            while True:
                ready = select.select([0, peer], [], [])[0]
                if 0 in ready:
                    data = os.read(0, 1024)
                    if not data or b"\x1d" in data:
                        return 0
                    peer.sendall(data)
                if peer in ready:
                    data = peer.recv(4096)
                    if not data:
                        return 0
                    os.write(1, data)
        finally:
            if saved:
                termios.tcsetattr(0, termios.TCSADRAIN, saved)


def program_path(options):
    if not options.server:
        return None
    return common.path("build", f"x86_64-{options.profile}", "programs", options.server)


def main(arguments):
    options = parse(arguments)
    if options.shell:
        return connect(slots.debug_shell())
    program = program_path(options)
    with tempfile.TemporaryDirectory(prefix="isotope-debug-") as folder:
        gdb_socket, console = os.path.join(folder, "gdb"), os.path.join(folder, "console")
        if options.dry_run:
            kernel, image = guest.machine.outputs(options.profile, common.ROOT)
        else:
            kernel, image = guest.build(options.profile)
            if program and not os.path.exists(program):
                raise common.Failure(f"no program is named {options.server}; there are "
                                     + ", ".join(sorted(os.listdir(os.path.dirname(program)))), common.USAGE)
        used = image if options.dry_run else guest.with_files(image, options.put)
        try:
            line = guest.make_machine(options, kernel, used, arguments=("mode=login",), stopped=True,
                                      console=f"socket,path={console},server=on,wait=off",
                                      debug_shell=slots.debug_shell(),
                                      gdb=f"unix:{gdb_socket},server=on,wait=off").line()
            debugger = gdb_line(kernel, program if program and os.path.exists(program) else None, gdb_socket)
            if options.dry_run:
                print(shlex.join(line))
                print(shlex.join(debugger))
                return 0
            return session(line, debugger, console)
        finally:
            if used != image:
                os.unlink(used)


def session(line, debugger, console):
    if not shutil.which("gdb"):
        raise common.Failure("gdb is missing: ./isotope doctor")
    guest.say(f"console: socat -,rawer UNIX-CONNECT:{console}\nkernel's debug shell: ./isotope debug --shell")
    with slots.slot(), subprocess.Popen(line, stdin=subprocess.DEVNULL, stdout=sys.stderr) as machine:
        try:
            while not os.path.exists(console):
                if machine.poll() is not None:
                    raise common.Failure("QEMU ended before gdb could connect", common.MACHINE)
                time.sleep(0.05)
            return subprocess.run(debugger, check=False).returncode
        finally:
            machine.kill()
