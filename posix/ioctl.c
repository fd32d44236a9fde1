/* ioctl(2): terminals, and what all descriptors have. */
#include "idl/stream.h"
#include "idl/tty.h"
#include "lib/base/bytes.h"
#include "posix/descriptors.h"
#include "posix/errors.h"
#include "posix/native.h"
#include "posix/signals.h"
#include "posix/syscalls.h"
#include "posix/user.h"

enum {
    TCGETS = 0x5401,
    TCSETS = 0x5402,
    TCSETSF = 0x5404,
    TCSBRK = 0x5409,
    TCXONC = 0x540a,
    TCFLSH = 0x540b,
    TIOCSCTTY = 0x540e,
    TIOCGPGRP = 0x540f,
    TIOCSPGRP = 0x5410,
    TIOCOUTQ = 0x5411,
    TIOCGWINSZ = 0x5413,
    TIOCSWINSZ = 0x5414,
    FIONREAD = 0x541b,
    FIONBIO = 0x5421,
    TIOCNOTTY = 0x5422,
    TCSBRKP = 0x5425,
    TIOCGSID = 0x5429,
    TIOCVHANGUP = 0x5437,
    FIONCLEX = 0x5450,
    FIOCLEX = 0x5451,
    TIOCSPTLCK = 0x40045431,
    TIOCGPTPEER = 0x5441,
};
#define TIOCGPTN 0x80045430u

/* Whether SIGTTOU would do nothing to this thread: it is told to the terminal, which cannot see it.
 */
static bool passes(struct posix_thread *_Nonnull self) {
    return signal_would_pass(self, SIGTTOU);
}

static int64_t get_termios(handle_t session, uint64_t to) {
    struct tty_attributes values = {};
    status_t status = tty_get_attributes(session, &values);
    if (status != STATUS_OK) {
        return error_of_tty(status);
    }
    struct linux_termios termios = {.input = values.input,
                                    .output = values.output,
                                    .control = values.control,
                                    .local = values.local,
                                    .line = values.line};
    bytes_copy(termios.characters, values.characters, sizeof termios.characters);
    return USER_WRITE(to, termios);
}

static int64_t set_termios(struct posix_thread *_Nonnull self, handle_t session, uint32_t command,
                           uint64_t from) {
    struct tty_attributes values = {};
    struct linux_termios termios = {};
    int64_t error = USER_READ(termios, from);
    if (error != 0) {
        return error;
    }
    status_t status = tty_get_attributes(session, &values); /* the speeds stay */
    if (status == STATUS_OK) {
        values.input = termios.input;
        values.output = termios.output;
        values.control = termios.control;
        values.local = termios.local;
        values.line = termios.line;
        bytes_copy(values.characters, termios.characters, sizeof values.characters);
        status =
            tty_set_attributes(session, (enum tty_when)(command - TCSETS), passes(self), &values);
    }
    return error_of_tty(status);
}

static int64_t window(handle_t session, bool set, uint64_t address) {
    struct tty_size size = {};
    struct linux_winsize shown = {};
    status_t status = STATUS_OK;
    if (!set) {
        status = tty_get_size(session, &size);
        shown = (struct linux_winsize){size.rows, size.columns, size.width, size.height};
        return status != STATUS_OK ? error_of_tty(status) : USER_WRITE(address, shown);
    }
    int64_t error = USER_READ(shown, address);
    size = (struct tty_size){shown.rows, shown.columns, shown.width, shown.height};
    return error != 0 ? error : error_of_tty(tty_set_size(session, &size));
}

static int64_t group(struct posix_thread *_Nonnull self, handle_t session, uint32_t command,
                     uint64_t address) {
    uint32_t foreground = 0;
    uint32_t leader = 0;
    if (command == TIOCSPGRP) {
        int64_t error = USER_READ(foreground, address);
        if (error == 0 && (int32_t)foreground < 0) {
            error = -EINVAL;
        }
        return error != 0 ? error : error_of_tty(tty_set_group(session, passes(self), foreground));
    }
    status_t status = tty_get_group(session, &foreground, &leader);
    uint32_t value = command == TIOCGSID ? leader : foreground;
    if (status == STATUS_OK && command == TIOCGSID && leader == 0) {
        return -ENOTTY;
    }
    return status != STATUS_OK ? error_of_tty(status) : USER_WRITE(address, value);
}

static int64_t master(handle_t session, uint32_t command, uint64_t address) {
    uint32_t number = 0;
    uint32_t lock = 0;
    bool locked = false;
    bool change = command == TIOCSPTLCK;
    int64_t error = change ? USER_READ(lock, address) : 0;
    if (error != 0) {
        return error;
    }
    status_t status = tty_master(session, change, lock != 0, &number, &locked);
    if (status != STATUS_OK || change) {
        return error_of_tty(status);
    }
    return USER_WRITE(address, number);
}

