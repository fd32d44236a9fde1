/* Files of one process: stat, statm, command line, environment, limits. */
#include "idl/tty.h"
#include "lib/base/bytes.h"
#include "servers/procfs/procfs.h"

enum { NS_PER_TICK = 1000000000 / TICKS_PER_SECOND };

/* Bits of signal sets that stat and status show. */
struct signal_sets {
    uint64_t pending, blocked, ignored, caught;
};

/* Of the runtime's own memory: what it lies about is its own affair. */
static struct signal_sets signal_sets_of(const struct procfs *_Nonnull fs) {
    struct process_signal_page page = {};
    struct thread_slot first = {};
    struct signal_sets sets = {};
    uint64_t at = RUNTIME_STATE + offsetof(struct posix_process, threads);
    if (program_read(fs, RUNTIME_SIGNALS, &page, sizeof page) == STATUS_OK) {
        sets.pending = page.pending;
        sets.ignored = page.ignored;
        sets.caught = page.caught;
    }
    if (program_read(fs, at, &first, sizeof first) == STATUS_OK &&
        program_read(fs, first.area + offsetof(struct posix_thread, mask), &sets.blocked,
                     sizeof sets.blocked) != STATUS_OK) {
        sets.blocked = 0;
    }
    return sets;
}

/* Opens the process where it lives; a zombie has only what the tables say. */
static bool looks_into(struct procfs *_Nonnull fs, struct rt_request *_Nonnull request,
                       const struct subject *_Nonnull subject) {
    return subject->entry.state != PROCESS_LIFE_ENDED &&
           program_open(fs, request, subject) == STATUS_OK;
}

/* The group in the foreground of the process's terminal; -1: it has no terminal. */
static int64_t foreground_of(const struct procfs *_Nonnull fs, struct rt_request *_Nonnull request,
                             const struct process_table_entry *_Nonnull entry) {
    uint32_t group = 0;
    bool known = entry->terminal != 0 && fs->tty != HANDLE_NONE &&
                 tty_foreground_group_nested(SOME(request->context), STEP_FOREGROUND, fs->tty,
                                             entry->terminal, &group) == STATUS_OK;
    return known ? (int64_t)group : -1;
}

GENERATOR(file_stat) {
    struct process_description about = {};
    struct signal_sets sets = {};
    uint64_t stack = 0;
    uint64_t texts[3] = {};
    const struct process_table_entry *entry = &subject->entry;
    TRY(describe(fs, request, subject, &about));
    if (looks_into(fs, request, subject)) {
        sets = signal_sets_of(fs);
        status_t status = PROGRAM_FIELD(fs, stack, stack);
        status = status == STATUS_OK ? PROGRAM_FIELD(fs, argument_texts, texts[0]) : status;
        status = status == STATUS_OK ? PROGRAM_FIELD(fs, environment_texts, texts[1]) : status;
        status = status == STATUS_OK ? PROGRAM_FIELD(fs, texts_end, texts[2]) : status;
        (void)status; /* what cannot be read is 0, as Linux shows what it hides */
    }
    print(fs, "%u (%s) %c %u %u %u %u %ld 0 ", subject->number != 0 ? subject->number : entry->pid,
          program_name(fs, &about).text, program_state(fs, request, subject), entry->parent,
          entry->group, entry->session, entry->terminal, foreground_of(fs, request, entry));
    print(fs, "%lu %lu %lu %lu ", about.used.minor_faults, about.children.minor_faults,
          about.used.major_faults, about.children.major_faults);
    print(fs, "%lu %lu %lu %lu ", about.used.user_ns / NS_PER_TICK,
          about.used.system_ns / NS_PER_TICK, about.children.user_ns / NS_PER_TICK,
          about.children.system_ns / NS_PER_TICK);
    print(fs, "%d %d %u 0 %lu %lu %lu %lu ", 20 + about.nice, about.nice, about.threads,
          entry->started_ns / NS_PER_TICK, about.size, about.resident / PAGE_SIZE, UINT64_MAX);
    print(fs, "0 0 %lu 0 0 %lu %lu %lu %lu ", stack, sets.pending, sets.blocked, sets.ignored,
          sets.caught);
    print(fs, "0 0 0 %u 0 0 0 0 0 0 0 0 0 ", about.exit_signal);
    print(fs, "%lu %lu %lu %lu %u\n", texts[0], texts[1], texts[1], texts[2], about.exit_status);
    return STATUS_OK;
}

