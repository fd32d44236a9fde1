"""Dependencies point only downward: abi <- lib <- posix, fs, servers, drivers; the kernel uses abi
and lib/base; tools are ordinary programs and use lib/base at most. A component does not reach
into another one beside it."""

import os
import re

INCLUDE = re.compile(r'^\s*#\s*(?:include|embed)\s*"([^"]+)"')
SYSTEM = re.compile(r"^\s*#\s*include\s*<([^>]+)>")

# layer -> prefixes that its files may include from ("" alone: nothing but its own).
USES = {
    "abi": ("abi/",),
    "boot": ("abi/", "boot/"),
    "kernel": ("abi/", "lib/base/", "kernel/", "boot/"),
    "lib/base": ("lib/base/", "abi/"),
    "lib": ("abi/", "lib/", "idl/"),
    "posix": ("abi/", "lib/", "idl/"),
    "fs": ("abi/", "lib/", "idl/"),
    # init begins the first program: it knows how the runtime wants to be begun, and nothing else of it.
    # procfs shows what the runtime keeps in a process's memory: it knows where that lies.
    "servers": ("abi/", "lib/", "idl/", "posix/start.h", "posix/layout.h", "posix/state.h"),
    "drivers": ("abi/", "lib/", "idl/"),
    "tools": ("lib/base/",),
    "host": ("abi/", "lib/base/", "lib/rt/"),
    # the file system's core is measured by itself; the interrupt's row needs a device
    "bench": ("abi/", "lib/", "idl/", "fs/latticefs/core/", "drivers/char/uart/registers.h"),
}
# Headers that freestanding code may take from the compiler.
FREESTANDING = {"stdint.h", "stddef.h", "stdckdint.h", "stdarg.h", "stdatomic.h", "stdalign.h", "limits.h",
                "stdbit.h", "stdbool.h", "float.h", "iso646.h", "stdnoreturn.h", "cpuid.h", "immintrin.h"}
FREE_LAYERS = {"abi", "boot", "kernel", "lib", "lib/base", "posix", "servers", "drivers"}


def layer_of(path):
    if path.startswith("lib/base/"):
        return "lib/base"
    return path.partition("/")[0]


def component_of(path):
    """The folder that a file may include from freely."""
    if layer_of(path) == "lib/base":
        return "lib/base/"
    parts = path.split("/")
    depth = {"servers": 2, "drivers": 3, "tools": 2, "host": 2, "fs": 2}.get(parts[0], 1)
    return "/".join(parts[:depth]) + "/"


def on_host(path):
    """Tests, fuzzers and the simulator are host programs: the C library is theirs, and the whole tree."""
    return path.endswith(("_test.c", "_fuzz.c", "/test.h")) or "/sim/" in path or "/fuse/" in path or "/tests/" in path


def resolve(tree_files, path, target):
    """An include by name, as a path from the root: beside the file first, then from the root."""
    beside = os.path.normpath(os.path.join(os.path.dirname(path), target))
    return beside if beside in tree_files else os.path.normpath(target)


def libraries(tree):
    """file -> headers of Debian's libraries that it alone wraps (library-files.txt)."""
    return {words[0]: set(words[1:]) for words in (line.split() for line in tree.list_file("library-files.txt"))}


def complaint_about(files, wraps, path, line):
    if found := INCLUDE.match(line):
        target = resolve(files, path, found[1])
        layer = layer_of(path)
        if not target.startswith((component_of(path), *USES[layer])):
            return f"{layer} may not use {target}"
    elif found := SYSTEM.match(line):
        layer = layer_of(path)
        hosted_part = layer == "fs" and "/core/" not in path and "/server/" not in path
        if (layer in FREE_LAYERS or layer == "fs") and not hosted_part \
                and found[1] not in FREESTANDING | wraps.get(path, set()):
            return f"freestanding code may not use <{found[1]}>"
    return None


def layering(tree):
    files, wraps = set(tree.files), libraries(tree)
    complaints = []
    for path in tree.ending(".c", ".h", ".S"):
        if layer_of(path) not in USES or on_host(path):
            continue
        for number, line in enumerate(tree.read(path).splitlines(), 1):
            if text := complaint_about(files, wraps, path, line):
                complaints.append(f"{path}:{number}: {text}")
    return complaints
