"""./isotope exec: boots headless, runs one command, gives exactly its output and status."""

import argparse
import os
import subprocess
import sys
import time

import common
import guest
import machine
import request
import session
import slots

ENVIRONMENT = {"PATH": "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin", "HOME": "/root", "USER": "root",
               "LOGNAME": "root", "SHELL": "/bin/sh", "TERM": "dumb"}
LEAVE_S = 20  # how long a guest may take to switch itself off before it is ended

EPILOG = """The status is the command's own, 128 + N if signal N ended it, 127 or 126 if it could not be
started; 124 if the time was up, 125 if the machine failed."""


def get_pair(text):
    guest_path, _, host_path = text.partition(":")
    if not guest_path.startswith("/") or not host_path:
        raise ValueError(text)
    return guest_path, host_path


def seed_number(text):
    if not text.isdigit() or int(text) >= 2**64:
        raise ValueError(text)
    return int(text)


get_pair.__name__, seed_number.__name__ = "GUESTPATH:HOSTFILE", "seed"


def parse(arguments):
    parser = argparse.ArgumentParser(prog="isotope exec", usage="isotope exec [OPTION…] -- COMMAND [ARG…]",
                                     description="Boots, runs a command as root, gives its output and status.",
                                     epilog=EPILOG)
    guest.add_options(parser)
    parser.add_argument("--icount", action="store_true", help="count instructions: rdtsc in the guest counts them")
    parser.add_argument("--get", type=get_pair, action="append", default=[], metavar="GUESTPATH:HOSTFILE",
                        help="fetch a file after the command; repeatable")
    parser.add_argument("--kills", type=guest.kills, metavar="N[:server,…]",
                        help="kill a random server (or one of those named) N times per second of guest time")
    parser.add_argument("--seed", type=seed_number, default=1, metavar="S", help="of the kills (default 1)")
    parser.add_argument("--timeout", type=float, default=600, metavar="SECONDS",
                        help="of real time, 0 for none (default 600)")
    parser.add_argument("--log", metavar="FILE", help="where the system log goes")
    if "--" not in arguments:
        parser.parse_args(arguments)  # --help and wrong options end here
        parser.error("write -- before the command")
    split = arguments.index("--")
    options = parser.parse_args(arguments[:split])
    options.command = arguments[split + 1 :]
    if not options.command:
        parser.error("no command after --")
    return options


def boot_words(options):
    words = ["mode=exec", f"seed={options.seed}"]
    if options.kills:
        words.append(f"kills={options.kills}")
    return tuple(words)


class Streams:
    """Our standard output and error, unbuffered and complete."""

    @staticmethod
    def writer(descriptor):
        def write(data):
            view = memoryview(data)
            while view:
                view = view[os.write(descriptor, view) :]
        return write


def messages(options):
    yield from request.command(options.command, ENVIRONMENT, "/root")
    for guest_path, _ in options.get:
        yield from request.get(guest_path)


def save(options, result):
    """Writes what was fetched; true if all of it came."""
    good = True
    for (guest_path, host_path), (errno, mode, data) in zip(options.get, result.files):
        if errno:
            guest.say(f"isotope exec: {guest_path}: {os.strerror(errno)}")
            good = False
            continue
        with open(host_path, "wb") as file:
            file.write(data)
        os.chmod(host_path, mode & 0o777)
    return good


def talk(options, process, read_fd, write_fd):
    """Runs the command over these descriptors; the session's result."""
    dialogue = session.Session(read_fd, write_fd, Streams.writer(1), Streams.writer(2))
    if options.icount:
        dialogue.silence_s = dialogue.silence_maximum_s = 30.0  # polls would be counted, too
        dialogue.patience_s = 600.0
    if options.timeout:
        dialogue.deadline = time.monotonic() + options.timeout
    try:
        dialogue.run([], gets=len(options.get))
    except session.SessionError as error:
        if str(error) in (session.TIMED_OUT, session.NO_AGENT):
            process.kill()
            process.wait()
            noise = error.noise.decode(errors="replace")
            if str(error) == session.TIMED_OUT:
                raise common.Failure(f"no end after {options.timeout:g} seconds\n{noise}", common.TIMED_OUT) from error
            text = f"no agent answered within {dialogue.patience_s:g} seconds\n{noise}{log_tail(options)}"
            raise common.Failure(text, common.MACHINE) from error
        status = process.wait()
        text = error.noise.decode(errors="replace") + log_tail(options)
        raise common.Failure(guest.explain(status, text, options.profile), common.MACHINE) from error
    dialogue.deadline = time.monotonic() + LEAVE_S
    try:
        dialogue.goodbye()
    except session.SessionError:
        pass  # that the agent heard the goodbye need never become known
    return dialogue.result


def log_tail(options):
    try:
        with open(options.log or os.devnull, encoding="utf-8", errors="replace") as file:
            return "\n" + file.read()[-4000:]
    except OSError:
        return ""


def leave(process):
    """The guest switches itself off; what it gave is complete, so a slow one is just ended."""
    try:
        status = process.wait(timeout=LEAVE_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
        raise common.Failure("the command ended, but the machine did not switch itself off", common.MACHINE) from None
    if status != machine.EXIT_PASSED:
        raise common.Failure(guest.explain(status, "", "release"), common.MACHINE)


def execute(options):
    kernel, base = guest.build(options.profile)
    image = guest.with_files(base, options.put, request.as_file(messages(options)))
    try:
        # The console is our end of a pipe pair: nothing else may be on it, no terminal's settings.
        line = guest.make_machine(options, kernel, image, arguments=boot_words(options),
                                  console="stdio,signal=off", log=options.log or "").line()
        with slots.slot(), subprocess.Popen(line, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
            try:
                result = talk(options, process, process.stdout.fileno(), process.stdin.fileno())
                complete = save(options, result)
                leave(process)
            finally:
                process.kill()
    finally:
        os.unlink(image)
    if result.ended[0] == 2:
        guest.say(f"isotope exec: {options.command[0]}: {os.strerror(result.ended[1])}")
    return result.status() if complete else result.status() or common.FAILED


def main(arguments):
    options = parse(arguments)
    try:
        return execute(options)
    except request.ProtocolError as error:
        raise common.Failure(f"the agent broke the protocol: {error}", common.MACHINE) from error
