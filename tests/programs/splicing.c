/* splice, tee, vmsplice, sendfile, copy_file_range: which bytes move, and what is refused. */
#include "check.h"
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/uio.h>

enum { BLOCK = 20000 };

static char block[BLOCK];

static int make_file(const char *name, size_t size) {
    for (size_t i = 0; i < BLOCK; i++) {
        block[i] = (char)(i * 7 + i / 256);
    }
    write_file(name, block, size, 0644);
    return check_fd("open", open(name, O_RDWR));
}

static bool same_as_block(int fd, size_t from, size_t size) {
    static char got[BLOCK];
    size_t done = 0;
    while (done < size) {
        ssize_t count = read(fd, got + done, size - done);
        if (count <= 0) {
            return false;
        }
        done += (size_t)count;
    }
    return memcmp(got, block + from, size) == 0;
}

static ssize_t waiting_bytes(int fd) {
    static char got[BLOCK];
    int flags = fcntl(fd, F_GETFL);
    fcntl(fd, F_SETFL, flags | O_NONBLOCK);
    ssize_t count = read(fd, got, sizeof got);
    fcntl(fd, F_SETFL, flags);
    return count;
}

/* All of it, however many calls that takes. */
static size_t splice_all(int in, off_t *in_at, int out, off_t *out_at, size_t size) {
    size_t done = 0;
    while (done < size) {
        ssize_t count = splice(in, in_at, out, out_at, size - done, 0);
        if (count <= 0) {
            break;
        }
        done += (size_t)count;
    }
    return done;
}

static void test_splice(void) {
    int file = make_file("f", BLOCK);
    int copy = open("g", O_RDWR | O_CREAT, 0644);
    int ends[2];
    pipe(ends);
    check_equal("file_to_pipe", splice_all(file, nullptr, ends[1], nullptr, 10000), 10000);
    check_equal("position_moves", lseek(file, 0, SEEK_CUR), 10000);
    check_equal("pipe_to_file", splice_all(ends[0], nullptr, copy, nullptr, 10000), 10000);
    lseek(copy, 0, SEEK_SET);
    check("same_bytes", same_as_block(copy, 0, 10000));
    off_t at = 15000;
    check_equal("from_offset", splice_all(file, &at, ends[1], nullptr, 5000), 5000);
    check_equal("offset_moves", at, BLOCK);
    check_equal("position_stays", lseek(file, 0, SEEK_CUR), 10000);
    check_equal("end_of_file", splice(file, &at, ends[1], nullptr, 100, 0), 0);
    at = 3;
    check_equal("to_offset", splice_all(ends[0], nullptr, copy, &at, 5000), 5000);
    check_equal("out_offset_moves", at, 5003);
    lseek(copy, 3, SEEK_SET);
    check("bytes_at_offset", same_as_block(copy, 15000, 5000));
    int second[2];
    pipe(second);
    write(ends[1], block, 100);
    check_equal("pipe_to_pipe", splice(ends[0], nullptr, second[1], nullptr, 60, 0), 60);
    check("moved", same_as_block(second[0], 0, 60));
    check("the_rest_stays", same_as_block(ends[0], 60, 40));
    int pair[2];
    socketpair(AF_UNIX, SOCK_STREAM, 0, pair);
    write(ends[1], block, 100);
    check_equal("pipe_to_socket", splice(ends[0], nullptr, pair[0], nullptr, 100, 0), 100);
    check_equal("socket_to_pipe", splice(pair[1], nullptr, ends[1], nullptr, 1000, 0), 100);
    check("through_both", same_as_block(ends[0], 0, 100));
    check_errno("nothing_there", splice(ends[0], nullptr, copy, nullptr, 1, SPLICE_F_NONBLOCK),
                EAGAIN);
    close(ends[1]);
    check_equal("no_writer", splice(ends[0], nullptr, copy, nullptr, 1, 0), 0);
    for (int i = 0; i < 2; i++) {
        close(second[i]);
        close(pair[i]);
    }
    close(ends[0]);
    close(file);
    close(copy);
}

