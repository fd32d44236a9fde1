#pragma once
/* Gives every type its size and every parameter its place, and refuses what has none. */
#include "host/idlc/model.h"

/* Size and alignment of one element of a use of a type (a handle or bytes have none: 0). */
struct extent {
    uint64_t size, alignment;
};
struct extent element_extent(const struct protocol *_Nonnull protocol,
                             const struct type_use *_Nonnull type);
/* Whether some values of an element are refused. */
bool element_checked(const struct protocol *_Nonnull protocol,
                     const struct type_use *_Nonnull type);

/* Errors: false, with one line "file:line:column: message" in `messages`. */
bool check_protocol(struct protocol *_Nonnull protocol, struct text path,
                    struct output *_Nonnull messages);
