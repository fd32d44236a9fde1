/* See elf.h. */
#include "posix/elf.h"
#include "abi/object.h"
#include "abi/syscall.h"
#include "posix/layout.h"

enum {
    CLASS_64 = 2,
    LITTLE_ENDIAN_DATA = 1,
    INTERPRETER_LIMIT = 4096,
};
#define PAGE_MASK (~(uint64_t)(PAGE_SIZE - 1))

int64_t elf_check(const struct elf_header *_Nonnull header, uint64_t file_bytes) {
    static const uint8_t magic[4] = {0x7f, 'E', 'L', 'F'};
    for (size_t i = 0; i < sizeof magic; i++) {
        if (file_bytes < sizeof *header || header->identity[i] != magic[i]) {
            return -ENOEXEC;
        }
    }
    bool ours = (header->type == ELF_EXECUTABLE || header->type == ELF_SHARED) &&
                header->machine == ELF_MACHINE_X86_64 && header->identity[4] == CLASS_64 &&
                header->identity[5] == LITTLE_ENDIAN_DATA;
    bool table = header->segment_size == sizeof(struct elf_segment) && header->segment_count > 0 &&
                 header->segment_count <= ELF_SEGMENT_LIMIT;
    uint64_t end = 0;
    if (!ours || !table ||
        ckd_add(&end, header->segments,
                (uint64_t)header->segment_count * sizeof(struct elf_segment)) ||
        (int64_t)end < 0) {
        return -ENOEXEC;
    }
    return 0;
}

static uint32_t protection_of(uint32_t flags) {
    return ((flags & (ELF_READ | ELF_WRITE | ELF_EXECUTE)) != 0 ? PROTECT_READ : 0) |
           ((flags & ELF_WRITE) != 0 ? PROTECT_WRITE : 0) |
           ((flags & ELF_EXECUTE) != 0 ? PROTECT_EXECUTE : 0);
}

/* The mapping of one segment. -EFAULT: impossible. */
static int64_t map_of(const struct elf_segment *_Nonnull segment, struct elf_map *_Nonnull out) {
    uint64_t file_end = 0;
    uint64_t memory_end = 0;
    uint64_t offset_end = 0;
    uint64_t within = segment->address & (PAGE_SIZE - 1);
    if (segment->file_size > segment->memory_size ||
        (segment->offset & (PAGE_SIZE - 1)) != within ||
        ckd_add(&memory_end, segment->address, segment->memory_size) || memory_end > PROGRAM_END ||
        segment->memory_size == 0 || ckd_add(&offset_end, segment->offset, segment->file_size) ||
        (int64_t)offset_end < 0) {
        return -EFAULT;
    }
    file_end = segment->address + segment->file_size;
    *out = (struct elf_map){
        .address = segment->address & PAGE_MASK,
        .offset = segment->offset & PAGE_MASK,
        .protection = protection_of(segment->flags),
    };
    uint64_t pages_end = (memory_end + PAGE_SIZE - 1) & PAGE_MASK;
    /* Linux zeroes the rest of the last page only of what can be written; a read-only segment keeps
     * the file's bytes there. */
    bool tail = segment->memory_size > segment->file_size && (file_end & (PAGE_SIZE - 1)) != 0;
    if (tail) {
        out->tail_address = file_end & PAGE_MASK;
        out->tail_offset = out->offset + (out->tail_address - out->address);
        out->tail_length = file_end - out->tail_address;
        out->length = out->tail_address - out->address;
        out->zero_address = out->tail_address + PAGE_SIZE;
    } else {
        uint64_t whole = (file_end + PAGE_SIZE - 1) & PAGE_MASK;
        out->length = segment->file_size == 0 ? 0 : whole - out->address;
        out->zero_address = out->address + out->length;
    }
    out->zero_length = pages_end > out->zero_address ? pages_end - out->zero_address : 0;
    return 0;
}

static uint64_t map_end(const struct elf_map *_Nonnull map) {
    uint64_t end = map->address + map->length;
    end = map->tail_length > 0 ? MAX(end, map->tail_address + PAGE_SIZE) : end;
    return map->zero_length > 0 ? map->zero_address + map->zero_length : end;
}