static void test_splice_refusals(void) {
    int file = make_file("f", 100);
    int reader = open("f", O_RDONLY);
    int appender = open("g", O_WRONLY | O_CREAT | O_APPEND, 0644);
    int ends[2];
    pipe(ends);
    off_t at = 0;
    check_errno("two_files", splice(file, nullptr, file, nullptr, 1, 0), EINVAL);
    check_errno("offset_of_pipe", splice(ends[0], &at, file, nullptr, 1, 0), ESPIPE);
    check_errno("offset_of_out_pipe", splice(file, nullptr, ends[1], &at, 1, 0), ESPIPE);
    check_errno("same_pipe", splice(ends[0], nullptr, ends[1], nullptr, 1, 0), EINVAL);
    check_errno("flags", splice(file, nullptr, ends[1], nullptr, 1, 0x80), EINVAL);
    check_errno("closed", splice(999, nullptr, ends[1], nullptr, 1, 0), EBADF);
    check_errno("closed_out", splice(file, nullptr, 999, nullptr, 1, 0), EBADF);
    check_errno("not_for_reading", splice(ends[1], nullptr, file, nullptr, 1, 0), EBADF);
    check_equal("nothing_of_nothing", splice(999, nullptr, 999, nullptr, 0, 0), 0);
    write(ends[1], "abc", 3);
    check_errno("not_for_writing", splice(ends[0], nullptr, reader, nullptr, 3, 0), EBADF);
    check_errno("append", splice(ends[0], nullptr, appender, nullptr, 3, 0), EINVAL);
    check_errno("bad_offset", syscall(SYS_splice, ends[0], nullptr, file, 8, 3, 0), EFAULT);
    at = -1;
    check_errno("negative_offset", splice(file, &at, ends[1], nullptr, 1, 0), EINVAL);
    check_equal("all_still_there", waiting_bytes(ends[0]), 3);
    close(file);
    close(reader);
    close(appender);
    close(ends[0]);
    close(ends[1]);
}

static void test_tee(void) {
    int first[2];
    int second[2];
    pipe(first);
    pipe(second);
    make_file("f", 10);
    write(first[1], block, 1000);
    check_equal("tee", tee(first[0], second[1], 600, 0), 600);
    check("copied", same_as_block(second[0], 0, 600));
    check("original_stays", same_as_block(first[0], 0, 1000));
    check_errno("nothing_there", tee(first[0], second[1], 1, SPLICE_F_NONBLOCK), EAGAIN);
    check_errno("same_pipe", tee(first[0], first[1], 1, 0), EINVAL);
    check_errno("flags", tee(first[0], second[1], 1, 0x80), EINVAL);
    check_errno("not_for_reading", tee(first[1], second[1], 1, 0), EBADF);
    int file = open("f", O_RDWR);
    check_errno("a_file", tee(file, second[1], 1, 0), EINVAL);
    close(file);
    close(first[1]);
    check_equal("no_writer", tee(first[0], second[1], 1, 0), 0);
    close(first[0]);
    close(second[0]);
    close(second[1]);
}

static void test_vmsplice(void) {
    int ends[2];
    pipe(ends);
    int file = make_file("f", 10);
    struct iovec vectors[3] = {{block, 10}, {block, 0}, {block + 10, 90}};
    check_equal("into_the_pipe", vmsplice(ends[1], vectors, 3, 0), 100);
    char got[2][50];
    struct iovec rooms[2] = {{got[0], 50}, {got[1], 50}};
    check_equal("out_of_the_pipe", vmsplice(ends[0], rooms, 2, 0), 100);
    check_bytes("bytes", got, block, 100);
    check_errno("a_file", vmsplice(file, vectors, 1, 0), EBADF);
    check_errno("too_many", vmsplice(ends[1], vectors, 1025, 0), EINVAL);
    check_errno("flags", vmsplice(ends[1], vectors, 1, 0x80), EINVAL);
    check_errno("bad_vectors", syscall(SYS_vmsplice, ends[1], 8, 1, 0), EFAULT);
    close(ends[0]);
    close(ends[1]);
    close(file);
}

