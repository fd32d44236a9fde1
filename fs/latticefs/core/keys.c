/* Keys of encrypted datasets. Invariant: fs->keys has each identity at most once, and an open
 * dataset's tree has the key of its record's identity if that is loaded. */
#include "keys.h"
#include "change.h"
#include "inode.h"

#pragma clang assume_nonnull begin

/* What the wrapping of a master key binds it to. */
struct wrap_binding {
    uint8_t identity[CRYPTO_NONCE_FIXED];
    uint32_t cipher;
    uint64_t operations;
    uint64_t memory;
};

static struct wrap_binding binding_of(const struct dataset_record *record) {
    struct wrap_binding binding = {.cipher = record->cipher,
                                   .operations = record->kdf_operations,
                                   .memory = record->kdf_memory};
    bytes_copy(BYTES_OF(binding.identity), VIEW_OF(record->nonce_fixed));
    return binding;
}

static bool identity_equal(const struct dataset_record *record, const struct key_entry *entry) {
    return record->cipher == entry->cipher &&
           view_equal(VIEW_OF(record->nonce_fixed), VIEW_OF(entry->identity));
}

const struct key_entry *_Nullable key_find(const struct lattice *fs,
                                           const struct dataset_record *record) {
    struct key_entry *_Nullable at = record->cipher == CIPHER_NONE ? nullptr : fs->keys;
    while (at != nullptr && !identity_equal(record, SOME(at))) {
        at = SOME(at)->next;
    }
    return at;
}

bool dataset_unlocked(const struct lattice *fs, const struct dataset_record *record) {
    return record->cipher == CIPHER_NONE || key_find(fs, record) != nullptr;
}

static void entry_free(struct lattice *fs, struct key_entry *entry) {
    crypto_wipe(bytes_of(entry, sizeof *entry));
    memory_give(fs, entry, sizeof *entry);
}

void keys_release(struct lattice *fs) {
    while (fs->keys != nullptr) {
        struct key_entry *entry = SOME(fs->keys);
        fs->keys = entry->next;
        entry_free(fs, entry);
    }
}

/* The key that wraps the master key. */
static lattice_status_t wrapping_key(const struct dataset_record *record, struct view secret,
                                     struct crypto_key *out) {
    if (record->kdf_operations == 0) {
        if (secret.size != CRYPTO_KEY) {
            return LATTICE_MISMATCH;
        }
        bytes_copy(BYTES_OF(out->bytes), secret);
        return LATTICE_OK;
    }
    if (record->kdf_operations > KEY_OPERATIONS_MAX || record->kdf_memory > KEY_MEMORY_MAX) {
        return LATTICE_UNSUPPORTED;
    }
    return crypto_derive(secret, VIEW_OF(record->kdf_salt), record->kdf_operations,
                         record->kdf_memory, out);
}

/* Fills the record's key slot. */
static lattice_status_t key_wrap(struct lattice *fs, struct dataset_record *record,
                                 const struct crypto_key *master, const struct key_secret *secret) {
    struct crypto_key wrapping = {};
    struct crypto_nonce nonce = {};
    struct crypto_tag tag = {};
    record->kdf_operations = secret->operations;
    record->kdf_memory = secret->operations == 0 ? 0 : secret->memory_bytes;
    fs->environment.random(fs->environment.context, record->kdf_salt, sizeof record->kdf_salt);
    fs->environment.random(fs->environment.context, record->wrap_nonce, sizeof record->wrap_nonce);
    TRY(wrapping_key(record, secret->secret, &wrapping));
    struct wrap_binding binding = binding_of(record);
    bytes_copy(BYTES_OF(nonce.bytes), VIEW_OF(record->wrap_nonce));
    struct bytes slot = BYTES_OF(record->wrapped_key);
    struct bytes content = bytes_sub(slot, 0, CRYPTO_KEY);
    bytes_copy(content, VIEW_OF(master->bytes));
    crypto_seal(CIPHER_XCHACHA, &wrapping, &nonce, VIEW_OF(binding), content, &tag);
    bytes_copy(bytes_sub(slot, CRYPTO_KEY, CRYPTO_TAG), VIEW_OF(tag));
    crypto_wipe(BYTES_OF(wrapping));
    return LATTICE_OK;
}

static lattice_status_t key_unwrap(const struct dataset_record *record, struct view secret,
                                   struct crypto_key *out) {
    struct crypto_key wrapping = {};
    struct crypto_nonce nonce = {};
    struct crypto_tag tag = {};
    TRY(wrapping_key(record, secret, &wrapping));
    struct wrap_binding binding = binding_of(record);
    struct view slot = VIEW_OF(record->wrapped_key);
    bytes_copy(BYTES_OF(nonce.bytes), VIEW_OF(record->wrap_nonce));
    bytes_copy(BYTES_OF(out->bytes), view_sub(slot, 0, CRYPTO_KEY));
    bytes_copy(BYTES_OF(tag), view_sub(slot, CRYPTO_KEY, CRYPTO_TAG));
    lattice_status_t status = crypto_open(CIPHER_XCHACHA, &wrapping, &nonce, VIEW_OF(binding),
                                          BYTES_OF(out->bytes), &tag);
    crypto_wipe(BYTES_OF(wrapping));
    return status == LATTICE_CORRUPT ? LATTICE_MISMATCH : status;
}

