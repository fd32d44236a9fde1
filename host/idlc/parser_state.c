/* Tokens, names, numbers and types: what every rule of the grammar is made of. */
#include "host/idlc/parser_state.h"
#include "host/idlc/objects.h"
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* Words that mean something in C, and from C_WORDS on those that generated stubs use themselves. */
static const char *const reserved_words[] = {
    "alignas",      "alignof", "asm",       "auto",       "bool",    "break",    "case",
    "char",         "const",   "constexpr", "continue",   "default", "do",       "double",
    "else",         "enum",    "extern",    "false",      "float",   "for",      "goto",
    "if",           "inline",  "int",       "long",       "nullptr", "register", "restrict",
    "return",       "short",   "signed",    "sizeof",     "static",  "struct",   "switch",
    "thread_local", "true",    "typedef",   "typeof",     "union",   "unsigned", "void",
    "volatile",     "while",   "call",      "context",    "input",   "output",   "page",
    "session",      "status",  "step",      "timeout_ns", "valid",
};
enum { C_WORDS = 44 };

void parser_fail(struct parser *_Nonnull parser, struct place place, const char *_Nonnull format,
                 ...) {
    if (parser->failed) {
        return;
    }
    char message[160] = {};
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(message, sizeof(message), format, arguments);
    va_end(arguments);
    emit_text(parser->messages, parser->source.path);
    emit(parser->messages, ":%u:%u: %s\n", place.line, place.column, message);
    parser->failed = true;
    parser->token = (struct token){.place = place};
}

void parser_advance(struct parser *_Nonnull parser) {
    if (!parser->failed) {
        parser->token = lexer_next(&parser->lexer);
    }
}

bool parser_at_end(const struct parser *_Nonnull parser) {
    return parser->token.form == TOKEN_END;
}

bool parser_take(struct parser *_Nonnull parser, const char *_Nonnull text) {
    bool word = parser->token.form == TOKEN_NAME || parser->token.form == TOKEN_MARK;
    if (!word || !text_is(parser->token.text, text)) {
        return false;
    }
    parser_advance(parser);
    return true;
}

static void fail_expected(struct parser *_Nonnull parser, const char *_Nonnull what) {
    if (parser_at_end(parser)) {
        parser_fail(parser, parser->token.place, "expected %s, but the file ends", what);
        return;
    }
    parser_fail(parser, parser->token.place, "expected %s, not '%.*s'", what,
                (int)MIN(parser->token.text.size, 40u), parser->token.text.data);
}

void parser_expect(struct parser *_Nonnull parser, const char *_Nonnull text) {
    char quoted[24] = {};
    (void)snprintf(quoted, sizeof(quoted), "'%s'", text);
    if (!parser_take(parser, text)) {
        fail_expected(parser, quoted);
    }
}

struct text name_text(const struct name *_Nonnull name) {
    return text_of(name->text);
}

bool name_equal(const struct name *_Nonnull left, const struct name *_Nonnull right) {
    return text_same(name_text(left), name_text(right));
}

static bool is_reserved(const struct name *_Nonnull name, enum name_use use) {
    size_t count = use == NAME_IN_STUB ? ARRAY_LENGTH(reserved_words) : C_WORDS;
    for (size_t i = 0; i < count && use != NAME_PREFIXED; i++) {
        if (text_is(name_text(name), reserved_words[i])) {
            return true;
        }
    }
    return false;
}

struct name parser_name(struct parser *_Nonnull parser, enum name_use use) {
    struct name name = {};
    struct token token = parser->token;
    if (token.form != TOKEN_NAME) {
        fail_expected(parser, "a name");
        return name;
    }
    if (token.text.size >= NAME_SIZE) {
        parser_fail(parser, token.place, "a name has at most %d characters", NAME_SIZE - 1);
        return name;
    }
    for (size_t i = 0; i < token.text.size; i++) {
        char c = token.text.data[i];
        if ((c >= 'A' && c <= 'Z') || (i == 0 && c == '_')) {
            parser_fail(parser, token.place, "names are lower case and begin with a letter");
            return name;
        }
        name.text[i] = c;
    }
    if (is_reserved(&name, use)) {
        parser_fail(parser, token.place, "'%s' is a word of C or of the generated code", name.text);
    }
    parser_advance(parser);
    return name;
}

/* [owner "."] name; an absent owner is this file's protocol. */
static struct name qualified_name(struct parser *_Nonnull parser, struct name *_Nonnull out_owner) {
    struct name name = parser_name(parser, NAME_PREFIXED);
    *out_owner = parser->owner;
    if (parser_take(parser, ".")) {
        *out_owner = name;
        name = parser_name(parser, NAME_PREFIXED);
    }
    return name;
}

