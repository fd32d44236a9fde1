#pragma once
/* A good call of each method of the sample, for tests that then spoil one thing about it. */
#include "host/idlc/tests/sample_server.h"

static inline struct sample_description good_description(void) {
    return (struct sample_description){.size = 5,
                                       .kind = SAMPLE_MATERIAL_GLASS,
                                       .mode = 0644,
                                       .how = SAMPLE_OPEN_FLAGS_READ,
                                       .places = {{.x = -1, .y = 2}, {.x = 3, .y = -4}},
                                       .hidden = 1};
}

static inline status_t call_numbers(void) {
    struct sample_numbers_out out = {};
    return sample_numbers(9, 1, 2, 3, 4, -5, -6, true, &out.a2, &out.b2, &out.c2, &out.d2, &out.e2,
                          &out.f2, &out.g2);
}

static inline status_t call_many(void) {
    struct sample_many_out out = {};
    return sample_many(9, 1, 2, 3, 4, 5, 6, 7, 8, SAMPLE_MATERIAL_IRON, -10, true,
                       SAMPLE_OPEN_FLAGS_WRITE, 13, &out.n, &out.o);
}

static inline status_t call_open(struct rt_bytes path) {
    struct sample_open_out out = {};
    return sample_open(9, SAMPLE_OPEN_FLAGS_READ, SAMPLE_MATERIAL_WOOD, path, HANDLE_OWN_SESSION,
                       HANDLE_EVENT, HANDLE_NONE, &out.sample, &out.extra, &out.info);
}

static inline status_t call_describe(void) {
    struct sample_description info = good_description();
    uint32_t pair[3] = {7, 8, 9};
    struct sample_describe_out out = {};
    uint64_t size = 0;
    return sample_describe(9, RT_STRING("a name"), &info, &pair, RT_BUFFER_OF(out.label), &size,
                           &out.first, &out.codes, &out.kinds);
}

static inline status_t call_read(struct rt_buffer data, uint64_t *_Nonnull out_size) {
    bool end = false;
    return sample_read(9, 100, data, out_size, &end);
}

static inline status_t call_write(struct rt_bytes data) {
    uint64_t written = 0;
    return sample_write(9, 100, data, RT_STRING("tag"), &written, 12345);
}

static inline status_t call_scan(struct rt_buffer found, uint64_t *_Nonnull out_size) {
    return sample_scan(9, SAMPLE_MATERIAL_WOOD, found, out_size);
}
