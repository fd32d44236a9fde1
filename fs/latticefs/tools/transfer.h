#pragma once
/* Copying folders and tar archives into and out of a dataset without mounting it, with extended
 * attributes, and with all names of a file as links to one. Not copied: access control lists. */
#include "command.h"
#include "fs/latticefs/core/granule.h"
#include "links.h"

#pragma clang assume_nonnull begin

enum { COPY_SIZE = 1 << 20 };
struct copy_buffer {
    uint8_t data[COPY_SIZE];
};

struct transfer_job {
    struct call *call;
    struct granule_cache *cache;
    struct dataset *dataset;
    uint64_t failures;
    uint64_t objects; /* copied so far, for progress */
    struct copy_buffer *_Nullable buffer;
    struct link_table links; /* files that have more names than one */
};

/* An extended attribute; its value is at the start of the job's buffer. */
struct extended {
    char name[NAME_MAX_BYTES + 1];
    size_t size;
};

/* All print what fails, go on, and return the number of failures. `path` "-" of an archive is
 * standard input or output. */
uint64_t transfer_import(struct transfer_job *job, const char *from);
uint64_t transfer_export(struct transfer_job *job, const char *to);
uint64_t tar_import(struct transfer_job *job, const char *path);
uint64_t tar_export(struct transfer_job *job, const char *path);

/* Counts and prints a failure. */
void transfer_complain(struct transfer_job *job, const char *path, const char *what);
/* Counts an object, shows progress, and commits where much is waiting. */
lattice_status_t transfer_step(struct transfer_job *job);
/* Takes over mode, owner and time of an object that was just made. */
lattice_status_t transfer_attributes(struct transfer_job *job, uint64_t object, uint32_t mode,
                                     uint32_t user, uint32_t group, int64_t write_time);

/* Extended attributes between an entry of a folder and an object; what fails is complained of. */
void extended_import(struct transfer_job *job, uint64_t object, int folder, const char *name);
void extended_export(struct transfer_job *job, uint64_t object, int folder, const char *name);
/* Sets one on an object. */
void extended_take(struct transfer_job *job, uint64_t object, const char *path, struct view name,
                   struct view value);
/* The one after *cookie; false at the end. */
bool extended_next(struct transfer_job *job, uint64_t object, uint64_t *cookie,
                   struct extended *out, const char *path);

#pragma clang assume_nonnull end
