/* From the first C instruction to the first program: read what the loader left, map the memory,
 * bring up the processor, and hand the boot image to the core. */
#include "kernel/arch/x86_64/machine.h"
#include "kernel/arch/x86_64/x86.h"
#include "kernel/debug/log.h"
#include "kernel/memory/memory.h"
#include "kernel/object/domain.h"
#include "kernel/object/supervisor.h"
#include "kernel/sched/scheduler.h"
#include "lib/base/bytes.h"

/* hvm_start_info. Source: Xen, public/arch-x86/hvm/start_info.h, version 1. */
struct start_info {
    uint32_t magic, version, flags, module_count;
    uint64_t modules, command_line, rsdp, memory_map;
    uint32_t memory_map_entries, reserved;
};
struct start_module {
    uint64_t address, size, command_line, reserved;
};
struct start_memory {
    uint64_t address, size;
    uint32_t type, reserved;
};
enum { START_MAGIC = 0x336ec578, MEMORY_RAM = 1 };
#define BOOT_MAPPED (1ull << 30) /* boot.S maps this much */

uint64_t boot_stack = (uint64_t)&processor_stacks[0][1 + STACK_PAGES];
static struct boot_facts facts;
[[noreturn]] void boot_main(uint32_t start_info);

/* Loader data through the first mapping; null where that does not reach. */
static const void *_Nullable early(uint64_t physical, uint64_t size) {
    uint64_t end = 0;
    if (physical == 0 || ckd_add(&end, physical, size) || end > BOOT_MAPPED) {
        return nullptr;
    }
    UNSAFE_BEGIN
    return (const void *)(KERNEL_OFFSET + physical);
    UNSAFE_END
}

static void read_memory_map(const struct start_info *_Nonnull info) {
    for (uint32_t i = 0; i < info->memory_map_entries && facts.ram_count < RANGE_LIMIT; i++) {
        const struct start_memory *entry =
            early(info->memory_map + i * sizeof *entry, sizeof *entry);
        uint64_t end = 0;
        if (entry == nullptr || entry->type != MEMORY_RAM ||
            ckd_add(&end, entry->address, entry->size)) {
            continue;
        }
        struct memory_range *range = &facts.ram[facts.ram_count++];
        range->start = (entry->address + PAGE_SIZE - 1) & ~(uint64_t)(PAGE_SIZE - 1);
        range->end = end & ~(uint64_t)(PAGE_SIZE - 1);
    }
}

static void read_start_info(uint32_t physical) {
    const struct start_info *info = early(physical, sizeof *info);
    if (info == nullptr || info->magic != START_MAGIC || info->version < 1) {
        console_halt("not started by a PVH loader that gives a memory map", 0, 0, 0);
    }
    facts.rsdp = info->rsdp;
    read_memory_map(SOME(info));
    const struct start_module *module =
        info->module_count > 0 ? early(info->modules, sizeof *module) : nullptr;
    if (module != nullptr && (module->address & (PAGE_SIZE - 1)) == 0) {
        facts.image.start = module->address;
        facts.image.end = module->address + module->size;
    }
    const char *line = early(info->command_line, ARGUMENTS_SIZE);
    if (line != nullptr) {
        bytes_copy(facts.arguments, SOME(line), text_length(SOME(line), ARGUMENTS_SIZE - 1));
    }
}

static void must(status_t status, const char *_Nonnull what) LOCKED {
    if (status != STATUS_OK) {
        log_print("kernel: cannot boot: %s: status %d\n", what, (int)status);
        arch_stop(2);
    }
}

/* The boot image as a Memory over the pages that it was loaded to. */
static struct memory *_Nonnull adopt_image(void) LOCKED {
    struct memory *memory = nullptr;
    uint64_t size = facts.image.end - facts.image.start;
    must(memory_create(domain_root(), size, 0, 0, &memory), "boot image");
    for (uint64_t done = 0; done < size; done += PAGE_SIZE) {
        struct page *page = page_of_physical(facts.image.start + done);
        CHECK(page != nullptr && page->kind == PAGE_RESERVED);
        page->kind = PAGE_USER;
        page->references = 1;
        must(memory_insert_page(SOME(memory), done >> PAGE_SHIFT, SOME(page), 0), "boot image");
    }
    SOME(memory)->flags |= MEMORY_WIRED;
    return SOME(memory);
}

static void give_image(void) LOCKED {
    struct memory *arguments = nullptr;
    if (facts.image.end == facts.image.start) {
        log_print("kernel: no boot image: -initrd is missing\n");
        arch_stop(2);
    }
    must(memory_create(domain_root(), PAGE_SIZE, MEMORY_WIRED, 0, &arguments), "arguments");
    must(memory_write_wired(SOME(arguments), 0, facts.arguments, ARGUMENTS_SIZE), "arguments");
    supervisor_set_image(adopt_image(), SOME(arguments));
}

[[gnu::no_stack_protector]] static void set_canary(void) {
    (void)arch_random(&__stack_chk_guard);
    __stack_chk_guard &= ~(uint64_t)0xff; /* a text cannot hold it */
}

[[noreturn, gnu::no_stack_protector]] void boot_main(uint32_t start_info) {
    console_init();
    processor_detect();
    set_canary();
    kernel_lock_acquire();
    struct cpu *cpu = cpu_at(0);
    processor_init(cpu, 0);
    log_print("isotope\n");
    read_start_info(start_info);
    paging_init(&facts);
    log_print("kernel: %lu MiB of memory\n", (uint64_t)page_total() >> 8);
    if (!features.rdrand) {
        log_print("kernel: no RDRAND: random numbers come from the jitter of the clock\n");
    }
    struct machine_facts machine = {};
    acpi_read(facts.rsdp, &machine);
    apic_init(&machine);
    clock_init();
    scheduler_init(MAX(machine.apic_count, 1u));
    cpu->online = true;
    cpu->arch.apic = apic_identifier();
    must(domain_init_root(), "root domain");
    smp_start(&machine);
    give_image();
    supervisor_start(0);
    entry_begin(cpu);
}
