#include "posix/vectors.h"
#include "posix/errors.h"
#include "posix/native.h"
#include "posix/user.h"

int64_t bounce_begin(struct posix_thread *_Nonnull self, uint64_t size,
                     struct bounce *_Nonnull out) {
    *out = (struct bounce){.address = (uintptr_t)&self->scratch[0], .size = size};
    if (size <= sizeof self->scratch) {
        return 0;
    }
    uint64_t address = 0;
    uint64_t length = (size + PAGE_SIZE - 1) & ~(uint64_t)(PAGE_SIZE - 1);
    if (space_map(0, &address, length, 0, 0, PROTECT_READ | PROTECT_WRITE | MAP_PRIVATE) !=
        STATUS_OK) {
        return -ENOMEM;
    }
    *out = (struct bounce){.address = address, .size = size, .mapped = length};
    return 0;
}

void bounce_end(const struct bounce *_Nonnull bounce) {
    if (bounce->mapped > 0) {
        space_unmap(bounce->address, bounce->mapped);
    }
}

int64_t vectors_total(uint64_t vectors, uint64_t count, uint64_t *_Nonnull out) {
    *out = 0;
    for (uint64_t i = 0; i < count; i++) {
        struct linux_iovec vector = {};
        int64_t error = USER_READ(vector, vectors + i * sizeof vector);
        if (error == 0 &&
            ((int64_t)vector.length < 0 || ckd_add(out, *out, vector.length) || *out > INT64_MAX)) {
            error = -EINVAL;
        }
        if (error != 0) {
            return error;
        }
    }
    return 0;
}

int64_t vectors_probe(uint64_t vectors, uint64_t count, uint64_t size) {
    uint64_t left = size;
    for (uint64_t i = 0; i < count && left > 0; i++) {
        struct linux_iovec vector = {};
        int64_t error = USER_READ(vector, vectors + i * sizeof vector);
        uint64_t piece = MIN(vector.length, left);
        error = error != 0 ? error : user_probe(vector.base, piece);
        if (error != 0) {
            return error;
        }
        left -= piece;
    }
    return 0;
}

int64_t vectors_gather(uint64_t vectors, uint64_t count, uint64_t skip, uint64_t to,
                       uint64_t size) {
    uint64_t done = 0;
    uint64_t before = skip;
    for (uint64_t i = 0; i < count && done < size; i++) {
        struct linux_iovec vector = {};
        int64_t error = USER_READ(vector, vectors + i * sizeof vector);
        uint64_t over = MIN(before, vector.length);
        uint64_t piece = MIN(vector.length - over, size - done);
        if (error == 0 && piece > 0) {
            error = user_read(address_pointer(to + done), vector.base + over, (size_t)piece);
        }
        if (error != 0) {
            return error;
        }
        before -= over;
        done += piece;
    }
    return 0;
}

int64_t vectors_scatter(uint64_t vectors, uint64_t count, uint64_t from, uint64_t size) {
    uint64_t done = 0;
    for (uint64_t i = 0; i < count && done < size; i++) {
        struct linux_iovec vector = {};
        int64_t error = USER_READ(vector, vectors + i * sizeof vector);
        uint64_t piece = MIN(vector.length, size - done);
        if (error == 0 && piece > 0) {
            error = user_write(vector.base, address_pointer(from + done), (size_t)piece);
        }
        if (error != 0) {
            return error;
        }
        done += piece;
    }
    return 0;
}
