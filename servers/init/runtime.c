/* The POSIX runtime: out of the boot image, laid out by pages, into a process. */
#include "abi/boot.h"
#include "lib/base/bytes.h"
#include "servers/init/init.h"

struct elf_segment {
    uint32_t type, flags;
    uint64_t offset, address, physical, file_size, memory_size, align;
};

static void copy_image(struct rt_server *_Nonnull server, handle_t image,
                       const struct boot_entry *_Nonnull entry, struct runtime *_Nonnull out) {
    uint8_t header[64];
    uint64_t mapped = 0;
    uint64_t offset = 0;
    uint16_t count = 0;
    uint64_t size = (entry->size + PAGE_SIZE - 1) & ~(uint64_t)(PAGE_SIZE - 1);
    init_must(server, rt_map(0, 0, size, image, entry->offset, PROTECT_READ, &mapped), "runtime");
    const void *file = rt_pointer(mapped);
    bytes_copy(header, file, sizeof header);
    bytes_copy(&offset, &header[32], sizeof offset);
    bytes_copy(&count, &header[56], sizeof count);
    init_must(server,
              rt_object_create(OBJECT_MEMORY, 0, RUNTIME_IMAGE_LIMIT, 0, 0, 0, &out->memory),
              "runtime memory");
    for (uint16_t i = 0; i < count; i++) {
        struct elf_segment segment;
        uint64_t at = offset + i * sizeof segment;
        init_must(server, at + sizeof segment <= entry->size ? STATUS_OK : STATUS_CORRUPT,
                  "runtime");
        bytes_copy(&segment, bytes_at_const(file, (size_t)at), sizeof segment);
        uint64_t end = 0;
        bool fits = !ckd_add(&end, segment.offset, segment.file_size) && end <= entry->size;
        init_must(server, fits ? STATUS_OK : STATUS_CORRUPT, "runtime segment");
        init_must(server,
                  rt_memory_copy(out->memory, segment.address - RUNTIME_BASE,
                                 mapped + segment.offset, segment.file_size, MEMORY_FROM_CALLER),
                  "runtime segment");
        if (i == 0) {
            out->code_size = (segment.memory_size + PAGE_SIZE - 1) & ~(uint64_t)(PAGE_SIZE - 1);
            bytes_copy(&out->header, bytes_at_const(file, (size_t)segment.offset),
                       sizeof out->header);
        }
    }
    init_must(server, rt_unmap(0, mapped, size), "unmap");
}

void init_runtime_load(struct rt_server *_Nonnull server, struct runtime *_Nonnull out) {
    handle_t image = rt_start_handle(server, "image");
    struct boot_header header = {};
    init_must(server,
              rt_memory_copy(image, 0, rt_address(&header), sizeof header, MEMORY_TO_CALLER),
              "boot image");
    for (uint32_t i = 0; i < header.entry_count; i++) {
        struct boot_entry entry = {};
        init_must(server,
                  rt_memory_copy(image, sizeof header + i * sizeof entry, rt_address(&entry),
                                 sizeof entry, MEMORY_TO_CALLER),
                  "boot image");
        if (entry.kind == BOOT_RUNTIME) {
            copy_image(server, image, &entry, out);
            init_must(server, out->header.magic == RUNTIME_MAGIC ? STATUS_OK : STATUS_CORRUPT,
                      "runtime header");
            return;
        }
    }
    init_must(server, STATUS_NOT_FOUND, "no runtime in the boot image");
}
