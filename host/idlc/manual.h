#pragma once
/* Pieces of manual pages in man(7), shared by protocols and system calls. */
#include "host/idlc/text.h"

/* Text with what roff would take for itself made plain. */
void emit_roff(struct output *_Nonnull out, struct text text);
/* A documentation comment as paragraphs; "Errors:" and the like begin their own. */
void emit_roff_documentation(struct output *_Nonnull out, struct text documentation);
void emit_roff_heading(struct output *_Nonnull out, const char *_Nonnull title,
                       const char *_Nonnull section, struct text summary);

/* --kind syscalls: the page of the native system calls, from the text of abi/syscall.h: its head
 * comment, then each enumeration with the comments of its values. */
void generate_syscalls(struct output *_Nonnull out, struct text header);
