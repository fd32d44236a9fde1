"""What run, exec, debug and the system tests share: build, boot image with files added, machine."""

import os
import re
import subprocess
import sys
import tempfile

import bootimage
import common
import machine
import probe
import rootarchive

REQUEST = "run/exec-request"  # where exec-agent finds what to run


def add_options(parser, profile="release"):
    parser.add_argument("--smp", type=processors, default=1, metavar="N",
                        help=f"processors, 1 to {machine.PROCESSORS_MAXIMUM} (default 1)")
    parser.add_argument("--memory", type=memory_size, default=machine.MEMORY_DEFAULT, metavar="SIZE",
                        help=f"memory, for example 64M or 1G (default {machine.MEMORY_DEFAULT})")
    parser.add_argument("--put", type=put_pair, action="append", default=[], metavar="HOSTFILE:GUESTPATH",
                        help="put a file or folder of the host into the root file system; repeatable")
    parser.add_argument("--profile", choices=("release", "debug"), default=profile,
                        help=f"which build to boot (default {profile})")


def memory_size(text):
    return machine.memory_size(text)


def processors(text):
    if text.isdigit() and 1 <= int(text) <= machine.PROCESSORS_MAXIMUM:
        return int(text)
    raise ValueError(text)


def put_pair(text):
    host_path, _, guest_path = text.rpartition(":")
    rootarchive.clean(guest_path)
    if not host_path:
        raise ValueError(text)
    return host_path, guest_path


def kills(text):
    """N or N:server,server as given to --kills."""
    if not re.fullmatch(r"[1-9][0-9]{0,3}(:[a-z0-9_-]+(,[a-z0-9_-]+)*)?", text):
        raise ValueError(text)
    return text


# argparse names a type that refuses a value by its function's name.
put_pair.__name__ = "HOSTFILE:GUESTPATH"
processors.__name__ = f"number of processors from 1 to {machine.PROCESSORS_MAXIMUM},"
memory_size.__name__ = "memory size (as 64M, 1G),"
kills.__name__ = "N[:server,…]"


def build(profile):
    """Builds kernel and boot image; their paths."""
    common.make("all", profile=profile)
    paths = machine.outputs(profile, common.ROOT)
    for file in paths:
        if not os.path.exists(file):
            raise common.Failure(f"the build made no {os.path.relpath(file, common.ROOT)}")
    return paths


def with_files(image, puts, request=None):
    """The path of an image like `image` with these files in its root, or `image` itself."""
    if not puts and request is None:
        return image
    with open(image, "rb") as file:
        entries = bootimage.parse(file.read())
    tree = rootarchive.Tree()
    for entry in entries:
        if entry.kind == bootimage.ROOT:
            tree.add_archive(entry.data)
    try:
        for host_path, guest_path in puts:
            tree.add_host_file(rootarchive.clean(guest_path), host_path)
    except (OSError, rootarchive.RootError) as error:
        raise common.Failure(f"--put: {error}", common.USAGE) from error
    if request is not None:
        tree.add_file(REQUEST, request, 0o600)
    entries = [e for e in entries if e.kind != bootimage.ROOT]
    entries.append(bootimage.Entry("root", bootimage.ROOT, tree.archive()))
    handle, name = tempfile.mkstemp(prefix="isotope-boot-", suffix=".img")
    with os.fdopen(handle, "wb") as file:
        file.write(bootimage.build(entries))
    return name


def make_machine(options, kernel, image, **more):
    icount = getattr(options, "icount", False)
    if icount and options.smp != 1:
        raise common.Failure("--icount counts on one processor only: leave --smp out", common.USAGE)
    accelerator = "tcg" if icount or getattr(options, "dry_run", False) else probe.accelerator()
    return machine.Machine(kernel=kernel, image=image, accelerator=accelerator, memory=options.memory,
                           processors=options.smp, icount=icount, **more)


def symbolise(profile, text):
    """Addresses of the kernel in a panic's text, as functions and lines, where there are any."""
    kernel, _ = machine.outputs(profile, common.ROOT)
    addresses = list(dict.fromkeys(re.findall(r"0x(ffffffff[0-9a-f]{8})\b", text)))
    if not addresses or not os.path.exists(kernel):
        return ""
    done = subprocess.run(["llvm-symbolizer-22", "--obj", kernel, "--pretty-print", "--relativenames"],
                          input="\n".join("0x" + a for a in addresses), stdout=subprocess.PIPE,
                          stderr=subprocess.DEVNULL, text=True, check=False)
    lines = [line for line in done.stdout.splitlines() if line and "??" not in line]
    return "".join(f"  {line}\n" for line in lines)


def explain(status, text, profile):
    """Why a machine ended that should not have, for people."""
    what = {machine.EXIT_FAILED: "the kernel or the start failed",
            0: "the machine reset (a triple fault?)",
            machine.EXIT_PASSED: "the machine was switched off"}.get(status, f"QEMU ended with status {status}")
    tail = "".join(f"  | {line}\n" for line in text.splitlines()[-40:])
    return f"{what}\n{tail}{symbolise(profile, text)}".rstrip()


def say(text):
    print(text, file=sys.stderr, flush=True)
