/* The arguments of mmap. */
#include "lib/base/test.h"
#include "posix/sim/rename.h"

#include "abi/syscall.h"
#include "posix/mapping.h"

static int64_t request(uint64_t address, uint64_t length, uint64_t flags, uint64_t offset,
                       struct mapping_request *out) {
    *out = (struct mapping_request){};
    return mapping_request_of(address, length, PROT_READ | PROT_WRITE, flags, offset, out);
}

TEST(lengths_are_rounded_up) {
    struct mapping_request out;
    EXPECT_EQUAL(request(0, 1, LINUX_MAP_PRIVATE | LINUX_MAP_ANONYMOUS, 0, &out), 0);
    EXPECT_EQUAL(out.length, 4096u);
    EXPECT(out.anonymous && !out.shared);
    EXPECT_EQUAL(out.flags, (uint32_t)(PROTECT_READ | PROTECT_WRITE | MAP_PRIVATE));
}

TEST(bad_arguments_have_linuxs_errors) {
    struct mapping_request out;
    EXPECT_EQUAL(request(0, 0, LINUX_MAP_PRIVATE, 0, &out), -EINVAL);
    EXPECT_EQUAL(request(0, 1, 0, 0, &out), -EINVAL);
    EXPECT_EQUAL(request(0, 1, LINUX_MAP_PRIVATE, 5, &out), -EINVAL);
    EXPECT_EQUAL(request(0, UINT64_MAX, LINUX_MAP_PRIVATE, 0, &out), -ENOMEM);
    EXPECT_EQUAL(request(0x1234567, 1, LINUX_MAP_PRIVATE | LINUX_MAP_FIXED, 0, &out), -EINVAL);
    EXPECT_EQUAL(request(RUNTIME_BASE, 1, LINUX_MAP_PRIVATE | LINUX_MAP_FIXED, 0, &out), -ENOMEM);
    EXPECT_EQUAL(request(RUNTIME_BASE - 4096, 8192, LINUX_MAP_PRIVATE | LINUX_MAP_FIXED, 0, &out),
                 -ENOMEM);
    EXPECT_EQUAL(request(0, 4096, LINUX_MAP_PRIVATE | LINUX_MAP_FIXED, 0, &out), -EPERM);
    EXPECT_EQUAL(request(0, 8192, LINUX_MAP_SHARED, 0x7ffffffffffff000, &out), -EOVERFLOW);
    EXPECT_EQUAL(mapping_request_of(0, 1, 0x80, LINUX_MAP_PRIVATE, 0, &out), -EINVAL);
}

TEST(a_hint_is_only_a_hint) {
    struct mapping_request out;
    EXPECT_EQUAL(request(0x12345678, 1, LINUX_MAP_PRIVATE, 0, &out), 0);
    EXPECT_EQUAL(out.address, 0x12345000u);
    EXPECT_EQUAL(request(RUNTIME_BASE, 1, LINUX_MAP_PRIVATE, 0, &out), 0);
    EXPECT_EQUAL(out.address, 0u);
    EXPECT_EQUAL(request(0x1000, 1, LINUX_MAP_PRIVATE, 0, &out), 0);
    EXPECT_EQUAL(out.address, 0u);
}

TEST(what_can_be_written_or_run_can_be_read) {
    uint32_t protection = 0;
    EXPECT_EQUAL(mapping_protection_of(PROT_WRITE, &protection), 0);
    EXPECT_EQUAL(protection, (uint32_t)(PROTECT_READ | PROTECT_WRITE));
    EXPECT_EQUAL(mapping_protection_of(PROT_EXEC, &protection), 0);
    EXPECT_EQUAL(protection, (uint32_t)(PROTECT_READ | PROTECT_EXECUTE));
    EXPECT_EQUAL(mapping_protection_of(0, &protection), 0);
    EXPECT_EQUAL(protection, 0u);
}
