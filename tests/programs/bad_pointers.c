/* Every address that a program may not give: EFAULT, and nothing else happens. By raw system calls,
 * for a C library would touch the memory itself. */
#include "check.h"
#include <poll.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <termios.h>

static char *unmapped;
static char *read_only;
static char *edge;

static void prepare(void) {
    char *pages =
        mmap(nullptr, 4 * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    munmap(pages + 4096, 4096);
    edge = pages + 4096;
    unmapped = pages + 4096;
    read_only = pages + 2 * 4096;
    mprotect(read_only, 4096, PROT_READ);
}

static void test_paths(void) {
    prepare();
    struct stat facts;
    static const struct {
        const char *name;
        long address;
    } bad[] = {{"null", 0},
               {"low", 8},
               {"kernel", (long)0xffffffff81000000},
               {"not_canonical", (long)0x8000000000000000},
               {"minus_one", -1}};
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        check_errno(bad[i].name, syscall(SYS_open, bad[i].address, O_RDONLY), EFAULT);
        check_errno(bad[i].name, syscall(SYS_stat, bad[i].address, &facts), EFAULT);
    }
    check_errno("unmapped", syscall(SYS_openat, AT_FDCWD, unmapped, O_RDONLY), EFAULT);
    memset(edge - 8, 'a', 8);
    check_errno("runs_off_the_page", syscall(SYS_open, edge - 8, O_RDONLY), EFAULT);
    memcpy(edge - 2, ".", 2);
    check_ok("ends_at_the_page", syscall(SYS_access, edge - 2, F_OK));
    check_errno("chdir", syscall(SYS_chdir, unmapped), EFAULT);
    check_errno("mkdir", syscall(SYS_mkdir, unmapped, 0755), EFAULT);
    check_errno("unlink", syscall(SYS_unlink, unmapped), EFAULT);
    check_errno("rename", syscall(SYS_rename, ".", unmapped), EFAULT);
    check_errno("symlink", syscall(SYS_symlink, unmapped, "x"), EFAULT);
    check_errno("readlink", syscall(SYS_readlink, "/proc/self/exe", unmapped, 10), EFAULT);
    check_errno("getcwd", syscall(SYS_getcwd, unmapped, 4096), EFAULT);
    check_errno("stat_result", syscall(SYS_stat, ".", unmapped), EFAULT);
    check_errno("stat_result_read_only", syscall(SYS_stat, ".", read_only), EFAULT);
    check_errno("statfs_result", syscall(SYS_statfs, ".", unmapped), EFAULT);
    check_errno("execve_path", syscall(SYS_execve, unmapped, nullptr, nullptr), EFAULT);
    check_errno("execve_arguments", syscall(SYS_execve, "/proc/self/exe", 8, nullptr), EFAULT);
    char *arguments[] = {(char *)8, nullptr};
    check_errno("execve_argument", syscall(SYS_execve, "/proc/self/exe", arguments, nullptr),
                EFAULT);
}

static void test_data(void) {
    prepare();
    write_file("f", "0123456789", 10, 0644);
    int fd = open("f", O_RDWR);
    int ends[2];
    pipe(ends);
    check_errno("read", syscall(SYS_read, fd, unmapped, 10), EFAULT);
    check_errno("read_into_read_only", syscall(SYS_read, fd, read_only, 10), EFAULT);
    check_errno("read_huge", syscall(SYS_read, fd, (long)0xffffffff81000000, 10), EFAULT);
    check_equal("position_kept", lseek(fd, 0, SEEK_CUR), 0);
    check_errno("write", syscall(SYS_write, fd, unmapped, 10), EFAULT);
    check_errno("pipe_write", syscall(SYS_write, ends[1], unmapped, 10), EFAULT);
    write(ends[1], "abc", 3);
    check_errno("pipe_read", syscall(SYS_read, ends[0], unmapped, 3), EFAULT);
    char buffer[16];
    check_equal("pipe_bytes_not_lost", read(ends[0], buffer, 16), 3);
    check_equal("read_zero_bytes_to_nowhere", syscall(SYS_read, ends[0], 8, 0), 0);
    struct iovec vectors[2] = {{.iov_base = buffer, .iov_len = 4},
                               {.iov_base = unmapped, .iov_len = 4}};
    check_equal("readv_good_part", syscall(SYS_readv, fd, vectors, 2), 4);
    check_errno("readv_bad_vector", syscall(SYS_readv, fd, unmapped, 2), EFAULT);
    check_errno("getdents", syscall(SYS_getdents64, open(".", O_RDONLY), unmapped, 1000), EFAULT);
    check_errno("getrandom", syscall(SYS_getrandom, unmapped, 16, 0), EFAULT);
    check_errno("pipe2", syscall(SYS_pipe2, unmapped, 0), EFAULT);
    check_errno("sendfile_offset", syscall(SYS_sendfile, ends[1], fd, unmapped, 1), EFAULT);
    off_t whole = lseek(fd, 0, SEEK_END);
    check_equal("file_unchanged", whole, 10);
    close(fd);
    close(ends[0]);
    close(ends[1]);
}