/* The address at which the file's bytes from `offset` on are mapped; 0: nowhere. */
static uint64_t address_of(const struct elf_segment *_Nonnull segment, uint64_t offset) {
    bool inside = segment->type == ELF_LOAD && offset >= segment->offset &&
                  offset - segment->offset < segment->file_size;
    return inside ? segment->address + (offset - segment->offset) : 0;
}

static int64_t add_load(const struct elf_header *_Nonnull header,
                        const struct elf_segment *_Nonnull segment, struct elf_plan *_Nonnull out) {
    if (segment->memory_size == 0) {
        return 0;
    }
    if (out->map_count == ELF_MAP_LIMIT) {
        return -ENOEXEC;
    }
    struct elf_map *map = &out->maps[out->map_count];
    int64_t error = map_of(segment, map);
    if (error != 0) {
        return error;
    }
    out->map_count++;
    out->first = MIN(out->first, map->address);
    out->end = MAX(out->end, map_end(map));
    uint64_t power = segment->alignment;
    if (power != 0 && (power & (power - 1)) == 0 && power <= 1ull << 32) {
        out->alignment = MAX(out->alignment, power);
    }
    if (out->headers == 0) {
        out->headers = address_of(segment, header->segments);
    }
    return 0;
}

int64_t elf_plan_make(const struct elf_header *_Nonnull header,
                      const struct elf_segment (*_Nonnull segments)[ELF_SEGMENT_LIMIT],
                      struct elf_plan *_Nonnull out) {
    int64_t error = 0;
    *out = (struct elf_plan){.entry = header->entry,
                             .first = UINT64_MAX,
                             .alignment = PAGE_SIZE,
                             .segment_count = header->segment_count,
                             .fixed = header->type == ELF_EXECUTABLE};
    for (uint32_t i = 0; i < header->segment_count && i < ELF_SEGMENT_LIMIT; i++) {
        const struct elf_segment *segment = &(*segments)[i];
        switch (segment->type) {
        case ELF_INTERPRETER:
            if (out->interpreter_size != 0) {
                break;
            }
            if (segment->file_size < 2 || segment->file_size > INTERPRETER_LIMIT) {
                return -ENOEXEC;
            }
            out->interpreter_offset = segment->offset;
            out->interpreter_size = segment->file_size;
            break;
        case ELF_GNU_STACK:
            out->executable_stack = (segment->flags & ELF_EXECUTE) != 0;
            break;
        case ELF_LOAD:
            /* what cannot be mapped kills later; what is no program at all is told now */
            error = error != 0 ? error : add_load(header, segment, out);
            break;
        default:
            break;
        }
    }
    if (error == 0 && out->map_count == 0) {
        out->first = 0;
    }
    if (error == 0 && out->fixed && out->map_count > 0 && out->first < PROGRAM_FIRST) {
        error = -EFAULT;
    }
    return error;
}

static bool is_blank(uint8_t c) {
    return c == ' ' || c == '\t';
}

bool script_parse(const uint8_t (*_Nonnull text)[256], size_t size,
                  struct script_line *_Nonnull out) {
    *out = (struct script_line){};
    if (size < 2 || (*text)[0] != '#' || (*text)[1] != '!') {
        return false;
    }
    size_t end = 2;
    while (end < size && end < sizeof *text && (*text)[end] != '\n' && (*text)[end] != '\0') {
        end++;
    }
    bool cut = end == sizeof *text; /* the line is longer than what Linux reads */
    while (end > 2 && is_blank((*text)[end - 1])) {
        end--;
    }
    size_t at = 2;
    while (at < end && is_blank((*text)[at])) {
        at++;
    }
    out->interpreter = at;
    while (at < end && !is_blank((*text)[at])) {
        at++;
    }
    out->interpreter_size = at - out->interpreter;
    if (out->interpreter_size == 0 || (cut && at == end)) {
        return false;
    }
    while (at < end && is_blank((*text)[at])) {
        at++;
    }
    out->argument = at;
    out->argument_size = end - at;
    return true;
}
