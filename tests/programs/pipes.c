/* Pipes and fifos: end of file, EPIPE, blocking and not, atomic writes, what else a pipe refuses.
 */
#include "check.h"
#include <limits.h>
#include <poll.h>
#include <sys/ioctl.h>

static void test_basics(void) {
    int ends[2];
    check_ok("pipe", pipe(ends));
    check("lowest_numbers", ends[1] == ends[0] + 1);
    char buffer[64] = {0};
    check_equal("write", write(ends[1], "hello", 5), 5);
    check_equal("short_read", read(ends[0], buffer, 2), 2);
    check_equal("the_rest", read(ends[0], buffer, sizeof buffer), 3);
    check_bytes("content", buffer, "llo", 3);
    check_equal("write_zero", write(ends[1], "", 0), 0);
    struct stat facts;
    fstat(ends[0], &facts);
    check("is_fifo", S_ISFIFO(facts.st_mode));
    check_equal("mode", facts.st_mode & 0777, 0600);
    check_errno("lseek", lseek(ends[0], 0, SEEK_SET), ESPIPE);
    check_errno("pread", pread(ends[0], buffer, 1, 0), ESPIPE);
    check_errno("pwrite", pwrite(ends[1], buffer, 1, 0), ESPIPE);
    check_errno("read_write_end", read(ends[1], buffer, 1), EBADF);
    check_errno("write_read_end", write(ends[0], buffer, 1), EBADF);
    check_equal("getfl_read", fcntl(ends[0], F_GETFL), O_RDONLY);
    check_equal("getfl_write", fcntl(ends[1], F_GETFL), O_WRONLY);
    int waiting = -1;
    write(ends[1], "abc", 3);
    check_ok("fionread", ioctl(ends[0], FIONREAD, &waiting));
    check_equal("bytes_waiting", waiting, 3);
    check_equal("default_size", fcntl(ends[0], F_GETPIPE_SZ), 65536);
    close(ends[1]);
    check_equal("rest_after_close", read(ends[0], buffer, sizeof buffer), 3);
    check_equal("end_of_file", read(ends[0], buffer, sizeof buffer), 0);
    check_equal("end_of_file_again", read(ends[0], buffer, sizeof buffer), 0);
    close(ends[0]);
    check_errno("pipe2_bad_flag", pipe2(ends, 0x1), EINVAL);
    check_ok("pipe2", pipe2(ends, O_CLOEXEC | O_NONBLOCK));
    check_equal("cloexec", fcntl(ends[0], F_GETFD), FD_CLOEXEC);
    check_equal("nonblock", fcntl(ends[0], F_GETFL) & O_NONBLOCK, O_NONBLOCK);
    close(ends[0]);
    close(ends[1]);
}

static volatile sig_atomic_t broken;

static void on_broken(int signal_number) {
    (void)signal_number;
    broken = broken + 1;
}

static int die_of_pipe(void) {
    int ends[2];
    pipe(ends);
    close(ends[0]);
    write(ends[1], "x", 1);
    return 1;
}

static void test_broken(void) {
    int ends[2];
    pipe(ends);
    close(ends[0]);
    handle(SIGPIPE, on_broken, 0);
    check_errno("epipe", write(ends[1], "x", 1), EPIPE);
    check_equal("sigpipe_once", broken, 1);
    handle(SIGPIPE, SIG_IGN, 0);
    check_errno("epipe_ignored", write(ends[1], "x", 1), EPIPE);
    check_equal("write_zero_is_fine", write(ends[1], "", 0), 0);
    struct pollfd wait = {.fd = ends[1], .events = POLLOUT};
    poll(&wait, 1, 0);
    check_equal("pollerr", wait.revents & POLLERR, POLLERR);
    close(ends[1]);
    handle(SIGPIPE, SIG_DFL, 0);
    check_killed("default_kills", in_child(die_of_pipe), SIGPIPE);
}

static void test_nonblocking(void) {
    int ends[2];
    pipe2(ends, O_NONBLOCK);
    static char block[70000];
    check_errno("empty", read(ends[0], block, 1), EAGAIN);
    ssize_t room = 0;
    for (;;) {
        ssize_t count = write(ends[1], block, PIPE_BUF);
        if (count < 0) {
            break;
        }
        room += count;
    }
    check_errno("full", write(ends[1], block, 1), EAGAIN);
    check_equal("capacity", room, 65536);
    check_equal("drain_a_page", read(ends[0], block, PIPE_BUF), PIPE_BUF);
    check_equal("room_again", write(ends[1], block, PIPE_BUF), PIPE_BUF);
    check_equal("drain_some", read(ends[0], block, 100), 100);
    check_errno("atomic_or_nothing", write(ends[1], block, PIPE_BUF), EAGAIN);
    while (read(ends[0], block, sizeof block) > 0) {
    }
    check_equal("partial_when_larger", write(ends[1], block, sizeof block), 65536);
    check_equal("clear_nonblock", fcntl(ends[1], F_SETFL, 0), 0);
    check_equal("cleared", fcntl(ends[1], F_GETFL), O_WRONLY);
    check_equal("other_end_unchanged", fcntl(ends[0], F_GETFL) & O_NONBLOCK, O_NONBLOCK);
    close(ends[0]);
    close(ends[1]);
}

