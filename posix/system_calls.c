/* Small calls about the system and this process: uname, sysinfo, getrandom, prctl, arch_prctl,
 * scheduling. */
#include "idl/process.h"
#include "idl/tty.h"
#include "lib/base/bytes.h"
#include "posix/errors.h"
#include "posix/identity.h"
#include "posix/native.h"
#include "posix/start.h"
#include "posix/syscalls.h"
#include "posix/user.h"

enum {
    NS_PER_SECOND = 1000000000,
    RANDOM_PIECE = 256,
    HOST_NAME_MAX = 64,
};

#define COPY_TEXT(to, text) bytes_copy((to), (text), sizeof(text))

LINUX(uname) {
    struct linux_utsname *names = (void *)&self->scratch;
    uint64_t size = 0;
    static_assert(sizeof *names <= sizeof self->scratch);
    bytes_zero(names, sizeof *names);
    COPY_TEXT(names->system, "Linux");
    COPY_TEXT(names->release, RUNTIME_RELEASE);
    COPY_TEXT(names->version, RUNTIME_SYSTEM_VERSION);
    COPY_TEXT(names->machine, "x86_64");
    COPY_TEXT(names->domain, "(none)");
    uint8_t node[HOST_NAME_MAX] = {};
    status_t status = process_host_name(self->process->process, false, (struct rt_bytes){},
                                        RT_BUFFER_OF(node), &size);
    if (status != STATUS_OK) {
        return error_of_process(status);
    }
    bytes_copy(names->node, node, (size_t)MIN(size, (uint64_t)HOST_NAME_MAX));
    return user_write(frame->rdi, names, sizeof *names);
}

LINUX(sethostname) {
    uint64_t size = 0;
    uint8_t old[HOST_NAME_MAX] = {};
    if ((int32_t)frame->rsi < 0 || frame->rsi > HOST_NAME_MAX) {
        return -EINVAL;
    }
    return error_of_process(process_host_name(self->process->process, true,
                                              user_bytes(frame->rdi, frame->rsi), RT_BUFFER_OF(old),
                                              &size));
}

/* What programs wrote to the console is sent before the machine ends. */
static void drain_console(struct posix_thread *_Nonnull self) {
    handle_t console = HANDLE_NONE;
    if (tty_open(self->process->tty, 0, true, &console) == STATUS_OK) {
        (void)tty_drain(console, true, false); /* a signal may cut it short */
        handle_close(console);
    }
}

LINUX(reboot) {
    enum : uint32_t {
        MAGIC = 0xfee1dead,
        RESTART = 0x1234567,
        HALT = 0xcdef0123,
        POWER_OFF = 0x4321fedc,
        KEYS_ON = 0x89abcdef,
        KEYS_OFF = 0
    };
    static const uint32_t second[] = {672274793, 85072278, 369367448, 537993216};
    uint32_t command = (uint32_t)frame->rdx;
    bool known = false;
    for (size_t i = 0; i < ARRAY_LENGTH(second); i++) {
        known = known || (uint32_t)frame->rsi == second[i];
    }
    if ((uint32_t)frame->rdi != MAGIC || !known) {
        return -EINVAL;
    }
    if (command == KEYS_ON || command == KEYS_OFF) {
        return facts_credentials(self).effective_uid == 0 ? 0 : -EPERM;
    }
    if (command != RESTART && command != HALT && command != POWER_OFF) {
        return -EINVAL;
    }
    drain_console(self);
    return error_of_process(process_power(
        self->process->process, command == RESTART ? PROCESS_POWER_RESTART : PROCESS_POWER_OFF));
}

LINUX(sysinfo) {
    struct system_info info = {};
    (void)self;
    struct native_result got = NATIVE(SYS_SYSTEM, SYSTEM_INFO, (uintptr_t)&info, sizeof info);
    if (got.status != STATUS_OK) {
        return error_of(got.status);
    }
    uint32_t processes = 0;
    const struct posix_process *process = self->process;
    facts_load(self);
    for (size_t i = 0; process->processes != nullptr && i < process->processes_length; i++) {
        processes += process->processes[i].copy0.serial != 0 ? 1 : 0;
    }
    struct linux_sysinfo result = {
        .uptime = (int64_t)(clock_monotonic_ns() / NS_PER_SECOND),
        .total = info.total_pages * PAGE_SIZE,
        .free = info.free_pages * PAGE_SIZE,
        .buffer = info.cache_pages * PAGE_SIZE,
        .processes = (uint16_t)MIN(processes, 65535u),
        .unit = 1,
    };
    return USER_WRITE(frame->rdi, result);
}

