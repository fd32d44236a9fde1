#include "kernel/memory/space.h"
#include "kernel/object/domain.h"

enum { ACCESS_BITS = PROTECT_READ | PROTECT_WRITE | PROTECT_EXECUTE };
enum { MAPPING_LIMIT = 65536 };

status_t space_create(struct domain *_Nullable domain, struct space *_Nullable *_Nonnull out) {
    void *memory = nullptr;
    TRY(object_allocate(OBJECT_SPACE, SLAB_SPACE, domain, &memory));
    struct space *space = SOME(memory);
    status_t status = arch_space_init(&space->arch, SOME(space->object.domain));
    if (status != STATUS_OK) {
        object_release(&space->object);
        return status;
    }
    space->first = space->arch.first;
    space->end = space->arch.end;
    space->hint = space->arch.map_base;
    *out = space;
    return STATUS_OK;
}

static uint64_t mapping_end(const struct mapping *_Nonnull mapping) {
    return mapping->node.key + mapping->length;
}

struct mapping *_Nullable space_find(const struct space *_Nonnull space, uint64_t address) {
    struct mapping *mapping = mapping_of(tree_find_at_or_below(&space->mappings, address));
    return mapping != nullptr && address < mapping_end(mapping) ? mapping : nullptr;
}

void space_drop(struct space *_Nonnull space, uint64_t address, uint64_t length) {
    (void)arch_space_lessen(&space->arch, address, length, PROTECT_READ, nullptr, nullptr);
}

/* Its translations are gone already. */
static void remove_mapping(struct space *_Nonnull space, struct mapping *_Nonnull mapping) LOCKED {
    tree_remove(&space->mappings, &mapping->node);
    space->mapping_count--;
    space->mapped_bytes -= mapping->length;
    list_remove(&mapping->memory_link);
    if (mapping->memory != nullptr) {
        memory_user_gone(SOME(mapping->memory));
        object_release(&mapping->memory->object);
    }
    slab_free(SLAB_MAPPING, SOME(space->object.domain), mapping);
}

bool space_destroy_step(struct space *_Nonnull space) {
    arch_space_destroy(&space->arch, SOME(space->object.domain));
    for (unsigned budget = 16; space->mappings.root != nullptr; budget--) {
        if (budget == 0) {
            return false;
        }
        remove_mapping(space, SOME(mapping_of(tree_first(&space->mappings))));
    }
    return true;
}

static status_t add_mapping(struct space *_Nonnull space, uint64_t address, uint64_t length,
                            struct memory *_Nullable memory, uint64_t offset, uint32_t protection,
                            uint32_t flags) LOCKED {
    REFUSE(space->mapping_count >= MAPPING_LIMIT, STATUS_OUT_OF_QUOTA);
    void *pointer = nullptr;
    TRY(slab_allocate(SLAB_MAPPING, SOME(space->object.domain), &pointer));
    struct mapping *mapping = SOME(pointer);
    mapping->space = space;
    mapping->length = length;
    mapping->offset = offset;
    mapping->protection = protection;
    mapping->flags = flags;
    list_init(&mapping->memory_link);
    if (memory != nullptr) {
        mapping->memory = memory;
        object_reference(&memory->object);
        list_append(&memory->mappings, &mapping->memory_link);
    }
    tree_insert(&space->mappings, &mapping->node, address);
    space->mapping_count++;
    space->mapped_bytes += length;
    return STATUS_OK;
}

/* Cuts the mapping that spans `address` in two at it. */
static status_t split_at(struct space *_Nonnull space, uint64_t address) LOCKED {
    struct mapping *mapping = space_find(space, address);
    if (mapping == nullptr || mapping->node.key == address) {
        return STATUS_OK;
    }
    uint64_t head = address - mapping->node.key;
    uint64_t tail = mapping->length - head;
    mapping->length = head;
    status_t status =
        add_mapping(space, address, tail, mapping->memory, mapping->offset + (head >> PAGE_SHIFT),
                    mapping->protection, mapping->flags);
    if (status != STATUS_OK) {
        mapping->length = head + tail;
        return status;
    }
    space->mapped_bytes -= tail;
    return STATUS_OK;
}

