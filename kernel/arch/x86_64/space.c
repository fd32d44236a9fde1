/* User page tables, a cache of the core's mappings: four levels, each page charged to the domain
 * and chained by page.next so that the end needs no search. The upper half is the kernel's.
 *
 * `active` has a bit for each processor that has the space loaded. Without process-context
 * identifiers loading another one forgets everything, so nobody else can hold a stale translation.
 *
 * Invariants: (1) a table page is freed only when no processor has the space loaded; (2) a page is
 * writable or executable, not both, unless the core's mapping says both; (3) when drop or protect
 * return, no processor can use what is gone. */
#include "kernel/arch/x86_64/machine.h"
#include "kernel/arch/x86_64/x86.h"
#include "kernel/object/domain.h"
#include "kernel/sched/scheduler.h"
#include "lib/base/bytes.h"

enum {
    TABLE_ENTRIES = 512,
    USER_ENTRIES = 256,
    TOP_LEVEL = 3,
    INVALIDATE_LIMIT = 32 /* more pages than this: everything is forgotten at once */
};

static size_t entry_index(uint64_t address, unsigned level) {
    return (address >> (PAGE_SHIFT + 9 * level)) & (TABLE_ENTRIES - 1);
}

static uint64_t *_Nonnull entry_of(uint64_t table, uint64_t address, unsigned level) {
    union page_content *content = arch_pointer(table & ENTRY_ADDRESS);
    return &content->words[entry_index(address, level)];
}

static uint64_t level_size(unsigned level) {
    return 1ull << (PAGE_SHIFT + 9 * level);
}

static status_t add_table(struct arch_space *_Nonnull space, struct domain *_Nonnull domain,
                          uint64_t *_Nonnull out) LOCKED {
    TRY(domain_charge(domain, RESOURCE_KERNEL_BYTES, PAGE_SIZE));
    struct page *page = page_allocate(PAGE_KERNEL, true);
    if (page == nullptr) {
        domain_uncharge(domain, RESOURCE_KERNEL_BYTES, PAGE_SIZE);
        return STATUS_OUT_OF_MEMORY;
    }
    page->next = space->tables;
    space->tables = page_number(SOME(page));
    *out = page_physical(SOME(page));
    return STATUS_OK;
}

status_t arch_space_init(struct arch_space *_Nonnull space, struct domain *_Nonnull domain) {
    *space = (struct arch_space){
        .first = USER_SPACE_FIRST, .end = USER_SPACE_END, .map_base = NATIVE_MAP_BASE};
    status_t status = add_table(space, domain, &space->root);
    if (status == STATUS_OK) {
        bytes_copy(entry_of(space->root, (uint64_t)USER_ENTRIES << 39, TOP_LEVEL),
                   entry_of(kernel_root, (uint64_t)USER_ENTRIES << 39, TOP_LEVEL),
                   (TABLE_ENTRIES - USER_ENTRIES) * sizeof(uint64_t));
    }
    return status;
}

/* The other processors that have it loaded forget `length` bytes. */
static void shoot_down(const struct arch_space *_Nonnull space, uint64_t address,
                       uint64_t length) LOCKED {
    uint32_t others = space->active & ~cpu_current()->mask;
    if (others != 0) {
        smp_shootdown(others, address, length);
    }
}

void arch_space_destroy(struct arch_space *_Nonnull space, struct domain *_Nonnull domain) {
    if (cpu_current()->arch.space == space) {
        space_load(cpu_current(), nullptr);
    }
    if (space->active != 0) {
        shoot_down(space, 0, UINT64_MAX);
    }
    CHECK(space->active == 0);
    while (space->tables != 0) {
        struct page *page = page_at(space->tables);
        space->tables = page->next;
        page_free(page);
        domain_uncharge(domain, RESOURCE_KERNEL_BYTES, PAGE_SIZE);
    }
    space->root = 0;
}

/* The table with the entry of `address`, made where it is absent. */
static status_t make_leaf(struct arch_space *_Nonnull space, struct domain *_Nonnull domain,
                          uint64_t address, union page_content *_Nullable *_Nonnull out) LOCKED {
    uint64_t table = space->root;
    for (unsigned level = TOP_LEVEL; level > 0; level--) {
        uint64_t *entry = entry_of(table, address, level);
        if (*entry == 0) {
            uint64_t made = 0;
            TRY(add_table(space, domain, &made));
            *entry = made | ENTRY_PRESENT | ENTRY_WRITABLE | ENTRY_USER;
        }
        table = *entry;
    }
    *out = arch_pointer(table & ENTRY_ADDRESS);
    return STATUS_OK;
}

