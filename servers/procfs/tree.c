/* Names and nodes. */
#include "lib/base/bytes.h"
#include "lib/base/format.h"
#include "servers/procfs/procfs.h"

/* Parents are indices: of the root, of sys, of sys/kernel, of isotope. */
enum { ROOT = 0, SYS = 1, KERNEL = 2, RANDOM = 3, ISOTOPE = 4, SELF = 5, MOUNTS = 6 };
static const struct system_entry system_table[] = {
    {"", ROOT, VIEW_DIRECTORY | 0555, nullptr},
    {"sys", ROOT, VIEW_DIRECTORY | 0555, nullptr},
    {"kernel", SYS, VIEW_DIRECTORY | 0555, nullptr},
    {"random", KERNEL, VIEW_DIRECTORY | 0555, nullptr},
    {"isotope", ROOT, VIEW_DIRECTORY | 0555, nullptr},
    {"self", ROOT, VIEW_LINK | 0777, nullptr},
    {"mounts", ROOT, VIEW_LINK | 0777, nullptr},
    {"kmsg", ROOT, VIEW_FILE | 0400, nullptr}, /* opened by elsewhere.c, as are all without text */
    {"cmdline", ROOT, VIEW_FILE | 0444, system_cmdline},
    {"cpuinfo", ROOT, VIEW_FILE | 0444, system_cpuinfo},
    {"filesystems", ROOT, VIEW_FILE | 0444, system_filesystems},
    {"loadavg", ROOT, VIEW_FILE | 0444, system_loadavg},
    {"meminfo", ROOT, VIEW_FILE | 0444, system_meminfo},
    {"stat", ROOT, VIEW_FILE | 0444, system_stat},
    {"uptime", ROOT, VIEW_FILE | 0444, system_uptime},
    {"version", ROOT, VIEW_FILE | 0444, system_version},
    {"cap_last_cap", KERNEL, VIEW_FILE | 0444, system_cap_last_cap},
    {"hostname", KERNEL, VIEW_FILE | 0444, system_hostname},
    {"ngroups_max", KERNEL, VIEW_FILE | 0444, system_ngroups_max},
    {"osrelease", KERNEL, VIEW_FILE | 0444, system_osrelease},
    {"ostype", KERNEL, VIEW_FILE | 0444, system_ostype},
    {"pid_max", KERNEL, VIEW_FILE | 0444, system_pid_max},
    {"version", KERNEL, VIEW_FILE | 0444, system_osversion},
    {"uuid", RANDOM, VIEW_FILE | 0444, system_uuid},
    {"unsupported", ISOTOPE, VIEW_FILE | 0444, system_unsupported},
    {"services", ISOTOPE, VIEW_FILE | 0644, nullptr},
    {"reports", ISOTOPE, VIEW_FILE | 0400, nullptr},
};
static const struct process_entry process_table[] = {
    {"fd", NODE_DESCRIPTORS, VIEW_DIRECTORY | 0500, false, nullptr},
    {"task", NODE_TASKS, VIEW_DIRECTORY | 0555, false, nullptr},
    {"cwd", 0, VIEW_LINK | 0777, false, nullptr},
    {"exe", 0, VIEW_LINK | 0777, false, nullptr},
    {"root", 0, VIEW_LINK | 0777, false, nullptr},
    {"auxv", 0, VIEW_FILE | 0400, false, file_auxv},
    {"cmdline", 0, VIEW_FILE | 0444, false, file_cmdline},
    {"comm", 0, VIEW_FILE | 0444, true, file_comm},
    {"environ", 0, VIEW_FILE | 0400, false, file_environ},
    {"limits", 0, VIEW_FILE | 0444, false, file_limits},
    {"maps", 0, VIEW_FILE | 0444, false, file_maps},
    {"mountinfo", 0, VIEW_FILE | 0444, false, file_mountinfo},
    {"mounts", 0, VIEW_FILE | 0444, false, file_mounts},
    {"stat", 0, VIEW_FILE | 0444, true, file_stat},
    {"statm", 0, VIEW_FILE | 0444, false, file_statm},
    {"status", 0, VIEW_FILE | 0444, true, file_status},
    {"unsupported", 0, VIEW_FILE | 0444, false, file_unsupported},
};

struct system_entries system_entries(void) {
    return (struct system_entries){ARRAY_LENGTH(system_table), &system_table[0]};
}

