#!/usr/bin/env python3
# needs: build/host/bin/idlc
"""idlc's output and messages, compared byte for byte with what is expected.

Expected output lies in golden/NAME.KIND.expected; after a wanted change, --update writes it anew, and
its diff is reviewed like any other. errors.txt holds wrong files, each below its message."""

import glob
import os
import re
import shutil
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.normpath(os.path.join(HERE, "..", "..", ".."))
IDLC = os.environ.get("IDLC", os.path.join(ROOT, "build/host/bin/idlc"))
KINDS = {"header": ".h", "client": "_client.c", "server": "_server.c", "trace": "_trace.c",
         "fuzz": "_fuzz.c", "manual": ".7"}
GOLDEN = sorted(glob.glob(os.path.join(HERE, "golden/*.idl")))
PROTOCOLS = sorted(glob.glob(os.path.join(ROOT, "idl/*.idl")))
counts = {"passed": 0, "failed": 0, "skipped": 0}


def report(name, problem):
    """Counts a case; `problem` is empty if it passed, None if it was skipped."""
    if problem is None:
        counts["skipped"] += 1
        return
    counts["failed" if problem else "passed"] += 1
    if problem:
        print(f"FAILED {name}: {problem}")


def idlc(*arguments):
    return subprocess.run([IDLC, *arguments], capture_output=True, text=True, check=False)


def compile_to(folder, path, kind):
    out = os.path.join(folder, os.path.basename(path).removesuffix(".idl") + KINDS[kind])
    done = idlc("--kind", kind, "-o", out, path)
    return out, done


def test_golden(folder, update):
    for path in GOLDEN:
        for kind in KINDS:
            expected = f"{path.removesuffix('.idl')}.{kind}.expected"
            out, done = compile_to(folder, path, kind)
            if done.returncode != 0:
                report(expected, done.stderr)
                continue
            if update:
                shutil.copyfile(out, expected)
            same = os.path.exists(expected) and open(out).read() == open(expected).read()
            report(os.path.basename(expected), "" if same else f"differs: diff {expected} {out}")


def test_form(folder):
    """Generated code is as the formatter would have it, and manuals give roff no cause to complain."""
    for path in GOLDEN + PROTOCOLS:
        for kind in KINDS:
            out, done = compile_to(folder, path, kind)
            if done.returncode != 0:
                report(f"{path} {kind}", done.stderr)
            elif kind == "manual" and not shutil.which("groff"):
                report(out, None)
            elif kind == "manual":
                roff = subprocess.run(["groff", "-man", "-Tascii", "-ww", "-z", out],
                                      capture_output=True, text=True, check=False)
                special = [l for l in roff.stderr.splitlines() if "special character" not in l]
                report(out, "\n".join(special))
            else:
                style = f"--style=file:{ROOT}/.clang-format"
                done = subprocess.run(["clang-format-22", style, "--dry-run", "-Werror", out],
                                      capture_output=True, text=True, check=False)
                report(out, done.stderr[:500])


def error_cases():
    text = open(os.path.join(HERE, "errors.txt"), encoding="utf-8").read()
    members = "\n".join(f"    m{i} = {i}," for i in range(65)) + "\n"
    for case in text.split("=== ")[1:]:
        message, _, source = case.partition("\n")
        yield message, source.replace("@MEMBERS\n", members)


def test_errors(folder):
    shutil.copy(os.path.join(HERE, "golden/sample.idl"), folder)
    path = os.path.join(folder, "p.idl")
    out = os.path.join(folder, "none.h")
    for message, source in error_cases():
        with open(path, "w", encoding="utf-8") as file:
            file.write(source)
        done = idlc("--kind", "header", "-o", out, path)
        wanted = f"{path}:{message}\n"
        good = done.returncode == 1 and done.stderr == wanted and not os.path.exists(out)
        report(message, "" if good else f"said {done.stderr!r}, status {done.returncode}")


def test_command(folder):
    sample = GOLDEN[0]
    out = os.path.join(folder, "out.h")
    cases = [
        ((), 2, "usage"),
        (("--kind", "header", sample), 2, "usage"),
        (("--kind", "header", "-o"), 2, "what is '-o'"),
        (("--kind", "poem", "-o", out, sample), 2, "no kind 'poem'"),
        (("--kind", "header", "-o", out, sample, "more"), 2, "what is 'more'"),
        (("--kind", "header", "-o", out, folder + "/nothing.idl"), 1, "cannot be read"),
        (("--kind", "header", "-o", folder + "/no/where.h", sample), 1, "cannot be written"),
    ]
    for arguments, status, word in cases:
        done = idlc(*arguments)
        good = done.returncode == status and word in done.stderr and not os.path.exists(out)
        report(f"idlc {' '.join(arguments)}", "" if good else f"{done.returncode}: {done.stderr}")
    done = idlc("--help")
    report("idlc --help", "" if done.returncode == 0 and "usage" in done.stdout else done.stderr)


def test_syscalls(folder):
    """The page of system calls names each of them, with its number and what it does."""
    out = os.path.join(folder, "syscalls.2")
    done = idlc("--kind", "syscalls", "-o", out, os.path.join(ROOT, "abi/syscall.h"))
    page = open(out, encoding="utf-8").read() if done.returncode == 0 else ""
    header = open(os.path.join(ROOT, "abi/syscall.h"), encoding="utf-8").read()
    names = re.findall(r"^    (SYS_\w+)", header, re.M)
    report("forty calls", "" if len(names) == 40 else f"{len(names)}")
    for number, name in enumerate(names):
        found = re.search(rf"^\.B {name} 0x{0x10000 + number:x}\n(.*)", page, re.M)
        text = found.group(1) if found else ""
        report(f"manual of {name}", "" if text and text[0] != "." else f"not described: {text!r}")


def test_numbers():
    """No two protocols share a number."""
    seen = {}
    for path in PROTOCOLS:
        found = re.search(r"^protocol (\w+) number (\d+)", open(path, encoding="utf-8").read(), re.M)
        name, number = found.groups()
        report(f"number of {name}", f"{number} is {seen[number]}'s" if number in seen else "")
        good = name + ".idl" == os.path.basename(path)
        report(f"file of {name}", "" if good else path)
        seen[number] = name


def main():
    with tempfile.TemporaryDirectory() as folder:
        test_golden(folder, "--update" in sys.argv)
        test_form(folder)
        test_errors(folder)
        test_command(folder)
        test_syscalls(folder)
        test_numbers()
    skipped = f", {counts['skipped']} skipped" if counts["skipped"] else ""
    print(f"{counts['passed']} passed, {counts['failed']} failed{skipped}")
    return 1 if counts["failed"] else 0


if __name__ == "__main__":
    sys.exit(main())
