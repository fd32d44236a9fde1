/* --kind server: for each method a reader that validates everything before it fills the handler's
 * input, a packer that asserts what the handler gave, and the dispatcher over both. */
#include "host/idlc/generate.h"
#include "host/idlc/objects.h"
#include <inttypes.h>
#include <stdio.h>

static void emit_lease_checks(struct generator *_Nonnull generator,
                              const struct method *_Nonnull method) {
    struct output *out = generator->out;
    if (method->in.lease == NO_INDEX) {
        emit(out, "    valid = valid && page->received.lease_in_length == 0;\n");
    } else {
        emit(out, "    valid = valid && page->received.lease_in_length <= %" PRIu64 ";\n",
             method->parameters[method->in.lease].type.length);
    }
    if (method->out.lease == NO_INDEX) {
        emit(out, "    valid = valid && page->received.lease_out_length == 0;\n");
    } else {
        emit(out, "    valid = valid && page->received.lease_out_length <= %" PRIu64 ";\n",
             method->parameters[method->out.lease].type.length);
    }
}

/* The inline area's size, and with it the size of the tail. */
static void emit_size_checks(struct generator *_Nonnull generator,
                             const struct method *_Nonnull method) {
    struct output *out = generator->out;
    const struct layout *in = &method->in;
    if (in->tail == NO_INDEX) {
        emit(out,
             "    bool valid = request->shape == RT_SHAPE(%" PRIu32 ", %" PRIu32 ", %" PRIu32
             ");\n",
             in->word_count, in->handle_count, in->fixed_size);
        return;
    }
    emit(out,
         "    bool valid = (request->shape ^ RT_SHAPE(%" PRIu32 ", %" PRIu32
         ", 0)) <= CALL_INLINE_SIZE;\n",
         in->word_count, in->handle_count);
    const struct parameter *tail = &method->parameters[in->tail];
    const char *name = tail->name.text;
    if (in->fixed_size > 0) {
        emit(out, "    valid = valid && request->inline_size >= %" PRIu32 ";\n", in->fixed_size);
    }
    emit(out, "    valid = valid && request->inline_size <= %" PRIu32 ";\n",
         in->fixed_size + in->tail_capacity);
    emit(out, "    uint32_t %s_size = valid ? request->inline_size - %" PRIu32 " : 0;\n", name,
         in->fixed_size);
    if (tail->lease) {
        emit(out, "    uint64_t %s_lease = page->received.lease_in_length;\n", name);
        emit(out, "    bool %s_whole = %s_lease == 0;\n", name, name);
        emit(out, "    valid = valid && (%s_whole || %s_size == sizeof(input->%s));\n", name, name,
             name);
        emit(out, "    valid = valid && (%s_whole || %s_lease > %s_size);\n", name, name, name);
    }
    if (tail->type.form == FORM_STRING) {
        emit(out, "    struct rt_bytes %s = {.size = %s_size, .data = input->%s};\n", name, name,
             name);
        emit(out, "    valid = valid && rt_is_text(%s);\n", name);
    }
}

static void emit_value_checks(struct generator *_Nonnull generator,
                              const struct method *_Nonnull method) {
    struct output *out = generator->out;
    for (uint32_t i = 0; i < method->parameter_count; i++) {
        const struct parameter *parameter = &method->parameters[i];
        char place[NAME_SIZE + 32] = {};
        if (parameter->out) {
            continue;
        }
        struct output condition = {};
        (void)snprintf(place, sizeof(place), "request->words[%" PRIu32 "]", parameter->index);
        if (parameter->at == PLACE_WORD &&
            emit_number_condition(generator, &condition, &parameter->type, place, false)) {
            emit(out, "    valid = valid && ");
            emit_text(out, output_text(&condition));
            emit(out, ";\n");
        }
        output_free(&condition);
        (void)snprintf(place, sizeof(place), "input->%s", parameter->name.text);
        if (parameter->at == PLACE_INLINE) {
            emit_wire_check(generator, 4, &parameter->type, place);
        }
        if (parameter->at == PLACE_HANDLE && !parameter->optional) {
            emit(out, "    valid = valid && page->received.handles[%" PRIu32 "] != HANDLE_NONE;\n",
                 parameter->index);
        }
    }
}

