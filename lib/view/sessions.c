/* Sessions and contexts. */
#include "abi/boot.h"
#include "lib/base/bytes.h"
#include "lib/view/internal.h"

enum {
    SHIFT_CONTEXT = VIEW_NODE_BITS,
    SHIFT_KIND = 58,
    SHIFT_READS = 60,
    SHIFT_WRITES = 61,
    SHIFT_OURS = 62,
    SESSION_RIGHTS = RIGHT_CALL | RIGHT_DUPLICATE | RIGHT_TRANSFER | RIGHT_WAIT | RIGHT_INSPECT
};

static uint64_t cookie_of(const struct view_session *_Nonnull session) {
    return session->node | (uint64_t)session->context << SHIFT_CONTEXT |
           (uint64_t)session->kind << SHIFT_KIND | (uint64_t)session->reads << SHIFT_READS |
           (uint64_t)session->writes << SHIFT_WRITES | UINT64_C(1) << SHIFT_OURS;
}

status_t view_session_of(uint64_t cookie, struct view_session *_Nonnull out) {
    if (view_is_control(cookie)) {
        *out = (struct view_session){.kind = VIEW_SESSION_PATH, .node = VIEW_ROOT};
        return STATUS_OK;
    }
    uint32_t kind = (uint32_t)(cookie >> SHIFT_KIND) & 3;
    uint32_t context = (uint32_t)(cookie >> SHIFT_CONTEXT) & 0x3ff;
    REFUSE(cookie >> SHIFT_OURS != 1 || kind == 0 || context >= VIEW_CONTEXTS, STATUS_BAD_ARGUMENT);
    *out = (struct view_session){
        .kind = (enum view_kind)kind,
        .node = cookie & ((UINT64_C(1) << VIEW_NODE_BITS) - 1),
        .context = context,
        .reads = (cookie >> SHIFT_READS & 1) != 0,
        .writes = (cookie >> SHIFT_WRITES & 1) != 0,
    };
    return STATUS_OK;
}

status_t view_opened(const struct rt_request *_Nonnull request, uint32_t wanted,
                     struct view_session *_Nonnull out) {
    TRY(view_session_of(request->cookie, out));
    REFUSE(out->kind != VIEW_SESSION_FILE, STATUS_BAD_ARGUMENT);
    REFUSE((wanted & MAY_READ) != 0 && !out->reads, STATUS_BAD_ARGUMENT);
    REFUSE((wanted & MAY_WRITE) != 0 && !out->writes, STATUS_BAD_ARGUMENT);
    return STATUS_OK;
}

status_t view_mint(struct view *_Nonnull view, const struct view_session *_Nonnull session,
                   handle_t *_Nonnull out) {
    handle_t whole = HANDLE_NONE;
    TRY(rt_object_create(OBJECT_SESSION, view->server->endpoint, cookie_of(session), 0, 0, 0,
                         &whole));
    status_t status = rt_session_ready(whole, 0, READY_IN | READY_OUT);
    uint32_t rights = SESSION_RIGHTS | (session->reads || session->writes ? RIGHT_READ : 0);
    status = status == STATUS_OK ? rt_handle_duplicate(whole, rights, out) : status;
    rt_handle_close(whole);
    if (status == STATUS_OK) {
        view->context_sessions[session->context]++;
    }
    return status;
}

/* ---- contexts ---- */

static uint64_t sum_of(const struct view_context *_Nonnull record) {
    const uint64_t words[] = {record->mount, record->root,
                              (uint64_t)record->floor << 32 | record->how};
    uint64_t sum = UINT64_C(0x9e3779b97f4a7c15);
    for (size_t i = 0; i < ARRAY_LENGTH(words); i++) {
        (void)__builtin_mul_overflow(sum ^ words[i], UINT64_C(0xff51afd7ed558ccd), &sum);
        sum = (sum << 29) | (sum >> 35);
    }
    return sum;
}