static void test_system(void) {
    prepare();
    check_errno("uname", syscall(SYS_uname, unmapped), EFAULT);
    check_errno("sysinfo", syscall(SYS_sysinfo, unmapped), EFAULT);
    check_errno("clock_gettime", syscall(SYS_clock_gettime, 1, unmapped), EFAULT);
    check_errno("gettimeofday", syscall(SYS_gettimeofday, unmapped, nullptr), EFAULT);
    check_errno("nanosleep", syscall(SYS_nanosleep, unmapped, nullptr), EFAULT);
    check_errno("times", syscall(SYS_times, unmapped), EFAULT);
    check_errno("getrlimit", syscall(SYS_getrlimit, RLIMIT_NOFILE, unmapped), EFAULT);
    check_errno("setrlimit", syscall(SYS_setrlimit, RLIMIT_NOFILE, unmapped), EFAULT);
    check_errno("getrusage", syscall(SYS_getrusage, RUSAGE_SELF, unmapped), EFAULT);
    check_errno("rt_sigaction_new", syscall(SYS_rt_sigaction, SIGUSR1, unmapped, nullptr, 8),
                EFAULT);
    check_errno("rt_sigaction_old", syscall(SYS_rt_sigaction, SIGUSR1, nullptr, unmapped, 8),
                EFAULT);
    check_errno("rt_sigprocmask", syscall(SYS_rt_sigprocmask, SIG_BLOCK, unmapped, nullptr, 8),
                EFAULT);
    check_errno("rt_sigpending", syscall(SYS_rt_sigpending, unmapped, 8), EFAULT);
    check_errno("rt_sigsuspend", syscall(SYS_rt_sigsuspend, unmapped, 8), EFAULT);
    check_errno("sigaltstack", syscall(SYS_sigaltstack, unmapped, nullptr), EFAULT);
    check_errno("setitimer", syscall(SYS_setitimer, ITIMER_REAL, unmapped, nullptr), EFAULT);
    check_errno("getgroups",
                getgroups(0, nullptr) > 0 ? syscall(SYS_getgroups, 100, unmapped)
                                          : (errno = EFAULT, -1),
                EFAULT);
    check_errno("getresuid", syscall(SYS_getresuid, unmapped, unmapped, unmapped), EFAULT);
    check_errno("sched_getaffinity", syscall(SYS_sched_getaffinity, 0, 128, unmapped), EFAULT);
    check_errno("prctl_name", syscall(SYS_prctl, 16, unmapped), EFAULT);
    pid_t child = fork();
    if (child == 0) {
        _exit(4);
    }
    check_errno("wait4", syscall(SYS_wait4, child, unmapped, 0, nullptr), EFAULT);
    check_errno("wait4_reaped_all_the_same", waitpid(child, nullptr, WNOHANG), ECHILD);
}

