/* Counted runs of bytes. This file alone does pointer arithmetic on untyped memory. */
#include "bytes.h"

#pragma clang assume_nonnull begin

struct bytes bytes_of(void *_Nullable start, size_t size) {
    CHECK(start != nullptr || size == 0);
    return (struct bytes){.size = size, .data = start};
}

struct view view_of(const void *_Nullable start, size_t size) {
    CHECK(start != nullptr || size == 0);
    return (struct view){.size = size, .data = start};
}

struct view bytes_view(struct bytes bytes) {
    return (struct view){.size = bytes.size, .data = bytes.data};
}

struct view view_text(const char *text) {
    return view_of(text, __builtin_strlen(text));
}

UNSAFE_BEGIN

struct bytes bytes_sub(struct bytes bytes, size_t offset, size_t size) {
    CHECK(offset <= bytes.size && size <= bytes.size - offset);
    if (size == 0) {
        return (struct bytes){};
    }
    uint8_t *start = SOME(bytes.data) + offset;
    return (struct bytes){.size = size, .data = start};
}

struct view view_sub(struct view view, size_t offset, size_t size) {
    CHECK(offset <= view.size && size <= view.size - offset);
    if (size == 0) {
        return (struct view){};
    }
    const uint8_t *start = SOME(view.data) + offset;
    return (struct view){.size = size, .data = start};
}

UNSAFE_END

void bytes_copy(struct bytes to, struct view from) {
    CHECK(to.size >= from.size);
    if (from.size != 0) {
        __builtin_memcpy(SOME(to.data), SOME(from.data), from.size);
    }
}

void bytes_move(struct bytes to, struct view from) {
    CHECK(to.size >= from.size);
    if (from.size != 0) {
        __builtin_memmove(SOME(to.data), SOME(from.data), from.size);
    }
}

void bytes_zero(struct bytes bytes) {
    if (bytes.size != 0) {
        __builtin_memset(SOME(bytes.data), 0, bytes.size);
    }
}

int view_compare(struct view left, struct view right) {
    size_t common = MIN(left.size, right.size);
    int order = common == 0 ? 0 : __builtin_memcmp(SOME(left.data), SOME(right.data), common);
    if (order != 0) {
        return order;
    }
    return left.size < right.size ? -1 : left.size > right.size;
}

bool view_equal(struct view left, struct view right) {
    return left.size == right.size && view_compare(left, right) == 0;
}

/* A run is zero if its first byte is and each equals the next. */
bool view_is_zero(struct view view) {
    if (view.size == 0) {
        return true;
    }
    struct view head = view_sub(view, 0, view.size - 1);
    return view.data[0] == 0 && view_equal(head, view_sub(view, 1, view.size - 1));
}

#pragma clang assume_nonnull end
