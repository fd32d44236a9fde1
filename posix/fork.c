/* fork, vfork, clone, exit. A child begins in child_begin (entry.S has moved it to its own stack),
 * never on the stack frames of its parent. */
#include "posix/fork.h"
#include "lib/base/bytes.h"
#include "posix/descriptors.h"
#include "posix/errors.h"
#include "posix/identity.h"
#include "posix/locks.h"
#include "posix/native.h"
#include "posix/nucleus/entry.h"
#include "posix/signals.h"
#include "posix/syscalls.h"
#include "posix/user.h"

uint64_t area_top(const struct posix_thread *_Nonnull state) {
    return ((uintptr_t)state & ~(uint64_t)(AREA_SIZE - 1)) + AREA_SIZE;
}

struct thread_slot *_Nullable thread_find(struct posix_process *_Nonnull process, uint32_t tid) {
    for (uint32_t i = 0; i < THREAD_LIMIT; i++) {
        if (process->threads[i].tid == tid && tid != 0) {
            return &process->threads[i];
        }
    }
    return nullptr;
}

/* Has the thread that had this place really left its stack? */
static bool place_is_free(struct thread_slot *_Nonnull slot) {
    struct thread_info info = {};
    if (slot->tid != 0) {
        return false;
    }
    if (slot->handle == HANDLE_NONE) {
        return true;
    }
    struct native_result got =
        NATIVE(SYS_OBJECT_INFO, slot->handle, INFO_THREAD, (uintptr_t)&info, sizeof info);
    if (got.status == STATUS_OK && info.state != THREAD_DEAD) {
        return false;
    }
    handle_close(slot->handle);
    slot->handle = HANDLE_NONE;
    return true;
}

struct thread_slot *_Nullable thread_place(struct posix_process *_Nonnull process,
                                           uint32_t *_Nonnull out_slot) {
    struct thread_slot *found = nullptr;
    state_lock(&process->lock);
    for (uint32_t i = 0; i < THREAD_LIMIT && found == nullptr; i++) {
        if (place_is_free(&process->threads[i])) {
            found = &process->threads[i];
            found->tid = UINT32_MAX; /* taken */
            process->thread_limit = MAX(process->thread_limit, i + 1);
            *out_slot = i;
        }
    }
    state_unlock(&process->lock);
    if (found == nullptr) {
        return nullptr;
    }
    uint64_t area = RUNTIME_AREAS + *out_slot * (uint64_t)AREA_SIZE;
    if (space_map(0, &area, AREA_SIZE, 0, 0,
                  PROTECT_READ | PROTECT_WRITE | MAP_PRIVATE | MAP_FIXED) != STATUS_OK) {
        found->tid = 0;
        return nullptr;
    }
    found->area = area;
    return found;
}

/* ---- children ---- */

void process_begin_child(struct posix_thread *_Nonnull self, struct thread_page *_Nonnull page,
                         uint32_t pid) {
    struct posix_process *process = self->process;
    for (uint32_t i = 0; i < MIN(process->thread_limit, (uint32_t)THREAD_LIMIT); i++) {
        struct thread_slot *slot = &process->threads[i];
        /* what is as it should be is not written: a page untouched is a page not copied */
        if (i != self->slot && (slot->area | slot->tid | slot->handle) != 0) {
            handle_close(slot->handle);
            *slot = (struct thread_slot){};
        }
    }
    struct thread_slot *own = &process->threads[self->slot];
    handle_close(own->handle);
    *own = (struct thread_slot){.area = (uintptr_t)self, .tid = pid};
    process->thread_limit = self->slot + 1;
    process->thread_count = 1;
    process->lock = 0;
    if (process->table->lock != 0) {
        process->table->lock = 0;
    }
    limits_keep(process);
    lock_owners_drop(process);
    process->facts_known = 0;
    process->pid = pid;
    process->signals = nullptr;
    self->page = page;
    self->tid = pid;
    self->pending = 0;
    self->clear_tid = 0;
    self->robust_list = 0;
    self->restart_pending = 0;
    page->upcall_stack = area_top(self);
    page->runtime[0] = (uintptr_t)self;
    page->runtime[1] = 0;
}

