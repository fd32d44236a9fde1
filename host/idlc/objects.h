#pragma once
/* The kinds of objects and the rights that `handle<…>` may name, and the C constants of abi/ that
 * stand for them. */
#include "host/idlc/model.h"

/* Index of a kind of object, or NO_INDEX. */
uint32_t object_find(struct text name);
/* The enumerator of enum object_type. */
const char *_Nonnull object_constant(uint32_t index);
/* "own_session": a session of the endpoint that receives the call; its cookie comes with it. */
bool object_is_own_session(uint32_t index);

/* Bit of a right, or NO_INDEX. */
uint32_t right_find(struct text name);
const char *_Nonnull right_name(uint32_t bit);
/* Appends "RIGHT_A | RIGHT_B", or "0". */
void emit_rights(struct output *_Nonnull out, uint32_t rights);
