/* See walk.h. */
#include "fs/ramfs/server/walk.h"
#include "lib/base/bytes.h"
#include "lib/words/words.h"

enum { LINKS_LIMIT = 40, PATH_LIMIT = 4096 };

uint64_t walk_mark(const struct ramfs *_Nonnull fs, uint32_t inode) {
    for (uint32_t i = 0; i < MARK_COUNT && fs->index.inodes[inode].marks > 0; i++) {
        if (fs->vault->marks[i].mount != 0 && fs->vault->marks[i].inode == inode) {
            return fs->vault->marks[i].mount;
        }
    }
    return 0;
}

status_t walk_from(const struct ramfs *_Nonnull fs, uint64_t cookie, struct walk *_Nonnull walk) {
    if (cookie_is_control(cookie)) {
        walk->session = 0;
        walk->start = ROOT_INODE;
        return STATUS_OK;
    }
    status_t status = session_find(fs, cookie, &walk->session);
    if (status != STATUS_OK) {
        return status;
    }
    const struct session_record *session = session_at(fs, walk->session);
    if (session->inode == 0 || session->kind == SESSION_GATE) {
        return STATUS_BAD_ARGUMENT;
    }
    walk->start = session->inode;
    walk->context = session->context;
    walk->floor = session->floor;
    walk->how = session->how;
    return STATUS_OK;
}

/* Tells what is remembered of the same walk, if it still holds. */
static bool memo_tells(const struct ramfs *_Nonnull fs, const struct walk_memo *_Nonnull memo,
                       uint32_t principal, size_t length, struct walk *_Nonnull walk) {
    if (memo->changes != fs->changes || memo->length != length || memo->start != walk->start ||
        memo->context != walk->context || memo->floor != walk->floor || memo->how != walk->how ||
        memo->flags != walk->flags || memo->goal != walk->goal || memo->principal != principal ||
        !words_equal(&memo->path[0], &fs->path[0], length)) {
        return false;
    }
    walk->outcome = FILESYSTEM_OUTCOME_DONE;
    walk->inode = memo->inode;
    walk->directory = memo->directory;
    walk->entry = memo->entry;
    walk->name_start = memo->name_start;
    walk->name_length = memo->name_length;
    walk->slash = memo->slash;
    walk->dot = memo->dot;
    return true;
}

/* Walks the path in fs->path, or remembers how that ended. Nothing is remembered while edits are
 * open, of a walk over a link (the path is another one then), and of one that failed. */
static status_t walk_or_remember(struct ramfs *_Nonnull fs, uint32_t principal, size_t length,
                                 struct walk *_Nonnull walk) {
    uint64_t place = words_hash(&fs->path[0], MIN(length, (size_t)MEMO_PATH), walk->start);
    struct walk_memo *memo = &fs->memos[place % MEMO_COUNT];
    bool can = length <= MEMO_PATH && fs->edit_count == 0;
    if (can && memo_tells(fs, memo, principal, length, walk)) {
        return STATUS_OK;
    }
    uint32_t links = walk->links;
    status_t status = walk_path(fs, walk, length);
    if (can && status == STATUS_OK && walk->outcome == FILESYSTEM_OUTCOME_DONE &&
        walk->links == links) {
        *memo = (struct walk_memo){.changes = fs->changes,
                                   .start = walk->start,
                                   .context = walk->context,
                                   .floor = walk->floor,
                                   .how = walk->how,
                                   .flags = walk->flags,
                                   .goal = walk->goal,
                                   .principal = principal,
                                   .length = (uint32_t)length,
                                   .inode = walk->inode,
                                   .directory = walk->directory,
                                   .entry = walk->entry,
                                   .name_start = walk->name_start,
                                   .name_length = walk->name_length,
                                   .slash = walk->slash,
                                   .dot = walk->dot};
        bytes_copy(&memo->path[0], &fs->path[0], length);
    }
    return status;
}

