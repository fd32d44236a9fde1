/* kernel/object/handle.c: one proof for each operation, on any state of the slots that it touches.
 * The table is scaled down: four slots a chunk, two chunks a directory, two directories. */
#include "kernel/object/handle.c"
#include "tests/proofs/prove.h"

static struct object object, other;
static struct domain domain;
static struct handle_directory directory;
static struct handle_chunk chunks[2];
static uint32_t charged;

/* ---- what the table needs of others ---- */
static bool gave_directory;
static uint32_t gave_chunks;
status_t slab_allocate(enum slab_type type, struct domain *payer, void **out) {
    (void)payer;
    if (any_bool()) {
        return STATUS_OUT_OF_MEMORY;
    }
    if (type == SLAB_NODE) {
        PROVE(!gave_directory);
        gave_directory = true;
        *out = &directory;
    } else {
        ASSUME(gave_chunks < 2);
        *out = &chunks[gave_chunks++];
    }
    return STATUS_OK;
}
void slab_free(enum slab_type type, struct domain *payer, void *memory) {
    (void)type;
    (void)payer;
    (void)memory;
}
status_t domain_charge(struct domain *payer, enum resource resource, uint64_t count) {
    PROVE(payer == &domain && resource == RESOURCE_HANDLES);
    if (any_bool()) {
        return STATUS_OUT_OF_QUOTA;
    }
    charged += (uint32_t)count;
    return STATUS_OK;
}
void domain_uncharge(struct domain *payer, enum resource resource, uint64_t count) {
    PROVE(payer == &domain && resource == RESOURCE_HANDLES);
    charged -= (uint32_t)count;
}
void object_add_handle(struct object *o) {
    o->handles++;
}
void object_drop_handle(struct object *o) {
    o->handles--;
}

/* A table of up to two chunks whose slots hold anything; the slot at `index` (where it exists) is
 * empty or holds `object`. */
static struct handle_table table;
static uint32_t any_free(void) {
    return table.chunk_count == 0 ? 0 : any_below(table.chunk_count * HANDLES_PER_CHUNK);
}
static struct handle_entry_slot *any_table(uint32_t index) {
    table.domain = &domain;
    table.chunk_count = any_below(3);
    table.free_head = (uint16_t)any_free();
    table.used = any_u32();
    table.reserved = any_u32();
    directory.chunks[0] = &chunks[0];
    directory.chunks[1] = &chunks[1];
    table.directories[0] = &directory;
    object.type = any_u32();
    if (index / HANDLES_PER_CHUNK >= table.chunk_count) {
        return nullptr;
    }
    struct handle_entry_slot *slot =
        &chunks[index / HANDLES_PER_CHUNK].entries[index % HANDLES_PER_CHUNK];
    slot->object = any_bool() ? &object : nullptr;
    slot->rights = any_u16();
    slot->generation = any_u16();
    slot->next_free = (uint16_t)any_free();
    slot->previous_free = (uint16_t)any_free();
    return slot;
}

void lookup(void) {
    uint64_t handle = any_u64();
    const struct handle_entry_slot *slot = any_table((uint32_t)handle & 0xffffu);
    enum object_type type = any_u32();
    uint32_t rights = any_u32();
    struct object *found = nullptr;
    status_t status = handle_find(&table, handle, type, rights, &found);
    bool named = slot != nullptr && slot->object != nullptr && slot->generation == handle >> 16;
    bool fits = type == OBJECT_NONE || object.type == type;
    bool allowed = slot != nullptr && (slot->rights & rights) == rights;
    PROVE((status == STATUS_OK) == (named && fits && allowed));
    PROVE(status != STATUS_OK || found == &object);
    PROVE(status == STATUS_OK || found == nullptr);
    PROVE(named || status == STATUS_BAD_HANDLE);
}

void insertion(void) {
    uint32_t index = any_below(2 * HANDLES_PER_CHUNK);
    struct handle_entry_slot *slot = any_table(index);
    ASSUME(slot != nullptr && slot->object == nullptr && slot->generation != 0 && index != 0);
    ASSUME(table.free_head == index && slot->previous_free == 0 && slot->next_free != index);
    ASSUME(table.reserved > 0 && table.used < UINT32_MAX);
    uint32_t next = slot->next_free;
    uint32_t used = table.used;
    uint32_t reserved = table.reserved;
    uint32_t rights = any_u32();
    handle_t handle = handle_insert_reserved(&table, &object, rights);
    struct object *found = nullptr;
    PROVE(handle != HANDLE_NONE);
    PROVE(handle_find(&table, handle, OBJECT_NONE, rights & RIGHT_ALL, &found) == STATUS_OK);
    PROVE(found == &object && handle_rights(&table, handle) == (rights & RIGHT_ALL));
    PROVE(table.free_head == next && table.used == used + 1 && table.reserved == reserved - 1);
    PROVE(object.handles == 1 && handle_of_slot(&table, index) == handle);
}

