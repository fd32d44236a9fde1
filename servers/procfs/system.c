/* Files that tell of the whole system. */
#include "lib/base/bytes.h"
#include "lib/base/format.h"
#include "posix/start.h"
#include "servers/procfs/average.h"
#include "servers/procfs/procfs.h"

enum { NS_PER_SECOND = 1000000000, NS_PER_TICK = NS_PER_SECOND / TICKS_PER_SECOND };

static status_t system_facts(struct system_info *_Nonnull out) {
    struct syscall_registers r = {
        .number = SYS_SYSTEM, .a = SYSTEM_INFO, .b = rt_address(out), .words = {sizeof *out}};
    rt_invoke(&r);
    return (status_t)(int32_t)(uint32_t)r.number;
}

GENERATOR(system_meminfo) {
    struct system_info info = {};
    (void)request;
    (void)subject;
    TRY(system_facts(&info));
    uint64_t unit = PAGE_SIZE / 1024;
    print(fs, "MemTotal:       %lu kB\n", info.total_pages * unit);
    print(fs, "MemFree:        %lu kB\n", info.free_pages * unit);
    print(fs, "MemAvailable:   %lu kB\n", info.free_pages * unit);
    print(fs, "Buffers:        0 kB\n");
    print(fs, "Cached:         %lu kB\n", info.cache_pages * unit);
    print(fs, "SwapTotal:      0 kB\nSwapFree:       0 kB\n");
    print(fs, "Slab:           %lu kB\n", info.kernel_pages * unit);
    return STATUS_OK;
}

static void print_seconds(struct procfs *_Nonnull fs, uint64_t ns) {
    uint64_t hundredths = ns / NS_PER_TICK;
    print(fs, "%lu.%02lu", hundredths / 100, hundredths % 100);
}

GENERATOR(system_uptime) {
    struct system_info info = {};
    (void)request;
    (void)subject;
    TRY(system_facts(&info));
    print_seconds(fs, rt_clock_ns());
    print(fs, " ");
    print_seconds(fs, info.idle_ns);
    print(fs, "\n");
    return STATUS_OK;
}

struct totals count_programs(struct procfs *_Nonnull fs, struct rt_request *_Nullable request) {
    struct totals totals = {};
    uint64_t own = request != nullptr ? SOME(request)->page->received.process_serial : 0;
    for (size_t i = 0; i < fs->processes.count; i++) {
        struct process_table_entry entry = access_process_at(&fs->processes, i);
        handle_t process = HANDLE_NONE;
        handle_t image = HANDLE_NONE;
        if (entry.serial == 0) {
            continue;
        }
        totals.processes++;
        totals.last_pid = MAX(totals.last_pid, entry.pid);
        totals.ready += entry.serial == own && own != 0 ? 1 : 0; /* it is in this very call */
        status_t status =
            request != nullptr
                ? process_open_process_nested(SOME(SOME(request)->context), STEP_EACH + (uint32_t)i,
                                              fs->process_server, entry.pid, &process, &image)
                : process_open_process(fs->process_server, entry.pid, &process, &image);
        if (status != STATUS_OK) {
            continue;
        }
        struct thread_counts counts = program_threads(process);
        totals.threads += counts.all;
        totals.ready += counts.ready;
        totals.paging += counts.paging;
        rt_handle_close(process);
        rt_handle_close(image);
    }
    return totals;
}

GENERATOR(system_loadavg) {
    const struct load_record *load = &fs->vault->load;
    (void)subject;
    for (size_t i = 0; i < ARRAY_LENGTH(load->averages); i++) {
        uint64_t hundredths = load->averages[i] * 100 / LOAD_ONE;
        print(fs, "%lu.%02lu ", hundredths / 100, hundredths % 100);
    }
    struct totals totals = count_programs(fs, request);
    print(fs, "%u/%u %u\n", totals.ready, totals.threads, totals.last_pid);
    return STATUS_OK;
}

/* All that is not idle is time of programs: servers are programs, too, and the kernel's share is
 * not told apart. */
static void print_processor(struct procfs *_Nonnull fs, const char *_Nonnull name, uint64_t busy_ns,
                            uint64_t idle_ns) {
    print(fs, "%s %lu 0 0 %lu 0 0 0 0 0 0\n", name, busy_ns / NS_PER_TICK, idle_ns / NS_PER_TICK);
}

GENERATOR(system_stat) {
    struct system_info info = {};
    (void)subject;
    TRY(system_facts(&info));
    struct totals totals = count_programs(fs, request);
    uint64_t now = rt_clock_ns();
    uint32_t processors = MAX(info.processors, 1u);
    uint64_t whole = now * processors;
    uint64_t busy = whole - MIN(info.idle_ns, whole);
    print_processor(fs, "cpu ", busy, info.idle_ns);
    for (uint32_t i = 0; i < processors; i++) {
        /* The kernel tells one sum: each processor's line shows its share of it. */
        char name[16] = {};
        format_text(name, sizeof name, "cpu%u", i);
        print_processor(fs, name, busy / processors, info.idle_ns / processors);
    }
    print(fs, "intr %lu\nctxt %lu\n", info.interrupts, info.switches);
    print(fs, "btime %lu\n", (rt_realtime_ns() - now) / NS_PER_SECOND);
    print(fs, "procs_running %u\nprocs_blocked %u\n", totals.ready, totals.paging);
    return STATUS_OK;
}