static void test_waiting(void) {
    prepare();
    int ends[2];
    int pair[2];
    pipe(ends);
    socketpair(AF_UNIX, SOCK_STREAM, 0, pair);
    check_errno("poll", syscall(SYS_poll, unmapped, 1, 0), EFAULT);
    check_errno("select", syscall(SYS_select, 5, unmapped, nullptr, nullptr, nullptr), EFAULT);
    check_errno("ppoll_time", syscall(SYS_ppoll, nullptr, 0, unmapped, nullptr, 8), EFAULT);
    int epoll = epoll_create1(0);
    check_errno("epoll_ctl", syscall(SYS_epoll_ctl, epoll, EPOLL_CTL_ADD, ends[0], unmapped),
                EFAULT);
    struct epoll_event event = {.events = EPOLLIN};
    epoll_ctl(epoll, EPOLL_CTL_ADD, ends[0], &event);
    write(ends[1], "x", 1);
    check_errno("epoll_wait", syscall(SYS_epoll_wait, epoll, unmapped, 1, 0), EFAULT);
    check_equal("event_not_lost", epoll_wait(epoll, &event, 1, 0), 1);
    check_errno("sendto", syscall(SYS_sendto, pair[0], unmapped, 5, 0, nullptr, 0), EFAULT);
    check_errno("sendmsg", syscall(SYS_sendmsg, pair[0], unmapped, 0), EFAULT);
    write(pair[0], "abc", 3);
    check_errno("recvfrom", syscall(SYS_recvfrom, pair[1], unmapped, 3, 0, nullptr, nullptr),
                EFAULT);
    check_errno("bind", syscall(SYS_bind, pair[0], unmapped, 10), EFAULT);
    check_errno("getsockname", syscall(SYS_getsockname, pair[0], unmapped, unmapped), EFAULT);
    check_errno("getsockopt",
                syscall(SYS_getsockopt, pair[0], SOL_SOCKET, SO_TYPE, unmapped, unmapped), EFAULT);
    check_errno("setsockopt",
                syscall(SYS_setsockopt, pair[0], SOL_SOCKET, SO_REUSEADDR, unmapped, 4), EFAULT);
    check_errno("socketpair", syscall(SYS_socketpair, AF_UNIX, SOCK_STREAM, 0, unmapped), EFAULT);
    check_errno("fcntl_lock", syscall(SYS_fcntl, epoll, F_SETLK, unmapped), EFAULT);
    int master = posix_openpt(O_RDWR | O_NOCTTY);
    check_errno("ioctl_tcgets", syscall(SYS_ioctl, master, TCGETS, unmapped), EFAULT);
    check_errno("ioctl_winsize", syscall(SYS_ioctl, master, TIOCSWINSZ, unmapped), EFAULT);
    check_errno("ioctl_fionread", syscall(SYS_ioctl, ends[0], FIONREAD, unmapped), EFAULT);
    close(master);
    close(epoll);
    for (int i = 0; i < 2; i++) {
        close(ends[i]);
        close(pair[i]);
    }
}

/* A buffer that ends in a hole takes what fits, where the amount is defined: nothing is lost. */
static void test_partial(void) {
    prepare();
    static char block[8192];
    memset(block, 'p', sizeof block);
    write_file("f", block, sizeof block, 0644);
    int fd = open("f", O_RDWR);
    ssize_t got = syscall(SYS_read, fd, edge - 100, 200);
    check("read_fits_or_faults", got == 100 || (got == -1 && errno == EFAULT));
    check_equal("position_is_what_was_read", lseek(fd, 0, SEEK_CUR), got == -1 ? 0 : got);
    memset(edge - 100, 'q', 100);
    lseek(fd, 0, SEEK_SET);
    got = syscall(SYS_write, fd, edge - 100, 200);
    check("write_fits_or_faults", got == 100 || (got == -1 && errno == EFAULT));
    check_equal("position_is_what_was_written", lseek(fd, 0, SEEK_CUR), got == -1 ? 0 : got);
    close(fd);
    int ends[2];
    pipe(ends);
    got = syscall(SYS_write, ends[1], edge - 100, 200);
    fcntl(ends[0], F_SETFL, O_NONBLOCK);
    ssize_t inside = read(ends[0], block, sizeof block);
    check("pipe_holds_what_was_said", got == -1 ? inside <= 100 : inside == got);
    close(ends[0]);
    close(ends[1]);
}

int main(int argc, char **argv) {
    static const check_case_t cases[] = {
        {"paths", test_paths},     {"data", test_data},       {"system", test_system},
        {"waiting", test_waiting}, {"partial", test_partial},
    };
    return check_main(argc, argv, cases, COUNT_OF(cases));
}
