/* The declarations of a file: constants, types, and the uses of other files. */
#include "host/idlc/parser.h"
#include "host/idlc/parser_state.h"

static struct type_declaration *_Nullable add_type(struct parser *_Nonnull parser,
                                                   enum type_kind kind, struct text documentation) {
    struct protocol *protocol = parser->protocol;
    struct place place = parser->token.place;
    struct name name = parser_name(parser, NAME_PREFIXED);
    for (uint32_t i = 0; i < protocol->type_count; i++) {
        const struct type_declaration *other = &protocol->types[i];
        bool next_version = kind == TYPE_RECORD && other->kind == TYPE_RECORD;
        if (!next_version && name_equal(&other->name, &name) &&
            name_equal(&other->owner, &parser->owner)) {
            parser_fail(parser, place, "'%s' is declared twice", name.text);
        }
    }
    if (protocol->type_count == TYPE_MAX) {
        parser_fail(parser, place, "more than %d types", TYPE_MAX);
    }
    if (parser->failed) {
        return nullptr;
    }
    struct type_declaration *type = &protocol->types[protocol->type_count++];
    type->kind = kind;
    type->name = name;
    type->owner = parser->owner;
    type->place = place;
    type->documentation = documentation;
    return type;
}

/* A new member's slot; null after an error. */
static struct member *_Nullable add_member(struct parser *_Nonnull parser,
                                           struct type_declaration *_Nonnull type,
                                           enum name_use use) {
    struct place place = parser->token.place;
    struct text documentation = parser->token.documentation;
    struct name name = parser_name(parser, use);
    for (uint32_t i = 0; i < type->member_count; i++) {
        if (name_equal(&type->members[i].name, &name)) {
            parser_fail(parser, place, "'%s' is declared twice", name.text);
        }
    }
    if (type->member_count == MEMBER_MAX) {
        parser_fail(parser, place, "more than %d members", MEMBER_MAX);
    }
    if (parser->failed) {
        return nullptr;
    }
    struct member *member = &type->members[type->member_count++];
    member->name = name;
    member->place = place;
    member->documentation = documentation;
    return member;
}

static void parse_enumerators(struct parser *_Nonnull parser,
                              struct type_declaration *_Nonnull type, uint64_t max) {
    while (!parser_take(parser, "}")) {
        struct member *member = add_member(parser, type, NAME_PREFIXED);
        parser_expect(parser, "=");
        struct place place = parser->token.place;
        uint64_t value = parser_number(parser, max);
        if (!member || parser->failed) {
            return;
        }
        member->value = value;
        for (uint32_t i = 0; i + 1 < type->member_count; i++) {
            uint64_t other = type->members[i].value;
            if (type->kind == TYPE_FLAGS ? (other & value) != 0 : other == value) {
                parser_fail(parser, place, "the value is taken by '%s'",
                            type->members[i].name.text);
            }
        }
        if (type->kind == TYPE_FLAGS && value == 0) {
            parser_fail(parser, place, "a flag has at least one bit");
        }
        if (!parser_take(parser, ",")) {
            parser_expect(parser, "}");
            return;
        }
    }
}

static void parse_enum(struct parser *_Nonnull parser, enum type_kind kind, struct text doc) {
    struct type_declaration *type = add_type(parser, kind, doc);
    if (!type) {
        return;
    }
    parser_expect(parser, ":");
    struct place place = parser->token.place;
    struct type_use base = parser_type(parser);
    if (base.form != FORM_SCALAR || base.length != 0 || base.scalar > SCALAR_U64) {
        parser_fail(parser, place, "expected u8, u16, u32 or u64");
    }
    if (parser->failed) {
        return;
    }
    type->base = base.scalar;
    uint64_t max =
        base.scalar == SCALAR_U64 ? UINT64_MAX : (UINT64_C(1) << (8u << base.scalar)) - 1;
    parser_expect(parser, "{");
    parse_enumerators(parser, type, max);
    if (type->member_count == 0) {
        parser_fail(parser, type->place, "'%s' has no values", type->name.text);
    }
}

