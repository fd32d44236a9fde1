#include "kernel/object/boot.h"
#include "abi/boot.h"
#include "kernel/memory/space.h"
#include "kernel/object/domain.h"
#include "lib/base/elf.h"

enum { ENTRY_LIMIT = 256 };

static status_t find_supervisor(struct memory *_Nonnull image,
                                struct boot_entry *_Nonnull entry) LOCKED {
    struct boot_header header = {};
    TRY(memory_read_wired(image, 0, &header, sizeof header));
    REFUSE(!bytes_equal(header.magic, "ISOBOOT1", sizeof header.magic) ||
               header.entry_count > ENTRY_LIMIT,
           STATUS_CORRUPT);
    for (uint32_t i = 0; i < header.entry_count; i++) {
        TRY(memory_read_wired(image, sizeof header + i * sizeof *entry, entry, sizeof *entry));
        if ((entry->flags & BOOT_SUPERVISOR) != 0) {
            return STATUS_OK;
        }
    }
    return STATUS_CORRUPT;
}

/* Maps a segment straight from the image: like every program's, it holds no writable data. */
static status_t map_segment(struct memory *_Nonnull image, const struct boot_entry *_Nonnull file,
                            const struct elf_segment *_Nonnull segment,
                            struct space *_Nonnull space) LOCKED {
    uint64_t address = 0;
    REFUSE((file->offset & (PAGE_SIZE - 1)) != 0 || !elf_native_segment(segment, file->size),
           STATUS_CORRUPT);
    uint64_t length = (segment->memory_size + PAGE_SIZE - 1) & ~(uint64_t)(PAGE_SIZE - 1);
    uint32_t execute = (segment->flags & ELF_EXECUTE) != 0 ? PROTECT_EXECUTE : 0u;
    return space_map(space, segment->address, length, image,
                     (file->offset + segment->offset) >> PAGE_SHIFT, PROTECT_READ | execute,
                     MAP_NO_REPLACE, &address);
}

static status_t map_stack(struct space *_Nonnull space, uint64_t *_Nonnull out_stack) LOCKED {
    struct memory *memory = nullptr;
    uint64_t address = 0;
    status_t status = memory_create(space->object.domain, NATIVE_STACK_SIZE, 0, 0, &memory);
    if (status == STATUS_OK) {
        status = space_map(space, NATIVE_STACK_TOP - NATIVE_STACK_SIZE, NATIVE_STACK_SIZE, memory,
                           0, PROTECT_READ | PROTECT_WRITE, MAP_PRIVATE | MAP_NO_REPLACE, &address);
        object_release(&memory->object);
    }
    *out_stack = NATIVE_STACK_TOP;
    return status;
}

status_t boot_load_supervisor(struct memory *_Nonnull image, struct process *_Nonnull process,
                              uint64_t *_Nonnull out_entry, uint64_t *_Nonnull out_stack) {
    struct boot_entry file = {};
    struct elf_header header = {};
    TRY(find_supervisor(image, &file));
    TRY(memory_read_wired(image, file.offset, &header, sizeof header));
    REFUSE(!elf_native(&header) || header.segments > file.size, STATUS_CORRUPT);
    for (uint16_t i = 0; i < header.segment_count; i++) {
        struct elf_segment segment = {};
        TRY(memory_read_wired(image, file.offset + header.segments + i * sizeof segment, &segment,
                              sizeof segment));
        if (segment.type == ELF_LOAD && segment.memory_size > 0) {
            TRY(map_segment(image, &file, &segment, SOME(process->space)));
        }
    }
    *out_entry = header.entry;
    return map_stack(SOME(process->space), out_stack);
}