status_t walk_begin(struct ramfs *_Nonnull fs, struct rt_request *_Nonnull request,
                    const struct rt_input *_Nonnull input, uint64_t offset, uint64_t size,
                    struct walk *_Nonnull walk) {
    status_t status = walk_from(fs, request->cookie, walk);
    if (status != STATUS_OK) {
        return status;
    }
    if (size >= PATH_LIMIT) {
        return FILESYSTEM_STATUS_NAME_TOO_LONG;
    }
    struct rt_buffer to = {.size = (size_t)size, .data = &fs->path[0]};
    status = rt_input_read(request, input, offset, to);
    if (status != STATUS_OK) {
        return status;
    }
    if (words_find(&fs->path[0], (size_t)size, 0) != size) {
        return STATUS_BAD_MESSAGE;
    }
    bool real = (walk->flags & FILESYSTEM_WALK_FLAGS_REAL_IDS) != 0;
    walk->caller = caller_of(fs, request, real);
    return walk_or_remember(fs, request->page->received.principal, (size_t)size, walk);
}

/* Where the walk stands. */
struct steps {
    uint32_t current;
    uint32_t position, length;
};

static status_t redirect(struct walk *_Nonnull walk, enum filesystem_outcome outcome,
                         uint32_t start, uint32_t end) {
    walk->outcome = outcome;
    walk->rest_start = start;
    walk->rest_length = end - start;
    return STATUS_OK;
}

/* Puts a link's target before the rest of the path, which begins at `end` of the component. */
static status_t expand(struct ramfs *_Nonnull fs, struct walk *_Nonnull walk,
                       struct steps *_Nonnull steps, uint32_t link, uint32_t end,
                       bool *_Nonnull done) {
    const struct inode_record *inode = inode_at(fs, link);
    uint32_t rest = steps->length - end;
    if ((walk->flags & FILESYSTEM_WALK_FLAGS_NO_LINKS) != 0 || walk->links >= LINKS_LIMIT) {
        return FILESYSTEM_STATUS_TOO_MANY_LINKS;
    }
    walk->links++;
    if (inode->target_length + rest >= PATH_LIMIT) {
        return FILESYSTEM_STATUS_NAME_TOO_LONG;
    }
    bytes_copy(&fs->spare[0], &fs->path[end], rest);
    if (inode->target_length <= INLINE_TARGET) {
        bytes_copy(&fs->path[0], inode->target, inode->target_length);
    } else {
        handle_t memory = HANDLE_NONE;
        status_t status = inode_handle(fs, link, &memory);
        if (status == STATUS_OK) {
            status = rt_memory_copy(memory, 0, rt_address(&fs->path[0]), inode->target_length,
                                    MEMORY_TO_CALLER);
        }
        if (status != STATUS_OK) {
            return status;
        }
    }
    bytes_copy(&fs->path[inode->target_length], &fs->spare[0], rest);
    steps->position = 0;
    steps->length = inode->target_length + rest;
    if (fs->path[0] == '/') {
        *done = true;
        return redirect(walk, FILESYSTEM_OUTCOME_ROOT, 0, steps->length);
    }
    return STATUS_OK;
}

static status_t step_up(struct ramfs *_Nonnull fs, struct walk *_Nonnull walk,
                        struct steps *_Nonnull steps, uint32_t after) {
    const struct context_record *context = &fs->vault->contexts[walk->context];
    uint32_t root = walk->context == 0 ? ROOT_INODE : context->root;
    if (steps->current == walk->floor) {
        return STATUS_OK;
    }
    if (steps->current == root) {
        return walk->context == 0 ? STATUS_OK
                                  : redirect(walk, FILESYSTEM_OUTCOME_PARENT, after, steps->length);
    }
    uint32_t parent = fs->vault->inodes[steps->current].parent;
    if (parent == 0) {
        return STATUS_NOT_FOUND;
    }
    steps->current = parent;
    return STATUS_OK;
}

