/* mmap and its family: anonymous, private and shared, files, protection, moving, brk. */
#include "check.h"
#include <sys/mman.h>

enum { PAGE = 4096 };

static void test_anonymous(void) {
    char *page =
        mmap(nullptr, 3 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    check("mapped", page != MAP_FAILED);
    check("aligned", (uintptr_t)page % PAGE == 0);
    bool zero = true;
    for (int i = 0; i < 3 * PAGE; i++) {
        zero = zero && page[i] == 0;
    }
    check("zero", zero);
    memset(page, 5, 3 * PAGE);
    check_ok("unmap_middle", munmap(page + PAGE, PAGE));
    check("ends_kept", page[0] == 5 && page[2 * PAGE] == 5);
    char *again = mmap(page + PAGE, PAGE, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
    check("fixed", again == page + PAGE);
    check("fresh", again[0] == 0);
    check_errno(
        "noreplace",
        (intptr_t)mmap(page, PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | 0x100000, -1, 0),
        EEXIST);
    again =
        mmap(page, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
    check("fixed_replaces", again == page && page[0] == 0);
    check_ok("unmap", munmap(page, 3 * PAGE));
    check_ok("unmap_nothing", munmap(page, 3 * PAGE));
    check_errno("unmap_unaligned", munmap(page + 1, PAGE), EINVAL);
    check_errno("unmap_zero", munmap(page, 0), EINVAL);
    check_errno("length_zero",
                (intptr_t)mmap(nullptr, 0, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), EINVAL);
    check_errno("no_kind", (intptr_t)mmap(nullptr, PAGE, PROT_READ, MAP_ANONYMOUS, -1, 0), EINVAL);
    check_errno("fixed_unaligned",
                (intptr_t)mmap((void *)4097, PAGE, PROT_READ,
                               MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0),
                EINVAL);
    check_errno(
        "too_big",
        (intptr_t)mmap(nullptr, (size_t)1 << 47, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0),
        ENOMEM);
    check_errno("fixed_in_kernel_half",
                (intptr_t)mmap((void *)0xffff800000000000, PAGE, PROT_READ,
                               MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0),
                ENOMEM);
    char *big = mmap(nullptr, 64 << 20, PROT_READ | PROT_WRITE,
                     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    check("sparse_64_MiB", big != MAP_FAILED);
    big[0] = big[(64 << 20) - 1] = 1;
    check("both_ends", big[0] == 1 && big[32 << 20] == 0);
    check_ok("unmap_big", munmap(big, 64 << 20));
    char *hint = mmap((void *)0x123456789000, PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    check("hint_taken", hint == (char *)0x123456789000);
    munmap(hint, PAGE);
}

static void test_protect(void) {
    char *page =
        mmap(nullptr, 3 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    page[PAGE] = 9;
    int ends[2];
    pipe(ends);
    check_ok("none", mprotect(page + PAGE, PAGE, PROT_NONE));
    check_errno("kernel_refuses_too", write(ends[1], page + PAGE, 1), EFAULT);
    check_ok("read", mprotect(page + PAGE, PAGE, PROT_READ));
    check_equal("content_kept", page[PAGE], 9);
    check_equal("write_from_it", write(ends[1], page + PAGE, 1), 1);
    check_errno("read_into_it", read(ends[0], page + PAGE, 1), EFAULT);
    check_ok("write", mprotect(page + PAGE, PAGE, PROT_READ | PROT_WRITE));
    check_equal("byte_was_not_lost", read(ends[0], page + PAGE, 1), 1);
    check_errno("unaligned", syscall(SYS_mprotect, page + 1, PAGE, PROT_READ), EINVAL);
    check_ok("zero_length", mprotect(page, 0, PROT_READ));
    munmap(page + 2 * PAGE, PAGE);
    check_errno("hole", mprotect(page, 3 * PAGE, PROT_READ | PROT_WRITE), ENOMEM);
    munmap(page, 3 * PAGE);
    close(ends[0]);
    close(ends[1]);
    static const unsigned char code[] = {0xb8, 0x2a, 0, 0, 0, 0xc3};
    page = mmap(nullptr, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    memcpy(page, code, sizeof code);
    check_ok("execute", mprotect(page, PAGE, PROT_READ | PROT_EXEC));
    check_equal("generated_code_runs", ((int (*)(void))(void *)page)(), 42);
    munmap(page, PAGE);
}

static void test_file_shared(void) {
    int fd = open("f", O_RDWR | O_CREAT, 0644);
    write(fd, "0123456789", 10);
    char *map = mmap(nullptr, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    check_bytes("content", map, "0123456789", 10);
    check("rest_of_page_is_zero", map[10] == 0 && map[PAGE - 1] == 0);
    map[0] = 'A';
    char buffer[16] = {0};
    pread(fd, buffer, 10, 0);
    check_bytes("read_sees_map", buffer, "A123456789", 10);
    pwrite(fd, "B", 1, 1);
    check_equal("map_sees_write", map[1], 'B');
    char *other = mmap(nullptr, PAGE, PROT_READ, MAP_SHARED, fd, 0);
    map[2] = 'C';
    check_equal("maps_agree", other[2], 'C');
    ftruncate(fd, PAGE + 100);
    map[PAGE + 50] = 'z';
    pread(fd, buffer, 1, PAGE + 50);
    check_equal("grown_part", buffer[0], 'z');
    check_ok("msync", msync(map, 2 * PAGE, MS_SYNC));
    check_errno("msync_unaligned", msync(map + 1, PAGE, MS_SYNC), EINVAL);
    check_errno("msync_flags", msync(map, PAGE, MS_SYNC | MS_ASYNC), EINVAL);
    pid_t child = fork();
    if (child == 0) {
        map[3] = 'D';
        _exit(0);
    }
    child_status(child);
    check_equal("child_writes_here", map[3], 'D');
    close(fd);
    map[4] = 'E';
    unlink("f");
    check("survives_close_and_unlink", map[4] == 'E' && other[4] == 'E');
    munmap(map, 2 * PAGE);
    check_errno("msync_unmapped", msync(map, PAGE, MS_SYNC), ENOMEM);
    munmap(other, PAGE);
}

static void test_file_private(void) {
    int fd = open("f", O_RDWR | O_CREAT, 0644);
    static char block[3 * PAGE];
    memset(block, 'a', sizeof block);
    write(fd, block, sizeof block);
    char *map = mmap(nullptr, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, PAGE);
    check("offset", map != MAP_FAILED && map[0] == 'a');
    map[0] = 'x';
    char byte = 0;
    pread(fd, &byte, 1, PAGE);
    check_equal("file_unchanged", byte, 'a');
    pwrite(fd, "y", 1, PAGE + 1);
    check_equal("own_page_unchanged", map[1], 'a');
    check_equal("own_write_kept", map[0], 'x');
    check_ok("dontneed", madvise(map, PAGE, MADV_DONTNEED));
    check("own_copy_dropped", map[0] == 'a' && map[1] == 'y');
    close(fd);
    fd = open("f", O_RDONLY);
    char *readable = mmap(nullptr, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
    check("private_write_of_read_only", readable != MAP_FAILED);
    check_errno("shared_write_of_read_only",
                (intptr_t)mmap(nullptr, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0), EACCES);
    char *shared = mmap(nullptr, PAGE, PROT_READ, MAP_SHARED, fd, 0);
    check_errno("no_later_write_either", mprotect(shared, PAGE, PROT_READ | PROT_WRITE), EACCES);
    munmap(shared, PAGE);
    munmap(readable, PAGE);
    munmap(map, 2 * PAGE);
    check_errno("offset_unaligned", (intptr_t)mmap(nullptr, PAGE, PROT_READ, MAP_PRIVATE, fd, 100),
                EINVAL);
    close(fd);
    check_errno("bad_fd", (intptr_t)mmap(nullptr, PAGE, PROT_READ, MAP_PRIVATE, 999, 0), EBADF);
    fd = open("f", O_WRONLY);
    check_errno("write_only", (intptr_t)mmap(nullptr, PAGE, PROT_READ, MAP_PRIVATE, fd, 0), EACCES);
    close(fd);
    fd = open(".", O_RDONLY);
    check_errno("folder", (intptr_t)mmap(nullptr, PAGE, PROT_READ, MAP_PRIVATE, fd, 0), ENODEV);
    close(fd);
    int ends[2];
    pipe(ends);
    check_errno("pipe", (intptr_t)mmap(nullptr, PAGE, PROT_READ, MAP_PRIVATE, ends[0], 0), ENODEV);
    close(ends[0]);
    close(ends[1]);
    fd = open("/dev/zero", O_RDWR);
    map = mmap(nullptr, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
    check("dev_zero", map != MAP_FAILED && map[100] == 0);
    munmap(map, PAGE);
    close(fd);
}

static void test_move(void) {
    char *map = mmap(nullptr, 4 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    for (int i = 0; i < 4; i++) {
        map[i * PAGE] = (char)('a' + i);
    }
    char *shrunk = mremap(map, 4 * PAGE, 2 * PAGE, 0);
    check("shrink_in_place", shrunk == map);
    char *blocker =
        mmap(map + 2 * PAGE, PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
    check_errno("cannot_grow", (intptr_t)mremap(map, 2 * PAGE, 4 * PAGE, 0), ENOMEM);
    char *moved = mremap(map, 2 * PAGE, 8 * PAGE, MREMAP_MAYMOVE);
    check("moved", moved != MAP_FAILED && moved != map);
    check("content", moved[0] == 'a' && moved[PAGE] == 'b' && moved[7 * PAGE] == 0);
    char *target = mmap(nullptr, PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    char *fixed = mremap(moved, PAGE, PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, target);
    check("moved_there", fixed == target && fixed[0] == 'a');
    check_errno("unmapped_source", (intptr_t)mremap(map, PAGE, 2 * PAGE, MREMAP_MAYMOVE), EFAULT);
    check_errno("length_zero", (intptr_t)mremap(fixed, PAGE, 0, 0), EINVAL);
    check_errno("unaligned", (intptr_t)mremap(fixed + 1, PAGE, PAGE, 0), EINVAL);
    munmap(fixed, PAGE);
    munmap(moved, 8 * PAGE);
    munmap(blocker, PAGE);
}

static void test_advice(void) {
    char *map = mmap(nullptr, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    map[0] = 1;
    check_ok("dontneed", madvise(map, 2 * PAGE, MADV_DONTNEED));
    check_equal("zero_again", map[0], 0);
    check_ok("willneed", madvise(map, PAGE, MADV_WILLNEED));
    check_errno("unaligned", madvise(map + 1, PAGE, MADV_DONTNEED), EINVAL);
    check_errno("bad_advice", madvise(map, PAGE, 12345), EINVAL);
    unsigned char resident[2] = {9, 9};
    map[0] = 1;
    check_ok("mincore", mincore(map, 2 * PAGE, resident));
    check_equal("touched_is_resident", resident[0] & 1, 1);
    munmap(map + PAGE, PAGE);
    check_errno("mincore_hole", mincore(map, 2 * PAGE, resident), ENOMEM);
    check_errno("dontneed_hole", madvise(map, 2 * PAGE, MADV_DONTNEED), ENOMEM);
    munmap(map, PAGE);
    check_errno("mincore_unaligned", mincore(map + 1, PAGE, resident), EINVAL);
}

static void test_break(void) {
    char *start = (char *)syscall(SYS_brk, 0);
    check("has_a_break", start != nullptr);
    char *end = (char *)syscall(SYS_brk, start + 100000);
    check("grows", end == start + 100000);
    bool zero = true;
    for (char *at = start; at < end; at += 1000) {
        zero = zero && *at == 0;
        *at = 1;
    }
    check("zero", zero);
    check("shrinks", (char *)syscall(SYS_brk, start) == start);
    syscall(SYS_brk, start + 100000);
    check_equal("regrown_is_zero", start[50000], 0);
    check("refused_answers_old", (char *)syscall(SYS_brk, 16) == start + 100000);
    check("absurd_answers_old", (char *)syscall(SYS_brk, -1L) == start + 100000);
    syscall(SYS_brk, start);
}

static void test_grows_down(void) {
    volatile char *deep = __builtin_alloca(2 << 20);
    deep[0] = 1;
    check_equal("stack_grows_by_2_MiB", deep[0], 1);
}

int main(int argc, char **argv) {
    static const check_case_t cases[] = {
        {"anonymous", test_anonymous},
        {"protect", test_protect},
        {"file_shared", test_file_shared},
        {"file_private", test_file_private},
        {"move", test_move},
        {"advice", test_advice},
        {"break", test_break},
        {"stack", test_grows_down},
    };
    return check_main(argc, argv, cases, COUNT_OF(cases));
}
