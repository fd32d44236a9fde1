/* See request.h: the life of a request apart from its queueing (endpoint.c). */
#include "kernel/ipc/request.h"
#include "kernel/ipc/deliver.h"
#include "kernel/memory/page.h"
#include "kernel/object/domain.h"
#include "kernel/object/process.h"
#include "kernel/sched/thread.h"

status_t request_create(struct domain *_Nonnull domain, enum request_kind kind,
                        struct request *_Nullable *_Nonnull out) {
    void *memory = nullptr;
    TRY(slab_allocate(SLAB_REQUEST, domain, &memory));
    struct request *request = SOME(memory);
    uint32_t number = slab_request_number(request);
    if (number > TOKEN_NUMBER_MASK) {
        slab_free(SLAB_REQUEST, domain, request); /* beyond what a token can name */
        return STATUS_OUT_OF_MEMORY;
    }
    uint64_t token = (request->token & ~TOKEN_NUMBER_MASK) | number;
    *request = (struct request){.token = token, .kind = kind, .domain = domain};
    object_reference(&domain->object);
    list_init(&request->link);
    list_init(&request->hand_link);
    list_init(&request->notice_link);
    list_init(&request->deadline_link);
    list_init(&request->nested_link);
    *out = request;
    return STATUS_OK;
}

void request_free(struct request *_Nonnull request) {
    CHECK(request->state == REQUEST_IDLE);
    struct domain *domain = SOME(request->domain);
    list_remove(&request->deadline_link);
    request_renew(request);
    request->domain = nullptr;
    slab_free(SLAB_REQUEST, domain, request);
    object_release(&domain->object);
}

status_t request_find(uint64_t token, const struct process *_Nonnull holder,
                      struct request *_Nullable *_Nonnull out) {
    struct request *request = slab_request_at((uint32_t)(token & TOKEN_NUMBER_MASK));
    REFUSE(request == nullptr || request->token != token || request->state != REQUEST_IN_HAND ||
               request->holder != holder,
           STATUS_NOT_FOUND);
    *out = request;
    return STATUS_OK;
}

static struct list nested_calls GUARDED = {&nested_calls, &nested_calls};

void request_set_nested(struct request *_Nonnull request) {
    list_append(&nested_calls, &request->nested_link);
}

bool request_root_live(uint64_t root) {
    if (root >> 63 != 0) {
        return true;
    }
    LIST_FOR(nested, &nested_calls, struct request, nested_link) {
        if (nested->identity.root == root) {
            return true;
        }
    }
    const struct request *request = slab_request_at((uint32_t)(root & TOKEN_NUMBER_MASK));
    return request != nullptr && request->domain != nullptr && request->token == root &&
           request->state != REQUEST_IDLE;
}

void request_unpin(struct request *_Nonnull request) {
    for (uint32_t i = 0; i < request->pin_count; i++) {
        struct page *page = page_at(request->pins[i]);
        CHECK(page->pins > 0);
        page->pins--;
        page_release(page);
    }
    request->pin_count = 0;
}

void request_end(struct request *_Nonnull request) {
    struct endpoint *endpoint = SOME(request->endpoint);
    if (request->state == REQUEST_QUEUED) {
        endpoint->queued--;
    } else if (request->state == REQUEST_IN_HAND) {
        endpoint->in_hand--;
    }
    if (request->orphan) {
        endpoint->orphan_count--;
    }
    list_remove(&request->notice_link);
    request_unpin(request);
    for (uint32_t i = 0; i < request->handle_count; i++) {
        struct carried_handle *carried = &request->handles[i];
        if (carried->duplicate != HANDLE_NONE && request->holder != nullptr) {
            (void)handle_close(&request->holder->table, carried->duplicate);
            carried->duplicate = HANDLE_NONE;
        }
        if (carried->object != nullptr) {
            object_drop_handle(SOME(carried->object));
            carried->object = nullptr;
        }
    }
    request->handle_count = 0;
    if (request->client != nullptr && request->reserved_slots > 0) {
        handle_unreserve(&request->client->process->table, request->reserved_slots);
    }
    request->reserved_slots = 0;
    struct session *session = request->session;
    bool was_call = request->kind == REQUEST_CALL;
    bool orphan = request->orphan;
    request_rest(request);
    if (orphan) {
        request_free(request);
        source_notify(&endpoint->source, UINT32_MAX); /* a call may have waited for its end */
    }
    if (session != nullptr) {
        if (was_call) {
            session->calls--;
            if (session->object.handles == session->object.kept) {
                session_unhandled(SOME(session));
            }
        }
        object_release(&session->object);
    }
}