LINUX(getrandom) {
    uint8_t bytes[RANDOM_PIECE] = {};
    uint64_t wanted = MIN(frame->rsi, 0x1ffffffull);
    (void)self;
    if ((frame->rdx & ~7ull & UINT32_MAX) != 0) {
        return -EINVAL;
    }
    for (uint64_t done = 0; done < wanted; done += RANDOM_PIECE) {
        size_t piece = (size_t)MIN(wanted - done, (uint64_t)RANDOM_PIECE);
        status_t status = NATIVE(SYS_SYSTEM, SYSTEM_RANDOM, (uintptr_t)&bytes[0], piece).status;
        if (status != STATUS_OK) {
            return error_of(status);
        }
        if (user_write(frame->rdi + done, bytes, piece) != 0) {
            return done > 0 ? (int64_t)done : -EFAULT;
        }
    }
    return (int64_t)wanted;
}

/* ---- this process ---- */

enum {
    PR_SET_PDEATHSIG = 1,
    PR_GET_PDEATHSIG = 2,
    PR_GET_DUMPABLE = 3,
    PR_SET_DUMPABLE = 4,
    PR_SET_NAME = 15,
    PR_GET_NAME = 16,
    PR_SET_CHILD_SUBREAPER = 36,
    PR_GET_CHILD_SUBREAPER = 37,
    PR_SET_NO_NEW_PRIVS = 38,
    PR_GET_NO_NEW_PRIVS = 39,
};

/* What `process` keeps; a value asked for goes to `address`. */
static int64_t attribute(struct posix_thread *_Nonnull self, enum process_attribute what,
                         bool change, uint32_t value, uint64_t address) {
    uint32_t old = 0;
    status_t status = process_attribute(self->process->process, what, change, value, &old);
    if (status != STATUS_OK || change) {
        return error_of_process(status);
    }
    return USER_WRITE(address, old);
}

LINUX(prctl) {
    struct posix_process *process = self->process;
    char name[16] = {};
    int64_t error = 0;
    switch ((int32_t)frame->rdi) {
    case PR_GET_DUMPABLE:
        return process->dumpable;
    case PR_SET_DUMPABLE:
        if (frame->rsi > 1) {
            return -EINVAL;
        }
        process->dumpable = (uint32_t)frame->rsi;
        return 0;
    case PR_SET_NAME:
        error = user_text(name, sizeof name, frame->rsi);
        if (error == -EFAULT) {
            return error;
        }
        name[15] = '\0';
        bytes_copy(process->name, name, sizeof name);
        (void)NATIVE(SYS_OBJECT_SET, 0, SET_NAME, (uintptr_t)&process->name[0],
                     text_length(process->name, 15));
        return 0;
    case PR_GET_NAME:
        return user_write(frame->rsi, process->name, sizeof process->name);
    case PR_SET_CHILD_SUBREAPER:
        return attribute(self, PROCESS_ATTRIBUTE_SUBREAPER, true, frame->rsi != 0 ? 1 : 0, 0);
    case PR_GET_CHILD_SUBREAPER:
        return attribute(self, PROCESS_ATTRIBUTE_SUBREAPER, false, 0, frame->rsi);
    case PR_SET_PDEATHSIG:
        return frame->rsi > SIGNAL_COUNT
                   ? -EINVAL
                   : attribute(self, PROCESS_ATTRIBUTE_DEATH_SIGNAL, true, (uint32_t)frame->rsi, 0);
    case PR_GET_PDEATHSIG:
        return attribute(self, PROCESS_ATTRIBUTE_DEATH_SIGNAL, false, 0, frame->rsi);
    case PR_GET_NO_NEW_PRIVS:
        return process->no_new_privileges;
    case PR_SET_NO_NEW_PRIVS:
        if (frame->rsi != 1) {
            return -EINVAL;
        }
        process->no_new_privileges = 1;
        return 0;
    default:
        process->unsupported_other++;
        return -EINVAL;
    }
}

enum {
    ARCH_SET_GS = 0x1001,
    ARCH_SET_FS = 0x1002,
    ARCH_GET_FS = 0x1003,
    ARCH_GET_GS = 0x1004,
};

LINUX(arch_prctl) {
    int32_t operation = (int32_t)frame->rdi;
    bool gs = operation == ARCH_SET_GS || operation == ARCH_GET_GS;
    uint64_t base = 0;
    switch (operation) {
    case ARCH_SET_FS:
    case ARCH_SET_GS:
        if (frame->rsi >= USER_SPACE_TOP) {
            return -EPERM;
        }
        base_set(gs, frame->rsi);
        return 0;
    case ARCH_GET_FS:
    case ARCH_GET_GS:
        base = base_get(gs);
        return USER_WRITE(frame->rsi, base);
    default:
        self->process->unsupported_other++;
        return -EINVAL;
    }
}

/* ---- scheduling ---- */

LINUX(sched_yield) {
    (void)self;
    (void)frame;
    (void)NATIVE(SYS_THREAD_CONTROL, 0, THREAD_YIELD);
    return 0;
}

static uint32_t processors(void) {
    struct system_info info = {};
    struct native_result got = NATIVE(SYS_SYSTEM, SYSTEM_INFO, (uintptr_t)&info, sizeof info);
    return got.status == STATUS_OK && info.processors > 0 ? info.processors : 1;
}