void taking(void) {
    uint64_t handle = any_u64();
    struct handle_entry_slot *slot = any_table((uint32_t)handle & 0xffffu);
    ASSUME(slot == nullptr || slot->generation != 0);
    ASSUME(table.used > 0 && table.free_head != ((uint32_t)handle & 0xffffu));
    uint32_t head = table.free_head;
    uint32_t used = table.used;
    uint32_t rights = any_u32();
    struct object *found = nullptr;
    uint32_t had = 0;
    charged = 1;
    status_t status = handle_take(&table, handle, rights, &found, &had);
    if (status != STATUS_OK) {
        PROVE(table.used == used && table.free_head == head && charged == 1);
        return;
    }
    PROVE(found == &object && (had & rights) == rights && charged == 0);
    PROVE(slot->object == nullptr && slot->next_free == head && slot->generation != 0);
    PROVE(slot->previous_free == 0);
    PROVE(head == 0 || handle_slot(&table, head)->previous_free == ((uint32_t)handle & 0xffffu));
    PROVE(table.free_head == ((uint32_t)handle & 0xffffu) && table.used == used - 1);
    /* Stale from now on, also when the slot is used again. */
    slot->object = &other;
    slot->rights = RIGHT_ALL;
    PROVE(handle_find(&table, handle, OBJECT_NONE, 0, &found) == STATUS_BAD_HANDLE);
}

/* Any one of three free slots leaves the list; the two others stay, in order. */
void unlinking(void) {
    (void)any_table(0);
    table.chunk_count = 1;
    uint32_t at[3] = {};
    for (unsigned i = 0; i < 3; i++) {
        at[i] = 1 + any_below(HANDLES_PER_CHUNK - 1);
    }
    ASSUME(at[0] != at[1] && at[0] != at[2] && at[1] != at[2]);
    table.free_head = (uint16_t)at[0];
    for (unsigned i = 0; i < 3; i++) {
        struct handle_entry_slot *slot = &chunks[0].entries[at[i]];
        slot->next_free = i == 2 ? 0 : (uint16_t)at[i + 1];
        slot->previous_free = i == 0 ? 0 : (uint16_t)at[i - 1];
    }
    uint32_t gone = any_below(3);
    uint32_t first = gone == 0 ? 1 : 0;
    uint32_t last = gone == 2 ? 1 : 2;
    free_take(&table, &chunks[0].entries[at[gone]]);
    PROVE(table.free_head == at[first]);
    PROVE(chunks[0].entries[at[first]].next_free == at[last]);
    PROVE(chunks[0].entries[at[last]].next_free == 0);
    PROVE(chunks[0].entries[at[first]].previous_free == 0);
    PROVE(chunks[0].entries[at[last]].previous_free == at[first]);
}

/* The first chunk: every slot but 0 is free, once, in ascending order. A reservation that was
 * granted is covered by free slots; one that was refused changed nothing that counts. */
void growing(void) {
    handle_table_init(&table, &domain);
    uint32_t count = any_below(HANDLES_PER_CHUNK);
    status_t status = handle_reserve(&table, count);
    PROVE(status == STATUS_OK ? table.reserved == count && charged == count
                              : table.reserved == 0 && charged == 0);
    PROVE(status != STATUS_OK || capacity(&table) - table.used >= table.reserved);
    if (table.chunk_count == 0) {
        PROVE(table.free_head == 0);
        return;
    }
    PROVE(table.chunk_count == 1 && table.free_head == 1);
    uint32_t index = 1 + any_below(HANDLES_PER_CHUNK - 1);
    const struct handle_entry_slot *slot = handle_slot(&table, index);
    PROVE(slot->object == nullptr && slot->generation == 1);
    PROVE(slot->next_free == (index == HANDLES_PER_CHUNK - 1 ? 0 : index + 1));
    PROVE(capacity(&table) == HANDLES_PER_CHUNK - 1);
}
