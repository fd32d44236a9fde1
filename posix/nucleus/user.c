/* See user.h. The copies are in entry.S, where each instruction that may fault has its fix-up. On
 * the UNSAFE list: addresses of the program become pointers here. */
#include "posix/user.h"
#include "posix/nucleus/entry.h"

UNSAFE_BEGIN
/* A pointer as the data of bytes: never looked through but by the copies below and the kernel. */
struct rt_bytes user_bytes(uint64_t address, uint64_t size) {
    return (struct rt_bytes){.size = size, .data = (const uint8_t *)address};
}

struct rt_buffer user_buffer(uint64_t address, uint64_t size) {
    return (struct rt_buffer){.size = size, .data = (uint8_t *)address};
}
UNSAFE_END

/* The kernel's half and beyond: not even tried, since an address that is not canonical faults
 * differently. */
static bool outside(uint64_t address, uint64_t size) {
    return address > USER_SPACE_TOP || size > USER_SPACE_TOP - address;
}

int64_t user_read(void *_Nonnull to, uint64_t from, size_t size) {
    return outside(from, size) || user_copy((uintptr_t)to, from, size) != 0 ? -EFAULT : 0;
}

int64_t user_write(uint64_t to, const void *_Nonnull from, size_t size) {
    return outside(to, size) || user_copy(to, (uintptr_t)from, size) != 0 ? -EFAULT : 0;
}

int64_t user_zero(uint64_t to, size_t size) {
    return outside(to, size) || user_clear(to, size) != 0 ? -EFAULT : 0;
}

/* A page is tried by an exchange of 0 for 0: it changes nothing, whatever another thread does. */
int64_t user_probe(uint64_t to, uint64_t size) {
    if (outside(to, size)) {
        return -EFAULT;
    }
    for (uint64_t at = to; at < to + size; at = (at & ~(uint64_t)(PAGE_SIZE - 1)) + PAGE_SIZE) {
        uint32_t found = 0;
        if (user_compare_exchange(at & ~3ull, &found, 0) != 0) {
            return -EFAULT;
        }
    }
    return 0;
}

int64_t user_text(char *_Nonnull to, size_t capacity, uint64_t from) {
    if (outside(from, 1)) {
        return -EFAULT;
    }
    int64_t length = user_copy_text(to, from, capacity);
    return length >= 0 ? length : length == -1 ? -EFAULT : -ENAMETOOLONG;
}

int64_t user_exchange_u32(uint64_t address, uint32_t expected, uint32_t wanted,
                          uint32_t *_Nonnull out_found) {
    *out_found = expected;
    if ((address & 3) != 0 || outside(address, 4)) {
        return -EFAULT;
    }
    return user_compare_exchange(address, out_found, wanted) != 0 ? -EFAULT : 0;
}

status_t rt_copy_from_client(void *_Nonnull to, const void *_Nullable from, size_t size) {
    if (size == 0) {
        return STATUS_OK;
    }
    return from == nullptr || user_read(to, (uintptr_t)from, size) != 0 ? STATUS_BAD_ADDRESS
                                                                        : STATUS_OK;
}

status_t rt_copy_to_client(void *_Nullable to, const void *_Nonnull from, size_t size) {
    if (size == 0) {
        return STATUS_OK;
    }
    return to == nullptr || user_write((uintptr_t)to, from, size) != 0 ? STATUS_BAD_ADDRESS
                                                                       : STATUS_OK;
}
