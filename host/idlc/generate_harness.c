/* --kind fuzz: a libFuzzer harness. Half of its runs give the dispatcher arbitrary requests, half
 * make calls through stubs, of which then one thing may change on the way there or back; handlers
 * return arbitrary results that the protocol allows (others are defects of a server, and trap).
 * Both sides check that nothing reached them which the protocol forbids. */
#include "host/idlc/generate.h"
#include "host/idlc/objects.h"
#include <inttypes.h>
#include <stdio.h>

/* Fills the value at `place` with something that is valid for its type. */
static void emit_fill(struct generator *_Nonnull generator, int indent,
                      const struct type_use *_Nonnull type, const char *_Nonnull place) {
    struct output *out = generator->out;
    bool array = type->length != 0;
    if (array) {
        emit(out, "%*sfor (size_t i = 0; i < %" PRIu64 "; i++) {\n", indent, "", type->length);
        indent += 4;
    }
    const char *index = array ? "[i]" : "";
    if (type->form == FORM_NAMED) {
        const struct type_declaration *named = &generator->protocol->types[type->named];
        struct long_name name = type_c_name(named);
        if (named->kind == TYPE_STRUCT) {
            emit(out, "%*sfill_%s(&%s%s);\n", indent, "", name.text, place, index);
        } else {
            emit(out, "%*s%s%s = fill_%s();\n", indent, "", place, index, name.text);
        }
    } else if (type->scalar == SCALAR_BOOL) {
        emit(out, "%*s%s%s = fuzz_number() %% 2 != 0;\n", indent, "", place, index);
    } else {
        emit(out, "%*s%s%s = (", indent, "", place, index);
        emit_c_type(generator, out, type, SPELL_WIRE);
        emit(out, ")fuzz_number();\n");
    }
    if (array) {
        emit(out, "%*s}\n", indent - 4, "");
    }
}

/* The function that makes a valid value of a type. */
static void emit_filler(struct generator *_Nonnull generator,
                        const struct type_declaration *_Nonnull type) {
    static const char *const bases[] = {"uint8_t", "uint16_t", "uint32_t", "uint64_t"};
    struct output *out = generator->out;
    struct long_name name = type_c_name(type);
    struct name owner = upper_case(&type->owner);
    struct name upper = upper_case(&type->name);
    if (type->kind == TYPE_STRUCT) {
        emit(&generator->line, "[[maybe_unused]] static void fill_%s(struct %s *_Nonnull value) {",
             name.text, name.text);
        end_line(generator);
        for (uint32_t i = 0; i < type->member_count; i++) {
            char place[NAME_SIZE + 8] = {};
            (void)snprintf(place, sizeof(place), "value->%s", type->members[i].name.text);
            if (!text_starts(text_of(type->members[i].name.text), "reserved")) {
                emit_fill(generator, 4, &type->members[i].type, place);
            }
        }
    } else if (type->kind == TYPE_FLAGS) {
        emit(out, "[[maybe_unused]] static %s fill_%s(void) {\n", bases[type->base], name.text);
        emit(&generator->line, "    return (%s)(fuzz_number() & %s_%s_ALL);", bases[type->base],
             owner.text, upper.text);
        end_line(generator);
    } else {
        emit(out, "[[maybe_unused]] static enum %s fill_%s(void) {\n", name.text, name.text);
        emit(out, "    switch (fuzz_number() %% %" PRIu32 ") {\n", type->member_count);
        for (uint32_t i = 0; i < type->member_count; i++) {
            struct name member = upper_case(&type->members[i].name);
            if (i + 1 < type->member_count) {
                emit(out, "    case %" PRIu32 ":\n", i);
            } else {
                emit(out, "    default:\n");
            }
            emit(out, "        return %s_%s_%s;\n", owner.text, upper.text, member.text);
        }
        emit(out, "    }\n");
    }
    emit(out, "}\n\n");
}

/* CHECKs that a value which came through is one that the type allows. */
static void emit_check(struct generator *_Nonnull generator, int indent,
                       const struct type_use *_Nonnull type, const char *_Nonnull place) {
    bool number = is_number(generator, type) && type->form == FORM_SCALAR;
    if (number || !element_checked(generator->protocol, type)) {
        return;
    }
    emit(generator->out, "%*svalid = true;\n", indent, "");
    emit_wire_check(generator, indent, type, place);
    emit(generator->out, "%*sCHECK(valid);\n", indent, "");
}

static bool is_bytes(const struct parameter *_Nonnull parameter) {
    return parameter->type.form == FORM_BYTES || parameter->type.form == FORM_STRING;
}

