/* fcntl record locks, open-file-description locks and flock. */
#include "check.h"
#include "linux_extra.h"
#include <sys/file.h>

static int lock(int fd, int command, int type, off_t start, off_t length) {
    struct flock request = {
        .l_type = (short)type, .l_whence = SEEK_SET, .l_start = start, .l_len = length};
    return fcntl(fd, command, &request);
}

/* Whether another process could lock that, in words that an exit status can carry. */
static int other_can(const char *path, int type, off_t start, off_t length) {
    pid_t child = fork();
    if (child == 0) {
        int fd = open(path, O_RDWR);
        _exit(lock(fd, F_SETLK, type, start, length) == 0 ? 1 : errno == EAGAIN ? 0 : 9);
    }
    int status = child_status(child);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void test_records(void) {
    int fd = open("f", O_RDWR | O_CREAT, 0644);
    write(fd, "0123456789", 10);
    check_ok("read_lock", lock(fd, F_SETLK, F_RDLCK, 0, 10));
    check_equal("readers_share", other_can("f", F_RDLCK, 0, 10), 1);
    check_equal("writer_refused", other_can("f", F_WRLCK, 5, 1), 0);
    check_equal("writer_beside", other_can("f", F_WRLCK, 10, 5), 1);
    check_ok("upgrade", lock(fd, F_SETLK, F_WRLCK, 3, 2));
    check_equal("reader_refused", other_can("f", F_RDLCK, 3, 1), 0);
    check_equal("reader_beside", other_can("f", F_RDLCK, 0, 3), 1);
    check_ok("unlock_middle", lock(fd, F_SETLK, F_UNLCK, 2, 4));
    check_equal("middle_free", other_can("f", F_WRLCK, 2, 4), 1);
    check_equal("left_kept", other_can("f", F_WRLCK, 1, 1), 0);
    check_equal("right_kept", other_can("f", F_WRLCK, 6, 1), 0);
    check_ok("to_the_end", lock(fd, F_SETLK, F_WRLCK, 100, 0));
    check_equal("endless", other_can("f", F_WRLCK, 1L << 40, 1), 0);
    check_ok("negative_length", lock(fd, F_SETLK, F_WRLCK, 50, -5));
    check_equal("covers_before", other_can("f", F_WRLCK, 45, 1), 0);
    check_equal("not_start_itself", other_can("f", F_WRLCK, 50, 1), 1);
    check_errno("before_zero", lock(fd, F_SETLK, F_WRLCK, 0, -1), EINVAL);
    check_errno("negative_start", lock(fd, F_SETLK, F_WRLCK, -1, 1), EINVAL);
    check_errno("bad_type", lock(fd, F_SETLK, 77, 0, 1), EINVAL);
    check_ok("unlock_all", lock(fd, F_SETLK, F_UNLCK, 0, 0));
    check_equal("all_free", other_can("f", F_WRLCK, 0, 0), 1);
    int reader = open("f", O_RDONLY);
    check_errno("write_lock_needs_write", lock(reader, F_SETLK, F_WRLCK, 0, 1), EBADF);
    check_ok("read_lock_of_reader", lock(reader, F_SETLK, F_RDLCK, 0, 1));
    int writer = open("f", O_WRONLY);
    check_errno("read_lock_needs_read", lock(writer, F_SETLK, F_RDLCK, 0, 1), EBADF);
    close(writer);
    check_equal("closing_any_drops_all", other_can("f", F_WRLCK, 0, 1), 1);
    close(reader);
    check_errno("bad_fd", lock(999, F_SETLK, F_RDLCK, 0, 1), EBADF);
    close(fd);
}

static void test_query(void) {
    int fd = open("f", O_RDWR | O_CREAT, 0644);
    lock(fd, F_SETLK, F_WRLCK, 10, 20);
    pid_t parent = getpid();
    struct flock request = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = 0, .l_len = 0};
    check_ok("own_does_not_conflict", fcntl(fd, F_GETLK, &request));
    check_equal("unlocked", request.l_type, F_UNLCK);
    pid_t child = fork();
    if (child == 0) {
        struct flock asked = {.l_type = F_RDLCK, .l_whence = SEEK_SET, .l_start = 0, .l_len = 0};
        int bad = fcntl(fd, F_GETLK, &asked) == 0 ? 0 : 1;
        bad |= asked.l_type == F_WRLCK && asked.l_pid == parent ? 0 : 2;
        bad |= asked.l_start == 10 && asked.l_len == 20 && asked.l_whence == SEEK_SET ? 0 : 4;
        bad |= lock(fd, F_SETLK, F_WRLCK, 15, 1) == -1 ? 0 : 8;
        close(fd);
        _exit(bad);
    }
    check_exit("child_did_not_inherit_and_sees", child_status(child), 0);
    check_equal("childs_close_drops_nothing", other_can("f", F_WRLCK, 15, 1), 0);
    close(fd);
}

