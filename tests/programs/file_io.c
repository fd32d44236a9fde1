/* Reading, writing and seeking in files: offsets, holes, sizes, vectors, copies between
 * descriptors. */
#include "check.h"
#include <limits.h>
#include <sys/resource.h>
#include <sys/sendfile.h>
#include <sys/uio.h>

static void test_offsets(void) {
    int fd = open("f", O_RDWR | O_CREAT, 0644);
    check_equal("write", write(fd, "0123456789", 10), 10);
    check_equal("position", lseek(fd, 0, SEEK_CUR), 10);
    check_equal("set", lseek(fd, 3, SEEK_SET), 3);
    char buffer[16] = {0};
    check_equal("read", read(fd, buffer, 4), 4);
    check_bytes("content", buffer, "3456", 4);
    check_equal("cur", lseek(fd, -2, SEEK_CUR), 5);
    check_equal("end", lseek(fd, -1, SEEK_END), 9);
    check_equal("short_read", read(fd, buffer, 16), 1);
    check_equal("end_of_file", read(fd, buffer, 16), 0);
    check_errno("negative", lseek(fd, -1, SEEK_SET), EINVAL);
    check_errno("negative_from_end", lseek(fd, -11, SEEK_END), EINVAL);
    check_errno("bad_whence", lseek(fd, 0, 99), EINVAL);
    check_errno("overflow", lseek(fd, INT64_MAX, SEEK_CUR), EINVAL);
    check_equal("unmoved_by_errors", lseek(fd, 0, SEEK_CUR), 10);
    check_equal("pread", pread(fd, buffer, 2, 1), 2);
    check_bytes("pread_content", buffer, "12", 2);
    check_equal("pread_past_end", pread(fd, buffer, 2, 100), 0);
    check_errno("pread_negative", pread(fd, buffer, 2, -1), EINVAL);
    check_equal("pwrite", pwrite(fd, "AB", 2, 4), 2);
    check_errno("pwrite_negative", pwrite(fd, "AB", 2, -1), EINVAL);
    check_equal("position_kept", lseek(fd, 0, SEEK_CUR), 10);
    int twin = dup(fd);
    check_equal("dup_shares_position", lseek(twin, 2, SEEK_SET), 2);
    check_equal("shared", lseek(fd, 0, SEEK_CUR), 2);
    int other = open("f", O_RDONLY);
    check_equal("another_open_has_own", lseek(other, 0, SEEK_CUR), 0);
    close(twin);
    close(other);
    close(fd);
    check_errno("closed", read(fd, buffer, 1), EBADF);
    check_errno("closed_twice", close(fd), EBADF);
}

static void test_holes(void) {
    int fd = open("f", O_RDWR | O_CREAT, 0644);
    check_equal("seek_beyond", lseek(fd, 100000, SEEK_SET), 100000);
    struct stat facts;
    fstat(fd, &facts);
    check_equal("seek_alone_adds_nothing", facts.st_size, 0);
    check_equal("write_beyond", write(fd, "x", 1), 1);
    fstat(fd, &facts);
    check_equal("size", facts.st_size, 100001);
    char buffer[4096];
    memset(buffer, 7, sizeof buffer);
    check_equal("read_hole", pread(fd, buffer, sizeof buffer, 50000), sizeof buffer);
    bool zero = true;
    for (size_t i = 0; i < sizeof buffer; i++) {
        zero = zero && buffer[i] == 0;
    }
    check("hole_is_zero", zero);
    check_ok("truncate_down", ftruncate(fd, 10));
    check_ok("truncate_up", ftruncate(fd, 20));
    memset(buffer, 7, 32);
    check_equal("after_truncate", pread(fd, buffer, 32, 0), 20);
    check("grown_part_is_zero", buffer[10] == 0 && buffer[19] == 0);
    check_equal("tail_in_page", pwrite(fd, "0123456789abcdefghij", 20, 0), 20);
    check_ok("cut_in_page", ftruncate(fd, 5));
    check_ok("grow_in_page", ftruncate(fd, 15));
    pread(fd, buffer, 15, 0);
    check("cut_bytes_do_not_return", memcmp(buffer, "01234\0\0\0\0\0\0\0\0\0\0", 15) == 0);
    check_errno("truncate_negative", ftruncate(fd, -1), EINVAL);
    check_ok("truncate_path", truncate("f", 3));
    fstat(fd, &facts);
    check_equal("truncate_path_size", facts.st_size, 3);
    check_errno("truncate_missing", truncate("none", 0), ENOENT);
    check_errno("truncate_folder", truncate(".", 0), EISDIR);
    check_equal("position_unmoved", lseek(fd, 0, SEEK_CUR), 100001);
    int only = open("f", O_WRONLY);
    check_equal("who_only_writes_seeks", lseek(only, 2, SEEK_SET), 2);
    check_equal("and_from_the_end", lseek(only, -1, SEEK_END), 2);
    close(only);
    check_equal("data_seek", lseek(fd, 1, SEEK_DATA), 1);
    check_equal("hole_seek", lseek(fd, 0, SEEK_HOLE), 3);
    check_errno("data_past_end", lseek(fd, 3, SEEK_DATA), ENXIO);
    close(fd);
}

