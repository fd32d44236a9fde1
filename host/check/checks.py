"""What `./isotope check` looks at: name -> function(tree) -> list of complaints, in the order of
running. A complaint is "file:line: text" or "file: text". Each has seeded bad files in
tests/check/, which show that it can fail."""

import os

import banned
import builds
import documents
import layering
import limits
import size
import words
from tree import Tree

CHECKS = {
    "format": builds.formatted,
    "words": words.words,
    "layering": layering.layering,
    "limits": limits.limits,
    "documents": documents.documents,
    "warnings": builds.warnings,
    "headers": builds.headers,
    "globals": builds.writable_globals,
    "recursion": builds.recursion,
    "segments": builds.segments,
    "size": size.size,
    "banned": banned.banned,
    "analyser": builds.analyser,
}
NAMES = tuple(CHECKS)


def run(name, root):
    """Complaints of one check about the tree at root."""
    return CHECKS[name](Tree(os.path.abspath(root)))
