#pragma once
/* One seed's world: disks, file system, model, and the list of states that a crash may leave.
 *
 * Oracle: every change of the trees appends a hash to `states`; an acknowledged sync or commit
 * moves `acknowledged` up, to where it began if other operations went on meanwhile. After a crash
 * the recovered file system must hash to one of states[acknowledged…], `check` must find nothing,
 * and memory must be given back to the byte. */
#include "disk.h"
#include "fs/latticefs/core/granule.h"
#include "fs/latticefs/core/mount.h"
#include "model.h"

#pragma clang assume_nonnull begin

enum {
    WORLD_DISKS = 6,
    WORLD_STATES = 1 << 14,
    WORLD_IO_MAX = 40960,
    WORLD_HEADS = 3,
    WORLD_KEPT = 4,
    WORLD_SECRETS = 3,
    DENSE_OPERATIONS = 25
};

/* What every file of text-like content begins with. */
#define WORLD_MARKER "latticefs marker"

struct world_options {
    uint32_t operations;
    uint32_t images;       /* damaged ones to open at the end */
    uint32_t probe_one_in; /* a crash is tried on a copy after one write in so many; 0 = by seed */
    bool verbose;
};

struct io_buffer {
    union {
        uint8_t data[WORLD_IO_MAX];
        struct superblock super;
    };
};

/* A snapshot as it must stay. */
struct kept {
    uint64_t id;
    uint64_t hash;
    struct model model;
};

/* A dataset that can be written. */
struct head {
    uint64_t id; /* 0 = none */
    struct dataset *_Nullable dataset;
    struct model model;
    uint64_t quota_excess; /* what was over the quota when it was set */
    uint32_t kept_count;
    struct kept kept[WORLD_KEPT];
};

/* A record that was located, and not fetched yet. */
struct fetching {
    bool wanted;
    uint64_t head;
    uint64_t object;
    uint64_t granule;
    uint32_t size;
    uint64_t generation;
    struct record_source source;
};

struct world {
    uint64_t seed;
    struct world_options options;
    struct dice dice;      /* choices of operations */
    struct dice disk_dice; /* chance of disks and crashes */
    struct dice random;    /* the environment's random bytes */
    struct environment environment;
    int64_t clock;
    uint64_t outstanding; /* bytes allocated */
    uint32_t fail_one_in; /* allocation failures; 0 = none */
    bool power;
    uint32_t disk_count;
    struct sim_disk disks[WORLD_DISKS];
    struct make_options make;
    uint32_t secrets;        /* the newest that a key was wrapped with */
    uint32_t kdf_operations; /* 0: the secret is the key */
    bool plain;              /* a dataset is not encrypted */
    uint64_t hash_mask;
    uint32_t leaf_limit;
    uint32_t inner_limit;
    uint32_t faulty; /* the disk of a mirror that misbehaves; WORLD_DISKS = none */
    bool absent;     /* it is not there at all */
    bool steady;     /* a recovery finds all disks */
    bool tight;      /* the pool is small, and most operations fill it */
    bool loud;       /* it fails openly, and never keeps what it was not told */
    uint32_t attached;
    bool adopt;        /* a recovery takes what is there for the truth */
    uint64_t received; /* snapshots */
    uint64_t swaps;    /* a good side was lost, and the other served */
    uint64_t damaged;  /* images opened after random damage */
    struct lattice *_Nullable fs;
    struct granule_cache *_Nullable granules;
    struct head *head; /* the one that operations go to */
    struct head heads[WORLD_HEADS];
    uint64_t names; /* of datasets and snapshots given so far */
    uint32_t state_count;
    uint32_t acknowledged;
    uint32_t before;        /* the state in which the operation in hand began */
    uint32_t flight_state;  /* the state that the flight began with */
    bool marked;            /* a moment was chosen … */
    uint32_t mark_state;    /* … and this was its state */
    uint64_t mark_changes;  /* … and so many changes were behind */
    uint64_t flight_number; /* of the flight that an operation left */
    uint64_t states[WORLD_STATES];
    uint32_t operation; /* number of the operation in hand */
    const char *doing;
    uint32_t probe_one_in;
    uint32_t dense; /* operations at the start during which a crash is tried after every write */
    bool probing;   /* inside a trial on a copy */
    bool no_probe;  /* the operation in hand passes through states that the model does not name */
    uint64_t probes;
    uint64_t crashes;
    uint64_t refused; /* operations that ended for want of memory or space */
    uint64_t commits_seen;
    struct fetching fetching;
    struct view storing; /* a whole granule that goes to the tree at once */
    uint64_t storing_granule;
    const struct log_vault *_Nullable vault; /* what a recovery has of the one before */
    uint64_t restarts;                       /* of the program alone */
    struct io_buffer io;
    struct io_buffer io2;
};

/* Prints what is wrong and how to run this seed again, and ends the process with 1. */
[[noreturn]] void world_fail(const struct world *world, const char *what, uint64_t first,
                             uint64_t second);
void world_create(struct world *world, uint64_t seed, const struct world_options *options);
void world_destroy(struct world *world);

/* Opens the pool from the disks; false if memory or disks refused, and the caller tries again. */
bool world_open(struct world *world);
void world_close(struct world *world);
/* Cuts the power, and recovers. */
void world_crash(struct world *world);
/* The program fails, and not the disks: it comes back with what its log had in memory. */
void world_restart(struct world *world);
void world_operate(struct world *world);

void world_state_add(struct world *world);
/* Everything up to now was acknowledged as durable. */
void world_acknowledge(struct world *world);

/* Hash of what a dataset holds, by its own interface. */
uint64_t verify_hash(struct world *world, struct lattice *fs, struct dataset *dataset,
                     struct model *_Nullable reload, uint64_t *out_objects);
/* Returns the number of objects. */
uint64_t verify_check(struct world *world, struct lattice *fs);
/* With `reload`, the world's heads and models are made anew from what is there. */
void verify_recovered(struct world *world, struct lattice *fs, bool reload);
uint64_t world_hash(const struct world *world);
struct head *_Nullable world_head(struct world *world, uint64_t id);
void head_release(struct head *head);
void kept_remove(struct head *head, uint32_t index);
/* What a user sees equals the model. */
void verify_seen(struct world *world);
/* The knobs that make collisions and deep trees common. */
void world_tune(const struct world *world, struct lattice *fs);
/* A crash right now, on copies of the disks. */
void verify_probe(struct world *world);

/* Random damage to copies of the disks, checksums ignored: anything may be found, nothing may
 * crash. */
void verify_damaged(struct world *world);

/* Looks at a pool that was opened for a rescue after so many bits had flipped. */
void verify_rescue(struct world *world, struct lattice *fs, uint32_t flips);

struct device_list world_devices(struct world *world);

/* ---- encryption ---- */

enum cipher world_cipher(struct world *world);
/* The newest secret, its text in `text`. */
struct key_secret world_secret(const struct world *world, struct bytes text);
/* Loads all keys. */
lattice_status_t world_unlock(struct world *world, struct lattice *fs);
/* No nonce twice; in a world without plain datasets nothing that users wrote can be read. */
void verify_secrecy(struct world *world);
/* The model of an empty dataset. */
void world_root(struct model *model);
/* Gives up streams that a crash has cut. */
void receive_leftovers(struct world *world);
/* A new disk shares power and observer of the others. */
void world_disk_watch(struct world *world, struct sim_disk *disk);
/* Opens, however often memory is refused. */
lattice_status_t world_dataset_open(struct world *world, uint64_t id,
                                    struct dataset *_Nullable *_Nonnull out);

#pragma clang assume_nonnull end
