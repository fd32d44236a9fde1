/* File descriptors: numbers, duplication, flags, limits, close_range, ioctl on the wrong thing. */
#include "check.h"
#include <sys/ioctl.h>
#include <sys/resource.h>

static void test_numbers(void) {
    int first = check_fd("open", open("/dev/null", O_RDONLY));
    int second = check_fd("next", open("/dev/null", O_RDONLY));
    check_equal("ascending", second, first + 1);
    close(first);
    check_equal("lowest_free", open("/dev/null", O_RDONLY), first);
    check_equal("dup_lowest", dup(second), second + 1);
    check_equal("dup2", dup2(first, 50), 50);
    check_equal("dup2_same", dup2(50, 50), 50);
    check_errno("dup2_same_bad", dup2(60, 60), EBADF);
    check_errno("dup2_bad", dup2(60, 50), EBADF);
    check_equal("dup2_bad_keeps_target", fcntl(50, F_GETFD), 0);
    check_errno("dup2_negative", dup2(first, -1), EBADF);
    check_errno("dup_bad", dup(-1), EBADF);
    check_equal("dup3", syscall(SYS_dup3, first, 51, O_CLOEXEC), 51);
    check_equal("dup3_cloexec", fcntl(51, F_GETFD), FD_CLOEXEC);
    check_errno("dup3_same", syscall(SYS_dup3, first, first, 0), EINVAL);
    check_errno("dup3_flag", syscall(SYS_dup3, first, 52, O_APPEND), EINVAL);
    check_equal("f_dupfd", fcntl(first, F_DUPFD, 40), 40);
    check_equal("f_dupfd_next", fcntl(first, F_DUPFD, 40), 41);
    check_equal("f_dupfd_cloexec", fcntl(first, F_DUPFD_CLOEXEC, 40), 42);
    check_equal("flag_set", fcntl(42, F_GETFD), FD_CLOEXEC);
    check_errno("f_dupfd_negative", fcntl(first, F_DUPFD, -1), EINVAL);
    check_equal("dup2_clears_cloexec", dup2(42, 43), 43);
    check_equal("cleared", fcntl(43, F_GETFD), 0);
    for (int fd = 40; fd <= 51; fd++) {
        close(fd);
    }
    close(first);
    close(second);
    close(second + 1);
}

static void test_flags(void) {
    int fd = open("f", O_RDWR | O_CREAT | O_APPEND, 0644);
    int flags = fcntl(fd, F_GETFL);
    check_equal("getfl", flags & (O_ACCMODE | O_APPEND | O_NONBLOCK | O_CREAT), O_RDWR | O_APPEND);
    check_ok("setfl", fcntl(fd, F_SETFL, O_NONBLOCK));
    flags = fcntl(fd, F_GETFL);
    check_equal("append_off_nonblock_on", flags & (O_ACCMODE | O_APPEND | O_NONBLOCK),
                O_RDWR | O_NONBLOCK);
    int twin = dup(fd);
    fcntl(twin, F_SETFL, O_APPEND);
    check_equal("status_flags_shared", fcntl(fd, F_GETFL) & (O_APPEND | O_NONBLOCK), O_APPEND);
    fcntl(fd, F_SETFD, FD_CLOEXEC);
    check_equal("descriptor_flags_not_shared", fcntl(twin, F_GETFD), 0);
    fcntl(fd, F_SETFL, O_WRONLY);
    check_equal("access_mode_fixed", fcntl(fd, F_GETFL) & O_ACCMODE, O_RDWR);
    check_errno("bad_command", fcntl(fd, 9999), EINVAL);
    check_errno("bad_fd", fcntl(999, F_GETFL), EBADF);
    int on = 1;
    check_ok("fionbio", ioctl(fd, FIONBIO, &on));
    check_equal("fionbio_set", fcntl(fd, F_GETFL) & O_NONBLOCK, O_NONBLOCK);
    check_ok("fioclex", ioctl(twin, FIOCLEX));
    check_equal("fioclex_set", fcntl(twin, F_GETFD), FD_CLOEXEC);
    check_ok("fionclex", ioctl(twin, FIONCLEX));
    check_equal("fionclex_set", fcntl(twin, F_GETFD), 0);
    struct winsize size;
    check_errno("not_a_terminal", ioctl(fd, TIOCGWINSZ, &size), ENOTTY);
    check_errno("ioctl_bad_fd", ioctl(999, TIOCGWINSZ, &size), EBADF);
    check_equal("isatty", isatty(fd), 0);
    check_equal("isatty_errno", errno, ENOTTY);
    int length = -1;
    write(fd, "abc", 3);
    lseek(fd, 1, SEEK_SET);
    check_ok("fionread_file", ioctl(fd, FIONREAD, &length));
    check_equal("bytes_left", length, 2);
    close(fd);
    close(twin);
}