/* More than a pipe holds goes through whole and in order, whoever is faster. */
static void test_flow(void) {
    enum { TOTAL = 400000 };
    int ends[2];
    pipe(ends);
    pid_t child = fork();
    if (child == 0) {
        close(ends[0]);
        static unsigned char out[TOTAL];
        for (size_t i = 0; i < TOTAL; i++) {
            out[i] = (unsigned char)(i * 7 + i / 256);
        }
        _exit(write(ends[1], out, TOTAL) == TOTAL ? 0 : 1);
    }
    close(ends[1]);
    static unsigned char in[9973];
    size_t total = 0;
    bool right = true;
    for (;;) {
        ssize_t count = read(ends[0], in, sizeof in);
        if (count <= 0) {
            break;
        }
        for (size_t i = 0; i < (size_t)count; i++) {
            size_t at = total + i;
            right = right && in[i] == (unsigned char)(at * 7 + at / 256);
        }
        total += (size_t)count;
    }
    check_equal("all_bytes", total, TOTAL);
    check("in_order", right);
    check_exit("writer_wrote_all_at_once", child_status(child), 0);
    close(ends[0]);
}

/* Writes of at most PIPE_BUF bytes never interleave. */
static void test_atomic(void) {
    int ends[2];
    pipe(ends);
    for (int i = 0; i < 4; i++) {
        if (fork() == 0) {
            char record[1000];
            memset(record, 'a' + i, sizeof record);
            for (int j = 0; j < 200; j++) {
                write(ends[1], record, sizeof record);
            }
            _exit(0);
        }
    }
    close(ends[1]);
    static char all[4 * 200 * 1000 + 1];
    size_t length = 0;
    for (;;) {
        ssize_t count = read(ends[0], &all[length], sizeof all - length);
        if (count <= 0) {
            break;
        }
        length += (size_t)count;
    }
    check_equal("nothing_lost", length, 4 * 200 * 1000);
    bool whole = true;
    for (size_t i = 0; i < length; i++) {
        whole = whole && all[i] == all[i - i % 1000];
    }
    check("records_whole", whole);
    close(ends[0]);
    while (wait(nullptr) > 0) {
    }
}

static void test_reader_goes(void) {
    int ends[2];
    pipe(ends);
    pid_t child = fork();
    if (child == 0) {
        close(ends[0]);
        handle(SIGPIPE, SIG_IGN, 0);
        static char block[200000];
        ssize_t first = write(ends[1], block, sizeof block);
        bool partial = first > 0 && first < (ssize_t)sizeof block;
        _exit((partial || (first == -1 && errno == EPIPE)) ? 0 : 1);
    }
    close(ends[1]);
    char byte;
    check_equal("one_byte", read(ends[0], &byte, 1), 1);
    close(ends[0]);
    check_exit("blocked_writer_is_woken", child_status(child), 0);
}

static void test_inherited(void) {
    int ends[2];
    pipe(ends);
    pid_t child = fork();
    if (child == 0) {
        close(ends[0]);
        char byte = 0;
        int back[2];
        pipe(back);
        _exit(write(ends[1], &byte, 1) == 1 ? 0 : 1);
    }
    child_status(child);
    int twin = dup(ends[1]);
    close(ends[1]);
    char buffer[4];
    check_equal("from_child", read(ends[0], buffer, 4), 1);
    fcntl(ends[0], F_SETFL, O_NONBLOCK);
    check_errno("writer_still_open", read(ends[0], buffer, 4), EAGAIN);
    close(twin);
    check_equal("last_writer_closed", read(ends[0], buffer, 4), 0);
    close(ends[0]);
}

static void test_fifo(void) {
    check_ok("mkfifo", mkfifo("p", 0600));
    check_errno("no_reader", open("p", O_WRONLY | O_NONBLOCK), ENXIO);
    int reader = check_fd("reader_without_writer", open("p", O_RDONLY | O_NONBLOCK));
    char buffer[16];
    check_equal("no_writer_is_end", read(reader, buffer, 16), 0);
    int writer = check_fd("writer", open("p", O_WRONLY | O_NONBLOCK));
    check_errno("empty", read(reader, buffer, 16), EAGAIN);
    check_equal("write", write(writer, "abc", 3), 3);
    check_equal("read", read(reader, buffer, 16), 3);
    write(writer, "xyz", 3);
    close(writer);
    check_equal("bytes_stay", read(reader, buffer, 16), 3);
    check_equal("end", read(reader, buffer, 16), 0);
    writer = check_fd("opened_again", open("p", O_WRONLY));
    check_errno("no_longer_at_end", read(reader, buffer, 16), EAGAIN);
    close(writer);
    close(reader);
    int both = check_fd("read_write", open("p", O_RDWR));
    write(both, "q", 1);
    check_equal("own_bytes", read(both, buffer, 16), 1);
    close(both);
    pid_t child = fork();
    if (child == 0) {
        int fd = open("p", O_WRONLY);
        _exit(fd >= 0 && write(fd, "meet", 4) == 4 ? 0 : 1);
    }
    reader = check_fd("blocking_open_meets_writer", open("p", O_RDONLY));
    check_equal("met", read(reader, buffer, 16), 4);
    close(reader);
    check_exit("writer_done", child_status(child), 0);
    check_errno("lseek", lseek(reader = open("p", O_RDWR), 0, SEEK_CUR), ESPIPE);
    close(reader);
    check_ok("unlink", unlink("p"));
}

int main(int argc, char **argv) {
    static const check_case_t cases[] = {
        {"basics", test_basics},       {"broken", test_broken}, {"nonblocking", test_nonblocking},
        {"flow", test_flow},           {"atomic", test_atomic}, {"reader_goes", test_reader_goes},
        {"inherited", test_inherited}, {"fifo", test_fifo},
    };
    return check_main(argc, argv, cases, COUNT_OF(cases));
}
