#!/usr/bin/env python3
# needs: build/host/bin/idlc
"""Builds the code generated from golden/sample.idl with the tests beside this file, under sanitizers,
and runs them. With --mutants it does so once for each check of the generated dispatcher and stubs
with that check left out: every time some test must fail."""

import os
import re
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.normpath(os.path.join(HERE, "..", "..", ".."))
IDLC = os.environ.get("IDLC", os.path.join(ROOT, "build/host/bin/idlc"))
TESTS = ["dispatch", "roundtrip", "shared"]
SUPPORT = ["host/idlc/tests/sample_server.c", "host/idlc/tests/loopback.c", "lib/base/bytes.c", "lib/rt/lease.c",
           "lib/rt/text.c", "lib/rt/record.c"]
GENERATED = ["sample_client.c", "sample_server.c", "sample_trace.c"]
# Those of host/build/flags.mk.
WARNINGS = """-std=gnu23 -Wall -Wextra -Wpedantic -Werror -Wconversion -Wsign-conversion
    -Wshorten-64-to-32 -Wshadow -Wvla -Wcast-align -Wcast-qual -Wpointer-arith -Wbad-function-cast
    -Wstrict-prototypes -Wmissing-prototypes -Wswitch-enum -Wimplicit-fallthrough -Wformat=2
    -Wconditional-uninitialized -Wcomma -Wunused-result -Wthread-safety -Wthread-safety-beta
    -Wthread-safety-pointer -Wnullability-completeness -Wnullable-to-nonnull-conversion -Wnoderef
    -Wfloat-equal -Wunreachable-code-aggressive -Wno-language-extension-token
    -Wno-nullability-extension -Wno-c2y-extensions -fexperimental-late-parse-attributes""".split()
SANITIZERS = ["-g", "-O0", "-fno-builtin", "-fno-sanitize-recover=all", "-D_GNU_SOURCE",
              "-fsanitize=address,undefined,nullability,implicit-conversion,local-bounds"]


def run(command, **options):
    return subprocess.run(command, capture_output=True, text=True, check=False, **options)


def compile_one(folder, source, name, relaxed=False):
    out = os.path.join(folder, name + ".o")
    flags = ["-std=gnu23", "-w", "-fexperimental-late-parse-attributes"] if relaxed else WARNINGS
    done = run(["clang-22", *flags, *SANITIZERS, "-I.", "-I" + folder, "-c", source, "-o", out],
               cwd=ROOT)
    if done.returncode != 0:
        sys.exit(f"{source}: {done.stderr}")
    return out


def generate(folder):
    os.makedirs(os.path.join(folder, "idl"))
    for kind, end in (("header", ".h"), ("client", "_client.c"), ("server", "_server.c"),
                      ("trace", "_trace.c")):
        out = os.path.join(folder, "idl/sample" + end)
        done = run([IDLC, "--kind", kind, "-o", out, os.path.join(HERE, "golden/sample.idl")])
        if done.returncode != 0:
            sys.exit(done.stderr)


def link(folder, test, objects):
    out = os.path.join(folder, test)
    done = run(["clang-22", *SANITIZERS, "-o", out, os.path.join(folder, test + ".o"), *objects])
    if done.returncode != 0:
        sys.exit(done.stderr[:2000])
    return out


def build(folder):
    for test in TESTS:
        compile_one(folder, f"host/idlc/tests/{test}.c", test)
    objects = [compile_one(folder, s, os.path.basename(s)) for s in SUPPORT]
    objects += [compile_one(folder, os.path.join(folder, "idl", g), "idl_" + g) for g in GENERATED]
    return objects


def plain(folder, objects):
    passed = failed = 0
    for test in TESTS:
        done = run([link(folder, test, objects)])
        found = re.search(r"^(\d+) passed, (\d+) failed$", done.stdout, re.M)
        if done.returncode != 0 or not found:
            print(done.stderr)
        passed += int(found.group(1)) if found else 0
        failed += int(found.group(2)) if found else 1
    return passed, failed


# A check is a line of one of these forms; each is neutralised alone.
CHECKS = [
    (re.compile(r"^(\s*)(valid = valid && .*;)$"), r"\1;"),
    (re.compile(r"^(\s*bool valid = )(.*_count == \d+);$"), r"\1true;"),
    (re.compile(r"^(\s*)(CHECK\(.*\);)$"), r"\1;"),
    (re.compile(r"^(\s*)(status = rt_handle_(?:require|own_cookie)\(.*\);)$"), r"\1;"),
    (re.compile(r"^(\s*if \()((?:\w+\.size [<>] \d+|!rt_is_text\(\w+\)))(\) \{)$"), r"\1false\3"),
]


def mutants(path):
    lines = open(path, encoding="utf-8").read().split("\n")
    for number, line in enumerate(lines):
        for form, replacement in CHECKS:
            if form.match(line):
                changed = lines[:number] + [form.sub(replacement, line)] + lines[number + 1:]
                yield number + 1, line.strip(), "\n".join(changed)


def with_mutants(folder, objects):
    passed = failed = 0
    for generated in ("sample_server.c", "sample_client.c"):
        others = [o for o in objects if not o.endswith("idl_" + generated + ".o")]
        mutant = os.path.join(folder, "mutant.c")
        for number, line, text in mutants(os.path.join(folder, "idl", generated)):
            with open(mutant, "w", encoding="utf-8") as file:
                file.write(text)
            changed = others + [compile_one(folder, mutant, "mutant", relaxed=True)]
            if any(run([link(folder, t, changed)]).returncode != 0 for t in TESTS[:2]):
                passed += 1
            else:
                failed += 1
                print(f"FAILED no test misses {generated}:{number}: {line}")
    return passed, failed


def main():
    with tempfile.TemporaryDirectory() as folder:
        generate(folder)
        objects = build(folder)
        passed, failed = plain(folder, objects)
        if "--mutants" in sys.argv and failed == 0:
            passed, failed = with_mutants(folder, objects)
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
