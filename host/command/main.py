#!/usr/bin/env python3
"""./isotope COMMAND …: finds the command's module, and turns its failures into text and status."""

import importlib
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import common  # noqa: E402

# command -> module in this folder; each has main(arguments) -> status.
MODULES = {
    "run": "run_command",
    "exec": "exec_command",
    "test": "test_command",
    "debug": "debug_command",
    "bench": "bench_command",
    "size": "size_command",
    "check": "check_command",
    "fmt": "fmt_command",
    "new": "new_command",
    "image": "image_command",
    "tools": "tools_command",
    "manual": "manual_command",
    "soak": "soak_command",
}


def main(arguments):
    command = arguments[0] if arguments else "help"
    if command in ("help", "-h", "--help"):
        if len(arguments) > 1 and arguments[1] in MODULES:
            return main([arguments[1], "--help"])
        with open(common.path("host/command/help.txt"), encoding="utf-8") as file:
            sys.stdout.write(file.read())
        return 0
    if command == "--version":
        print(common.version())
        return 0
    if command not in MODULES:
        print(f"isotope: there is no command '{command}'; ./isotope help lists them", file=sys.stderr)
        return common.USAGE
    try:
        return importlib.import_module(MODULES[command]).main(arguments[1:])
    except common.Failure as failure:
        print(f"isotope {command}: {failure}", file=sys.stderr)
        return failure.status
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        return 141


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