GENERATOR(file_statm) {
    struct process_description about = {};
    TRY(describe(fs, request, subject, &about));
    print(fs, "%lu %lu 0 0 0 %lu 0\n", about.size / PAGE_SIZE, about.resident / PAGE_SIZE,
          about.size / PAGE_SIZE);
    return STATUS_OK;
}

GENERATOR(file_comm) {
    struct process_description about = {};
    TRY(describe(fs, request, subject, &about));
    (void)looks_into(fs, request, subject);
    print(fs, "%s\n", program_name(fs, &about).text);
    return STATUS_OK;
}

/* Bytes of the process's memory, as many as there is room for. */
static status_t print_memory(struct procfs *_Nonnull fs, uint64_t from, uint64_t to) {
    size_t size =
        (size_t)MIN(to > from ? to - from : 0, (uint64_t)(sizeof fs->view.output - fs->text_size));
    if (size > 0) {
        TRY(program_read(fs, from, &fs->view.output[fs->text_size], size));
        fs->text_size += size;
    }
    return STATUS_OK;
}

GENERATOR(file_cmdline) {
    uint64_t from = 0;
    uint64_t to = 0;
    if (!looks_into(fs, request, subject)) {
        return STATUS_OK;
    }
    TRY(PROGRAM_FIELD(fs, argument_texts, from));
    TRY(PROGRAM_FIELD(fs, environment_texts, to));
    return print_memory(fs, from, to);
}

GENERATOR(file_environ) {
    uint64_t from = 0;
    uint64_t to = 0;
    TRY(may_look(fs, request, &subject->entry));
    if (!looks_into(fs, request, subject)) {
        return STATUS_OK;
    }
    TRY(PROGRAM_FIELD(fs, environment_texts, from));
    TRY(PROGRAM_FIELD(fs, texts_end, to));
    return print_memory(fs, from, to);
}

GENERATOR(file_auxv) {
    struct {
        uint64_t pairs[32][2];
    } vector = {};
    static_assert(sizeof vector == sizeof((struct posix_process *)nullptr)->auxiliary);
    TRY(may_look(fs, request, &subject->entry));
    if (!looks_into(fs, request, subject)) {
        return STATUS_OK;
    }
    TRY(PROGRAM_FIELD(fs, auxiliary, vector));
    size_t count = 0;
    while (count < ARRAY_LENGTH(vector.pairs) - 1 && vector.pairs[count][0] != 0) {
        count++;
    }
    print_bytes(fs, (struct rt_bytes){.size = (count + 1) * sizeof vector.pairs[0],
                                      .data = (const uint8_t *)&vector.pairs[0][0]});
    return STATUS_OK;
}

static void print_limit(struct procfs *_Nonnull fs, uint64_t value) {
    size_t start = fs->text_size;
    if (value == UINT64_MAX) {
        print(fs, "unlimited");
    } else {
        print(fs, "%lu", value);
    }
    while (fs->text_size - start < 21) {
        print(fs, " ");
    }
}

GENERATOR(file_limits) {
    static const char *const names[16][2] = {
        {"Max cpu time", "seconds"},     {"Max file size", "bytes"},
        {"Max data size", "bytes"},      {"Max stack size", "bytes"},
        {"Max core file size", "bytes"}, {"Max resident set", "bytes"},
        {"Max processes", "processes"},  {"Max open files", "files"},
        {"Max locked memory", "bytes"},  {"Max address space", "bytes"},
        {"Max file locks", "locks"},     {"Max pending signals", "signals"},
        {"Max msgqueue size", "bytes"},  {"Max nice priority", ""},
        {"Max realtime priority", ""},   {"Max realtime timeout", "us"}};
    uint64_t values[ARRAY_LENGTH(names)][2] = {};
    uint64_t size = 0;
    struct rt_buffer room = {.size = sizeof values, .data = (uint8_t *)&values[0][0]};
    TRY(process_limits_of_nested(SOME(request->context), STEP_LIMITS, fs->process_server,
                                 subject->entry.pid, room, &size));
    print(fs, "Limit                     Soft Limit           Hard Limit           Units     \n");
    for (size_t i = 0; i < ARRAY_LENGTH(names); i++) {
        print_padded(fs, names[i][0], 26);
        print_limit(fs, values[i][0]);
        print_limit(fs, values[i][1]);
        print_padded(fs, names[i][1], 10);
        print(fs, "\n");
    }
    return STATUS_OK;
}

