/* handle_close, handle_duplicate, handle_move, object_create, kill. */
#include "abi/info.h"
#include "abi/syscall.h"
#include "kernel/ipc/endpoint.h"
#include "kernel/ipc/event.h"
#include "kernel/memory/user.h"
#include "kernel/object/device.h"
#include "kernel/object/domain.h"
#include "kernel/object/keep.h"
#include "kernel/object/process.h"
#include "kernel/syscall/syscall.h"

status_t sys_handle_close(struct thread *_Nonnull self, struct syscall_registers *_Nonnull r) {
    return handle_close(&self->process->table, r->a);
}

/* Gives the caller a handle; the value goes to words[0]. */
static status_t give(struct thread *_Nonnull self, struct syscall_registers *_Nonnull r,
                     struct object *_Nonnull object, uint32_t rights) LOCKED {
    handle_t handle = HANDLE_NONE;
    status_t status = handle_insert(&self->process->table, object, rights, &handle);
    r->words[0] = handle;
    return status;
}

status_t sys_handle_duplicate(struct thread *_Nonnull self, struct syscall_registers *_Nonnull r) {
    FIND(object, r->a, OBJECT_NONE, RIGHT_DUPLICATE);
    uint32_t rights = handle_rights(&self->process->table, (handle_t)r->a);
    return give(self, r, SOME(object), rights & (uint32_t)r->b);
}

/* The table that a container argument of handle_move means. */
static status_t container_table(struct thread *_Nonnull self, uint64_t container, uint32_t right,
                                struct handle_table *_Nullable *_Nonnull out_table,
                                struct keep *_Nullable *_Nonnull out_keep) LOCKED {
    if (container == 0) {
        *out_table = &self->process->table;
        return STATUS_OK;
    }
    FIND(object, container, OBJECT_NONE, right);
    if (SOME(object)->type == OBJECT_KEEP) {
        *out_keep = (struct keep *)SOME(object);
        *out_table = &SOME(*out_keep)->table;
        return STATUS_OK;
    }
    if (SOME(object)->type == OBJECT_PROCESS) {
        struct process *process = (struct process *)SOME(object);
        *out_table = &process->table;
        return process->state >= PROCESS_DYING ? STATUS_DIED : STATUS_OK;
    }
    return STATUS_BAD_TYPE;
}

status_t sys_handle_move(struct thread *_Nonnull self, struct syscall_registers *_Nonnull r) {
    struct handle_table *from = nullptr;
    struct handle_table *to = nullptr;
    struct keep *from_keep = nullptr;
    struct keep *to_keep = nullptr;
    TRY(container_table(self, r->a, RIGHT_READ, &from, &from_keep));
    TRY(container_table(self, r->words[0], RIGHT_WRITE, &to, &to_keep));
    uint64_t source = r->b;
    uint64_t slot = r->words[1];
    bool copy = (r->words[3] & HANDLE_MOVE_COPY) != 0;
    if (from_keep != nullptr) {
        source = source > SOME(from_keep)->slots ? 0 : handle_of_slot(SOME(from), (uint32_t)source);
    }
    uint32_t needed = copy && from_keep == nullptr ? RIGHT_DUPLICATE : RIGHT_TRANSFER;
    struct object *object = nullptr;
    TRY(handle_find(SOME(from), source, OBJECT_NONE, needed, &object));
    uint32_t rights = handle_rights(SOME(from), (handle_t)source) & (uint32_t)r->words[2];
    handle_t placed = HANDLE_NONE;
    if (to_keep != nullptr) {
        REFUSE(slot == 0 || slot > SOME(to_keep)->slots, STATUS_OUT_OF_RANGE);
        keep_put(SOME(to_keep), (uint32_t)slot, object, rights);
        placed = (handle_t)slot;
    } else if (slot == HANDLE_MOVE_ANY) {
        TRY(handle_insert(SOME(to), SOME(object), rights, &placed));
    } else {
        TRY(slot > UINT16_MAX
                ? STATUS_OUT_OF_RANGE
                : handle_insert_at(SOME(to), (uint32_t)slot, SOME(object), rights, &placed));
    }
    r->words[0] = placed;
    if (copy) {
        return STATUS_OK;
    }
    if (from_keep != nullptr) {
        keep_put(SOME(from_keep), (uint32_t)r->b, nullptr, 0);
        return STATUS_OK;
    }
    return handle_close(SOME(from), source);
}