static void test_sendfile(void) {
    int file = make_file("f", BLOCK);
    int copy = open("g", O_RDWR | O_CREAT, 0644);
    check_equal("whole", sendfile(copy, file, nullptr, 100000), BLOCK);
    check_equal("position", lseek(file, 0, SEEK_CUR), BLOCK);
    lseek(copy, 0, SEEK_SET);
    check("same", same_as_block(copy, 0, BLOCK));
    off_t at = 5000;
    ftruncate(copy, 0);
    lseek(copy, 0, SEEK_SET);
    check_equal("from_offset", sendfile(copy, file, &at, 100), 100);
    check_equal("offset_moves", at, 5100);
    check_equal("position_stays", lseek(file, 0, SEEK_CUR), BLOCK);
    lseek(copy, 0, SEEK_SET);
    check("bytes", same_as_block(copy, 5000, 100));
    at = -1;
    check_errno("negative", sendfile(copy, file, &at, 1), EINVAL);
    check_errno("closed", sendfile(copy, 999, nullptr, 1), EBADF);
    check_errno("closed_out", sendfile(999, file, nullptr, 1), EBADF);
    check_errno("address_first", syscall(SYS_sendfile, 999, 999, 8, 1), EFAULT);
    int reader = open("g", O_RDONLY);
    int writer = open("g", O_WRONLY);
    check_errno("not_for_writing", sendfile(reader, file, nullptr, 1), EBADF);
    check_errno("not_for_reading", sendfile(copy, writer, nullptr, 1), EBADF);
    int ends[2];
    pipe(ends);
    at = 0;
    check_errno("offset_of_pipe", sendfile(copy, ends[0], &at, 1), ESPIPE);
    lseek(file, 0, SEEK_SET);
    check_equal("to_pipe", sendfile(ends[1], file, nullptr, 300), 300);
    check("in_the_pipe", same_as_block(ends[0], 0, 300));
    lseek(file, 0, SEEK_SET);
    fcntl(ends[1], F_SETFL, O_NONBLOCK);
    static char fill[65536];
    write(ends[1], fill, sizeof fill);
    check_errno("full_pipe", sendfile(ends[1], file, nullptr, 300), EAGAIN);
    check_equal("position_of_what_did_not_go", lseek(file, 0, SEEK_CUR), 0);
    close(ends[0]);
    close(ends[1]);
    close(reader);
    close(writer);
    close(file);
    close(copy);
}

static void test_copy_file_range(void) {
    int file = make_file("f", BLOCK);
    int copy = open("g", O_RDWR | O_CREAT, 0644);
    check_equal("whole", copy_file_range(file, nullptr, copy, nullptr, 100000, 0), BLOCK);
    check_equal("at_the_end", copy_file_range(file, nullptr, copy, nullptr, 1, 0), 0);
    lseek(copy, 0, SEEK_SET);
    check("same", same_as_block(copy, 0, BLOCK));
    off_t from = 100;
    off_t to = 30000;
    check_equal("offsets", copy_file_range(file, &from, copy, &to, 50, 0), 50);
    check("offsets_move", from == 150 && to == 30050);
    check_equal("position_stays", lseek(copy, 0, SEEK_CUR), BLOCK);
    lseek(copy, 30000, SEEK_SET);
    check("bytes", same_as_block(copy, 100, 50));
    from = 0;
    to = 10;
    check_errno("overlap", copy_file_range(file, &from, file, &to, 11, 0), EINVAL);
    check_equal("beside_each_other", copy_file_range(file, &from, file, &to, 10, 0), 10);
    check_errno("flags", copy_file_range(file, nullptr, copy, nullptr, 1, 8), EINVAL);
    check_errno("closed", copy_file_range(999, nullptr, copy, nullptr, 1, 0), EBADF);
    int folder = open(".", O_RDONLY);
    check_errno("folder", copy_file_range(folder, nullptr, copy, nullptr, 1, 0), EISDIR);
    int ends[2];
    pipe(ends);
    check_errno("pipe", copy_file_range(file, nullptr, ends[1], nullptr, 1, 0), EINVAL);
    int appender = open("g", O_WRONLY | O_APPEND);
    check_errno("append", copy_file_range(file, nullptr, appender, nullptr, 1, 0), EBADF);
    int reader = open("g", O_RDONLY);
    check_errno("not_for_writing", copy_file_range(file, nullptr, reader, nullptr, 1, 0), EBADF);
    check_errno("bad_offset", syscall(SYS_copy_file_range, file, 8, copy, nullptr, 1, 0), EFAULT);
    close(ends[0]);
    close(ends[1]);
    close(folder);
    close(appender);
    close(reader);
    close(file);
    close(copy);
}

int main(int argc, char **argv) {
    static const check_case_t cases[] = {
        {"splice", test_splice},     {"splice_refusals", test_splice_refusals},
        {"tee", test_tee},           {"vmsplice", test_vmsplice},
        {"sendfile", test_sendfile}, {"copy_file_range", test_copy_file_range},
    };
    return check_main(argc, argv, cases, COUNT_OF(cases));
}
