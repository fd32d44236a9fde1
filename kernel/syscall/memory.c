/* map, unmap, protect, memory_*, stream_*. */
#include "abi/info.h"
#include "abi/syscall.h"
#include "kernel/memory/pager.h"
#include "kernel/memory/stream.h"
#include "kernel/object/domain.h"
#include "kernel/object/process.h"
#include "kernel/syscall/syscall.h"
#include "lib/base/bytes.h"

static status_t space_argument(struct thread *_Nonnull self, uint64_t handle,
                               struct space *_Nullable *_Nonnull out) LOCKED {
    if (handle == 0) {
        *out = self->process->space;
        return *out != nullptr ? STATUS_OK : STATUS_DIED;
    }
    FIND(object, handle, OBJECT_NONE, RIGHT_MANAGE);
    if (SOME(object)->type == OBJECT_SPACE) {
        *out = (struct space *)SOME(object);
        return STATUS_OK;
    }
    if (SOME(object)->type == OBJECT_PROCESS) {
        *out = ((struct process *)SOME(object))->space;
        return *out != nullptr ? STATUS_OK : STATUS_DIED;
    }
    return STATUS_BAD_TYPE;
}

/* The rights on the memory that a protection needs. A private mapping may be written with no more
 * than the right to read. */
static uint32_t rights_for(uint32_t protection) {
    uint32_t rights = RIGHT_READ;
    if ((protection & PROTECT_WRITE) != 0 && (protection & MAP_PRIVATE) == 0) {
        rights |= RIGHT_WRITE;
    }
    if ((protection & PROTECT_EXECUTE) != 0) {
        rights |= RIGHT_EXECUTE;
    }
    return rights;
}

static bool write_and_execute(const struct thread *_Nonnull self, uint64_t protection) {
    return (protection & PROTECT_WRITE) != 0 && (protection & PROTECT_EXECUTE) != 0 &&
           self->process->upcall == 0; /* invariant I7; foreign programs are counted */
}

/* The Memory to map: an anonymous one, the given one, or a private clone. Returns a reference. */
static status_t memory_to_map(struct thread *_Nonnull self, struct space *_Nonnull space,
                              struct syscall_registers *_Nonnull r, uint32_t flags,
                              struct memory *_Nullable *_Nonnull out) LOCKED {
    struct domain *domain = SOME(space->object.domain);
    const struct mapping *there = (flags & MAP_AGAIN) != 0 ? space_find(space, r->b) : nullptr;
    if (there != nullptr && there->memory != nullptr && there->memory->parent != nullptr) {
        r->words[2] = (there->offset << PAGE_SHIFT) + (r->b - there->node.key);
        return memory_clone(SOME(there->memory->parent), domain, 0, 0, nullptr, out);
    }
    if (r->words[1] == 0) {
        return memory_create(domain, r->words[0], 0, 0, out);
    }
    FIND(object, r->words[1], OBJECT_MEMORY, rights_for(flags));
    struct memory *memory = (struct memory *)SOME(object);
    if ((flags & MAP_PRIVATE) == 0) {
        object_reference(&memory->object);
        *out = memory;
        return STATUS_OK;
    }
    uint64_t first = r->words[2] >> PAGE_SHIFT;
    if ((memory->flags & (MEMORY_FILE | MEMORY_PAGER)) != 0) {
        first = 0;
    }
    return memory_clone(memory, domain, first, r->words[0] >> PAGE_SHIFT, nullptr, out);
}

