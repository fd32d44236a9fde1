/* Loading a service's program: an ELF file of the boot image, linked at a fixed base and without
 * writable data, so its segments are mapped from the image itself and nothing is copied. */
#include "abi/boot.h"
#include "lib/base/elf.h"
#include "servers/supervisor/table.h"

static bool read_at(struct image_bytes bytes, uint64_t offset, void *_Nonnull to, size_t size) {
    uint64_t end = 0;
    if (ckd_add(&end, offset, (uint64_t)size) || end > bytes.size) {
        return false;
    }
    bytes_copy(to, bytes_at_const(SOME(bytes.data), (size_t)offset), size);
    return true;
}

static status_t map_segment(const struct image_file *_Nonnull file,
                            const struct elf_segment *_Nonnull segment, handle_t process) {
    uint64_t address = 0;
    if (!elf_native_segment(segment, file->bytes.size)) {
        return STATUS_CORRUPT;
    }
    uint64_t length = (segment->memory_size + PAGE_SIZE - 1) & ~(uint64_t)(PAGE_SIZE - 1);
    uint32_t protection = PROTECT_READ | MAP_FIXED | MAP_NO_REPLACE |
                          ((segment->flags & ELF_EXECUTE) != 0 ? PROTECT_EXECUTE : 0u);
    return rt_map(process, segment->address, length, BOOT_HANDLE_IMAGE,
                  file->entry.offset + segment->offset, protection, &address);
}

status_t program_load(const struct supervisor *_Nonnull self,
                      const struct image_file *_Nonnull file, handle_t process,
                      uint64_t *_Nonnull out_entry, uint64_t *_Nonnull out_stack,
                      uint64_t *_Nonnull out_page) {
    (void)self;
    struct elf_header header;
    if (!read_at(file->bytes, 0, &header, sizeof header) || !elf_native(&header)) {
        return STATUS_CORRUPT;
    }
    for (uint16_t i = 0; i < header.segment_count; i++) {
        struct elf_segment segment;
        if (!read_at(file->bytes, header.segments + i * sizeof segment, &segment, sizeof segment)) {
            return STATUS_CORRUPT;
        }
        if (segment.type == ELF_LOAD && segment.memory_size > 0) {
            status_t status = map_segment(file, &segment, process);
            if (status != STATUS_OK) {
                return status;
            }
        }
    }
    uint64_t address = 0;
    *out_entry = header.entry;
    *out_stack = NATIVE_STACK_TOP;
    *out_page = NATIVE_THREAD_PAGE;
    return rt_map(process, NATIVE_STACK_TOP - NATIVE_STACK_SIZE, NATIVE_STACK_SIZE, 0, 0,
                  PROTECT_READ | PROTECT_WRITE | MAP_PRIVATE | MAP_FIXED, &address);
}
