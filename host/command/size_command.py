"""./isotope size: lines of everything that is linked into the kernel image, by folder, against the budget."""

import argparse
import sys

import common

sys.path.insert(0, common.path("host/check"))
import size  # noqa: E402
from tree import Tree  # noqa: E402


def main(arguments):
    parser = argparse.ArgumentParser(prog="isotope size", description="Lines of the kernel by folder, formatted, without "
                                     f"blank lines, comments, tests and arch/sim. Fails beyond {size.LIMIT:,}.")
    parser.add_argument("--files", action="store_true", help="each file, too")
    options = parser.parse_args(arguments)
    common.make("kernel")
    counts = size.by_file(Tree(common.ROOT))
    if options.files:
        for path, lines in sorted(counts.items(), key=lambda item: -item[1]):
            print(f"{lines:7,}  {path}")
        print()
    folders = size.by_folder(counts)
    for folder, lines in folders.items():
        budget = size.BUDGET.get(folder, 0)
        print(f"{lines:7,} of {budget:6,}  {folder}{'  over its budget' if lines > budget else ''}")
    total = sum(folders.values())
    print(f"{total:7,} of {size.LIMIT:6,}  all")
    added = size.by_file(Tree(common.ROOT), debug=True)
    print(f"{sum(added.values()):7,} more      in the debug profile alone, not in what ships: {', '.join(sorted(added))}")
    if total > size.LIMIT:
        raise common.Failure(f"the kernel has {total - size.LIMIT:,} lines too many")
    return 0
