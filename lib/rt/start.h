#pragma once
/* How a service's process learns what it was given. Its first handle, RT_START_HANDLE, is a
 * read-only Memory with this structure; everything else that it may touch is named there. */
#include "abi/object.h"
#include "lib/base/safe.h"

enum { RT_START_HANDLE = 0x10001, RT_START_NAMES = 48, RT_START_VERSION = 1 };

/* Cookies of sessions that the supervisor made for a service: this bit and the service's index. */
#define RT_COOKIE_SERVICE (1ull << 63)

struct rt_start_entry {
    char name[24]; /* from the manifest: "endpoint", "vault", "keep", "uart", … */
    handle_t handle;
    uint32_t reserved;
};
struct rt_start {
    uint32_t version;
    uint32_t count;
    char service[32];
    uint32_t vault_size; /* bytes */
    uint32_t number;     /* of the service: prefixes the roots it draws */
    char arguments[256]; /* from the manifest, NUL-terminated */
    struct rt_start_entry entries[RT_START_NAMES];
};
static_assert(sizeof(struct rt_start_entry) == 32);
static_assert(sizeof(struct rt_start) == 304 + 32 * RT_START_NAMES);