static void emit_input_bytes(struct generator *_Nonnull generator,
                             const struct parameter *_Nonnull parameter) {
    struct output *out = generator->out;
    const char *name = parameter->name.text;
    if (parameter->at == PLACE_LEASE) {
        emit(out, "    in->%s.size = page->received.lease_in_length;\n", name);
        return;
    }
    if (!parameter->lease) {
        if (parameter->type.form == FORM_STRING) {
            emit(out, "    in->%s = %s;\n", name, name);
        } else {
            emit(out, "    in->%s.size = %s_size;\n    in->%s.data = input->%s;\n", name, name,
                 name, name);
        }
        return;
    }
    emit(out, "    in->%s.size = %s_whole ? %s_size : %s_lease;\n", name, name, name, name);
    emit(out, "    in->%s.head.size = %s_size;\n", name, name);
    emit(out, "    in->%s.head.data = input->%s;\n", name, name);
}

static void emit_handle(struct generator *_Nonnull generator,
                        const struct parameter *_Nonnull parameter) {
    struct output *out = generator->out;
    const char *name = parameter->name.text;
    int indent = parameter->optional ? 8 : 4;
    emit(out, "    in->%s = page->received.handles[%" PRIu32 "];\n", name, parameter->index);
    if (parameter->optional) {
        emit(out, "    if (in->%s != HANDLE_NONE) {\n", name);
    }
    emit(&generator->line, "%*sstatus = rt_handle_require(in->%s, %s, ", indent, "", name,
         object_constant(parameter->type.object_index));
    emit_rights(&generator->line, parameter->type.rights);
    emit(&generator->line, ");");
    end_line(generator);
    emit(out, "%*sif (status != STATUS_OK) {\n%*sreturn status;\n%*s}\n", indent, "", indent + 4,
         "", indent, "");
    if (object_is_own_session(parameter->type.object_index)) {
        emit(&generator->line, "%*sstatus = rt_handle_own_cookie(request, in->%s, &in->%s_cookie);",
             indent, "", name, name);
        end_line(generator);
        emit(out, "%*sif (status != STATUS_OK) {\n%*sreturn status;\n%*s}\n", indent, "",
             indent + 4, "", indent, "");
    }
    if (parameter->optional) {
        emit(out, "    }\n");
    }
}

static void emit_input(struct generator *_Nonnull generator, const struct method *_Nonnull method,
                       const struct parameter *_Nonnull parameter) {
    struct output *out = generator->out;
    const char *name = parameter->name.text;
    char word[32] = {};
    (void)snprintf(word, sizeof(word), "request->words[%" PRIu32 "]", parameter->index);
    if (parameter->out) {
        if (parameter->lease) {
            emit(&generator->line,
                 "    in->%s = %s_%s_room(request->reply, "
                 "page->received.lease_out_length);",
                 name, generator->name, method->name.text);
            end_line(generator);
        }
    } else if (parameter->at == PLACE_WORD) {
        emit(out, "    in->%s = ", name);
        emit_from_word(generator, out, &parameter->type, word);
        emit(out, ";\n");
    } else if (parameter->at == PLACE_INLINE && parameter->type.length != 0) {
        emit(out, "    rt_copy(in->%s, input->%s, sizeof(in->%s));\n", name, name, name);
    } else if (parameter->at == PLACE_INLINE) {
        bool boolean = parameter->type.form == FORM_SCALAR && parameter->type.scalar == SCALAR_BOOL;
        emit(out, "    in->%s = input->%s%s;\n", name, name, boolean ? " != 0" : "");
    } else if (parameter->at != PLACE_HANDLE) {
        emit_input_bytes(generator, parameter);
    }
}

