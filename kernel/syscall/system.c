/* object_set and system. */
#include "abi/info.h"
#include "abi/syscall.h"
#include "kernel/debug/log.h"
#include "kernel/ipc/endpoint.h"
#include "kernel/ipc/event.h"
#include "kernel/memory/user.h"
#include "kernel/object/domain.h"
#include "kernel/object/process.h"
#include "kernel/sched/clock.h"
#include "kernel/syscall/syscall.h"
#include "lib/base/bytes.h"

static status_t set_process(struct thread *_Nonnull self, struct syscall_registers *_Nonnull r,
                            struct process *_Nonnull process) LOCKED {
    switch (r->b) {
    case SET_NAME: {
        char name[sizeof process->name] = {};
        size_t length = (size_t)MIN(r->words[1], (uint64_t)sizeof name - 1);
        status_t status = user_read(self, r->words[0], name, length);
        if (status == STATUS_OK) {
            bytes_copy(process->name, name, sizeof name);
        }
        return status;
    }
    case SET_UPCALL:
        REFUSE(r->words[0] >= USER_SPACE_LIMIT, STATUS_BAD_ARGUMENT);
        process->upcall = r->words[0];
        return STATUS_OK;
    case SET_RUNTIME:
        process->runtime_start = r->words[0];
        process->runtime_length = r->words[1];
        return STATUS_OK;
    case SET_SEQUENCE:
        REFUSE(r->words[0] >= USER_SPACE_LIMIT ||
                   r->words[0] + (r->words[1] >> 32) >= USER_SPACE_LIMIT,
               STATUS_BAD_ARGUMENT);
        process->sequence_start = r->words[0];
        process->sequence_length = (uint32_t)r->words[1];
        process->sequence_check = r->words[0] + (r->words[1] >> 32);
        return STATUS_OK;
    case SET_PRINCIPAL:
        REFUSE((handle_rights(&self->process->table, (handle_t)r->a) & RIGHT_PRINCIPAL) == 0,
               STATUS_BAD_RIGHTS);
        process->principal = (uint32_t)r->words[0];
        return STATUS_OK;
    case SET_SERVICE:
        process->service = (uint32_t)r->words[0];
        return STATUS_OK;
    case SET_PRIORITY:
        REFUSE(r->words[0] >= PRIORITY_COUNT || r->words[0] > self->process->priority_ceiling,
               STATUS_BAD_ARGUMENT);
        process->priority_ceiling = (uint32_t)r->words[0];
        return STATUS_OK;
    case SET_FORGET:
        REFUSE(process->state != PROCESS_DEAD, STATUS_BUSY);
        process_forget(process);
        return STATUS_OK;
    default:
        return STATUS_BAD_ARGUMENT;
    }
}

static status_t set_session(struct thread *_Nonnull self, struct syscall_registers *_Nonnull r,
                            struct session *_Nonnull session) LOCKED {
    if (r->b == SET_SESSION_FLAGS) {
        uint32_t may = SESSION_APPEND | SESSION_NONBLOCK;
        session->flags =
            (session->flags & ~((uint32_t)r->words[0] & may)) | ((uint32_t)r->words[1] & may);
        return STATUS_OK;
    }
    FIND(allowed, r->a, OBJECT_SESSION, RIGHT_RECEIVE);
    if (r->b == SET_SESSION_COOKIE) {
        session->cookie = r->words[0];
        return STATUS_OK;
    }
    REFUSE(r->b != SET_SESSION_MEMORY, STATUS_BAD_ARGUMENT);
    FIND(object, r->words[0], OBJECT_MEMORY, RIGHT_READ);
    struct memory *old = session->memory;
    session->memory = (struct memory *)SOME(object);
    session->memory->sessions++;
    session->position = r->words[1];
    object_reference(SOME(object));
    if (old != nullptr) {
        old->sessions--;
        memory_user_gone(SOME(old));
        object_release(&old->object);
    }
    return STATUS_OK;
}

static status_t set_memory(struct thread *_Nonnull self, struct syscall_registers *_Nonnull r,
                           struct memory *_Nonnull memory) LOCKED {
    FIND(allowed, r->a, OBJECT_MEMORY, RIGHT_PAGE);
    if (r->b == SET_MEMORY_TIMES) {
        memory->read_time_ns = r->words[0];
        memory->write_time_ns = r->words[1];
        return STATUS_OK;
    }
    if (r->b == SET_MEMORY_GRANULE) {
        REFUSE(memory->resident > 0 || r->words[0] > 6, STATUS_BUSY);
        memory->granule_shift = (uint32_t)r->words[0];
        return STATUS_OK;
    }
    if (r->b == SET_MEMORY_PAGER) {
        FIND(waitset, r->words[0], OBJECT_WAITSET, RIGHT_WAIT);
        memory->tag = r->words[1];
        return waitset_bind((struct waitset *)SOME(waitset), &memory->object, UINT32_MAX,
                            memory->tag, 0, 0);
    }
    return STATUS_BAD_ARGUMENT;
}

static status_t set_domain(struct thread *_Nonnull self, struct syscall_registers *_Nonnull r,
                           struct domain *_Nonnull domain) LOCKED {
    REFUSE(r->b != SET_QUOTA, STATUS_BAD_ARGUMENT);
    struct domain_quota quota = {};
    status_t status = user_read(self, r->words[0], &quota, sizeof quota);
    if (status == STATUS_OK && quota.kernel_pages > UINT64_MAX / PAGE_SIZE) {
        status = STATUS_BAD_ARGUMENT;
    }
    if (status == STATUS_OK) {
        domain_set_quota(domain, &quota);
    }
    return status;
}

