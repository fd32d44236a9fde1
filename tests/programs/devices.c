/* The device files: null, zero, full, random, urandom, tty, the fd links, shm. */
#include "check.h"
#include <poll.h>
#include <sys/mman.h>
#include <sys/sysmacros.h>

static void test_null(void) {
    char buffer[64];
    int fd = check_fd("open", open("/dev/null", O_RDWR));
    check_equal("read", read(fd, buffer, sizeof buffer), 0);
    check_equal("write", write(fd, buffer, sizeof buffer), sizeof buffer);
    check_equal("seek", lseek(fd, 100, SEEK_SET), 0);
    struct stat facts;
    fstat(fd, &facts);
    check("device", S_ISCHR(facts.st_mode) && facts.st_rdev == makedev(1, 3));
    check_errno("truncate", ftruncate(fd, 0), EINVAL);
    struct pollfd one = {.fd = fd, .events = POLLIN | POLLOUT};
    poll(&one, 1, 0);
    check_equal("always_ready", one.revents, POLLIN | POLLOUT);
    close(fd);
    fd = check_fd("open_truncating", open("/dev/null", O_WRONLY | O_CREAT | O_TRUNC, 0644));
    close(fd);
}

static void test_zero(void) {
    char buffer[10000];
    memset(buffer, 1, sizeof buffer);
    int fd = check_fd("open", open("/dev/zero", O_RDWR));
    check_equal("read", read(fd, buffer, sizeof buffer), sizeof buffer);
    bool zero = true;
    for (size_t i = 0; i < sizeof buffer; i++) {
        zero = zero && buffer[i] == 0;
    }
    check("zero", zero);
    check_equal("write", write(fd, buffer, 5), 5);
    char *map = mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
    check("map", map != MAP_FAILED && map[17] == 0);
    munmap(map, 4096);
    close(fd);
    fd = check_fd("full", open("/dev/full", O_RDWR));
    check_errno("full_write", write(fd, "x", 1), ENOSPC);
    check_equal("full_read", read(fd, buffer, 10), 10);
    close(fd);
}

static void test_random(void) {
    static const char *const names[] = {"/dev/random", "/dev/urandom"};
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        unsigned char first[64] = {0};
        unsigned char second[64] = {0};
        int fd = check_fd(names[i], open(names[i], O_RDONLY));
        check_equal("read", read(fd, first, 64), 64);
        check_equal("read_again", read(fd, second, 64), 64);
        check("differ", memcmp(first, second, 64) != 0);
        close(fd);
    }
    unsigned char bytes[256] = {0};
    check_equal("getrandom", syscall(SYS_getrandom, bytes, 256, 0), 256);
    int set = 0;
    for (size_t i = 0; i < 256; i++) {
        set += __builtin_popcount(bytes[i]);
    }
    check("about_half_the_bits", set > 800 && set < 1248);
    check_equal("nonblock", syscall(SYS_getrandom, bytes, 16, 1), 16);
    check_errno("bad_flag", syscall(SYS_getrandom, bytes, 16, 99), EINVAL);
    check_equal("none", syscall(SYS_getrandom, bytes, 0, 0), 0);
}

static void test_links(void) {
    char target[64] = {0};
    check("fd", readlink("/dev/fd", target, sizeof target) > 0);
    check_text("fd_target", target, "/proc/self/fd");
    int ends[2];
    pipe(ends);
    write(ends[1], "through", 7);
    char path[64];
    (void)snprintf(path, sizeof path, "/dev/fd/%d", ends[0]);
    int fd = check_fd("dev_fd", open(path, O_RDONLY));
    char buffer[16];
    check_equal("read", read(fd, buffer, sizeof buffer), 7);
    close(fd);
    dup2(ends[0], 60);
    close(ends[0]);
    close(ends[1]);
    close(60);
    struct stat facts;
    check_ok("stdin", lstat("/dev/stdin", &facts));
    check("stdin_is_link", S_ISLNK(facts.st_mode));
    check_ok("stdout", lstat("/dev/stdout", &facts));
    check_ok("ptmx", stat("/dev/ptmx", &facts));
    check("ptmx_device", S_ISCHR(facts.st_mode));
    check_ok("tty", stat("/dev/tty", &facts));
    check_equal("tty_device", facts.st_rdev, makedev(5, 0));
    check_ok("pts", stat("/dev/pts", &facts));
    check("pts_is_folder", S_ISDIR(facts.st_mode));
}

static void test_shared_memory(void) {
    int fd = check_fd("shm_open", shm_open("/isotope-check", O_RDWR | O_CREAT | O_EXCL, 0600));
    check_errno("exists", shm_open("/isotope-check", O_RDWR | O_CREAT | O_EXCL, 0600), EEXIST);
    check_ok("size", ftruncate(fd, 4096));
    char *map = mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    pid_t child = fork();
    if (child == 0) {
        int own = shm_open("/isotope-check", O_RDWR, 0);
        char *other = mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, own, 0);
        other[10] = 'c';
        _exit(0);
    }
    child_status(child);
    check_equal("shared", map[10], 'c');
    check_ok("shm_unlink", shm_unlink("/isotope-check"));
    check_errno("gone", shm_open("/isotope-check", O_RDWR, 0), ENOENT);
    munmap(map, 4096);
    close(fd);
}

int main(int argc, char **argv) {
    static const check_case_t cases[] = {
        {"null", test_null},
        {"zero", test_zero},
        {"random", test_random},
        {"links", test_links},
        {"shared_memory", test_shared_memory},
    };
    return check_main(argc, argv, cases, COUNT_OF(cases));
}