void child_begin(struct thread_page *_Nonnull page, uint32_t pid) {
    struct posix_thread *self = thread_self();
    struct program_frame *frame = &page->frame[0];
    uint64_t flags = self->fork_flags;
    process_begin_child(self, page, pid);
    if ((flags & CLONE_SETTLS) != 0) {
        base_set(false, self->fork_tls);
    }
    if ((flags & CLONE_CLEAR_SIGHAND) != 0) {
        signals_reset_caught(self->process);
    }
    if ((flags & CLONE_CHILD_CLEARTID) != 0) {
        self->clear_tid = self->fork_child_tid;
    }
    if ((flags & CLONE_CHILD_SETTID) != 0) {
        uint32_t tid = facts_pid(self);
        (void)USER_WRITE(self->fork_child_tid, tid);
    }
    if (self->fork_stack != 0) {
        frame->rsp = self->fork_stack;
    }
    frame->rax = 0;
    frame->original_rax = UINT64_MAX;
    child_resume(page);
}

/* A state, table and area for a child that runs in this space. 0: no room. */
static uint64_t vfork_prepare(struct posix_thread *_Nonnull self) {
    const struct posix_process *process = self->process;
    uint64_t at = RUNTIME_VFORK;
    status_t status = STATUS_EXISTS;
    for (; at + VFORK_SIZE <= RUNTIME_END && status == STATUS_EXISTS; at += VFORK_SIZE) {
        uint64_t place = at;
        status = space_map(0, &place, VFORK_SIZE, 0, 0,
                           PROTECT_READ | PROTECT_WRITE | MAP_PRIVATE | MAP_FIXED | MAP_NO_REPLACE);
    }
    if (status != STATUS_OK) {
        return 0;
    }
    at -= VFORK_SIZE;
    struct posix_thread *thread = address_pointer(at);
    struct posix_process *child = address_pointer(at + VFORK_STATE);
    struct fd_table *table = address_pointer(at + VFORK_DESCRIPTORS);
    bytes_copy(child, process, sizeof *child);
    /* only what a thread keeps between calls */
    bytes_copy(thread, self, offsetof(struct posix_thread, path));
    fd_table_copy(table, process->table);
    child->table = table;
    child->vfork_area = at;
    thread->process = child;
    /* the handles named in these places are the clone's own, at the same numbers */
    return at;
}

/* `share`: in this space (vfork). */
static int64_t fork_with(struct posix_thread *_Nonnull self, uint64_t flags, uint32_t signal,
                         uint64_t stack) {
    uint32_t how = ((flags & CLONE_VM) != 0 ? PROCESS_FORK_FLAGS_SHARE : 0) |
                   ((flags & CLONE_VFORK) != 0 ? PROCESS_FORK_FLAGS_WAIT : 0) |
                   ((flags & CLONE_PARENT) != 0 ? PROCESS_FORK_FLAGS_SAME_PARENT : 0);
    uint64_t area = 0;
    uint32_t pid = 0;
    self->fork_flags = flags;
    self->fork_stack = stack;
    self->page->runtime[1] = 0;
    if ((flags & CLONE_VM) != 0) {
        area = vfork_prepare(self);
        if (area == 0) {
            return -ENOMEM;
        }
        self->page->runtime[1] = area + AREA_SIZE;
    }
    status_t status = process_fork(self->process->process, how, signal, &pid);
    self->page->runtime[1] = 0;
    if (area != 0) {
        space_unmap(area, VFORK_SIZE);
    }
    if (status != STATUS_OK) {
        return status == STATUS_CANCELLED ? -ERESTARTNOINTR : error_of_process(status);
    }
    return pid;
}