/* Fills the handler's input, or says what is wrong with the message. */
static void emit_reader(struct generator *_Nonnull generator,
                        const struct method *_Nonnull method) {
    struct output *out = generator->out;
    bool some = has_parameters(method, false);
    emit(&generator->line, "static status_t %s_%s_read(struct rt_request *_Nonnull request",
         generator->name, method->name.text);
    if (some) {
        emit(&generator->line, ", struct %s_%s_in *_Nonnull in", generator->name,
             method->name.text);
    }
    emit(&generator->line, ") {");
    end_line(generator);
    emit(out, "    const struct thread_page *page = request->page;\n");
    if (method->in.fixed_size > 0 || method->in.tail != NO_INDEX) {
        emit(&generator->line,
             "    const struct %s_%s_input *input = (const void *)page->received_input;",
             generator->name, method->name.text);
        end_line(generator);
    }
    emit_size_checks(generator, method);
    emit_lease_checks(generator, method);
    emit_value_checks(generator, method);
    emit(out, "    if (!valid) {\n        return STATUS_BAD_MESSAGE;\n    }\n");
    for (uint32_t i = 0; i < method->parameter_count; i++) {
        emit_input(generator, method, &method->parameters[i]);
    }
    if (method->in.handle_count > 0) {
        emit(out, "    status_t status = STATUS_OK;\n");
    }
    for (uint32_t i = 0; i < method->parameter_count; i++) {
        const struct parameter *parameter = &method->parameters[i];
        if (!parameter->out && parameter->at == PLACE_HANDLE) {
            emit_handle(generator, parameter);
        }
    }
    emit(out, "    return STATUS_OK;\n}\n\n");
}

/* Where a handler's output bytes go: their first ones into the reply, the rest by lease. */
static void emit_room(struct generator *_Nonnull generator, const struct method *_Nonnull method) {
    struct output *out = generator->out;
    if (method->out.lease == NO_INDEX) {
        return;
    }
    const char *name = method->parameters[method->out.lease].name.text;
    bool tail = method->out.tail == method->out.lease;
    emit(&generator->line,
         "static struct rt_output %s_%s_room(struct rt_reply *_Nonnull reply, uint64_t size) {",
         generator->name, method->name.text);
    end_line(generator);
    emit(out, "    struct rt_output room = {.size = size};\n");
    if (tail) {
        emit(out, "    struct %s_%s_output *output = reply->output;\n", generator->name,
             method->name.text);
        emit(out, "    room.head.size = MIN(size, sizeof(output->%s));\n", name);
        emit(out, "    room.head.data = output->%s;\n", name);
    } else {
        emit(out, "    (void)reply;\n");
    }
    emit(out, "    return room;\n}\n\n");
    if (method->parks) {
        emit(&generator->line,
             "struct rt_output %s_%s_%s(struct rt_reply *_Nonnull reply, uint64_t room_size) {",
             generator->name, method->name.text, name);
        end_line(generator);
        emit(out, "    return %s_%s_room(reply, room_size);\n}\n\n", generator->name,
             method->name.text);
    }
}

static void emit_packed_bytes(struct generator *_Nonnull generator,
                              const struct method *_Nonnull method,
                              const struct parameter *_Nonnull parameter) {
    struct output *out = generator->out;
    const char *name = parameter->name.text;
    /* Without parking, the client's room is the tighter bound, and is asserted by its caller. */
    if (!parameter->lease || method->parks) {
        emit(out, "    CHECK(out->%s_size <= %" PRIu64 ");\n", name, parameter->type.length);
    }
    if (parameter->lease) {
        emit(out, "    reply->words[%" PRIu32 "] = out->%s_size;\n", parameter->count_word, name);
    }
    if (parameter->at != PLACE_TAIL) {
        return;
    }
    if (parameter->lease) {
        emit(&generator->line,
             "    reply->inline_size = (uint16_t)(%" PRIu32 " + MIN(out->%s_size, "
             "UINT64_C(%" PRIu32 ")));",
             method->out.fixed_size, name, method->out.tail_capacity);
        end_line(generator);
        return;
    }
    emit(out, "    rt_copy(output->%s, out->%s, out->%s_size);\n", name, name, name);
    emit(out, "    reply->inline_size = (uint16_t)(%" PRIu32 " + out->%s_size);\n",
         method->out.fixed_size, name);
}

