#!/usr/bin/env python3
"""Shows that the test programs notice a system call that does nothing: each call of the runtime's first
tiers is disabled in turn (a mutant that claims success, and one that answers ENOSYS), and the programs
that use it must fail.

    tests/programs/mutation/run.py [CALL…]

Mutants do harm (a fork that fails leads to a signal to process -1): they run in the sandbox only.
"""
import os
import re
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
PROGRAMS = os.path.dirname(HERE)
ROOT = os.path.dirname(os.path.dirname(PROGRAMS))
sys.path[:0] = [PROGRAMS, os.path.dirname(PROGRAMS)]

import sandbox  # noqa: E402
import static_programs  # noqa: E402

NUMBERS = "/usr/include/x86_64-linux-musl/bits/syscall.h"
BOUND_SECONDS = 8
ENOSYS = 38
# The calls of tiers 0 and 1 and what the terminal, threads, polling and sockets need besides; with the
# programs to run where their sources do not name the call as the C library does.
CALLS = {
    "arch_prctl": ["system_calls"], "ioctl": ["terminal"], "writev": ["file_io"], "brk": ["memory"],
    "read": ["file_io"], "write": ["file_io"], "open": ["file_open"], "close": ["descriptors"],
    "openat": ["bad_pointers"], "newfstatat": ["file_meta"], "stat": ["file_meta"],
    "fstat": ["file_meta"], "lstat": ["file_meta"], "wait4": ["fork_wait"], "waitid": ["fork_wait"],
    "set_robust_list": ["futex"], "rt_sigaction": ["signals"], "rt_sigprocmask": ["signals"],
    "rt_sigpending": ["signals"], "rt_sigsuspend": ["signals"], "rt_sigtimedwait": ["signals"],
    "rt_sigqueueinfo": ["signals"], "sigaltstack": ["signals"], "kill": ["signals"],
    "tgkill": ["signals"], "tkill": ["signals"], "mprotect": ["memory"], "mmap": ["memory"],
    "munmap": ["memory"], "mremap": ["memory"], "madvise": ["memory"], "msync": ["memory"],
    "mincore": ["memory"], "prlimit64": ["limits"], "getuid": ["credentials"],
    "geteuid": ["credentials"], "getgid": ["credentials"], "getresuid": ["credentials"],
    "setuid": ["credentials"], "setgid": ["credentials"], "setgroups": ["credentials"],
    "getgroups": ["credentials"], "setresuid": ["credentials"], "chroot": ["credentials"],
    "readlink": ["file_meta"], "symlink": ["file_meta"], "link": ["file_meta"],
    "chmod": ["file_meta"], "fchmod": ["file_meta"], "chown": ["file_meta"], "utimensat":
    ["file_meta"], "statfs": ["file_meta"], "access": ["file_meta"], "mknod": ["file_meta"],
    "faccessat2": ["clone"], "clone": ["clone"], "clone3": ["clone"], "futex": ["futex"],
    "getrandom": ["devices"], "prctl": ["system_calls"], "dup": ["descriptors"], "dup2":
    ["descriptors"], "dup3": ["descriptors"], "fcntl": ["descriptors"], "close_range":
    ["descriptors"], "pipe": ["pipes"], "pipe2": ["pipes"], "poll": ["polling"], "ppoll":
    ["polling"], "select": ["polling"], "pselect6": ["polling"], "epoll_create1": ["polling"],
    "epoll_ctl": ["polling"], "epoll_pwait": ["polling"], "eventfd2": ["polling"], "vfork":
    ["fork_wait"], "fork": ["fork_wait"], "execve": ["exec"], "execveat": ["exec"], "getdents64":
    ["folders"], "lseek": ["file_io"], "pread64": ["file_io"], "pwrite64": ["file_io"], "readv":
    ["file_io"], "preadv": ["file_io"], "sendfile": ["file_io"], "ftruncate": ["file_io"],
    "truncate": ["file_io"], "fsync": ["file_io"], "fadvise64": ["file_io"], "mkdir": ["folders"],
    "rmdir": ["folders"], "unlink": ["folders"], "unlinkat": ["folders"], "rename": ["folders"],
    "renameat2": ["folders"], "chdir": ["folders"], "fchdir": ["folders"], "getcwd": ["folders"],
    "setpgid": ["job_control"], "getpgid": ["job_control"], "setsid": ["job_control"], "getsid":
    ["job_control"], "getpid": ["system_calls"], "gettid": ["threads"], "getppid": ["proc_views"],
    "clock_nanosleep": ["clocks"], "nanosleep": ["clocks"], "clock_gettime": ["clocks"],
    "clock_getres": ["clocks"], "setitimer": ["clocks"], "timer_create": ["clocks"],
    "timer_settime": ["clocks"], "uname": ["system_calls"], "sysinfo": ["system_calls"], "umask":
    ["file_open"], "times": ["bad_pointers"], "sched_getaffinity": ["system_calls"],
    "sched_setaffinity": ["system_calls"], "getpriority": ["limits"], "setpriority": ["limits"],
    "getrusage": ["limits"], "flock": ["locks"], "socket": ["unix_sockets"], "connect":
    ["unix_sockets"], "bind": ["unix_sockets"], "listen": ["unix_sockets"], "accept":
    ["unix_sockets"], "accept4": ["unix_sockets"], "setsockopt": ["unix_sockets"], "getsockopt":
    ["unix_sockets"], "getsockname": ["unix_sockets"], "getpeername": ["unix_sockets"], "shutdown":
    ["unix_sockets"], "sendto": ["unix_sockets"], "recvfrom": ["unix_sockets"], "sendmsg":
    ["unix_sockets"], "recvmsg": ["unix_sockets"], "socketpair": ["unix_sockets"],
    "sendmmsg": ["socket_messages"], "recvmmsg": ["socket_messages"],
    "timerfd_create": ["timer_descriptors"], "timerfd_settime": ["timer_descriptors"],
    "timerfd_gettime": ["timer_descriptors"], "signalfd4": ["signal_descriptors"], "splice":
    ["splicing"], "tee": ["splicing"], "vmsplice": ["splicing"], "copy_file_range": ["splicing"],
}


def numbers():
    """{call: its number}."""
    with open(NUMBERS, encoding="ascii") as header:
        return {name: int(value) for name, value in
                re.findall(r"#define __NR_(\w+)\s+(\d+)", header.read())}


def noticed(launcher, binary, number, error):
    """Whether the program fails with that call disabled: by a check, a crash or a hang."""
    try:
        done = subprocess.run(sandbox.wrap([launcher, str(number), str(error), binary]),
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, start_new_session=True,
                              timeout=BOUND_SECONDS, check=False)
    except subprocess.TimeoutExpired:
        return True
    return done.returncode != 0 or b" 0 failed" not in done.stdout


def main():
    folder = os.path.join(ROOT, "build/tests/programs")
    launcher = static_programs.build("musl", os.path.join(HERE, "disable_call.c"), [], folder)
    known = numbers()
    missed = []
    count = 0
    for name in sys.argv[1:] or CALLS:
        for error in (0, ENOSYS):
            count += 1
            if not any(noticed(launcher, os.path.join(folder, "musl", program), known[name], error)
                       for program in CALLS[name]):
                missed.append(f"{name} ({'claims success' if error == 0 else 'ENOSYS'})")
                print("FAIL not noticed:", missed[-1], flush=True)
    print(f"{count - len(missed)} passed, {len(missed)} failed")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