static void parse_struct(struct parser *_Nonnull parser, enum type_kind kind, struct text doc) {
    struct type_declaration *type = add_type(parser, kind, doc);
    if (!type) {
        return;
    }
    if (kind == TYPE_RECORD) {
        parser_expect(parser, "version");
        type->version = parser_number(parser, 65535);
        for (uint32_t i = 0; i + 1 < parser->protocol->type_count; i++) {
            const struct type_declaration *other = &parser->protocol->types[i];
            if (other->kind == TYPE_RECORD && name_equal(&other->name, &type->name) &&
                name_equal(&other->owner, &type->owner) && other->version == type->version) {
                parser_fail(parser, type->place, "this version is declared twice");
            }
        }
    }
    parser_expect(parser, "{");
    while (!parser_take(parser, "}") && !parser->failed) {
        struct member *member = add_member(parser, type, NAME_IN_C);
        if (!member) {
            return;
        }
        member->type = parser_type(parser);
        if (member->type.form != FORM_SCALAR && member->type.form != FORM_NAMED) {
            parser_fail(parser, member->place,
                        "only numbers, enums, flags, structures and arrays "
                        "of them can be members");
        }
        parser_expect(parser, ";");
    }
    if (type->member_count == 0) {
        parser_fail(parser, type->place, "'%s' has no members", type->name.text);
    }
}

static uint32_t ring_entry(struct parser *_Nonnull parser, const char *_Nonnull word) {
    parser_expect(parser, word);
    struct place place = parser->token.place;
    struct type_use type = parser_type(parser);
    if (!parser->failed && (type.form != FORM_NAMED || type.length != 0 ||
                            parser->protocol->types[type.named].kind != TYPE_STRUCT)) {
        parser_fail(parser, place, "expected a structure");
    }
    parser_expect(parser, ",");
    return type.named;
}

static void parse_ring(struct parser *_Nonnull parser, struct text documentation) {
    struct type_declaration *type = add_type(parser, TYPE_RING, documentation);
    if (!type) {
        return;
    }
    parser_expect(parser, "{");
    type->request = ring_entry(parser, "request");
    type->completion = ring_entry(parser, "completion");
    parser_expect(parser, "depth");
    struct place place = parser->token.place;
    type->depth = parser_number(parser, 65536);
    if (type->depth < 2 || (type->depth & (type->depth - 1)) != 0) {
        parser_fail(parser, place, "the depth is a power of two, at least 2");
    }
    parser_expect(parser, "}");
}

static void parse_constant(struct parser *_Nonnull parser, bool status, struct text doc) {
    struct protocol *protocol = parser->protocol;
    struct place place = parser->token.place;
    struct constant constant = {.owner = parser->owner, .documentation = doc, .status = status};
    constant.name = parser_name(parser, NAME_PREFIXED);
    parser_expect(parser, "=");
    constant.value = parser_number(parser, status ? 4095 : UINT64_MAX);
    parser_expect(parser, ";");
    if (status && constant.value < 256) {
        parser_fail(parser, place, "a protocol's own errors begin at 256");
    }
    for (uint32_t i = 0; i < protocol->constant_count; i++) {
        if (name_equal(&protocol->constants[i].name, &constant.name) &&
            name_equal(&protocol->constants[i].owner, &constant.owner)) {
            parser_fail(parser, place, "'%s' is declared twice", constant.name.text);
        }
    }
    if (protocol->constant_count == CONSTANT_MAX) {
        parser_fail(parser, place, "more than %d constants", CONSTANT_MAX);
    }
    if (!parser->failed) {
        protocol->constants[protocol->constant_count++] = constant;
    }
}

static void parse_item(struct parser *_Nonnull parser) {
    struct text documentation = parser->token.documentation;
    if (parser_take(parser, "const")) {
        parse_constant(parser, false, documentation);
    } else if (parser_take(parser, "error")) {
        parse_constant(parser, true, documentation);
    } else if (parser_take(parser, "enum")) {
        parse_enum(parser, TYPE_ENUM, documentation);
    } else if (parser_take(parser, "flags")) {
        parse_enum(parser, TYPE_FLAGS, documentation);
    } else if (parser_take(parser, "struct")) {
        parse_struct(parser, TYPE_STRUCT, documentation);
    } else if (parser_take(parser, "record")) {
        parse_struct(parser, TYPE_RECORD, documentation);
    } else if (parser_take(parser, "ring")) {
        parse_ring(parser, documentation);
    } else if (parser_take(parser, "method")) {
        parse_method(parser, documentation);
    } else {
        parser_fail(parser, parser->token.place,
                    "expected const, error, enum, flags, struct, record, ring or method");
    }
}