/* One component [start, end); `after`: behind the slashes that follow. *done: the walk is over. */
static status_t step_named(struct ramfs *_Nonnull fs, struct walk *_Nonnull walk,
                           struct steps *_Nonnull steps, uint32_t start, uint32_t end,
                           uint32_t after, bool *_Nonnull done) {
    bool last = after == steps->length;
    bool slash = last && end < steps->length;
    struct rt_bytes name = {.size = end - start, .data = &fs->path[start]};
    uint32_t entry = entry_find(fs, steps->current, name);
    uint32_t child = entry == UINT32_MAX ? 0 : fs->vault->entries[entry].inode;
    if (child == 0 && !last) {
        return STATUS_NOT_FOUND;
    }
    if (child != 0 && kind_of(inode_at(fs, child)) == MODE_LINK &&
        (!last || walk->goal == WALK_FOLLOW || (slash && walk->goal == WALK_STAY))) {
        return expand(fs, walk, steps, child, end, done);
    }
    uint64_t mark = child == 0 || (last && walk->goal == WALK_PARENT) ? 0 : walk_mark(fs, child);
    if (mark != 0) {
        *done = true;
        walk->object = mark;
        return redirect(walk, FILESYSTEM_OUTCOME_MOUNT, after, steps->length);
    }
    if (!last) {
        steps->current = child;
        steps->position = after;
        return STATUS_OK;
    }
    *done = true;
    walk->directory = steps->current;
    walk->entry = entry;
    walk->inode = child;
    walk->name_start = start;
    walk->name_length = end - start;
    walk->slash = slash;
    bool wants = slash || (walk->flags & FILESYSTEM_WALK_FLAGS_DIRECTORY) != 0;
    if (child != 0 && wants && !is_directory(inode_at(fs, child))) {
        return FILESYSTEM_STATUS_NOT_DIRECTORY;
    }
    return STATUS_OK;
}

static bool is_dots(const struct ramfs *_Nonnull fs, uint32_t start, uint32_t length) {
    return fs->path[start] == '.' && (length == 1 || (length == 2 && fs->path[start + 1] == '.'));
}

static status_t step(struct ramfs *_Nonnull fs, struct walk *_Nonnull walk,
                     struct steps *_Nonnull steps, bool *_Nonnull done) {
    uint32_t start = steps->position;
    uint32_t end = start + (uint32_t)words_find(&fs->path[start], steps->length - start, '/');
    uint32_t after = end;
    while (after < steps->length && fs->path[after] == '/') {
        after++;
    }
    const struct inode_record *current = inode_at(fs, steps->current);
    if (!is_directory(current)) {
        return FILESYSTEM_STATUS_NOT_DIRECTORY;
    }
    status_t status = access_check(&walk->caller, current, MAY_RUN);
    if (status != STATUS_OK) {
        return status;
    }
    if (end - start > NAME_LIMIT) {
        return FILESYSTEM_STATUS_NAME_TOO_LONG;
    }
    if (!is_dots(fs, start, end - start)) {
        return step_named(fs, walk, steps, start, end, after, done);
    }
    if (end - start == 2) {
        status = step_up(fs, walk, steps, after);
        *done = status == STATUS_OK && walk->outcome != FILESYSTEM_OUTCOME_DONE;
    }
    walk->dot = true;
    walk->up = end - start == 2;
    steps->position = after;
    return status;
}

status_t walk_path(struct ramfs *_Nonnull fs, struct walk *_Nonnull walk, size_t length) {
    struct steps steps = {.current = walk->start, .length = (uint32_t)length};
    walk->outcome = FILESYSTEM_OUTCOME_DONE;
    walk->entry = UINT32_MAX;
    for (;;) {
        while (steps.position < steps.length && fs->path[steps.position] == '/') {
            steps.position++; /* leading ones: of the client's path or of a relative link */
        }
        if (steps.position == steps.length) {
            walk->inode = steps.current;
            bool wants = (walk->flags & FILESYSTEM_WALK_FLAGS_DIRECTORY) != 0;
            return wants && !is_directory(inode_at(fs, steps.current))
                       ? FILESYSTEM_STATUS_NOT_DIRECTORY
                       : STATUS_OK;
        }
        bool done = false;
        walk->dot = walk->up = false;
        status_t status = step(fs, walk, &steps, &done);
        if (status != STATUS_OK || done) {
            return status;
        }
    }
}

status_t walk_tell(struct ramfs *_Nonnull fs, struct rt_request *_Nonnull request,
                   const struct walk *_Nonnull walk, const struct rt_output *_Nonnull text,
                   struct filesystem_walk *_Nonnull ended, uint64_t *_Nonnull out_size) {
    *ended = (struct filesystem_walk){
        .outcome = walk->outcome, .links = walk->links, .object = walk->object};
    *out_size = 0;
    if (walk->outcome == FILESYSTEM_OUTCOME_DONE || walk->rest_length == 0) {
        return STATUS_OK;
    }
    *out_size = walk->rest_length;
    return rt_output_write(
        request, text, 0,
        (struct rt_bytes){.size = walk->rest_length, .data = &fs->path[walk->rest_start]});
}
