/* --kind header: what clients, servers and their tests include. */
#include "host/idlc/generate.h"
#include "host/idlc/objects.h"
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static const struct type_use *_Nonnull type_of(const struct parameter *_Nonnull parameter) {
    return &parameter->type;
}

static bool is_bytes(const struct parameter *_Nonnull parameter) {
    return parameter->type.form == FORM_BYTES || parameter->type.form == FORM_STRING;
}

/* One argument of a stub, as `T name` or only as `name`. */
static void emit_stub_argument(const struct generator *_Nonnull generator,
                               struct output *_Nonnull out,
                               const struct parameter *_Nonnull parameter, bool declare) {
    const char *name = parameter->name.text;
    const char *prefix = parameter->out ? "out_" : "";
    if (is_bytes(parameter)) {
        const char *span = parameter->out ? "struct rt_buffer " : "struct rt_bytes ";
        emit(out, ", %s%s", declare ? span : "", name);
        if (parameter->out) {
            emit(out, ", %sout_%s_size", declare ? "uint64_t *_Nonnull " : "", name);
        }
        return;
    }
    emit(out, ", ");
    if (!declare) {
        emit(out, "%s%s", prefix, name);
        return;
    }
    if (parameter->type.form == FORM_HANDLE) {
        emit(out, "handle_t %s%s%s", parameter->out ? "*_Nonnull " : "", prefix, name);
        return;
    }
    bool number = is_number(generator, type_of(parameter));
    emit(out, "%s", parameter->out || number ? "" : "const ");
    emit_c_type(generator, out, type_of(parameter), number ? SPELL_VALUE : SPELL_WIRE);
    if (parameter->type.length != 0) {
        emit(out, " (*_Nonnull %s%s)[%" PRIu64 "]", prefix, name, parameter->type.length);
    } else {
        emit(out, " %s%s%s", parameter->out || !number ? "*_Nonnull " : "", prefix, name);
    }
}

void emit_stub_arguments(const struct generator *_Nonnull generator, struct output *_Nonnull out,
                         const struct method *_Nonnull method, bool declare) {
    for (uint32_t direction = 0; direction < 2; direction++) {
        for (uint32_t i = 0; i < method->parameter_count; i++) {
            if (method->parameters[i].out == (direction == 1)) {
                emit_stub_argument(generator, out, &method->parameters[i], declare);
            }
        }
    }
    if (method->deadline == DEADLINE_CALLER) {
        emit(out, ", %stimeout_ns", declare ? "uint64_t " : "");
    }
}

/* A message's inline area. */
static void emit_area(struct generator *_Nonnull generator, const struct method *_Nonnull method,
                      bool is_out) {
    const struct layout *layout = is_out ? &method->out : &method->in;
    const char *area = is_out ? "output" : "input";
    struct output *out = generator->out;
    if (layout->fixed_size == 0 && layout->tail == NO_INDEX) {
        return;
    }
    emit(out, "struct %s_%s_%s {\n", generator->name, method->name.text, area);
    for (uint32_t offset = 0; offset < layout->fixed_size;) {
        for (uint32_t i = 0; i < method->parameter_count; i++) {
            const struct parameter *parameter = &method->parameters[i];
            if (parameter->out != is_out || parameter->at != PLACE_INLINE ||
                parameter->offset != offset) {
                continue;
            }
            uint64_t length = parameter->type.length;
            emit(out, "    ");
            emit_c_type(generator, out, type_of(parameter), SPELL_WIRE);
            emit(out, length != 0 ? " %s[%" PRIu64 "];\n" : " %s;\n", parameter->name.text, length);
            struct extent extent = element_extent(generator->protocol, type_of(parameter));
            offset += (uint32_t)(extent.size * MAX(length, 1u));
        }
    }
    if (layout->tail != NO_INDEX) {
        emit(out, "    uint8_t %s[%" PRIu32 "];\n", method->parameters[layout->tail].name.text,
             layout->tail_capacity);
    }
    emit(out, "};\n");
    for (uint32_t i = 0; i < method->parameter_count; i++) {
        const struct parameter *parameter = &method->parameters[i];
        if (parameter->out == is_out && (parameter->at == PLACE_INLINE || layout->tail == i)) {
            emit(&generator->line, "static_assert(offsetof(struct %s_%s_%s, %s) == %" PRIu32 ");",
                 generator->name, method->name.text, area, parameter->name.text, parameter->offset);
            end_line(generator);
        }
    }
    emit(&generator->line, "static_assert(sizeof(struct %s_%s_%s) <= CALL_INLINE_SIZE);",
         generator->name, method->name.text, area);
    end_line(generator);
}

