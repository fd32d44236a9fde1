/* --kind client: a function for each method that packs a call, makes it, and hands out only what of
 * the reply fits. */
#include "host/idlc/generate.h"
#include <inttypes.h>
#include <stdio.h>

/* Ends a call that failed. Even an error may have brought handles, from a server that lies. */
static void emit_drop(struct output *_Nonnull out) {
    emit(out,
         "    if (status != STATUS_OK) {\n        return rt_call_drop(&call, status);\n    }\n");
}

static void emit_size_checks(struct generator *_Nonnull generator,
                             const struct method *_Nonnull method) {
    for (uint32_t i = 0; i < method->parameter_count; i++) {
        const struct parameter *parameter = &method->parameters[i];
        bool bytes = parameter->type.form == FORM_BYTES || parameter->type.form == FORM_STRING;
        if (bytes && (!parameter->out || !parameter->lease)) {
            emit(generator->out,
                 "    if (%s.size %s %" PRIu64 ") {\n        return STATUS_BAD_ARGUMENT;\n    }\n",
                 parameter->name.text, parameter->out ? "<" : ">", parameter->type.length);
        }
    }
}

static void emit_words(struct generator *_Nonnull generator, const struct method *_Nonnull method) {
    struct output *out = generator->out;
    for (uint32_t i = 0; i < method->parameter_count; i++) {
        const struct parameter *parameter = &method->parameters[i];
        const char *name = parameter->name.text;
        if (parameter->out) {
            continue;
        }
        if (parameter->at == PLACE_WORD) {
            emit(out, "    call.words[%" PRIu32 "] = ", parameter->index);
            emit_to_word(generator, out, &parameter->type, name);
            emit(out, ";\n");
        } else if (parameter->at == PLACE_HANDLE) {
            emit(out, "    call.handles[%" PRIu32 "] = %s;\n", parameter->index, name);
            if (!parameter->move) {
                emit(out, "    call.lend_mask |= UINT32_C(1) << %" PRIu32 ";\n", parameter->index);
            }
        } else if (parameter->at == PLACE_INLINE && parameter->type.length != 0) {
            emit(out, "    rt_copy(input->%s, *%s, sizeof(input->%s));\n", name, name, name);
        } else if (parameter->at == PLACE_INLINE) {
            bool pointer = is_struct(generator, &parameter->type);
            emit(out, "    input->%s = %s%s;\n", name, pointer ? "*" : "", name);
        }
    }
}

static void emit_tail_and_leases(struct generator *_Nonnull generator,
                                 const struct method *_Nonnull method) {
    struct output *out = generator->out;
    const struct layout *in = &method->in;
    if (in->tail != NO_INDEX) {
        const char *name = method->parameters[in->tail].name.text;
        emit(out, "    size_t %s_size = MIN(%s.size, sizeof(input->%s));\n", name, name, name);
        emit(out, "    status_t status = rt_copy_from_client(input->%s, %s.data, %s_size);\n", name,
             name, name);
        emit(out, "    if (status != STATUS_OK) {\n        return status;\n    }\n");
        if (method->parameters[in->tail].type.form == FORM_STRING) {
            emit(out, "    struct rt_bytes %s_sent = {.size = %s_size, .data = input->%s};\n", name,
                 name, name);
            emit(out, "    if (!rt_is_text(%s_sent)) {\n", name);
            emit(out, "        return STATUS_BAD_ARGUMENT;\n    }\n");
        }
        if (in->fixed_size > 0) {
            emit(out, "    call.inline_size = (uint16_t)(%" PRIu32 " + %s_size);\n", in->fixed_size,
                 name);
        } else {
            emit(out, "    call.inline_size = (uint16_t)%s_size;\n", name);
        }
    } else if (in->fixed_size > 0) {
        emit(out, "    call.inline_size = %" PRIu32 ";\n", in->fixed_size);
    }
    if (in->lease != NO_INDEX) {
        const char *name = method->parameters[in->lease].name.text;
        bool small = in->lease == in->tail;
        if (small) {
            emit(out, "    if (%s.size > %s_size) {\n", name, name);
        }
        emit(out, "%*scall.lease_in.address = (uintptr_t)%s.data;\n", small ? 8 : 4, "", name);
        emit(out, "%*scall.lease_in.length = %s.size;\n", small ? 8 : 4, "", name);
        emit(out, "%s", small ? "    }\n" : "");
    }
    if (method->out.lease != NO_INDEX) {
        const struct parameter *lease = &method->parameters[method->out.lease];
        emit(out, "    call.lease_out.address = (uintptr_t)%s.data;\n", lease->name.text);
        emit(out, "    call.lease_out.length = MIN(%s.size, (size_t)%" PRIu64 ");\n",
             lease->name.text, lease->type.length);
    }
}

