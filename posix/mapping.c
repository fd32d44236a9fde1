/* See mapping.h. */
#include "posix/mapping.h"
#include "abi/object.h"
#include "abi/syscall.h"
#include "lib/base/safe.h"

int64_t mapping_protection_of(uint64_t protection, uint32_t *_Nonnull out) {
    if ((protection & ~(uint64_t)(PROT_READ | PROT_WRITE | PROT_EXEC)) != 0) {
        return -EINVAL;
    }
    uint32_t result = PROTECT_NONE;
    if (protection != 0) {
        result = PROTECT_READ;
    }
    result |= (protection & PROT_WRITE) != 0 ? PROTECT_WRITE : 0;
    result |= (protection & PROT_EXEC) != 0 ? PROTECT_EXECUTE : 0;
    *out = result;
    return 0;
}

int64_t mapping_range(uint64_t address, uint64_t length, uint64_t *_Nonnull out_length) {
    uint64_t rounded = 0;
    uint64_t end = 0;
    if ((address & (PAGE_SIZE - 1)) != 0) {
        return -EINVAL;
    }
    if (ckd_add(&rounded, length, (uint64_t)PAGE_SIZE - 1)) {
        return -ENOMEM;
    }
    rounded &= ~(uint64_t)(PAGE_SIZE - 1);
    if (ckd_add(&end, address, rounded) || end > PROGRAM_END) {
        return -ENOMEM;
    }
    *out_length = rounded;
    return 0;
}

int64_t mapping_request_of(uint64_t address, uint64_t length, uint64_t protection, uint64_t flags,
                           uint64_t offset, struct mapping_request *_Nonnull out) {
    uint32_t allowed = 0;
    uint64_t end = 0;
    uint64_t type = flags & LINUX_MAP_TYPE;
    bool fixed = (flags & (LINUX_MAP_FIXED | LINUX_MAP_FIXED_NOREPLACE)) != 0;
    int64_t error = mapping_protection_of(protection & ~(uint64_t)PROT_GROWSDOWN, &allowed);
    if (error != 0 || length == 0 || (offset & (PAGE_SIZE - 1)) != 0 ||
        (type != LINUX_MAP_SHARED && type != LINUX_MAP_PRIVATE &&
         type != LINUX_MAP_SHARED_VALIDATE)) {
        return -EINVAL;
    }
    uint64_t start = fixed ? address : address & ~(uint64_t)(PAGE_SIZE - 1);
    error = mapping_range(start, length, &out->length);
    if (error != 0 && !fixed && error == -ENOMEM && length <= PROGRAM_END) {
        start = 0; /* only a hint */
        error = mapping_range(start, length, &out->length);
    }
    if (error != 0) {
        return error;
    }
    if (ckd_add(&end, offset, out->length) || (int64_t)end < 0) {
        return -EOVERFLOW;
    }
    if (fixed && start < PROGRAM_FIRST) {
        return -EPERM;
    }
    out->address = start < PROGRAM_FIRST ? 0 : start;
    out->offset = offset;
    out->anonymous = (flags & LINUX_MAP_ANONYMOUS) != 0;
    out->shared = type != LINUX_MAP_PRIVATE;
    out->flags = allowed | (out->shared ? (uint32_t)MAP_MAY_GAIN : (uint32_t)MAP_PRIVATE);
    if ((flags & LINUX_MAP_FIXED_NOREPLACE) != 0) {
        out->flags |= MAP_FIXED | MAP_NO_REPLACE;
    } else if (fixed) {
        out->flags |= MAP_FIXED;
    }
    return 0;
}
