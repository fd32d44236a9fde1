#pragma once
/* What the files of the parser share: the state, and how tokens are taken. After the first error
 * every token is TOKEN_END, so every loop of the grammar ends. */
#include "host/idlc/lexer.h"
#include "host/idlc/parser.h"

struct parser {
    struct source source;
    struct lexer lexer;
    struct token token; /* the next one, not yet taken */
    struct protocol *_Nonnull protocol;
    struct name owner; /* the protocol that this file declares */
    bool imported;
    bool failed;
    struct output *_Nonnull messages;
};

[[gnu::format(printf, 3, 4)]] void parser_fail(struct parser *_Nonnull parser, struct place place,
                                               const char *_Nonnull format, ...);
void parser_advance(struct parser *_Nonnull parser);
/* Takes the token if it reads `text`. */
bool parser_take(struct parser *_Nonnull parser, const char *_Nonnull text);
void parser_expect(struct parser *_Nonnull parser, const char *_Nonnull text);
bool parser_at_end(const struct parser *_Nonnull parser);
/* What a name becomes in C, and so which words it must not be. */
enum name_use : uint32_t {
    NAME_PREFIXED, /* part of a longer name */
    NAME_IN_C,     /* an identifier, among others of this file only */
    NAME_IN_STUB   /* an identifier, among those of a stub */
};
struct name parser_name(struct parser *_Nonnull parser, enum name_use use);
/* A number or a constant, at most `max`. */
uint64_t parser_number(struct parser *_Nonnull parser, uint64_t max);
struct type_use parser_type(struct parser *_Nonnull parser);
struct text name_text(const struct name *_Nonnull name);
bool name_equal(const struct name *_Nonnull left, const struct name *_Nonnull right);

void parse_method(struct parser *_Nonnull parser, struct text documentation);