static void test_limit(void) {
    struct rlimit old;
    check_ok("getrlimit", getrlimit(RLIMIT_NOFILE, &old));
    struct rlimit small = {.rlim_cur = 20, .rlim_max = old.rlim_max};
    check_ok("setrlimit", setrlimit(RLIMIT_NOFILE, &small));
    int last = -1;
    int fd = open("/dev/null", O_RDONLY);
    while (fd >= 0) {
        last = fd;
        fd = open("/dev/null", O_RDONLY);
    }
    check_errno("open", fd, EMFILE);
    check_equal("last", last, 19);
    int ends[2];
    check_errno("dup", dup(0), EMFILE);
    check_errno("pipe", pipe(ends), EMFILE);
    check_errno("f_dupfd_at_limit", fcntl(0, F_DUPFD, 20), EINVAL);
    check_errno("dup2_at_limit", dup2(0, 20), EBADF);
    close(19);
    check_errno("pipe_needs_two", pipe(ends), EMFILE);
    check_equal("one_free", open("/dev/null", O_RDONLY), 19);
    for (fd = 5; fd < 20; fd++) {
        close(fd);
    }
    check_ok("restore", setrlimit(RLIMIT_NOFILE, &old));
    check_equal("dup2_again", dup2(0, 20), 20);
    close(20);
}

static void test_close_range(void) {
    for (int fd = 30; fd < 40; fd++) {
        dup2(0, fd);
    }
    check_ok("close_range", syscall(SYS_close_range, 32, 35, 0));
    check_equal("below_kept", fcntl(31, F_GETFD), 0);
    check_errno("first_closed", fcntl(32, F_GETFD), EBADF);
    check_errno("last_closed", fcntl(35, F_GETFD), EBADF);
    check_equal("above_kept", fcntl(36, F_GETFD), 0);
    check_ok("cloexec", syscall(SYS_close_range, 36, 37, 4));
    check_equal("cloexec_set", fcntl(36, F_GETFD), FD_CLOEXEC);
    check_errno("reversed", syscall(SYS_close_range, 5, 4, 0), EINVAL);
    check_errno("bad_flag", syscall(SYS_close_range, 5, 6, 99), EINVAL);
    check_ok("to_the_end", syscall(SYS_close_range, 30, ~0U, 0));
    check_errno("all_closed", fcntl(39, F_GETFD), EBADF);
}

static void test_after_fork(void) {
    int fd = open("f", O_RDWR | O_CREAT, 0644);
    pid_t child = fork();
    if (child == 0) {
        int bad = fcntl(fd, F_SETFL, O_APPEND);
        bad |= fcntl(fd, F_SETFD, FD_CLOEXEC);
        bad |= close(open("/dev/null", O_RDONLY));
        bad |= dup2(fd, 70) == 70 ? 0 : 1;
        _exit(bad);
    }
    check_exit("child", child_status(child), 0);
    check_equal("description_is_shared", fcntl(fd, F_GETFL) & O_APPEND, O_APPEND);
    check_equal("descriptor_is_not", fcntl(fd, F_GETFD), 0);
    check_errno("table_is_not", fcntl(70, F_GETFD), EBADF);
    close(fd);
}

int main(int argc, char **argv) {
    static const check_case_t cases[] = {
        {"numbers", test_numbers},         {"flags", test_flags},           {"limit", test_limit},
        {"close_range", test_close_range}, {"after_fork", test_after_fork},
    };
    return check_main(argc, argv, cases, COUNT_OF(cases));
}
