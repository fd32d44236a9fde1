/* CPUID: leaf 0 the vendor, 1 family, model and stepping, 0x80000002 … 4 the brand. */
#include "lib/base/bytes.h"
#include "servers/procfs/procfs.h"

struct leaf {
    uint32_t a, b, c, d;
};

static struct leaf leaf_of(uint32_t number) {
    struct leaf leaf = {.a = number};
    __asm__ volatile("cpuid" : "+a"(leaf.a), "=b"(leaf.b), "+c"(leaf.c), "=d"(leaf.d));
    return leaf;
}

void processor_describe(struct processor_name *_Nonnull out) {
    *out = (struct processor_name){};
    struct leaf vendor = leaf_of(0);
    bytes_copy(&out->vendor[0], &vendor.b, 4);
    bytes_copy(&out->vendor[4], &vendor.d, 4);
    bytes_copy(&out->vendor[8], &vendor.c, 4);
    uint32_t version = leaf_of(1).a;
    out->stepping = version & 15;
    out->model = (version >> 4 & 15) | (version >> 12 & 0xf0);
    out->family = version >> 8 & 15;
    out->family += out->family == 15 ? version >> 20 & 255 : 0;
    if (leaf_of(0x80000000).a < 0x80000004) {
        return;
    }
    for (uint32_t i = 0; i < 3; i++) {
        struct leaf part = leaf_of(0x80000002 + i);
        bytes_copy(&out->brand[(size_t)i * sizeof part], &part, sizeof part);
    }
}
