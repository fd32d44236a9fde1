#!/usr/bin/env python3
"""Builds the boot image, or lists one.

  main.py build -o FILE [--program NAME=FILE]… [--supervisor NAME] [--manifests FOLDER]
                [--runtime FILE] [--root FOLDER] [--root-list FILE] [--busybox FILE]
                [--put HOSTFILE:GUESTPATH]… [--other NAME=FILE]…
  main.py list FILE
"""

import argparse
import glob
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import bootimage  # noqa: E402
import rootarchive  # noqa: E402


def pair(text, separator):
    left, found, right = text.partition(separator)
    if not found or not left or not right:
        raise bootimage.ImageError(f"expected A{separator}B, not {text!r}")
    return left, right


def read(path):
    with open(path, "rb") as file:
        return file.read()


def root_archive(options):
    tree = rootarchive.Tree()
    if options.root:
        tree.add_folder(options.root)
    if options.root_list:
        with open(options.root_list, encoding="utf-8") as file:
            tree.apply_list(file.read(), options.root_list)
    if options.busybox:
        tree.add_busybox(options.busybox)
    for text in options.put:
        host_path, guest_path = pair(text, ":")
        tree.add_host_file(rootarchive.clean(guest_path), host_path)
    return tree.archive()


def entries(options):
    result = []
    for text in options.program:
        name, path = pair(text, "=")
        flags = bootimage.FLAG_SUPERVISOR if name == options.supervisor else 0
        result.append(bootimage.Entry(name, bootimage.PROGRAM, read(path), flags))
    if options.manifests:
        for path in sorted(glob.glob(os.path.join(options.manifests, "*.manifest"))):
            name = os.path.basename(path).removesuffix(".manifest")
            result.append(bootimage.Entry(name, bootimage.MANIFEST, read(path)))
    if options.runtime:
        result.append(bootimage.Entry("posix", bootimage.RUNTIME, read(options.runtime)))
    if options.root or options.busybox or options.put:
        result.append(bootimage.Entry("root", bootimage.ROOT, root_archive(options)))
    for text in options.other:
        name, path = pair(text, "=")
        result.append(bootimage.Entry(name, bootimage.OTHER, read(path)))
    return result


def parse_arguments():
    parser = argparse.ArgumentParser(description="Builds or lists Isotope's boot image.")
    commands = parser.add_subparsers(dest="command", required=True)
    build = commands.add_parser("build")
    build.add_argument("-o", "--output", required=True)
    build.add_argument("--program", action="append", default=[], metavar="NAME=FILE")
    build.add_argument("--supervisor", default="supervisor")
    build.add_argument("--manifests", metavar="FOLDER")
    build.add_argument("--runtime", metavar="FILE")
    build.add_argument("--root", metavar="FOLDER")
    build.add_argument("--root-list", metavar="FILE")
    build.add_argument("--busybox", metavar="FILE")
    build.add_argument("--put", action="append", default=[], metavar="HOSTFILE:GUESTPATH")
    build.add_argument("--other", action="append", default=[], metavar="NAME=FILE")
    commands.add_parser("list").add_argument("file")
    return parser.parse_args()


def main():
    options = parse_arguments()
    try:
        if options.command == "list":
            for entry in bootimage.parse(read(options.file)):
                mark = " supervisor" if entry.flags & bootimage.FLAG_SUPERVISOR else ""
                print(f"{len(entry.data):10} {bootimage.KIND_NAMES[entry.kind]:9} {entry.name}{mark}")
            return 0
        image = bootimage.build(entries(options))
    except (OSError, bootimage.ImageError, rootarchive.RootError) as error:
        print(f"image: {error}", file=sys.stderr)
        return 1
    temporary = options.output + ".new"
    with open(temporary, "wb") as file:
        file.write(image)
    os.replace(temporary, options.output)
    return 0


if __name__ == "__main__":
    sys.exit(main())