/* ---- object_create ---- */

static status_t create_domain(struct thread *_Nonnull self, struct syscall_registers *_Nonnull r,
                              struct domain *_Nonnull parent,
                              struct object *_Nullable *_Nonnull out) LOCKED {
    struct domain_quota quota = {};
    struct domain *domain = nullptr;
    TRY(user_read(self, r->words[0], &quota, sizeof quota));
    REFUSE(quota.kernel_pages > UINT64_MAX / PAGE_SIZE, STATUS_BAD_ARGUMENT);
    TRY(domain_create(parent, &quota, &domain));
    *out = &SOME(domain)->object;
    return STATUS_OK;
}

static status_t create_process(struct thread *_Nonnull self, struct syscall_registers *_Nonnull r,
                               struct domain *_Nonnull domain,
                               struct object *_Nullable *_Nonnull out) LOCKED {
    struct object *space = nullptr;
    if (r->words[0] != 0) {
        TRY(handle_find(&self->process->table, r->words[0], OBJECT_SPACE, RIGHT_MANAGE, &space));
    }
    struct process *process = nullptr;
    status_t status = process_create(domain, (struct space *)space, r->words[2], &process);
    *out = process != nullptr ? &process->object : nullptr;
    return status;
}

static status_t create_memory(struct thread *_Nonnull self, struct syscall_registers *_Nonnull r,
                              struct domain *_Nonnull domain, bool system,
                              struct object *_Nullable *_Nonnull out) LOCKED {
    uint32_t flags = (uint32_t)r->words[1];
    uint64_t physical = (flags & MEMORY_PHYSICAL) != 0 ? r->words[3] : 0;
    struct object *pager = nullptr;
    REFUSE((flags & MEMORY_PHYSICAL) != 0 && !system, STATUS_BAD_RIGHTS);
    if ((flags & MEMORY_PAGER) != 0) {
        TRY(handle_find(&self->process->table, r->words[3], OBJECT_WAITSET, RIGHT_WAIT, &pager));
    }
    struct memory *memory = nullptr;
    TRY(memory_create(domain, r->words[0], flags, physical, &memory));
    memory->tag = r->words[2];
    *out = &memory->object;
    memory->unused_untold = false;
    return pager == nullptr ? STATUS_OK
                            : waitset_bind((struct waitset *)SOME(pager), &memory->object,
                                           UINT32_MAX, memory->tag, 0, 0);
}

static status_t create_session(struct thread *_Nonnull self, struct syscall_registers *_Nonnull r,
                               struct object *_Nullable *_Nonnull out) LOCKED {
    FIND(endpoint, r->b, OBJECT_ENDPOINT, RIGHT_MINT);
    struct object *memory = nullptr;
    if (r->words[3] != 0) {
        TRY(handle_find(&self->process->table, r->words[3], OBJECT_MEMORY, RIGHT_READ, &memory));
    }
    struct session *session = nullptr;
    status_t status = session_create((struct endpoint *)SOME(endpoint), r->words[0],
                                     (uint32_t)r->words[1], (struct memory *)memory, &session);
    *out = session != nullptr ? &session->object : nullptr;
    return status;
}

static status_t create_thread(struct thread *_Nonnull self, struct syscall_registers *_Nonnull r,
                              struct object *_Nullable *_Nonnull out) LOCKED {
    struct process *process = self->process;
    if (r->b != 0) {
        FIND(object, r->b, OBJECT_PROCESS, RIGHT_MANAGE);
        process = (struct process *)SOME(object);
    }
    REFUSE(r->words[0] >= PRIORITY_COUNT, STATUS_BAD_ARGUMENT);
    struct thread *thread = nullptr;
    status_t status = thread_create(process, (uint32_t)r->words[0], r->words[1] != 0, &thread);
    *out = thread != nullptr ? &thread->object : nullptr;
    return status;
}

/* The domain that pays: the container where it is one, else the caller's. */
static status_t paying_domain(struct thread *_Nonnull self, uint64_t container,
                              struct domain *_Nullable *_Nonnull out,
                              bool *_Nonnull out_system) LOCKED {
    *out = self->process->object.domain;
    if (container == 0) {
        return STATUS_OK;
    }
    FIND(object, container, OBJECT_NONE, RIGHT_MANAGE);
    if (SOME(object)->type == OBJECT_DOMAIN) {
        *out = (struct domain *)SOME(object);
        return STATUS_OK;
    }
    *out_system = SOME(object)->type == OBJECT_SYSTEM;
    return *out_system ? STATUS_OK : STATUS_BAD_TYPE;
}

