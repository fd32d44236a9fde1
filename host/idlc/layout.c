/* Natural alignment, nothing hidden: where C would pad a structure, the file must say so with a
 * reserved member. Parameters follow the rules at the head of lib/rt/message.h. */
#include "host/idlc/layout.h"
#include "host/idlc/objects.h"
#include <stdarg.h>
#include <stdio.h>

enum { STRUCT_SIZE_MAX = 1 << 20, RECORD_HEADER_SIZE = 24 };

struct checker {
    struct protocol *_Nonnull protocol;
    struct text path;
    struct output *_Nonnull messages;
    bool failed;
};

[[gnu::format(printf, 3, 4)]] static void
complain(struct checker *_Nonnull checker, struct place place, const char *_Nonnull format, ...) {
    if (checker->failed) {
        return;
    }
    char message[160] = {};
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(message, sizeof(message), format, arguments);
    va_end(arguments);
    emit_text(checker->messages, checker->path);
    emit(checker->messages, ":%u:%u: %s\n", place.line, place.column, message);
    checker->failed = true;
}

static struct extent scalar_extent(enum scalar scalar) {
    static const uint64_t sizes[SCALAR_COUNT] = {1, 2, 4, 8, 4, 8, 1};
    return (struct extent){.size = sizes[scalar], .alignment = sizes[scalar]};
}

struct extent element_extent(const struct protocol *_Nonnull protocol,
                             const struct type_use *_Nonnull type) {
    if (type->form == FORM_SCALAR) {
        return scalar_extent(type->scalar);
    }
    if (type->form != FORM_NAMED) {
        return (struct extent){};
    }
    const struct type_declaration *named = &protocol->types[type->named];
    return (struct extent){.size = named->size, .alignment = named->alignment};
}

bool element_checked(const struct protocol *_Nonnull protocol,
                     const struct type_use *_Nonnull type) {
    return type->form == FORM_NAMED ? protocol->types[type->named].checked
                                    : type->form == FORM_SCALAR && type->scalar == SCALAR_BOOL;
}

/* Whether a member is room that is kept for later, and must be zero. */
static bool is_reserved(const struct member *_Nonnull member) {
    return text_starts(text_of(member->name.text), "reserved");
}

static void place_member(struct checker *_Nonnull checker, struct type_declaration *_Nonnull type,
                         struct member *_Nonnull member) {
    struct extent extent = element_extent(checker->protocol, &member->type);
    CHECK(extent.alignment > 0); /* members are numbers and structures */
    uint64_t hole = (extent.alignment - type->size % extent.alignment) % extent.alignment;
    if (hole != 0) {
        complain(checker, member->place,
                 "%llu bytes of padding before '%s': add a reserved member or move it",
                 (unsigned long long)hole, member->name.text);
    }
    if (is_reserved(member) && (member->type.form != FORM_SCALAR)) {
        complain(checker, member->place, "reserved members are numbers or arrays of them");
    }
    member->offset = type->size;
    member->size = extent.size * MAX(member->type.length, 1u);
    type->size += member->size;
    type->alignment = MAX(type->alignment, extent.alignment);
    type->checked |= is_reserved(member) || element_checked(checker->protocol, &member->type);
    if (type->size > STRUCT_SIZE_MAX) {
        complain(checker, member->place, "'%s' is larger than %d bytes", type->name.text,
                 STRUCT_SIZE_MAX);
    }
}

static void check_type(struct checker *_Nonnull checker, struct type_declaration *_Nonnull type) {
    type->alignment = 1;
    if (type->kind == TYPE_ENUM || type->kind == TYPE_FLAGS) {
        type->size = scalar_extent(type->base).size;
        type->alignment = type->size;
        type->checked = true;
        return;
    }
    if (type->kind == TYPE_RECORD) {
        type->size = RECORD_HEADER_SIZE;
        type->alignment = 8;
    }
    for (uint32_t i = 0; i < type->member_count && !checker->failed; i++) {
        place_member(checker, type, &type->members[i]);
    }
    uint64_t hole = (type->alignment - type->size % type->alignment) % type->alignment;
    if (hole != 0) {
        complain(checker, type->place,
                 "%llu bytes of padding at the end of '%s': add a reserved member",
                 (unsigned long long)hole, type->name.text);
    }
}

static bool fits_word(const struct protocol *_Nonnull protocol,
                      const struct type_use *_Nonnull type) {
    bool number = type->form == FORM_SCALAR ||
                  (type->form == FORM_NAMED && protocol->types[type->named].kind != TYPE_STRUCT);
    return number && type->length == 0;
}

static void take_word(struct checker *_Nonnull checker, struct layout *_Nonnull layout,
                      const struct parameter *_Nonnull parameter, uint32_t *_Nonnull out_word) {
    if (layout->word_count == WORD_MAX) {
        complain(checker, parameter->declared, "no word is left for the count of '%s'",
                 parameter->name.text);
        return;
    }
    *out_word = layout->word_count++;
}

