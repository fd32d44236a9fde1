/* Spans, the growing output, and the two ways in which generated C is broken into lines. */
#include "host/idlc/text.h"
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { COLUMN_MAX = 100 };

struct text text_of(const char *_Nonnull string) {
    return (struct text){.size = strlen(string), .data = string};
}

bool text_same(struct text left, struct text right) {
    if (left.size != right.size || left.size == 0) {
        return left.size == right.size;
    }
    CHECK(left.data && right.data);
    for (size_t i = 0; i < left.size; i++) {
        if (left.data[i] != right.data[i]) {
            return false;
        }
    }
    return true;
}

bool text_is(struct text text, const char *_Nonnull string) {
    return text_same(text, text_of(string));
}

UNSAFE_BEGIN
struct text text_part(struct text text, size_t from, size_t to) {
    size_t end = MIN(to, text.size);
    size_t begin = MIN(from, end);
    return (struct text){.size = end - begin, .data = text.data ? text.data + begin : nullptr};
}
UNSAFE_END

bool text_line(struct text *_Nonnull rest, struct text *_Nonnull out_line) {
    if (rest->size == 0) {
        return false;
    }
    size_t end = 0;
    while (end < rest->size && rest->data[end] != '\n') {
        end++;
    }
    *out_line = text_part(*rest, 0, end);
    *rest = text_part(*rest, end + 1, rest->size);
    return true;
}