static void emit_handler_input(struct generator *_Nonnull generator,
                               const struct parameter *_Nonnull parameter) {
    struct output *out = generator->out;
    const char *name = parameter->name.text;
    char place[NAME_SIZE + 8] = {};
    (void)snprintf(place, sizeof(place), "in->%s", name);
    if (is_bytes(parameter)) {
        if (parameter->lease) {
            emit(out, "    fuzz_read_input(request, &in->%s);\n", name);
        } else {
            emit(out, "    CHECK(in->%s.size <= %" PRIu64 ");\n", name, parameter->type.length);
            emit(out, "    fuzz_see_bytes(in->%s);\n", name);
        }
    } else if (parameter->type.form == FORM_HANDLE) {
        if (!parameter->optional) {
            emit(out, "    CHECK(in->%s != HANDLE_NONE);\n", name);
        }
    } else {
        emit_check(generator, 4, &parameter->type, place);
    }
}

static void emit_handler_output(struct generator *_Nonnull generator,
                                const struct parameter *_Nonnull parameter) {
    struct output *out = generator->out;
    const char *name = parameter->name.text;
    char place[NAME_SIZE + 8] = {};
    (void)snprintf(place, sizeof(place), "out->%s", name);
    if (is_bytes(parameter) && parameter->lease) {
        emit(out, "    out->%s_size = fuzz_write_output(request, &in->%s);\n", name, name);
    } else if (is_bytes(parameter)) {
        emit(out, "    out->%s_size = (uint32_t)(fuzz_number() %% %" PRIu64 ");\n", name,
             parameter->type.length + 1);
        emit(out, "    fuzz_fill(out->%s, sizeof(out->%s));\n", name, name);
    } else if (parameter->type.form == FORM_HANDLE) {
        emit(out, "    out->%s = %s();\n", name,
             parameter->optional ? "fuzz_handle" : "fuzz_good_handle");
    } else {
        emit_fill(generator, 4, &parameter->type, place);
    }
}

static void emit_handler(struct generator *_Nonnull generator,
                         const struct method *_Nonnull method) {
    struct output *out = generator->out;
    emit(&generator->line, "static status_t on_%s(", method->name.text);
    emit_handler_parameters(generator, &generator->line, method);
    emit(&generator->line, ") {");
    end_line(generator);
    emit(out, "    [[maybe_unused]] bool valid = true;\n    (void)server;\n");
    if (has_parameters(method, false)) {
        emit(out, "    fuzz_see(in, sizeof(*in));\n");
    }
    for (uint32_t i = 0; i < method->parameter_count; i++) {
        if (!method->parameters[i].out) {
            emit_handler_input(generator, &method->parameters[i]);
        }
    }
    for (uint32_t i = 0; i < method->parameter_count; i++) {
        if (method->parameters[i].out) {
            emit_handler_output(generator, &method->parameters[i]);
        }
    }
    emit(&generator->line, "    return fuzz_status(request, %s);", method_marks(method));
    end_line(generator);
    emit(out, "}\n\n");
}

/* The variables that a call through a stub takes. */
static void emit_variable(struct generator *_Nonnull generator,
                          const struct parameter *_Nonnull parameter) {
    struct output *out = generator->out;
    const char *name = parameter->name.text;
    const char *prefix = parameter->out ? "out_" : "";
    if (is_bytes(parameter)) {
        emit(out, "    struct %s %s = %s(%" PRIu64 ");\n",
             parameter->out ? "rt_buffer" : "rt_bytes", name,
             parameter->out ? "fuzz_buffer" : "fuzz_bytes", parameter->type.length);
        if (parameter->out) {
            emit(out, "    uint64_t out_%s_size = 0;\n", name);
        }
        return;
    }
    if (parameter->type.form == FORM_HANDLE) {
        if (parameter->out) {
            emit(out, "    handle_t %s%s = HANDLE_NONE;\n", prefix, name);
        } else {
            emit(out, "    handle_t %s = fuzz_handle_of(%s);\n", name,
                 object_constant(parameter->type.object_index));
        }
        return;
    }
    bool number = is_number(generator, &parameter->type);
    emit(out, "    ");
    emit_c_type(generator, out, &parameter->type, number ? SPELL_VALUE : SPELL_WIRE);
    emit(out, " %s%s", prefix, name);
    if (parameter->type.length != 0) {
        emit(out, "[%" PRIu64 "]", parameter->type.length);
    }
    emit(out, " = {};\n");
    if (!parameter->out) {
        emit_fill(generator, 4, &parameter->type, name);
    }
}

/* The arguments of a stub, from those variables. */
static void emit_arguments(struct generator *_Nonnull generator,
                           const struct method *_Nonnull method) {
    struct output *line = &generator->line;
    for (uint32_t direction = 0; direction < 2; direction++) {
        for (uint32_t i = 0; i < method->parameter_count; i++) {
            const struct parameter *parameter = &method->parameters[i];
            const char *name = parameter->name.text;
            bool number = is_number(generator, &parameter->type);
            if (parameter->out != (direction == 1)) {
                continue;
            }
            if (is_bytes(parameter)) {
                emit(line, parameter->out ? ", %s, &out_%s_size" : ", %s", name, name);
            } else if (parameter->out) {
                emit(line, ", &out_%s", name);
            } else {
                bool pointer = !number && parameter->type.form != FORM_HANDLE;
                emit(line, ", %s%s", pointer ? "&" : "", name);
            }
        }
    }
    if (method->deadline == DEADLINE_CALLER) {
        emit(line, ", fuzz_number()");
    }
}