status_t sys_object_set(struct thread *_Nonnull self, struct syscall_registers *_Nonnull r) {
    if (r->a == 0) {
        return set_process(self, r, self->process);
    }
    if (r->b == SET_SESSION_FLAGS) {
        FIND(session, r->a, OBJECT_SESSION, 0);
        return set_session(self, r, (struct session *)SOME(session));
    }
    FIND(found, r->a, OBJECT_NONE, RIGHT_MANAGE);
    struct object *object = SOME(found);
    if (object->type == OBJECT_PROCESS) {
        return set_process(self, r, (struct process *)object);
    }
    if (object->type == OBJECT_SESSION) {
        return set_session(self, r, (struct session *)object);
    }
    if (object->type == OBJECT_MEMORY) {
        return set_memory(self, r, (struct memory *)object);
    }
    if (object->type == OBJECT_DOMAIN) {
        return set_domain(self, r, (struct domain *)object);
    }
    if (object->type == OBJECT_ENDPOINT && r->b == SET_ENDPOINT_CLOSED) {
        endpoint_close((struct endpoint *)object);
        return STATUS_OK;
    }
    return STATUS_BAD_TYPE;
}

/* ---- system ---- */

enum { LOG_CHUNK = 256, RANDOM_LIMIT = 256, ROOTS_LIMIT = 64 };

static status_t log_write(struct thread *_Nonnull self,
                          struct syscall_registers *_Nonnull r) LOCKED {
    char text[LOG_CHUNK] = {};
    size_t length = (size_t)MIN(r->words[0], (uint64_t)LOG_CHUNK);
    status_t status = user_read(self, r->b, text, length);
    for (size_t i = 0; i < length && status == STATUS_OK; i++) {
        log_put(text[i]);
    }
    r->words[0] = length;
    return status;
}

static status_t random_bytes(struct thread *_Nonnull self,
                             struct syscall_registers *_Nonnull r) LOCKED {
    uint64_t bytes[RANDOM_LIMIT / 8] = {};
    size_t length = (size_t)MIN(r->words[0], (uint64_t)RANDOM_LIMIT);
    for (size_t i = 0; i < (length + 7) / 8; i++) {
        REFUSE(!arch_random(&bytes[i]), STATUS_NOT_SUPPORTED);
    }
    r->words[0] = length;
    return user_write(self, r->b, bytes, length);
}

static status_t machine_info(struct thread *_Nonnull self,
                             struct syscall_registers *_Nonnull r) LOCKED {
    struct system_info info = {
        .total_pages = page_total(),
        .free_pages = page_free_count(),
        .monotonic_ns = arch_clock_ns(),
        .boot_realtime_ns = clock_realtime_ns() - arch_clock_ns(),
        .processors = scheduler_cpu_count(),
    };
    for (uint32_t i = 0; i < info.processors; i++) {
        const struct cpu *cpu = cpu_at(i);
        info.switches += cpu->switches;
        info.calls += cpu->calls;
        info.interrupts += cpu->interrupts;
        info.faults += cpu->faults;
        info.idle_ns += arch_ticks_to_ns(cpu->idle_ticks);
    }
    return user_write(self, r->b, &info, (size_t)MIN(r->words[0], (uint64_t)sizeof info));
}

static status_t roots_live(struct thread *_Nonnull self,
                           struct syscall_registers *_Nonnull r) LOCKED {
    uint64_t live = 0;
    REFUSE(r->words[0] > ROOTS_LIMIT, STATUS_BAD_ARGUMENT);
    for (uint64_t i = 0; i < r->words[0]; i++) {
        uint64_t root = 0;
        TRY(user_read(self, r->b + i * sizeof root, &root, sizeof root));
        live |= (uint64_t)(request_root_live(root) ? 1 : 0) << i;
    }
    r->words[0] = live;
    return STATUS_OK;
}

static status_t give_clock_page(struct thread *_Nonnull self,
                                struct syscall_registers *_Nonnull r) LOCKED {
    struct memory *page = nullptr;
    handle_t handle = HANDLE_NONE;
    status_t status = clock_page(&page);
    if (status == STATUS_OK) {
        status =
            handle_insert(&self->process->table, &SOME(page)->object,
                          RIGHT_READ | RIGHT_DUPLICATE | RIGHT_TRANSFER | RIGHT_INSPECT, &handle);
    }
    r->words[0] = handle;
    return status;
}

/* Operations that need the right to the machine: b is the handle. */
static status_t machine_operation(struct thread *_Nonnull self,
                                  struct syscall_registers *_Nonnull r) LOCKED {
    FIND(object, r->b, OBJECT_SYSTEM, RIGHT_MANAGE);
    switch (r->a) {
    case SYSTEM_LOG_READ:
        return log_read(self, r->words[0], r->words[1], r->words[2], &r->words[0], &r->words[1]);
    case SYSTEM_POWER_OFF:
        arch_stop((uint32_t)r->words[0]);
    case SYSTEM_REBOOT:
        arch_reboot();
    case SYSTEM_SET_REALTIME:
        clock_set_realtime_ns(r->words[0]);
        return STATUS_OK;
    default:
        return STATUS_NOT_SUPPORTED;
    }
}

status_t sys_system(struct thread *_Nonnull self, struct syscall_registers *_Nonnull r) {
    switch (r->a) {
    case SYSTEM_CLOCK:
        r->words[0] = arch_clock_ns();
        r->words[1] = clock_realtime_ns();
        return STATUS_OK;
    case SYSTEM_LOG_WRITE:
        return log_write(self, r);
    case SYSTEM_RANDOM:
        return random_bytes(self, r);
    case SYSTEM_INFO:
        return machine_info(self, r);
    case SYSTEM_ROOTS_LIVE:
        return roots_live(self, r);
    case SYSTEM_CLOCK_PAGE:
        return give_clock_page(self, r);
    default:
        return machine_operation(self, r);
    }
}