/* A member of what a handler gets or gives. */
static void emit_handler_member(struct generator *_Nonnull generator,
                                const struct parameter *_Nonnull parameter) {
    struct output *out = generator->out;
    const char *name = parameter->name.text;
    emit(out, "    ");
    if (parameter->type.form == FORM_HANDLE) {
        emit(out, "handle_t %s;\n", name);
        if (!parameter->out && object_is_own_session(parameter->type.object_index)) {
            emit(out, "    uint64_t %s_cookie;\n", name);
        }
    } else if (is_bytes(parameter) && parameter->out && parameter->lease) {
        emit(out, "uint64_t %s_size;\n", name);
    } else if (is_bytes(parameter) && parameter->out) {
        emit(out, "uint32_t %s_size;\n    uint8_t %s[%" PRIu64 "];\n", name, name,
             parameter->type.length);
    } else if (is_bytes(parameter)) {
        emit(out, "struct %s %s;\n", parameter->lease ? "rt_input" : "rt_bytes", name);
    } else {
        emit_c_type(generator, out, type_of(parameter),
                    is_number(generator, type_of(parameter)) ? SPELL_VALUE : SPELL_WIRE);
        emit(out, parameter->type.length != 0 ? " %s[%" PRIu64 "];\n" : " %s;\n", name,
             parameter->type.length);
    }
}

/* Room for output bytes is something that a handler gets. */
static bool gives_room(const struct parameter *_Nonnull parameter) {
    return parameter->out && parameter->lease;
}

bool has_parameters(const struct method *_Nonnull method, bool handler_out) {
    for (uint32_t i = 0; i < method->parameter_count; i++) {
        const struct parameter *parameter = &method->parameters[i];
        if (parameter->out == handler_out || (!handler_out && gives_room(parameter))) {
            return true;
        }
    }
    return false;
}

static void emit_handler_struct(struct generator *_Nonnull generator,
                                const struct method *_Nonnull method, bool is_out) {
    struct output *out = generator->out;
    if (!has_parameters(method, is_out)) {
        return;
    }
    emit(out, "struct %s_%s_%s {\n", generator->name, method->name.text, is_out ? "out" : "in");
    for (uint32_t i = 0; i < method->parameter_count; i++) {
        const struct parameter *parameter = &method->parameters[i];
        if (parameter->out == is_out) {
            emit_handler_member(generator, parameter);
        } else if (!is_out && gives_room(parameter)) {
            emit(out, "    struct rt_output %s;\n", parameter->name.text);
        }
    }
    emit(out, "};\n");
}

void emit_handler_parameters(const struct generator *_Nonnull generator,
                             struct output *_Nonnull out, const struct method *_Nonnull method) {
    emit(out, "void *_Nonnull server, struct rt_request *_Nonnull request");
    if (has_parameters(method, false)) {
        emit(out, ", const struct %s_%s_in *_Nonnull in", generator->name, method->name.text);
    }
    if (has_parameters(method, true)) {
        emit(out, ", struct %s_%s_out *_Nonnull out", generator->name, method->name.text);
    }
}

/* Functions link under names of their own: the simulator links stubs and dispatchers together with
 * the kernel's core, which has a stream_read of its own. */
static void emit_link_name(struct generator *_Nonnull generator, const char *_Nonnull method,
                           const char *_Nonnull part) {
    emit(generator->out, "#pragma redefine_extname %s_%s%s idl_%s_%s%s\n", generator->name, method,
         part, generator->name, method, part);
}

static void emit_prototypes(struct generator *_Nonnull generator,
                            const struct method *_Nonnull method) {
    struct output *line = &generator->line;
    const char *name = method->name.text;
    emit_link_name(generator, name, "");
    emit_comment(generator->out, 0, method->documentation);
    emit(line, "status_t %s_%s(handle_t session", generator->name, name);
    emit_stub_arguments(generator, line, method, true);
    emit(line, ");");
    end_line(generator);
    if (method->bounded) {
        emit(line,
             "status_t %s_%s_nested(struct rt_context *_Nonnull context, uint32_t step, "
             "handle_t session",
             generator->name, name);
        emit_stub_arguments(generator, line, method, true);
        emit(line, ");");
        end_line(generator);
    }
}

/* How a call is answered that was parked. */
static void emit_late_reply(struct generator *_Nonnull generator,
                            const struct method *_Nonnull method) {
    struct output *line = &generator->line;
    const char *name = method->name.text;
    if (!method->parks) {
        return;
    }
    emit_link_name(generator, name, "_reply");
    emit(generator->out, "/* Answers such a call after it was parked. */\n");
    emit(line, "void %s_%s_reply(struct rt_reply *_Nonnull reply", generator->name, name);
    if (has_parameters(method, true)) {
        emit(line, ", const struct %s_%s_out *_Nonnull out", generator->name, name);
    }
    emit(line, ");");
    end_line(generator);
    if (method->out.lease != NO_INDEX) {
        char room[NAME_SIZE + 1] = {};
        (void)snprintf(room, sizeof(room), "_%s", method->parameters[method->out.lease].name.text);
        emit_link_name(generator, name, room);
        emit(generator->out, "/* The client's room of a call that was parked, of a size that the "
                             "server kept. */\n");
        emit(line,
             "struct rt_output %s_%s_%s(struct rt_reply *_Nonnull reply, uint64_t room_size);",
             generator->name, name, method->parameters[method->out.lease].name.text);
        end_line(generator);
    }
}

