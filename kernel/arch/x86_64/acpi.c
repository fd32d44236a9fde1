/* The one ACPI table that the kernel reads: the MADT (processors and interrupt controllers). All
 * else belongs to `devices`. Firmware tables are hostile: lengths are checked, values copied.
 * Source: ACPI specification 6.4, 5.2.5 and 5.2.12. */
#include "kernel/arch/x86_64/x86.h"
#include "kernel/debug/log.h"
#include "lib/base/bytes.h"

struct [[gnu::packed]] root_pointer {
    char signature[8];
    uint8_t checksum;
    char oem[6];
    uint8_t revision;
    uint32_t rsdt, length;
    uint64_t xsdt;
    uint8_t checksum2, reserved[3];
};
struct [[gnu::packed]] table_header {
    char signature[4];
    uint32_t length;
    uint8_t revision, checksum;
    char oem[6], oem_table[8];
    uint32_t oem_revision, creator, creator_revision;
};
struct [[gnu::packed]] madt_entry {
    uint8_t type, length;
    union [[gnu::packed]] {
        struct [[gnu::packed]] {
            uint8_t processor, apic;
            uint32_t flags;
        } local;
        struct [[gnu::packed]] {
            uint8_t id, reserved;
            uint32_t address, base;
        } io;
        struct [[gnu::packed]] {
            uint8_t bus, source;
            uint32_t line;
            uint16_t flags;
        } override;
        struct [[gnu::packed]] {
            uint16_t reserved;
            uint64_t address;
        } address;
    };
};
static_assert(sizeof(struct table_header) == 36 && sizeof(struct root_pointer) == 36);
enum madt_type : uint8_t { MADT_LOCAL = 0, MADT_IO = 1, MADT_OVERRIDE = 2, MADT_ADDRESS = 5 };
enum { TABLE_LIMIT = 65536, ROOT_LIMIT = 64, MADT_FIRST = 44 };

struct table {
    const void *_Nullable start;
    size_t length;
};

/* Copies from a table; false beyond its end. */
static bool read(const struct table *_Nonnull table, size_t offset, void *_Nonnull to,
                 size_t size) {
    if (table->start == nullptr || offset > table->length || size > table->length - offset) {
        return false;
    }
    bytes_copy(to, bytes_at_const(SOME(table->start), offset), size);
    return true;
}

static struct table map_table(uint64_t physical, struct table_header *_Nonnull header) LOCKED {
    struct table head = {paging_map_device(physical, sizeof *header), sizeof *header};
    if (!read(&head, 0, header, sizeof *header) || header->length < sizeof *header ||
        header->length > TABLE_LIMIT) {
        return (struct table){};
    }
    return (struct table){paging_map_device(physical, header->length), header->length};
}

static struct table find_madt(uint64_t rsdp) LOCKED {
    struct root_pointer pointer = {};
    struct table_header header = {};
    struct table first = {paging_map_device(rsdp, sizeof pointer), sizeof pointer};
    if (!read(&first, 0, &pointer, sizeof pointer) ||
        !bytes_equal(pointer.signature, "RSD PTR ", sizeof pointer.signature)) {
        return (struct table){};
    }
    bool wide = pointer.revision >= 2 && pointer.xsdt != 0;
    struct table root = map_table(wide ? pointer.xsdt : pointer.rsdt, &header);
    size_t size = wide ? sizeof(uint64_t) : sizeof(uint32_t);
    for (size_t i = 0; i < ROOT_LIMIT; i++) {
        uint64_t address = 0;
        if (!read(&root, sizeof header + i * size, &address, size)) {
            break;
        }
        struct table table = map_table(address, &header);
        if (bytes_equal(header.signature, "APIC", sizeof header.signature)) {
            return table;
        }
    }
    return (struct table){};
}

static void take_entry(const struct madt_entry *_Nonnull entry,
                       struct machine_facts *_Nonnull out) {
    switch (entry->type) {
    case MADT_LOCAL:
        if ((entry->local.flags & 1) != 0 && out->apic_count < CPU_LIMIT) {
            out->apics[out->apic_count++] = entry->local.apic;
        }
        break;
    case MADT_IO:
        if (out->io_apic == 0) {
            out->io_apic = entry->io.address;
            out->io_apic_base = entry->io.base;
        }
        break;
    case MADT_OVERRIDE:
        if (entry->override.source < OVERRIDE_LIMIT) {
            out->overrides[entry->override.source].line = entry->override.line;
            out->overrides[entry->override.source].low = (entry->override.flags & 3) == 3;
            out->overrides[entry->override.source].level = (entry->override.flags >> 2 & 3) == 3;
        }
        break;
    case MADT_ADDRESS:
        out->local_apic = entry->address.address;
        break;
    default:
        break;
    }
}

void acpi_read(uint64_t rsdp, struct machine_facts *_Nonnull out) {
    for (uint32_t i = 0; i < OVERRIDE_LIMIT; i++) {
        out->overrides[i].line = i;
    }
    out->local_apic = 0xfee00000;
    struct table madt = rsdp != 0 ? find_madt(rsdp) : (struct table){};
    uint32_t local = 0;
    if (read(&madt, sizeof(struct table_header), &local, sizeof local)) {
        out->local_apic = local;
    }
    size_t at = MADT_FIRST;
    uint8_t head[2] = {};
    while (read(&madt, at, head, sizeof head) && head[1] >= sizeof head) {
        struct madt_entry entry = {};
        if (read(&madt, at, &entry, MIN((size_t)head[1], sizeof entry))) {
            take_entry(&entry, out);
        }
        at += head[1];
    }
    if (out->io_apic == 0) {
        log_print("kernel: no MADT: one processor, no device interrupts\n");
    }
}
