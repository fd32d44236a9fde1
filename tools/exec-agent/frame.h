#pragma once
/* Frames of the exec protocol (docs/exec-protocol.md): a decoder for the host's, an encoder for
 * ours. */
#include <stddef.h>
#include <stdint.h>

enum {
    FRAME_HEADER = 9, /* kind, number, acknowledged */
    FRAME_CHECKSUM = 4,
    FRAME_PAYLOAD = 1024,
    FRAME_BODY = FRAME_HEADER + FRAME_PAYLOAD + FRAME_CHECKSUM,
    FRAME_WIRE = 2 * FRAME_BODY + 2, /* everything escaped, and two flags */
};

/* What one data frame carries. */
struct message {
    uint16_t length;
    uint8_t data[FRAME_PAYLOAD];
};

struct frame {
    uint8_t kind;
    uint32_t number;
    uint32_t acknowledged;
    struct message payload;
};

/* Bytes of a frame that is not complete yet. All zero at first. */
struct frame_decoder {
    uint32_t length;
    bool escaped;
    bool overlong; /* dropping until the next flag */
    uint8_t body[FRAME_BODY];
};

struct frame_wire {
    size_t length;
    uint8_t data[FRAME_WIRE];
};

/* Takes one byte; true if it completed a valid frame, which is then in `out_frame`. */
[[nodiscard]] bool frame_decode(struct frame_decoder *_Nonnull decoder, uint8_t byte,
                                struct frame *_Nonnull out_frame);

/* The bytes of `frame` on the line, flags included. */
void frame_encode(const struct frame *_Nonnull frame, struct frame_wire *_Nonnull out_wire);

/* A number of 4 bytes, little-endian, at `at` in the message; the caller keeps it within. */
uint32_t message_number(const struct message *_Nonnull message, size_t at);
void message_add_number(struct message *_Nonnull message, uint32_t value);
void message_add_byte(struct message *_Nonnull message, uint8_t byte);
