/* Waiting for children, signalling others, limits, priorities, usage: calls to `process`. */
#include "idl/process.h"
#include "posix/errors.h"
#include "posix/identity.h"
#include "posix/native.h"
#include "posix/signals.h"
#include "posix/syscalls.h"
#include "posix/user.h"

enum {
    NS_PER_SECOND = 1000000000,
    NS_PER_TICK = 10000000,
    WNOHANG = 1,
    WUNTRACED = 2,
    WEXITED = 4,
    WCONTINUED = 8,
    WNOWAIT = 0x1000000,
};
#define WNOTHREAD 0x20000000ull
#define WALL 0x40000000ull
#define WCLONE 0x80000000ull
#define WAIT_CLONE_FLAGS (WNOTHREAD | WALL | WCLONE)

static struct linux_timeval timeval_of(uint64_t ns) {
    return (struct linux_timeval){(int64_t)(ns / NS_PER_SECOND),
                                  (int64_t)(ns % NS_PER_SECOND / 1000)};
}

static int64_t give_usage(uint64_t address, const struct process_usage *_Nonnull used) {
    struct linux_rusage usage = {
        .user = timeval_of(used->user_ns),
        .system = timeval_of(used->system_ns),
        .largest = (int64_t)(used->largest / 1024),
        .minor = (int64_t)used->minor_faults,
        .major = (int64_t)used->major_faults,
        .voluntary = (int64_t)used->voluntary,
        .involuntary = (int64_t)used->involuntary,
    };
    return address == 0 ? 0 : USER_WRITE(address, usage);
}

struct wait_result {
    uint32_t pid, uid, code;
    enum process_end_kind ended;
    struct process_usage used;
};

static int64_t wait_for(struct posix_thread *_Nonnull self, enum process_wait_kind kind,
                        uint32_t id, uint64_t options, struct wait_result *_Nonnull out) {
    uint32_t how = ((options & WNOHANG) != 0 ? PROCESS_WAIT_FLAGS_NO_HANG : 0) |
                   ((options & WUNTRACED) != 0 ? PROCESS_WAIT_FLAGS_STOPPED : 0) |
                   ((options & WEXITED) != 0 ? PROCESS_WAIT_FLAGS_EXITED : 0) |
                   ((options & WCONTINUED) != 0 ? PROCESS_WAIT_FLAGS_CONTINUED : 0) |
                   ((options & WNOWAIT) != 0 ? PROCESS_WAIT_FLAGS_KEEP : 0) |
                   ((options & WCLONE) != 0 ? PROCESS_WAIT_FLAGS_CLONES : 0) |
                   ((options & WALL) != 0 ? PROCESS_WAIT_FLAGS_ANY_KIND : 0);
    return error_of_process(process_wait(self->process->process, kind, id, how, &out->pid,
                                         &out->uid, &out->ended, &out->code, &out->used));
}

/* The status word of wait(2). */
static uint32_t status_word(const struct wait_result *_Nonnull result) {
    switch (result->ended) {
    case PROCESS_END_KIND_EXITED:
        return (result->code & 0xff) << 8;
    case PROCESS_END_KIND_KILLED:
        return result->code & 0x7f;
    case PROCESS_END_KIND_DUMPED:
        return (result->code & 0x7f) | 0x80;
    case PROCESS_END_KIND_STOPPED:
        return (result->code & 0xff) << 8 | 0x7f;
    case PROCESS_END_KIND_CONTINUED:
        return 0xffff;
    case PROCESS_END_KIND_NOTHING:
        break;
    }
    return 0;
}

LINUX(wait4) {
    struct wait_result result = {};
    int32_t pid = (int32_t)frame->rdi;
    uint64_t options = (uint32_t)frame->rdx;
    if ((options & ~(uint64_t)(WNOHANG | WUNTRACED | WCONTINUED | WAIT_CLONE_FLAGS)) != 0) {
        return -EINVAL;
    }
    if (pid == INT32_MIN) {
        return -ESRCH;
    }
    enum process_wait_kind kind = pid == -1 ? PROCESS_WAIT_KIND_ANY
                                  : pid > 0 ? PROCESS_WAIT_KIND_PID
                                            : PROCESS_WAIT_KIND_GROUP;
    uint32_t id = pid > 0 ? (uint32_t)pid : pid == 0 ? facts_self(self).group : (uint32_t)-pid;
    int64_t error = wait_for(self, kind, pid == -1 ? 0 : id, options | WEXITED, &result);
    if (error != 0 || result.pid == 0) {
        return error;
    }
    uint32_t word = status_word(&result);
    if (frame->rsi != 0) {
        error = USER_WRITE(frame->rsi, word);
    }
    error = error != 0 ? error : give_usage(frame->r10, &result.used);
    return error != 0 ? error : (int64_t)result.pid;
}

