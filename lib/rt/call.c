/* Making calls. Words and label go in registers; the thread page carries the rest, and only what is
 * there is announced to the kernel, so a plain call touches no more than registers. */
#include "lib/rt/context.h"
#include "lib/rt/message.h"
#include "lib/rt/native.h"

/* Lent handles go as duplicates, so that the caller keeps its own. */
static status_t put_handles(struct thread_page *_Nonnull page,
                            const struct rt_call *_Nonnull call) {
    for (uint32_t i = 0; i < call->handle_count; i++) {
        handle_t handle = call->handles[i];
        if ((call->lend_mask & 1u << i) != 0 && handle != HANDLE_NONE) {
            status_t status = rt_handle_duplicate(handle, RIGHT_ALL, &handle);
            if (status != STATUS_OK) {
                for (uint32_t j = 0; j < i; j++) {
                    if ((call->lend_mask & 1u << j) != 0) {
                        rt_handle_close(page->call.handles[j]);
                    }
                }
                return status;
            }
        }
        page->call.handles[i] = handle;
    }
    page->call.handle_count = call->handle_count;
    return STATUS_OK;
}

/* What is beyond words and inline bytes. */
static status_t prepare(struct thread_page *_Nonnull page, const struct rt_call *_Nonnull call,
                        uint32_t *_Nonnull flags) {
    if ((call->lease_in.length | call->lease_out.length) != 0) {
        page->call.lease_in = call->lease_in;
        page->call.lease_out = call->lease_out;
        *flags |= CALL_HAS_LEASES;
    }
    if (call->handle_count > 0) {
        *flags |= CALL_HAS_HANDLES;
        return put_handles(page, call);
    }
    return STATUS_OK;
}

static void take_handles(const struct thread_page *_Nonnull page, struct rt_call *_Nonnull call) {
    for (uint32_t i = 0; i < CALL_HANDLES; i++) {
        call->handles[i] = i < call->handle_count ? page->call.handles[i] : HANDLE_NONE;
    }
}

RT_TRUSTED_BEGIN
static inline status_t make(handle_t session, struct rt_call *_Nonnull call, uint32_t flags) {
    struct thread_page *page = rt_thread_page();
    flags |= call->flags;
    if (call->timeout_ns != RT_TIMEOUT_NEVER) {
        page->call.timeout_ns = call->timeout_ns;
        flags |= CALL_HAS_DEADLINE;
    }
    if ((call->lease_in.length | call->lease_out.length | call->handle_count) != 0) {
        status_t status = prepare(page, call, &flags);
        if (status != STATUS_OK) {
            return status;
        }
    }
    struct rt_exchange e = {.number = SYS_CALL,
                            .a = (uint64_t)flags << 32 | session,
                            .b = (uint64_t)call->shape << 32 | call->label};
    rt_exchange(&e, &call->words, &call->words);
    call->shape = (uint32_t)(e.b >> 32);
    if (call->handle_count > 0) {
        take_handles(page, call);
    }
    return (status_t)(int32_t)(uint32_t)e.number;
}

status_t rt_call(handle_t session, struct rt_call *_Nonnull call) {
    return make(session, call, 0);
}
RT_TRUSTED_END

status_t rt_call_nested(struct rt_context *_Nonnull context, uint32_t step, handle_t session,
                        struct rt_call *_Nonnull call) {
    struct thread_page *page = rt_thread_page();
    page->call.step = step;
    if (context->token != 0) {
        page->call.parent = context->token;
        return make(session, call, CALL_NESTED);
    }
    page->call.root = context->root;
    return make(session, call, CALL_BACKGROUND);
}
