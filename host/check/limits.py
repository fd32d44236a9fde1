"""Lengths of files and functions (STYLE.md). The format is clang-format's, so a function of ours
begins in column 0 and ends with a brace in column 0.

None over the hard limits; of all functions at most one in twenty over 60 lines; a function over 100
lines has a comment "Long: WHY" right above it."""

import re

FILE_LINES, FUNCTION_LINES, FUNCTION_HARD = 800, 60, 100
SHARE_OVER = 0.05
NAME = re.compile(r"\b(\w+)\s*\(")


def functions(text):
    """(name, first line, length, reason given) of each function definition."""
    lines = text.splitlines()
    found = []
    start, body = None, False
    for number, line in enumerate(lines):
        if body:
            if line.startswith("}"):
                head = NAME.search(" ".join(lines[start:number]))
                if line == "}" and head:
                    above = "\n".join(lines[max(0, start - 6) : start])
                    found.append((head[1], start + 1, number - start + 1, "Long: " in above))
                start, body = None, False
            continue
        if start is None and line[:1].strip() and line[0] not in "#/*}":
            start = number
        if start is not None:
            body = line.endswith("{")
            if line.endswith(";") or not line.strip():
                start = None
    return found


def limits(tree):
    complaints, lengths = [], []
    for path in tree.ending(".c", ".h"):
        text = tree.read(path)
        count = text.count("\n")
        if count > FILE_LINES:
            complaints.append(f"{path}: {count} lines, at most {FILE_LINES}")
        if not path.endswith(".c"):
            continue
        for name, line, length, reason in functions(text):
            lengths.append((length, f"{path}:{line}", name))
            if length > FUNCTION_HARD and not reason:
                complaints.append(f"{path}:{line}: {name} has {length} lines, at most {FUNCTION_HARD} "
                                  'without "Long: WHY" above it')
    over = sorted((f for f in lengths if f[0] > FUNCTION_LINES), reverse=True)
    if len(over) > SHARE_OVER * len(lengths):
        complaints += [f"{where}: {name} has {length} lines; {len(over)} of {len(lengths)} functions are over "
                       f"{FUNCTION_LINES}, more than one in twenty" for length, where, name in over]
    return complaints
