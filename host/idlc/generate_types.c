/* Constants, enums, flags, structures and records of a header, each with what makes a value of it
 * valid. */
#include "host/idlc/generate.h"
#include <inttypes.h>
#include <stdio.h>

struct long_name type_c_name(const struct type_declaration *_Nonnull type) {
    struct long_name name = {};
    if (type->kind == TYPE_RECORD) {
        (void)snprintf(name.text, sizeof(name.text), "%s_%s_v%" PRIu16, type->owner.text,
                       type->name.text, (uint16_t)type->version);
    } else {
        (void)snprintf(name.text, sizeof(name.text), "%s_%s", type->owner.text, type->name.text);
    }
    return name;
}

static void emit_constants(struct generator *_Nonnull generator) {
    const struct protocol *protocol = generator->protocol;
    for (uint32_t i = 0; i < protocol->constant_count; i++) {
        const struct constant *constant = &protocol->constants[i];
        if (!text_is(text_of(constant->owner.text), generator->name)) {
            continue;
        }
        if (constant->documentation.size > 0) {
            emit_comment(generator->out, 0, constant->documentation);
        }
        struct name upper = upper_case(&constant->name);
        if (constant->status) {
            emit(generator->out, "#define %s_STATUS_%s ((status_t)(-%" PRIu64 "))\n",
                 generator->upper.text, upper.text, constant->value);
        } else {
            emit(generator->out, "#define %s_%s UINT64_C(%" PRIu64 ")\n", generator->upper.text,
                 upper.text, constant->value);
        }
    }
}

static void emit_valid_start(struct generator *_Nonnull generator, const char *_Nonnull name,
                             const char *_Nonnull parameter) {
    emit(&generator->line, "static inline bool %s_valid(%s) {", name, parameter);
    end_line(generator);
}

static void emit_enum_valid(struct generator *_Nonnull generator,
                            const struct type_declaration *_Nonnull type, const char *_Nonnull name,
                            const char *_Nonnull prefix) {
    struct output *out = generator->out;
    emit_valid_start(generator, name, "uint64_t value");
    if (type->kind == TYPE_FLAGS) {
        emit(out, "    return (value & ~(uint64_t)%s_ALL) == 0;\n}\n", prefix);
        return;
    }
    emit(out, "    switch (value) {\n");
    for (uint32_t i = 0; i < type->member_count; i++) {
        struct name upper = upper_case(&type->members[i].name);
        emit(out, "    case %s_%s:\n", prefix, upper.text);
    }
    emit(out, "        return true;\n    default:\n        return false;\n    }\n}\n");
}

static void emit_enum(struct generator *_Nonnull generator,
                      const struct type_declaration *_Nonnull type) {
    static const char *const bases[] = {"uint8_t", "uint16_t", "uint32_t", "uint64_t"};
    struct output *out = generator->out;
    struct long_name name = type_c_name(type);
    struct name type_upper = upper_case(&type->name);
    char prefix[2 * NAME_SIZE + 8] = {};
    (void)snprintf(prefix, sizeof(prefix), "%s_%s", generator->upper.text, type_upper.text);
    uint64_t all = 0;
    emit(out, "enum %s : %s {\n", name.text, bases[type->base]);
    for (uint32_t i = 0; i < type->member_count; i++) {
        const struct member *member = &type->members[i];
        struct name upper = upper_case(&member->name);
        if (member->documentation.size > 0) {
            emit_comment(out, 4, member->documentation);
        }
        emit(out, "    %s_%s = 0x%" PRIx64 ",\n", prefix, upper.text, member->value);
        all |= member->value;
    }
    if (type->kind == TYPE_FLAGS) {
        emit(out, "    %s_ALL = 0x%" PRIx64 ",\n", prefix, all);
    }
    emit(out, "};\n");
    emit_enum_valid(generator, type, name.text, prefix);
}

static void emit_member(struct generator *_Nonnull generator,
                        const struct member *_Nonnull member) {
    struct output *out = generator->out;
    if (member->documentation.size > 0) {
        emit_comment(out, 4, member->documentation);
    }
    emit(out, "    ");
    emit_c_type(generator, out, &member->type, SPELL_WIRE);
    emit(out, " %s", member->name.text);
    if (member->type.length != 0) {
        emit(out, "[%" PRIu64 "]", member->type.length);
    }
    emit(out, ";\n");
}

/* Lines that turn `valid` false where a member of *value is refused. */
static void emit_member_checks(struct generator *_Nonnull generator,
                               const struct type_declaration *_Nonnull type) {
    for (uint32_t i = 0; i < type->member_count; i++) {
        const struct member *member = &type->members[i];
        char place[NAME_SIZE + 8] = {};
        (void)snprintf(place, sizeof(place), "value->%s", member->name.text);
        if (!text_starts(text_of(member->name.text), "reserved")) {
            emit_wire_check(generator, 4, &member->type, place);
        } else if (member->type.length == 0) {
            emit(generator->out, "    valid = valid && %s == 0;\n", place);
        } else {
            emit(generator->out, "    for (size_t i = 0; i < %" PRIu64 "; i++) {\n",
                 member->type.length);
            emit(generator->out, "        valid = valid && %s[i] == 0;\n    }\n", place);
        }
    }
}

