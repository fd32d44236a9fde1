#pragma once
/* procfs. A node is
 *
 *   47…22: low bits of the process's serial, 0: none   21…15: enum node_file   14…0: number
 *
 * With no process the number is an index into the table of the system's files, plus 1. With a
 * process it is a descriptor, a thread's number, or 0.
 *
 * Invariants: (N1) nothing here is kept but the mounts (lib/view), the shared table of mounts (in
 * the keep) and the load averages; (N2) what lies in a program's memory is shown, never followed:
 * sizes and counts from there are bounded before use. */
#include "idl/process.h"
#include "idl/vfs.h"
#include "lib/view/view.h"
#include "posix/state.h"

enum {
    NUMBER_BITS = 15,
    FILE_BITS = 7,
    SERIAL_SHIFT = NUMBER_BITS + FILE_BITS,
    PROCFS_KEEP_MOUNTS = VIEW_KEEP_SLOTS,
    PROCFS_KEEP_SLOTS = VIEW_KEEP_SLOTS + 1,
    PROCFS_KEY_TICK = 1,
    TICKS_PER_SECOND = 100
};
/* What of a process a node is. */
enum node_file : uint32_t {
    NODE_PROCESS = 1,     /* /proc/PID */
    NODE_DESCRIPTORS = 2, /* /proc/PID/fd */
    NODE_TASKS = 3,       /* /proc/PID/task */
    NODE_TASK = 4,        /* /proc/PID/task/NUMBER */
    NODE_DESCRIPTOR = 5,  /* /proc/PID/fd/NUMBER */
    NODE_FILES = 16       /* + index into process_entries; NUMBER: of a thread */
};
/* Steps of the nested calls of one call. */
enum nested_step : uint32_t {
    STEP_OPEN = 1,
    STEP_DESCRIBE = 2,
    STEP_LIMITS = 3,
    STEP_HOST = 4,
    STEP_LACKS = 5,
    STEP_FOREGROUND = 6,
    STEP_ELSEWHERE = 6,
    STEP_EACH = 100
};

struct load_record {
    struct rt_record_header header;
    uint64_t averages[3]; /* of processors at work, times LOAD_ONE */
};
struct procfs_vault {
    struct view_vault view;
    struct load_record load;
};

/* The process that a call looks at. */
struct subject {
    struct process_table_entry entry;
    uint32_t number; /* thread or descriptor */
};

struct procfs {
    struct view view;
    const struct procfs_vault *_Nonnull vault;
    handle_t process_server;
    handle_t tty;   /* control session of the terminals, or HANDLE_NONE */
    handle_t files; /* control session of the root file system, or HANDLE_NONE */
    struct access_processes processes;
    size_t mounts_size;
    const uint8_t *_Nullable COUNTED_BY(mounts_size) mounts; /* struct vfs_mount_table and texts */
    /* Of the call in hand. */
    uint64_t looked_at; /* serial; 0: none yet */
    handle_t process, image;
    size_t text_size; /* in view.output */
    /* Of the averages. */
    handle_t tick;
};

typedef status_t (*generator_t)(struct procfs *_Nonnull fs, struct rt_request *_Nonnull request,
                                const struct subject *_Nonnull subject);
struct system_entry {
    const char *_Nonnull name;
    uint32_t parent; /* index */
    uint32_t mode;
    generator_t _Nullable generate;
};
struct process_entry {
    const char *_Nonnull name;
    uint32_t file; /* enum node_file; 0: NODE_FILES + index */
    uint32_t mode;
    bool of_threads; /* also in task/TID */
    generator_t _Nullable generate;
};
struct system_entries {
    size_t count;
    const struct system_entry *_Nonnull COUNTED_BY(count) at;
};
struct process_entries {
    size_t count;
    const struct process_entry *_Nonnull COUNTED_BY(count) at;
};
struct system_entries system_entries(void);
struct process_entries process_entries(void);

static inline uint64_t node_of(uint64_t serial, uint32_t file, uint32_t number) {
    uint64_t low = serial & ((UINT64_C(1) << (VIEW_NODE_BITS - SERIAL_SHIFT)) - 1);
    return low << SERIAL_SHIFT | (uint64_t)file << NUMBER_BITS | number;
}
static inline uint32_t node_file(uint64_t node) {
    return (uint32_t)(node >> NUMBER_BITS) & ((1u << FILE_BITS) - 1);
}
static inline uint32_t node_number(uint64_t node) {
    return (uint32_t)node & ((1u << NUMBER_BITS) - 1);
}

/* ---- tree.c ---- */
extern const struct view_operations procfs_tree;
/* The process of a node. Errors: NOT_FOUND: it is gone, or the node is the system's. */
status_t subject_of(const struct procfs *_Nonnull fs, uint64_t node, struct subject *_Nonnull out);

/* ---- links.c ---- */
status_t link_target(struct view *_Nonnull view, struct rt_request *_Nonnull request, uint64_t link,
                     size_t *_Nonnull size);
bool link_leads_to_object(struct view *_Nonnull view, struct rt_request *_Nonnull request,
                          uint64_t link);