static void emit_packed(struct generator *_Nonnull generator, const struct method *_Nonnull method,
                        const struct parameter *_Nonnull parameter) {
    struct output *out = generator->out;
    const char *name = parameter->name.text;
    char value[NAME_SIZE + 8] = {};
    (void)snprintf(value, sizeof(value), "out->%s", name);
    if (parameter->at == PLACE_HANDLE) {
        if (!parameter->optional) {
            emit(out, "    CHECK(%s != HANDLE_NONE);\n", value);
        }
        emit(out, "    reply->handles[%" PRIu32 "] = %s;\n", parameter->index, value);
        return;
    }
    if (parameter->type.form == FORM_BYTES || parameter->type.form == FORM_STRING) {
        emit_packed_bytes(generator, method, parameter);
        return;
    }
    if (parameter->at == PLACE_WORD) {
        if (parameter->type.form == FORM_NAMED) {
            emit(out, "    CHECK(");
            (void)emit_number_condition(generator, out, &parameter->type, value, false);
            emit(out, ");\n");
        }
        emit(out, "    reply->words[%" PRIu32 "] = ", parameter->index);
        emit_to_word(generator, out, &parameter->type, value);
        emit(out, ";\n");
        return;
    }
    if (element_checked(generator->protocol, &parameter->type)) {
        emit(out, "    valid = true;\n");
        emit_wire_check(generator, 4, &parameter->type, value);
        emit(out, "    CHECK(valid);\n");
    }
    if (parameter->type.length != 0) {
        emit(out, "    rt_copy(output->%s, %s, sizeof(output->%s));\n", name, value, name);
    } else {
        emit(out, "    output->%s = %s;\n", name, value);
    }
}

static bool packs_checked(const struct generator *_Nonnull generator,
                          const struct method *_Nonnull method) {
    for (uint32_t i = 0; i < method->parameter_count; i++) {
        const struct parameter *parameter = &method->parameters[i];
        if (parameter->out && parameter->at == PLACE_INLINE &&
            element_checked(generator->protocol, &parameter->type)) {
            return true;
        }
    }
    return false;
}

/* An OK reply from what the handler gave. What cannot be is a defect of the handler's server. */
static void emit_packer(struct generator *_Nonnull generator,
                        const struct method *_Nonnull method) {
    struct output *out = generator->out;
    const struct layout *layout = &method->out;
    emit(&generator->line, "%svoid %s_%s_reply(struct rt_reply *_Nonnull reply",
         method->parks ? "" : "static ", generator->name, method->name.text);
    if (has_parameters(method, true)) {
        emit(&generator->line, ", const struct %s_%s_out *_Nonnull out", generator->name,
             method->name.text);
    }
    emit(&generator->line, ") {");
    end_line(generator);
    bool writes = layout->fixed_size > 0 ||
                  (layout->tail != NO_INDEX && !method->parameters[layout->tail].lease);
    if (writes) {
        emit(out, "    struct %s_%s_output *output = reply->output;\n", generator->name,
             method->name.text);
    }
    if (packs_checked(generator, method)) {
        emit(out, "    bool valid = true;\n");
    }
    emit(out, "    reply->outcome = RT_REPLY;\n    reply->status = STATUS_OK;\n");
    emit(out, "    reply->shape = RT_SHAPE(%" PRIu32 ", %" PRIu32 ", %" PRIu32 ");\n",
         layout->word_count, layout->handle_count, layout->fixed_size);
    for (uint32_t i = layout->word_count; layout->word_count > 0 && i < WORD_MAX; i++) {
        emit(out, "    reply->words[%" PRIu32 "] = 0; /* nothing of an earlier reply */\n", i);
    }
    for (uint32_t i = 0; i < method->parameter_count; i++) {
        if (method->parameters[i].out) {
            emit_packed(generator, method, &method->parameters[i]);
        }
    }
    emit(out, "}\n\n");
}