LINUX(fork) {
    (void)frame;
    return fork_with(self, 0, SIGCHLD, 0);
}

LINUX(vfork) {
    (void)frame;
    return fork_with(self, CLONE_VM | CLONE_VFORK, SIGCHLD, 0);
}

/* ---- threads ---- */

void thread_begin(struct posix_thread *_Nonnull self, struct thread_page *_Nonnull page) {
    self->page = page;
    base_set(true, self->start_gs);
    page->frame[0] = self->start;
    page->upcall_stack = area_top(self);
    page->runtime[0] = (uintptr_t)self;
    child_resume(page);
}

struct clone_request {
    uint64_t flags, stack, parent_tid, child_tid, tls;
    uint32_t signal;
};

static void thread_prepare(struct posix_thread *_Nonnull self, struct posix_thread *_Nonnull made,
                           uint32_t slot, const struct clone_request *_Nonnull request) {
    made->process = self->process;
    made->slot = slot;
    made->start_gs = base_get(true);
    made->mask = self->mask;
    made->alternate.flags = SS_DISABLE;
    made->clear_tid = (request->flags & CLONE_CHILD_CLEARTID) != 0 ? request->child_tid : 0;
    made->start = *thread_frame(self);
    made->start.rax = 0;
    made->start.original_rax = UINT64_MAX;
    made->start.rsp = request->stack != 0 ? request->stack : made->start.rsp;
}

/* Numbers it and lets it run. */
static int64_t thread_launch(struct posix_thread *_Nonnull self, struct thread_slot *_Nonnull place,
                             uint32_t slot, handle_t thread,
                             const struct clone_request *_Nonnull request) {
    struct posix_thread *made = address_pointer(place->area);
    struct posix_process *process = self->process;
    handle_t told = HANDLE_NONE;
    uint32_t tid = 0;
    status_t status = handle_duplicate(thread, &told);
    if (status == STATUS_OK) {
        status = process_add_thread(process->process, told, &tid);
    }
    if (status != STATUS_OK) {
        return status == PROCESS_STATUS_TOO_MANY ? -EAGAIN : error_of_process(status);
    }
    made->tid = tid;
    if ((request->flags & CLONE_PARENT_SETTID) != 0) {
        (void)USER_WRITE(request->parent_tid, tid);
    }
    if ((request->flags & CLONE_CHILD_SETTID) != 0) {
        (void)USER_WRITE(request->child_tid, tid);
    }
    uint64_t fs = request->tls;
    if ((request->flags & CLONE_SETTLS) == 0) {
        fs = base_get(false);
    }
    place->handle = thread;
    place->tid = tid;
    process->thread_count++;
    signals_share_mask(self);
    uint64_t page = RUNTIME_PAGES + slot * (uint64_t)PAGE_SIZE;
    uint64_t arguments[6] = {
        thread, (uintptr_t)thread_entry, place->area + AREA_SIZE, place->area, page, fs};
    status = native(SYS_THREAD_START, &arguments).status;
    if (status == STATUS_EXISTS) { /* a page that came with exec lies there */
        arguments[4] = 0;
        status = native(SYS_THREAD_START, &arguments).status;
    }
    if (status != STATUS_OK) {
        process->thread_count--;
        place->handle = HANDLE_NONE;
        return error_of(status);
    }
    return tid;
}

static int64_t thread_clone(struct posix_thread *_Nonnull self,
                            const struct clone_request *_Nonnull request) {
    uint32_t slot = 0;
    facts_load(self);
    struct thread_slot *place = thread_place(self->process, &slot);
    if (place == nullptr) {
        return -EAGAIN;
    }
    struct native_result made = NATIVE(SYS_OBJECT_CREATE, OBJECT_THREAD, 0, PRIORITY_FAIR, 0, 0, 0);
    if (made.status != STATUS_OK) {
        place->tid = 0;
        return -EAGAIN;
    }
    thread_prepare(self, address_pointer(place->area), slot, request);
    int64_t tid = thread_launch(self, SOME(place), slot, (handle_t)made.value, request);
    if (tid < 0) {
        handle_close((handle_t)made.value);
        place->tid = 0;
    }
    return tid;
}

