"""How a C file becomes a static Linux program, with musl or with glibc, by clang-22."""
import fcntl
import os
import subprocess

WARNINGS = """-Wall -Wextra -Werror -Wconversion -Wsign-conversion -Wshorten-64-to-32 -Wshadow -Wvla
-Wpointer-arith -Wstrict-prototypes -Wmissing-prototypes
-Wimplicit-fallthrough -Wformat=2 -Wconditional-uninitialized -Wcomma -Wunreachable-code-aggressive
-Wnullability-completeness -Wnullable-to-nonnull-conversion -Wno-nullability-extension
-Wno-c2y-extensions -Wno-unused-result -Wno-nonnull -Wno-infinite-recursion""".split()
FLAGS = "-std=gnu23 -O2 -g -pthread -fno-strict-aliasing -D_GNU_SOURCE".split()
CLANG = os.environ.get("CLANG", "clang-22")
MUSL_LIBRARIES = "/usr/lib/x86_64-linux-musl"
MUSL_HEADERS = "/usr/include/x86_64-linux-musl"


def command(libc, sources, output):
    """The compiler's command line."""
    if libc == "glibc":
        return [CLANG, *FLAGS, *WARNINGS, "-static", "-o", output, *sources]
    resources = subprocess.run([CLANG, "-print-resource-dir"], check=True, text=True,
                               stdout=subprocess.PIPE).stdout.strip()
    headers = ["-nostdinc", "-isystem", MUSL_HEADERS, "-isystem", resources + "/include"]
    start = [f"{MUSL_LIBRARIES}/{name}" for name in ("crt1.o", "crti.o")]
    end = [f"{MUSL_LIBRARIES}/{name}" for name in ("libc.a", "crtn.o")]
    return [CLANG, *FLAGS, *WARNINGS, *headers, "-fuse-ld=lld-22", "-nostdlib", "-static",
            "-fno-pie", "-o", output, *start, *sources, *end]


def build(libc, source, headers, folder):
    """Builds one program where it is out of date; the binary's path."""
    name = os.path.basename(source)[:-2]
    output = os.path.join(folder, libc, name)
    os.makedirs(os.path.dirname(output), exist_ok=True)
    newest = max(os.path.getmtime(path) for path in [source, __file__, *headers])
    with open(output + ".lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not os.path.exists(output) or os.path.getmtime(output) < newest:
            subprocess.run(command(libc, [source], output), check=True)
    return output


def build_program(libc, sources, headers, output):
    """Builds one program of several files where it is out of date; the binary's path."""
    os.makedirs(os.path.dirname(output), exist_ok=True)
    newest = max(os.path.getmtime(path) for path in [*sources, __file__, *headers])
    with open(output + ".lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not os.path.exists(output) or os.path.getmtime(output) < newest:
            subprocess.run(command(libc, sources, output), check=True)
    return output