static void emit_struct_asserts(struct generator *_Nonnull generator,
                                const struct type_declaration *_Nonnull type,
                                const char *_Nonnull name) {
    emit(generator->out, "static_assert(sizeof(struct %s) == %" PRIu64 ");\n", name, type->size);
    for (uint32_t i = 0; i < type->member_count; i++) {
        emit(generator->out, "static_assert(offsetof(struct %s, %s) == %" PRIu64 ");\n", name,
             type->members[i].name.text, type->members[i].offset);
    }
}

static void emit_struct(struct generator *_Nonnull generator,
                        const struct type_declaration *_Nonnull type) {
    struct output *out = generator->out;
    struct long_name name = type_c_name(type);
    char parameter[3 * NAME_SIZE + 32] = {};
    emit(out, "struct %s {\n", name.text);
    if (type->kind == TYPE_RECORD) {
        emit(out, "    struct rt_record_header header;\n");
    }
    for (uint32_t i = 0; i < type->member_count; i++) {
        emit_member(generator, &type->members[i]);
    }
    emit(out, "};\n");
    emit_struct_asserts(generator, type, name.text);
    if (!type->checked) {
        return;
    }
    (void)snprintf(parameter, sizeof(parameter), "const struct %s *_Nonnull value", name.text);
    emit_valid_start(generator, name.text, parameter);
    emit(out, "    bool valid = true;\n");
    emit_member_checks(generator, type);
    emit(out, "    return valid;\n}\n");
}

/* What tells a record of one name from all others: FNV-1a over "protocol.record". */
static uint32_t record_kind(const struct type_declaration *_Nonnull record) {
    struct long_name name = {};
    (void)snprintf(name.text, sizeof(name.text), "%s.%s", record->owner.text, record->name.text);
    struct text text = text_of(name.text);
    uint32_t hash = 0x811c9dc5u;
    for (size_t i = 0; i < text.size; i++) {
        hash =
            (uint32_t)((uint64_t)(hash ^ (unsigned char)text.data[i]) * 0x01000193u & UINT32_MAX);
    }
    return hash;
}

void emit_record_functions(struct generator *_Nonnull generator,
                           const struct type_declaration *_Nonnull record) {
    struct output *out = generator->out;
    struct long_name name = type_c_name(record);
    emit(out, "/* Fills the header of a record whose members are set. */\n");
    emit(&generator->line, "static inline void %s_seal(struct %s *_Nonnull record) {", name.text,
         name.text);
    end_line(generator);
    emit(out, "    record->header.kind = 0x%" PRIx32 ";\n", record_kind(record));
    emit(out, "    record->header.version = %" PRIu64 ";\n", record->version);
    emit(out, "    record->header.size = sizeof(*record);\n");
    emit(out, "    record->header.reserved = 0;\n");
    emit(out, "    record->header.checksum = rt_record_checksum(&record->header);\n}\n");
    emit(out, "/* Whether bytes of a vault are this record, whole and with members that can be.\n"
              " * Errors: CORRUPT. */\n");
    emit(&generator->line, "static inline status_t %s_check(const struct %s *_Nonnull record) {",
         name.text, name.text);
    end_line(generator);
    emit(out, "    bool valid = record->header.kind == 0x%" PRIx32 ";\n", record_kind(record));
    emit(out, "    valid = valid && record->header.version == %" PRIu64 ";\n", record->version);
    emit(out, "    valid = valid && record->header.size == sizeof(*record);\n");
    emit(out, "    valid = valid && record->header.reserved == 0;\n");
    emit(out, "    valid = valid && "
              "record->header.checksum == rt_record_checksum(&record->header);\n");
    if (record->checked) {
        emit(out, "    valid = valid && %s_valid(record);\n", name.text);
    }
    emit(out, "    return valid ? STATUS_OK : STATUS_CORRUPT;\n}\n");
}

void emit_types(struct generator *_Nonnull generator) {
    const struct protocol *protocol = generator->protocol;
    emit_constants(generator);
    for (uint32_t i = 0; i < protocol->type_count; i++) {
        const struct type_declaration *type = &protocol->types[i];
        if (!type_is_local(generator, type)) {
            continue;
        }
        emit_blank(generator->out);
        if (type->documentation.size > 0) {
            emit_comment(generator->out, 0, type->documentation);
        }
        if (type->kind == TYPE_ENUM || type->kind == TYPE_FLAGS) {
            emit_enum(generator, type);
        } else if (type->kind == TYPE_RING) {
            emit_ring(generator, type);
        } else {
            emit_struct(generator, type);
        }
        if (type->kind == TYPE_RECORD) {
            emit_record_functions(generator, type);
        }
    }
}
