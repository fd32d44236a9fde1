/* Walking a path: links, `.`, `..`, floors, permissions. The path lies in view->path. */
#include "lib/base/bytes.h"
#include "lib/view/internal.h"

enum { LINKS_LIMIT = 40 };

/* Where the walk stands. */
struct steps {
    uint64_t current;
    uint32_t position, length;
};
/* One component: [start, end), and `after` behind the slashes that follow. */
struct component {
    uint32_t start, end, after;
    bool last, slash;
};

status_t view_about(struct view *_Nonnull view, struct rt_request *_Nonnull request, uint64_t node,
                    uint32_t context, struct stream_stat *_Nonnull out) {
    *out = (struct stream_stat){.links = 1, .inode = node};
    TRY(view->operations->about(view, request, node, out));
    out->device = view->operations->device;
    out->mount = view->vault->contexts[context].mount;
    out->block_size = 1024;
    return STATUS_OK;
}

static status_t redirect(struct view_walk *_Nonnull walk, enum filesystem_outcome outcome,
                         uint32_t start, uint32_t end) {
    walk->outcome = outcome;
    walk->rest_start = start;
    walk->rest_length = end - start;
    return STATUS_OK;
}

bool view_leads_to_object(struct view *_Nonnull view, struct rt_request *_Nonnull request,
                          uint64_t link) {
    return view->operations->leads_to_object != nullptr &&
           SOME(view->operations->leads_to_object)(view, request, link);
}

/* Puts a link's target before the rest of the path. */
static status_t follow(struct view *_Nonnull view, struct rt_request *_Nonnull request,
                       struct view_walk *_Nonnull walk, struct steps *_Nonnull steps, uint64_t link,
                       const struct component *_Nonnull part, bool *_Nonnull done) {
    size_t size = 0;
    uint32_t rest = steps->length - part->end;
    REFUSE((walk->flags & FILESYSTEM_WALK_FLAGS_NO_LINKS) != 0 || walk->links >= LINKS_LIMIT,
           FILESYSTEM_STATUS_TOO_MANY_LINKS);
    walk->links++;
    if (view_leads_to_object(view, request, link)) {
        *done = true;
        walk->node = link;
        return redirect(walk, FILESYSTEM_OUTCOME_OBJECT, part->after, steps->length);
    }
    TRY(view->operations->target(view, request, link, &size));
    REFUSE(size == 0 || size > VIEW_PATH, STATUS_NOT_FOUND);
    REFUSE(size + rest >= VIEW_PATH, FILESYSTEM_STATUS_NAME_TOO_LONG);
    bytes_copy(&view->spare[0], &view->path[part->end], rest);
    bytes_copy(&view->path[0], &view->target[0], size);
    bytes_copy(&view->path[size], &view->spare[0], rest);
    steps->position = 0;
    steps->length = (uint32_t)size + rest;
    if (view->path[0] == '/') {
        *done = true;
        return redirect(walk, FILESYSTEM_OUTCOME_ROOT, 0, steps->length);
    }
    return STATUS_OK;
}

static status_t step_up(struct view *_Nonnull view, struct view_walk *_Nonnull walk,
                        struct steps *_Nonnull steps, const struct component *_Nonnull part,
                        bool *_Nonnull done) {
    const struct view_context *context = &view->vault->contexts[walk->from.context];
    uint64_t root = walk->from.context == 0 ? VIEW_ROOT : context->root;
    struct view_entry above = {};
    if (steps->current == root) {
        if (walk->from.context == 0 || context->floor != 0) {
            return STATUS_OK;
        }
        *done = true;
        return redirect(walk, FILESYSTEM_OUTCOME_PARENT, part->after, steps->length);
    }
    TRY(view->operations->parent(view, steps->current, &above));
    steps->current = above.node;
    return STATUS_OK;
}

static void ends_at(struct view_walk *_Nonnull walk, uint64_t node,
                    const struct stream_stat *_Nonnull info) {
    walk->node = node;
    walk->mode = info->mode;
    walk->uid = info->uid;
    walk->gid = info->gid;
}

static status_t step_named(struct view *_Nonnull view, struct rt_request *_Nonnull request,
                           struct view_walk *_Nonnull walk, struct steps *_Nonnull steps,
                           const struct component *_Nonnull part, bool *_Nonnull done) {
    struct rt_bytes name = {.size = part->end - part->start, .data = &view->path[part->start]};
    struct stream_stat info = {};
    uint64_t child = 0;
    status_t status = view->operations->find(view, request, steps->current, name, &child);
    if (status == STATUS_OK) {
        status = view_about(view, request, child, 0, &info);
    }
    walk->named = part->last;
    if (status == STATUS_NOT_FOUND && part->last) {
        *done = true;
        walk->node = 0;
        return STATUS_OK;
    }
    TRY(status);
    bool link = (info.mode & VIEW_KIND) == VIEW_LINK;
    if (link && (!part->last || part->slash || walk->goal == WALK_FOLLOW)) {
        return follow(view, request, walk, steps, child, part, done);
    }
    if (!part->last) {
        steps->current = child;
        steps->position = part->after;
        return STATUS_OK;
    }
    *done = true;
    ends_at(walk, child, &info);
    bool wants = part->slash || (walk->flags & FILESYSTEM_WALK_FLAGS_DIRECTORY) != 0;
    return wants && (info.mode & VIEW_KIND) != VIEW_DIRECTORY ? FILESYSTEM_STATUS_NOT_DIRECTORY
                                                              : STATUS_OK;
}

