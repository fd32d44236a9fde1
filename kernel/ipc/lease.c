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
    REFUSE(which != LEASE_IN && which != LEASE_OUT, STATUS_BAD_ARGUMENT);
    REFUSE(request->client == nullptr, STATUS_CLOSED);
    const struct lease *lease = which == LEASE_IN ? &request->lease_in : &request->lease_out;
    REFUSE(ckd_add(&end, offset, length) || end > lease->length ||
               ckd_add(out_address, lease->address, offset),
           STATUS_OUT_OF_RANGE);
    return STATUS_OK;
}

/* The server's side of a copy: an address of its own, or an offset in a Memory that it need not
 * have mapped. */
struct lease_peer {
    struct thread *_Nonnull server;
    struct memory *_Nullable memory;
    uint64_t start;
};

static status_t peer_page(const struct lease_peer *_Nonnull peer, uint64_t at, bool write,
                          void *_Nullable *_Nonnull out) LOCKED {
    struct memory_page page = {};
    if (peer->memory == nullptr) {
        return process_page(peer->server->process, at, write, out);
    }
    TRY(memory_page(SOME(peer->memory), at >> PAGE_SHIFT, write, &page));
    *out = bytes_at(arch_pointer(page.physical), (size_t)(at & (PAGE_SIZE - 1)));
    return STATUS_OK;
}

/* Registers: a token, b which, words[0] lease offset → bytes done. */
static status_t copy_lease(struct syscall_registers *_Nonnull r, uint64_t wanted,
                           const struct lease_peer *_Nonnull peer) LOCKED {
    struct request *request = nullptr;
    uint64_t client_address = 0;
    uint64_t length = MIN(wanted, (uint64_t)LEASE_COPY_PAGES * PAGE_SIZE);
    TRY(request_find(r->a, peer->server->process, &request));
    TRY(lease_range(SOME(request), r->b, r->words[0], length, &client_address));
    struct thread *client = SOME(SOME(request)->client);
    bool write = r->b == LEASE_OUT;
    status_t status = STATUS_OK;
    uint64_t done = 0;
    while (done < length) {
        void *theirs = nullptr;
        void *ours = nullptr;
        uint64_t at = client_address + done;
        uint64_t own = peer->start + done;
        status = process_page(client->process, at, write, &theirs);
        if (status == STATUS_OK) {
            status = peer_page(peer, own, !write, &ours);
        }
        if (status != STATUS_OK) {
            break;
        }
        uint64_t chunk = MIN(length - done, PAGE_SIZE - (at & (PAGE_SIZE - 1)));
        chunk = MIN(chunk, PAGE_SIZE - (own & (PAGE_SIZE - 1)));
        bytes_copy(write ? SOME(theirs) : SOME(ours), write ? SOME(ours) : SOME(theirs),
                   (size_t)chunk);
        done += chunk;
    }
    r->words[0] = done;
    return status;
}

/* Registers: … words[1] address, words[2] length. */
status_t lease_copy(struct thread *_Nonnull self, struct syscall_registers *_Nonnull r) {
    struct lease_peer peer = {.server = self, .start = r->words[1]};
    return copy_lease(r, r->words[2], &peer);
}

/* Registers: … words[1] memory, words[2] offset, words[3] length. */
status_t lease_transfer(struct thread *_Nonnull self, struct syscall_registers *_Nonnull r) {
    struct object *object = nullptr;
    TRY(handle_find(&self->process->table, r->words[1], OBJECT_MEMORY,
                    r->b == LEASE_OUT ? RIGHT_READ : RIGHT_WRITE, &object));
    struct lease_peer peer = {
        .server = self, .memory = (struct memory *)object, .start = r->words[2]};
    return copy_lease(r, r->words[3], &peer);
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
    TRY(lease_range(request, request->fault_in_lease, request->fault_in_offset, length, &address));
    request_unpin(request);
    uint64_t end = address + length;
    for (uint64_t at = address; at < end; at = (at & ~(uint64_t)(PAGE_SIZE - 1)) + PAGE_SIZE) {
        void *pointer = nullptr;
        client->state = THREAD_CALLING;
        TRY(user_page(client, at, request->fault_in_lease == LEASE_OUT, &pointer));
        pin(request, SOME(pointer));
    }
    request->fault_in = false;
    return STATUS_OK;
}
