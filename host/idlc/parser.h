#pragma once
/* Reads interface files into a struct protocol.
 *
 *     file     := doc "protocol" NAME "number" N "version" N ";" { use | item }
 *     use      := "use" NAME ";"                      types and constants of NAME.idl
 *     item     := doc ( const | error | enum | flags | struct | record | ring | method )
 *     const    := "const" NAME "=" N ";"
 *     error    := "error" NAME "=" N ";"              the protocol's own status -N, N >= 256
 *     enum     := ("enum" | "flags") NAME ":" INTEGER "{" NAME "=" N { "," NAME "=" N } [","] "}"
 *     struct   := "struct" NAME "{" { NAME TYPE ";" } "}"
 *     record   := "record" NAME "version" N "{" { NAME TYPE ";" } "}"
 *     ring     := "ring" NAME "{" "request" TYPE "," "completion" TYPE "," "depth" N "}"
 *     method   := "method" N NAME "(" [ parameters ] ")" [ "->" "(" [ parameters ] ")" ] marks ";"
 *     parameter:= ("in" | "out") NAME TYPE { "lease" | "inline" | "|" | "move" | "optional" }
 *     marks    := { "idempotent" | "bounded" | "parks" | "blocks" "outside" | "forwards"
 * "principal" | "deadline" ( "never" | "caller" | N ("s" | "ms" | "us" | "ns") ) } TYPE     := ( u8
 * … u64 | i32 | i64 | bool | [NAME "."] NAME | "string" "<" N ">" | "bytes" "<" N ">" | "handle"
 * "<" OBJECT { "," | "|" RIGHT } ">" ) [ "[" N "]" ] N        := a number, or the name of a
 * constant
 *
 * Names are lower case and are declared before they are used.
 *
 * Invariant: whatever the bytes, parsing ends, and either the protocol is complete or exactly one
 * message was given. */
#include "host/idlc/model.h"

/* How a used file is found. Returns false where there is none. */
typedef bool (*use_finder)(void *_Nullable state, struct text name, struct source *_Nonnull out);

/* Fills `protocol` (all zero before) from `source`; places and sizes are still missing.
 * Owns: the texts of all sources must stay.
 * Errors: false, with one line "file:line:column: message" in `messages`. */
bool parse_protocol(struct source source, struct protocol *_Nonnull protocol,
                    struct output *_Nonnull messages, use_finder _Nonnull find,
                    void *_Nullable find_state);