/* Counts the sessions of each context as the kernel lists them. */
static status_t count_sessions(struct view *_Nonnull view) {
    enum { BATCH = 4 };
    struct session_info listed[BATCH] = {};
    uint64_t cursor = 0;
    uint64_t count = 0;
    bytes_zero(view->context_sessions, sizeof view->context_sessions);
    do {
        TRY(rt_object_list(view->server->endpoint, LIST_SESSIONS, &listed[0], sizeof listed,
                           &cursor, &count));
        for (uint64_t i = 0; i < count && i < BATCH; i++) {
            struct view_session session = {};
            if (view_session_of(listed[i].cookie, &session) == STATUS_OK) {
                view->context_sessions[session.context]++;
            }
        }
    } while (count == BATCH);
    view->counted_again = true;
    return STATUS_OK;
}

static uint32_t free_context(const struct view *_Nonnull view) {
    for (uint32_t i = 1; i < VIEW_CONTEXTS; i++) {
        if (view->context_sessions[i] == 0) {
            return i;
        }
    }
    return VIEW_CONTEXTS;
}

status_t view_context_make(struct view *_Nonnull view, struct view_context record,
                           uint32_t *_Nonnull out) {
    uint32_t context = free_context(view);
    if (context == VIEW_CONTEXTS) {
        /* Sessions that never reached their client are told to nobody: count again. */
        TRY(count_sessions(view));
        context = free_context(view);
    }
    REFUSE(context == VIEW_CONTEXTS, STATUS_OUT_OF_QUOTA);
    record.checksum = sum_of(&record);
    *out = context;
    return rt_stage(view->server, &view->vault->contexts[context], &record, sizeof record);
}

uint32_t view_mount_flags(const struct view *_Nonnull view, uint32_t context) {
    return view->vault->contexts[context].how;
}

/* Whether the kernel lists another session of the context than the one that ends. */
static bool is_listed(const struct view *_Nonnull view, uint32_t context, uint64_t ending) {
    enum { BATCH = 4 };
    struct session_info listed[BATCH] = {};
    uint64_t cursor = 0;
    uint64_t count = 0;
    bool ended = false; /* the ending one may be in the list still, once */
    do {
        if (rt_object_list(view->server->endpoint, LIST_SESSIONS, &listed[0], sizeof listed,
                           &cursor, &count) != STATUS_OK) {
            return true;
        }
        for (uint64_t i = 0; i < count && i < BATCH; i++) {
            struct view_session session = {};
            bool is_ending = listed[i].cookie == ending && listed[i].handles == 0 && !ended;
            ended = ended || is_ending;
            if (!is_ending && view_session_of(listed[i].cookie, &session) == STATUS_OK &&
                session.context == context) {
                return true;
            }
        }
    } while (count == BATCH);
    return false;
}

void view_close(struct view *_Nonnull view, uint64_t cookie) {
    struct view_session session = {};
    if (view_session_of(cookie, &session) != STATUS_OK || session.context == 0) {
        return;
    }
    uint32_t *count = &view->context_sessions[session.context];
    *count -= *count > 0 ? 1 : 0;
    if (*count > 0 || (view->counted_again && is_listed(view, session.context, cookie))) {
        return;
    }
    struct view_context none = {};
    status_t status =
        rt_stage(view->server, &view->vault->contexts[session.context], &none, sizeof none);
    status = status == STATUS_OK
                 ? rt_stage_keep(view->server, VIEW_KEEP_UP + session.context, HANDLE_NONE)
                 : status;
    CHECK(status == STATUS_OK);
}

void view_begin(struct view *_Nonnull view, struct rt_server *_Nonnull server,
                const struct view_operations *_Nonnull operations) {
    view->server = server;
    view->vault = (const struct view_vault *)SOME(server->vault_data);
    view->operations = operations;
    handle_t process = rt_start_handle(server, "process");
    status_t status = access_attach(process, &view->principals);
    if (status != STATUS_OK && process != HANDLE_NONE) {
        rt_log(server, "no principals: status %d", (int)status);
    }
    for (uint32_t i = 0; i < VIEW_CONTEXTS; i++) {
        const struct view_context *record = &view->vault->contexts[i];
        if (record->mount != 0 && record->checksum != sum_of(record)) {
            rt_vault_corrupt(server, "context of a mount");
        }
    }
    if (server->mode != START_FRESH) {
        status = count_sessions(view);
        if (status != STATUS_OK) {
            rt_log(server, "no list of sessions: status %d", (int)status);
            rt_exit(RT_EXIT_START);
        }
    }
}