status_t sys_map(struct thread *_Nonnull self, struct syscall_registers *_Nonnull r) {
    status_t status = STATUS_OK;
    uint32_t flags = (uint32_t)r->words[3];
    struct space *target = nullptr;
    TRY(space_argument(self, r->a, &target));
    struct space *space = SOME(target);
    uint64_t length = r->words[0];
    REFUSE((length & (PAGE_SIZE - 1)) != 0 || length == 0 || length > space->end ||
               (r->words[2] & (PAGE_SIZE - 1)) != 0 || (flags & MAP_THREAD_PAGE) != 0,
           STATUS_BAD_ARGUMENT);
    REFUSE(write_and_execute(self, flags), STATUS_BAD_RIGHTS);
    struct memory *memory = nullptr;
    if ((flags & MAP_RESERVE) == 0) {
        TRY(memory_to_map(self, space, r, flags, &memory));
    }
    uint64_t offset = r->words[2] >> PAGE_SHIFT;
    if (memory != nullptr && (flags & MAP_PRIVATE) != 0 && memory->parent == nullptr) {
        offset = 0; /* the clone begins with the range */
    }
    uint64_t address = 0;
    status =
        space_map(space, r->b, length, memory, offset,
                  flags & (PROTECT_READ | PROTECT_WRITE | PROTECT_EXECUTE),
                  flags & ~(uint32_t)(PROTECT_READ | PROTECT_WRITE | PROTECT_EXECUTE), &address);
    if (memory != nullptr) {
        object_release(&memory->object);
    }
    r->words[0] = address;
    return status;
}

status_t sys_unmap(struct thread *_Nonnull self, struct syscall_registers *_Nonnull r) {
    struct space *space = nullptr;
    TRY(space_argument(self, r->a, &space));
    return space_unmap(SOME(space), r->b, r->words[0]);
}

/* Would the change give a mapping more than its Memory's handle allowed? Only anonymous and private
 * mappings may gain rights; shared ones may only lose them. */
static bool gains_rights(const struct space *_Nonnull space, uint64_t address, uint64_t length,
                         uint32_t protection) LOCKED {
    uint64_t at = address;
    while (at < address + length) {
        const struct mapping *mapping = space_find(space, at);
        if (mapping == nullptr) {
            return false;
        }
        if ((mapping->flags & (MAP_PRIVATE | MAP_MAY_GAIN)) == 0 && mapping->memory != nullptr &&
            (protection & ~mapping->protection & (PROTECT_WRITE | PROTECT_EXECUTE)) != 0) {
            return true;
        }
        at = mapping->node.key + mapping->length;
    }
    return false;
}

status_t sys_protect(struct thread *_Nonnull self, struct syscall_registers *_Nonnull r) {
    struct space *space = nullptr;
    uint32_t protection = (uint32_t)r->words[1];
    TRY(space_argument(self, r->a, &space));
    REFUSE(write_and_execute(self, protection) ||
               gains_rights(SOME(space), r->b, r->words[0], protection),
           STATUS_BAD_RIGHTS);
    return space_protect(SOME(space), r->b, r->words[0], protection);
}

static status_t give_memory(struct thread *_Nonnull self, struct syscall_registers *_Nonnull r,
                            struct memory *_Nonnull memory) LOCKED {
    handle_t handle = HANDLE_NONE;
    status_t status = handle_insert(&self->process->table, &memory->object, RIGHT_ALL, &handle);
    r->words[0] = handle;
    object_release(&memory->object);
    return status;
}

status_t sys_memory_clone(struct thread *_Nonnull self, struct syscall_registers *_Nonnull r) {
    FIND(object, r->a, OBJECT_MEMORY, RIGHT_READ);
    struct memory *clone = nullptr;
    TRY(memory_clone((struct memory *)SOME(object), SOME(self->process->object.domain),
                     r->words[0] >> PAGE_SHIFT, r->words[1] >> PAGE_SHIFT, nullptr, &clone));
    return give_memory(self, r, SOME(clone));
}

status_t sys_memory_resize(struct thread *_Nonnull self, struct syscall_registers *_Nonnull r) {
    FIND(object, r->a, OBJECT_MEMORY, RIGHT_WRITE);
    struct memory *memory = (struct memory *)SOME(object);
    uint64_t old = memory->content_size;
    status_t status = memory_resize(memory, r->b);
    r->words[0] = old;
    return status;
}

enum { COPY_PAGES_PER_ENTRY = 16 };

/* The byte at `offset` of a Memory, or of a process that is looked at from outside: nobody waits
 * for its pages. */
