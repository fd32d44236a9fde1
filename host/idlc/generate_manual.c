/* --kind manual: one page for each protocol, from its declarations and their documentation. */
#include "host/idlc/generate.h"
#include "host/idlc/manual.h"
#include "host/idlc/objects.h"
#include <inttypes.h>

static void emit_type_name(struct generator *_Nonnull generator,
                           const struct type_use *_Nonnull type) {
    static const char *const scalars[SCALAR_COUNT] = {"u8",  "u16", "u32", "u64",
                                                      "i32", "i64", "bool"};
    struct output *out = generator->out;
    if (type->form == FORM_SCALAR) {
        emit(out, "%s", scalars[type->scalar]);
    } else if (type->form == FORM_NAMED) {
        const struct type_declaration *named = &generator->protocol->types[type->named];
        emit(out, "%s%s%s", type_is_local(generator, named) ? "" : named->owner.text,
             type_is_local(generator, named) ? "" : ".", named->name.text);
    } else if (type->form == FORM_HANDLE) {
        emit(out, "handle<%s", type->object.text);
        for (uint32_t bit = 0; bit < 32; bit++) {
            if (type->rights & (UINT32_C(1) << bit)) {
                emit(out, ", %s", right_name(bit));
            }
        }
        emit(out, ">");
    } else {
        emit(out, "%s<%" PRIu64 ">", type->form == FORM_STRING ? "string" : "bytes", type->length);
        return;
    }
    if (type->length != 0) {
        emit(out, "[%" PRIu64 "]", type->length);
    }
}

static void emit_place(struct generator *_Nonnull generator, const struct method *_Nonnull method,
                       const struct parameter *_Nonnull parameter) {
    struct output *out = generator->out;
    switch (parameter->at) {
    case PLACE_WORD:
        emit(out, "word %" PRIu32, parameter->index);
        break;
    case PLACE_HANDLE:
        emit(out, "handle %" PRIu32 "%s%s", parameter->index,
             parameter->out ? "" : (parameter->move ? ", moved" : ", lent"),
             parameter->optional ? ", may be absent" : "");
        break;
    case PLACE_INLINE:
        emit(out, "inline at %" PRIu32, parameter->offset);
        break;
    case PLACE_TAIL:
        emit(out, "inline from %" PRIu32, parameter->offset);
        if (parameter->lease) {
            emit(out, ", beyond %" PRIu32 " bytes by lease",
                 parameter->out ? method->out.tail_capacity : method->in.tail_capacity);
        }
        break;
    case PLACE_LEASE:
        emit(out, "by lease");
        break;
    }
    if (parameter->lease && parameter->out) {
        emit(out, "; its size in word %" PRIu32, parameter->count_word);
    }
}

static void emit_parameters(struct generator *_Nonnull generator,
                            const struct method *_Nonnull method) {
    struct output *out = generator->out;
    for (uint32_t i = 0; i < method->parameter_count; i++) {
        const struct parameter *parameter = &method->parameters[i];
        emit(out, ".TP\n.RI %s \" %s \" ", parameter->out ? "out" : "in", parameter->name.text);
        emit(out, "\"");
        emit_type_name(generator, &parameter->type);
        emit(out, "\"\n");
        emit_place(generator, method, parameter);
        emit(out, "\n");
    }
}

static void emit_marks(struct generator *_Nonnull generator, const struct method *_Nonnull method) {
    struct output *out = generator->out;
    emit(out, ".PP\n");
    emit(out, "%s", method->idempotent ? "May be repeated without harm.\n" : "");
    emit(out, "%s", method->bounded ? "Servers may call it.\n" : "");
    emit(out, "%s", method->parks && !method->blocks ? "May be answered later.\n" : "");
    emit(out, "%s", method->blocks ? "May wait for the outside; a signal cancels it.\n" : "");
    emit(out, "%s",
         method->forwards ? "A server that calls it forwards its caller's principal.\n" : "");
    if (method->deadline == DEADLINE_DEFAULT) {
        bool whole = method->timeout_ns % 1000000 == 0;
        emit(out, "Deadline: %" PRIu64 " %s.\n", method->timeout_ns / (whole ? 1000000 : 1),
             whole ? "ms" : "ns");
    } else {
        emit(out, "Deadline: %s.\n",
             method->deadline == DEADLINE_CALLER ? "stated by the caller" : "never");
    }
}

