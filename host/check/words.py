"""Words that say that something is unfinished, and paths of somebody's machine."""

import re

# In pieces, so that this file does not find itself.
UNFINISHED = re.compile(r"\b(" + "|".join(("TO" + "DO", "FIX" + "ME", "XX" + "X", "HA" + "CK", "WI" + "P",
                                           "not " + "implemented", "not yet " + "implemented")) + r")\b")
MACHINE = re.compile(r"(?<![\w.$])/(?:wo" + r"rk|fa" + r"rm|home/(?!user\b)\w+|ro" + r"ot/\.)/?")
ENDS = (".c", ".h", ".S", ".ld", ".mk", ".py", ".sh", ".md", ".idl", ".txt", ".list", ".manifest", ".pml", "Makefile", "isotope")


def words(tree):
    complaints = []
    for path in tree.ending(*ENDS):
        if path.startswith("tests/check/"):
            continue
        for number, line in enumerate(tree.read(path).splitlines(), 1):
            if found := UNFINISHED.search(line):
                complaints.append(f"{path}:{number}: {found[0]!r}: finish it, or list it as a limitation")
            if found := MACHINE.search(line):
                complaints.append(f"{path}:{number}: a path of somebody's machine: {found[0]}")
    return complaints
