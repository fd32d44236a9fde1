#pragma once
/* Kept replies, for the server loop; see struct rt_kept. */
#include "lib/rt/server.h"

/* Fills the reply from the table where this very call was answered before. */
bool rt_kept_find(struct rt_server *_Nonnull server, const struct rt_request *_Nonnull request);
/* Stages the reply of a nested call that staged something. Errors: BUSY: no room; OUT_OF_RANGE: its
 * inline bytes or what is staged are too much; NOT_SUPPORTED: it carries handles. */
status_t rt_kept_stage(struct rt_server *_Nonnull server,
                       const struct rt_request *_Nonnull request);