static void emit_request(struct generator *_Nonnull generator,
                         const struct method *_Nonnull method) {
    struct output *out = generator->out;
    struct name upper = upper_case(&method->name);
    emit(out, "    struct rt_call call = {.label = %s_METHOD_%s};\n", generator->upper.text,
         upper.text);
    if (method->in.fixed_size > 0 || method->in.tail != NO_INDEX) {
        emit(&generator->line,
             "    struct %s_%s_input *input = (void *)rt_thread_page()->call_input;",
             generator->name, method->name.text);
        end_line(generator);
    }
    emit_size_checks(generator, method);
    emit_words(generator, method);
    if (method->in.word_count > 0) {
        emit(out, "    call.word_count = %" PRIu32 ";\n", method->in.word_count);
    }
    if (method->in.handle_count > 0) {
        emit(out, "    call.handle_count = %" PRIu32 ";\n", method->in.handle_count);
    }
    emit_tail_and_leases(generator, method);
    if (method->out.handle_count > 0) {
        emit(out, "    call.flags |= CALL_WANTS_HANDLES;\n");
    }
    if (method->blocks) {
        emit(out, "    call.flags |= CALL_INTERRUPTIBLE;\n");
    }
    if (method->forwards) {
        emit(out, "    call.flags |= context ? CALL_FORWARD_PRINCIPAL : 0;\n");
    }
    if (method->deadline == DEADLINE_DEFAULT) {
        emit(out, "    call.timeout_ns = UINT64_C(%" PRIu64 ");\n", method->timeout_ns);
    } else {
        emit(out, "    call.timeout_ns = %s;\n",
             method->deadline == DEADLINE_CALLER ? "timeout_ns" : "RT_TIMEOUT_NEVER");
    }
}

/* `valid = valid && …` for the inline area's size and what lies in it. */
static void emit_area_checks(struct generator *_Nonnull generator,
                             const struct method *_Nonnull method) {
    struct output *out = generator->out;
    const struct layout *layout = &method->out;
    const struct parameter *tail =
        layout->tail != NO_INDEX ? &method->parameters[layout->tail] : nullptr;
    if (tail && tail->lease) {
        emit(out, "    size_t %s_head = MIN(call.words[%" PRIu32 "], sizeof(output->%s));\n",
             tail->name.text, tail->count_word, tail->name.text);
        emit(out, "    valid = valid && call.inline_size == %" PRIu32 " + %s_head;\n",
             layout->fixed_size, tail->name.text);
    } else if (tail) {
        emit(out, "    valid = valid && call.inline_size >= %" PRIu32 ";\n", layout->fixed_size);
        emit(out, "    valid = valid && call.inline_size <= %" PRIu32 ";\n",
             layout->fixed_size + layout->tail_capacity);
    }
    for (uint32_t i = 0; i < method->parameter_count; i++) {
        const struct parameter *parameter = &method->parameters[i];
        char place[NAME_SIZE + 16] = {};
        (void)snprintf(place, sizeof(place), "output->%s", parameter->name.text);
        if (parameter->out && parameter->at == PLACE_INLINE) {
            emit_wire_check(generator, 4, &parameter->type, place);
        }
    }
}

static void emit_reply_checks(struct generator *_Nonnull generator,
                              const struct method *_Nonnull method) {
    struct output *out = generator->out;
    if (method->out.fixed_size > 0 || method->out.tail != NO_INDEX) {
        emit(&generator->line,
             "    const struct %s_%s_output *output = (const void *)rt_thread_page()->call_output;",
             generator->name, method->name.text);
        end_line(generator);
    }
    const struct layout *layout = &method->out;
    if (layout->tail == NO_INDEX) {
        emit(out,
             "    bool valid = call.shape == RT_SHAPE(%" PRIu32 ", %" PRIu32 ", %" PRIu32 ");\n",
             layout->word_count, layout->handle_count, layout->fixed_size);
    } else {
        emit(out,
             "    bool valid = (call.shape ^ RT_SHAPE(%" PRIu32 ", %" PRIu32
             ", 0)) <= CALL_INLINE_SIZE;\n",
             layout->word_count, layout->handle_count);
    }
    for (uint32_t i = 0; i < method->parameter_count; i++) {
        const struct parameter *parameter = &method->parameters[i];
        char word[32] = {};
        (void)snprintf(word, sizeof(word), "call.words[%" PRIu32 "]", parameter->index);
        if (!parameter->out) {
            continue;
        }
        if (parameter->at == PLACE_HANDLE && !parameter->optional) {
            emit(out, "    valid = valid && call.handles[%" PRIu32 "] != HANDLE_NONE;\n",
                 parameter->index);
        }
        struct output condition = {};
        if (parameter->at == PLACE_WORD &&
            emit_number_condition(generator, &condition, &parameter->type, word, false)) {
            emit(out, "    valid = valid && ");
            emit_text(out, output_text(&condition));
            emit(out, ";\n");
        }
        output_free(&condition);
        if (parameter->lease) {
            emit(out, "    valid = valid && call.words[%" PRIu32 "] <= call.lease_out.length;\n",
                 parameter->count_word);
        }
    }
    emit_area_checks(generator, method);
    emit(out,
         "    if (!valid) {\n        return rt_call_drop(&call, STATUS_BAD_MESSAGE);\n    }\n");
}