status_t link_object(struct view *_Nonnull view, struct rt_request *_Nonnull request, uint64_t link,
                     handle_t *_Nonnull out);

/* ---- elsewhere.c: files that another server stands for ---- */
status_t open_elsewhere(struct view *_Nonnull view, struct rt_request *_Nonnull request,
                        uint64_t node, uint32_t how, handle_t *_Nonnull out);

/* ---- program.c ---- */
/* Opens the process for this call. Errors: NOT_FOUND: it has ended. */
status_t program_open(struct procfs *_Nonnull fs, struct rt_request *_Nonnull request,
                      const struct subject *_Nonnull subject);
void program_close(struct procfs *_Nonnull fs);
/* Copies from the opened process's memory. Errors: those of memory_copy; ABSENT never: CLOSED. */
status_t program_read(const struct procfs *_Nonnull fs, uint64_t address, void *_Nonnull to,
                      size_t size);
#define PROGRAM_FIELD(fs, name, to)                                                                \
    program_read((fs), RUNTIME_STATE + offsetof(struct posix_process, name), &(to), sizeof(to))
/* An entry of its descriptor table; handle HANDLE_NONE: free. */
struct fd_entry program_descriptor(const struct procfs *_Nonnull fs, uint32_t fd);
uint32_t program_descriptor_end(const struct procfs *_Nonnull fs);
/* Its threads' numbers; 0: free. */
uint32_t program_thread(const struct procfs *_Nonnull fs, uint32_t slot);
/* Its name as the program set it, NUL-terminated. */
struct program_name {
    char text[32];
};
struct program_name program_name(const struct procfs *_Nonnull fs,
                                 const struct process_description *_Nonnull about);
/* How many of its threads run or could, and how many wait for a page. */
struct thread_counts {
    uint32_t all, ready, paging;
};
struct thread_counts program_threads(handle_t process);
/* The letter of stat: R S D T Z. */
char program_state(struct procfs *_Nonnull fs, struct rt_request *_Nonnull request,
                   const struct subject *_Nonnull subject);
/* May the caller look into it (ptrace(2)'s rule)? Errors: no_access. */
status_t may_look(const struct procfs *_Nonnull fs, const struct rt_request *_Nonnull request,
                  const struct process_table_entry *_Nonnull entry);
status_t describe(struct procfs *_Nonnull fs, struct rt_request *_Nonnull request,
                  const struct subject *_Nonnull subject, struct process_description *_Nonnull out);

/* ---- text.c: view.output, which is what a read is answered from ---- */
[[gnu::format(printf, 2, 3)]] void print(struct procfs *_Nonnull fs, const char *_Nonnull text,
                                         ...);
void print_bytes(struct procfs *_Nonnull fs, struct rt_bytes bytes);
/* Text and spaces up to `width`. */
void print_padded(struct procfs *_Nonnull fs, const char *_Nonnull text, size_t width);

/* ---- generators ---- */
#define GENERATOR(name)                                                                            \
    status_t name(struct procfs *_Nonnull fs, struct rt_request *_Nonnull request,                 \
                  const struct subject *_Nonnull subject)
GENERATOR(file_stat);
GENERATOR(file_statm);
GENERATOR(file_status);
GENERATOR(file_cmdline);
GENERATOR(file_comm);
GENERATOR(file_environ);
GENERATOR(file_auxv);
GENERATOR(file_limits);
GENERATOR(file_maps);
GENERATOR(file_mounts);
GENERATOR(file_mountinfo);
GENERATOR(file_unsupported);
GENERATOR(system_meminfo);
GENERATOR(system_uptime);
GENERATOR(system_loadavg);
GENERATOR(system_stat);
GENERATOR(system_version);
GENERATOR(system_cpuinfo);
GENERATOR(system_filesystems);
GENERATOR(system_cmdline);
GENERATOR(system_ostype);
GENERATOR(system_osrelease);
GENERATOR(system_osversion);
GENERATOR(system_hostname);
GENERATOR(system_pid_max);
GENERATOR(system_ngroups_max);
GENERATOR(system_cap_last_cap);
GENERATOR(system_uuid);
GENERATOR(system_unsupported);

/* Threads of all programs that run or could. `request`: the call in hand; null: none is. */
struct totals {
    uint32_t processes, threads, ready, paging, last_pid;
};
struct totals count_programs(struct procfs *_Nonnull fs, struct rt_request *_Nullable request);

/* ---- load.c ---- */
void load_begin(struct procfs *_Nonnull fs);
void load_tick(struct procfs *_Nonnull fs);

/* ---- mounts.c ---- */
status_t mounts_take(void *_Nonnull server, struct rt_request *_Nonnull request,
                     const struct filesystem_take_mounts_in *_Nonnull in);
void mounts_begin(struct procfs *_Nonnull fs);

/* ---- arch/: the processor as it describes itself ---- */
struct processor_name {
    char vendor[16], brand[64];
    uint32_t family, model, stepping;
};
void processor_describe(struct processor_name *_Nonnull out);
