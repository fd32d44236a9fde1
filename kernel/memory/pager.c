/* Memory that a server supplies: threads wait for pages or credit, the pager is told through its
 * waitset, supplies by moving pages, and later collects, writes and commits dirty ones. The waiting
 * threads themselves are the list of requests, so a pager that is restarted finds them all. */
#include "kernel/memory/pager.h"
#include "kernel/object/process.h"
#include "kernel/sched/scheduler.h"

status_t memory_wait_page(struct thread *_Nonnull self, const struct memory_page *_Nonnull wanted,
                          uint64_t index) {
    struct memory *memory = SOME(wanted->waits_for);
    self->wait_key[0] = index;
    self->wait_key[1] = wanted->request;
    self->wait_reported = false;
    self->waits_on = &memory->object;
    object_reference(&memory->object);
    self->state = THREAD_PAGE;
    list_append(&memory->waiters, &self->wait_link);
    source_notify(&memory->source, UINT32_MAX);
    return STATUS_RESTART;
}

void memory_wake_waiters(struct memory *_Nonnull memory, uint64_t first, uint64_t count,
                         status_t status) {
    LIST_FOR(thread, &memory->waiters, struct thread, wait_link) {
        if (thread->wait_key[0] - first >= count) {
            continue;
        }
        if (status == STATUS_OK) {
            thread_restart(thread);
        } else if (thread->fault_wait) {
            thread_unwait(thread);
            thread->fault_failed = true;
            thread_defer(thread);
        } else {
            thread_wake(thread, status);
        }
    }
}

/* The next request that the pager was not told of. */
bool pager_take_request(struct memory *_Nonnull memory, uint64_t *_Nonnull out_request,
                        uint64_t *_Nonnull out_offset, uint64_t *_Nonnull out_length) {
    LIST_FOR(thread, &memory->waiters, struct thread, wait_link) {
        if (!thread->wait_reported && thread->wait_key[1] != PAGE_WRITER) {
            uint64_t granule = (uint64_t)1 << memory->granule_shift;
            uint64_t first = thread->wait_key[0] & ~(granule - 1);
            thread->wait_reported = true;
            *out_request = thread->wait_key[1];
            *out_offset = first << PAGE_SHIFT;
            *out_length = granule << PAGE_SHIFT;
            return true;
        }
    }
    return false;
}

bool pager_has_request(const struct memory *_Nonnull memory) {
    LIST_FOR(thread, list_of(&memory->waiters), struct thread, wait_link) {
        if (!thread->wait_reported && thread->wait_key[1] != PAGE_WRITER) {
            return true;
        }
    }
    return false;
}

void pager_died(struct memory *_Nonnull memory) {
    memory->credit = 0; /* its successor counts what is dirty, and promises anew */
    LIST_FOR(thread, &memory->waiters, struct thread, wait_link) {
        thread->wait_reported = false;
    }
    MEMORY_FOR(memory, index, slot, 0, UINT64_MAX) {
        if ((*slot & SLOT_WRITING) != 0) {
            memory->writing--;
            memory->dirty += (*slot & SLOT_DIRTY) == 0 ? 1 : 0;
            *slot = (*slot & ~(uint64_t)SLOT_WRITING) | SLOT_DIRTY;
        }
    }
}

enum { SUPPLY_PAGE_LIMIT = 64 };

/* Moves the page at `from` of `source` (or a zero page) to the absent index `to`. A page that is
 * present stays as it is (restart.md, 13). */
static status_t supply_one(struct memory *_Nonnull memory, uint64_t to,
                           struct memory *_Nullable source, uint64_t from) LOCKED {
    const uint64_t *there = memory_slot(memory, to);
    if (there != nullptr && *there != 0) {
        return STATUS_OK;
    }
    uint64_t *slot = source != nullptr ? memory_slot(SOME(source), from) : nullptr;
    if (slot == nullptr || *slot == 0) {
        return memory_add_page(memory, to, nullptr, &(struct memory_page){});
    }
    struct page *page = page_at(slot_page(*slot));
    REFUSE(page->references > 1, STATUS_BUSY);
    TRY(memory_insert_page(memory, to, page, 0));
    page->references++;
    (void)memory_evict(SOME(source), from, 1, true);
    return STATUS_OK;
}

