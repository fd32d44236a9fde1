"""What the documentation says must be so: relative links lead somewhere, folders of source have a README of at
most 20 lines, and figures are what a count of the tree gives.

A figure in Markdown is written  <!-- figure NAME -->1,234<!-- end -->  where NAME is one of FIGURES.
`./isotope check documents --fix` writes the right numbers."""

import os
import re

README_LINES = 20
LINK = re.compile(r"\]\(([^)#\s]+)(?:#[^)]*)?\)")
FIGURE = re.compile(r"<!-- figure ([a-z-]+) -->([^<]*)<!-- end -->")
SOURCE_TOPS = ("abi", "boot", "idl", "kernel", "lib", "posix", "servers", "drivers", "fs", "tools", "host", "bench", "system", "tests")
# Folders whose files are the data of the folder above, and need no README of their own.
DATA_FOLDERS = re.compile(r"(^|/)(tests|corpus|golden|root|manifests|nucleus)(/|$)|\.corpus(/|$)|^(lib|servers|drivers|fs)/.*/sim$|^host/new/templates/")


def system_calls(tree):
    found = re.search(r"SYSCALL_COUNT == (\d+)", tree.read("abi/syscall.h"))
    return int(found[1])


def kernel_lines(tree):
    import size

    return size.total(tree)


FIGURES = {
    "system-calls": system_calls,
    "kernel-lines": kernel_lines,
    "protocols": lambda tree: len([f for f in tree.ending(".idl") if f.startswith("idl/")]),
    "unsafe-files": lambda tree: len(tree.list_file("unsafe-files.txt")),
}


def figures(tree, fix=False):
    complaints, known = [], {}
    for path in tree.ending(".md"):
        text = tree.read(path)

        def right(match, path=path):
            name, said = match[1], match[2].strip()
            if name not in FIGURES:
                complaints.append(f"{path}: there is no figure named {name}")
                return match[0]
            if name not in known:
                known[name] = f"{FIGURES[name](tree):,}"
            if said != known[name] and not fix:
                complaints.append(f"{path}: says {said} {name}, but there are {known[name]} (--fix writes it)")
            return f"<!-- figure {name} -->{known[name]}<!-- end -->"

        fixed = FIGURE.sub(right, text)
        if fix and fixed != text:
            with open(os.path.join(tree.root, path), "w", encoding="utf-8") as file:
                file.write(fixed)
    return complaints


def links(tree):
    for path in tree.ending(".md"):
        inside_code = False
        for number, line in enumerate(tree.read(path).splitlines(), 1):
            if line.startswith("```"):
                inside_code = not inside_code
            if inside_code or line.startswith("    "):
                continue
            for target in LINK.findall(line):
                if re.match(r"[a-z]+:", target):
                    continue
                if not os.path.exists(os.path.join(tree.root, os.path.dirname(path), target)):
                    yield f"{path}:{number}: the link {target} leads nowhere"


def readmes(tree):
    folders = set()
    for path in tree.ending(".c", ".h", ".S", ".py", ".sh", ".idl", ".pml"):
        folder = os.path.dirname(path)
        if folder.partition("/")[0] in SOURCE_TOPS:
            folders.add(folder)
    for folder in sorted(folders):
        if DATA_FOLDERS.search(folder):
            continue
        if f"{folder}/README.md" not in tree.files:
            yield f"{folder}: has no README.md"
    for path in tree.ending("/README.md"):
        count = tree.read(path).count("\n")
        if count > README_LINES:
            yield f"{path}: {count} lines, at most {README_LINES}"


def documents(tree):
    return [*figures(tree), *links(tree), *readmes(tree)]
