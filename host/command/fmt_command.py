"""./isotope fmt: formats all C sources."""

import argparse
import subprocess
import sys

import common

sys.path.insert(0, common.path("host/check"))
from tree import Tree  # noqa: E402


def main(arguments):
    argparse.ArgumentParser(prog="isotope fmt", description="Formats all C sources with clang-format-22.").parse_args(arguments)
    files = [f for f in Tree(common.ROOT).ending(".c", ".h") if not f.startswith("tests/check/")]
    if files:
        subprocess.run(["clang-format-22", "-i", *files], cwd=common.ROOT, check=True)
    return 0