static int32_t code_of(enum process_end_kind ended) {
    switch (ended) {
    case PROCESS_END_KIND_EXITED:
        return CLD_EXITED;
    case PROCESS_END_KIND_KILLED:
        return CLD_KILLED;
    case PROCESS_END_KIND_DUMPED:
        return CLD_DUMPED;
    case PROCESS_END_KIND_STOPPED:
        return CLD_STOPPED;
    case PROCESS_END_KIND_CONTINUED:
        return CLD_CONTINUED;
    case PROCESS_END_KIND_NOTHING:
        break;
    }
    return 0;
}

LINUX(waitid) {
    struct wait_result result = {};
    struct linux_siginfo info = {};
    uint64_t options = (uint32_t)frame->r10;
    uint64_t wanted = WUNTRACED | WEXITED | WCONTINUED;
    if ((options & ~(wanted | WNOHANG | WNOWAIT | WAIT_CLONE_FLAGS)) != 0 ||
        (options & wanted) == 0 || (uint32_t)frame->rdi > 2) {
        return -EINVAL;
    }
    if ((uint32_t)frame->rdi == 1 && (int32_t)frame->rsi <= 0) {
        return -EINVAL;
    }
    static const enum process_wait_kind kinds[3] = {PROCESS_WAIT_KIND_ANY, PROCESS_WAIT_KIND_PID,
                                                    PROCESS_WAIT_KIND_GROUP};
    uint32_t id = (uint32_t)frame->rsi;
    if ((uint32_t)frame->rdi == 2 && id == 0) {
        id = facts_self(self).group;
    }
    int64_t error = wait_for(self, kinds[(uint32_t)frame->rdi], id, options, &result);
    if (error != 0) {
        return error;
    }
    if (result.pid != 0) {
        info.number = SIGCHLD;
        info.code = code_of(result.ended);
        info.child.pid = (int32_t)result.pid;
        info.child.uid = result.uid;
        info.child.status = (int32_t)result.code;
    }
    error = frame->rdx == 0 ? 0 : USER_WRITE(frame->rdx, info);
    return error != 0 ? error : give_usage(frame->r8, &result.used);
}

/* ---- signals to others ---- */

static int64_t send(struct posix_thread *_Nonnull self, enum process_target_kind kind, uint32_t id,
                    uint32_t thread, uint32_t number, int32_t code, uint64_t value) {
    /* who sends it is for `process` to say */
    struct process_signal_info info = {.number = number, .code = code, .value = value};
    return error_of_process(process_kill(self->process->process, kind, id, thread, &info));
}

/* A signal from this process to one of its own threads needs nobody else. */
static void send_own(struct posix_thread *_Nonnull self, const struct thread_slot *_Nonnull slot,
                     uint32_t number, int32_t code, uint64_t value) {
    struct posix_thread *to = address_pointer(slot->area);
    uint32_t index = number - 1;
    if ((to->pending & SIGNAL_BIT(number)) == 0) {
        to->signal_code[index] = code;
        to->signal_value[index] = value;
        to->signal_pid[index] = facts_pid(self);
        to->signal_uid[index] = facts_credentials(self).uid;
    }
    (void)__atomic_fetch_or(&to->pending, SIGNAL_BIT(number), __ATOMIC_RELEASE);
    if (to == self) {
        signals_look(self);
    } else {
        (void)NATIVE(SYS_THREAD_CONTROL, slot->handle, THREAD_KICK);
    }
}