static void emit_methods(struct generator *_Nonnull generator) {
    const struct protocol *protocol = generator->protocol;
    emit(generator->out, ".SH METHODS\n");
    for (uint32_t i = 0; i < protocol->method_count; i++) {
        const struct method *method = &protocol->methods[i];
        emit(generator->out, ".SS \"%" PRIu64 " %s\"\n", method->number, method->name.text);
        emit_roff_documentation(generator->out, method->documentation);
        emit_parameters(generator, method);
        emit_marks(generator, method);
    }
}

static void emit_type(struct generator *_Nonnull generator,
                      const struct type_declaration *_Nonnull type) {
    static const char *const kinds[] = {"enum", "flags", "struct", "record", "ring"};
    struct output *out = generator->out;
    emit(out, ".SS \"%s %s\"\n", kinds[type->kind], type->name.text);
    emit_roff_documentation(out, type->documentation);
    if (type->kind == TYPE_RING) {
        emit(out, ".PP\nRequests: %s; completions: %s; depth %" PRIu64 ".\n",
             generator->protocol->types[type->request].name.text,
             generator->protocol->types[type->completion].name.text, type->depth);
    }
    for (uint32_t i = 0; i < type->member_count; i++) {
        const struct member *member = &type->members[i];
        emit(out, ".TP\n.B %s\n", member->name.text);
        if (type->kind == TYPE_ENUM || type->kind == TYPE_FLAGS) {
            emit(out, "0x%" PRIx64 ".\n", member->value);
        } else {
            emit(out, "at %" PRIu64 ", ", member->offset);
            emit_type_name(generator, &member->type);
            emit(out, ".\n");
        }
        emit_roff_documentation(out, member->documentation);
    }
}

static void emit_constants(struct generator *_Nonnull generator, bool status) {
    const struct protocol *protocol = generator->protocol;
    bool first = true;
    for (uint32_t i = 0; i < protocol->constant_count; i++) {
        const struct constant *constant = &protocol->constants[i];
        if (constant->status != status ||
            !text_is(text_of(constant->owner.text), generator->name)) {
            continue;
        }
        emit(generator->out, "%s", !first ? "" : (status ? ".SH ERRORS\n" : ".SH CONSTANTS\n"));
        first = false;
        emit(generator->out, ".TP\n.BR %s \" = %s%" PRIu64 "\"\n", constant->name.text,
             status ? "\\-" : "", constant->value);
        emit_roff_documentation(generator->out, constant->documentation);
    }
}

void generate_manual(struct generator *_Nonnull generator) {
    const struct protocol *protocol = generator->protocol;
    struct output *out = generator->out;
    emit_roff_heading(out, generator->name, "7", protocol->heading.documentation);
    emit(out, ".SH DESCRIPTION\n");
    emit_roff_documentation(out, protocol->heading.documentation);
    emit(out, ".PP\nProtocol %" PRIu64 ", version %" PRIu64 ".\n", protocol->heading.number,
         protocol->heading.version);
    if (protocol->method_count > 0) {
        emit_methods(generator);
    }
    emit_constants(generator, true);
    emit_constants(generator, false);
    bool first = true;
    for (uint32_t i = 0; i < protocol->type_count; i++) {
        if (type_is_local(generator, &protocol->types[i])) {
            emit(out, "%s", first ? ".SH TYPES\n" : "");
            emit_type(generator, &protocol->types[i]);
            first = false;
        }
    }
}
