/* One pass over the bytes, one token at a time; state is the position alone. */
#include "host/idlc/lexer.h"

static char peek(const struct lexer *_Nonnull lexer, size_t ahead) {
    size_t at = lexer->at + ahead;
    return at < lexer->text.size ? lexer->text.data[at] : '\0';
}

static bool at_end(const struct lexer *_Nonnull lexer) {
    return lexer->at >= lexer->text.size;
}

static void advance(struct lexer *_Nonnull lexer) {
    if (peek(lexer, 0) == '\n') {
        lexer->place.line++;
        lexer->place.column = 1;
    } else {
        lexer->place.column++;
    }
    lexer->at++;
}

static bool is_letter(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

static bool is_digit(char c) {
    return c >= '0' && c <= '9';
}

static void skip_line(struct lexer *_Nonnull lexer) {
    while (!at_end(lexer) && peek(lexer, 0) != '\n') {
        advance(lexer);
    }
}

/* Skips blanks and comments; the last unbroken run of `///` lines is the documentation. */
static struct text skip_blanks(struct lexer *_Nonnull lexer) {
    size_t from = 0;
    size_t to = 0;
    uint32_t last_line = 0;
    while (!at_end(lexer)) {
        char c = peek(lexer, 0);
        if (c == ' ' || c == '\t' || c == '\r' || c == '\n') {
            advance(lexer);
        } else if (c == '/' && peek(lexer, 1) == '/') {
            bool documents = peek(lexer, 2) == '/';
            if (documents && (to == 0 || lexer->place.line != last_line + 1)) {
                from = lexer->at;
            }
            last_line = lexer->place.line;
            skip_line(lexer);
            to = documents ? lexer->at : 0;
        } else {
            break;
        }
    }
    bool joined = to != 0 && lexer->place.line == last_line + 1;
    return joined ? text_part(lexer->text, from, to) : (struct text){};
}

/* The value of a digit in `base`, or base. */
static uint64_t digit_value(char c, uint64_t base) {
    uint64_t value = base;
    if (is_digit(c)) {
        value = (uint64_t)(c - '0');
    } else if (c >= 'a' && c <= 'f') {
        value = (uint64_t)(c - 'a') + 10;
    } else if (c >= 'A' && c <= 'F') {
        value = (uint64_t)(c - 'A') + 10;
    }
    return MIN(value, base);
}

/* Decimal or 0x…; anything glued to its end makes it bad. */
static void read_number(struct lexer *_Nonnull lexer, struct token *_Nonnull token) {
    uint64_t base = 10;
    if (peek(lexer, 0) == '0' && peek(lexer, 1) == 'x') {
        base = 16;
        advance(lexer);
        advance(lexer);
    }
    bool bad = digit_value(peek(lexer, 0), base) == base;
    while (digit_value(peek(lexer, 0), base) != base) {
        uint64_t digit = digit_value(peek(lexer, 0), base);
        bad |= ckd_mul(&token->value, token->value, base);
        bad |= ckd_add(&token->value, token->value, digit);
        advance(lexer);
    }
    while (is_letter(peek(lexer, 0)) || is_digit(peek(lexer, 0))) {
        bad = true;
        advance(lexer);
    }
    token->form = bad ? TOKEN_BAD : TOKEN_NUMBER;
}

struct token lexer_next(struct lexer *_Nonnull lexer) {
    struct token token = {.documentation = skip_blanks(lexer)};
    token.place = lexer->place;
    size_t from = lexer->at;
    char c = peek(lexer, 0);
    if (at_end(lexer)) {
        token.form = TOKEN_END;
    } else if (is_letter(c)) {
        token.form = TOKEN_NAME;
        while (is_letter(peek(lexer, 0)) || is_digit(peek(lexer, 0))) {
            advance(lexer);
        }
    } else if (is_digit(c)) {
        read_number(lexer, &token);
    } else if (c == '-' && peek(lexer, 1) == '>') {
        token.form = TOKEN_MARK;
        advance(lexer);
        advance(lexer);
    } else {
        struct text marks = text_of("{}()<>[],;:=|.");
        token.form = TOKEN_BAD;
        for (size_t i = 0; i < marks.size; i++) {
            if (marks.data[i] == c) {
                token.form = TOKEN_MARK;
            }
        }
        advance(lexer);
    }
    token.text = text_part(lexer->text, from, lexer->at);
    return token;
}