static void test_blocking(void) {
    int fd = open("f", O_RDWR | O_CREAT, 0644);
    int ends[2];
    pipe(ends);
    lock(fd, F_SETLK, F_WRLCK, 0, 10);
    pid_t child = fork();
    if (child == 0) {
        write(ends[1], "x", 1);
        _exit(lock(fd, F_SETLKW, F_WRLCK, 0, 10) == 0 ? 0 : 1);
    }
    char byte;
    read(ends[0], &byte, 1);
    lock(fd, F_SETLK, F_UNLCK, 0, 10);
    check_exit("granted_at_unlock", child_status(child), 0);
    check_ok("freed_by_exit", lock(fd, F_SETLK, F_WRLCK, 0, 10));
    lock(fd, F_SETLK, F_UNLCK, 0, 0);
    /* Deadlock: the child holds 1 and wants 0, the parent holds 0 and wants 1. */
    lock(fd, F_SETLK, F_WRLCK, 0, 1);
    child = fork();
    if (child == 0) {
        lock(fd, F_SETLK, F_WRLCK, 1, 1);
        write(ends[1], "x", 1);
        int answer = lock(fd, F_SETLKW, F_WRLCK, 0, 1);
        _exit(answer == 0 ? 0 : errno == EDEADLK ? 35 : 1);
    }
    read(ends[0], &byte, 1);
    int answer = lock(fd, F_SETLKW, F_WRLCK, 1, 1);
    int error = errno;
    lock(fd, F_SETLK, F_UNLCK, 0, 0);
    int status = child_status(child);
    bool child_noticed = WIFEXITED(status) && WEXITSTATUS(status) == 35;
    bool parent_noticed = answer == -1 && error == EDEADLK;
    check("one_of_two_is_told_of_deadlock", child_noticed != parent_noticed);
    close(ends[0]);
    close(ends[1]);
    close(fd);
}

static void test_description_locks(void) {
    int fd = open("f", O_RDWR | O_CREAT, 0644);
    int second = open("f", O_RDWR);
    check_ok("lock", lock(fd, F_OFD_SETLK, F_WRLCK, 0, 10));
    check_errno("own_other_description", lock(second, F_OFD_SETLK, F_WRLCK, 0, 10), EAGAIN);
    check_errno("conflicts_with_record_lock", lock(second, F_SETLK, F_RDLCK, 0, 1), EAGAIN);
    int twin = dup(fd);
    check_ok("dup_is_same_owner", lock(twin, F_OFD_SETLK, F_RDLCK, 0, 10));
    close(twin);
    check_errno("close_of_dup_keeps", lock(second, F_OFD_SETLK, F_WRLCK, 0, 10), EAGAIN);
    struct flock request = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    check_ok("query", fcntl(second, F_OFD_GETLK, &request));
    check("query_owner_is_minus_one", request.l_type == F_RDLCK && request.l_pid == -1);
    request = (struct flock){.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_pid = 1};
    check_errno("pid_must_be_0", fcntl(fd, F_OFD_SETLK, &request), EINVAL);
    pid_t child = fork();
    if (child == 0) {
        _exit(lock(fd, F_OFD_SETLK, F_UNLCK, 0, 0) == 0 ? 0 : 1);
    }
    check_exit("child_shares_description", child_status(child), 0);
    check_ok("so_it_could_unlock", lock(second, F_OFD_SETLK, F_WRLCK, 0, 10));
    close(second);
    check_ok("close_unlocks", lock(fd, F_OFD_SETLK, F_WRLCK, 0, 10));
    close(fd);
}

static void test_flock(void) {
    int fd = open("f", O_RDWR | O_CREAT, 0644);
    int second = open("f", O_RDONLY);
    check_ok("exclusive", flock(fd, LOCK_EX));
    check_errno("second", flock(second, LOCK_EX | LOCK_NB), EAGAIN);
    check_errno("shared_too", flock(second, LOCK_SH | LOCK_NB), EAGAIN);
    check_ok("downgrade", flock(fd, LOCK_SH));
    check_ok("both_share", flock(second, LOCK_SH | LOCK_NB));
    check_errno("no_upgrade", flock(second, LOCK_EX | LOCK_NB), EAGAIN);
    check_ok("unlock", flock(fd, LOCK_UN));
    check_ok("read_only_may_lock_exclusively", flock(second, LOCK_EX | LOCK_NB));
    check_ok("apart_from_record_locks", lock(fd, F_SETLK, F_WRLCK, 0, 0));
    int twin = dup(second);
    close(second);
    check_errno("dup_keeps", flock(fd, LOCK_EX | LOCK_NB), EAGAIN);
    pid_t child = fork();
    if (child == 0) {
        _exit(flock(twin, LOCK_UN) == 0 ? 0 : 1);
    }
    child_status(child);
    check_ok("child_unlocks_for_all", flock(fd, LOCK_EX | LOCK_NB));
    check_errno("bad_operation", flock(fd, 16), EINVAL);
    check_errno("bad_fd", flock(999, LOCK_EX), EBADF);
    child = fork();
    if (child == 0) {
        int own = open("f", O_RDWR);
        _exit(flock(own, LOCK_EX) == 0 ? 0 : 1);
    }
    flock(fd, LOCK_UN);
    check_exit("waiter_gets_it", child_status(child), 0);
    check_ok("freed_by_exit", flock(fd, LOCK_EX | LOCK_NB));
    close(twin);
    close(fd);
}

int main(int argc, char **argv) {
    static const check_case_t cases[] = {
        {"records", test_records},   {"query", test_query},
        {"blocking", test_blocking}, {"description_locks", test_description_locks},
        {"flock", test_flock},
    };
    return check_main(argc, argv, cases, COUNT_OF(cases));
}