/* The first sentence of a file: which protocol it declares. */
static void parse_heading(struct parser *_Nonnull parser, struct heading *_Nonnull heading) {
    heading->documentation = parser->token.documentation;
    parser_expect(parser, "protocol");
    heading->place = parser->token.place;
    heading->name = parser_name(parser, NAME_IN_C);
    parser->owner = heading->name;
    parser_expect(parser, "number");
    heading->number = parser_number(parser, 4095);
    parser_expect(parser, "version");
    heading->version = parser_number(parser, 255);
    parser_expect(parser, ";");
    if (heading->number == 0 || heading->version == 0) {
        parser_fail(parser, heading->place, "number and version of a protocol are at least 1");
    }
    if (heading->documentation.size == 0) {
        parser_fail(parser, heading->place, "the protocol has no documentation");
    }
}

static struct parser parser_start(struct source source, struct protocol *_Nonnull protocol,
                                  struct output *_Nonnull messages) {
    struct parser parser = {.source = source,
                            .lexer = {.text = source.text, .place = {.line = 1, .column = 1}},
                            .protocol = protocol,
                            .messages = messages};
    parser_advance(&parser);
    return parser;
}

static bool is_used(const struct protocol *_Nonnull protocol, const struct name *_Nonnull name) {
    for (uint32_t i = 0; i < protocol->use_count; i++) {
        if (name_equal(&protocol->uses[i], name)) {
            return true;
        }
    }
    return false;
}

/* What a used file uses must be there already, so that no file is read twice and none in a circle.
 */
static void parse_inner_uses(struct parser *_Nonnull parser) {
    while (parser_take(parser, "use")) {
        struct place place = parser->token.place;
        struct name name = parser_name(parser, NAME_IN_C);
        parser_expect(parser, ";");
        if (!parser->failed && !is_used(parser->protocol, &name)) {
            parser_fail(parser, place, "whoever uses this file must use '%s' before it", name.text);
        }
    }
}

/* Takes over the types and constants of another file. */
static void parse_use(struct parser *_Nonnull parser, use_finder _Nonnull find,
                      void *_Nullable find_state) {
    struct protocol *protocol = parser->protocol;
    struct place place = parser->token.place;
    struct name name = parser_name(parser, NAME_IN_C);
    struct source source = {};
    parser_expect(parser, ";");
    if (protocol->use_count == USE_MAX) {
        parser_fail(parser, place, "more than %d uses", USE_MAX);
    }
    if (is_used(protocol, &name)) {
        parser_fail(parser, place, "'%s' is used twice", name.text);
    }
    if (parser->failed) {
        return;
    }
    if (name_equal(&name, &parser->owner) || !find(find_state, name_text(&name), &source)) {
        parser_fail(parser, place, "no file '%s.idl' beside this one", name.text);
        return;
    }
    struct parser other = parser_start(source, protocol, parser->messages);
    struct heading heading = {};
    other.imported = true;
    parse_heading(&other, &heading);
    parse_inner_uses(&other);
    while (!parser_at_end(&other)) {
        parse_item(&other);
    }
    if (!other.failed && !name_equal(&heading.name, &name)) {
        parser_fail(parser, place, "that file declares '%s'", heading.name.text);
    }
    if (other.failed) {
        parser->failed = true;
        parser->token = (struct token){.place = place};
        return;
    }
    protocol->uses[protocol->use_count++] = name;
}

bool parse_protocol(struct source source, struct protocol *_Nonnull protocol,
                    struct output *_Nonnull messages, use_finder _Nonnull find,
                    void *_Nullable find_state) {
    struct parser parser = parser_start(source, protocol, messages);
    parse_heading(&parser, &protocol->heading);
    while (parser_take(&parser, "use")) {
        parse_use(&parser, find, find_state);
    }
    while (!parser_at_end(&parser)) {
        parse_item(&parser);
    }
    return !parser.failed;
}