GENERATOR(system_version) {
    (void)request;
    (void)subject;
    print(fs, "Linux version " RUNTIME_RELEASE " (Isotope) " RUNTIME_SYSTEM_VERSION "\n");
    return STATUS_OK;
}

GENERATOR(system_cpuinfo) {
    struct system_info info = {};
    struct processor_name name = {};
    (void)request;
    (void)subject;
    TRY(system_facts(&info));
    processor_describe(&name);
    for (uint32_t i = 0; i < MAX(info.processors, 1u); i++) {
        print(fs, "processor\t: %u\nvendor_id\t: %s\ncpu family\t: %u\nmodel\t\t: %u\n", i,
              name.vendor, name.family, name.model);
        print(fs, "model name\t: %s\nstepping\t: %u\n\n", name.brand, name.stepping);
    }
    return STATUS_OK;
}

GENERATOR(system_filesystems) {
    (void)request;
    (void)subject;
    print(fs, "nodev\tramfs\nnodev\tproc\nnodev\tdevtmpfs\n");
    return STATUS_OK;
}

GENERATOR(system_cmdline) {
    handle_t arguments = rt_start_handle(fs->view.server, "arguments");
    struct memory_info info = {};
    char text[512] = {};
    (void)request;
    (void)subject;
    if (arguments == HANDLE_NONE) {
        return STATUS_OK;
    }
    TRY(rt_object_info(arguments, INFO_MEMORY, &info, sizeof info));
    TRY(rt_memory_copy(arguments, 0, rt_address(text), MIN(info.content_size, sizeof text - 1),
                       MEMORY_TO_CALLER));
    print(fs, "%s\n", text);
    return STATUS_OK;
}

GENERATOR(system_ostype) {
    (void)request;
    (void)subject;
    print(fs, "Linux\n");
    return STATUS_OK;
}

GENERATOR(system_osrelease) {
    (void)request;
    (void)subject;
    print(fs, RUNTIME_RELEASE "\n");
    return STATUS_OK;
}

GENERATOR(system_osversion) {
    (void)request;
    (void)subject;
    print(fs, RUNTIME_SYSTEM_VERSION "\n");
    return STATUS_OK;
}

GENERATOR(system_hostname) {
    uint8_t name[64] = {};
    uint64_t size = 0;
    (void)subject;
    TRY(process_host_name_nested(SOME(request->context), STEP_HOST, fs->process_server, false,
                                 (struct rt_bytes){}, RT_BUFFER_OF(name), &size));
    print_bytes(fs, (struct rt_bytes){.size = (size_t)MIN(size, sizeof name), .data = &name[0]});
    print(fs, "\n");
    return STATUS_OK;
}

/* The process server's PID_LIMIT. */
GENERATOR(system_pid_max) {
    (void)request;
    (void)subject;
    print(fs, "%u\n", (unsigned)PROCESS_PID_LIMIT);
    return STATUS_OK;
}

GENERATOR(system_ngroups_max) {
    (void)request;
    (void)subject;
    print(fs, "%u\n", (unsigned)ARRAY_LENGTH(((struct process_principal_entry *)nullptr)->groups));
    return STATUS_OK;
}

GENERATOR(system_cap_last_cap) {
    enum { LAST = 40 }; /* CAP_CHECKPOINT_RESTORE */
    (void)request;
    (void)subject;
    print(fs, "%u\n", (unsigned)LAST);
    return STATUS_OK;
}

/* A random UUID, another at each reading (RFC 4122, version 4). */
GENERATOR(system_uuid) {
    uint8_t bytes[16] = {};
    (void)request;
    (void)subject;
    TRY(rt_random(bytes, sizeof bytes));
    bytes[6] = (uint8_t)((bytes[6] & 0x0f) | 0x40);
    bytes[8] = (uint8_t)((bytes[8] & 0x3f) | 0x80);
    for (size_t i = 0; i < sizeof bytes; i++) {
        bool stroke = i == 4 || i == 6 || i == 8 || i == 10;
        print(fs, "%s%02x", stroke ? "-" : "", bytes[i]);
    }
    print(fs, "\n");
    return STATUS_OK;
}

/* Linux's numbers of system calls that programs asked for in vain, and how often. */
GENERATOR(system_unsupported) {
    enum { BATCH = 64 };
    uint64_t size = 0;
    uint8_t *counts = &fs->view.path[0]; /* free: the walk is over */
    static_assert(sizeof fs->view.path >= (PROCESS_UNSUPPORTED_OTHER + 1) * sizeof(uint32_t));
    struct rt_buffer room = {.size = (PROCESS_UNSUPPORTED_OTHER + 1) * sizeof(uint32_t),
                             .data = counts};
    (void)subject;
    TRY(process_lacks_nested(SOME(request->context), STEP_LACKS, fs->process_server, room, &size));
    for (uint32_t number = 0; number <= PROCESS_UNSUPPORTED_OTHER; number++) {
        uint32_t count = 0;
        bytes_copy(&count, &fs->view.path[(size_t)number * sizeof count], sizeof count);
        if (count != 0) {
            print(fs, "%u %u\n", number, count);
        }
    }
    return STATUS_OK;
}
