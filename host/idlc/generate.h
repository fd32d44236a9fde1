#pragma once
/* The generators: one function for each --kind, and what they share. All of them read a checked
 * protocol and append to one output; none of them can fail but for memory (output.failed). */
#include "host/idlc/layout.h"
#include "host/idlc/model.h"

struct long_name {
    char text[2 * NAME_SIZE + 8];
};

struct generator {
    const struct protocol *_Nonnull protocol;
    struct output *_Nonnull out;
    const char *_Nonnull name; /* the protocol's */
    struct name upper;         /* the same in capitals */
    struct output line;        /* a logical line being built, for emit_wrapped */
};

void generate_header(struct generator *_Nonnull generator);
void generate_client(struct generator *_Nonnull generator);
void generate_server(struct generator *_Nonnull generator);
void generate_trace(struct generator *_Nonnull generator);
void generate_manual(struct generator *_Nonnull generator);
void generate_fuzz(struct generator *_Nonnull generator);

/* ---- shared ---- */

struct name upper_case(const struct name *_Nonnull name);
/* Sends generator->line out, broken at 100 columns. */
void end_line(struct generator *_Nonnull generator);
/* The comment at the head of a generated file. */
void emit_head(struct generator *_Nonnull generator, const char *_Nonnull what);
bool type_is_local(const struct generator *_Nonnull generator,
                   const struct type_declaration *_Nonnull type);

/* How a value is spelled: in arguments, or (bool as a byte) in structures that are sent. */
enum spelling : uint32_t { SPELL_VALUE, SPELL_WIRE };
/* Appends the C type of one element, as "uint32_t" or "struct stream_stat". */
void emit_c_type(const struct generator *_Nonnull generator, struct output *_Nonnull out,
                 const struct type_use *_Nonnull type, enum spelling spelling);
bool is_struct(const struct generator *_Nonnull generator, const struct type_use *_Nonnull type);
/* An integer, bool, enum or flags, and no array. */
bool is_number(const struct generator *_Nonnull generator, const struct type_use *_Nonnull type);

/* Appends the condition under which `value` (a 64-bit word, or with `wire` a member of its wire
 * type) may be taken for the type; false and nothing appended if that is always so. */
bool emit_number_condition(const struct generator *_Nonnull generator, struct output *_Nonnull out,
                           const struct type_use *_Nonnull type, const char *_Nonnull value,
                           bool wire);
/* Appends the value of a word as the type, and the type's value as a word. */
void emit_from_word(const struct generator *_Nonnull generator, struct output *_Nonnull out,
                    const struct type_use *_Nonnull type, const char *_Nonnull word);
void emit_to_word(const struct generator *_Nonnull generator, struct output *_Nonnull out,
                  const struct type_use *_Nonnull type, const char *_Nonnull value);
/* Appends lines `valid = valid && …;` for a value that lies at `value` in wire form (or, an
 * element being a structure or array, for all of its elements). */
void emit_wire_check(struct generator *_Nonnull generator, int indent,
                     const struct type_use *_Nonnull type, const char *_Nonnull value);

/* The constants, types, records and rings of a header. */
void emit_types(struct generator *_Nonnull generator);
void emit_ring(struct generator *_Nonnull generator, const struct type_declaration *_Nonnull ring);
void emit_record_functions(struct generator *_Nonnull generator,
                           const struct type_declaration *_Nonnull record);
/* "stream_stat", for a record "vfs_mount_v1". */
struct long_name type_c_name(const struct type_declaration *_Nonnull type);

/* The arguments of a client stub behind its first ones, each with ", " before it. */
void emit_stub_arguments(const struct generator *_Nonnull generator, struct output *_Nonnull out,
                         const struct method *_Nonnull method, bool declare);
bool has_parameters(const struct method *_Nonnull method, bool handler_out);
/* The parameters of a handler, declared. */
void emit_handler_parameters(const struct generator *_Nonnull generator,
                             struct output *_Nonnull out, const struct method *_Nonnull method);
/* The mask of enum rt_method_marks. */
const char *_Nonnull method_marks(const struct method *_Nonnull method);