static lattice_status_t entry_add(struct lattice *fs, const struct dataset_record *record,
                                  const struct crypto_key *master) {
    struct key_entry *_Nullable taken = memory_take(fs, sizeof(struct key_entry));
    if (taken == nullptr) {
        return LATTICE_NO_MEMORY;
    }
    struct key_entry *entry = SOME(taken);
    struct crypto_key names = {};
    entry->cipher = record->cipher;
    entry->master = *master;
    bytes_copy(BYTES_OF(entry->identity), VIEW_OF(record->nonce_fixed));
    crypto_subkey(master, view_text("latticefs content"), &entry->content);
    crypto_subkey(master, view_text("latticefs names"), &names);
    bytes_copy(BYTES_OF(entry->name_pad), view_sub(VIEW_OF(names), 0, sizeof entry->name_pad));
    crypto_wipe(BYTES_OF(names));
    entry->next = fs->keys;
    fs->keys = entry;
    return LATTICE_OK;
}

lattice_status_t key_create(struct lattice *fs, struct dataset_record *record, enum cipher cipher,
                            const struct key_secret *secret) {
    struct crypto_key master = {};
    if ((cipher != CIPHER_XCHACHA && cipher != CIPHER_AES_GCM) ||
        secret->operations > KEY_OPERATIONS_MAX || secret->memory_bytes > KEY_MEMORY_MAX) {
        return LATTICE_INVALID;
    }
    if (!crypto_available(cipher)) {
        return LATTICE_UNSUPPORTED;
    }
    record->cipher = cipher;
    fs->environment.random(fs->environment.context, record->nonce_fixed,
                           sizeof record->nonce_fixed);
    fs->environment.random(fs->environment.context, master.bytes, sizeof master.bytes);
    lattice_status_t status = key_wrap(fs, record, &master, secret);
    if (status == LATTICE_OK) {
        status = entry_add(fs, record, &master);
    }
    crypto_wipe(BYTES_OF(master));
    return status;
}

lattice_status_t dataset_key_load(struct lattice *fs, uint64_t id, struct view secret) {
    struct dataset_record record = {};
    struct crypto_key master = {};
    TRY(record_load(fs, id, &record));
    if (record.cipher == CIPHER_NONE) {
        return LATTICE_INVALID;
    }
    if (!crypto_available(record.cipher)) {
        return LATTICE_UNSUPPORTED;
    }
    if (key_find(fs, &record) != nullptr) {
        return LATTICE_OK;
    }
    lattice_status_t status = key_unwrap(&record, secret, &master);
    if (status == LATTICE_OK) {
        status = entry_add(fs, &record, &master);
    }
    crypto_wipe(BYTES_OF(master));
    TRY(status);
    for (struct dataset *_Nullable at = fs->datasets; at != nullptr; at = SOME(at)->next) {
        if (identity_equal(&SOME(at)->record, SOME(fs->keys))) {
            dataset_unlock(fs, SOME(at));
        }
    }
    return fs->read_only ? LATTICE_OK : datasets_recover(fs, fs->keys);
}

lattice_status_t dataset_key_unload(struct lattice *fs, uint64_t id) {
    struct dataset_record record = {};
    TRY(record_load(fs, id, &record));
    const struct key_entry *_Nullable entry = key_find(fs, &record);
    if (entry == nullptr) {
        return LATTICE_OK;
    }
    TRY(fs->read_only ? LATTICE_OK : commit(fs));
    for (struct dataset *_Nullable at = fs->datasets; at != nullptr; at = SOME(at)->next) {
        if (identity_equal(&SOME(at)->record, SOME(entry))) {
            return LATTICE_BUSY;
        }
    }
    struct key_entry *_Nullable *_Nonnull link = &fs->keys;
    while (*link != entry) {
        link = &SOME(*link)->next;
    }
    struct key_entry *gone = SOME(*link);
    *link = gone->next;
    entry_free(fs, gone);
    cache_forget(fs);
    return LATTICE_OK;
}

static lattice_status_t change_all(struct lattice *fs, const struct key_entry *entry,
                                   const struct dataset_record *fresh) {
    struct dataset_record record = {};
    uint64_t id = 0;
    for (;;) {
        lattice_status_t status = record_next(fs, &id, &record);
        if (status != LATTICE_OK) {
            return status == LATTICE_NOT_FOUND ? LATTICE_OK : status;
        }
        if (!identity_equal(&record, entry)) {
            continue;
        }
        record.kdf_operations = fresh->kdf_operations;
        record.kdf_memory = fresh->kdf_memory;
        bytes_copy(BYTES_OF(record.kdf_salt), VIEW_OF(fresh->kdf_salt));
        bytes_copy(BYTES_OF(record.wrapped_key), VIEW_OF(fresh->wrapped_key));
        bytes_copy(BYTES_OF(record.wrap_nonce), VIEW_OF(fresh->wrap_nonce));
        TRY(record_store(fs, id, &record));
    }
}

lattice_status_t dataset_key_change(struct lattice *fs, uint64_t id,
                                    const struct key_secret *secret) {
    struct dataset_record fresh = {};
    struct dataset_record record = {};
    if (secret->operations > KEY_OPERATIONS_MAX || secret->memory_bytes > KEY_MEMORY_MAX) {
        return LATTICE_INVALID;
    }
    TRY(record_load(fs, id, &fresh));
    const struct key_entry *_Nullable entry = key_find(fs, &fresh);
    if (entry == nullptr) {
        return fresh.cipher == CIPHER_NONE ? LATTICE_INVALID : LATTICE_KEY_NEEDED;
    }
    TRY(key_wrap(fs, &fresh, &SOME(entry)->master, secret));
    uint32_t count = 0;
    for (uint64_t at = 0; record_next(fs, &at, &record) == LATTICE_OK;) {
        count += identity_equal(&record, SOME(entry));
    }
    TRY(change_begin(fs, SPACE_ORDINARY, count + 2));
    return change_end(fs, change_all(fs, SOME(entry), &fresh));
}

#pragma clang assume_nonnull end
