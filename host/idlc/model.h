#pragma once
/* What an interface file says, after parsing: plain arrays of fixed capacity, no pointers between
 * declarations (an index names a type). The parser fills it, layout.c adds sizes and places, and
 * every generator reads it.
 *
 * Invariants, once check_protocol() has succeeded:
 *  1. A type refers only to types with a smaller index: walks over types need no recursion.
 *  2. Structures and records have no hidden padding; sizes and offsets are those of the C
 * structure.
 *  3. Every parameter has exactly one place, and all places of a method fit the message. */
#include "host/idlc/text.h"
#include <stdint.h>

enum {
    NAME_SIZE = 40, /* with the terminator */
    TYPE_MAX = 128,
    MEMBER_MAX = 64,
    CONSTANT_MAX = 128,
    METHOD_MAX = 64,
    PARAMETER_MAX = 16,
    USE_MAX = 4,
    WORD_MAX = 7,
    HANDLE_MAX = 4,
    INLINE_MAX = 256,
    NO_INDEX = UINT32_MAX
};

struct name {
    char text[NAME_SIZE];
};

/* A place in a source, for messages. */
struct place {
    uint32_t line, column;
};

enum scalar : uint32_t {
    SCALAR_U8,
    SCALAR_U16,
    SCALAR_U32,
    SCALAR_U64,
    SCALAR_I32,
    SCALAR_I64,
    SCALAR_BOOL,
    SCALAR_COUNT
};

/* Where a value of a parameter or member is described. */
enum type_form : uint32_t {
    FORM_SCALAR,
    FORM_NAMED, /* enum, flags or struct: model.types[named] */
    FORM_STRING,
    FORM_BYTES,
    FORM_HANDLE
};
struct type_use {
    enum type_form form;
    enum scalar scalar;
    uint32_t named;
    uint64_t length;               /* array: elements, 0 if none; string and bytes: maximum */
    struct name object;            /* handle: "session", …, "own_session" */
    uint32_t object_index, rights; /* handle: index into the table of objects, bit mask */
};

struct member {
    struct name name;
    struct place place;
    struct text documentation;
    uint64_t value;       /* enum, flags */
    struct type_use type; /* struct, record */
    uint64_t offset, size;
};

enum type_kind : uint32_t { TYPE_ENUM, TYPE_FLAGS, TYPE_STRUCT, TYPE_RECORD, TYPE_RING };
struct type_declaration {
    enum type_kind kind;
    struct name name, owner; /* owner: the protocol that declares it */
    struct place place;
    struct text documentation;
    enum scalar base;             /* enum, flags */
    uint64_t version;             /* record */
    uint64_t depth;               /* ring */
    uint32_t request, completion; /* ring: types */
    uint32_t member_count;
    struct member members[MEMBER_MAX];
    uint64_t size, alignment;
    bool checked; /* some values of it are refused: it has a _valid function */
};

struct constant {
    struct name name, owner;
    struct text documentation;
    uint64_t value;
    bool status; /* an error: the status is -value */
};

enum parameter_place : uint32_t {
    PLACE_WORD,   /* index */
    PLACE_INLINE, /* offset, at a fixed place */
    PLACE_TAIL,   /* offset, the inline area's end; with `lease` also a lease */
    PLACE_LEASE,  /* only the lease */
    PLACE_HANDLE  /* index */
};
struct parameter {
    struct name name;
    struct place declared;
    struct type_use type;
    bool out, lease, inlined, move, optional;
    enum parameter_place at;
    uint32_t index, offset;
    uint32_t count_word; /* output bytes by lease: the word that says how many are meant */
};

/* One direction of a method. */
struct layout {
    uint32_t word_count, handle_count, fixed_size, tail_capacity;
    uint32_t tail, lease; /* parameter or NO_INDEX */
};

enum deadline : uint32_t { DEADLINE_UNSTATED, DEADLINE_NONE, DEADLINE_DEFAULT, DEADLINE_CALLER };
struct method {
    struct name name;
    struct place place;
    struct text documentation;
    uint64_t number;
    uint32_t parameter_count;
    struct parameter parameters[PARAMETER_MAX];
    bool idempotent, bounded, forwards;
    bool parks;  /* a server may answer it later */
    bool blocks; /* it waits for the outside: a kick cancels it */
    enum deadline deadline;
    uint64_t timeout_ns;
    struct layout in, out;
};

/* A file's first sentence. */
struct heading {
    struct name name;
    struct place place;
    struct text documentation;
    uint64_t number, version;
};

struct protocol {
    struct heading heading;
    uint32_t use_count, type_count, constant_count, method_count;
    struct name uses[USE_MAX];
    struct type_declaration types[TYPE_MAX];
    struct constant constants[CONSTANT_MAX];
    struct method methods[METHOD_MAX];
};

/* A file's path as it was given, its text, and where an error is told. */
struct source {
    struct text path, text;
};