struct process_entries process_entries(void) {
    return (struct process_entries){ARRAY_LENGTH(process_table), &process_table[0]};
}

static uint32_t file_at(uint32_t index) {
    uint32_t file = process_table[index].file;
    return file != 0 ? file : NODE_FILES + index;
}

/* The entry of a process's node; null: it is a directory with a number, or a descriptor. */
static const struct process_entry *_Nullable entry_of(uint64_t node) {
    for (uint32_t i = 0; i < ARRAY_LENGTH(process_table); i++) {
        if (file_at(i) == node_file(node)) {
            return &process_table[i];
        }
    }
    return nullptr;
}

status_t subject_of(const struct procfs *_Nonnull fs, uint64_t node, struct subject *_Nonnull out) {
    *out = (struct subject){.number = node_number(node)};
    for (size_t i = 0; node >> SERIAL_SHIFT != 0 && i < fs->processes.count; i++) {
        out->entry = access_process_at(&fs->processes, i);
        if (out->entry.serial != 0 &&
            node_of(out->entry.serial, 0, 0) == node >> SERIAL_SHIFT << SERIAL_SHIFT) {
            return STATUS_OK;
        }
    }
    return STATUS_NOT_FOUND;
}

/* ---- names ---- */

static bool is_named(const char *_Nonnull text, struct rt_bytes name) {
    return name.size > 0 && text_length(text, VIEW_NAME) == name.size &&
           bytes_equal(text, SOME(name.data), name.size);
}

/* A decimal number without leading zeros, below `limit`. */
static bool number_of(struct rt_bytes name, uint32_t limit, uint32_t *_Nonnull out) {
    uint32_t number = 0;
    if (name.size == 0 || name.size > 6 || (name.data[0] == '0' && name.size > 1)) {
        return false;
    }
    for (size_t i = 0; i < name.size; i++) {
        if (name.data[i] < '0' || name.data[i] > '9') {
            return false;
        }
        number = number * 10 + (name.data[i] - '0');
    }
    *out = number;
    return number < limit;
}

static bool has_thread(const struct procfs *_Nonnull fs, uint32_t tid) {
    for (uint32_t i = 0; i < THREAD_LIMIT; i++) {
        if (tid != 0 && program_thread(fs, i) == tid) {
            return true;
        }
    }
    return false;
}

static status_t find_in_system(struct procfs *_Nonnull fs, uint64_t directory, struct rt_bytes name,
                               uint64_t *_Nonnull out) {
    uint32_t number = 0;
    struct process_table_entry entry = {};
    if (directory == VIEW_ROOT && number_of(name, 1u << NUMBER_BITS, &number)) {
        REFUSE(!access_process_by_pid(&fs->processes, number, &entry), STATUS_NOT_FOUND);
        *out = node_of(entry.serial, NODE_PROCESS, 0);
        return STATUS_OK;
    }
    for (uint32_t i = 1; i < ARRAY_LENGTH(system_table); i++) {
        if (system_table[i].parent + 1 == node_number(directory) &&
            is_named(system_table[i].name, name)) {
            *out = node_of(0, 0, i + 1);
            return STATUS_OK;
        }
    }
    return STATUS_NOT_FOUND;
}

static status_t find(struct view *_Nonnull view, struct rt_request *_Nonnull request,
                     uint64_t directory, struct rt_bytes name, uint64_t *_Nonnull out) {
    struct procfs *fs = (struct procfs *)view;
    struct subject subject = {};
    uint32_t number = 0;
    if (directory >> SERIAL_SHIFT == 0) {
        return find_in_system(fs, directory, name, out);
    }
    TRY(subject_of(fs, directory, &subject));
    uint64_t serial = subject.entry.serial;
    uint32_t file = node_file(directory);
    if (file == NODE_DESCRIPTORS || file == NODE_TASKS) {
        REFUSE(!number_of(name, 1u << NUMBER_BITS, &number), STATUS_NOT_FOUND);
        TRY(program_open(fs, request, &subject));
        bool there = file == NODE_TASKS ? has_thread(fs, number)
                                        : program_descriptor(fs, number).handle != HANDLE_NONE;
        *out = node_of(serial, file == NODE_TASKS ? NODE_TASK : NODE_DESCRIPTOR, number);
        return there ? STATUS_OK : STATUS_NOT_FOUND;
    }
    for (uint32_t i = 0; i < ARRAY_LENGTH(process_table); i++) {
        bool here = file == NODE_PROCESS || (file == NODE_TASK && process_table[i].of_threads);
        if (here && is_named(process_table[i].name, name)) {
            *out = node_of(serial, file_at(i), subject.number);
            return STATUS_OK;
        }
    }
    return STATUS_NOT_FOUND;
}

