"""./isotope tools: builds the programs for this machine into build/host/bin."""

import argparse
import os

import common


def main(arguments):
    argparse.ArgumentParser(prog="isotope tools", description="Builds the programs for this machine (idlc, the file "
                            "system's tools, …) into build/host/bin.").parse_args(arguments)
    common.make("host", quiet=False)
    folder = common.path("build/host/bin")
    for name in sorted(os.listdir(folder)) if os.path.isdir(folder) else ():
        print(os.path.join("build/host/bin", name))
    return 0