static status_t create_device(enum object_type type, struct syscall_registers *_Nonnull r,
                              struct domain *_Nonnull domain, bool system,
                              struct object *_Nullable *_Nonnull out) LOCKED {
    struct device *device = nullptr;
    bool known = type == OBJECT_IRQ || type == OBJECT_IOPORTS || type == OBJECT_TRACE;
    REFUSE(!known, type == OBJECT_DMASPACE ? STATUS_NOT_SUPPORTED : STATUS_BAD_TYPE);
    REFUSE(!system, STATUS_BAD_RIGHTS);
    TRY(device_create(type, domain, r->words[0], r->words[1], &device));
    *out = &SOME(device)->object;
    return STATUS_OK;
}

static status_t create_simple(enum object_type type, struct syscall_registers *_Nonnull r,
                              struct domain *_Nonnull domain, bool system,
                              struct object *_Nullable *_Nonnull out) LOCKED {
    union {
        struct space *_Nullable space;
        struct endpoint *_Nullable endpoint;
        struct keep *_Nullable keep;
        struct event *_Nullable event;
        struct waitset *_Nullable waitset;
        struct object *_Nullable object; /* what each of them begins with */
    } made = {};
    if (type == OBJECT_SPACE) {
        TRY(space_create(domain, &made.space));
    } else if (type == OBJECT_ENDPOINT) {
        TRY(endpoint_create(domain, &made.endpoint));
    } else if (type == OBJECT_KEEP) {
        TRY(keep_create(domain, r->words[0], &made.keep));
    } else if (type == OBJECT_EVENT) {
        TRY(event_create(domain, &made.event));
    } else if (type == OBJECT_WAITSET) {
        TRY(waitset_create(domain, &made.waitset));
    } else {
        return create_device(type, r, domain, system, out);
    }
    *out = made.object;
    return STATUS_OK;
}

status_t sys_object_create(struct thread *_Nonnull self, struct syscall_registers *_Nonnull r) {
    enum object_type type = (enum object_type)r->a;
    struct domain *domain = nullptr;
    struct object *object = nullptr;
    bool system = false;
    status_t status = STATUS_OK;
    REFUSE(r->a >= OBJECT_TYPE_COUNT, STATUS_BAD_TYPE);
    if (type == OBJECT_SESSION) {
        status = create_session(self, r, &object);
    } else if (type == OBJECT_THREAD) {
        status = create_thread(self, r, &object);
    } else {
        TRY(paying_domain(self, r->b, &domain, &system));
        if (type == OBJECT_DOMAIN) {
            status = create_domain(self, r, SOME(domain), &object);
        } else if (type == OBJECT_PROCESS) {
            status = create_process(self, r, SOME(domain), &object);
        } else if (type == OBJECT_MEMORY) {
            status = create_memory(self, r, SOME(domain), system, &object);
        } else {
            status = create_simple(type, r, SOME(domain), system, &object);
        }
    }
    if (status == STATUS_OK) {
        status = give(self, r, SOME(object), RIGHT_ALL);
    }
    if (object != nullptr) {
        object_release(SOME(object)); /* the handle has its own reference */
    }
    return status;
}

status_t sys_kill(struct thread *_Nonnull self, struct syscall_registers *_Nonnull r) {
    REFUSE(r->words[0] > EXIT_SIGNAL, STATUS_BAD_ARGUMENT);
    enum exit_cause cause = (enum exit_cause)r->words[0];
    FIND(object, r->a, OBJECT_NONE, RIGHT_KILL);
    if (SOME(object)->type == OBJECT_PROCESS) {
        process_kill((struct process *)SOME(object), (int64_t)r->b, cause);
    } else if (SOME(object)->type == OBJECT_DOMAIN) {
        domain_kill((struct domain *)SOME(object), (int64_t)r->b, cause);
    } else if (SOME(object)->type == OBJECT_THREAD) {
        thread_kill(CONTAINER_OF(SOME(object), struct thread, object));
    } else {
        return STATUS_BAD_TYPE;
    }
    return STATUS_OK;
}
