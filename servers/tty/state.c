/* The terminal's record between its committed form and the one in hand. */
#include "lib/base/bytes.h"
#include "servers/tty/tty.h"

enum { BLOCK = 64, GAP = 4 };

static const struct terminal *_Nonnull recorded(const struct tty *_Nonnull tty,
                                                const struct station *_Nonnull station) {
    return &tty->vault->terminals[station->index];
}

void tty_revert(struct tty *_Nonnull tty, struct station *_Nonnull station) {
    if (station->edited) {
        station->now = *recorded(tty, station);
        station->edited = false;
    }
}

struct terminal *_Nonnull tty_edit(struct station *_Nonnull station) {
    station->edited = true;
    return &station->now;
}

static size_t block_end(size_t start) {
    return MIN(start + BLOCK, sizeof(struct terminal));
}

static bool differs(const struct tty *_Nonnull tty, const struct station *_Nonnull station,
                    size_t start) {
    return !bytes_equal(bytes_at_const(recorded(tty, station), start),
                        bytes_at_const(&station->now, start), block_end(start) - start);
}

/* The changes are few runs of bytes: what lies between two near ones goes with them. */
status_t tty_stage(struct tty *_Nonnull tty, struct station *_Nonnull station) {
    size_t start = 0;
    station->now.header = (struct rt_record_header){
        .kind = TTY_RECORD_TERMINAL, .version = 1, .size = sizeof station->now};
    station->now.header.checksum = rt_record_checksum(&station->now.header);
    while (start < sizeof(struct terminal)) {
        if (!differs(tty, station, start)) {
            start += BLOCK;
            continue;
        }
        size_t end = block_end(start);
        for (size_t next = end; next < sizeof(struct terminal) && next - end <= GAP * BLOCK;
             next += BLOCK) {
            end = differs(tty, station, next) ? block_end(next) : end;
        }
        status_t status = rt_stage(tty->server, bytes_at_const(recorded(tty, station), start),
                                   bytes_at_const(&station->now, start), end - start);
        if (status != STATUS_OK) {
            rt_stage_drop(tty->server);
            return status;
        }
        start = (end + BLOCK - 1) / BLOCK * BLOCK;
    }
    return STATUS_OK;
}

bool tty_commit(struct tty *_Nonnull tty, struct station *_Nonnull station) {
    status_t status = tty_stage(tty, station);
    status = status == STATUS_OK ? rt_commit(tty->server) : status;
    if (status != STATUS_OK) {
        rt_stage_drop(tty->server);
        tty_revert(tty, station);
        return false;
    }
    station->edited = false;
    return true;
}