static void emit_result_checks(struct generator *_Nonnull generator,
                               const struct method *_Nonnull method) {
    struct output *out = generator->out;
    for (uint32_t i = 0; i < method->parameter_count; i++) {
        const struct parameter *parameter = &method->parameters[i];
        char place[NAME_SIZE + 8] = {};
        (void)snprintf(place, sizeof(place), "out_%s", parameter->name.text);
        if (!parameter->out) {
            continue;
        }
        if (is_bytes(parameter)) {
            emit(out, "    CHECK(out_%s_size <= %s.size);\n", parameter->name.text,
                 parameter->name.text);
        } else if (parameter->type.form == FORM_HANDLE) {
            if (!parameter->optional) {
                emit(out, "    CHECK(out_%s != HANDLE_NONE);\n", parameter->name.text);
            }
        } else if (parameter->type.form == FORM_NAMED) {
            emit_check(generator, 4, &parameter->type, place);
        }
    }
}

static void emit_call(struct generator *_Nonnull generator, const struct method *_Nonnull method) {
    struct output *out = generator->out;
    emit(out, "static void call_%s(void) {\n", method->name.text);
    for (uint32_t i = 0; i < method->parameter_count; i++) {
        emit_variable(generator, &method->parameters[i]);
    }
    emit(&generator->line, "    status_t status = %s_%s(9", generator->name, method->name.text);
    emit_arguments(generator, method);
    emit(&generator->line, ");");
    end_line(generator);
    emit(out, "    if (status != STATUS_OK) {\n        return;\n    }\n");
    emit(out, "    [[maybe_unused]] bool valid = true;\n");
    emit_result_checks(generator, method);
    emit(out, "}\n\n");
}

static void emit_entry(struct generator *_Nonnull generator) {
    const struct protocol *protocol = generator->protocol;
    struct output *out = generator->out;
    emit(out, "static const struct %s_handlers handlers = {\n", generator->name);
    for (uint32_t i = 0; i < protocol->method_count; i++) {
        const char *name = protocol->methods[i].name.text;
        emit(out, "    .%s = on_%s,\n", name, name);
    }
    emit(out, "};\n\nstatic void serve(struct rt_request *_Nonnull request) {\n");
    emit(out, "    %s_dispatch(&handlers, &loopback, request);\n}\n\n", generator->name);
    emit(out, "static void call(size_t method) {\n    switch (method) {\n");
    for (uint32_t i = 0; i < protocol->method_count; i++) {
        emit(out, "    case %" PRIu32 ":\n        call_%s();\n        break;\n", i,
             protocol->methods[i].name.text);
    }
    emit(out, "    default:\n        break;\n    }\n}\n\n");
    emit(out, "int LLVMFuzzerTestOneInput(const uint8_t *_Nonnull data, size_t size);\n");
    emit(out, "int LLVMFuzzerTestOneInput(const uint8_t *_Nonnull data, size_t size) {\n");
    emit(out, "    fuzz_start((struct rt_bytes){.size = size, .data = data}, serve);\n");
    emit(out, "    size_t method = fuzz_number() %% ARRAY_LENGTH(%s_methods);\n", generator->name);
    emit(out, "    if (fuzz_number() %% 2 == 0) {\n");
    emit(out, "        fuzz_request(%s_methods[method].label);\n", generator->name);
    emit(out, "    } else {\n        fuzz_maybe_spoil();\n        call(method);\n    }\n");
    emit(out, "    fuzz_end();\n    return 0;\n}\n");
}

void generate_fuzz(struct generator *_Nonnull generator) {
    const struct protocol *protocol = generator->protocol;
    emit_head(generator, "Fuzz harness for the dispatcher and the stubs.");
    emit(generator->out, "#include \"host/idlc/tests/fuzz_support.h\"\n#include \"idl/%s.h\"\n",
         generator->name);
    if (protocol->method_count == 0) {
        return;
    }
    emit_blank(generator->out);
    for (uint32_t i = 0; i < protocol->type_count; i++) {
        if (protocol->types[i].kind <= TYPE_STRUCT) {
            emit_filler(generator, &protocol->types[i]);
        }
    }
    for (uint32_t i = 0; i < protocol->method_count; i++) {
        emit_handler(generator, &protocol->methods[i]);
        emit_call(generator, &protocol->methods[i]);
    }
    emit_entry(generator);
}
