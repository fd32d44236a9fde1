"""./isotope manual: the generated manual pages of system calls and protocols."""

import argparse
import os
import subprocess
import sys

import common


def pages():
    """Page -> its file below the tree; those that the build makes, whether they are there yet or not."""
    protocols = sorted(name.removesuffix(".idl") for name in os.listdir(common.path("idl")) if name.endswith(".idl"))
    return {"syscalls": "build/gen/syscalls.2"} | {name: f"build/gen/idl/{name}.7" for name in protocols}


def main(arguments):
    parser = argparse.ArgumentParser(prog="isotope manual", description="Shows a manual page, which is generated from "
                                     "abi/syscall.h or idl/NAME.idl: syscalls, or a protocol. Without a name: lists them.")
    parser.add_argument("name", nargs="?", metavar="NAME")
    options = parser.parse_args(arguments)
    known = pages()
    if options.name is None:
        print("\n".join(known))
        return 0
    if options.name not in known:
        raise common.Failure(f"there is no page '{options.name}'; ./isotope manual lists them", common.USAGE)
    common.make(known[options.name])
    page = subprocess.run(["groff", "-man", "-Tutf8", "-P-c", "-P-b", "-P-u", common.path(known[options.name])],
                          stdout=subprocess.PIPE, check=True).stdout
    if sys.stdout.isatty():
        return subprocess.run([os.environ.get("PAGER", "less")], input=page, check=False).returncode
    sys.stdout.buffer.write(page)
    return 0
