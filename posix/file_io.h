#pragma once
/* Reading and writing whatever a descriptor names. */
#include "posix/state.h"

#define POSITION_CURRENT UINT64_MAX
/* Linux moves no more than this in one call. */
#define TRANSFER_MAX 0x7ffff000ull

/* Bytes, 0 at the end, or a negative errno. */
int64_t file_read(struct posix_thread *_Nonnull self, const struct fd_entry *_Nonnull entry,
                  uint64_t address, uint64_t length, uint64_t offset);
/* The same of what is no file: bytes come with the answer, or by lease, and then the server keeps
 * them until they have arrived; so the place for the first ones is tried before. `how`: enum
 * stream_how. */
int64_t file_receive(const struct fd_entry *_Nonnull entry, uint64_t address, uint64_t length,
                     uint64_t offset, uint32_t how);
/* Writing to what is no file; `how`: enum stream_how; `signals`: SIGPIPE where nobody reads. */
int64_t file_send(struct posix_thread *_Nonnull self, const struct fd_entry *_Nonnull entry,
                  uint64_t address, uint64_t length, uint32_t how, bool signals);
/* RLIMIT_FSIZE: -EFBIG, with SIGXFSZ, where a file may not become as long. */
int64_t file_size_check(struct posix_thread *_Nonnull self, uint64_t size);
int64_t file_write(struct posix_thread *_Nonnull self, const struct fd_entry *_Nonnull entry,
                   uint64_t address, uint64_t length, uint64_t offset);
