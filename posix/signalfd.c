/* signalfd: `local` keeps the set, what is pending is this process's affair. */
#include "posix/signalfd.h"
#include "idl/local.h"
#include "idl/stream.h"
#include "posix/descriptors.h"
#include "posix/errors.h"
#include "posix/identity.h"
#include "posix/native.h"
#include "posix/signals.h"
#include "posix/sockets.h"
#include "posix/syscalls.h"
#include "posix/user.h"

struct signalfd_siginfo {
    uint32_t number;
    int32_t error, code;
    uint32_t pid, uid;
    int32_t fd;
    uint32_t timer, band, overruns, trap;
    int32_t status, value;
    uint64_t pointer, user_time, system_time, address;
    uint16_t address_bit, reserved;
    int32_t syscall;
    uint64_t call_address;
    uint32_t architecture;
    uint8_t rest[28];
};
static_assert(sizeof(struct signalfd_siginfo) == 128);

/* From now on these signals kick, though they be blocked. True: some did not before. */
static bool watch(struct posix_thread *_Nonnull self, uint64_t set) {
    struct posix_process *process = self->process;
    if ((set & ~process->watched) == 0) {
        return false;
    }
    process->watched |= set;
    signals_publish(self);
    return true;
}

static int64_t change(struct posix_thread *_Nonnull self, uint64_t fd, uint64_t set) {
    struct fd_entry entry = {};
    uint64_t now = 0;
    int64_t error = fd_get_open(self, fd, &entry);
    if (error == 0 && entry.kind != FD_SIGNALS) {
        error = -EINVAL;
    }
    if (error == 0) {
        error = error_of_local(local_set_signals(entry.handle, true, set, false, false, &now));
    }
    return error != 0 ? error : (int64_t)(uint32_t)fd;
}

static int64_t make(struct posix_thread *_Nonnull self, const struct program_frame *_Nonnull frame,
                    uint64_t flags) {
    uint64_t set = 0;
    handle_t signals = HANDLE_NONE;
    if (frame->rdx != sizeof set) {
        return -EINVAL;
    }
    int64_t error = USER_READ(set, frame->rsi);
    if (error == 0 && (flags & ~(uint64_t)(O_CLOEXEC | O_NONBLOCK) & UINT32_MAX) != 0) {
        error = -EINVAL;
    }
    set &= ~SIGNALS_UNMASKABLE;
    if (error != 0 || (int32_t)frame->rdi != -1) {
        return error != 0 ? error : change(self, frame->rdi, set);
    }
    status_t status = local_signals(self->process->local, set, &signals);
    if (status != STATUS_OK) {
        return status == STATUS_OUT_OF_QUOTA ? -ENFILE : error_of_local(status);
    }
    (void)watch(self, set);
    return session_give(self, signals, FD_SIGNALS, O_RDWR, flags);
}

LINUX(signalfd) {
    return make(self, frame, 0);
}

LINUX(signalfd4) {
    return make(self, frame, frame->r10);
}

/* ---- readiness ---- */

static void show(struct posix_thread *_Nonnull self, const struct fd_entry *_Nonnull entry) {
    struct session_info session = {};
    uint64_t set = 0;
    (void)NATIVE(SYS_OBJECT_INFO, entry->handle, INFO_SESSION, (uintptr_t)&session, sizeof session);
    bool shown = (session.ready & READY_IN) != 0;
    if (signals_waiting(self) == 0 && !shown && self->process->signals != nullptr) {
        return; /* nothing can be there */
    }
    if (local_set_signals(entry->handle, false, 0, false, false, &set) != STATUS_OK) {
        return;
    }
    (void)watch(self, set);
    bool pending = (signals_waiting(self) & set) != 0;
    if (pending != shown) {
        (void)local_set_signals(entry->handle, false, 0, true, pending, &set);
    }
}

void signalfds_show(struct posix_thread *_Nonnull self) {
    const struct fd_table *table = self->process->table;
    if (self->process->watched == 0) {
        return;
    }
    facts_load(self);
    for (uint32_t i = 0; i < MIN(table->high, (uint32_t)FD_LIMIT); i++) {
        struct fd_entry entry = {};
        if (table->entries[i].kind == FD_SIGNALS && fd_get(self, i, &entry) == 0) {
            show(self, &entry);
        }
    }
}

/* ---- reading ---- */

static struct signalfd_siginfo shown_as(const struct linux_siginfo *_Nonnull info) {
    struct signalfd_siginfo shown = {
        .number = (uint32_t)info->number, .error = info->error, .code = info->code};
    if (info->number == SIGCHLD && info->code > 0) {
        shown.pid = (uint32_t)info->child.pid;
        shown.uid = info->child.uid;
        shown.status = info->child.status;
    } else if ((SIGNAL_BIT(info->number) & SIGNALS_SYNCHRONOUS) != 0 && info->code > 0) {
        shown.address = info->fault.address;
    } else {
        shown.pid = (uint32_t)info->sender.pid;
        shown.uid = info->sender.uid;
        shown.pointer = info->sender.value;
        shown.value = (int32_t)(uint32_t)info->sender.value;
    }
    return shown;
}

/* As many as are pending and have room. */
static int64_t take(struct posix_thread *_Nonnull self, uint64_t set, uint64_t address,
                    uint64_t count) {
    uint64_t done = 0;
    while (done < count) {
        struct linux_siginfo info = {};
        uint64_t to = address + done * sizeof(struct signalfd_siginfo);
        if (user_probe(to, sizeof(struct signalfd_siginfo)) != 0) {
            return done > 0 ? (int64_t)done : -EFAULT;
        }
        if (signal_take_any(self, set, &info) == 0) {
            break;
        }
        struct signalfd_siginfo shown = shown_as(&info);
        if (USER_WRITE(to, shown) != 0) {
            return -EFAULT;
        }
        done++;
    }
    return (int64_t)done;
}

int64_t signalfd_read(struct posix_thread *_Nonnull self, const struct fd_entry *_Nonnull entry,
                      uint64_t address, uint64_t length) {
    uint64_t set = 0;
    uint64_t count = length / sizeof(struct signalfd_siginfo);
    if (count == 0) {
        return -EINVAL;
    }
    facts_load(self);
    status_t status = local_set_signals(entry->handle, false, 0, false, false, &set);
    if (status != STATUS_OK) {
        return error_of_local(status);
    }
    (void)watch(self, set);
    for (;;) {
        int64_t taken = take(self, set, address, count);
        if (taken != 0) {
            return taken < 0 ? taken : taken * (int64_t)sizeof(struct signalfd_siginfo);
        }
        if (socket_nonblocking(entry)) {
            return -EAGAIN;
        }
        if (signals_pending(self)) {
            signals_look(self);
            return -ERESTARTSYS;
        }
        (void)wait_for_signal(self, DEADLINE_NEVER);
        __atomic_store_n((uint32_t *)&self->page->kick_pending, 0, __ATOMIC_SEQ_CST);
    }
}