/* ---- attributes ---- */

static status_t about(struct view *_Nonnull view, struct rt_request *_Nonnull request,
                      uint64_t node, struct stream_stat *_Nonnull out) {
    struct procfs *fs = (struct procfs *)view;
    struct subject subject = {};
    out->modify_ns = out->access_ns = out->change_ns = (int64_t)rt_realtime_ns();
    if (node >> SERIAL_SHIFT == 0) {
        REFUSE(node_number(node) == 0 || node_number(node) > ARRAY_LENGTH(system_table),
               STATUS_NOT_FOUND);
        out->mode = system_table[node_number(node) - 1].mode;
    } else {
        TRY(subject_of(fs, node, &subject));
        const struct process_entry *entry = entry_of(node);
        const struct process_principal_entry *who =
            access_principal(&view->principals, subject.entry.principal);
        uint32_t file = node_file(node);
        out->uid = who != nullptr ? who->effective_uid : 0;
        out->gid = who != nullptr ? who->effective_gid : 0;
        out->mode = entry != nullptr ? entry->mode : VIEW_DIRECTORY | 0555;
        if (file == NODE_DESCRIPTOR) {
            TRY(program_open(fs, request, &subject));
            struct fd_entry descriptor = program_descriptor(fs, subject.number);
            REFUSE(descriptor.handle == HANDLE_NONE, STATUS_NOT_FOUND);
            out->mode = VIEW_LINK;
            out->mode |= (descriptor.facts & STREAM_FACTS_FLAGS_READABLE) != 0 ? 0500u : 0;
            out->mode |= (descriptor.facts & STREAM_FACTS_FLAGS_WRITABLE) != 0 ? 0300u : 0;
        }
    }
    out->links = (out->mode & VIEW_KIND) == VIEW_DIRECTORY ? 2 : 1;
    return STATUS_OK;
}

static void name_it(struct view_entry *_Nonnull out, const char *_Nonnull name) {
    out->name_size = (uint32_t)text_length(name, VIEW_NAME);
    bytes_copy(out->name, name, out->name_size);
}

static void number_it(struct view_entry *_Nonnull out, uint32_t number) {
    out->name_size = (uint32_t)format_text((char *)&out->name[0], sizeof out->name, "%u", number);
}

static status_t parent(struct view *_Nonnull view, uint64_t node, struct view_entry *_Nonnull out) {
    const struct procfs *fs = (const struct procfs *)view;
    struct subject subject = {};
    *out = (struct view_entry){.mode = VIEW_DIRECTORY};
    if (node >> SERIAL_SHIFT == 0) {
        REFUSE(node_number(node) == 0 || node_number(node) > ARRAY_LENGTH(system_table),
               STATUS_NOT_FOUND);
        const struct system_entry *entry = &system_table[node_number(node) - 1];
        out->node = entry->parent + 1;
        name_it(out, entry->name);
        return STATUS_OK;
    }
    TRY(subject_of(fs, node, &subject));
    uint64_t serial = subject.entry.serial;
    const struct process_entry *entry = entry_of(node);
    if (entry != nullptr) {
        name_it(out, SOME(entry)->name);
        out->node = subject.number != 0 ? node_of(serial, NODE_TASK, subject.number)
                                        : node_of(serial, NODE_PROCESS, 0);
    } else if (node_file(node) == NODE_PROCESS) {
        number_it(out, subject.entry.pid);
        out->node = VIEW_ROOT;
    } else {
        number_it(out, subject.number);
        bool task = node_file(node) == NODE_TASK;
        out->node = node_of(serial, task ? NODE_TASKS : NODE_DESCRIPTORS, 0);
    }
    return STATUS_OK;
}

/* ---- listing ---- */