static void emit_serve(struct generator *_Nonnull generator, const struct method *_Nonnull method) {
    struct output *out = generator->out;
    const char *name = method->name.text;
    bool some_in = has_parameters(method, false);
    bool some_out = has_parameters(method, true);
    emit(&generator->line,
         "static void %s_%s_serve(const struct %s_handlers *_Nonnull handlers, "
         "void *_Nonnull server, struct rt_request *_Nonnull request) {",
         generator->name, name, generator->name);
    end_line(generator);
    emit(out, "    if (!handlers->%s) {\n", name);
    emit(out, "        request->reply->status = STATUS_NOT_SUPPORTED;\n        return;\n    }\n");
    if (some_in) {
        emit(out, "    struct %s_%s_in in = {};\n", generator->name, name);
    }
    emit(out, "    status_t status = %s_%s_read(request%s);\n", generator->name, name,
         some_in ? ", &in" : "");
    emit(out, "    if (status != STATUS_OK) {\n");
    emit(out, "        request->reply->status = status;\n        return;\n    }\n");
    if (some_out) {
        emit(out, "    struct %s_%s_out out = {};\n", generator->name, name);
    }
    emit(out, "    status = handlers->%s(server, request%s%s);\n", name, some_in ? ", &in" : "",
         some_out ? ", &out" : "");
    emit(out, "    if (status != STATUS_OK) {\n");
    emit(&generator->line, "        rt_reply_end(request->reply, status, %s);",
         method_marks(method));
    end_line(generator);
    emit(out, "        return;\n    }\n");
    if (method->out.lease != NO_INDEX) {
        const char *lease = method->parameters[method->out.lease].name.text;
        emit(out, "    CHECK(out.%s_size <= in.%s.size);\n", lease, lease);
    }
    emit(out, "    %s_%s_reply(request->reply%s);\n}\n\n", generator->name, name,
         some_out ? ", &out" : "");
}

static void emit_methods(struct generator *_Nonnull generator) {
    const struct protocol *protocol = generator->protocol;
    struct output *out = generator->out;
    emit(out, "const struct rt_method %s_methods[%" PRIu32 "] = {\n", generator->name,
         protocol->method_count);
    for (uint32_t i = 0; i < protocol->method_count; i++) {
        const struct method *method = &protocol->methods[i];
        struct name upper = upper_case(&method->name);
        emit(&generator->line, "    {%s_METHOD_%s, %s, \"%s\"},", generator->upper.text, upper.text,
             method_marks(method), method->name.text);
        end_line(generator);
    }
    emit(out, "};\n\n");
}

void generate_server(struct generator *_Nonnull generator) {
    const struct protocol *protocol = generator->protocol;
    struct output *out = generator->out;
    emit_head(generator, "The dispatcher: every request is validated before a handler sees it.");
    emit(out, "#include \"idl/%s.h\"\n", generator->name);
    if (protocol->method_count == 0) {
        return;
    }
    emit(out, "\nRT_TRUSTED_BEGIN\n\n");
    emit_methods(generator);
    for (uint32_t i = 0; i < protocol->method_count; i++) {
        emit_room(generator, &protocol->methods[i]);
        emit_reader(generator, &protocol->methods[i]);
        emit_packer(generator, &protocol->methods[i]);
        emit_serve(generator, &protocol->methods[i]);
    }
    emit(&generator->line,
         "void %s_dispatch(const struct %s_handlers *_Nonnull handlers, void *_Nonnull "
         "server, "
         "struct rt_request *_Nonnull request) {",
         generator->name, generator->name);
    end_line(generator);
    emit(out, "    switch (request->label) {\n");
    for (uint32_t i = 0; i < protocol->method_count; i++) {
        struct name upper = upper_case(&protocol->methods[i].name);
        emit(out, "    case %s_METHOD_%s:\n", generator->upper.text, upper.text);
        emit(out, "        %s_%s_serve(handlers, server, request);\n        break;\n",
             generator->name, protocol->methods[i].name.text);
    }
    emit(out, "    default:\n        request->reply->status = STATUS_BAD_METHOD;\n"
              "        break;\n    }\n}\nRT_TRUSTED_END\n");
}
