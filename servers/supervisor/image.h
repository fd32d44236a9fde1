#pragma once
/* The boot image as the supervisor reads it: mapped read-only, every offset checked. */
#include "abi/boot.h"
#include "lib/base/safe.h"

struct image_bytes {
    size_t size;
    const uint8_t *_Nullable COUNTED_BY(size) data;
};
struct image_file {
    struct boot_entry entry;
    struct image_bytes bytes;
};

/* Entry number `index`. False: there is no such entry, or it does not fit into the image. */
bool image_entry(struct image_bytes image, uint32_t index, struct image_file *_Nonnull out);
/* The entry of a kind with a name. */
bool image_find(struct image_bytes image, enum boot_kind kind, const char *_Nonnull name,
                struct image_file *_Nonnull out);
