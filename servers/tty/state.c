/* The terminal's record between its committed form and the one in hand. */
#include "lib/base/bytes.h"
#include "servers/tty/tty.h"

enum { BLOCK = 64, GAP = 4 };

void tty_revert(struct tty *_Nonnull tty) {
    if (tty->edited) {
        tty->now = tty->vault->console;
        tty->edited = false;
    }
}

struct terminal *_Nonnull tty_edit(struct tty *_Nonnull tty) {
    tty->edited = true;
    return &tty->now;
}

static size_t block_end(size_t start) {
    return MIN(start + BLOCK, sizeof(struct terminal));
}

static bool differs(const struct tty *_Nonnull tty, size_t start) {
    return !bytes_equal(bytes_at_const(&tty->vault->console, start),
                        bytes_at_const(&tty->now, start), block_end(start) - start);
}

/* The changes are few runs of bytes: what lies between two near ones goes with them. */
status_t tty_stage(struct tty *_Nonnull tty) {
    size_t start = 0;
    tty->now.header.checksum = rt_record_checksum(&tty->now.header);
    while (start < sizeof(struct terminal)) {
        if (!differs(tty, start)) {
            start += BLOCK;
            continue;
        }
        size_t end = block_end(start);
        for (size_t next = end; next < sizeof(struct terminal) && next - end <= GAP * BLOCK;
             next += BLOCK) {
            end = differs(tty, next) ? block_end(next) : end;
        }
        status_t status = rt_stage(tty->server, bytes_at_const(&tty->vault->console, start),
                                   bytes_at_const(&tty->now, start), end - start);
        if (status != STATUS_OK) {
            rt_stage_drop(tty->server);
            return status;
        }
        start = (end + BLOCK - 1) / BLOCK * BLOCK;
    }
    return STATUS_OK;
}

void tty_close(struct tty *_Nonnull tty, uint64_t cookie) {
    uint32_t slot = (uint32_t)cookie;
    if ((cookie & RT_COOKIE_SERVICE) != 0 || slot >= TTY_SESSIONS) {
        return;
    }
    struct tty_session session = tty->vault->sessions[slot];
    if (session.used == 0 || session.generation != (uint32_t)(cookie >> 32)) {
        return;
    }
    session.used = 0;
    CHECK(rt_stage_record(tty->server, &tty->vault->sessions[slot], &session.header) == STATUS_OK);
    CHECK(rt_stage_keep(tty->server, TTY_KEEP_SESSIONS + slot, HANDLE_NONE) == STATUS_OK);
    rt_handle_close(tty->sessions[slot]);
    tty->sessions[slot] = HANDLE_NONE;
}
