/* /proc/PID/maps: the kernel's list of mappings, with what the runtime and the file system know of
 * them. */
#include "idl/filesystem.h"
#include "lib/base/bytes.h"
#include "posix/start.h"
#include "servers/procfs/procfs.h"

struct places {
    uint64_t heap_first, heap_end, stack;
    uint64_t vdso, vdso_end; /* within the runtime's image */
};

/* The file of the mapping before: most files are mapped in several pieces, one behind the other. */
struct named_file {
    uint64_t serial; /* of its Memory; 0: none yet */
    uint64_t device, inode;
    size_t size; /* of its path in view.target; 0: it has none */
    uint32_t asked;
};

/* Asks the file system whose the Memory is. What it does not know is shown without a name. */
static void name_file(struct procfs *_Nonnull fs, struct rt_request *_Nonnull request,
                      const struct mapping_entry *_Nonnull entry,
                      struct named_file *_Nonnull file) {
    uint64_t size = 0;
    if (entry->memory_serial == file->serial) {
        return;
    }
    *file = (struct named_file){.serial = entry->memory_serial, .asked = file->asked};
    if (entry->memory_tag == 0 || fs->files == HANDLE_NONE) {
        return;
    }
    status_t status = filesystem_name_memory_nested(
        SOME(request->context), STEP_EACH + file->asked++, fs->files, entry->memory_tag,
        entry->memory_serial, &file->device, &file->inode, RT_BUFFER_OF(fs->view.target), &size);
    if (status == STATUS_OK) {
        file->size = (size_t)MIN(size, (uint64_t)sizeof fs->view.target);
    }
}

static const char *_Nonnull name_of(const struct mapping_entry *_Nonnull entry,
                                    const struct places *_Nonnull places) {
    uint64_t end = entry->address + entry->length;
    if (entry->address >= RUNTIME_BASE && entry->address < RUNTIME_END) {
        return entry->address >= places->vdso && end <= places->vdso_end ? "[vdso]" : "[runtime]";
    }
    if (entry->address >= places->heap_first && entry->address < places->heap_end) {
        return "[heap]";
    }
    return entry->address <= places->stack && places->stack < end ? "[stack]" : "";
}

static void print_mapping(struct procfs *_Nonnull fs, const struct mapping_entry *_Nonnull entry,
                          const struct named_file *_Nonnull file,
                          const struct places *_Nonnull places) {
    uint32_t protection = entry->protection;
    size_t start = fs->text_size;
    const char *name = file->size > 0 ? "" : name_of(entry, places);
    print(fs, "%08lx-%08lx %c%c%c%c %08lx %02lx:%02lx %lu", entry->address,
          entry->address + entry->length, (protection & PROTECT_READ) != 0 ? 'r' : '-',
          (protection & PROTECT_WRITE) != 0 ? 'w' : '-',
          (protection & PROTECT_EXECUTE) != 0 ? 'x' : '-',
          (entry->flags & MAP_PRIVATE) != 0 || entry->memory_serial == 0 ? 'p' : 's',
          file->size > 0 ? entry->offset : 0, file->device >> 8, file->device & 0xff, file->inode);
    if (file->size > 0 || text_length(name, 1) > 0) {
        enum { NAME_COLUMN = 73 };
        while (fs->text_size - start < NAME_COLUMN) {
            print(fs, " ");
        }
        print(fs, "%s", name);
        print_bytes(fs, (struct rt_bytes){.size = file->size, .data = &fs->view.target[0]});
    }
    print(fs, "\n");
}

/* One mapping as lines: the runtime's image holds the vDSO, which has a line of its own. */
static void print_pieces(struct procfs *_Nonnull fs, const struct mapping_entry *_Nonnull entry,
                         const struct named_file *_Nonnull file,
                         const struct places *_Nonnull places) {
    const uint64_t cuts[] = {places->vdso, places->vdso_end, UINT64_MAX};
    struct mapping_entry piece = *entry;
    uint64_t end = entry->address + entry->length;
    for (size_t i = 0; i < ARRAY_LENGTH(cuts) && piece.address < end; i++) {
        uint64_t cut = MIN(cuts[i], end);
        if (cut > piece.address) {
            piece.length = cut - piece.address;
            print_mapping(fs, &piece, file, places);
            piece.offset += piece.length;
            piece.address = cut;
        }
    }
}

/* Where things lie, as the runtime has it; the image of the runtime itself no program can change.
 */
static status_t find_places(const struct procfs *_Nonnull fs, struct places *_Nonnull out) {
    struct runtime_header header = {};
    TRY(PROGRAM_FIELD(fs, heap_first, out->heap_first));
    TRY(PROGRAM_FIELD(fs, heap_mapped, out->heap_end));
    TRY(PROGRAM_FIELD(fs, stack, out->stack));
    TRY(program_read(fs, RUNTIME_BASE, &header, sizeof header));
    bool sound = header.vdso > RUNTIME_BASE && header.vdso <= header.vdso_end &&
                 header.vdso_end <= RUNTIME_BASE + RUNTIME_IMAGE_LIMIT &&
                 ((header.vdso | header.vdso_end) & (PAGE_SIZE - 1)) == 0;
    out->vdso = sound ? header.vdso : 0;
    out->vdso_end = sound ? header.vdso_end : 0;
    return STATUS_OK;
}

GENERATOR(file_maps) {
    enum { BATCH = 8 };
    struct mapping_entry entries[BATCH] = {};
    struct places places = {};
    struct named_file file = {};
    uint64_t cursor = 0;
    uint64_t count = 0;
    if (subject->entry.state == PROCESS_LIFE_ENDED) {
        return STATUS_OK;
    }
    TRY(may_look(fs, request, &subject->entry));
    TRY(program_open(fs, request, subject));
    TRY(find_places(fs, &places));
    do {
        TRY(rt_object_list(fs->process, LIST_MAPPINGS, &entries[0], sizeof entries, &cursor,
                           &count));
        for (uint64_t i = 0; i < count && i < BATCH; i++) {
            name_file(fs, request, &entries[i], &file);
            print_pieces(fs, &entries[i], &file, &places);
        }
    } while (count == BATCH);
    return STATUS_OK;
}
