#!/usr/bin/env python3
"""Shows that the harness can fail: programs that fail a check, crash, or stop short are reported."""
import os
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.dirname(HERE)]

import run  # noqa: E402
import static_programs  # noqa: E402

CASES = {
    "passes": ("check_equal(\"a\", 1, 1);", 1, 0),
    "fails": ("check_equal(\"a\", 1, 2);", 0, 1),
    "wrong errno": ("check_errno(\"a\", open(\"/none\", 0), EACCES);", 0, 1),
    "no error": ("check_errno(\"a\", 0, EACCES);", 0, 1),
    "unwanted error": ("check_ok(\"a\", open(\"/none\", 0));", 0, 1),
    "wrong text": ("check_text(\"a\", \"x\", \"y\"); check_text(\"b\", nullptr, \"y\");", 0, 2),
    "wrong bytes": ("check_bytes(\"a\", \"x\", \"y\", 1);", 0, 1),
    "wrong exit": ("check_exit(\"a\", 0x100, 0); check_killed(\"b\", 9, 11);", 0, 2),
    "crash": ("check_equal(\"a\", 1, 1); abort();", 1, 1),
    "early exit": ("check_equal(\"a\", 1, 1); _exit(0);", 1, 1),
    "no checks": ("", 0, 1),
}
PROGRAM = """#include "check.h"
static void body(void) {{ {body} }}
int main(int argc, char **argv) {{
    static const check_case_t cases[] = {{{{"one", body}}}};
    return check_main(argc, argv, cases, COUNT_OF(cases));
}}
"""


def main():
    failed = 0
    with tempfile.TemporaryDirectory() as folder:
        for name, (body, good, bad) in CASES.items():
            source = os.path.join(folder, "program.c")
            with open(source, "w", encoding="ascii") as out:
                out.write(PROGRAM.format(body=body))
            binary = os.path.join(folder, "program")
            subprocess.run(static_programs.command("musl", ["-I", HERE, source], binary), check=True)
            done = subprocess.run([binary], stdout=subprocess.PIPE, check=False)
            passed, wrong, _ = run.verdict(("musl", name), done.stdout, done.returncode)
            right = (passed, wrong) == (good, bad)
            print(("ok " if right else f"FAIL {passed} passed, {wrong} failed: ") + name)
            failed += not right
    print(f"{len(CASES) - failed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
