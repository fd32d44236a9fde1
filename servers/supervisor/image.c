#include "servers/supervisor/image.h"
#include "lib/base/bytes.h"

static const void *_Nonnull at(struct image_bytes image, size_t offset) {
    return bytes_at_const(SOME(image.data), offset);
}

bool image_entry(struct image_bytes image, uint32_t index, struct image_file *_Nonnull out) {
    struct boot_header header;
    struct boot_entry entry;
    uint64_t end = 0;
    if (image.size < sizeof header) {
        return false;
    }
    bytes_copy(&header, at(image, 0), sizeof header);
    size_t offset = sizeof header + (size_t)index * sizeof entry;
    if (!bytes_equal(header.magic, "ISOBOOT1", 8) || index >= header.entry_count ||
        offset > image.size || image.size - offset < sizeof entry) {
        return false;
    }
    bytes_copy(&entry, at(image, offset), sizeof entry);
    entry.name[sizeof entry.name - 1] = '\0';
    if (ckd_add(&end, entry.offset, entry.size) || end > image.size) {
        return false;
    }
    out->entry = entry;
    out->bytes =
        (struct image_bytes){.size = (size_t)entry.size, .data = at(image, (size_t)entry.offset)};
    return true;
}

bool image_find(struct image_bytes image, enum boot_kind kind, const char *_Nonnull name,
                struct image_file *_Nonnull out) {
    for (uint32_t i = 0; image_entry(image, i, out); i++) {
        if (out->entry.kind == kind && text_equal(out->entry.name, name)) {
            return true;
        }
    }
    return false;
}
