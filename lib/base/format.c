/* See format.h. One of the files that walk bare text pointers. */
#include "lib/base/format.h"

UNSAFE_BEGIN

struct sink {
    format_sink_t _Nonnull put;
    void *_Nullable context;
};

static void put_number(struct sink out, uint64_t value, unsigned base, unsigned width, char pad) {
    char digits[24];
    unsigned count = 0;
    do {
        unsigned digit = (unsigned)(value % base);
        digits[count++] = (char)(digit < 10 ? '0' + (int)digit : 'a' + (int)digit - 10);
        value /= base;
    } while (value != 0);
    for (unsigned i = count; i < width; i++) {
        out.put(out.context, pad);
    }
    while (count > 0) {
        out.put(out.context, digits[--count]);
    }
}

static void put_text(struct sink out, const char *_Nullable text) {
    const char *at = text != nullptr ? text : "(null)";
    for (size_t i = 0; at[i] != '\0'; i++) {
        out.put(out.context, at[i]);
    }
}

static void put_signed(struct sink out, int64_t value, unsigned width, char pad) {
    uint64_t magnitude = (uint64_t)value;
    if (value < 0) {
        out.put(out.context, '-');
        magnitude = 0 - magnitude;
    }
    put_number(out, magnitude, 10, width, pad);
}

void format_to_list(format_sink_t _Nonnull sink, void *_Nullable context, const char *_Nonnull text,
                    va_list arguments) {
    struct sink out = {sink, context};
    for (size_t i = 0; text[i] != '\0'; i++) {
        if (text[i] != '%') {
            sink(context, text[i]);
            continue;
        }
        i++;
        char pad = text[i] == '0' ? '0' : ' ';
        unsigned width = 0;
        while (text[i] >= '0' && text[i] <= '9') {
            width = width * 10 + (unsigned)(text[i++] - '0');
        }
        bool wide = text[i] == 'l';
        if (wide) {
            i++;
        }
        switch (text[i]) {
        case 's':
            put_text(out, va_arg(arguments, const char *));
            break;
        case 'c':
            sink(context, (char)va_arg(arguments, int));
            break;
        case 'd':
            put_signed(out, wide ? va_arg(arguments, long) : va_arg(arguments, int), width, pad);
            break;
        case 'u':
        case 'x':
            put_number(out,
                       wide ? va_arg(arguments, unsigned long) : va_arg(arguments, unsigned int),
                       text[i] == 'x' ? 16 : 10, width, pad);
            break;
        case '\0':
            return;
        default:
            sink(context, text[i]);
            break;
        }
    }
}

void format_to(format_sink_t _Nonnull sink, void *_Nullable context, const char *_Nonnull text,
               ...) {
    va_list arguments;
    va_start(arguments, text);
    format_to_list(sink, context, text, arguments);
    va_end(arguments);
}

struct text_buffer {
    char *_Nonnull out;
    size_t capacity;
    size_t length;
};

static void put_in_buffer(void *_Nullable context, char c) {
    struct text_buffer *buffer = context;
    if (buffer->length + 1 < buffer->capacity) {
        buffer->out[buffer->length++] = c;
    }
}

size_t format_text_list(char *_Nonnull out, size_t length, size_t capacity,
                        const char *_Nonnull text, va_list arguments) {
    struct text_buffer buffer = {out, capacity, length};
    format_to_list(put_in_buffer, &buffer, text, arguments);
    if (buffer.length < capacity) {
        out[buffer.length] = '\0';
    }
    return buffer.length - length;
}

size_t format_text(char *_Nonnull out, size_t capacity, const char *_Nonnull text, ...) {
    struct text_buffer buffer = {out, capacity, 0};
    va_list arguments;
    va_start(arguments, text);
    format_to_list(put_in_buffer, &buffer, text, arguments);
    va_end(arguments);
    if (capacity > 0) {
        out[buffer.length] = '\0';
    }
    return buffer.length;
}

UNSAFE_END
