"""./isotope new: begins a component from a template (host/new/templates). What it makes builds, and has a test
that passes: change both."""

import argparse
import os
import re
import subprocess

import common

# kind -> what NAME looks like
KINDS = {"server": r"[a-z][a-z0-9]*", "driver": r"[a-z][a-z0-9]*/[a-z][a-z0-9]*", "tool": r"[a-z][a-z0-9]*"}


def parse(arguments):
    parser = argparse.ArgumentParser(prog="isotope new", description="Begins a server, a driver (CLASS/NAME, as net/foo) "
                                     "or a tool from a template.")
    parser.add_argument("kind", choices=tuple(KINDS))
    parser.add_argument("name", metavar="NAME")
    options = parser.parse_args(arguments)
    if not re.fullmatch(KINDS[options.kind], options.name):
        parser.error(f"the name of a {options.kind} looks like {'net/foo' if options.kind == 'driver' else 'foo'}")
    return options


def next_protocol(root):
    """A number that no protocol in idl/ has."""
    numbers = [0]
    folder = os.path.join(root, "idl")
    for name in os.listdir(folder) if os.path.isdir(folder) else ():
        with open(os.path.join(folder, name), encoding="utf-8") as file:
            numbers += [int(n) for n in re.findall(r"^protocol \w+ number (\d+)", file.read(), re.MULTILINE)]
    return str(max(numbers) + 1)


def instantiate(kind, name, root):
    """Writes the files of the template; their paths. Refuses to touch what is there."""
    template = common.path("host/new/templates", kind)
    if not os.path.isdir(template):
        raise common.Failure(f"there is no template for a {kind}")
    group, _, base = name.rpartition("/")
    number = next_protocol(root)

    def fill(text):
        return text.replace("CLASS", group).replace("NUMBER", number).replace("NAME", base)

    files = {}
    for folder, _, names in os.walk(template):
        for file_name in names:
            source = os.path.join(folder, file_name)
            target = os.path.relpath(source, template).removesuffix(".in")
            with open(source, encoding="utf-8") as file:
                files[fill(target)] = (fill(file.read()), os.stat(source).st_mode)
    for target in files:
        if os.path.exists(os.path.join(root, target)):
            raise common.Failure(f"{target} is there already")
    for target, (text, mode) in sorted(files.items()):
        path = os.path.join(root, target)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
        os.chmod(path, mode)
    # How long the name is decides how lines break.
    sources = [os.path.join(root, target) for target in files if target.endswith((".c", ".h"))]
    subprocess.run(["clang-format-22", "-i", *sources], check=True)
    return sorted(files)


def main(arguments):
    options = parse(arguments)
    for path in instantiate(options.kind, options.name, common.ROOT):
        print(path)
    print(f"Now: ./isotope test {options.name}")
    return 0