static status_t check_range(const struct space *_Nonnull space, uint64_t address, uint64_t length) {
    uint64_t end = 0;
    bool bad = (address & (PAGE_SIZE - 1)) != 0 || (length & (PAGE_SIZE - 1)) != 0 || length == 0 ||
               ckd_add(&end, address, length) || address < space->first || end > space->end;
    return bad ? STATUS_BAD_ARGUMENT : STATUS_OK;
}

/* The first mapping that ends beyond `address`. */
static struct mapping *_Nullable mapping_from(const struct space *_Nonnull space,
                                              uint64_t address) LOCKED {
    struct mapping *mapping = space_find(space, address);
    return mapping != nullptr ? mapping
                              : mapping_of(tree_find_at_or_above(&space->mappings, address));
}

/* Makes mapping borders fall on both ends of the range, and refuses a range with a guard in it. */
static status_t isolate_range(struct space *_Nonnull space, uint64_t address,
                              uint64_t length) LOCKED {
    for (struct mapping *mapping = mapping_from(space, address);
         mapping != nullptr && mapping->node.key < address + length;
         mapping = mapping_of(tree_next(&mapping->node))) {
        REFUSE((mapping->flags & MAP_GUARD) != 0, STATUS_BUSY);
    }
    TRY(split_at(space, address));
    return split_at(space, address + length);
}

status_t space_unmap(struct space *_Nonnull space, uint64_t address, uint64_t length) {
    TRY(check_range(space, address, length));
    TRY(isolate_range(space, address, length));
    struct mapping *mapping = mapping_from(space, address);
    while (mapping != nullptr && mapping->node.key < address + length) {
        struct mapping *next = mapping_of(tree_next(&mapping->node));
        space_drop(space, mapping->node.key, mapping->length);
        remove_mapping(space, SOME(mapping));
        mapping = next;
    }
    return STATUS_OK;
}

/* A free range at or after `from`, below `end`. */
static uint64_t find_gap(const struct space *_Nonnull space, uint64_t from, uint64_t end,
                         uint64_t length) LOCKED {
    uint64_t at = from;
    struct mapping *mapping = mapping_from(space, at);
    while (at + length <= end && at + length >= at) {
        if (mapping == nullptr || mapping->node.key >= at + length) {
            return at;
        }
        at = mapping_end(SOME(mapping));
        mapping = mapping_of(tree_next(&mapping->node));
    }
    return 0;
}

status_t space_find_free(struct space *_Nonnull space, uint64_t length, uint64_t *_Nonnull out) {
    uint64_t address = find_gap(space, space->hint, space->end, length);
    if (address == 0) {
        address = find_gap(space, space->first, space->end, length);
    }
    REFUSE(address == 0, STATUS_OUT_OF_RANGE);
    space->hint = address + length;
    *out = address;
    return STATUS_OK;
}

void space_forget_page(struct space *_Nonnull space, uint64_t address) {
    struct mapping *mapping = space_find(space, address);
    if (mapping != nullptr && (mapping->flags & MAP_THREAD_PAGE) != 0) {
        space_drop(space, mapping->node.key, mapping->length);
        remove_mapping(space, SOME(mapping));
    }
}

/* An anonymous or private mapping that continues the one before it grows that one: a heap stays one
 * mapping however often it grows. */
static bool extend_before(struct space *_Nonnull space, uint64_t address, uint64_t length,
                          const struct memory *_Nullable memory, uint64_t offset,
                          uint32_t protection, uint32_t flags) LOCKED {
    struct mapping *before = address > space->first ? space_find(space, address - 1) : nullptr;
    if (before == nullptr || memory == nullptr || before->memory != memory ||
        before->protection != protection || before->flags != flags ||
        before->offset + (before->length >> PAGE_SHIFT) != offset) {
        return false;
    }
    before->length += length;
    space->mapped_bytes += length;
    return true;
}