GENERATOR(file_unsupported) {
    uint32_t other[2] = {};
    if (!looks_into(fs, request, subject)) {
        return STATUS_OK;
    }
    for (uint32_t number = 0; number < SYSCALL_LIMIT; number++) {
        uint32_t count = 0;
        uint64_t at = RUNTIME_STATE + offsetof(struct posix_process, unsupported) +
                      (uint64_t)number * sizeof count;
        TRY(program_read(fs, at, &count, sizeof count));
        if (count != 0) {
            print(fs, "%u %u\n", number, count);
        }
    }
    TRY(PROGRAM_FIELD(fs, unsupported_ioctl, other[0]));
    TRY(PROGRAM_FIELD(fs, unsupported_other, other[1]));
    print(fs, "ioctl %u\nother %u\n", other[0], other[1]);
    return STATUS_OK;
}

/* ---- status ---- */

static void print_ids(struct procfs *_Nonnull fs,
                      const struct process_principal_entry *_Nonnull who) {
    print(fs, "Uid:\t%u\t%u\t%u\t%u\n", who->uid, who->effective_uid, who->saved_uid,
          who->file_uid);
    print(fs, "Gid:\t%u\t%u\t%u\t%u\n", who->gid, who->effective_gid, who->saved_gid,
          who->file_gid);
    print(fs, "Groups:\t");
    for (uint32_t i = 0; i < who->group_count && i < ARRAY_LENGTH(who->groups); i++) {
        print(fs, "%u ", who->groups[i]);
    }
    print(fs, "\n");
}

static const char *_Nonnull state_name(char state) {
    switch (state) {
    case 'R':
        return "R (running)";
    case 'D':
        return "D (disk sleep)";
    case 'T':
        return "T (stopped)";
    case 'Z':
        return "Z (zombie)";
    default:
        return "S (sleeping)";
    }
}

GENERATOR(file_status) {
    struct process_description about = {};
    struct signal_sets sets = {};
    uint32_t umask = 0;
    const struct process_table_entry *entry = &subject->entry;
    const struct process_principal_entry *who =
        access_principal(&fs->view.principals, entry->principal);
    TRY(describe(fs, request, subject, &about));
    bool alive = looks_into(fs, request, subject);
    print(fs, "Name:\t%s\n", program_name(fs, &about).text);
    if (alive && PROGRAM_FIELD(fs, umask, umask) == STATUS_OK) {
        print(fs, "Umask:\t%c%c%c%c\n", '0', '0' + (char)(umask >> 6 & 7),
              '0' + (char)(umask >> 3 & 7), '0' + (char)(umask & 7));
        sets = signal_sets_of(fs);
    }
    print(fs, "State:\t%s\n", state_name(program_state(fs, request, subject)));
    print(fs, "Tgid:\t%u\nNgid:\t0\nPid:\t%u\nPPid:\t%u\nTracerPid:\t0\n", entry->pid,
          subject->number != 0 ? subject->number : entry->pid, entry->parent);
    if (who != nullptr) {
        print_ids(fs, SOME(who));
    }
    print(fs, "NStgid:\t%u\nNSpid:\t%u\nNSpgid:\t%u\nNSsid:\t%u\n", entry->pid, entry->pid,
          entry->group, entry->session);
    if (alive) {
        print(fs, "VmSize:\t%lu kB\nVmRSS:\t%lu kB\n", about.size / 1024, about.resident / 1024);
    }
    print(fs, "Threads:\t%u\n", alive ? about.threads : 1);
    print(fs, "ShdPnd:\t%016lx\nSigBlk:\t%016lx\nSigIgn:\t%016lx\nSigCgt:\t%016lx\n", sets.pending,
          sets.blocked, sets.ignored, sets.caught);
    if (who != nullptr) {
        print(fs, "CapInh:\t%016lx\nCapPrm:\t%016lx\nCapEff:\t%016lx\n", SOME(who)->inheritable,
              SOME(who)->permitted, SOME(who)->capabilities);
    }
    print(fs, "voluntary_ctxt_switches:\t%lu\nnonvoluntary_ctxt_switches:\t%lu\n",
          about.used.voluntary, about.used.involuntary);
    return STATUS_OK;
}
