/* The native system calls' page. The header is read line by line, with just as much of C as it
 * uses: `enum name … {`, `VALUE …,`, and comments, which belong to the value before them if it has
 * none yet and they begin on its line or with a parenthesis, and else head a group. */
#include "host/idlc/manual.h"
#include <stdio.h>

struct reader {
    struct output *_Nonnull out;
    bool in_enum;
    bool in_comment;
    bool value_open; /* a value was written and has no comment yet */
    bool calls;      /* in the enumeration of the calls themselves */
    unsigned number;
};

/* The name at the start of a line, if it begins with a capital letter. */
static struct text leading_name(struct text line) {
    size_t end = 0;
    while (end < line.size &&
           ((line.data[end] >= 'A' && line.data[end] <= 'Z') || line.data[end] == '_' ||
            (end > 0 && line.data[end] >= '0' && line.data[end] <= '9'))) {
        end++;
    }
    return text_part(line, 0, end);
}

/* Where `word` begins in `line`, or its size. */
static size_t find(struct text line, const char *_Nonnull word) {
    size_t at = 0;
    while (at < line.size && !text_starts(text_part(line, at, line.size), word)) {
        at++;
    }
    return at;
}

/* Text of a comment, up to its end if that is on this line. */
static void emit_comment_text(struct reader *_Nonnull reader, struct text text) {
    size_t end = find(text, "*/");
    struct text body = text_trim(text_part(text, 0, end));
    if (text_starts(body, "* ")) {
        body = text_part(body, 2, body.size);
    }
    if (body.size > 0 && !text_is(body, "*")) {
        emit_roff(reader->out, body);
        emit(reader->out, "\n");
    }
    reader->in_comment = end == text.size;
}

static void begin_comment(struct reader *_Nonnull reader, struct text text) {
    bool belongs = reader->value_open;
    if (!belongs && reader->in_enum) {
        emit(reader->out, ".SS ");
    }
    reader->value_open = false;
    emit_comment_text(reader, text);
}

static void begin_value(struct reader *_Nonnull reader, struct text name, struct text line) {
    emit(reader->out, ".TP\n.B ");
    emit_text(reader->out, name);
    if (reader->calls) {
        emit(reader->out, " 0x%x", 0x10000u + reader->number++);
    }
    size_t equals = find(line, "= ");
    size_t end = MIN(find(line, ","), find(line, "/*"));
    if (!reader->calls && equals < end) {
        emit(reader->out, " ");
        emit_roff(reader->out, text_trim(text_part(line, equals, end)));
    }
    emit(reader->out, "\n");
    reader->value_open = true;
}

static void begin_enum(struct reader *_Nonnull reader, struct text line) {
    struct text name = text_trim(text_part(line, 4, MIN(find(line, ":"), find(line, "{"))));
    reader->in_enum = true;
    reader->calls = text_is(name, "syscall_number");
    if (reader->calls) {
        emit(reader->out, ".SH CALLS\n");
        return;
    }
    emit(reader->out, ".SH \"CONSTANTS: ");
    emit_roff(reader->out, name.size > 0 ? name : text_of("of no enumeration"));
    emit(reader->out, "\"\n");
}

static void read_line(struct reader *_Nonnull reader, struct text line) {
    if (reader->in_comment) {
        emit_comment_text(reader, line);
        return;
    }
    if (text_starts(line, "enum ")) {
        begin_enum(reader, line);
    } else if (text_starts(line, "}")) {
        reader->in_enum = false;
        reader->value_open = false;
    }
    struct text name = leading_name(line);
    if (reader->in_enum && name.size > 1 && !text_is(name, "SYSCALL_END")) {
        begin_value(reader, name, line);
    }
    size_t comment = find(line, "/*");
    if (reader->in_enum && comment < line.size) {
        begin_comment(reader, text_part(line, comment + 2, line.size));
    }
}

void generate_syscalls(struct output *_Nonnull out, struct text header) {
    struct reader reader = {.out = out};
    struct text rest = header;
    struct text line = {};
    emit_roff_heading(out, "syscalls", "2", text_of("the native system calls of Isotope"));
    emit(out, ".SH DESCRIPTION\n");
    size_t begin = find(header, "/*");
    struct text head = text_part(header, begin + 2, header.size);
    while (text_line(&head, &line)) {
        emit_comment_text(&reader, line);
        if (!reader.in_comment) {
            break;
        }
    }
    reader.in_comment = false;
    while (text_line(&rest, &line)) {
        read_line(&reader, text_trim(line));
    }
}
