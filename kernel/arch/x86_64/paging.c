/* The kernel's own page tables.
 *
 *   0xffff8000_00000000 + random   all memory, 2 MiB pages where they fit, writable, not executable
 *   0xffffffff_80200000            the kernel image: code, constants, data, stacks with guards
 *   0xffffffff_c0000000            registers of devices that the kernel itself drives
 *
 * Invariants: (1) no page is both writable and executable; (2) the kernel image has no second
 * mapping; (3) after boot the top table's upper half never changes, so that spaces can copy it. */
#include "kernel/arch/x86_64/machine.h"
#include "kernel/arch/x86_64/x86.h"
#include "lib/base/bytes.h"

extern const uint8_t kernel_start[], kernel_text_end[], kernel_constants_end[], kernel_end[];

enum { TABLE_ENTRIES = 512, RANDOM_GIB = 16384 };
#define LARGE_SIZE (1ull << 21)
#define LOW_MEMORY 0x100000ull
#define BOOT_MAPPED (1ull << 30)

uint64_t direct_base;
uint64_t kernel_root;
static uint64_t early_next GUARDED; /* physical; 0: the page allocator works */
static uint64_t early_end GUARDED;
static uint64_t device_next GUARDED = DEVICE_WINDOW;

static uint64_t physical_of(const uint8_t *_Nonnull symbol) {
    return (uint64_t)symbol - KERNEL_OFFSET;
}

static uint64_t early_allocate(uint64_t size) LOCKED {
    uint64_t at = early_next;
    early_next += (size + PAGE_SIZE - 1) & ~(uint64_t)(PAGE_SIZE - 1);
    if (early_next > early_end) {
        console_halt("too little memory to boot", 0, 0, 0);
    }
    return at;
}

static uint64_t *_Nonnull entry_at(uint64_t table, uint64_t index) LOCKED {
    UNSAFE_BEGIN
    uint64_t base = early_next != 0 ? KERNEL_OFFSET : direct_base;
    return (uint64_t *)(base + table) + (index & (TABLE_ENTRIES - 1));
    UNSAFE_END
}

static uint64_t new_table(void) LOCKED {
    if (early_next == 0) {
        return page_physical(SOME(page_allocate(PAGE_KERNEL, true)));
    }
    uint64_t table = early_allocate(PAGE_SIZE);
    bytes_zero(entry_at(table, 0), PAGE_SIZE);
    return table;
}

/* The entry for `address` at `level` (0: 4 KiB, 1: 2 MiB); makes tables on the way. */
static uint64_t *_Nonnull walk(uint64_t address, unsigned level) LOCKED {
    uint64_t table = kernel_root;
    for (unsigned at = 3; at > level; at--) {
        uint64_t *entry = entry_at(table, address >> (PAGE_SHIFT + 9 * at));
        if (*entry == 0) {
            *entry = new_table() | ENTRY_PRESENT | ENTRY_WRITABLE;
        }
        table = *entry & ENTRY_ADDRESS;
    }
    return entry_at(table, address >> (PAGE_SHIFT + 9 * level));
}

static void map(uint64_t address, uint64_t physical, uint64_t flags) LOCKED {
    *walk(address, 0) = physical | flags | ENTRY_PRESENT | ENTRY_GLOBAL;
}

static void map_image_part(const uint8_t *_Nonnull first, const uint8_t *_Nonnull end,
                           uint64_t flags) LOCKED {
    uint64_t stacks = (uint64_t)&processor_stacks;
    for (uint64_t at = (uint64_t)first; at < (uint64_t)end; at += PAGE_SIZE) {
        uint64_t slot = (at - stacks) >> PAGE_SHIFT;
        bool guard = at - stacks < sizeof processor_stacks &&
                     (slot % STACK_SLOT_PAGES == 0 || slot % STACK_SLOT_PAGES == STACK_PAGES + 1);
        if (!guard) {
            map(at, at - KERNEL_OFFSET, flags);
        }
    }
}