static void emit_handlers(struct generator *_Nonnull generator) {
    const struct protocol *protocol = generator->protocol;
    struct output *out = generator->out;
    emit(out, "/* What a server does for each method; an absent one is answered NOT_SUPPORTED. A\n"
              " * handler gets only what fitted the method's declaration, and returns STATUS_OK\n"
              " * with all of `out` set, an error, RT_STATUS_PARKED where it may be parked, or\n"
              " * the STATUS_ABSENT that reading or writing a lease gave it. */\n");
    emit(out, "struct %s_handlers {\n", generator->name);
    for (uint32_t i = 0; i < protocol->method_count; i++) {
        const struct method *method = &protocol->methods[i];
        emit(&generator->line, "    status_t (*_Nullable %s)(", method->name.text);
        emit_handler_parameters(generator, &generator->line, method);
        emit(&generator->line, ");");
        end_line(generator);
    }
    emit(out, "};\n\n");
    emit(out, "/* Whether a label is of this protocol and version. */\n");
    emit(out, "static inline bool %s_speaks(uint32_t label) {\n", generator->name);
    emit(out, "    return label >> 12 == (RT_LABEL(%" PRIu64 ", %" PRIu64 ", 0) >> 12);\n}\n",
         protocol->heading.number, protocol->heading.version);
    emit_link_name(generator, "dispatch", "");
    emit_link_name(generator, "trace", "");
    emit_link_name(generator, "methods", "");
    emit(out, "/* Validates a request, has it handled, and fills request->reply. */\n");
    emit(&generator->line,
         "void %s_dispatch(const struct %s_handlers *_Nonnull handlers, void *_Nonnull server, "
         "struct rt_request *_Nonnull request);",
         generator->name, generator->name);
    end_line(generator);
    emit(out, "/* Appends a request's or an OK reply's label and words; false and nothing where\n"
              " * the label is another protocol's. */\n");
    emit(&generator->line,
         "bool %s_trace(struct rt_text *_Nonnull text, uint32_t label, "
         "const uint64_t (*_Nonnull words)[CALL_WORDS], bool is_reply);",
         generator->name);
    end_line(generator);
    emit(out, "extern const struct rt_method %s_methods[%" PRIu32 "];\n", generator->name,
         protocol->method_count);
}

static void emit_labels(struct generator *_Nonnull generator) {
    const struct protocol *protocol = generator->protocol;
    struct output *out = generator->out;
    emit_blank(out);
    emit(out, "enum %s_method : uint32_t {\n", generator->name);
    for (uint32_t i = 0; i < protocol->method_count; i++) {
        const struct method *method = &protocol->methods[i];
        struct name upper = upper_case(&method->name);
        emit(out, "    %s_METHOD_%s = RT_LABEL(%" PRIu64 ", %" PRIu64 ", %" PRIu64 "),\n",
             generator->upper.text, upper.text, protocol->heading.number, protocol->heading.version,
             method->number);
    }
    emit(out, "};\n");
}

static bool has_ring(const struct protocol *_Nonnull protocol) {
    for (uint32_t i = 0; i < protocol->type_count; i++) {
        if (protocol->types[i].kind == TYPE_RING) {
            return true;
        }
    }
    return false;
}

/* The used protocols' headers, in the order in which the formatter wants them. */
static void emit_includes(struct generator *_Nonnull generator) {
    const struct protocol *protocol = generator->protocol;
    const char *last = "";
    for (uint32_t i = 0; i < protocol->use_count; i++) {
        const char *next = nullptr;
        for (uint32_t j = 0; j < protocol->use_count; j++) {
            const char *name = protocol->uses[j].text;
            if (strcmp(name, last) > 0 && (!next || strcmp(name, next) < 0)) {
                next = name;
            }
        }
        if (next) {
            emit(generator->out, "#include \"idl/%s.h\"\n", next);
            last = next;
        }
    }
}

void generate_header(struct generator *_Nonnull generator) {
    const struct protocol *protocol = generator->protocol;
    struct output *out = generator->out;
    emit(out, "#pragma once\n");
    emit_comment(out, 0, protocol->heading.documentation);
    emit_head(generator, "Types, stubs and the server's side.");
    emit_includes(generator);
    emit(out, "#include \"lib/rt/message.h\"\n#include \"lib/rt/text.h\"\n");
    emit(out, "%s\n", has_ring(protocol) ? "#include <stdatomic.h>\n" : "");
    emit_types(generator);
    if (protocol->method_count == 0) {
        return;
    }
    emit_labels(generator);
    for (uint32_t i = 0; i < protocol->method_count; i++) {
        const struct method *method = &protocol->methods[i];
        emit(out, "\n");
        emit_prototypes(generator, method);
        emit_area(generator, method, false);
        emit_area(generator, method, true);
        emit_handler_struct(generator, method, false);
        emit_handler_struct(generator, method, true);
        emit_late_reply(generator, method);
    }
    emit(out, "\n");
    emit_handlers(generator);
}
