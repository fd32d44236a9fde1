#pragma once
/* Handle tables: what a process (or a keep) can name. A handle is index | generation << 16; a
 * slot's generation changes whenever it is freed, so a stale handle finds nothing.
 *
 * Invariants: (1) an entry is free exactly if its object is null; (2) free entries of the chunks
 * that exist form one list; (3) at least `reserved` of them are free: a reply or a receive that
 * reserved its slots cannot fail for want of one (restart.md, 11). */
#include "kernel/object/object.h"

enum { HANDLES_PER_CHUNK = 64, CHUNKS_PER_DIRECTORY = 64, DIRECTORY_COUNT = 16 };

struct handle_entry_slot {
    struct object *_Nullable object;
    uint16_t rights;
    uint16_t generation;
    uint16_t next_free, previous_free; /* indices; 0: none */
};
struct handle_chunk {
    struct handle_entry_slot entries[HANDLES_PER_CHUNK];
};
struct handle_directory {
    struct handle_chunk *_Nullable chunks[CHUNKS_PER_DIRECTORY];
};
static_assert(sizeof(struct handle_chunk) == 1024);
static_assert(sizeof(struct handle_directory) == 512);

struct handle_table {
    struct handle_directory *_Nullable directories[DIRECTORY_COUNT];
    struct domain *_Nonnull domain; /* charged; kept alive by the table's owner */
    uint32_t chunk_count;
    uint16_t free_head;
    uint32_t used, reserved;
};

void handle_table_init(struct handle_table *_Nonnull table, struct domain *_Nonnull domain) LOCKED;
/* Makes `count` more slots certain. Errors: OUT_OF_HANDLES, OUT_OF_QUOTA, OUT_OF_MEMORY. */
status_t handle_reserve(struct handle_table *_Nonnull table, uint32_t count) LOCKED;
void handle_unreserve(struct handle_table *_Nonnull table, uint32_t count) LOCKED;

/* The chunk of a number below chunk_count. */
[[gnu::always_inline]] static inline struct handle_chunk *_Nonnull chunk_at(
    const struct handle_table *_Nonnull table, uint32_t number) LOCKED {
    const struct handle_directory *directory =
        SOME(table->directories[number / CHUNKS_PER_DIRECTORY]);
    return SOME(directory->chunks[number % CHUNKS_PER_DIRECTORY]);
}

/* The slot of an index; null: none yet. */
[[gnu::always_inline]] static inline struct handle_entry_slot *_Nullable handle_slot(
    const struct handle_table *_Nonnull table, uint32_t index) LOCKED {
    uint32_t chunk_index = index / HANDLES_PER_CHUNK;
    if (chunk_index >= table->chunk_count) {
        return nullptr;
    }
    return &chunk_at(table, chunk_index)->entries[index % HANDLES_PER_CHUNK];
}
/* The entry of a handle in use, or null. */
[[gnu::always_inline]] static inline struct handle_entry_slot *_Nullable handle_entry(
    const struct handle_table *_Nonnull table, uint64_t handle) LOCKED {
    struct handle_entry_slot *slot = handle_slot(table, (uint32_t)handle & 0xffffu);
    bool used = slot != nullptr && slot->object != nullptr && slot->generation == handle >> 16;
    return used ? slot : nullptr;
}
/* handle_find, for where each instruction counts. */
[[gnu::always_inline]] static inline status_t
handle_look(const struct handle_table *_Nonnull table, uint64_t handle, enum object_type type,
            uint32_t rights, struct object *_Nullable *_Nonnull out) LOCKED {
    const struct handle_entry_slot *slot = handle_entry(table, handle);
    REFUSE(slot == nullptr, STATUS_BAD_HANDLE);
    struct object *object = SOME(slot->object);
    REFUSE(type != OBJECT_NONE && object->type != type, STATUS_BAD_TYPE);
    REFUSE((rights & ~(uint32_t)slot->rights) != 0, STATUS_BAD_RIGHTS);
    *out = object;
    return STATUS_OK;
}

/* The object behind a handle of a type (OBJECT_NONE: any) that carries all of `rights`. No
 * reference is taken: it is good until the lock is released or the handle is closed. Errors:
 * BAD_HANDLE, BAD_TYPE, BAD_RIGHTS. */
status_t handle_find(const struct handle_table *_Nonnull table, uint64_t handle,
                     enum object_type type, uint32_t rights,
                     struct object *_Nullable *_Nonnull out) LOCKED;
uint32_t handle_rights(const struct handle_table *_Nonnull table, handle_t handle) LOCKED;

/* Adds a handle (and counts it). Errors: as handle_reserve. */
status_t handle_insert(struct handle_table *_Nonnull table, struct object *_Nonnull object,
                       uint32_t rights, handle_t *_Nonnull out) LOCKED;
/* The same into a slot that was reserved: cannot fail, and uses the reservation up. */
handle_t handle_insert_reserved(struct handle_table *_Nonnull table, struct object *_Nonnull object,
                                uint32_t rights) LOCKED;
/* The same into the free slot `index`. */
void handle_fill_reserved(struct handle_table *_Nonnull table, uint32_t index,
                          struct object *_Nonnull object, uint32_t rights) LOCKED;
/* Puts it at slot `index` exactly, closing what is there. Errors: OUT_OF_RANGE, and as reserve. */
status_t handle_insert_at(struct handle_table *_Nonnull table, uint32_t index,
                          struct object *_Nonnull object, uint32_t rights,
                          handle_t *_Nonnull out) LOCKED;
/* Empties a slot without dropping the handle: it passes to the caller. */
status_t handle_take(struct handle_table *_Nonnull table, uint64_t handle, uint32_t rights,
                     struct object *_Nullable *_Nonnull out_object,
                     uint32_t *_Nonnull out_rights) LOCKED;
status_t handle_close(struct handle_table *_Nonnull table, uint64_t handle) LOCKED;

handle_t handle_of_slot(const struct handle_table *_Nonnull table, uint32_t index) LOCKED;
/* Closes up to `budget` handles; true when the table is empty and its chunks are freed. */
bool handle_table_clear_step(struct handle_table *_Nonnull table, unsigned budget) LOCKED;
/* Fills the empty table `to` with the handles of `from` at the same numbers, those of types that a
 * fork inherits. Errors: as reserve; `to` is then to be cleared. */
status_t handle_table_clone(struct handle_table *_Nonnull to,
                            const struct handle_table *_Nonnull from) LOCKED;