static int64_t clone_with(struct posix_thread *_Nonnull self,
                          const struct clone_request *_Nonnull request) {
    uint64_t flags = request->flags;
    if ((flags & CLONE_NAMESPACES) != 0 || (flags & CLONE_PIDFD) != 0) {
        self->process->unsupported_other++;
        return -EINVAL;
    }
    if (((flags & CLONE_THREAD) != 0 && (flags & CLONE_SIGHAND) == 0) ||
        ((flags & CLONE_SIGHAND) != 0 && (flags & CLONE_VM) == 0) ||
        ((flags & CLONE_SIGHAND) != 0 && (flags & CLONE_CLEAR_SIGHAND) != 0)) {
        return -EINVAL;
    }
    if ((flags & CLONE_THREAD) != 0) {
        /* what Linux lets a thread not share is not told apart: all threads share all */
        return request->stack == 0 ? -EINVAL : thread_clone(self, request);
    }
    if ((flags & CLONE_VM) != 0 && (flags & CLONE_VFORK) == 0) {
        self->process->unsupported_other++;
        return -EINVAL; /* two processes that share memory for good */
    }
    if ((flags & (CLONE_FILES | CLONE_FS | CLONE_SIGHAND)) != 0 && (flags & CLONE_VFORK) == 0) {
        self->process->unsupported_other++;
        return -EINVAL;
    }
    self->fork_tls = request->tls;
    self->fork_child_tid = request->child_tid;
    int64_t pid = fork_with(self, flags, request->signal, request->stack);
    if (pid > 0 && (flags & CLONE_PARENT_SETTID) != 0) {
        uint32_t tid = (uint32_t)pid;
        (void)USER_WRITE(request->parent_tid, tid);
    }
    return pid;
}

LINUX(clone) {
    struct clone_request request = {.flags = frame->rdi & 0xffffff00ull,
                                    .signal = (uint32_t)frame->rdi & 0xff,
                                    .stack = frame->rsi,
                                    .parent_tid = frame->rdx,
                                    .child_tid = frame->r10,
                                    .tls = frame->r8};
    return clone_with(self, &request);
}

struct linux_clone_arguments {
    uint64_t flags, pidfd, child_tid, parent_tid, exit_signal, stack, stack_size, tls, set_tid,
        set_tid_size, cgroup;
};

LINUX(clone3) {
    struct linux_clone_arguments given = {};
    uint64_t size = frame->rsi;
    if (size < 64 || size > PAGE_SIZE) {
        return size > PAGE_SIZE ? -E2BIG : -EINVAL;
    }
    int64_t error = user_read(&given, frame->rdi, (size_t)MIN(size, sizeof given));
    if (error != 0) {
        return error;
    }
    if ((given.flags & 0xff) != 0 || given.exit_signal > SIGNAL_COUNT || given.set_tid_size != 0 ||
        (given.stack == 0) != (given.stack_size == 0)) {
        return -EINVAL;
    }
    struct clone_request request = {.flags = given.flags,
                                    .signal = (uint32_t)given.exit_signal,
                                    .stack = given.stack + given.stack_size,
                                    .parent_tid = given.parent_tid,
                                    .child_tid = given.child_tid,
                                    .tls = given.tls};
    return clone_with(self, &request);
}

/* ---- the end ---- */

enum {
    ROBUST_LIMIT = 2048,
    FUTEX_OWNER_DIED = 0x40000000,
    FUTEX_WAITERS_BIT = (int)0x80000000,
    FUTEX_TID_MASK = 0x3fffffff,
};

