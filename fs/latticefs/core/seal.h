#pragma once
/* What of a tree and of its records is encrypted, and what a tag binds it to.
 *
 * A record is encrypted whole; its tag binds it to its object, its offset and its form. Of a node
 * the values of leaves are encrypted, but for extents, whose pointers scrub needs; the tag covers
 * all the rest of the node too, with the secret values as zeros. So a node vouches for the tags of
 * what is below it. */
#include "keys.h"

#pragma clang assume_nonnull begin

/* Makes *image of a packed node, and puts cipher, nonce and tag into the pointer to it. */
void node_seal(struct lattice *fs, const struct key_entry *key, const struct node *node,
               struct node *image, struct pointer *pointer);
/* Decrypts a valid node in place. Errors: LATTICE_CORRUPT (another wrote it), LATTICE_UNSUPPORTED.
 */
lattice_status_t node_unseal(struct lattice *fs, const struct key_entry *key,
                             const struct pointer *pointer, struct node *node);
/* Encrypts a record's stored bytes in place; the pointer has its sizes, and gets the rest. */
void record_seal(struct lattice *fs, const struct key_entry *key, uint64_t object, uint64_t offset,
                 struct bytes stored, struct pointer *pointer);
/* Errors: as node_unseal. */
lattice_status_t record_unseal(const struct key_entry *key, uint64_t object, uint64_t offset,
                               const struct pointer *pointer, struct bytes stored);

#pragma clang assume_nonnull end
