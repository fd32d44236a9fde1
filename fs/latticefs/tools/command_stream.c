/* send, receive, token, abandon: snapshots as streams on standard output and input. */
#include "command.h"
#include "fs/latticefs/core/send.h"
#include "make_dataset.h"
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#pragma clang assume_nonnull begin

static lattice_status_t write_out(void *context, struct view bytes) {
    (void)context;
    return fwrite(bytes.data, 1, bytes.size, stdout) == bytes.size ? LATTICE_OK : LATTICE_IO;
}

static lattice_status_t read_in(void *context, struct bytes to) {
    (void)context;
    return fread(to.data, 1, to.size, stdin) == to.size ? LATTICE_OK : LATTICE_IO;
}

static void show(void *_Nullable context, const struct send_report *report) {
    progress_show(SOME((const struct call *)context), "KiB", report->bytes / 1024, 0);
}

/* A token in hexadecimal digits, lower half of a byte second. */
static void token_print(const struct send_token *token) {
    struct view view = view_of(token, sizeof *token);
    for (size_t i = 0; i < view.size; i++) {
        printf("%02x", view.data[i]);
    }
    printf("\n");
}

static int digit(char c) {
    return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static bool token_parse(const char *text, struct send_token *out) {
    struct view digits = view_text(text);
    struct bytes to = bytes_of(out, sizeof *out);
    if (digits.size != 2 * to.size) {
        return false;
    }
    for (size_t i = 0; i < to.size; i++) {
        int high = digit((char)digits.data[2 * i]);
        int low = digit((char)digits.data[2 * i + 1]);
        if (high < 0 || low < 0) {
            return false;
        }
        to.data[i] = (uint8_t)(high * 16 + low);
    }
    return true;
}

int do_send(struct call *call) {
    static struct send_token token;
    const char *name = call_word(call, 0);
    struct stream_sink sink = {.context = call, .write = write_out};
    struct send_report report = {.context = call, .progress = show};
    uint64_t snapshot = 0;
    uint64_t from = 0;
    if (isatty(STDOUT_FILENO) != 0) {
        return call_misuse(name, "a stream is no text: send it to a file or a pipe");
    }
    if (call->given[OPTION_TOKEN] && !token_parse(SOME(call->values[OPTION_TOKEN]), &token)) {
        return call_misuse(SOME(call->values[OPTION_TOKEN]),
                           "no token (latticefs token gives one)");
    }
    lattice_status_t status = dataset_find(call_fs(call), view_text(name), &snapshot);
    if (status == LATTICE_OK && call->given[OPTION_FROM]) {
        status = dataset_find(call_fs(call), view_text(SOME(call->values[OPTION_FROM])), &from);
    }
    status = status == LATTICE_OK ? call_unlock(call, snapshot) : status;
    if (status == LATTICE_OK) {
        status = snapshot_send(call_fs(call), snapshot, from,
                               call->given[OPTION_TOKEN] ? &token : nullptr, &sink, &report);
    }
    progress_end(call);
    return call_report(name, status);
}

int do_receive(struct call *call) {
    const char *name = call_word(call, 0);
    struct dataset_options dataset = {};
    int wrong = dataset_options_of(call, &dataset);
    struct receive_options options = {.name = view_text(name),
                                      .dataset = &dataset,
                                      .discard_changes = call->given[OPTION_DISCARD]};
    struct stream_source source = {.context = call, .read = read_in};
    struct send_report report = {.context = call, .progress = show};
    uint64_t id = 0;
    if (wrong != DONE) {
        return wrong;
    }
    if (!call->given[OPTION_ENCRYPT] &&
        dataset_find(call_fs(call), view_text(name), &id) == LATTICE_OK &&
        (call->given[OPTION_KEY] || call->given[OPTION_PASSPHRASE]) &&
        call_report(name, call_unlock(call, id)) != DONE) {
        return FAILED;
    }
    lattice_status_t status = snapshot_receive(call_fs(call), &options, &source, &report, &id);
    progress_end(call);
    int result = call_report(name, status);
    struct send_token token;
    if (result != DONE && receive_token(call_fs(call), view_text(name), &token) == LATTICE_OK) {
        fprintf(stderr,
                "    What came is kept: latticefs token POOL %s tells send where to go on; "
                "latticefs abandon POOL %s gives it up.\n",
                name, name);
    }
    return result != DONE ? result : call_report(name, call_reclaim(call));
}

int do_token(struct call *call) {
    struct send_token token;
    const char *name = call_word(call, 0);
    lattice_status_t status = receive_token(call_fs(call), view_text(name), &token);
    if (status == LATTICE_OK) {
        token_print(&token);
    }
    return call_report(name, status);
}

int do_abandon(struct call *call) {
    const char *name = call_word(call, 0);
    lattice_status_t status = receive_abandon(call_fs(call), view_text(name));
    return call_report(name, status == LATTICE_OK ? call_reclaim(call) : status);
}

#pragma clang assume_nonnull end