static void emit_result(struct generator *_Nonnull generator, const struct method *_Nonnull method,
                        const struct parameter *_Nonnull parameter) {
    struct output *out = generator->out;
    const char *name = parameter->name.text;
    char word[32] = {};
    (void)snprintf(word, sizeof(word), "call.words[%" PRIu32 "]", parameter->index);
    if (parameter->at == PLACE_WORD) {
        emit(out, "    *out_%s = ", name);
        emit_from_word(generator, out, &parameter->type, word);
        emit(out, ";\n");
    } else if (parameter->at == PLACE_HANDLE) {
        emit(out, "    *out_%s = call.handles[%" PRIu32 "];\n", name, parameter->index);
    } else if (parameter->lease) {
        emit(out, "    *out_%s_size = call.words[%" PRIu32 "];\n", name, parameter->count_word);
    } else if (parameter->at == PLACE_TAIL) {
        emit(out, "    *out_%s_size = call.inline_size - %" PRIu32 ";\n", name,
             method->out.fixed_size);
    } else if (parameter->type.length != 0) {
        emit(out, "    rt_copy(*out_%s, output->%s, sizeof(output->%s));\n", name, name, name);
    } else {
        bool boolean = parameter->type.form == FORM_SCALAR && parameter->type.scalar == SCALAR_BOOL;
        emit(out, "    *out_%s = output->%s%s;\n", name, name, boolean ? " != 0" : "");
    }
}

static void emit_results(struct generator *_Nonnull generator,
                         const struct method *_Nonnull method) {
    struct output *out = generator->out;
    if (method->out.tail != NO_INDEX) {
        const char *name = method->parameters[method->out.tail].name.text;
        emit(&generator->line,
             "    status = rt_copy_to_client(%s.data, output->%s, call.inline_size - %" PRIu32 ");",
             name, name, method->out.fixed_size);
        end_line(generator);
        emit_drop(out);
    }
    for (uint32_t i = 0; i < method->parameter_count; i++) {
        if (method->parameters[i].out) {
            emit_result(generator, method, &method->parameters[i]);
        }
    }
    emit(out, "    return STATUS_OK;\n}\n");
}

/* The function that does it: plain, or for bounded methods with a context that may be null. */
static void emit_stub(struct generator *_Nonnull generator, const struct method *_Nonnull method) {
    struct output *out = generator->out;
    struct output *line = &generator->line;
    if (method->bounded) {
        emit(line,
             "static status_t %s_%s_any(struct rt_context *_Nullable context, uint32_t "
             "step, "
             "handle_t session",
             generator->name, method->name.text);
    } else {
        emit(line, "status_t %s_%s(handle_t session", generator->name, method->name.text);
    }
    emit_stub_arguments(generator, line, method, true);
    emit(line, ") {");
    end_line(generator);
    emit_request(generator, method);
    const char *declare = method->in.tail == NO_INDEX ? "status_t " : "";
    emit(out, "    %sstatus = %s;\n", declare,
         method->bounded ? "rt_call_any(context, step, session, &call)"
                         : "rt_call(session, &call)");
    emit_drop(out);
    emit_reply_checks(generator, method);
    emit_results(generator, method);
}

/* The two public forms of a bounded method. */
static void emit_forms(struct generator *_Nonnull generator, const struct method *_Nonnull method) {
    struct output *line = &generator->line;
    const char *name = method->name.text;
    emit(generator->out, "\n");
    emit(line, "status_t %s_%s(handle_t session", generator->name, name);
    emit_stub_arguments(generator, line, method, true);
    emit(line, ") {");
    end_line(generator);
    emit(line, "    return %s_%s_any(nullptr, 0, session", generator->name, name);
    emit_stub_arguments(generator, line, method, false);
    emit(line, ");");
    end_line(generator);
    emit(generator->out, "}\n\n");
    emit(line,
         "status_t %s_%s_nested(struct rt_context *_Nonnull context, uint32_t step, "
         "handle_t session",
         generator->name, name);
    emit_stub_arguments(generator, line, method, true);
    emit(line, ") {");
    end_line(generator);
    emit(line, "    return %s_%s_any(context, step, session", generator->name, name);
    emit_stub_arguments(generator, line, method, false);
    emit(line, ");");
    end_line(generator);
    emit(generator->out, "}\n");
}

void generate_client(struct generator *_Nonnull generator) {
    emit_head(generator, "Client stubs.");
    emit(generator->out, "#include \"idl/%s.h\"\n", generator->name);
    for (uint32_t i = 0; i < generator->protocol->method_count; i++) {
        const struct method *method = &generator->protocol->methods[i];
        emit(generator->out, "\n");
        emit_stub(generator, method);
        if (method->bounded) {
            emit_forms(generator, method);
        }
    }
}
