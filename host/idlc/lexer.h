#pragma once
/* Cuts an interface file into tokens. Any bytes are accepted: what is no token is one of its own
 * form, which no rule of the grammar takes. */
#include "host/idlc/model.h"

enum token_form : uint32_t {
    TOKEN_END,
    TOKEN_NAME,
    TOKEN_NUMBER,
    TOKEN_MARK, /* one of { } ( ) < > [ ] , ; : = | . or -> */
    TOKEN_BAD,  /* a byte that starts no token, or a number that does not fit 64 bits */
};
struct token {
    enum token_form form;
    struct text text;
    struct place place;
    uint64_t value;            /* number */
    struct text documentation; /* the `///` lines right before it, as written */
};

struct lexer {
    struct text text;
    size_t at;
    struct place place;
};

/* The next token; TOKEN_END again and again at the end. */
struct token lexer_next(struct lexer *_Nonnull lexer);
