#include "tools/exec-agent/link.h"
#include "lib/base/safe.h"
#include <errno.h>
#include <unistd.h>

static bool emit(struct link *_Nonnull link, uint8_t kind, uint32_t number,
                 const struct message *_Nullable payload) {
    static struct frame frame;
    static struct frame_wire wire;
    frame.kind = kind;
    frame.number = number;
    frame.acknowledged = link->accepted;
    frame.payload.length = 0;
    if (payload) {
        frame.payload = *payload;
    }
    frame_encode(&frame, &wire);
    for (size_t done = 0; done < wire.length;) {
        ssize_t written = write(link->line, &wire.data[done], wire.length - done);
        if (written < 0 && errno != EINTR) {
            return false;
        }
        done += written > 0 ? (size_t)written : 0;
    }
    return true;
}

uint32_t link_room(const struct link *_Nonnull link) {
    return LINK_WINDOW - link->count;
}

bool link_send(struct link *_Nonnull link, const struct message *_Nonnull message, bool urgent) {
    CHECK(link->count < LINK_WINDOW);
    uint32_t number = link->first + link->count;
    link->window[number % LINK_WINDOW] = *message;
    link->count++;
    return emit(link,
                urgent || link->count == LINK_WINDOW / 2 || link->count == LINK_WINDOW ? 'w' : 'd',
                number, message);
}

static void acknowledge(struct link *_Nonnull link, uint32_t count) {
    uint32_t done = count - link->first;
    if (done <= link->count) {
        link->first = count;
        link->count -= done;
    }
}

static void receive(struct link *_Nonnull link, const struct frame *_Nonnull frame,
                    link_deliver *_Nonnull deliver, void *_Nonnull context) {
    if (frame->kind != 'D' && frame->kind != 'P' && frame->kind != 'A') {
        return;
    }
    acknowledge(link, frame->acknowledged);
    if (frame->kind == 'P') {
        link->owes_all = true;
    }
    if (frame->kind == 'D') {
        link->owes_answer = true;
        if (frame->number == link->accepted && deliver(context, &frame->payload)) {
            link->accepted++;
        }
    }
}

void link_feed(struct link *_Nonnull link, const uint8_t *_Nonnull data, size_t length,
               link_deliver *_Nonnull deliver, void *_Nonnull context) {
    static struct frame frame;
    for (size_t i = 0; i < length; i++) {
        if (frame_decode(&link->decoder, data[i], &frame)) {
            receive(link, &frame, deliver, context);
        }
    }
}

bool link_answer(struct link *_Nonnull link) {
    bool sent = true;
    if (link->owes_all) {
        for (uint32_t i = 0; sent && i < link->count; i++) {
            uint32_t number = link->first + i;
            sent = emit(link, i + 1 == link->count ? 'w' : 'd', number,
                        &link->window[number % LINK_WINDOW]);
        }
        link->owes_answer = link->count == 0;
        link->owes_all = false;
    }
    if (sent && link->owes_answer) {
        sent = emit(link, 'a', 0, nullptr);
        link->owes_answer = false;
    }
    return sent;
}