static int64_t peer(struct posix_thread *_Nonnull self, handle_t session, uint64_t flags) {
    uint32_t number = 0;
    bool locked = false;
    handle_t terminal = HANDLE_NONE;
    status_t status = tty_master(session, false, false, &number, &locked);
    if (status == STATUS_OK) {
        status = tty_open_peer(self->process->tty, number, (flags & O_NOCTTY) != 0, &terminal);
    }
    if (status != STATUS_OK) {
        return error_of_tty(status);
    }
    return fd_give(self, (struct fd_entry){.handle = terminal,
                                           .close_on_exec = (flags & O_CLOEXEC) != 0,
                                           .kind = STREAM_KIND_CHARACTER,
                                           .speaks = STREAM_PROTOCOLS_TTY,
                                           .facts = STREAM_FACTS_FLAGS_WAITS |
                                                    STREAM_FACTS_FLAGS_READABLE |
                                                    STREAM_FACTS_FLAGS_WRITABLE,
                                           .flags = O_RDWR});
}

static int64_t terminal(struct posix_thread *_Nonnull self, handle_t session, uint32_t command,
                        uint64_t argument) {
    switch (command) {
    case TCGETS:
        return get_termios(session, argument);
    case TCSETS:
    case TCSETS + 1:
    case TCSETSF:
        return set_termios(self, session, command, argument);
    case TIOCGWINSZ:
    case TIOCSWINSZ:
        return window(session, command == TIOCSWINSZ, argument);
    case TIOCGPGRP:
    case TIOCSPGRP:
    case TIOCGSID:
        return group(self, session, command, argument);
    case TIOCSCTTY:
        return error_of_tty(tty_take(session, argument == 1));
    case TIOCNOTTY:
        return error_of_tty(tty_drop(session));
    case TCFLSH:
        return argument > 2
                   ? -EINVAL
                   : error_of_tty(tty_flush(session, passes(self), (uint32_t)argument + 1));
    case TCXONC:
        return argument > 3
                   ? -EINVAL
                   : error_of_tty(tty_flow_control(session, passes(self), (enum tty_flow)argument));
    case TCSBRK:
    case TCSBRKP:
        return error_of_tty(tty_drain(session, passes(self), argument == 0));
    case TIOCVHANGUP:
        return error_of_tty(tty_hang_up(session));
    case TIOCGPTN:
    case TIOCSPTLCK:
        return master(session, command, argument);
    case TIOCGPTPEER:
        return peer(self, session, argument);
    default:
        self->process->unsupported_ioctl++;
        return -ENOTTY;
    }
}

/* Of a file: what is behind the position. */
static int64_t bytes_left(const struct fd_entry *_Nonnull entry, uint64_t to) {
    struct stream_stat info = {};
    struct session_info session = {};
    int64_t error = error_of_stream(stream_stat(entry->handle, &info));
    error = error != 0 ? error
                       : error_of(NATIVE(SYS_OBJECT_INFO, entry->handle, INFO_SESSION,
                                         (uintptr_t)&session, sizeof session)
                                      .status);
    int32_t left = (int32_t)MIN(info.size - MIN(session.position, info.size), (uint64_t)INT32_MAX);
    return error != 0 ? error : USER_WRITE(to, left);
}

static int64_t available(const struct fd_entry *_Nonnull entry, bool unsent, uint64_t to) {
    uint64_t readable = 0;
    uint64_t waiting = 0;
    if (entry->kind == STREAM_KIND_REGULAR && !unsent) {
        return bytes_left(entry, to);
    }
    status_t status = stream_available(entry->handle, &readable, &waiting);
    if (status != STATUS_OK) {
        return status == STATUS_BAD_METHOD ? -ENOTTY : error_of_stream(status);
    }
    int32_t value = (int32_t)MIN(unsent ? waiting : readable, (uint64_t)INT32_MAX);
    return USER_WRITE(to, value);
}

LINUX(ioctl) {
    struct fd_entry entry = {};
    uint32_t command = (uint32_t)frame->rsi;
    uint32_t on = 0;
    int64_t error = fd_get_open(self, frame->rdi, &entry);
    if (error != 0) {
        return error;
    }
    switch (command) {
    case FIOCLEX:
    case FIONCLEX:
        return fd_set_close_on_exec(self, frame->rdi, command == FIOCLEX);
    case FIONBIO:
        error = USER_READ(on, frame->rdx);
        return error != 0 ? error
                          : error_of(NATIVE(SYS_OBJECT_SET, entry.handle, SET_SESSION_FLAGS,
                                            on != 0 ? 0 : O_NONBLOCK, on != 0 ? O_NONBLOCK : 0)
                                         .status);
    case FIONREAD:
        return available(&entry, false, frame->rdx);
    case TIOCOUTQ:
        return available(&entry, true, frame->rdx);
    default:
        break;
    }
    if (entry.kind == FD_EPOLL || (entry.speaks & STREAM_PROTOCOLS_TTY) == 0) {
        return -ENOTTY;
    }
    return terminal(self, entry.handle, command, frame->rdx);
}
