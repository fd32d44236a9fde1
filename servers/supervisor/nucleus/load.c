/* Loading a service's program: an ELF file of the boot image, linked at a fixed base and without
 * writable data, so its segments are mapped from the image itself and nothing is copied. */
#include "abi/boot.h"
#include "lib/base/bytes.h"
#include "servers/supervisor/table.h"

enum { SEGMENT_LIMIT = 16, ELF_LOAD = 1 };
enum { ELF_EXECUTE = 1, ELF_WRITE = 2, ELF_READ = 4 };

struct elf_header {
    uint8_t ident[16];
    uint16_t type, machine;
    uint32_t version;
    uint64_t entry, program_offset, section_offset;
    uint32_t flags;
    uint16_t header_size, program_size, program_count, section_size, section_count, names;
};
struct elf_segment {
    uint32_t type, flags;
    uint64_t offset, address, physical, file_size, memory_size, align;
};

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
    uint64_t end = 0;
    uint64_t address = 0;
    if (((segment->address | segment->offset) & (PAGE_SIZE - 1)) != 0 ||
        segment->file_size != segment->memory_size || (segment->flags & ELF_WRITE) != 0 ||
        ckd_add(&end, segment->offset, segment->file_size) || end > file->bytes.size) {
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
    if (!read_at(file->bytes, 0, &header, sizeof header) ||
        !bytes_equal(header.ident, "\177ELF\2\1", 6) || header.machine != 62 ||
        header.program_size != sizeof(struct elf_segment) || header.program_count > SEGMENT_LIMIT) {
        return STATUS_CORRUPT;
    }
    for (uint16_t i = 0; i < header.program_count; i++) {
        struct elf_segment segment;
        if (!read_at(file->bytes, header.program_offset + i * sizeof segment, &segment,
                     sizeof segment)) {
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
