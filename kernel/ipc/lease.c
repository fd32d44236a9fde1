/* Leases: the server's way to a client's buffer, for the time of one call. Copies go between pages
 * that are present; an absent one that a pager must bring is never waited for (restart.md, 8): the
 * server ends the attempt with FAULT_IN, the client's own thread waits for the page, and the call
 * comes again. */
#include "kernel/ipc/call.h"
#include "kernel/memory/user.h"
#include "kernel/object/process.h"
#include "lib/base/bytes.h"

enum { LEASE_COPY_PAGES = 16 };

/* Checks a range of a lease. An orphan's leases are revoked: nothing is there. */
static status_t lease_range(const struct request *_Nonnull request, uint64_t which, uint64_t offset,
                            uint64_t length, uint64_t *_Nonnull out_address) LOCKED {
    uint64_t end = 0;
    if (which != LEASE_IN && which != LEASE_OUT) {
        return STATUS_BAD_ARGUMENT;
    }
    if (request->client == nullptr) {
        return STATUS_CLOSED;
    }
    const struct lease *lease = which == LEASE_IN ? &request->lease_in : &request->lease_out;
    if (ckd_add(&end, offset, length) || end > lease->length ||
        ckd_add(out_address, lease->address, offset)) {
        return STATUS_OUT_OF_RANGE;
    }
    return STATUS_OK;
}

/* Registers: a token, b which, words: lease offset, address, length → bytes done. */
status_t lease_copy(struct thread *_Nonnull self, struct syscall_registers *_Nonnull r) {
    struct request *found = nullptr;
    status_t status = request_find(r->a, self->process, &found);
    if (status != STATUS_OK) {
        return status;
    }
    uint64_t length = MIN(r->words[2], (uint64_t)LEASE_COPY_PAGES * PAGE_SIZE);
    uint64_t client_address = 0;
    status = lease_range(SOME(found), r->b, r->words[0], length, &client_address);
    if (status != STATUS_OK) {
        return status;
    }
    struct thread *client = SOME(SOME(found)->client);
    bool write = r->b == LEASE_OUT;
    uint64_t done = 0;
    while (done < length) {
        void *theirs = nullptr;
        void *ours = nullptr;
        uint64_t at = client_address + done;
        uint64_t own = r->words[1] + done;
        status = lease_page(client, at, write, &theirs);
        if (status == STATUS_OK) {
            status = lease_page(self, own, !write, &ours);
        }
        if (status != STATUS_OK) {
            break;
        }
        uint64_t chunk = MIN(length - done, PAGE_SIZE - (at & (PAGE_SIZE - 1)));
        chunk = MIN(chunk, PAGE_SIZE - (own & (PAGE_SIZE - 1)));
        if (write) {
            bytes_copy(SOME(theirs), SOME(ours), (size_t)chunk);
        } else {
            bytes_copy(SOME(ours), SOME(theirs), (size_t)chunk);
        }
        done += chunk;
    }
    r->words[0] = done;
    return done == length ? STATUS_OK : status;
}

/* Registers: a token, b which, words: lease offset, memory, offset, length → bytes done. Copies
 * between a lease and a Memory that the server need not have mapped. */
status_t lease_transfer(struct thread *_Nonnull self, struct syscall_registers *_Nonnull r) {
    struct request *found = nullptr;
    struct object *object = nullptr;
    status_t status = request_find(r->a, self->process, &found);
    bool write = r->b == LEASE_OUT;
    if (status == STATUS_OK) {
        status = handle_find(&self->process->table, r->words[1], OBJECT_MEMORY,
                             write ? RIGHT_READ : RIGHT_WRITE, &object);
    }
    if (status != STATUS_OK) {
        return status;
    }
    struct memory *memory = (struct memory *)SOME(object);
    uint64_t length = MIN(r->words[3], (uint64_t)LEASE_COPY_PAGES * PAGE_SIZE);
    uint64_t client_address = 0;
    status = lease_range(SOME(found), r->b, r->words[0], length, &client_address);
    if (status != STATUS_OK) {
        return status;
    }
    struct thread *client = SOME(SOME(found)->client);
    uint64_t done = 0;
    while (done < length) {
        void *theirs = nullptr;
        struct memory_page page = {};
        uint64_t at = client_address + done;
        uint64_t offset = r->words[2] + done;
        status = lease_page(client, at, write, &theirs);
        if (status == STATUS_OK) {
            status = memory_page(memory, offset >> PAGE_SHIFT, !write, &page);
        }
        if (status != STATUS_OK) {
            break;
        }
        void *ours = bytes_at(arch_pointer(page.physical), (size_t)(offset & (PAGE_SIZE - 1)));
        uint64_t chunk = MIN(length - done, PAGE_SIZE - (at & (PAGE_SIZE - 1)));
        chunk = MIN(chunk, PAGE_SIZE - (offset & (PAGE_SIZE - 1)));
        if (write) {
            bytes_copy(SOME(theirs), ours, (size_t)chunk);
        } else {
            bytes_copy(ours, SOME(theirs), (size_t)chunk);
        }
        done += chunk;
    }
    r->words[0] = done;
    return done == length ? STATUS_OK : status;
}

static void pin(struct request *_Nonnull request, const void *_Nonnull pointer) LOCKED {
    struct page *page = page_of_physical(arch_physical(pointer));
    if (page == nullptr || page->kind != PAGE_USER || request->pin_count == CALL_LEASE_PAGES) {
        return;
    }
    page->pins++;
    page->references++;
    request->pins[request->pin_count++] = page_number(SOME(page));
}

status_t lease_fault_in(struct request *_Nonnull request) {
    struct thread *client = SOME(request->client);
    uint64_t length = MIN(request->fault_in_length, (uint64_t)(CALL_LEASE_PAGES - 1) * PAGE_SIZE);
    uint64_t address = 0;
    status_t status =
        lease_range(request, request->fault_in_lease, request->fault_in_offset, length, &address);
    if (status != STATUS_OK) {
        return status;
    }
    request_unpin(request);
    uint64_t end = address + length;
    for (uint64_t at = address; at < end; at = (at & ~(uint64_t)(PAGE_SIZE - 1)) + PAGE_SIZE) {
        void *pointer = nullptr;
        client->state = THREAD_CALLING;
        status = user_page(client, at, request->fault_in_lease == LEASE_OUT, &pointer);
        if (status != STATUS_OK) {
            return status;
        }
        pin(request, SOME(pointer));
    }
    request->fault_in = false;
    return STATUS_OK;
}
