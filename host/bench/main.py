#!/usr/bin/env python3
"""`./isotope bench [NAME…] [--against linux] [--tsv]`: executed instructions per operation.

One boot under instruction counting gives Isotope's column. The peer of the IPC rows is seL4 (recorded
figures); that of the POSIX rows is Linux: with --against linux a guest with Debian's cloud kernel runs
the same program in the same run, otherwise recorded figures are shown. `--tsv` prints rows of name,
isotope, peer, unit, with `-` for what is not known. Ends with status 1 if a row could not be measured.
`./isotope bench interrupts_off` finds the longest stretch with interrupts off (the aim as its peer).
`./isotope bench latticefs` compares file systems instead: see its --help.
"""
import argparse
import os
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
sys.path[:0] = [HERE, os.path.join(ROOT, "bench/linux")]

import isotope_side  # noqa: E402
import rows  # noqa: E402


def peers(names, against):
    """{row: peer's figure}, and a note on where the POSIX ones come from."""
    known = {**rows.SEL4, **rows.ASKED}
    if against != "linux":
        return {**known, **rows.LINUX_RECORDED}, "recorded on Linux 6.1"
    import run as linux_run
    import linux_guest
    if any(name not in rows.NATIVE and name not in rows.ASKED for name in names):
        known.update(linux_run.measure()[0])
    return known, f"Linux {linux_guest.kernel()[1]}, in this run"


def tsv(names, results, peer):
    """The rows for scripts."""
    for name in names:
        print(name, results.values.get(name, "-"), peer.get(name, "-"), rows.UNIT, sep="\t")


def table(names, results, peer, note):
    """The rows for people: ratio and switches beside."""
    print(f"Executed instructions per operation. Peer: seL4 (recorded) for IPC, {note}, for POSIX.")
    print(f"{'row':<26}{'isotope':>14}{'peer':>14}{'ratio':>8}{'switches':>10}")
    for name in names:
        value, other = results.values.get(name), peer.get(name)
        ratio = f"{value / other:.2f}" if value and other else "-"
        switches = results.switches.get(name)
        print(f"{name:<26}{value if value else '-':>14}{other if other else '-':>14}{ratio:>8}"
              f"{switches if switches is not None else '-':>10}")
        if not value:
            print(f"    not measured: {results.failures.get(name)}")
        for line in results.notes.get(name, ()):
            print(line)


def main(arguments):
    if arguments[:1] == ["latticefs"]:
        import latticefs
        return latticefs.main(arguments[1:])
    parser = argparse.ArgumentParser(prog="isotope bench", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME", help="rows; all without any")
    parser.add_argument("--against", choices=["linux"])
    parser.add_argument("--tsv", action="store_true")
    options = parser.parse_args(arguments)
    known = [*rows.ALL, *rows.ASKED]
    unknown = [name for name in options.names if name not in known]
    if unknown:
        parser.error(f"no such row: {' '.join(unknown)} (rows: {' '.join(known)})")
    names = [name for name in known if name in options.names] or rows.ALL
    results = isotope_side.measure(names)
    peer, note = peers(names, options.against)
    if options.tsv:
        tsv(names, results, peer)
        for name in names:
            if name not in results.values:
                print(f"{name}: not measured: {results.failures.get(name)}", file=sys.stderr)
    else:
        table(names, results, peer, note)
    return 0 if all(name in results.values for name in names) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
