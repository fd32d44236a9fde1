/* See loopback.h. A call whose reply says FAULT_IN is delivered again, as the kernel would. */
#include "host/idlc/tests/loopback.h"
#include <stdlib.h>
#include <string.h>

struct loopback loopback;
/* On the heap, since the address sanitizer does not watch globals of that alignment. */
static struct thread_page *_Nullable client_page;
static struct thread_page *_Nullable server_page;

struct rt_context {
    uint32_t unused;
};
static struct rt_context the_context;

void loopback_start(void (*_Nullable serve)(struct rt_request *_Nonnull request)) {
    loopback = (struct loopback){.serve = serve};
    if (!client_page) {
        client_page = aligned_alloc(64, sizeof(struct thread_page));
        server_page = aligned_alloc(64, sizeof(struct thread_page));
    }
    memset(SOME(client_page), 0xa5, sizeof(struct thread_page));
    memset(SOME(server_page), 0x5a, sizeof(struct thread_page));
}

struct thread_page *_Nonnull loopback_server_page(void) {
    return SOME(server_page);
}

struct rt_context *_Nonnull loopback_context(void) {
    return &the_context;
}

struct thread_page *_Nonnull rt_thread_page(void) {
    return SOME(client_page);
}

void rt_handle_close(handle_t handle) {
    loopback.closed += handle != HANDLE_NONE;
}

status_t rt_copy_from_client(void *_Nonnull to, const void *_Nullable from, size_t size) {
    if (size > 0) {
        if (!from) {
            return STATUS_BAD_ADDRESS;
        }
        rt_copy(to, (const void *_Nonnull)from, size);
    }
    return STATUS_OK;
}

status_t rt_copy_to_client(void *_Nullable to, const void *_Nonnull from, size_t size) {
    if (size > 0) {
        if (!to) {
            return STATUS_BAD_ADDRESS;
        }
        rt_copy((void *_Nonnull)to, from, size);
    }
    return STATUS_OK;
}

static bool is_absent(void) {
    if (loopback.absent == 0) {
        return false;
    }
    loopback.absent--;
    return true;
}

UNSAFE_BEGIN
status_t rt_lease_read(uint64_t token, uint64_t offset, void *_Nonnull to, size_t size) {
    CHECK(token == LOOPBACK_TOKEN);
    if (is_absent()) {
        return STATUS_ABSENT;
    }
    if (offset > loopback.lease_in.length || size > loopback.lease_in.length - offset) {
        return STATUS_OUT_OF_RANGE;
    }
    rt_copy(to, (const void *)(uintptr_t)(loopback.lease_in.address + offset), size);
    return STATUS_OK;
}

status_t rt_lease_write(uint64_t token, uint64_t offset, const void *_Nonnull from, size_t size) {
    CHECK(token == LOOPBACK_TOKEN);
    if (is_absent()) {
        return STATUS_ABSENT;
    }
    if (offset > loopback.lease_out.length || size > loopback.lease_out.length - offset) {
        return STATUS_OUT_OF_RANGE;
    }
    rt_copy((void *)(uintptr_t)(loopback.lease_out.address + offset), from, size);
    return STATUS_OK;
}
UNSAFE_END

static enum object_type type_of(handle_t handle) {
    switch (handle) {
    case HANDLE_OWN_SESSION:
    case HANDLE_FOREIGN_SESSION:
    case HANDLE_WEAK_SESSION:
        return OBJECT_SESSION;
    case HANDLE_EVENT:
    case HANDLE_WEAK_EVENT:
        return OBJECT_EVENT;
    case HANDLE_MEMORY:
        return OBJECT_MEMORY;
    default:
        return OBJECT_NONE;
    }
}

status_t rt_handle_require(handle_t handle, enum object_type type, uint32_t rights) {
    bool weak = handle == HANDLE_WEAK_SESSION || handle == HANDLE_WEAK_EVENT;
    uint32_t held = weak ? RIGHT_WAIT : RIGHT_ALL;
    if (type_of(handle) == OBJECT_NONE) {
        return STATUS_BAD_HANDLE;
    }
    if (type_of(handle) != type) {
        return STATUS_BAD_TYPE;
    }
    return (rights & ~held) == 0 ? STATUS_OK : STATUS_BAD_RIGHTS;
}

status_t rt_handle_own_cookie(const struct rt_request *_Nonnull request, handle_t handle,
                              uint64_t *_Nonnull out_cookie) {
    (void)request;
    if (type_of(handle) != OBJECT_SESSION) {
        return STATUS_BAD_TYPE;
    }
    if (handle == HANDLE_FOREIGN_SESSION) {
        return STATUS_BAD_ARGUMENT;
    }
    *out_cookie = LOOPBACK_OWN_COOKIE;
    return STATUS_OK;
}

/* One attempt: a request as the kernel would deliver it, answered. */
static void attempt(handle_t session, const struct rt_call *_Nonnull call,
                    struct rt_reply *_Nonnull reply) {
    struct thread_page *page = loopback_server_page();
    struct rt_request request = {.page = page,
                                 .reply = reply,
                                 .token = LOOPBACK_TOKEN,
                                 .cookie = session,
                                 .label = call->label,
                                 .shape = call->shape};
    *reply = (struct rt_reply){.output = page->reply_output, .token = LOOPBACK_TOKEN};
    rt_copy(request.words, call->words, sizeof(request.words));
    rt_copy(page->received.handles, call->handles, sizeof(call->handles));
    rt_copy(page->received_input, rt_thread_page()->call_input, call->inline_size);
    page->received.lease_in_length = call->lease_in.length;
    page->received.lease_out_length = call->lease_out.length;
    if (loopback.forge) {
        loopback.forge(&request);
    }
    loopback.attempts++;
    if (loopback.serve) {
        loopback.serve(&request);
    }
}

status_t rt_call(handle_t session, struct rt_call *_Nonnull call) {
    struct rt_reply *reply = &loopback.last_reply;
    CHECK(call->inline_size <= CALL_INLINE_SIZE && call->handle_count <= CALL_HANDLES);
    loopback.attempts = 0;
    loopback.last_flags = call->flags;
    loopback.last_timeout_ns = call->timeout_ns;
    loopback.last_lend_mask = call->lend_mask;
    loopback.lease_in = call->lease_in;
    loopback.lease_out = call->lease_out;
    do {
        attempt(session, call, reply);
    } while (reply->outcome == RT_FAULT_IN);
    CHECK(reply->inline_size <= CALL_INLINE_SIZE && reply->handle_count <= CALL_HANDLES);
    rt_copy(call->words, reply->words, sizeof(call->words));
    rt_copy(call->handles, reply->handles, sizeof(call->handles));
    rt_copy(rt_thread_page()->call_output, loopback_server_page()->reply_output,
            reply->inline_size);
    call->shape = reply->shape;
    if (loopback.spoil) {
        loopback.spoil(call, rt_thread_page());
    }
    loopback.brought = 0;
    for (uint32_t i = 0; i < call->handle_count; i++) {
        loopback.brought += call->handles[i] != HANDLE_NONE;
    }
    return reply->outcome == RT_PARK ? STATUS_TIMED_OUT : reply->status;
}

status_t rt_call_nested(struct rt_context *_Nonnull context, uint32_t step, handle_t session,
                        struct rt_call *_Nonnull call) {
    CHECK(context == &the_context);
    loopback.last_step = step;
    return rt_call(session, call);
}
