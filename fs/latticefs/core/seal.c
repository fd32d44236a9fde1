/* Encryption of nodes and records. Invariant: no nonce is used twice with one key: its salt is
 * random for each mount, its counter only grows, and a salt whose counter ran out is replaced. */
#include "seal.h"

#pragma clang assume_nonnull begin

static void nonce_next(struct lattice *fs, struct pointer *pointer) {
    if (fs->nonce_counter == UINT32_MAX) {
        fs->environment.random(fs->environment.context, &fs->nonce_salt, sizeof fs->nonce_salt);
        fs->nonce_counter = 0;
    }
    fs->nonce_counter++;
    pointer->nonce_salt = fs->nonce_salt;
    pointer->nonce_counter = fs->nonce_counter;
}

static struct crypto_nonce nonce_of(const struct key_entry *key, const struct pointer *pointer) {
    struct crypto_nonce nonce = {};
    struct bytes to = BYTES_OF(nonce.bytes);
    size_t at = sizeof key->identity;
    bytes_copy(to, VIEW_OF(key->identity));
    bytes_copy(bytes_sub(to, at, sizeof pointer->nonce_salt), VIEW_OF(pointer->nonce_salt));
    at += sizeof pointer->nonce_salt;
    bytes_copy(bytes_sub(to, at, sizeof pointer->nonce_counter), VIEW_OF(pointer->nonce_counter));
    return nonce;
}

/* ---- nodes ---- */

static bool item_is_secret(struct key key) {
    return key_type(key) != KEY_EXTENT;
}

enum gather_action { GATHER_OUT, GATHER_BACK };

/* Moves the secret values of a leaf to the secret buffer and leaves zeros, or moves them back.
 * Returns their size. */
static size_t leaf_gather(struct lattice *fs, struct node *node, enum gather_action action) {
    size_t at = 0;
    for (uint32_t i = 0; node->level == 0 && i < node->count; i++) {
        if (!item_is_secret(node->slots[i].key)) {
            continue;
        }
        size_t length = node->slots[i].length;
        struct bytes value = bytes_sub(BYTES_OF(*node), node->slots[i].offset, length);
        struct bytes secret = bytes_sub(BYTES_OF(*fs->secret_buffer), at, length);
        if (action == GATHER_OUT) {
            bytes_copy(secret, bytes_view(value));
            bytes_zero(value);
        } else {
            bytes_copy(value, bytes_view(secret));
        }
        at += length;
    }
    return at;
}

void node_seal(struct lattice *fs, const struct key_entry *key, const struct node *node,
               struct node *image, struct pointer *pointer) {
    struct crypto_tag tag = {};
    *image = *node;
    pointer->cipher = key->cipher;
    nonce_next(fs, pointer);
    size_t size = leaf_gather(fs, image, GATHER_OUT);
    struct crypto_nonce nonce = nonce_of(key, pointer);
    crypto_seal(key->cipher, &key->content, &nonce, VIEW_OF(*image),
                bytes_sub(BYTES_OF(*fs->secret_buffer), 0, size), &tag);
    (void)leaf_gather(fs, image, GATHER_BACK);
    bytes_copy(BYTES_OF(pointer->tag), VIEW_OF(tag));
}

lattice_status_t node_unseal(struct lattice *fs, const struct key_entry *key,
                             const struct pointer *pointer, struct node *node) {
    struct crypto_tag tag = {};
    struct crypto_nonce nonce = nonce_of(key, pointer);
    bytes_copy(BYTES_OF(tag), VIEW_OF(pointer->tag));
    size_t size = leaf_gather(fs, node, GATHER_OUT);
    TRY(crypto_open(key->cipher, &key->content, &nonce, VIEW_OF(*node),
                    bytes_sub(BYTES_OF(*fs->secret_buffer), 0, size), &tag));
    (void)leaf_gather(fs, node, GATHER_BACK);
    return LATTICE_OK;
}

/* ---- records ---- */

struct record_binding {
    uint64_t object;
    uint64_t offset;
    uint8_t stored;
    uint8_t logical;
    uint8_t compression;
    uint8_t type;
    uint32_t zero;
};

static struct record_binding binding_of(uint64_t object, uint64_t offset,
                                        const struct pointer *pointer) {
    return (struct record_binding){.object = object,
                                   .offset = offset,
                                   .stored = (uint8_t)pointer_stored(pointer),
                                   .logical = (uint8_t)pointer_logical(pointer),
                                   .compression = pointer_compression(pointer),
                                   .type = POINTER_RECORD};
}

void record_seal(struct lattice *fs, const struct key_entry *key, uint64_t object, uint64_t offset,
                 struct bytes stored, struct pointer *pointer) {
    struct crypto_tag tag = {};
    pointer->cipher = key->cipher;
    nonce_next(fs, pointer);
    struct record_binding binding = binding_of(object, offset, pointer);
    struct crypto_nonce nonce = nonce_of(key, pointer);
    crypto_seal(key->cipher, &key->content, &nonce, VIEW_OF(binding), stored, &tag);
    bytes_copy(BYTES_OF(pointer->tag), VIEW_OF(tag));
}

lattice_status_t record_unseal(const struct key_entry *key, uint64_t object, uint64_t offset,
                               const struct pointer *pointer, struct bytes stored) {
    struct crypto_tag tag = {};
    struct record_binding binding = binding_of(object, offset, pointer);
    struct crypto_nonce nonce = nonce_of(key, pointer);
    bytes_copy(BYTES_OF(tag), VIEW_OF(pointer->tag));
    return crypto_open(key->cipher, &key->content, &nonce, VIEW_OF(binding), stored, &tag);
}

#pragma clang assume_nonnull end