status_t space_map(struct space *_Nonnull space, uint64_t address, uint64_t length,
                   struct memory *_Nullable memory, uint64_t offset, uint32_t protection,
                   uint32_t flags, uint64_t *_Nonnull out_address) {
    uint64_t at = address;
    status_t status = STATUS_OK;
    bool fixed = (flags & (MAP_FIXED | MAP_NO_REPLACE)) != 0;
    if (at == 0 && !fixed) {
        REFUSE(length == 0 || (length & (PAGE_SIZE - 1)) != 0 || length > space->end,
               STATUS_BAD_ARGUMENT);
        TRY(space_find_free(space, length, &at));
    }
    TRY(check_range(space, at, length));
    struct mapping *there = mapping_from(space, at);
    if (there != nullptr && there->node.key < at + length) {
        REFUSE((flags & MAP_NO_REPLACE) != 0, STATUS_EXISTS);
        if (!fixed) {
            status = space_find_free(space, length, &at);
        } else {
            status = space_unmap(space, at, length);
        }
        TRY(status);
    }
    uint32_t kept = flags & ~(uint32_t)(MAP_FIXED | MAP_NO_REPLACE | MAP_AGAIN);
    if (!extend_before(space, at, length, memory, offset, protection & ACCESS_BITS, kept)) {
        status = add_mapping(space, at, length, memory, offset, protection & ACCESS_BITS, kept);
    }
    *out_address = at;
    return status;
}

status_t space_protect(struct space *_Nonnull space, uint64_t address, uint64_t length,
                       uint32_t protection) {
    TRY(check_range(space, address, length));
    uint64_t covered = address;
    for (struct mapping *mapping = mapping_from(space, address);
         mapping != nullptr && mapping->node.key <= covered && covered < address + length;
         mapping = mapping_of(tree_next(&mapping->node))) {
        covered = mapping_end(SOME(mapping));
    }
    REFUSE(covered < address + length, STATUS_BAD_ADDRESS);
    TRY(isolate_range(space, address, length));
    for (struct mapping *mapping = mapping_from(space, address);
         mapping != nullptr && mapping->node.key < address + length;
         mapping = mapping_of(tree_next(&mapping->node))) {
        uint32_t lost = mapping->protection & ~protection;
        mapping->protection = protection & ACCESS_BITS;
        if ((lost & ~(uint32_t)PROTECT_WRITE) != 0 || (protection & PROTECT_EXECUTE) != 0) {
            space_drop(space, mapping->node.key, mapping->length);
        } else if (lost != 0) {
            (void)arch_space_lessen(&space->arch, mapping->node.key, mapping->length, PROTECT_WRITE,
                                    nullptr, nullptr);
        }
    }
    return STATUS_OK;
}

status_t space_resolve(struct space *_Nonnull space, uint64_t address, uint32_t access,
                       uint64_t *_Nonnull out_physical, struct space_fault *_Nonnull out) {
    struct mapping *mapping = space_find(space, address);
    REFUSE(mapping == nullptr || mapping->memory == nullptr, STATUS_BAD_ADDRESS);
    REFUSE((access & ~mapping->protection) != 0, STATUS_BAD_RIGHTS);
    struct memory *memory = SOME(mapping->memory);
    out->index = mapping->offset + ((address - mapping->node.key) >> PAGE_SHIFT);
    bool write = (access & PROTECT_WRITE) != 0;
    TRY(memory_page(memory, out->index, write, &out->wait));
    uint32_t protection = mapping->protection;
    if (!out->wait.writable) {
        protection &= ~(uint32_t)PROTECT_WRITE;
    }
    *out_physical = out->wait.physical + (address & (PAGE_SIZE - 1));
    return arch_space_enter(&space->arch, SOME(space->object.domain),
                            address & ~(uint64_t)(PAGE_SIZE - 1), out->wait.physical, protection,
                            (memory->flags & MEMORY_PHYSICAL) != 0);
}
