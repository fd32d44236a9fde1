/* Signals of terminals, and sessions that lost their leader.
 *
 * A signal is sent before the record forgets it, under an identity from the vault: an instance that
 * is killed in between lets its successor send it once more, so a process may see one that it took
 * already, and never misses one (servers/process/signals.c says the same of kills of `process`). */
#include "idl/process.h"
#include "servers/tty/tty.h"

static void send(struct tty *_Nonnull tty, uint64_t root, uint32_t step, uint32_t to, bool leader,
                 uint32_t number) {
    struct rt_context context = {.root = root};
    if (tty->process == HANDLE_NONE || to == 0) {
        return;
    }
    status_t status = process_signal_group_nested(&context, step, tty->process, to, leader, number);
    if (status != STATUS_OK && status != PROCESS_STATUS_NO_PROCESS) {
        rt_log(tty->server, "signal %u: status %d", number, (int)status);
    }
}

static void send_hang_up(struct tty *_Nonnull tty, const struct terminal *_Nonnull terminal) {
    uint64_t root = terminal->signal_root + 1;
    bool continues = (terminal->hang & HANG_CONTINUES) != 0;
    bool leader_apart = (terminal->hang & HANG_LEADER) != 0;
    if (leader_apart) {
        send(tty, root, 1, terminal->hang_leader, true, SIGNAL_HUP);
        send(tty, root, 2, terminal->hang_leader, true, SIGNAL_CONT);
    }
    if ((terminal->hang & HANG_GROUP) != 0 &&
        !(leader_apart && terminal->hang_group == terminal->hang_leader)) {
        send(tty, root, 3, terminal->hang_group, false, SIGNAL_HUP);
        send(tty, root, 4, continues ? terminal->hang_group : 0, false, SIGNAL_CONT);
    }
}

bool tty_signals(struct tty *_Nonnull tty, struct station *_Nonnull station) {
    struct process_table_entry leader = {};
    const struct terminal *now = &station->now;
    if (now->hang != 0) {
        send_hang_up(tty, now);
        struct terminal *terminal = tty_edit(station);
        terminal->hang = terminal->hang_leader = terminal->hang_group = 0;
        terminal->signal_root++;
        return tty_commit(tty, station);
    }
    if (now->line.signals != 0) {
        uint32_t number = (uint32_t)__builtin_ctz(now->line.signals);
        send(tty, now->signal_root + 1, 1, now->group, false, number);
        struct terminal *terminal = tty_edit(station);
        terminal->line.signals &= ~(1u << number);
        terminal->signal_root++;
        return tty_commit(tty, station);
    }
    if (now->leader != 0 && !people_find(&tty->people, now->leader, &leader)) {
        if (station->index == 0) {
            tty_hang(station, HANG_GROUP);
        } else {
            tty_lose_session(station, HANG_GROUP); /* a pseudo-terminal's sessions go on */
        }
        return tty_commit(tty, station);
    }
    return false;
}
