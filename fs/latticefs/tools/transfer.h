#pragma once
/* Copying folders and tar archives into and out of a dataset without mounting it. Not copied:
 * extended attributes, and that names are links to one file (each becomes a file of its own, but
 * for links within an archive that is imported). */
#include "command.h"
#include "fs/latticefs/core/granule.h"

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

#pragma clang assume_nonnull end
