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

/* Shares pages [first, first + count) of `source` with the empty `target`. */
static status_t share_pages(struct memory *_Nonnull source, struct memory *_Nonnull target,
                            uint64_t first, uint64_t count) LOCKED {
    MEMORY_FOR(source, index, slot, first, count) {
        struct page *page = page_at(slot_page(*slot));
        TRY(memory_insert_page(target, index - first, page, 0));
        page->references++;
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

static status_t clone_pages(struct memory *_Nonnull source, struct domain *_Nonnull domain,
                            uint64_t first, uint64_t count, const struct space *_Nullable except,
                            struct memory *_Nullable *_Nonnull out) LOCKED {
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
    status = share_pages(source, target, first, count);
    protect_mappings(source, except);
    if (status != STATUS_OK) {
        object_release(&target->object);
        return status;
    }
    *out = target;
    return STATUS_OK;
}

status_t memory_clone(struct memory *_Nonnull source, struct domain *_Nonnull domain,
                      uint64_t first, uint64_t count, struct memory *_Nullable *_Nonnull out) {
    return clone_pages(source, domain, first, count, nullptr, out);
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
        TRY(clone_pages(SOME(memory), domain, 0, memory->page_count, mapping->space,
                        &memory->clone));
    }
    *out = memory->clone;
    return STATUS_OK;
}

static struct mapping *_Nullable next_mapping(struct mapping *_Nonnull mapping) {
    struct tree_node *node = tree_next(&mapping->node);
    return node == nullptr ? nullptr : CONTAINER_OF(node, struct mapping, node);
}

static struct mapping *_Nullable first_mapping(const struct space *_Nonnull space) {
    struct tree_node *node = tree_first(&space->mappings);
    return node == nullptr ? nullptr : CONTAINER_OF(node, struct mapping, node);
}

status_t space_clone(struct space *_Nonnull source, struct domain *_Nonnull domain,
                     struct space *_Nullable *_Nonnull out) {
    struct space *copy = nullptr;
    TRY(space_create(domain, &copy));
    status_t status = STATUS_OK;
    struct space *target = SOME(copy);
    target->hint = source->hint;
    for (struct mapping *mapping = first_mapping(source); mapping != nullptr && status == STATUS_OK;
         mapping = next_mapping(SOME(mapping))) {
        if ((mapping->flags & MAP_THREAD_PAGE) != 0) {
            continue;
        }
        struct memory *memory = nullptr;
        status = clone_for(SOME(mapping), domain, &memory);
        uint64_t address = 0;
        if (status == STATUS_OK) {
            status = space_map(target, mapping->node.key, mapping->length, memory, mapping->offset,
                               mapping->protection, mapping->flags | MAP_NO_REPLACE, &address);
        }
        if (status == STATUS_OK) {
            uint32_t lost = (mapping->flags & MAP_PRIVATE) != 0 ? PROTECT_WRITE : 0;
            status = arch_space_lessen(&source->arch, mapping->node.key, mapping->length, lost,
                                       &target->arch, domain);
        }
    }
    for (struct mapping *mapping = first_mapping(source); mapping != nullptr;
         mapping = next_mapping(SOME(mapping))) {
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
