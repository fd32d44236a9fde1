/* Rings: a memory shared by a client and a server, with requests one way and completions the other.
 *
 * Each side keeps its own counters privately and publishes them; what it reads from the other side
 * is one counter, loaded once, which must lie between what this side knows already. An entry is
 * copied out once and then validated, so that the other side cannot change it in between.
 *
 * The template's words: @R the ring's name, @Q and @C the structures, @D the depth. */
#include "host/idlc/generate.h"
#include <inttypes.h>

static const char template_layout[] =
    "struct @R {\n"
    "    alignas(64) _Atomic uint32_t submitted; /* written by the client */\n"
    "    alignas(64) _Atomic uint32_t taken;     /* written by the server */\n"
    "    alignas(64) _Atomic uint32_t completed; /* written by the server */\n"
    "    alignas(64) _Atomic uint32_t reaped;    /* written by the client */\n"
    "    alignas(64) struct @Q requests[@D];\n"
    "    alignas(64) struct @C completions[@D];\n"
    "};\n"
    "static_assert(offsetof(struct @R, requests) == 256);\n"
    "\n"
    "/* One side's own counters; they never come from the ring once it is in use. */\n"
    "struct @R_client {\n"
    "    struct @R *_Nonnull shared;\n"
    "    uint32_t submitted, reaped;\n"
    "};\n"
    "struct @R_server {\n"
    "    struct @R *_Nonnull shared;\n"
    "    uint32_t taken, completed;\n"
    "};\n\n";

static const char template_client[] =
    "/* Adds a request; the caller rings the server's event.\n"
    " * Errors: WOULD_BLOCK: as many requests as the ring is deep have not been reaped. */\n"
    "[[nodiscard]] static inline status_t "
    "@R_submit(struct @R_client *_Nonnull ring, const struct @Q *_Nonnull request) {\n"
    "    if (ring->submitted - ring->reaped >= @Du) {\n"
    "        return STATUS_WOULD_BLOCK;\n"
    "    }\n"
    "    ring->shared->requests[ring->submitted % @Du] = *request;\n"
    "    ring->submitted++;\n"
    "    atomic_store_explicit(&ring->shared->submitted, ring->submitted, memory_order_release);\n"
    "    return STATUS_OK;\n"
    "}\n\n"
    "/* Takes the next completion.\n"
    " * Errors: WOULD_BLOCK: there is none; CORRUPT: the server broke the ring, or said what no\n"
    " * completion can say (it is taken all the same). */\n"
    "[[nodiscard]] static inline status_t "
    "@R_reap(struct @R_client *_Nonnull ring, struct @C *_Nonnull out_completion) {\n"
    "    uint32_t completed = "
    "atomic_load_explicit(&ring->shared->completed, memory_order_acquire);\n"
    "    if (completed == ring->reaped) {\n"
    "        return STATUS_WOULD_BLOCK;\n"
    "    }\n"
    "    if (completed - ring->reaped > ring->submitted - ring->reaped) {\n"
    "        return STATUS_CORRUPT;\n"
    "    }\n"
    "    *out_completion = ring->shared->completions[ring->reaped % @Du];\n"
    "    atomic_signal_fence(memory_order_seq_cst);\n"
    "    ring->reaped++;\n"
    "    atomic_store_explicit(&ring->shared->reaped, ring->reaped, memory_order_release);\n"
    "    return @CVALID(out_completion) ? STATUS_OK : STATUS_CORRUPT;\n"
    "}\n\n";

static const char template_server[] =
    "/* Takes the next request.\n"
    " * Errors: WOULD_BLOCK: there is none; CORRUPT: the client broke the ring, or asked what no\n"
    " * request can ask (it is taken all the same, and needs a completion). */\n"
    "[[nodiscard]] static inline status_t "
    "@R_take(struct @R_server *_Nonnull ring, struct @Q *_Nonnull out_request) {\n"
    "    uint32_t submitted = "
    "atomic_load_explicit(&ring->shared->submitted, memory_order_acquire);\n"
    "    if (submitted == ring->taken) {\n"
    "        return STATUS_WOULD_BLOCK;\n"
    "    }\n"
    "    if (submitted - ring->taken > @Du - (ring->taken - ring->completed)) {\n"
    "        return STATUS_CORRUPT;\n"
    "    }\n"
    "    *out_request = ring->shared->requests[ring->taken % @Du];\n"
    "    atomic_signal_fence(memory_order_seq_cst);\n"
    "    ring->taken++;\n"
    "    atomic_store_explicit(&ring->shared->taken, ring->taken, memory_order_release);\n"
    "    return @QVALID(out_request) ? STATUS_OK : STATUS_CORRUPT;\n"
    "}\n\n"
    "/* Adds a completion of a request that was taken; the caller rings the client's event. */\n"
    "static inline void @R_complete(struct @R_server *_Nonnull ring, "
    "const struct @C *_Nonnull completion) {\n"
    "    CHECK(ring->completed != ring->taken);\n"
    "    ring->shared->completions[ring->completed % @Du] = *completion;\n"
    "    ring->completed++;\n"
    "    atomic_store_explicit(&ring->shared->completed, ring->completed, memory_order_release);\n"
    "}\n\n";

