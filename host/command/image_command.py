"""./isotope image: builds the boot image and says what it holds."""

import argparse
import os
import shutil
import subprocess
import sys

import common
import guest


def main(arguments):
    parser = argparse.ArgumentParser(prog="isotope image", description="Builds kernel and boot image, and lists the image.")
    parser.add_argument("--profile", choices=("release", "debug"), default="release")
    parser.add_argument("--put", type=guest.put_pair, action="append", default=[], metavar="HOSTFILE:GUESTPATH")
    parser.add_argument("-o", "--output", metavar="FILE", help="where a copy of the image goes")
    options = parser.parse_args(arguments)
    kernel, base = guest.build(options.profile)
    image = guest.with_files(base, options.put)
    try:
        for path in (kernel, base):
            print(f"{os.path.getsize(path):10} {os.path.relpath(path, common.ROOT)}", flush=True)
        subprocess.run([sys.executable, common.path("host/image/main.py"), "list", image], check=True)
        if options.output:
            shutil.copyfile(image, options.output)
    finally:
        if image != base:
            os.unlink(image)
    return 0
