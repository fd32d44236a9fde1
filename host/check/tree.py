"""The files that checks look at, and the programs that they run in a tree."""

import os
import subprocess

SKIPPED = {"build", ".git", "__pycache__", ".ci"}


class Tree:
    def __init__(self, root):
        self.root = root
        self.files = []
        for base, folders, names in os.walk(root):
            folders[:] = sorted(f for f in folders if f not in SKIPPED)
            self.files += [os.path.relpath(os.path.join(base, name), root) for name in sorted(names)]

    def ending(self, *ends):
        return [f for f in self.files if f.endswith(ends)]

    def read(self, path):
        with open(os.path.join(self.root, path), encoding="utf-8", errors="replace") as file:
            return file.read()

    def run(self, *command, check=False):
        """The completed process; its output is both streams together."""
        return subprocess.run(command, cwd=self.root, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True, errors="replace", check=check)

    def list_file(self, name):
        """Paths of host/check/NAME, without comments; empty if there is none."""
        path = f"host/check/{name}"
        if path not in self.files:
            return []
        lines = (line.partition("#")[0].strip() for line in self.read(path).splitlines())
        return [line for line in lines if line]