/* The process with the least pid above `behind`. */
static bool next_process(const struct procfs *_Nonnull fs, uint64_t behind,
                         struct process_table_entry *_Nonnull out) {
    bool found = false;
    for (size_t i = 0; i < fs->processes.count; i++) {
        struct process_table_entry entry = access_process_at(&fs->processes, i);
        if (entry.serial != 0 && entry.pid > behind && (!found || entry.pid < out->pid)) {
            *out = entry;
            found = true;
        }
    }
    return found;
}

/* Cookies: the index of a system file plus 1, then BEHIND_FILES + pid. */
static status_t next_in_system(const struct procfs *_Nonnull fs, uint64_t directory,
                               uint64_t *_Nonnull cookie, struct view_entry *_Nonnull out) {
    enum { BEHIND_FILES = 1000 };
    struct process_table_entry entry = {};
    for (uint64_t i = MAX(*cookie, UINT64_C(1)); i < ARRAY_LENGTH(system_table); i++) {
        if (system_table[i].parent + 1 == node_number(directory)) {
            *out = (struct view_entry){.node = i + 1, .mode = system_table[i].mode};
            name_it(out, system_table[i].name);
            *cookie = i + 1;
            return STATUS_OK;
        }
    }
    uint64_t behind = *cookie > BEHIND_FILES ? *cookie - BEHIND_FILES : 0;
    REFUSE(directory != VIEW_ROOT || !next_process(fs, behind, &entry), STATUS_OUT_OF_RANGE);
    *out =
        (struct view_entry){.node = node_of(entry.serial, NODE_PROCESS, 0), .mode = VIEW_DIRECTORY};
    number_it(out, entry.pid);
    *cookie = BEHIND_FILES + entry.pid;
    return STATUS_OK;
}

/* Cookies: the number plus 1. */
static status_t next_number(struct procfs *_Nonnull fs, struct rt_request *_Nonnull request,
                            const struct subject *_Nonnull subject, bool tasks,
                            uint64_t *_Nonnull cookie, struct view_entry *_Nonnull out) {
    TRY(program_open(fs, request, subject));
    uint64_t end = tasks ? THREAD_LIMIT : program_descriptor_end(fs);
    for (uint64_t i = *cookie; i < end; i++) {
        uint32_t number = (uint32_t)i;
        if (tasks) {
            number = program_thread(fs, (uint32_t)i);
        }
        if (tasks ? number == 0 : program_descriptor(fs, number).handle == HANDLE_NONE) {
            continue;
        }
        *out = (struct view_entry){
            .node = node_of(subject->entry.serial, tasks ? NODE_TASK : NODE_DESCRIPTOR, number),
            .mode = tasks ? VIEW_DIRECTORY : VIEW_LINK};
        number_it(out, number);
        *cookie = i + 1;
        return STATUS_OK;
    }
    return STATUS_OUT_OF_RANGE;
}

static status_t next(struct view *_Nonnull view, struct rt_request *_Nonnull request,
                     uint64_t directory, uint64_t *_Nonnull cookie,
                     struct view_entry *_Nonnull out) {
    struct procfs *fs = (struct procfs *)view;
    struct subject subject = {};
    uint32_t file = node_file(directory);
    if (directory >> SERIAL_SHIFT == 0) {
        return next_in_system(fs, directory, cookie, out);
    }
    TRY(subject_of(fs, directory, &subject));
    if (file == NODE_DESCRIPTORS || file == NODE_TASKS) {
        return next_number(fs, request, &subject, file == NODE_TASKS, cookie, out);
    }
    for (uint64_t i = *cookie; i < ARRAY_LENGTH(process_table); i++) {
        if (file == NODE_PROCESS || (file == NODE_TASK && process_table[i].of_threads)) {
            *out = (struct view_entry){
                .node = node_of(subject.entry.serial, file_at((uint32_t)i), subject.number),
                .mode = process_table[i].mode};
            name_it(out, process_table[i].name);
            *cookie = i + 1;
            return STATUS_OK;
        }
    }
    return STATUS_OUT_OF_RANGE;
}

const struct view_operations procfs_tree = {
    .find = find,
    .about = about,
    .parent = parent,
    .next = next,
    .target = link_target,
    .leads_to_object = link_leads_to_object,
    .object = link_object,
    .open = open_elsewhere,
    .refuses_names = STATUS_NOT_FOUND,
    .device = 4,
    .space_type = 0x9fa0, /* PROC_SUPER_MAGIC */
};
