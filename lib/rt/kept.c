#include "lib/rt/kept.h"
#include "lib/base/bytes.h"

void rt_server_keep_replies(struct rt_server *_Nonnull server, const struct rt_kept *_Nonnull table,
                            uint32_t count) {
    server->kept_count = count;
    server->kept = table;
    for (uint32_t i = 0; i < count; i++) {
        const struct rt_kept *kept = &server->kept[i];
        if (kept->header.kind != 0 &&
            (kept->header.kind != RT_KEPT_KIND || kept->header.size != sizeof *kept ||
             rt_record_checksum(&kept->header) != kept->header.checksum)) {
            rt_vault_corrupt(server, "a kept reply");
        }
    }
}

/* FNV-1a over words: two different requests under one identity are a defect of the caller, not an
 * attack: a server speaks for itself alone. */
static uint64_t hash_request(const struct rt_request *_Nonnull request) {
    uint64_t hash = 0xcbf29ce484222325ull ^ ((uint64_t)request->shape << 32 | request->label);
    for (size_t i = 0; i < MIN((size_t)request->word_count, (size_t)CALL_WORDS); i++) {
        hash = (hash ^ request->words[i]) * 0x100000001b3ull;
        hash ^= hash >> 29;
    }
    return hash;
}

bool rt_kept_find(struct rt_server *_Nonnull server, const struct rt_request *_Nonnull request) {
    struct call_identity identity = request->page->received.identity;
    for (uint32_t i = 0; i < server->kept_count; i++) {
        const struct rt_kept *kept = &server->kept[i];
        if (kept->header.kind == 0 || kept->identity.root != identity.root ||
            kept->identity.path != identity.path || kept->cookie != request->cookie) {
            continue;
        }
        struct rt_reply *reply = request->reply;
        if (kept->request_hash != hash_request(request)) {
            rt_log(server, "a different request under the identity %lx/%lx", identity.root,
                   identity.path);
            reply->status = STATUS_BAD_MESSAGE;
            return true;
        }
        for (size_t w = 0; w < CALL_WORDS; w++) {
            reply->words[w] = kept->words[w];
        }
        reply->shape = kept->shape;
        bytes_copy(reply->output, kept->inline_bytes, reply->inline_size);
        return true;
    }
    return false;
}

/* An entry that is free, or whose root no call has any more. */
static const struct rt_kept *_Nullable free_entry(struct rt_server *_Nonnull server) {
    for (uint32_t i = 0; i < server->kept_count; i++) {
        uint64_t live = 0;
        const struct rt_kept *kept = &server->kept[i];
        if (kept->header.kind == 0 ||
            (rt_roots_live(&kept->identity.root, 1, &live) == STATUS_OK && live == 0)) {
            return kept;
        }
    }
    return nullptr;
}

status_t rt_kept_stage(struct rt_server *_Nonnull server,
                       const struct rt_request *_Nonnull request) {
    const struct rt_reply *reply = request->reply;
    if (reply->handle_count > 0) {
        return STATUS_NOT_SUPPORTED;
    }
    if (reply->inline_size > RT_KEPT_INLINE) {
        return STATUS_OUT_OF_RANGE;
    }
    const struct rt_kept *place = free_entry(server);
    if (place == nullptr) {
        return STATUS_BUSY;
    }
    struct rt_kept record = {
        .header = {.kind = RT_KEPT_KIND, .version = 1, .size = sizeof record},
        .identity = request->page->received.identity,
        .cookie = request->cookie,
        .request_hash = hash_request(request),
        .shape = reply->shape,
    };
    for (size_t i = 0; i < CALL_WORDS; i++) {
        record.words[i] = reply->words[i];
    }
    bytes_copy(record.inline_bytes, reply->output, reply->inline_size);
    return rt_stage_record(server, SOME(place), &record.header);
}
