/* Copy-on-write: clones of Memory objects and of whole spaces (fork). Shared pages are counted in
 * page.references; write permission is taken from every translation of the source, and the next
 * write on either side copies the page. */
#include "kernel/memory/space.h"
#include "kernel/object/domain.h"

static status_t make_overlay(struct memory *_Nonnull parent, struct domain *_Nonnull domain,
                             struct memory *_Nullable *_Nonnull out) LOCKED {
    TRY(memory_create(domain, 0, 0, 0, out));
    struct memory *overlay = SOME(*out);
    overlay->page_count = UINT64_MAX >> PAGE_SHIFT;
    overlay->content_size = UINT64_MAX & ~(uint64_t)(PAGE_SIZE - 1);
    overlay->parent = parent;
    object_reference(&parent->object);
    list_append(&parent->overlays, &overlay->overlay_link);
    return STATUS_OK;
}

static void share_slot(struct memory *_Nonnull target, uint64_t slot,
                       uint64_t *_Nonnull to) LOCKED {
    *to = (uint64_t)slot_page(slot) << 8;
    target->resident++;
    page_at(slot_page(slot))->references++;
}

/* The node that a slot is in (nodes are aligned to their size); null: it is the root itself. */
static struct radix_node *_Nullable leaf_of(const struct memory *_Nonnull memory,
                                            const uint64_t *_Nonnull slot) {
    uint64_t within = sizeof(struct radix_node) - 1;
    return memory->levels == 0 ? nullptr : arch_pointer(arch_physical(slot) & ~within);
}

/* Shares pages [first, first + count) of `source` with the empty `target`, node by node where both
 * count alike. */
static status_t share_pages(struct memory *_Nonnull source, struct memory *_Nonnull target,
                            uint64_t first, uint64_t count) LOCKED {
    MEMORY_FOR(source, index, slot, first, count) {
        uint64_t *own = nullptr;
        TRY(memory_slot_create(target, index - first, &own));
        share_slot(target, *slot, SOME(own));
        struct radix_node *from = leaf_of(source, SOME(slot));
        struct radix_node *to = leaf_of(target, SOME(own));
        bool run = from != nullptr && to != nullptr && first % RADIX_SLOTS == 0;
        for (; run && (index + 1) % RADIX_SLOTS != 0 && index + 1 - first < count; index++) {
            uint64_t next = SOME(from)->slots[(index + 1) % RADIX_SLOTS];
            if (next != 0) {
                share_slot(target, next, &SOME(to)->slots[(index + 1) % RADIX_SLOTS]);
            }
        }
        if (target->resident == source->resident) {
            break; /* all of them: the rest need not be searched */
        }
    }
    return STATUS_OK;
}

/* `except`: a space whose translations of it are protected otherwise. */
static void protect_mappings(struct memory *_Nonnull memory,
                             const struct space *_Nullable except) LOCKED {
    LIST_FOR(mapping, &memory->mappings, struct mapping, memory_link) {
        if ((mapping->protection & PROTECT_WRITE) != 0 && except != mapping->space) {
            (void)arch_space_lessen(&mapping->space->arch, mapping->node.key, mapping->length,
                                    PROTECT_WRITE, nullptr, nullptr);
        }
    }
}

status_t memory_clone(struct memory *_Nonnull source, struct domain *_Nonnull domain,
                      uint64_t first, uint64_t count, const struct space *_Nullable except,
                      struct memory *_Nullable *_Nonnull out) {
    REFUSE((source->flags & MEMORY_PHYSICAL) != 0, STATUS_NOT_SUPPORTED);
    uint64_t end = 0;
    REFUSE(ckd_add(&end, first, count), STATUS_BAD_ARGUMENT);
    if ((source->flags & (MEMORY_FILE | MEMORY_PAGER)) != 0) {
        return first == 0 ? make_overlay(source, domain, out) : STATUS_BAD_ARGUMENT;
    }
    struct memory *copy = nullptr;
    status_t status = STATUS_OK;
    if (source->parent != nullptr) {
        status =
            first == 0 ? make_overlay(SOME(source->parent), domain, &copy) : STATUS_BAD_ARGUMENT;
    } else {
        uint64_t pages = first < source->page_count ? MIN(count, source->page_count - first) : 0;
        status = memory_create(domain, pages << PAGE_SHIFT, 0, 0, &copy);
    }
    TRY(status);
    struct memory *target = SOME(copy);
    status = domain_charge(domain, RESOURCE_PAGES, source->resident);
    if (status == STATUS_OK) {
        status = share_pages(source, target, first, count);
        domain_uncharge(domain, RESOURCE_PAGES, source->resident - target->resident);
    }
    protect_mappings(source, except);
    if (status != STATUS_OK) {
        object_release(&target->object);
        return status;
    }
    *out = target;
    return STATUS_OK;
}

/* The memory that the child's copy of `mapping` shows: the same for shared mappings, else one clone
 * for all mappings of the same Memory. */
static status_t clone_for(struct mapping *_Nonnull mapping, struct domain *_Nonnull domain,
                          struct memory *_Nullable *_Nonnull out) LOCKED {
    struct memory *memory = mapping->memory;
    if (memory == nullptr || (mapping->flags & MAP_PRIVATE) == 0) {
        *out = memory;
        return STATUS_OK;
    }
    if (memory->clone == nullptr) {
        TRY(memory_clone(SOME(memory), domain, 0, memory->page_count, mapping->space,
                         &memory->clone));
    }
    *out = memory->clone;
    return STATUS_OK;
}

/* What is shared and only data gets no translations: the child may never touch it. */
static status_t clone_mapping(struct mapping *_Nonnull mapping, struct space *_Nonnull target,
                              struct domain *_Nonnull domain) LOCKED {
    struct memory *memory = nullptr;
    uint64_t address = 0;
    bool private = (mapping->flags & MAP_PRIVATE) != 0;
    TRY(clone_for(mapping, domain, &memory));
    TRY(space_map(target, mapping->node.key, mapping->length, memory, mapping->offset,
                  mapping->protection, mapping->flags | MAP_NO_REPLACE, &address));
    return private || (mapping->protection & PROTECT_EXECUTE) != 0
               ? arch_space_lessen(&mapping->space->arch, mapping->node.key, mapping->length,
                                   private ? PROTECT_WRITE : 0, &target->arch, domain)
               : STATUS_OK;
}

status_t space_clone(struct space *_Nonnull source, struct domain *_Nonnull domain,
                     struct space *_Nullable *_Nonnull out) {
    struct space *copy = nullptr;
    TRY(space_create(domain, &copy));
    status_t status = STATUS_OK;
    struct space *target = SOME(copy);
    target->hint = source->hint;
    for (struct mapping *mapping = mapping_of(tree_first(&source->mappings));
         mapping != nullptr && status == STATUS_OK;
         mapping = mapping_of(tree_next(&mapping->node))) {
        if ((mapping->flags & MAP_THREAD_PAGE) == 0) {
            status = clone_mapping(SOME(mapping), target, domain);
        }
    }
    for (struct mapping *mapping = mapping_of(tree_first(&source->mappings)); mapping != nullptr;
         mapping = mapping_of(tree_next(&mapping->node))) {
        struct memory *memory = mapping->memory;
        if (memory != nullptr && memory->clone != nullptr) {
            object_release(&memory->clone->object);
            memory->clone = nullptr;
        }
    }
    if (status != STATUS_OK) {
        object_release(&target->object);
        return status;
    }
    *out = target;
    return STATUS_OK;
}
