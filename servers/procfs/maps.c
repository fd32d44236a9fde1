/* /proc/PID/maps: the kernel's list of mappings, with what the runtime knows of them. */
#include "lib/base/bytes.h"
#include "servers/procfs/procfs.h"

struct places {
    uint64_t heap_first, heap_end, stack;
};

static const char *_Nonnull name_of(const struct mapping_entry *_Nonnull entry,
                                    const struct places *_Nonnull places) {
    uint64_t end = entry->address + entry->length;
    if (entry->address >= RUNTIME_BASE && entry->address < RUNTIME_END) {
        return "[runtime]";
    }
    if (entry->address >= places->heap_first && entry->address < places->heap_end) {
        return "[heap]";
    }
    return entry->address <= places->stack && places->stack < end ? "[stack]" : "";
}

static void print_mapping(struct procfs *_Nonnull fs, const struct mapping_entry *_Nonnull entry,
                          const char *_Nonnull name) {
    uint32_t protection = entry->protection;
    size_t start = fs->text_size;
    print(fs, "%08lx-%08lx %c%c%c%c %08lx 00:00 0", entry->address, entry->address + entry->length,
          (protection & PROTECT_READ) != 0 ? 'r' : '-',
          (protection & PROTECT_WRITE) != 0 ? 'w' : '-',
          (protection & PROTECT_EXECUTE) != 0 ? 'x' : '-',
          (entry->flags & MAP_PRIVATE) != 0 || entry->memory_serial == 0 ? 'p' : 's',
          (entry->flags & MAP_PRIVATE) != 0 && entry->memory_tag == 0 ? 0 : entry->offset);
    if (text_length(name, 1) > 0) {
        enum { NAME_COLUMN = 73 };
        while (fs->text_size - start < NAME_COLUMN) {
            print(fs, " ");
        }
        print(fs, "%s", name);
    }
    print(fs, "\n");
}

GENERATOR(file_maps) {
    enum { BATCH = 8 };
    struct mapping_entry entries[BATCH] = {};
    struct places places = {};
    uint64_t cursor = 0;
    uint64_t count = 0;
    if (subject->entry.state == PROCESS_LIFE_ENDED) {
        return STATUS_OK;
    }
    TRY(may_look(fs, request, &subject->entry));
    TRY(program_open(fs, request, subject));
    TRY(PROGRAM_FIELD(fs, heap_first, places.heap_first));
    TRY(PROGRAM_FIELD(fs, heap_mapped, places.heap_end));
    TRY(PROGRAM_FIELD(fs, stack, places.stack));
    do {
        TRY(rt_object_list(fs->process, LIST_MAPPINGS, &entries[0], sizeof entries, &cursor,
                           &count));
        for (uint64_t i = 0; i < count && i < BATCH; i++) {
            print_mapping(fs, &entries[i], name_of(&entries[i], &places));
        }
    } while (count == BATCH);
    return STATUS_OK;
}