status_t memory_supply(struct memory *_Nonnull memory, uint32_t operation, uint64_t offset,
                       uint64_t length, struct memory *_Nullable source, uint64_t argument) {
    uint64_t first = offset >> PAGE_SHIFT;
    uint64_t count = length >> PAGE_SHIFT;
    switch (operation) {
    case SUPPLY_MOVE:
    case SUPPLY_ZERO:
        REFUSE(count > SUPPLY_PAGE_LIMIT || ((offset | length) & (PAGE_SIZE - 1)) != 0 ||
                   (operation == SUPPLY_MOVE && source == nullptr),
               STATUS_BAD_ARGUMENT);
        for (uint64_t i = 0; i < count; i++) {
            TRY(supply_one(memory, first + i, operation == SUPPLY_MOVE ? source : nullptr,
                           (argument >> PAGE_SHIFT) + i));
        }
        memory_wake_waiters(memory, first, count, STATUS_OK);
        return STATUS_OK;
    case SUPPLY_ERROR:
        memory_wake_waiters(memory, first, count, STATUS_IO);
        return STATUS_OK;
    case SUPPLY_CREDIT:
        if (ckd_add(&memory->credit, memory->credit, length)) {
            memory->credit = UINT64_MAX;
        }
        memory_wake_waiters(memory, 0, UINT64_MAX, STATUS_OK);
        return STATUS_OK;
    case SUPPLY_NO_CREDIT:
        memory_wake_waiters(memory, 0, UINT64_MAX, STATUS_NO_CREDIT);
        return STATUS_OK;
    default:
        return STATUS_BAD_ARGUMENT;
    }
}

/* Dirty pages of the range become writing, are copied into `target` (a private Memory of the pager)
 * by reference: a later writer of the file copies, so what the pager reads is stable. */
static status_t collect(struct memory *_Nonnull memory, uint64_t first, uint64_t count,
                        struct memory *_Nonnull target, uint64_t *_Nonnull out) LOCKED {
    uint64_t collected = 0;
    MEMORY_FOR(memory, index, slot, first, count) {
        if ((*slot & SLOT_DIRTY) == 0) {
            continue;
        }
        if (collected == SUPPLY_PAGE_LIMIT) {
            break;
        }
        (void)memory_evict(target, index - first, 1, true);
        struct page *page = page_at(slot_page(*slot));
        TRY(memory_insert_page(target, index - first, page, 0));
        page->references++;
        memory_drop_translations(memory, index, 1);
        memory->writing += (*slot & SLOT_WRITING) == 0 ? 1 : 0;
        memory->dirty--;
        *slot = (*slot & ~(uint64_t)SLOT_DIRTY) | SLOT_WRITING;
        collected++;
    }
    *out = collected;
    return STATUS_OK;
}

static void committed(struct memory *_Nonnull memory, uint64_t first, uint64_t count) LOCKED {
    MEMORY_FOR(memory, index, slot, first, count) {
        if ((*slot & SLOT_WRITING) != 0) {
            *slot &= ~(uint64_t)SLOT_WRITING;
            memory->writing--;
        }
    }
}

static uint64_t next_dirty(struct memory *_Nonnull memory, uint64_t first) LOCKED {
    MEMORY_FOR(memory, index, slot, first, UINT64_MAX) {
        if ((*slot & SLOT_DIRTY) != 0) {
            return index;
        }
    }
    return UINT64_MAX;
}

status_t memory_scan(struct memory *_Nonnull memory, uint32_t operation, uint64_t offset,
                     uint64_t length, uint64_t argument, struct memory *_Nullable target,
                     uint64_t *_Nonnull out) {
    uint64_t first = offset >> PAGE_SHIFT;
    uint64_t count = length >> PAGE_SHIFT;
    uint64_t request = 0;
    uint64_t extent = 0;
    switch (operation) {
    case SCAN_DIRTY:
        *out = next_dirty(memory, first);
        REFUSE(*out == UINT64_MAX, STATUS_OUT_OF_RANGE);
        *out <<= PAGE_SHIFT;
        return STATUS_OK;
    case SCAN_COLLECT:
        return target == nullptr ? STATUS_BAD_ARGUMENT
                                 : collect(memory, first, count, SOME(target), out);
    case SCAN_COMMITTED:
        committed(memory, first, count);
        return STATUS_OK;
    case SCAN_EVICT:
        *out = memory_evict(memory, first, count, false);
        return STATUS_OK;
    case SCAN_REVOKE_CREDIT:
        *out = MIN(argument, memory->credit);
        memory->credit -= *out;
        return STATUS_OK;
    case SCAN_PENDING:
        return pager_take_request(memory, &request, out, &extent) ? STATUS_OK : STATUS_OUT_OF_RANGE;
    default:
        return STATUS_BAD_ARGUMENT;
    }
}
