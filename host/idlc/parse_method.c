/* Methods: parameters and marks. What they mean together is judged by layout.c. */
#include "host/idlc/parser_state.h"

static struct parameter *_Nullable add_parameter(struct parser *_Nonnull parser,
                                                 struct method *_Nonnull method) {
    struct place place = parser->token.place;
    struct name name = parser_name(parser, NAME_IN_STUB);
    for (uint32_t i = 0; i < method->parameter_count; i++) {
        if (name_equal(&method->parameters[i].name, &name)) {
            parser_fail(parser, place, "'%s' is declared twice", name.text);
        }
    }
    if (method->parameter_count == PARAMETER_MAX) {
        parser_fail(parser, place, "more than %d parameters", PARAMETER_MAX);
    }
    if (parser->failed) {
        return nullptr;
    }
    struct parameter *parameter = &method->parameters[method->parameter_count++];
    *parameter = (struct parameter){.name = name, .declared = place};
    return parameter;
}

static void parse_parameter(struct parser *_Nonnull parser, struct method *_Nonnull method,
                            bool out) {
    parser_expect(parser, out ? "out" : "in");
    struct parameter *parameter = add_parameter(parser, method);
    if (!parameter) {
        return;
    }
    parameter->out = out;
    parameter->type = parser_type(parser);
    bool more = true;
    while (more) {
        struct place place = parser->token.place;
        bool handle = parameter->type.form == FORM_HANDLE;
        if (parser_take(parser, "lease")) {
            parameter->lease = true;
            if (parameter->type.form != FORM_BYTES) {
                parser_fail(parser, place, "only bytes<…> can be leased");
            }
        } else if (parser_take(parser, "inline")) {
            parameter->inlined = true;
            if (parameter->type.form != FORM_BYTES && parameter->type.form != FORM_STRING) {
                parser_fail(parser, place, "inline is said of bytes<…> and string<…>");
            }
        } else if (parser_take(parser, "move")) {
            parameter->move = true;
            if (!handle || out) {
                parser_fail(parser, place, "only handles of a request are lent or moved");
            }
        } else if (parser_take(parser, "optional")) {
            parameter->optional = true;
            if (!handle) {
                parser_fail(parser, place, "only handles can be optional");
            }
        } else {
            more = parser_take(parser, "|");
        }
    }
}

static void parse_parameters(struct parser *_Nonnull parser, struct method *_Nonnull method,
                             bool out) {
    parser_expect(parser, "(");
    if (parser_take(parser, ")")) {
        return;
    }
    do {
        parse_parameter(parser, method, out);
    } while (parser_take(parser, ","));
    parser_expect(parser, ")");
}

static void parse_deadline(struct parser *_Nonnull parser, struct method *_Nonnull method) {
    static const struct {
        const char *_Nonnull unit;
        uint64_t ns;
    } units[] = {{"s", 1000000000}, {"ms", 1000000}, {"us", 1000}, {"ns", 1}};
    if (parser_take(parser, "never")) {
        method->deadline = DEADLINE_NONE;
        return;
    }
    if (parser_take(parser, "caller")) {
        method->deadline = DEADLINE_CALLER;
        return;
    }
    struct place place = parser->token.place;
    uint64_t count = parser_number(parser, UINT32_MAX);
    method->deadline = DEADLINE_DEFAULT;
    for (size_t i = 0; i < ARRAY_LENGTH(units); i++) {
        if (parser_take(parser, units[i].unit)) {
            method->timeout_ns = count * units[i].ns; /* below 2^32 * 2^30 */
            if (count == 0) {
                parser_fail(parser, place, "a deadline is at least 1");
            }
            return;
        }
    }
    parser_fail(parser, parser->token.place, "expected s, ms, us or ns");
}

static void parse_marks(struct parser *_Nonnull parser, struct method *_Nonnull method) {
    while (!parser_take(parser, ";") && !parser->failed) {
        if (parser_take(parser, "idempotent")) {
            method->idempotent = true;
        } else if (parser_take(parser, "bounded")) {
            method->bounded = true;
        } else if (parser_take(parser, "blocks")) {
            parser_expect(parser, "outside");
            method->blocks = true;
            method->parks = true;
        } else if (parser_take(parser, "parks")) {
            method->parks = true;
        } else if (parser_take(parser, "forwards")) {
            parser_expect(parser, "principal");
            method->forwards = true;
        } else if (parser_take(parser, "deadline")) {
            parse_deadline(parser, method);
        } else {
            parser_fail(parser, parser->token.place,
                        "expected idempotent, bounded, parks, blocks, forwards, deadline or ';'");
        }
    }
}

static void check_marks(struct parser *_Nonnull parser, const struct method *_Nonnull method) {
    if (method->deadline == DEADLINE_UNSTATED) {
        parser_fail(parser, method->place, "'%s' states no deadline", method->name.text);
    }
    if (method->deadline == DEADLINE_NONE && !method->blocks) {
        parser_fail(parser, method->place,
                    "'%s' has no deadline, but does not say 'blocks outside'", method->name.text);
    }
    if (method->bounded && method->parks) {
        parser_fail(parser, method->place, "'%s' is bounded and may be parked", method->name.text);
    }
    if (method->forwards && !method->bounded) {
        parser_fail(parser, method->place,
                    "'%s' forwards a principal, but no server may call it (bounded)",
                    method->name.text);
    }
    static const char *const taken[] = {"dispatch", "trace", "methods", "handlers", "speaks"};
    for (size_t i = 0; i < ARRAY_LENGTH(taken); i++) {
        if (text_is(name_text(&method->name), taken[i])) {
            parser_fail(parser, method->place, "'%s' is what generated code calls another thing",
                        method->name.text);
        }
    }
    if (method->documentation.size == 0) {
        parser_fail(parser, method->place, "'%s' has no documentation", method->name.text);
    }
}

void parse_method(struct parser *_Nonnull parser, struct text documentation) {
    struct protocol *protocol = parser->protocol;
    struct method method = {.place = parser->token.place, .documentation = documentation};
    method.number = parser_number(parser, 4095);
    method.name = parser_name(parser, NAME_IN_C);
    parse_parameters(parser, &method, false);
    if (parser_take(parser, "->")) {
        parse_parameters(parser, &method, true);
    }
    parse_marks(parser, &method);
    check_marks(parser, &method);
    if (method.number == 0) {
        parser_fail(parser, method.place, "methods are numbered from 1");
    }
    for (uint32_t i = 0; i < protocol->method_count && !parser->imported; i++) {
        const struct method *other = &protocol->methods[i];
        if (other->number == method.number || name_equal(&other->name, &method.name)) {
            parser_fail(parser, method.place, "number or name is that of method %llu '%s'",
                        (unsigned long long)other->number, other->name.text);
        }
    }
    if (protocol->method_count == METHOD_MAX) {
        parser_fail(parser, method.place, "more than %d methods", METHOD_MAX);
    }
    if (!parser->failed && !parser->imported) {
        protocol->methods[protocol->method_count++] = method;
    }
}
