#include "kernel/ipc/futex.h"
#include "abi/syscall.h"
#include "kernel/object/process.h"
#include "kernel/sched/clock.h"
#include "kernel/sched/scheduler.h"

enum { FUTEX_BUCKETS = 64, FUTEX_WAKE_LIMIT = 256 };
static struct list buckets[FUTEX_BUCKETS] GUARDED;
static bool buckets_ready GUARDED;

struct futex_key {
    uint64_t object; /* serial of the Memory: shared through mappings and clones of spaces */
    uint64_t offset;
};

static struct list *_Nonnull bucket_of(struct futex_key key) LOCKED {
    if (!buckets_ready) {
        for (size_t i = 0; i < FUTEX_BUCKETS; i++) {
            list_init(&buckets[i]);
        }
        buckets_ready = true;
    }
    return &buckets[(key.object * 31 + (key.offset >> 2)) % FUTEX_BUCKETS];
}

/* The key of an address; a private mapping's key is its own Memory, so no flag is needed. */
static status_t find_key(const struct thread *_Nonnull thread, uint64_t address,
                         struct futex_key *_Nonnull out) LOCKED {
    const struct space *space = thread->process->space;
    REFUSE((address & 3) != 0, STATUS_BAD_ARGUMENT);
    const struct mapping *mapping = space == nullptr ? nullptr : space_find(space, address);
    REFUSE(mapping == nullptr || mapping->memory == nullptr, STATUS_BAD_ADDRESS);
    out->object = mapping->memory->object.serial;
    out->offset = (mapping->offset << PAGE_SHIFT) + (address - mapping->node.key);
    return STATUS_OK;
}

/* Registers: a address, b expected, words: deadline, bitset, flags. */
status_t futex_wait(struct thread *_Nonnull self, struct syscall_registers *_Nonnull r) {
    uint32_t bits = (uint32_t)r->words[1];
    uint64_t flags = r->words[2];
    struct futex_key key = {};
    void *word = nullptr;
    REFUSE(bits == 0, STATUS_BAD_ARGUMENT);
    TRY(find_key(self, r->a, &key));
    TRY(user_page(self, r->a, false, &word));
    REFUSE(__atomic_load_n((const uint32_t *)SOME(word), __ATOMIC_SEQ_CST) != (uint32_t)r->b,
           STATUS_AGAIN);
    REFUSE((flags & FUTEX_INTERRUPTIBLE) != 0 && self->page != nullptr &&
               SOME(self->page)->kick_pending != 0,
           STATUS_CANCELLED);
    uint64_t deadline = r->words[0];
    if (deadline != DEADLINE_NEVER) {
        if ((flags & FUTEX_REALTIME) != 0) {
            uint64_t offset = clock_realtime_ns() - arch_clock_ns();
            deadline = deadline > offset ? deadline - offset : 0;
        }
        REFUSE(deadline <= arch_clock_ns(), STATUS_TIMED_OUT);
        timer_start(&self->timer, deadline);
    }
    self->wait_key[0] = key.object;
    self->wait_key[1] = key.offset;
    self->wait_bits = bits;
    self->interruptible = (flags & FUTEX_INTERRUPTIBLE) != 0;
    self->state = THREAD_FUTEX;
    list_append(bucket_of(key), &self->wait_link);
    return STATUS_OK;
}

static bool waits_for(const struct thread *_Nonnull thread, struct futex_key key, uint32_t bits) {
    return thread->wait_key[0] == key.object && thread->wait_key[1] == key.offset &&
           (thread->wait_bits & bits) != 0;
}

static uint64_t wake(struct futex_key key, uint64_t count, uint32_t bits) LOCKED {
    uint64_t woken = 0;
    LIST_FOR(thread, bucket_of(key), struct thread, wait_link) {
        if (woken < count && waits_for(thread, key, bits)) {
            thread_wake(thread, STATUS_OK);
            woken++;
        }
    }
    return woken;
}

/* Registers: a address, b count, words: requeue count, requeue address, bitset, expected (only with
 * requeue; UINT64_MAX: do not compare) → woken + requeued. */
status_t futex_wake(struct thread *_Nonnull self, struct syscall_registers *_Nonnull r) {
    struct futex_key from = {};
    struct futex_key to = {};
    status_t status = find_key(self, r->a, &from);
    uint64_t requeue = MIN(r->words[0], (uint64_t)FUTEX_WAKE_LIMIT);
    if (status == STATUS_OK && requeue > 0) {
        status = find_key(self, r->words[1], &to);
        void *word = nullptr;
        if (status == STATUS_OK && r->words[3] != UINT64_MAX) {
            status = user_page(self, r->a, false, &word);
            if (status == STATUS_OK && __atomic_load_n((const uint32_t *)SOME(word),
                                                       __ATOMIC_SEQ_CST) != (uint32_t)r->words[3]) {
                status = STATUS_AGAIN;
            }
        }
    }
    TRY(status);
    uint64_t moved = wake(from, MIN(r->b, (uint64_t)FUTEX_WAKE_LIMIT), (uint32_t)r->words[2]);
    if (requeue > 0) {
        LIST_FOR(thread, bucket_of(from), struct thread, wait_link) {
            if (requeue > 0 && waits_for(thread, from, UINT32_MAX)) {
                list_remove(&thread->wait_link);
                thread->wait_key[0] = to.object;
                thread->wait_key[1] = to.offset;
                list_append(bucket_of(to), &thread->wait_link);
                requeue--;
                moved++;
            }
        }
    }
    r->words[0] = moved;
    return STATUS_OK;
}

void futex_clear(struct thread *_Nonnull thread, uint64_t address) {
    struct futex_key key = {};
    void *word = nullptr;
    if (find_key(thread, address, &key) != STATUS_OK ||
        process_page(thread->process, address, true, &word) != STATUS_OK) {
        return;
    }
    __atomic_store_n((uint32_t *)SOME(word), 0u, __ATOMIC_SEQ_CST);
    (void)wake(key, 1, UINT32_MAX);
}
