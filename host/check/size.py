"""Lines of everything that is linked into the kernel image: kernel/ without arch/sim, lib/base as far as it is linked or
included, and generated code. The interface (abi/), which programs share, is declarations only and is not counted.
Formatted by clang-format, without blank lines, comments and tests. The budget is by folder; the whole may not be over
LIMIT. What only the debug profile links (the debug shell; KERNEL_DEBUG in host/build/sources.mk) is counted apart."""

import os
import re
import subprocess

LIMIT = 10000
BUDGET = {"kernel/object": 1500, "kernel/ipc": 2000, "kernel/memory": 1800, "kernel/sched": 750, "kernel/syscall": 1300,
          "kernel/debug": 250, "kernel/arch/x86_64": 2000, "kernel (other)": 50, "lib/base": 350}
COMMENT = re.compile(r'"(?:\\.|[^"\\])*"|\'(?:\\.|[^\'\\])*\'|//[^\n]*|/\*.*?\*/', re.DOTALL)


def counted_lines(text):
    """Lines that are neither blank nor comment. A comment in a line of code does not remove the line."""
    bare = COMMENT.sub(lambda m: m[0] if m[0][0] in "\"'" else "\n" * m[0].count("\n"), text)
    return sum(1 for line in bare.splitlines() if line.strip())


def assembly_lines(text):
    bare = COMMENT.sub(lambda m: m[0] if m[0][0] in "\"'" else "\n" * m[0].count("\n"), text)
    return sum(1 for line in bare.splitlines() if line.split("#", 1)[0].strip() or line.startswith("#"))


def debug_only(tree, path):
    """Is this linked in the debug profile alone? Not if the shipped kernel was ever built with it, whatever its name."""
    return re.fullmatch(r"kernel/(debug|arch/x86_64)/shell\w*\.[chS]", path) is not None \
        and not os.path.exists(os.path.join(tree.root, f"build/x86_64-release/kernel/{path}.o"))


def _in_kernel(path):
    return path.startswith("kernel/") and "/sim/" not in path and not path.endswith(("_test.c", "_fuzz.c")) \
        and "/tests/" not in path and path.endswith((".c", ".h", ".S"))


def _dependencies(tree):
    """What the compiler read for the kernel's objects, if it was built: the .d files beside them."""
    found = set()
    for profile in ("release", "debug"):
        folder = os.path.join(tree.root, f"build/x86_64-{profile}/kernel")
        for base, _, names in os.walk(folder):
            for name in names:
                if name.endswith(".d"):
                    with open(os.path.join(base, name), encoding="utf-8") as file:
                        found.update(file.read().replace("\\\n", " ").split())
    return {os.path.normpath(f) for f in found if not f.endswith(":") and not os.path.isabs(f)}


def files(tree, debug=False):
    """Paths that count in what ships; with `debug`, those that the debug profile adds. Generated code is in build/gen."""
    if debug:
        return sorted(f for f in tree.files if _in_kernel(f) and debug_only(tree, f))
    used = _dependencies(tree)
    counted = {f for f in tree.files if _in_kernel(f) and not debug_only(tree, f)}
    counted |= {f for f in used if f.startswith(("lib/base/", "build/gen/")) and os.path.exists(os.path.join(tree.root, f))}
    if not used:
        counted |= {f for f in tree.files if re.fullmatch(r"lib/base/\w+\.[ch]", f)
                    and not f.endswith(("_test.c", "_fuzz.c", "test.h"))}
    return sorted(counted)


def folder_of(path):
    for folder in BUDGET:
        if path.startswith(folder + "/"):
            return folder
    return "generated" if path.startswith("build/") else "kernel (other)"


def _formatted(tree, path):
    text = tree.read(path)
    if path.endswith(".S"):
        return text
    done = subprocess.run(["clang-format-22", f"--assume-filename={path}"], cwd=tree.root, input=text,
                          stdout=subprocess.PIPE, text=True, check=True)
    return done.stdout


def by_file(tree, debug=False):
    return {path: (assembly_lines if path.endswith(".S") else counted_lines)(_formatted(tree, path))
            for path in files(tree, debug)}


def by_folder(counts):
    folders = dict.fromkeys(BUDGET, 0)
    for path, lines in counts.items():
        folders[folder_of(path)] = folders.get(folder_of(path), 0) + lines
    return folders


def total(tree):
    return sum(by_file(tree).values())


def size(tree):
    """The whole is not over the limit."""
    lines = total(tree)
    return [f"kernel: {lines:,} lines, at most {LIMIT:,} (./isotope size)"] if lines > LIMIT else []
