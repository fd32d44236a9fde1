"""A sandbox for programs that fork, kill and remove as root, on this host.

A test program whose fork fails may signal process -1, and one whose chdir fails may remove what is not
its own. So each runs in a process namespace of its own (its signals reach nothing else, and whatever it
leaves behind ends with it) and in a mount namespace in which every file system is read-only but an empty
/tmp and /dev/shm."""

SCRIPT = """
set -e
mount --make-rprivate /
mount -o remount,bind,ro /
mount -t tmpfs tmpfs /tmp
mount -t tmpfs tmpfs /dev/shm
cd /tmp
set +e
"$@"
exit $?
"""


def wrap(argv):
    """The command line that runs `argv` in the sandbox; needs root."""
    return ["unshare", "--pid", "--mount", "--fork", "--kill-child", "--mount-proc", "/bin/sh", "-c",
            SCRIPT, "sandbox", *argv]
