"""The rows of the bench, their order, their peers and where those figures come from."""

# seL4, commit 1326364b, gcc 12 -O2, its fast path, no Meltdown window: guest instructions under icount on
# the same emulated machine (docs/testing.md). The peer for 7 words is its figure for 5 words in
# registers and memory, the peer for 800 bytes its figure for 100 words, the peer of an interrupt the
# sum of delivery and acknowledgement.
SEL4 = {
    "ipc_call_0w": 428, "ipc_call_7w": 1583, "ipc_lease_800": 2533, "event_pingpong": 2083,
    "fault_pager": 1999, "irq_driver": 392 + 493, "null_call": 246,
}

# Linux 6.1 of Debian 12, best settings, measured once (docs/testing.md): shown where no Linux guest is
# run beside (`--against linux` does).
LINUX_RECORDED = {
    "getppid": 360, "clock_gettime": 79, "pread_1": 1429, "pread_4k": 1951, "open_close": 5849,
    "stat": 3692, "pipe_self": 2367, "pipe_rtt_2proc": 12499, "unix_rtt_2proc": 16807,
    "signal_self": 4120, "fork_exit_wait": 109182, "fork_exec_wait": 249491,
    "vfork_exec_wait": 174482, "mmap_touch_munmap": 21750, "anon_fault": 4251,
    "mprotect_pair": 5588, "thread_create_join": 67346, "cond_pingpong": 17373,
    "ramfs_write_4k": 6831, "ramfs_create_delete": 25500, "boot": 1_600_000_000,
}

NATIVE = list(SEL4)
POSIX = ["getppid", "getppid_orphan", "clock_gettime", "pread_1", "pread_4k", "open_close", "stat",
         "pipe_self", "pipe_rtt_2proc", "unix_rtt_2proc", "signal_self", "fork_exit_wait",
         "fork_exit_wait_dirty_16m", "fork_exec_wait", "vfork_exec_wait", "mmap_touch_munmap",
         "anon_fault", "mprotect_pair", "thread_create_join", "cond_pingpong", "ramfs_write_4k",
         "ramfs_create_delete"]
ALL = [*NATIVE, *POSIX, "boot"]
# Rows that are measured only when they are named; the peer is the aim.
ASKED = {"interrupts_off": 20000}
UNIT = "instructions"