static void map_memory(const struct memory_range *_Nonnull range) LOCKED {
    const uint64_t flags = ENTRY_WRITABLE | ENTRY_NO_EXECUTE;
    uint64_t image_start = physical_of(kernel_start);
    uint64_t image_end = physical_of(kernel_end);
    uint64_t at = range->start;
    while (at < range->end) {
        bool image_near = at < image_end && at + LARGE_SIZE > image_start;
        if ((at & (LARGE_SIZE - 1)) == 0 && at + LARGE_SIZE <= range->end && !image_near) {
            *walk(direct_base + at, 1) = at | flags | ENTRY_PRESENT | ENTRY_GLOBAL | ENTRY_LARGE;
            at += LARGE_SIZE;
            continue;
        }
        if (at < image_start || at >= image_end) {
            map(direct_base + at, at, flags);
        }
        at += PAGE_SIZE;
    }
}

/* Memory for the first tables: what lies between the kernel image and the boot image. */
static void find_early(const struct boot_facts *_Nonnull facts) LOCKED {
    uint64_t start = physical_of(kernel_end);
    for (uint32_t i = 0; i < facts->ram_count; i++) {
        if (start - facts->ram[i].start < facts->ram[i].end - facts->ram[i].start) {
            early_end = MIN(facts->ram[i].end, BOOT_MAPPED);
        }
    }
    if (facts->image.end > start) {
        early_end = MIN(early_end, facts->image.start);
    }
    early_next = start;
}

static void free_range(uint64_t start, uint64_t end) LOCKED {
    if (start < end) {
        page_add_free((uint32_t)(start >> PAGE_SHIFT), (uint32_t)(end >> PAGE_SHIFT));
    }
}

/* Frees a range of memory but for the reserved ones, which are in ascending order. */
static void free_memory(const struct memory_range *_Nonnull range,
                        const struct memory_range (*_Nonnull reserved)[3]) LOCKED {
    uint64_t at = range->start;
    for (size_t i = 0; i < ARRAY_LENGTH(*reserved); i++) {
        free_range(at, MIN(range->end, (*reserved)[i].start));
        at = MAX(at, (*reserved)[i].end);
    }
    free_range(at, range->end);
}

void paging_init(const struct boot_facts *_Nonnull facts) {
    uint64_t limit = 0;
    uint64_t random = 0;
    for (uint32_t i = 0; i < facts->ram_count; i++) {
        limit = MAX(limit, facts->ram[i].end);
    }
    find_early(facts);
    (void)arch_random(&random);
    direct_base = 0xffff800000000000ull + (random % RANDOM_GIB << 30);
    kernel_root = new_table();
    map_image_part(kernel_start, kernel_text_end, 0);
    map_image_part(kernel_text_end, kernel_constants_end, ENTRY_NO_EXECUTE);
    map_image_part(kernel_constants_end, kernel_end, ENTRY_WRITABLE | ENTRY_NO_EXECUTE);
    for (uint32_t i = 0; i < facts->ram_count; i++) {
        map_memory(&facts->ram[i]);
    }
    (void)walk(DEVICE_WINDOW, 0);
    uint64_t count = limit >> PAGE_SHIFT;
    uint64_t array = early_allocate(count * sizeof(struct page));
    uint64_t used_end = early_next;
    cr3_write(kernel_root);
    early_next = 0;
    page_init(arch_pointer(array), count);
    const struct memory_range image = {facts->image.start, (facts->image.end + PAGE_SIZE - 1) &
                                                               ~(uint64_t)(PAGE_SIZE - 1)};
    const struct memory_range reserved[3] = {
        {0, LOW_MEMORY}, {physical_of(kernel_start), used_end}, image};
    for (uint32_t i = facts->ram_count; i > 0; i--) {
        free_memory(&facts->ram[i - 1], &reserved);
    }
}

void *_Nonnull paging_map_device(uint64_t physical, size_t size) {
    uint64_t within = physical & (PAGE_SIZE - 1);
    uint64_t address = device_next + within;
    for (uint64_t at = physical - within; at < physical + size; at += PAGE_SIZE) {
        map(device_next, at, ENTRY_WRITABLE | ENTRY_NO_EXECUTE | ENTRY_UNCACHED);
        device_next += PAGE_SIZE;
    }
    UNSAFE_BEGIN
    return (void *)address;
    UNSAFE_END
}