static status_t copied_page(struct thread *_Nonnull self, struct object *_Nonnull object,
                            uint64_t offset, bool write, void *_Nullable *_Nonnull out) LOCKED {
    struct memory_page page = {};
    REFUSE(object->type == OBJECT_PROCESS && !write,
           process_page((struct process *)object, offset, false, out));
    REFUSE(object->type != OBJECT_MEMORY, STATUS_BAD_TYPE);
    status_t status = memory_page((struct memory *)object, offset >> PAGE_SHIFT, write, &page);
    REFUSE(status == STATUS_WOULD_BLOCK, memory_wait_page(self, &page, offset >> PAGE_SHIFT));
    *out = status == STATUS_OK
               ? bytes_at(arch_pointer(page.physical), (size_t)(offset & (PAGE_SIZE - 1)))
               : nullptr;
    return status;
}

/* Registers: a memory or process, b offset, words: address, length, direction. Progress is kept in
 * the registers: the call is executed again with what is left. */
status_t sys_memory_copy(struct thread *_Nonnull self, struct syscall_registers *_Nonnull r) {
    bool write = r->words[2] != MEMORY_TO_CALLER;
    FIND(object, r->a, OBJECT_NONE, write ? RIGHT_WRITE : RIGHT_READ);
    for (unsigned pages = 0; r->words[1] > 0; pages++) {
        REFUSE(pages == COPY_PAGES_PER_ENTRY, STATUS_RESTART);
        uint64_t chunk = MIN(r->words[1], PAGE_SIZE - (r->b & (PAGE_SIZE - 1)));
        void *user = nullptr;
        void *theirs = nullptr;
        if (r->words[2] != MEMORY_ZERO) {
            chunk = MIN(chunk, PAGE_SIZE - (r->words[0] & (PAGE_SIZE - 1)));
            TRY(user_page(self, r->words[0], !write, &user));
        }
        TRY(copied_page(self, SOME(object), r->b, write, &theirs));
        if (r->words[2] == MEMORY_ZERO) {
            bytes_zero(SOME(theirs), (size_t)chunk);
        } else {
            bytes_copy(write ? SOME(theirs) : SOME(user), write ? SOME(user) : SOME(theirs),
                       (size_t)chunk);
        }
        r->b += chunk;
        r->words[0] += chunk;
        r->words[1] -= chunk;
    }
    return STATUS_OK;
}

status_t sys_memory_supply(struct thread *_Nonnull self, struct syscall_registers *_Nonnull r) {
    FIND(object, r->a, OBJECT_MEMORY, RIGHT_PAGE);
    struct object *source = nullptr;
    if (r->b == SUPPLY_MOVE) {
        TRY(handle_find(&self->process->table, r->words[2], OBJECT_MEMORY, RIGHT_READ | RIGHT_WRITE,
                        &source));
    }
    return memory_supply((struct memory *)SOME(object), (uint32_t)r->b, r->words[0], r->words[1],
                         (struct memory *)source, r->words[3]);
}

status_t sys_memory_scan(struct thread *_Nonnull self, struct syscall_registers *_Nonnull r) {
    FIND(object, r->a, OBJECT_MEMORY, RIGHT_PAGE);
    struct object *target = nullptr;
    if (r->b == SCAN_COLLECT) {
        TRY(handle_find(&self->process->table, r->words[3], OBJECT_MEMORY, RIGHT_READ | RIGHT_WRITE,
                        &target));
    }
    uint64_t value = 0;
    status_t status = memory_scan((struct memory *)SOME(object), (uint32_t)r->b, r->words[0],
                                  r->words[1], r->words[2], (struct memory *)target, &value);
    r->words[0] = value;
    return status;
}

status_t sys_stream_read(struct thread *_Nonnull self, struct syscall_registers *_Nonnull r) {
    FIND(object, r->a, OBJECT_SESSION, RIGHT_READ);
    return stream_read(self, (struct session *)SOME(object), r);
}

status_t sys_stream_write(struct thread *_Nonnull self, struct syscall_registers *_Nonnull r) {
    FIND(object, r->a, OBJECT_SESSION, RIGHT_WRITE);
    return stream_write(self, (struct session *)SOME(object), r);
}

status_t sys_stream_seek(struct thread *_Nonnull self, struct syscall_registers *_Nonnull r) {
    FIND(object, r->a, OBJECT_SESSION, RIGHT_CALL);
    uint64_t position = 0;
    status_t status = stream_seek((struct session *)SOME(object), r->b, r->words[0], &position);
    r->words[0] = position;
    return status;
}