static const char template_attach[] =
    "/* A client's or server's counters after its restart, from what it had published itself.\n"
    " * Errors: CORRUPT: they cannot be: set the whole ring up anew. */\n"
    "[[nodiscard]] static inline status_t "
    "@R_client_attach(struct @R_client *_Nonnull ring, struct @R *_Nonnull shared) {\n"
    "    ring->shared = shared;\n"
    "    ring->submitted = atomic_load_explicit(&shared->submitted, memory_order_acquire);\n"
    "    ring->reaped = atomic_load_explicit(&shared->reaped, memory_order_acquire);\n"
    "    return ring->submitted - ring->reaped <= @Du ? STATUS_OK : STATUS_CORRUPT;\n"
    "}\n"
    "[[nodiscard]] static inline status_t "
    "@R_server_attach(struct @R_server *_Nonnull ring, struct @R *_Nonnull shared) {\n"
    "    ring->shared = shared;\n"
    "    ring->taken = atomic_load_explicit(&shared->taken, memory_order_acquire);\n"
    "    ring->completed = atomic_load_explicit(&shared->completed, memory_order_acquire);\n"
    "    return ring->taken - ring->completed <= @Du ? STATUS_OK : STATUS_CORRUPT;\n"
    "}\n";

struct ring_words {
    struct long_name ring, request, completion;
    bool request_checked, completion_checked;
    uint64_t depth;
};

/* `@QVALID(x)`: a call of the structure's check, or `x != nullptr` where all values are good. */
static size_t emit_valid(struct output *_Nonnull out, struct text rest,
                         const struct long_name *_Nonnull name, bool checked) {
    static const char word[] = "VALID(";
    if (!text_starts(rest, word)) {
        emit(out, "%s", name->text);
        return 0;
    }
    if (checked) {
        emit(out, "%s_valid(", name->text);
        return sizeof(word) - 1;
    }
    emit(out, "rt_any_value(");
    return sizeof(word) - 1;
}

static void emit_template(struct generator *_Nonnull generator, const char *_Nonnull template,
                          const struct ring_words *_Nonnull words) {
    struct text text = text_of(template);
    struct output *out = &generator->line;
    for (size_t i = 0; i < text.size; i++) {
        char c = text.data[i];
        if (c == '\n') {
            end_line(generator);
            continue;
        }
        if (c != '@' || i + 1 == text.size) {
            emit(out, "%c", c);
            continue;
        }
        i++;
        struct text rest = text_part(text, i + 1, text.size);
        switch (text.data[i]) {
        case 'R':
            emit(out, "%s", words->ring.text);
            break;
        case 'Q':
            i += emit_valid(out, rest, &words->request, words->request_checked);
            break;
        case 'C':
            i += emit_valid(out, rest, &words->completion, words->completion_checked);
            break;
        default:
            emit(out, "%" PRIu64, words->depth);
            break;
        }
    }
}

void emit_ring(struct generator *_Nonnull generator, const struct type_declaration *_Nonnull ring) {
    const struct type_declaration *request = &generator->protocol->types[ring->request];
    const struct type_declaration *completion = &generator->protocol->types[ring->completion];
    struct ring_words words = {.ring = type_c_name(ring),
                               .request = type_c_name(request),
                               .completion = type_c_name(completion),
                               .request_checked = request->checked,
                               .completion_checked = completion->checked,
                               .depth = ring->depth};
    emit_template(generator, template_layout, &words);
    emit_template(generator, template_client, &words);
    emit_template(generator, template_server, &words);
    emit_template(generator, template_attach, &words);
}
