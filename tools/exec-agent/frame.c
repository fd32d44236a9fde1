#include "tools/exec-agent/frame.h"
#include "lib/base/safe.h"
#include <string.h>

enum { FLAG = 0x7E, ESCAPE = 0x7D, FLIP = 0x20, XON = 0x11, XOFF = 0x13 };

static uint32_t checksum(const uint8_t *_Nonnull data, size_t length) {
    uint32_t crc = UINT32_MAX;
    for (size_t i = 0; i < length; i++) {
        crc ^= data[i];
        for (int bit = 0; bit < 8; bit++) {
            crc = (crc >> 1) ^ ((crc & 1) ? 0xEDB88320u : 0);
        }
    }
    return ~crc;
}

static uint32_t number_at(const uint8_t *_Nonnull data) {
    return (uint32_t)data[0] | (uint32_t)data[1] << 8 | (uint32_t)data[2] << 16 |
           (uint32_t)data[3] << 24;
}

uint32_t message_number(const struct message *_Nonnull message, size_t at) {
    CHECK(at + 4 <= message->length);
    return number_at(&message->data[at]);
}

void message_add_byte(struct message *_Nonnull message, uint8_t byte) {
    CHECK(message->length < FRAME_PAYLOAD);
    message->data[message->length++] = byte;
}

void message_add_number(struct message *_Nonnull message, uint32_t value) {
    for (unsigned shift = 0; shift < 32; shift += 8) {
        message_add_byte(message, (uint8_t)(value >> shift & 0xFF));
    }
}

static bool body_parse(const struct frame_decoder *_Nonnull decoder,
                       struct frame *_Nonnull out_frame) {
    if (decoder->overlong || decoder->length < FRAME_HEADER + FRAME_CHECKSUM) {
        return false;
    }
    size_t covered = decoder->length - FRAME_CHECKSUM;
    if (checksum(decoder->body, covered) != number_at(&decoder->body[covered])) {
        return false;
    }
    out_frame->kind = decoder->body[0];
    out_frame->number = number_at(&decoder->body[1]);
    out_frame->acknowledged = number_at(&decoder->body[5]);
    out_frame->payload.length = (uint16_t)(covered - FRAME_HEADER);
    memcpy(out_frame->payload.data, &decoder->body[FRAME_HEADER], out_frame->payload.length);
    return true;
}

bool frame_decode(struct frame_decoder *_Nonnull decoder, uint8_t byte,
                  struct frame *_Nonnull out_frame) {
    if (byte == FLAG) {
        bool valid = body_parse(decoder, out_frame);
        decoder->length = 0;
        decoder->escaped = false;
        decoder->overlong = false;
        return valid;
    }
    if (byte == ESCAPE && !decoder->escaped) {
        decoder->escaped = true;
        return false;
    }
    if (decoder->length == FRAME_BODY) {
        decoder->overlong = true;
        return false;
    }
    decoder->body[decoder->length++] = decoder->escaped ? byte ^ FLIP : byte;
    decoder->escaped = false;
    return false;
}

static void wire_add(struct frame_wire *_Nonnull wire, uint8_t byte) {
    if (byte == FLAG || byte == ESCAPE || byte == XON || byte == XOFF) {
        wire->data[wire->length++] = ESCAPE;
        byte ^= FLIP;
    }
    wire->data[wire->length++] = byte;
}

void frame_encode(const struct frame *_Nonnull frame, struct frame_wire *_Nonnull out_wire) {
    struct {
        uint8_t data[FRAME_BODY];
    } body;
    CHECK(frame->payload.length <= FRAME_PAYLOAD);
    body.data[0] = frame->kind;
    for (unsigned i = 0; i < 4; i++) {
        body.data[1 + i] = (uint8_t)(frame->number >> (8 * i) & 0xFF);
        body.data[5 + i] = (uint8_t)(frame->acknowledged >> (8 * i) & 0xFF);
    }
    memcpy(&body.data[FRAME_HEADER], frame->payload.data, frame->payload.length);
    size_t covered = FRAME_HEADER + (size_t)frame->payload.length;
    uint32_t crc = checksum(body.data, covered);
    out_wire->length = 0;
    out_wire->data[out_wire->length++] = FLAG;
    for (size_t i = 0; i < covered; i++) {
        wire_add(out_wire, body.data[i]);
    }
    for (unsigned i = 0; i < 4; i++) {
        wire_add(out_wire, (uint8_t)(crc >> (8 * i) & 0xFF));
    }
    out_wire->data[out_wire->length++] = FLAG;
}