/* Is it this process, a thread of it, or at least some process? */
static int64_t check_pid(struct posix_thread *_Nonnull self, uint64_t pid) {
    struct process_table_entry entry = {};
    uint32_t id = (uint32_t)pid;
    bool there = id == 0 || id == facts_pid(self) || thread_find(self->process, id) != nullptr ||
                 facts_find(self, id, &entry);
    return there ? 0 : -ESRCH;
}

LINUX(sched_getaffinity) {
    uint64_t mask = (1ull << MIN(processors(), 63u)) - 1;
    uint64_t room = (uint32_t)frame->rsi;
    if (room < sizeof mask || (room & 7) != 0) {
        return -EINVAL;
    }
    int64_t error = check_pid(self, frame->rdi);
    error = error != 0 ? error : USER_WRITE(frame->rdx, mask);
    return error != 0 ? error : (int64_t)sizeof mask;
}

LINUX(sched_setaffinity) {
    uint64_t mask = 0;
    uint64_t all = (1ull << MIN(processors(), 63u)) - 1;
    int64_t error = user_read(&mask, frame->rdx, (size_t)MIN((uint32_t)frame->rsi, 8u));
    error = error != 0 ? error : check_pid(self, frame->rdi);
    if (error != 0) {
        return error;
    }
    if ((mask & all) == 0) {
        return -EINVAL;
    }
    if ((uint32_t)frame->rdi != 0 && (uint32_t)frame->rdi != self->tid) {
        self->process->unsupported_other++;
        return -EPERM;
    }
    return error_of(NATIVE(SYS_THREAD_CONTROL, 0, THREAD_SET_AFFINITY, mask & all).status);
}

/* There is one policy for programs: SCHED_OTHER, whose only priority is 0. The others' bounds are
 * known, and asking for them needs a privilege that nobody has here. */
enum {
    SCHED_OTHER = 0,
    SCHED_FIFO = 1,
    SCHED_RR = 2,
    SCHED_BATCH = 3,
    SCHED_IDLE = 5,
    SCHED_RESET_ON_FORK = 0x40000000,
    SLICE_NS = 4000000,
};

static int64_t set_policy(struct posix_thread *_Nonnull self, uint64_t pid, uint32_t policy,
                          uint64_t parameter) {
    int32_t priority = 0;
    if ((int32_t)pid < 0 || parameter == 0) {
        return -EINVAL;
    }
    int64_t error = USER_READ(priority, parameter);
    error = error != 0 ? error : check_pid(self, pid);
    if (error != 0) {
        return error;
    }
    switch (policy & ~(uint32_t)SCHED_RESET_ON_FORK) {
    case SCHED_OTHER:
    case SCHED_BATCH:
    case SCHED_IDLE:
        return priority == 0 ? 0 : -EINVAL;
    case SCHED_FIFO:
    case SCHED_RR:
        return priority < 1 || priority > 99 ? -EINVAL : -EPERM;
    default:
        return -EINVAL;
    }
}

LINUX(sched_setscheduler) {
    return set_policy(self, frame->rdi, (uint32_t)frame->rsi, frame->rdx);
}

LINUX(sched_setparam) {
    return set_policy(self, frame->rdi, SCHED_OTHER, frame->rsi);
}

LINUX(sched_getscheduler) {
    return (int32_t)frame->rdi < 0 ? -EINVAL : check_pid(self, frame->rdi);
}

LINUX(sched_getparam) {
    int32_t priority = 0;
    if ((int32_t)frame->rdi < 0 || frame->rsi == 0) {
        return -EINVAL;
    }
    int64_t error = check_pid(self, frame->rdi);
    return error != 0 ? error : USER_WRITE(frame->rsi, priority);
}

static int64_t priority_bound(uint64_t policy, int64_t bound) {
    switch ((uint32_t)policy) {
    case SCHED_OTHER:
    case SCHED_BATCH:
    case SCHED_IDLE:
        return 0;
    case SCHED_FIFO:
    case SCHED_RR:
        return bound;
    default:
        return -EINVAL;
    }
}

LINUX(sched_get_priority_max) {
    (void)self;
    return priority_bound(frame->rdi, 99);
}

LINUX(sched_get_priority_min) {
    (void)self;
    return priority_bound(frame->rdi, 1);
}

LINUX(sched_rr_get_interval) {
    struct linux_timespec slice = {0, SLICE_NS};
    if ((int32_t)frame->rdi < 0) {
        return -EINVAL;
    }
    int64_t error = check_pid(self, frame->rdi);
    return error != 0 ? error : USER_WRITE(frame->rsi, slice);
}

LINUX(getcpu) {
    uint32_t processor = self->page->processor;
    uint32_t node = 0;
    int64_t error = frame->rdi == 0 ? 0 : USER_WRITE(frame->rdi, processor);
    return error != 0 || frame->rsi == 0 ? error : USER_WRITE(frame->rsi, node);
}