LINUX(kill) {
    int32_t pid = (int32_t)frame->rdi;
    uint32_t number = (uint32_t)frame->rsi;
    if (number > SIGNAL_COUNT) {
        return -EINVAL;
    }
    if (pid > 0 && (uint32_t)pid == facts_pid(self) && self->process->thread_count == 1 &&
        number != 0 && number != SIGKILL && number != SIGSTOP && number != SIGCONT &&
        (self->mask & SIGNAL_BIT(number)) == 0) {
        send_own(self, &self->process->threads[self->slot], number, SI_USER, 0);
        return 0;
    }
    if (pid > 0 && number == SIGKILL && (uint32_t)pid == facts_pid(self)) {
        signal_end(self, SIGKILL);
    }
    if (pid == INT32_MIN) {
        return -ESRCH;
    }
    if (pid == -1) {
        return send(self, PROCESS_TARGET_KIND_EVERYBODY, 0, 0, number, SI_USER, 0);
    }
    if (pid > 0) {
        return send(self, PROCESS_TARGET_KIND_PROCESS, (uint32_t)pid, 0, number, SI_USER, 0);
    }
    uint32_t group = pid == 0 ? facts_self(self).group : (uint32_t)-pid;
    return send(self, PROCESS_TARGET_KIND_GROUP, group, 0, number, SI_USER, 0);
}

static int64_t thread_kill(struct posix_thread *_Nonnull self, int32_t group, int32_t tid,
                           uint32_t number, int32_t code, uint64_t value) {
    if (tid <= 0 || group == 0 || number > SIGNAL_COUNT) {
        return -EINVAL;
    }
    (void)linux_gettid(self, thread_frame(self));
    const struct thread_slot *slot = thread_find(self->process, (uint32_t)tid);
    bool ours = slot != nullptr && (group < 0 || (uint32_t)group == facts_pid(self));
    if (!ours && group > 0 && ((uint32_t)group == facts_pid(self) || group != tid)) {
        return -ESRCH; /* of others' threads only the first is known by number */
    }
    if (!ours) {
        uint32_t id = group < 0 ? (uint32_t)tid : (uint32_t)group;
        return send(self, PROCESS_TARGET_KIND_THREAD, id, (uint32_t)tid, number, code, value);
    }
    if (number == 0) {
        return 0;
    }
    if (number == SIGKILL) {
        signal_end(self, SIGKILL);
    }
    if (number == SIGSTOP) {
        return send(self, PROCESS_TARGET_KIND_PROCESS, facts_pid(self), 0, number, code, value);
    }
    send_own(self, SOME(slot), number, code, value);
    return 0;
}

LINUX(tgkill) {
    if ((int32_t)frame->rdi <= 0) {
        return -EINVAL;
    }
    return thread_kill(self, (int32_t)frame->rdi, (int32_t)frame->rsi, (uint32_t)frame->rdx,
                       SI_TKILL, 0);
}

LINUX(tkill) {
    return thread_kill(self, -1, (int32_t)frame->rdi, (uint32_t)frame->rsi, SI_TKILL, 0);
}

/* The siginfo of a queued signal. Only the kernel says that something happened: a program may
 * claim that of itself alone. */
static int64_t queued_info(struct posix_thread *_Nonnull self, uint64_t address, uint32_t number,
                           uint32_t pid, struct linux_siginfo *_Nonnull out) {
    int64_t error = USER_READ(*out, address);
    if (error != 0) {
        return error;
    }
    if (number > SIGNAL_COUNT) {
        return -EINVAL;
    }
    return (out->code >= 0 || out->code == SI_TKILL) && pid != facts_pid(self) ? -EPERM : 0;
}

LINUX(rt_sigqueueinfo) {
    struct linux_siginfo info = {};
    uint32_t number = (uint32_t)frame->rsi;
    int64_t error = queued_info(self, frame->rdx, number, (uint32_t)frame->rdi, &info);
    return error != 0 ? error
                      : send(self, PROCESS_TARGET_KIND_PROCESS, (uint32_t)frame->rdi, 0, number,
                             info.code, info.sender.value);
}

LINUX(rt_tgsigqueueinfo) {
    struct linux_siginfo info = {};
    uint32_t number = (uint32_t)frame->rdx;
    if ((int32_t)frame->rdi <= 0) {
        return -EINVAL;
    }
    int64_t error = queued_info(self, frame->r10, number, (uint32_t)frame->rdi, &info);
    return error != 0 ? error
                      : thread_kill(self, (int32_t)frame->rdi, (int32_t)frame->rsi, number,
                                    info.code, info.sender.value);
}

/* ---- limits, usage, priority ---- */