/* A mutex that the thread holds at its end: says so, and wakes one who waits. */
static void robust_release(const struct posix_thread *_Nonnull self, uint64_t word) {
    uint32_t value = 0;
    if (USER_READ(value, word) != 0 || (value & FUTEX_TID_MASK) != self->tid) {
        return;
    }
    uint32_t found = value;
    uint32_t wanted = (value & (uint32_t)FUTEX_WAITERS_BIT) | FUTEX_OWNER_DIED;
    if (user_exchange_u32(word, value, wanted, &found) == 0 && found == value &&
        (value & (uint32_t)FUTEX_WAITERS_BIT) != 0) {
        (void)NATIVE(SYS_FUTEX_WAKE, word, 1, 0, 0, UINT32_MAX, UINT64_MAX);
    }
}

static void robust_walk(const struct posix_thread *_Nonnull self) {
    struct {
        uint64_t first;
        int64_t offset;
        uint64_t pending;
    } head = {};
    if (self->robust_list == 0 || USER_READ(head, self->robust_list) != 0) {
        return;
    }
    uint64_t at = head.first;
    for (unsigned i = 0; i < ROBUST_LIMIT && (at & ~1ull) != self->robust_list; i++) {
        uint64_t next = 0;
        bool readable = USER_READ(next, at & ~1ull) == 0;
        if (at != head.pending) {
            robust_release(self, (at & ~1ull) + (uint64_t)head.offset);
        }
        if (!readable) {
            break;
        }
        at = next;
    }
    if (head.pending != 0) {
        robust_release(self, (head.pending & ~1ull) + (uint64_t)head.offset);
    }
}

void robust_walk_all(const struct posix_thread *_Nonnull self) {
    const struct posix_process *process = self->process;
    robust_walk(self);
    for (uint32_t i = 0; i < THREAD_LIMIT && process->thread_count > 1; i++) {
        const struct thread_slot *slot = &process->threads[i];
        if (i != self->slot && slot->tid != 0 && slot->handle != HANDLE_NONE) {
            robust_walk(address_pointer(slot->area));
        }
    }
}

/* The end of the process. In a space that it shares its word is cleared; what a process leaves that
 * was alone, nobody looks at. */
[[noreturn]] static void end_process(struct posix_thread *_Nonnull self, uint64_t code) {
    uint32_t cleared = 0;
    if (self->process->vfork_area != 0 && self->clear_tid != 0 &&
        USER_WRITE(self->clear_tid, cleared) == 0) {
        (void)NATIVE(SYS_FUTEX_WAKE, self->clear_tid, 1, 0, 0, UINT32_MAX, UINT64_MAX);
    }
    native_end((int64_t)(code & 0xff), false);
}

LINUX(exit) {
    struct posix_process *process = self->process;
    robust_walk(self);
    state_lock(&process->lock);
    bool last = process->thread_count <= 1;
    process->thread_count -= last ? 0 : 1;
    process->threads[self->slot].tid = last ? self->tid : 0;
    state_unlock(&process->lock);
    if (last) {
        end_process(self, frame->rdi);
    }
    native_thread_end(self->clear_tid);
}

LINUX(exit_group) {
    robust_walk_all(self);
    end_process(self, frame->rdi);
}

LINUX(set_tid_address) {
    self->clear_tid = frame->rdi;
    return linux_gettid(self, frame);
}

LINUX(set_robust_list) {
    if (frame->rsi != 24) {
        return -EINVAL;
    }
    self->robust_list = frame->rdi;
    return 0;
}

LINUX(get_robust_list) {
    uint64_t length = 24;
    if ((int32_t)frame->rdi != 0 && (uint32_t)frame->rdi != self->tid) {
        return -ESRCH;
    }
    int64_t error = USER_WRITE(frame->rsi, self->robust_list);
    return error != 0 ? error : USER_WRITE(frame->rdx, length);
}
