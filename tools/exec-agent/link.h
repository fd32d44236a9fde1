#pragma once
/* The agent's end of the link: numbered frames over a line that may lose, repeat or change bytes.
 *   1. A data frame of the host is accepted only in order, and only if `deliver` takes it.
 *   2. Our frames are kept until acknowledged.
 *   3. Nothing is done by time: answers are given to what comes, and a poll sends all again. */
#include "tools/exec-agent/frame.h"

enum { LINK_WINDOW = 64 };

struct link {
    int line; /* file descriptor */
    struct frame_decoder decoder;
    uint32_t accepted; /* frames of the host, in order */
    uint32_t first;    /* number of our oldest frame that is not acknowledged */
    uint32_t count;    /* of our frames in flight: numbers first … first + count - 1 */
    bool owes_answer;
    bool owes_all; /* polled: send again everything in flight */
    struct message window[LINK_WINDOW];
};

/* Takes a message of the host, or refuses it for now; it then comes again. */
typedef bool link_deliver(void *_Nonnull context, const struct message *_Nonnull message);

/* How many messages can be sent before an acknowledgement is needed. */
uint32_t link_room(const struct link *_Nonnull link);

/* Sends a message; there must be room. `urgent`: ask for acknowledgement at once.
 * Blocks: while the line takes the bytes. Errors: false when the line is gone. */
[[nodiscard]] bool link_send(struct link *_Nonnull link, const struct message *_Nonnull message,
                             bool urgent);

/* Takes bytes that came over the line. */
void link_feed(struct link *_Nonnull link, const uint8_t *_Nonnull data, size_t length,
               link_deliver *_Nonnull deliver, void *_Nonnull context);

/* Gives the answers that what came asks for. Blocks and errors as link_send. */
[[nodiscard]] bool link_answer(struct link *_Nonnull link);
