/* See mappings.h. */
#include "posix/mappings.h"
#include "posix/layout.h"
#include "posix/native.h"

struct mapping_walk mapping_walk_begin(uint64_t address, uint64_t length) {
    return (struct mapping_walk){.at = address, .end = address + length};
}

/* The entries that the scratch area holds. */
struct listed {
    size_t count;
    const struct mapping_entry *_Nonnull COUNTED_BY(count) at;
};

static bool fetch(struct posix_thread *_Nonnull self, struct mapping_walk *_Nonnull walk,
                  struct mapping_entry *_Nonnull out) {
    const void *scratch = &self->scratch[0];
    if (walk->index == walk->count) {
        uint64_t room = sizeof self->scratch / sizeof *out * sizeof *out;
        struct native_result got = NATIVE(SYS_OBJECT_LIST, 0, LIST_MAPPINGS,
                                          (uintptr_t)&self->scratch[0], room, walk->cursor);
        walk->index = 0;
        walk->count = got.status == STATUS_OK ? (uint32_t)got.value : 0;
        walk->cursor = got.value2;
    }
    struct listed entries = {.count = walk->count, .at = scratch};
    if (walk->index >= walk->count) {
        return false;
    }
    *out = entries.at[walk->index++];
    return true;
}

bool mapping_walk_next(struct posix_thread *_Nonnull self, struct mapping_walk *_Nonnull walk,
                       struct mapping_entry *_Nonnull out) {
    while (walk->at < walk->end && fetch(self, walk, out)) {
        uint64_t end = out->address + out->length;
        if (end <= walk->at) {
            continue;
        }
        if (out->address >= walk->end) {
            break;
        }
        walk->hole = walk->hole || out->address > walk->at;
        uint64_t start = MAX(out->address, walk->at);
        out->offset += start - out->address;
        out->address = start;
        out->length = MIN(end, walk->end) - start;
        walk->at = start + out->length;
        return true;
    }
    walk->hole = walk->hole || walk->at < walk->end;
    walk->at = walk->end;
    return false;
}

int64_t mappings_cover(struct posix_thread *_Nonnull self, uint64_t address, uint64_t length) {
    struct mapping_walk walk = mapping_walk_begin(address, length);
    struct mapping_entry entry = {};
    while (mapping_walk_next(self, &walk, &entry)) {
    }
    return walk.hole ? -ENOMEM : 0;
}

uint64_t mappings_total(struct posix_thread *_Nonnull self, bool only_data) {
    struct mapping_walk walk = mapping_walk_begin(0, PROGRAM_END);
    struct mapping_entry entry = {};
    uint64_t total = 0;
    while (mapping_walk_next(self, &walk, &entry)) {
        bool data = (entry.flags & MAP_PRIVATE) != 0 && (entry.protection & PROTECT_WRITE) != 0 &&
                    entry.address < PROGRAM_STACK_TOP - PROGRAM_STACK_SIZE * 16;
        total += data || !only_data ? entry.length : 0;
    }
    return total;
}
