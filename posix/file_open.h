#pragma once
/* Opening files: for open(2), and for exec, which wants a session and no descriptor. */
#include "posix/path.h"

/* Linux's open flags as the protocol's; -EINVAL where they contradict each other. */
int64_t open_flags_of(uint64_t flags, uint32_t *_Nonnull out_how, uint32_t *_Nonnull out_walk);
/* Opens what `place` names; ends the place. */
int64_t file_open(struct posix_thread *_Nonnull self, struct place *_Nonnull place, uint32_t how,
                  uint32_t walk_flags, uint32_t mode, handle_t *_Nonnull out_file,
                  uint32_t *_Nonnull out_facts, struct stream_stat *_Nonnull out_info);
/* A descriptor's entry for a session of that kind, asking its server for what cannot be known. */
struct fd_entry file_entry(handle_t session, uint32_t facts,
                           const struct stream_stat *_Nonnull info, uint64_t flags);