static bool is_blank(char c) {
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

struct text text_trim(struct text text) {
    size_t begin = 0;
    size_t end = text.size;
    while (begin < end && is_blank(text.data[begin])) {
        begin++;
    }
    while (end > begin && is_blank(text.data[end - 1])) {
        end--;
    }
    return text_part(text, begin, end);
}

bool text_starts(struct text text, const char *_Nonnull start) {
    struct text wanted = text_of(start);
    return text_same(text_part(text, 0, wanted.size), wanted);
}

/* Makes room for `more` bytes and a terminator. */
static bool output_reserve(struct output *_Nonnull out, size_t more) {
    size_t needed = 0;
    if (out->failed || ckd_add(&needed, out->size, more) || ckd_add(&needed, needed, 1)) {
        out->failed = true;
        return false;
    }
    if (needed <= out->capacity) {
        return true;
    }
    size_t capacity = MAX(needed, out->capacity * 2);
    char *grown = realloc(out->data, capacity);
    if (!grown) {
        out->failed = true;
        return false;
    }
    *out = (struct output){.size = out->size, .capacity = capacity, .data = grown};
    return true;
}

void emit_text(struct output *_Nonnull out, struct text text) {
    if (!output_reserve(out, text.size)) {
        return;
    }
    for (size_t i = 0; i < text.size; i++) {
        out->data[out->size + i] = text.data[i];
    }
    out->size += text.size;
    out->data[out->size] = '\0';
}

void emit(struct output *_Nonnull out, const char *_Nonnull format, ...) {
    va_list arguments;
    va_start(arguments, format);
    int size = vsnprintf(nullptr, 0, format, arguments);
    va_end(arguments);
    if (size < 0 || !output_reserve(out, (size_t)size)) {
        out->failed = true;
        return;
    }
    va_start(arguments, format);
    UNSAFE_BEGIN(void)
    vsnprintf(out->data + out->size, (size_t)size + 1, format, arguments);
    UNSAFE_END
    va_end(arguments);
    out->size += (size_t)size;
}

void emit_blank(struct output *_Nonnull out) {
    struct text text = output_text(out);
    if (!text_is(text_part(text, text.size - MIN(text.size, 2u), text.size), "\n\n")) {
        emit(out, "\n");
    }
}

struct text output_text(const struct output *_Nonnull out) {
    return (struct text){.size = out->size, .data = out->data};
}

void output_free(struct output *_Nonnull out) {
    free(out->data);
    *out = (struct output){};
}

/* Columns of [from, to) of a line of UTF-8. */
static size_t columns(struct text line, size_t from, size_t to) {
    size_t count = 0;
    for (size_t i = from; i < to && i < line.size; i++) {
        count += ((unsigned char)line.data[i] & 0xc0u) != 0x80u;
    }
    return count;
}

/* The blank before the word that holds the first parenthesis: a function's name. */
static size_t name_start(struct text line) {
    size_t start = 0;
    for (size_t i = 0; i < line.size && line.data[i] != '('; i++) {
        start = line.data[i] == ' ' ? i + 1 : start;
    }
    return start;
}

/* Where the piece that starts at `from` with `used` columns before it must end: behind the last
 * blank after a comma that fits, or else behind the first. */
static size_t piece_end(struct text line, size_t from, size_t used) {
    size_t best = 0;
    if (used + columns(line, from, line.size) <= COLUMN_MAX) {
        return line.size;
    }
    for (size_t i = from; i + 1 < line.size; i++) {
        bool can_break = line.data[i] == ',' && line.data[i + 1] == ' ';
        bool fits = used + columns(line, from, i + 1) <= COLUMN_MAX;
        if (can_break && (fits || best == 0)) {
            best = i + 2;
        }
    }
    return best == 0 ? line.size : best;
}

/* The column behind the last parenthesis or brace that is open at the end of [0, to), given the
 * indentation of continued lines so far. */
static size_t open_column(struct text line, size_t from, size_t to, size_t used, size_t indent) {
    size_t open[16] = {};
    size_t depth = 0;
    for (size_t i = from; i < to; i++) {
        char c = line.data[i];
        if ((c == '(' || c == '{') && depth < ARRAY_LENGTH(open)) {
            open[depth++] = used + columns(line, from, i + 1);
        } else if ((c == ')' || c == '}') && depth > 0) {
            depth--;
        }
    }
    return depth > 0 ? open[depth - 1] : indent;
}

/* Where the value of an assignment begins, or 0. */
static size_t find_value(struct text line) {
    for (size_t i = 0; i + 1 < line.size; i++) {
        if (line.data[i] == '=' && line.data[i + 1] == ' ') {
            return i + 2;
        }
    }
    return 0;
}

struct shape {
    size_t widest, lines;
};

/* Breaks the text from `at` on, the first line behind `used` columns. */
static struct shape emit_pieces(struct output *_Nullable out, struct text text, size_t at,
                                size_t used) {
    size_t indent = 0;
    struct shape shape = {};
    while (at < text.size) {
        size_t end = piece_end(text, at, used);
        size_t shown = end < text.size ? end - 1 : end;
        if (out) {
            struct output *to = (struct output *_Nonnull)out;
            emit(to, "%*s", (int)used, "");
            emit_text(to, text_part(text, at, shown));
            emit(to, "\n");
        }
        shape.widest = MAX(shape.widest, used + columns(text, at, shown));
        shape.lines++;
        indent = open_column(text, at, end, used, indent);
        used = indent;
        at = end;
    }
    return shape;
}

static size_t indentation(struct text line) {
    size_t count = 0;
    while (count < line.size && line.data[count] == ' ') {
        count++;
    }
    return count;
}

/* Whether a line is better broken before what it calls: before a function's name that is declared,
 * or before the value of an assignment, where that takes no more lines. */
static size_t first_break(struct text line) {
    struct shape plain = emit_pieces(nullptr, line, 0, 0);
    size_t value = find_value(line);
    if (plain.lines < 2 && plain.widest <= COLUMN_MAX) {
        return 0;
    }
    if (indentation(line) == 0) {
        return plain.widest > COLUMN_MAX ? name_start(line) : 0;
    }
    struct shape below = emit_pieces(nullptr, line, value, indentation(line) + 4);
    bool better = plain.widest > COLUMN_MAX || below.lines + 1 <= plain.lines;
    return value > 0 && below.widest <= COLUMN_MAX && better ? value : 0;
}

void emit_wrapped(struct output *_Nonnull out, struct output *_Nonnull line) {
    struct text text = output_text(line);
    size_t start = first_break(text);
    if (text.size == 0) {
        emit(out, "\n");
    }
    if (start > 0) {
        emit_text(out, text_part(text, 0, start - 1));
        emit(out, "\n");
    }
    bool indented = start > 0 && indentation(text) > 0;
    (void)emit_pieces(out, text, start, indented ? indentation(text) + 4 : 0);
    line->size = 0;
}

/* One line of documentation without its slashes. */
static struct text comment_line(struct text line) {
    struct text trimmed = text_trim(line);
    return text_starts(trimmed, "///") ? text_trim(text_part(trimmed, 3, trimmed.size)) : trimmed;
}

/* Splits the first word off `rest`. */
static bool next_word(struct text *_Nonnull rest, struct text *_Nonnull out_word) {
    *rest = text_trim(*rest);
    size_t end = 0;
    while (end < rest->size && !is_blank(rest->data[end])) {
        end++;
    }
    *out_word = text_part(*rest, 0, end);
    *rest = text_part(*rest, end, rest->size);
    return end > 0;
}

void emit_comment(struct output *_Nonnull out, int indent, struct text text) {
    struct text rest = text;
    struct text line = {};
    struct text word = {};
    bool first = true;
    size_t used = (size_t)indent + 2;
    emit(out, "%*s/*", indent, "");
    while (text_line(&rest, &line)) {
        struct text words = comment_line(line);
        bool line_start = !first;
        while (next_word(&words, &word)) {
            size_t width = columns(word, 0, word.size) + 1;
            if (line_start || used + width > COLUMN_MAX - 3) {
                emit(out, "\n%*s *", indent, "");
                used = (size_t)indent + 2;
            }
            emit(out, " ");
            /* A comment cannot end inside of itself. */
            for (size_t i = 0; i < word.size; i++) {
                bool end = word.data[i] == '*' && i + 1 < word.size && word.data[i + 1] == '/';
                emit(out, end ? "* " : "%c", word.data[i]);
            }
            used += width;
            line_start = false;
            first = false;
        }
    }
    emit(out, " */\n");
}
