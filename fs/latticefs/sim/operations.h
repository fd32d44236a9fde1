#pragma once
/* The operations that a seed chooses from, each done to the file system and to the model, and what
 * they have in common. */
#include "fs/latticefs/core/snapshot.h"
#include "world.h"

#pragma clang assume_nonnull begin

struct outcome {
    lattice_status_t status; /* of the file system */
    bool resource;           /* it had no memory or space: nothing must have happened */
    bool fatal;              /* it is of no use any more: crash */
};

struct label {
    char text[24];
};

/* A name that no dataset had before. */
struct view label_next(struct world *world, struct label *label);
/* What a status means for the world. */
struct outcome judge(struct world *world, lattice_status_t status);
/* Compares with what the model said; the model has made the change. */
void settle(struct world *world, struct outcome outcome, lattice_status_t expected);
/* Everything dirty goes to the tree, so that a snapshot means what the user sees. */
bool settle_granules(struct world *world);
/* A change of the pool commits on its own: its result is made in the model first, as a state that a
 * crash may show. Returns whether it happened; else the caller takes it back. */
bool settle_change(struct world *world, lattice_status_t status);
/* After a change that did not happen: the states end with what really is. */
void unsettle(struct world *world);
void crash_if_fatal(struct world *world);

void do_create_head(struct world *world);
void do_change_key(struct world *world);
void do_lock(struct world *world);
void do_send(struct world *world);
void do_send_changes(struct world *world);
/* Whether somebody holds a file open that a rollback would pull away. */
bool has_open_objects(const struct model *model);
void do_properties(struct world *world);
void do_fill(struct world *world);
void do_reservation_trap(struct world *world);
void ensure_writable(struct world *world);
/* No head is over its quota by more than what one operation adds to nodes. */
void verify_quotas(const struct world *world);
/* A write was not refused for want of space that the head in hand has reserved. */
void verify_reservation(const struct world *world, lattice_status_t status);
/* Whether the head in hand is about as large as its quota. */
bool verify_quota_is_why(const struct world *world);
void do_attach(struct world *world);
void do_add(struct world *world);
void do_grow(struct world *world);
void do_detach(struct world *world);
void do_replace(struct world *world);
void do_swap(struct world *world);
void do_trim(struct world *world);
void do_loud_trap(struct world *world);
void verify_trimmed(const struct world *world, uint32_t index);
void do_fault(struct world *world);
void do_resilver(struct world *world);
void do_snapshot(struct world *world);
void do_destroy_snapshot(struct world *world);
void do_clone(struct world *world);
void do_switch(struct world *world);
void do_rollback(struct world *world);
void do_destroy_head(struct world *world);
void do_reclaim(struct world *world);

#pragma clang assume_nonnull end