static struct component component_at(const struct view *_Nonnull view,
                                     const struct steps *_Nonnull steps) {
    struct component part = {.start = steps->position, .end = steps->position};
    while (part.end < steps->length && view->path[part.end] != '/') {
        part.end++;
    }
    part.after = part.end;
    while (part.after < steps->length && view->path[part.after] == '/') {
        part.after++;
    }
    part.last = part.after == steps->length;
    part.slash = part.last && part.end < steps->length;
    return part;
}

static status_t step(struct view *_Nonnull view, struct rt_request *_Nonnull request,
                     struct view_walk *_Nonnull walk, struct steps *_Nonnull steps,
                     bool *_Nonnull done) {
    struct component part = component_at(view, steps);
    struct stream_stat info = {};
    TRY(view_about(view, request, steps->current, 0, &info));
    REFUSE((info.mode & VIEW_KIND) != VIEW_DIRECTORY, FILESYSTEM_STATUS_NOT_DIRECTORY);
    struct access_file file = {.mode = info.mode, .uid = info.uid, .gid = info.gid};
    REFUSE(!access_allowed(&walk->caller, file, MAY_RUN), FILESYSTEM_STATUS_NO_ACCESS);
    REFUSE(part.end - part.start > VIEW_NAME, FILESYSTEM_STATUS_NAME_TOO_LONG);
    uint32_t length = part.end - part.start;
    bool dot = view->path[part.start] == '.' && length == 1;
    bool dots = view->path[part.start] == '.' && length == 2 && view->path[part.start + 1] == '.';
    if (!dot && !dots) {
        return step_named(view, request, walk, steps, &part, done);
    }
    status_t status = dots ? step_up(view, walk, steps, &part, done) : STATUS_OK;
    steps->position = part.after;
    return status;
}

static status_t walk_path(struct view *_Nonnull view, struct rt_request *_Nonnull request,
                          struct view_walk *_Nonnull walk, size_t length) {
    struct steps steps = {.current = walk->from.node, .length = (uint32_t)length};
    for (;;) {
        while (steps.position < steps.length && view->path[steps.position] == '/') {
            steps.position++;
        }
        if (steps.position == steps.length) {
            struct stream_stat info = {};
            bool wants = (walk->flags & FILESYSTEM_WALK_FLAGS_DIRECTORY) != 0;
            TRY(view_about(view, request, steps.current, 0, &info));
            ends_at(walk, steps.current, &info);
            return wants && (info.mode & VIEW_KIND) != VIEW_DIRECTORY
                       ? FILESYSTEM_STATUS_NOT_DIRECTORY
                       : STATUS_OK;
        }
        bool done = false;
        status_t status = step(view, request, walk, &steps, &done);
        if (status != STATUS_OK || done) {
            return status;
        }
    }
}

status_t view_walk_begin(struct view *_Nonnull view, struct rt_request *_Nonnull request,
                         const struct rt_input *_Nonnull input, uint64_t offset, uint64_t size,
                         struct view_walk *_Nonnull walk) {
    TRY(view_session_of(request->cookie, &walk->from));
    REFUSE(walk->from.kind == VIEW_SESSION_GATE, STATUS_BAD_ARGUMENT);
    REFUSE(size >= VIEW_PATH, FILESYSTEM_STATUS_NAME_TOO_LONG);
    struct rt_buffer to = {.size = (size_t)size, .data = &view->path[0]};
    TRY(rt_input_read(request, input, offset, to));
    for (size_t i = 0; i < size; i++) {
        REFUSE(view->path[i] == 0, STATUS_BAD_MESSAGE);
    }
    bool real = (walk->flags & FILESYSTEM_WALK_FLAGS_REAL_IDS) != 0;
    walk->caller = access_caller(&view->principals, request, real);
    return walk_path(view, request, walk, (size_t)size);
}

status_t view_walk_tell(struct view *_Nonnull view, struct rt_request *_Nonnull request,
                        const struct view_walk *_Nonnull walk,
                        const struct rt_output *_Nonnull text, struct filesystem_walk *_Nonnull out,
                        uint64_t *_Nonnull out_size) {
    *out = (struct filesystem_walk){.outcome = walk->outcome,
                                    .links = walk->links,
                                    .object = view->vault->contexts[walk->from.context].mount};
    *out_size = 0;
    if (walk->outcome == FILESYSTEM_OUTCOME_DONE || walk->rest_length == 0) {
        return STATUS_OK;
    }
    *out_size = walk->rest_length;
    return rt_output_write(
        request, text, 0,
        (struct rt_bytes){.size = walk->rest_length, .data = &view->path[walk->rest_start]});
}