static void test_vectors(void) {
    int fd = open("f", O_RDWR | O_CREAT, 0644);
    struct iovec out[3] = {{.iov_base = (char[]){"ab"}, .iov_len = 2},
                           {.iov_base = nullptr, .iov_len = 0},
                           {.iov_base = (char[]){"cde"}, .iov_len = 3}};
    check_equal("writev", writev(fd, out, 3), 5);
    char first[3] = {0};
    char second[8] = {0};
    struct iovec in[2] = {{.iov_base = first, .iov_len = 3}, {.iov_base = second, .iov_len = 8}};
    check_equal("preadv", preadv(fd, in, 2, 0), 5);
    check_bytes("first", first, "abc", 3);
    check_bytes("second", second, "de", 2);
    check_equal("pwritev", pwritev(fd, out, 3, 5), 5);
    check_equal("readv_at_end_of_first", readv(fd, in, 2), 5);
    check_equal("count_zero", writev(fd, out, 0), 0);
    check_errno("count_negative", writev(fd, out, -1), EINVAL);
    struct iovec many[IOV_MAX + 1];
    memset(many, 0, sizeof many);
    check_equal("count_1024", syscall(SYS_writev, fd, many, 1024), 0);
    check_errno("count_1025", syscall(SYS_writev, fd, many, 1025), EINVAL);
    struct iovec huge[1] = {{.iov_base = first, .iov_len = SIZE_MAX}};
    check_errno("length_negative", readv(fd, huge, 1), EINVAL);
    check_errno("bad_fd", readv(999, in, 2), EBADF);
    close(fd);
}

static void test_zero_and_odd(void) {
    int fd = open("f", O_RDWR | O_CREAT, 0644);
    char byte = 0;
    check_equal("write_zero", write(fd, &byte, 0), 0);
    check_equal("read_zero", read(fd, &byte, 0), 0);
    check_errno("read_bad_fd", read(-1, &byte, 1), EBADF);
    check_errno("write_bad_fd", write(1000, &byte, 1), EBADF);
    int folder = open(".", O_RDONLY);
    check_errno("read_folder", read(folder, &byte, 1), EISDIR);
    check_errno("write_folder", write(folder, &byte, 1), EBADF);
    check_errno("pread_folder", pread(folder, &byte, 1, 0), EISDIR);
    check_ok("fsync_folder", fsync(folder));
    close(folder);
    check_ok("fsync", fsync(fd));
    check_ok("fdatasync", fdatasync(fd));
    check_errno("fsync_bad_fd", fsync(999), EBADF);
    check_equal("fadvise", posix_fadvise(fd, 0, 0, POSIX_FADV_WILLNEED), 0);
    int ends[2];
    pipe(ends);
    check_equal("fadvise_pipe", posix_fadvise(ends[0], 0, 0, POSIX_FADV_NORMAL), ESPIPE);
    check_errno("fsync_pipe", fsync(ends[0]), EINVAL);
    check_errno("truncate_pipe", ftruncate(ends[1], 0), EINVAL);
    close(ends[0]);
    close(ends[1]);
    static char block[3 * 1024 * 1024];
    for (size_t i = 0; i < sizeof block; i++) {
        block[i] = (char)(i * 31 + i / 4096);
    }
    check_equal("write_3_MiB", write(fd, block, sizeof block), sizeof block);
    static char back[sizeof block];
    check_equal("read_3_MiB", pread(fd, back, sizeof back, 0), sizeof back);
    check_bytes("content", back, block, sizeof block);
    check_equal("unaligned", pread(fd, back, 10000, 4095), 10000);
    check_bytes("unaligned_content", back, &block[4095], 10000);
    close(fd);
}

