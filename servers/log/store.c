/* The entries. See log.h. */
#include "lib/base/bytes.h"
#include "lib/base/format.h"
#include "servers/log/log.h"

static bool entry_valid(const struct log_entry *_Nonnull entry) {
    return entry->header.kind == RECORD_ENTRY && entry->header.size == sizeof *entry &&
           entry->size <= LOG_TEXT && entry->header.checksum == rt_record_checksum(&entry->header);
}

static uint64_t first_number(const struct log_head *_Nonnull head) {
    return head->count > LOG_SLOTS ? head->count - LOG_SLOTS : 0;
}

static const struct log_entry *_Nonnull entry_at(const struct log *_Nonnull log, uint64_t number) {
    return &log->vault->entries[number % LOG_SLOTS];
}

void log_begin(struct log *_Nonnull log) {
    const struct log_head *head = &log->vault->head;
    if (head->header.kind != 0 &&
        (head->header.kind != RECORD_HEAD || head->header.size != sizeof *head ||
         head->header.checksum != rt_record_checksum(&head->header))) {
        rt_vault_corrupt(log->server, "head");
    }
    for (uint64_t number = first_number(head); number < head->count; number++) {
        const struct log_entry *entry = entry_at(log, number);
        if (!entry_valid(entry) || entry->number != number) {
            rt_vault_corrupt(log->server, "an entry");
        }
    }
    log_drop(log);
}

void log_drop(struct log *_Nonnull log) {
    rt_stage_drop(log->server);
    log->next = log->vault->head;
    log->next.header =
        (struct rt_record_header){.kind = RECORD_HEAD, .version = 1, .size = sizeof log->next};
}

uint32_t log_room(const struct log *_Nonnull log) {
    return LOG_BATCH - log->server->patch_count;
}

status_t log_stage_head(struct log *_Nonnull log) {
    return rt_stage_record(log->server, &log->vault->head, &log->next.header);
}

/* One entry of the first bytes of `text`, which has no line's end; returns how many it took. */
static status_t stage_entry(struct log *_Nonnull log, enum log_level level, struct rt_bytes text,
                            size_t *_Nonnull out_taken) {
    uint64_t now = rt_clock_ns();
    struct log_entry entry = {
        .header = {.kind = RECORD_ENTRY, .version = 1, .size = sizeof entry},
        .number = log->next.count,
        .position = log->next.end,
    };
    REFUSE(log_room(log) == 0, STATUS_OUT_OF_RANGE);
    size_t size = format_text(entry.text, sizeof entry.text, "<%u>[%5lu.%06lu] ", level,
                              now / 1000000000, now / 1000 % 1000000);
    *out_taken = MIN(text.size, sizeof entry.text - 1 - size);
    for (size_t i = 0; i < *out_taken; i++) {
        entry.text[size++] = text.data[i] == 0 ? ' ' : (char)text.data[i];
    }
    entry.text[size++] = '\n';
    entry.size = size;
    TRY(rt_stage_record(log->server, entry_at(log, entry.number), &entry.header));
    log->next.count++;
    log->next.end += size;
    return STATUS_OK;
}

status_t log_stage(struct log *_Nonnull log, enum log_level level, struct rt_bytes text) {
    size_t at = 0;
    while (at < text.size) {
        size_t end = at;
        while (end < text.size && text.data[end] != '\n') {
            end++;
        }
        do {
            size_t taken = 0;
            struct rt_bytes line = {.size = end - at, .data = bytes_at_const(SOME(text.data), at)};
            TRY(stage_entry(log, level, line, &taken));
            at += taken;
        } while (at < end);
        at = end + 1;
    }
    return STATUS_OK;
}

uint64_t log_first(const struct log *_Nonnull log) {
    const struct log_head *head = &log->vault->head;
    return head->count == 0 ? head->end : entry_at(log, first_number(head))->position;
}

/* The first entry that ends behind `position`. */
static uint64_t number_at(const struct log *_Nonnull log, uint64_t position) {
    uint64_t low = first_number(&log->vault->head);
    uint64_t high = log->vault->head.count;
    while (low < high) {
        uint64_t middle = low + (high - low) / 2;
        const struct log_entry *entry = entry_at(log, middle);
        if (entry->position + entry->size <= position) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

size_t log_text(const struct log *_Nonnull log, uint64_t position, struct rt_buffer to,
                uint64_t *_Nonnull out_next) {
    size_t size = 0;
    uint64_t at = MAX(position, log_first(log));
    for (uint64_t number = number_at(log, at); number < log->vault->head.count && size < to.size;
         number++) {
        const struct log_entry *entry = entry_at(log, number);
        size_t skip = (size_t)(at - entry->position);
        size_t part = MIN((size_t)entry->size - skip, to.size - size);
        bytes_copy(&to.data[size], &entry->text[skip], part);
        size += part;
        at += part;
    }
    *out_next = at;
    return size;
}

/* ---- the kernel's ring ---- */

/* Takes whole lines out of the chunk, or all of it where there is none; returns how much. */
static size_t take_lines(struct log *_Nonnull log, size_t length) {
    size_t at = 0;
    while (at < length && log_room(log) > 0) {
        size_t end = at;
        while (end < length && log->chunk[end] != '\n') {
            end++;
        }
        if (end == length && (at > 0 || length < sizeof log->chunk)) {
            break; /* its end has not been said yet, or is in the next chunk */
        }
        struct rt_bytes line = {.size = MIN(end - at, (size_t)LOG_TEXT - 32),
                                .data = (const uint8_t *)&log->chunk[at]};
        if (line.size > 0 && log_stage(log, LOG_LEVEL_INFO, line) != STATUS_OK) {
            break;
        }
        at += line.size;
        at += at < length && log->chunk[at] == '\n' ? 1 : 0;
    }
    return at;
}

/* One commit. False: there is nothing more, or it cannot be had. */
static bool pull_some(struct log *_Nonnull log) {
    struct syscall_registers r = {
        .number = SYS_SYSTEM,
        .a = SYSTEM_LOG_READ,
        .b = log->system,
        .words = {rt_address(log->chunk), sizeof log->chunk, log->vault->head.kernel_cursor}};
    rt_invoke(&r);
    uint64_t length = MIN(r.words[0], (uint64_t)sizeof log->chunk);
    if ((status_t)(int32_t)(uint32_t)r.number != STATUS_OK || length == 0) {
        return false;
    }
    uint64_t start = r.words[1] - length;
    log_drop(log);
    if (start > log->next.kernel_cursor) {
        char text[80];
        size_t size = format_text(text, sizeof text, "log: %lu bytes of the kernel's log were lost",
                                  start - log->next.kernel_cursor);
        (void)log_stage(log, LOG_LEVEL_WARNING,
                        (struct rt_bytes){.size = size, .data = (const uint8_t *)text});
    }
    size_t taken = take_lines(log, (size_t)length);
    log->next.kernel_cursor = start + taken;
    status_t status = taken > 0 ? log_stage_head(log) : STATUS_WOULD_BLOCK;
    status = status == STATUS_OK ? rt_commit(log->server) : status;
    log_drop(log);
    return status == STATUS_OK;
}

void log_pull(struct log *_Nonnull log) {
    for (uint32_t i = 0; i < 64 && pull_some(log); i++) {
    }
}
