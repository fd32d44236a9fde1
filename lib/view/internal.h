#pragma once
/* What the parts of the view share. */
#include "lib/view/view.h"

enum view_goal : uint32_t {
    WALK_FOLLOW, /* the last component is followed if it is a link */
    WALK_STAY    /* it is not, unless a slash follows it */
};

struct view_walk {
    /* In. */
    uint32_t flags; /* FILESYSTEM_WALK_FLAGS */
    enum view_goal goal;
    uint32_t links;
    /* From the session. */
    struct caller caller;
    struct view_session from;
    /* Out. */
    enum filesystem_outcome outcome;
    uint64_t node;                    /* 0: the last name names nothing */
    uint32_t mode, uid, gid;          /* of the node */
    uint32_t rest_start, rest_length; /* of a redirect, in view->path */
    bool named;                       /* the path had a last name */
};

/* Copies the path and walks it from the call's session. Errors: those of open(2). */
status_t view_walk_begin(struct view *_Nonnull view, struct rt_request *_Nonnull request,
                         const struct rt_input *_Nonnull input, uint64_t offset, uint64_t size,
                         struct view_walk *_Nonnull walk);
bool view_leads_to_object(struct view *_Nonnull view, struct rt_request *_Nonnull request,
                          uint64_t link);
/* Tells the client how the walk ended: of a redirect, its rest too. */
status_t view_walk_tell(struct view *_Nonnull view, struct rt_request *_Nonnull request,
                        const struct view_walk *_Nonnull walk,
                        const struct rt_output *_Nonnull text, struct filesystem_walk *_Nonnull out,
                        uint64_t *_Nonnull out_size);

/* Makes a session, which counts in its context. Owns: *out is the caller's. */
status_t view_mint(struct view *_Nonnull view, const struct view_session *_Nonnull session,
                   handle_t *_Nonnull out);
/* A free context, filled as `record` says and staged; its sessions are still to be made. Errors:
 * OUT_OF_QUOTA. */
status_t view_context_make(struct view *_Nonnull view, struct view_context record,
                           uint32_t *_Nonnull out);
uint32_t view_mount_flags(const struct view *_Nonnull view, uint32_t context);