static void test_copies(void) {
    static char block[20000];
    for (size_t i = 0; i < sizeof block; i++) {
        block[i] = (char)(i % 251);
    }
    write_file("from", block, sizeof block, 0644);
    int from = open("from", O_RDONLY);
    int to = open("to", O_RDWR | O_CREAT, 0644);
    off_t offset = 100;
    check_equal("sendfile", sendfile(to, from, &offset, 5000), 5000);
    check_equal("offset_advanced", offset, 5100);
    check_equal("position_kept", lseek(from, 0, SEEK_CUR), 0);
    static char back[20000];
    pread(to, back, 5000, 0);
    check_bytes("sendfile_content", back, &block[100], 5000);
    check_equal("sendfile_by_position", sendfile(to, from, nullptr, 1000), 1000);
    check_equal("position_moved", lseek(from, 0, SEEK_CUR), 1000);
    lseek(from, 19990, SEEK_SET);
    check_equal("sendfile_short", sendfile(to, from, nullptr, 1000), 10);
    check_equal("sendfile_at_end", sendfile(to, from, nullptr, 1000), 0);
    int ends[2];
    pipe(ends);
    offset = 0;
    check_equal("to_pipe", sendfile(ends[1], from, &offset, 1000), 1000);
    check_equal("from_pipe_bytes", read(ends[0], back, sizeof back), 1000);
    check_bytes("pipe_content", back, block, 1000);
    check_errno("sendfile_from_pipe", sendfile(to, ends[0], nullptr, 1), EINVAL);
    check_errno("sendfile_bad_in", sendfile(to, 999, nullptr, 1), EBADF);
    check_errno("sendfile_bad_out", sendfile(999, from, nullptr, 1), EBADF);
    check_errno("sendfile_to_read_only", sendfile(from, from, nullptr, 1), EBADF);
    close(ends[0]);
    close(ends[1]);
    int appended = open("to", O_WRONLY | O_APPEND);
    check_errno("sendfile_to_append", sendfile(appended, from, nullptr, 1), EINVAL);
    close(appended);
    close(from);
    close(to);
}

static int limited_write(void) {
    struct rlimit limit = {.rlim_cur = 1000, .rlim_max = 1000};
    setrlimit(RLIMIT_FSIZE, &limit);
    int fd = open("limited", O_RDWR | O_CREAT, 0644);
    signal(SIGXFSZ, SIG_IGN);
    static char block[1500];
    int verdict = write(fd, block, 1500) == 1000 ? 0 : 1;
    verdict |= write(fd, block, 1) == -1 && errno == EFBIG ? 0 : 2;
    verdict |= ftruncate(fd, 1001) == -1 && errno == EFBIG ? 0 : 4;
    verdict |= ftruncate(fd, 1000) == 0 ? 0 : 8;
    if (verdict != 0) {
        return verdict;
    }
    signal(SIGXFSZ, SIG_DFL);
    write(fd, block, 1);
    return 16;
}

static void test_size_limit(void) {
    int status = in_child(limited_write);
    check_killed("efbig_then_sigxfsz", status, SIGXFSZ);
}

static void test_shared_after_fork(void) {
    int fd = open("f", O_RDWR | O_CREAT | O_APPEND, 0644);
    pid_t children[4];
    for (size_t i = 0; i < 4; i++) {
        children[i] = fork();
        if (children[i] == 0) {
            char line[17];
            memset(line, 'a' + (int)i, 16);
            line[15] = '\n';
            for (int j = 0; j < 100; j++) {
                if (write(fd, line, 16) != 16) {
                    _exit(1);
                }
            }
            _exit(0);
        }
    }
    for (size_t i = 0; i < 4; i++) {
        check_exit("writer", child_status(children[i]), 0);
    }
    struct stat facts;
    fstat(fd, &facts);
    check_equal("nothing_lost", facts.st_size, 4 * 100 * 16);
    bool whole = true;
    char line[16];
    for (int i = 0; i < 400; i++) {
        whole =
            whole && pread(fd, line, 16, i * 16) == 16 && line[15] == '\n' && line[0] == line[14];
    }
    check("appends_are_whole", whole);
    lseek(fd, 0, SEEK_SET);
    pid_t child = fork();
    if (child == 0) {
        _exit(read(fd, line, 16) == 16 ? 0 : 1);
    }
    check_exit("child_reads", child_status(child), 0);
    check_equal("position_shared_with_child", lseek(fd, 0, SEEK_CUR), 16);
    close(fd);
}

int main(int argc, char **argv) {
    static const check_case_t cases[] = {
        {"offsets", test_offsets},
        {"holes", test_holes},
        {"vectors", test_vectors},
        {"zero_and_odd", test_zero_and_odd},
        {"copies", test_copies},
        {"size_limit", test_size_limit},
        {"shared_after_fork", test_shared_after_fork},
    };
    return check_main(argc, argv, cases, COUNT_OF(cases));
}
