#pragma once
/* Keys of encrypted datasets. A dataset has a random master key; its record holds that key wrapped
 * by one that is derived from the user's secret. Snapshots and clones share the master key of what
 * they come from: to load it for one loads it for all of them.
 *
 *   locked ──dataset_key_load──▶ loaded ──dataset_key_unload──▶ locked
 *
 * Of a locked dataset the keys of items, pointers, deadlists and the record can be read, so that
 * check, scrub, snapshot, clone, rollback, destroy and resilver work; its objects cannot:
 * LATTICE_KEY_NEEDED. */
#include "crypto.h"
#include "lattice.h"

#pragma clang assume_nonnull begin

enum { KEY_OPERATIONS_MAX = 1024 };
#define KEY_MEMORY_MAX (UINT64_C(4) << 30)
/* What Argon2id costs where nothing was calibrated: about a second. */
enum { KEY_OPERATIONS_DEFAULT = 3, KEY_MEMORY_DEFAULT = 256 << 20 };

/* A user's secret and what its derivation costs. With 0 operations the secret is the wrapping key
 * itself: 32 bytes, from a key file. */
struct key_secret {
    struct view secret;
    uint64_t operations;
    uint64_t memory_bytes;
};

/* A master key in memory, found by its identity: the fixed part of its nonces. */
struct key_entry {
    struct key_entry *_Nullable next;
    uint8_t identity[CRYPTO_NONCE_FIXED];
    enum cipher cipher;
    struct crypto_key master;
    struct crypto_key content;
    uint64_t name_pad[2];
};

/* Whether the dataset is not encrypted or its key is loaded. */
bool dataset_unlocked(const struct lattice *fs, const struct dataset_record *record);
/* Unwraps the key with the costs that the record names, and finishes what waited for it (orphans).
 * No effect if it is loaded. Errors: LATTICE_MISMATCH (wrong secret), LATTICE_INVALID (not
 * encrypted), LATTICE_UNSUPPORTED (AES-256-GCM without the hardware). */
lattice_status_t dataset_key_load(struct lattice *fs, uint64_t id, struct view secret);
/* Commits, forgets the key and all that it made readable. Errors: LATTICE_BUSY (a dataset of this
 * key is open). */
lattice_status_t dataset_key_unload(struct lattice *fs, uint64_t id);
/* Wraps the loaded key anew, for the dataset and for all that share its key. Errors:
 * LATTICE_KEY_NEEDED. */
lattice_status_t dataset_key_change(struct lattice *fs, uint64_t id,
                                    const struct key_secret *secret);

/* Inside the core. */
lattice_status_t key_create(struct lattice *fs, struct dataset_record *record, enum cipher cipher,
                            const struct key_secret *secret);
const struct key_entry *_Nullable key_find(const struct lattice *fs,
                                           const struct dataset_record *record);
void keys_release(struct lattice *fs);

#pragma clang assume_nonnull end