uint64_t parser_number(struct parser *_Nonnull parser, uint64_t max) {
    struct token token = parser->token;
    uint64_t value = token.value;
    if (token.form == TOKEN_NUMBER) {
        parser_advance(parser);
    } else if (token.form == TOKEN_NAME) {
        struct name owner = {};
        struct name name = qualified_name(parser, &owner);
        const struct protocol *protocol = parser->protocol;
        uint32_t i = 0;
        while (i < protocol->constant_count &&
               !(name_equal(&protocol->constants[i].name, &name) &&
                 name_equal(&protocol->constants[i].owner, &owner))) {
            i++;
        }
        if (i == protocol->constant_count) {
            parser_fail(parser, token.place, "no constant '%s'", name.text);
            return 0;
        }
        value = protocol->constants[i].value;
    } else {
        fail_expected(parser, "a number");
        return 0;
    }
    if (value > max) {
        parser_fail(parser, token.place, "the number is above %llu", (unsigned long long)max);
    }
    return value;
}

/* What stands between < and > of a handle: its object and the rights it must have. */
static void parse_handle(struct parser *_Nonnull parser, struct type_use *_Nonnull type) {
    struct place place = parser->token.place;
    type->object = parser_name(parser, NAME_PREFIXED);
    type->object_index = object_find(name_text(&type->object));
    if (type->object_index == NO_INDEX) {
        parser_fail(parser, place, "no kind of object '%s'", type->object.text);
    }
    while (parser_take(parser, ",") || parser_take(parser, "|")) {
        place = parser->token.place;
        struct name right = parser_name(parser, NAME_PREFIXED);
        uint32_t bit = right_find(name_text(&right));
        if (bit == NO_INDEX) {
            parser_fail(parser, place, "no right '%s'", right.text);
        } else {
            type->rights |= 1u << bit;
        }
    }
}

static void parse_named(struct parser *_Nonnull parser, struct type_use *_Nonnull type) {
    struct place place = parser->token.place;
    struct name owner = {};
    struct name name = qualified_name(parser, &owner);
    type->form = FORM_NAMED;
    for (uint32_t i = 0; i < parser->protocol->type_count; i++) {
        const struct type_declaration *declaration = &parser->protocol->types[i];
        if (!name_equal(&declaration->name, &name) || !name_equal(&declaration->owner, &owner)) {
            continue;
        }
        if (declaration->kind == TYPE_RECORD || declaration->kind == TYPE_RING) {
            parser_fail(parser, place, "'%s' is a record or ring, no value", name.text);
        }
        type->named = i;
        return;
    }
    parser_fail(parser, place, "no type '%s'", name.text);
}

static bool take_scalar(struct parser *_Nonnull parser, struct type_use *_Nonnull type) {
    static const char *const scalars[SCALAR_COUNT] = {"u8",  "u16", "u32", "u64",
                                                      "i32", "i64", "bool"};
    for (uint32_t i = 0; i < SCALAR_COUNT; i++) {
        if (parser_take(parser, scalars[i])) {
            *type = (struct type_use){.form = FORM_SCALAR, .scalar = (enum scalar)i};
            return true;
        }
    }
    return false;
}

static void parse_array(struct parser *_Nonnull parser, struct type_use *_Nonnull type) {
    struct place place = parser->token.place;
    if (!parser_take(parser, "[")) {
        return;
    }
    type->length = parser_number(parser, 65536);
    if (type->length == 0) {
        parser_fail(parser, place, "an array has at least one element");
    }
    parser_expect(parser, "]");
}

struct type_use parser_type(struct parser *_Nonnull parser) {
    struct type_use type = {};
    if (take_scalar(parser, &type)) {
        parse_array(parser, &type);
        return type;
    }
    bool string = parser_take(parser, "string");
    if (string || parser_take(parser, "bytes")) {
        type.form = string ? FORM_STRING : FORM_BYTES;
        parser_expect(parser, "<");
        type.length = parser_number(parser, UINT32_MAX);
        parser_expect(parser, ">");
    } else if (parser_take(parser, "handle")) {
        type.form = FORM_HANDLE;
        parser_expect(parser, "<");
        parse_handle(parser, &type);
        parser_expect(parser, ">");
    } else {
        parse_named(parser, &type);
        parse_array(parser, &type);
    }
    return type;
}