static void place_bytes(struct checker *_Nonnull checker, struct layout *_Nonnull layout,
                        struct parameter *_Nonnull parameter, uint32_t index) {
    if (parameter->type.length == 0) {
        complain(checker, parameter->declared, "'%s' can never hold a byte", parameter->name.text);
    }
    parameter->at = PLACE_LEASE;
    if (parameter->lease) {
        if (layout->lease != NO_INDEX) {
            complain(checker, parameter->declared, "a method has one lease for each direction");
        }
        layout->lease = index;
        if (parameter->out) {
            take_word(checker, layout, parameter, &parameter->count_word);
        }
    }
    if (!parameter->lease || parameter->inlined) {
        if (layout->tail != NO_INDEX) {
            complain(checker, parameter->declared,
                     "a message has one part of variable length inline");
        }
        layout->tail = index;
        parameter->at = PLACE_TAIL;
    }
}

/* Handles, words and leases, in order of declaration; what is left is marked PLACE_INLINE. */
static void place_first(struct checker *_Nonnull checker, struct layout *_Nonnull layout,
                        struct parameter *_Nonnull parameter, uint32_t index) {
    enum type_form form = parameter->type.form;
    if (form == FORM_HANDLE) {
        parameter->at = PLACE_HANDLE;
        parameter->index = layout->handle_count++;
        if (layout->handle_count > HANDLE_MAX) {
            complain(checker, parameter->declared, "more than %d handles", HANDLE_MAX);
        }
        if (parameter->out && object_is_own_session(parameter->type.object_index)) {
            complain(checker, parameter->declared, "a reply's session is a plain session");
        }
    } else if (form == FORM_STRING || form == FORM_BYTES) {
        place_bytes(checker, layout, parameter, index);
    } else if (fits_word(checker->protocol, &parameter->type) && layout->word_count < WORD_MAX) {
        parameter->at = PLACE_WORD;
        parameter->index = layout->word_count++;
    } else {
        parameter->at = PLACE_INLINE;
    }
}

/* The inline area: by falling alignment, then the tail. */
static void place_inline(struct checker *_Nonnull checker, struct method *_Nonnull method, bool out,
                         struct layout *_Nonnull layout) {
    for (uint64_t alignment = 8; alignment > 0; alignment /= 2) {
        for (uint32_t i = 0; i < method->parameter_count; i++) {
            struct parameter *parameter = &method->parameters[i];
            struct extent extent = element_extent(checker->protocol, &parameter->type);
            if (parameter->out != out || parameter->at != PLACE_INLINE ||
                extent.alignment != alignment) {
                continue;
            }
            uint64_t size = extent.size * MAX(parameter->type.length, 1u);
            if (size > INLINE_MAX - layout->fixed_size) {
                complain(checker, parameter->declared, "'%s' does not fit the %d inline bytes",
                         parameter->name.text, INLINE_MAX);
                return;
            }
            parameter->offset = layout->fixed_size;
            layout->fixed_size += (uint32_t)size;
        }
    }
    if (layout->tail == NO_INDEX) {
        return;
    }
    struct parameter *tail = &method->parameters[layout->tail];
    uint32_t room = INLINE_MAX - layout->fixed_size;
    tail->offset = layout->fixed_size;
    layout->tail_capacity = (uint32_t)MIN(tail->type.length, room);
    if (room == 0 || (!tail->lease && tail->type.length > room)) {
        complain(checker, tail->declared, "'%s' does not fit: %u inline bytes are left",
                 tail->name.text, room);
    }
}

/* Names that generated code derives from others: X_size, X_cookie. */
static void check_derived(struct checker *_Nonnull checker, const struct method *_Nonnull method) {
    for (uint32_t i = 0; i < method->parameter_count; i++) {
        for (uint32_t j = 0; j < method->parameter_count; j++) {
            char derived[NAME_SIZE + 8] = {};
            struct text name = text_of(method->parameters[j].name.text);
            (void)snprintf(derived, sizeof(derived), "%s_size", method->parameters[i].name.text);
            bool taken = text_is(name, derived);
            (void)snprintf(derived, sizeof(derived), "%s_cookie", method->parameters[i].name.text);
            if (taken || text_is(name, derived)) {
                complain(checker, method->parameters[j].declared,
                         "'%s' is what generated code calls a part of '%s'",
                         method->parameters[j].name.text, method->parameters[i].name.text);
            }
        }
    }
}

static void check_method(struct checker *_Nonnull checker, struct method *_Nonnull method) {
    method->in = (struct layout){.tail = NO_INDEX, .lease = NO_INDEX};
    method->out = (struct layout){.tail = NO_INDEX, .lease = NO_INDEX};
    for (uint32_t i = 0; i < method->parameter_count; i++) {
        struct parameter *parameter = &method->parameters[i];
        place_first(checker, parameter->out ? &method->out : &method->in, parameter, i);
    }
    place_inline(checker, method, false, &method->in);
    place_inline(checker, method, true, &method->out);
    check_derived(checker, method);
}

bool check_protocol(struct protocol *_Nonnull protocol, struct text path,
                    struct output *_Nonnull messages) {
    struct checker checker = {.protocol = protocol, .path = path, .messages = messages};
    for (uint32_t i = 0; i < protocol->type_count && !checker.failed; i++) {
        struct type_declaration *type = &protocol->types[i];
        struct text owner = text_of(type->owner.text);
        checker.path = text_is(owner, protocol->heading.name.text) ? path : owner;
        check_type(&checker, type);
    }
    checker.path = path;
    for (uint32_t i = 0; i < protocol->method_count && !checker.failed; i++) {
        check_method(&checker, &protocol->methods[i]);
    }
    return !checker.failed;
}