static int64_t limit(struct posix_thread *_Nonnull self, uint64_t pid, uint64_t resource,
                     uint64_t new_limit, uint64_t old_limit) {
    uint64_t wanted[2] = {};
    uint64_t old[2] = {};
    int64_t error = new_limit == 0 ? 0 : USER_READ(wanted, new_limit);
    if (error != 0) {
        return error;
    }
    if ((uint32_t)resource > 15 || (new_limit != 0 && wanted[0] > wanted[1])) {
        return -EINVAL;
    }
    bool own = (uint32_t)pid == 0 || (uint32_t)pid == facts_pid(self);
    if (resource == LIMIT_DESCRIPTORS && new_limit != 0 && wanted[1] > FD_LIMIT) {
        return -EPERM;
    }
    status_t status =
        process_limit(self->process->process, own ? 0 : (uint32_t)pid, (uint32_t)resource,
                      new_limit != 0, wanted[0], wanted[1], &old[0], &old[1]);
    if (status != STATUS_OK) {
        return error_of_process(status);
    }
    if (own && new_limit != 0) {
        self->process->limits[(uint32_t)resource & (LIMIT_COUNT - 1)] = wanted[0];
    }
    return old_limit == 0 ? 0 : USER_WRITE(old_limit, old);
}

LINUX(prlimit64) {
    return limit(self, frame->rdi, (uint32_t)frame->rsi, frame->rdx, frame->r10);
}

LINUX(getrlimit) {
    return limit(self, 0, (uint32_t)frame->rdi, 0, frame->rsi);
}

LINUX(setrlimit) {
    return frame->rsi == 0 ? -EFAULT : limit(self, 0, (uint32_t)frame->rdi, frame->rsi, 0);
}

static status_t usage_of(struct posix_thread *_Nonnull self, enum process_usage_kind kind,
                         struct process_usage *_Nonnull out) {
    return process_usage_of(self->process->process, kind, out);
}

LINUX(getrusage) {
    struct process_usage used = {};
    int32_t who = (int32_t)frame->rdi;
    if (who < -1 || who > 1) {
        return -EINVAL;
    }
    status_t status = usage_of(self,
                               who == 0   ? PROCESS_USAGE_KIND_SELF
                               : who == 1 ? PROCESS_USAGE_KIND_THREAD
                                          : PROCESS_USAGE_KIND_CHILDREN,
                               &used);
    if (status != STATUS_OK) {
        return error_of_process(status);
    }
    return frame->rsi == 0 ? -EFAULT : give_usage(frame->rsi, &used);
}

LINUX(times) {
    struct process_usage own = {};
    struct process_usage children = {};
    status_t status = usage_of(self, PROCESS_USAGE_KIND_SELF, &own);
    if (status == STATUS_OK) {
        status = usage_of(self, PROCESS_USAGE_KIND_CHILDREN, &children);
    }
    if (status != STATUS_OK) {
        return error_of_process(status);
    }
    uint64_t ticks[4] = {own.user_ns / NS_PER_TICK, own.system_ns / NS_PER_TICK,
                         children.user_ns / NS_PER_TICK, children.system_ns / NS_PER_TICK};
    int64_t error = frame->rdi == 0 ? 0 : USER_WRITE(frame->rdi, ticks);
    return error != 0 ? error : (int64_t)(clock_monotonic_ns() / NS_PER_TICK);
}

static int64_t nice(struct posix_thread *_Nonnull self, const struct program_frame *_Nonnull frame,
                    bool change, int32_t *_Nonnull old) {
    uint32_t id = (uint32_t)frame->rsi;
    if ((uint32_t)frame->rdi > 2) {
        return -EINVAL;
    }
    if ((uint32_t)frame->rdi == 2) {
        self->process->unsupported_other++;
        return -EINVAL; /* all processes of a user */
    }
    bool group = (uint32_t)frame->rdi == 1;
    if (id == 0) {
        id = group ? facts_self(self).group : facts_pid(self);
    }
    int32_t value = (int32_t)frame->rdx;
    value = value < -20 ? -20 : value > 19 ? 19 : value;
    return error_of_process(process_nice(
        self->process->process, group ? PROCESS_TARGET_KIND_GROUP : PROCESS_TARGET_KIND_PROCESS, id,
        change, change ? value : 0, old));
}

LINUX(getpriority) {
    int32_t old = 0;
    int64_t error = nice(self, frame, false, &old);
    return error != 0 ? error : 20 - old;
}

LINUX(setpriority) {
    int32_t old = 0;
    return nice(self, frame, true, &old);
}