status_t arch_space_enter(struct arch_space *_Nonnull space, struct domain *_Nonnull domain,
                          uint64_t address, uint64_t physical, uint32_t protection, bool device) {
    CHECK(address >= USER_SPACE_FIRST && address < USER_SPACE_END);
    union page_content *leaf = nullptr;
    TRY(make_leaf(space, domain, address, &leaf));
    uint64_t *entry = &SOME(leaf)->words[entry_index(address, 0)];
    uint64_t old = *entry;
    uint64_t new = 0;
    if ((protection & (PROTECT_READ | PROTECT_WRITE | PROTECT_EXECUTE)) != 0) {
        new = physical | ENTRY_PRESENT | ENTRY_USER |
              ((protection & PROTECT_WRITE) != 0 ? (uint64_t)ENTRY_WRITABLE : 0) |
              ((protection & PROTECT_EXECUTE) != 0 ? 0 : ENTRY_NO_EXECUTE) |
              (device ? (uint64_t)ENTRY_UNCACHED : 0);
    }
    *entry = new;
    space->entered += old == 0 ? 1 : 0;
    if (old != 0) {
        if (cpu_current()->arch.space == space) {
            page_invalidate(address);
        }
        /* A permission that was added needs no shoot-down: a stale refusal faults once more. */
        if (((old ^ new) & ENTRY_ADDRESS) != 0 || (old & ~new & ENTRY_WRITABLE) != 0) {
            shoot_down(space, address, PAGE_SIZE);
        }
    }
    return STATUS_OK;
}

/* The table with the entry of *address, or of the next address before `end` that has one; null:
 * there is none. */
static union page_content *_Nullable next_leaf(const struct arch_space *_Nonnull space,
                                               uint64_t *_Nonnull address, uint64_t end) {
    while (*address < end && space->root != 0) {
        unsigned level = TOP_LEVEL;
        uint64_t table = *entry_of(space->root, *address, level);
        while (level > 1 && table != 0) {
            level--;
            table = *entry_of(table, *address, level);
        }
        if (table != 0) {
            return arch_pointer(table & ENTRY_ADDRESS);
        }
        *address = (*address & ~(level_size(level) - 1)) + level_size(level);
    }
    return nullptr;
}

status_t arch_space_lessen(struct arch_space *_Nonnull space, uint64_t address, uint64_t length,
                           uint32_t protection, struct arch_space *_Nullable target,
                           struct domain *_Nullable domain) {
    uint64_t lost = (protection & PROTECT_READ) != 0    ? UINT64_MAX
                    : (protection & PROTECT_WRITE) != 0 ? (uint64_t)ENTRY_WRITABLE
                                                        : 0;
    uint64_t end = address + length;
    uint64_t first = UINT64_MAX;
    uint64_t last = 0;
    uint64_t changed = 0;
    status_t status = STATUS_OK;
    bool here = cpu_current()->arch.space == space;
    for (union page_content *leaf = next_leaf(space, &address, end);
         leaf != nullptr && status == STATUS_OK; leaf = next_leaf(space, &address, end)) {
        union page_content *to = nullptr;
        uint64_t pages = (MIN(end, (address | (level_size(1) - 1)) + 1) - address) >> PAGE_SHIFT;
        size_t index = entry_index(address, 0);
        for (; pages > 0; pages--, index++, address += PAGE_SIZE) {
            uint64_t *entry = &leaf->words[index];
            if (*entry == 0) {
                continue;
            }
            if ((*entry & lost) != 0) {
                *entry &= ~lost;
                space->entered -= *entry == 0 ? 1 : 0;
                first = MIN(first, address);
                last = address;
                changed++;
                if (here && changed <= INVALIDATE_LIMIT) {
                    page_invalidate(address);
                }
            }
            if (target != nullptr && to == nullptr) {
                status = make_leaf(SOME(target), SOME(domain), address, &to);
            }
            if (to != nullptr) {
                SOME(target)->entered++;
                to->words[index] = *entry;
            }
        }
    }
    if (here && changed > INVALIDATE_LIMIT) {
        cr3_write(space->root);
    }
    if (changed > 0) {
        shoot_down(space, first, last + PAGE_SIZE - first);
    }
    return status;
}

bool arch_space_find(const struct arch_space *_Nonnull space, uint64_t address, bool write,
                     uint64_t *_Nonnull out_physical) {
    uint64_t at = address;
    bool user = address >= USER_SPACE_FIRST && address < USER_SPACE_END;
    const union page_content *leaf = user ? next_leaf(space, &at, address + 1) : nullptr;
    uint64_t entry = leaf == nullptr ? 0 : leaf->words[entry_index(address, 0)];
    if (entry == 0 || (write && (entry & ENTRY_WRITABLE) == 0)) {
        return false;
    }
    *out_physical = (entry & ENTRY_ADDRESS) | (address & (PAGE_SIZE - 1));
    return true;
}
