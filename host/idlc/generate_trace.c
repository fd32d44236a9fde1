/* --kind trace: a message's label and words as a person reads them. Only what the kernel's trace
 * holds is shown, so nothing inline. */
#include "host/idlc/generate.h"
#include <inttypes.h>
#include <stdio.h>

/* For each enum or flags that a word of this protocol may carry: its values by name. */
static void emit_value_printer(struct generator *_Nonnull generator,
                               const struct type_declaration *_Nonnull type) {
    struct output *out = generator->out;
    struct long_name name = type_c_name(type);
    struct name owner = upper_case(&type->owner);
    struct name upper = upper_case(&type->name);
    emit(&generator->line, "static void trace_%s(struct rt_text *_Nonnull text, uint64_t value) {",
         name.text);
    end_line(generator);
    for (uint32_t i = 0; i < type->member_count; i++) {
        struct name member = upper_case(&type->members[i].name);
        if (type->kind == TYPE_FLAGS) {
            emit(&generator->line, "    rt_text_flag(text, &value, %s_%s_%s, \"%s\");", owner.text,
                 upper.text, member.text, type->members[i].name.text);
            end_line(generator);
            continue;
        }
        emit(out, "    if (value == %s_%s_%s) {\n", owner.text, upper.text, member.text);
        emit(out, "        rt_text_string(text, \"%s\");\n        return;\n    }\n",
             type->members[i].name.text);
    }
    emit(out, "    %s(text, value);\n}\n\n",
         type->kind == TYPE_FLAGS ? "rt_text_rest" : "rt_text_number");
}

static bool is_traced(const struct generator *_Nonnull generator, uint32_t type) {
    const struct protocol *protocol = generator->protocol;
    for (uint32_t i = 0; i < protocol->method_count; i++) {
        for (uint32_t j = 0; j < protocol->methods[i].parameter_count; j++) {
            const struct parameter *parameter = &protocol->methods[i].parameters[j];
            if (parameter->type.form == FORM_NAMED && parameter->type.named == type &&
                parameter->at == PLACE_WORD) {
                return true;
            }
        }
    }
    return false;
}

static void emit_word(struct generator *_Nonnull generator,
                      const struct parameter *_Nonnull parameter) {
    struct output *out = generator->out;
    bool bytes = parameter->lease && parameter->out;
    if (parameter->at != PLACE_WORD && !bytes) {
        return;
    }
    uint32_t word = bytes ? parameter->count_word : parameter->index;
    emit(out, "        rt_text_string(text, \" %s%s=\");\n", parameter->name.text,
         bytes ? "_size" : "");
    if (!bytes && parameter->type.form == FORM_NAMED) {
        struct long_name name = type_c_name(&generator->protocol->types[parameter->type.named]);
        emit(out, "        trace_%s(text, (*words)[%" PRIu32 "]);\n", name.text, word);
        return;
    }
    bool is_signed =
        !bytes && (parameter->type.scalar == SCALAR_I32 || parameter->type.scalar == SCALAR_I64);
    emit(out, "        rt_text_%s(text, %s(*words)[%" PRIu32 "]);\n",
         is_signed ? "signed" : "number", is_signed ? "(int64_t)" : "", word);
}

static void emit_direction(struct generator *_Nonnull generator,
                           const struct method *_Nonnull method, bool is_out) {
    for (uint32_t i = 0; i < method->parameter_count; i++) {
        if (method->parameters[i].out == is_out) {
            emit_word(generator, &method->parameters[i]);
        }
    }
}

static void emit_method(struct generator *_Nonnull generator,
                        const struct method *_Nonnull method) {
    struct output *out = generator->out;
    struct name upper = upper_case(&method->name);
    emit(out, "    case %s_METHOD_%s:\n", generator->upper.text, upper.text);
    emit(out, "        rt_text_string(text, \"%s.%s\");\n", generator->name, method->name.text);
    if (method->in.word_count > 0) {
        emit(out, "        if (is_reply) {\n            break;\n        }\n");
    }
    emit_direction(generator, method, false);
    emit(out, "        break;\n");
}

static void emit_reply(struct generator *_Nonnull generator, const struct method *_Nonnull method) {
    struct output *out = generator->out;
    if (method->out.word_count == 0) {
        return;
    }
    struct name upper = upper_case(&method->name);
    emit(out, "    case %s_METHOD_%s:\n", generator->upper.text, upper.text);
    emit_direction(generator, method, true);
    emit(out, "        break;\n");
}

/* The function for one direction. */
static void emit_decoder(struct generator *_Nonnull generator, bool is_reply) {
    const struct protocol *protocol = generator->protocol;
    struct output *out = generator->out;
    emit(&generator->line,
         "static bool trace_%s(struct rt_text *_Nonnull text, uint32_t label, "
         "const uint64_t (*_Nonnull words)[CALL_WORDS]%s) {",
         is_reply ? "reply" : "request", is_reply ? "" : ", bool is_reply");
    end_line(generator);
    emit(out, "    (void)words;\n%s    switch (label) {\n",
         is_reply ? "" : "    (void)is_reply;\n");
    for (uint32_t i = 0; i < protocol->method_count; i++) {
        (is_reply ? emit_reply : emit_method)(generator, &protocol->methods[i]);
    }
    emit(out, "    default:\n        return false;\n    }\n    return true;\n}\n\n");
}

void generate_trace(struct generator *_Nonnull generator) {
    const struct protocol *protocol = generator->protocol;
    struct output *out = generator->out;
    emit_head(generator, "Trace decoder.");
    emit(out, "#include \"idl/%s.h\"\n", generator->name);
    if (protocol->method_count == 0) {
        return;
    }
    emit_blank(out);
    bool replies = false;
    for (uint32_t i = 0; i < protocol->method_count; i++) {
        replies |= protocol->methods[i].out.word_count > 0;
    }
    for (uint32_t i = 0; i < protocol->type_count; i++) {
        if (is_traced(generator, i)) {
            emit_value_printer(generator, &protocol->types[i]);
        }
    }
    emit_decoder(generator, false);
    if (replies) {
        emit_decoder(generator, true);
    }
    emit(&generator->line,
         "bool %s_trace(struct rt_text *_Nonnull text, uint32_t label, "
         "const uint64_t (*_Nonnull words)[CALL_WORDS], bool is_reply) {",
         generator->name);
    end_line(generator);
    emit(out, "    bool known = trace_request(text, label, words, is_reply);\n");
    emit(out, "    if (known && is_reply) {\n        rt_text_string(text, \" ->\");\n");
    emit(out, "%s", replies ? "        (void)trace_reply(text, label, words);\n" : "");
    emit(out, "    }\n    return known;\n}\n");
}
