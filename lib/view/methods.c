/* The methods of protocol filesystem, for trees that nobody can add to. */
#include "lib/base/bytes.h"
#include "lib/view/internal.h"

#define HANDLER(name)                                                                              \
    static status_t serve_##name(void *_Nonnull server, struct rt_request *_Nonnull request,       \
                                 const struct filesystem_##name##_in *_Nonnull in,                 \
                                 struct filesystem_##name##_out *_Nonnull out)

static status_t allowed(const struct view_walk *_Nonnull walk, uint32_t wanted) {
    struct access_file file = {.mode = walk->mode, .uid = walk->uid, .gid = walk->gid};
    return access_allowed(&walk->caller, file, wanted) ? STATUS_OK : FILESYSTEM_STATUS_NO_ACCESS;
}

/* ---- looking ---- */

HANDLER(stat) {
    struct view *view = server;
    bool stays = (in->walk & FILESYSTEM_WALK_FLAGS_NO_FOLLOW) != 0;
    struct view_walk walk = {
        .flags = in->walk, .links = in->links, .goal = stays ? WALK_STAY : WALK_FOLLOW};
    TRY(view_walk_begin(view, request, &in->path, 0, in->path.size, &walk));
    if (walk.outcome == FILESYSTEM_OUTCOME_DONE) {
        REFUSE(walk.node == 0, STATUS_NOT_FOUND);
        TRY(view_about(view, request, walk.node, walk.from.context, &out->info));
    }
    return view_walk_tell(view, request, &walk, &in->text, &out->ended, &out->text_size);
}

HANDLER(access) {
    struct view *view = server;
    bool stays = (in->walk & FILESYSTEM_WALK_FLAGS_NO_FOLLOW) != 0;
    struct view_walk walk = {
        .flags = in->walk, .links = in->links, .goal = stays ? WALK_STAY : WALK_FOLLOW};
    REFUSE((in->wanted & ~7u) != 0, STATUS_BAD_ARGUMENT);
    TRY(view_walk_begin(view, request, &in->path, 0, in->path.size, &walk));
    if (walk.outcome == FILESYSTEM_OUTCOME_DONE) {
        REFUSE(walk.node == 0, STATUS_NOT_FOUND);
        TRY(allowed(&walk, in->wanted));
    }
    return view_walk_tell(view, request, &walk, &in->text, &out->ended, &out->text_size);
}

HANDLER(read_link) {
    struct view *view = server;
    struct view_walk walk = {.links = in->links, .goal = WALK_STAY};
    size_t size = 0;
    TRY(view_walk_begin(view, request, &in->path, 0, in->path.size, &walk));
    if (walk.outcome != FILESYSTEM_OUTCOME_DONE) {
        return view_walk_tell(view, request, &walk, &in->text, &out->ended, &out->text_size);
    }
    REFUSE(walk.node == 0, STATUS_NOT_FOUND);
    REFUSE((walk.mode & VIEW_KIND) != VIEW_LINK, STATUS_BAD_ARGUMENT);
    if (view_leads_to_object(view, request, walk.node)) {
        walk.outcome = FILESYSTEM_OUTCOME_OBJECT; /* the client asks the object for its name */
        return view_walk_tell(view, request, &walk, &in->text, &out->ended, &out->text_size);
    }
    TRY(view->operations->target(view, request, walk.node, &size));
    out->ended = (struct filesystem_walk){.outcome = FILESYSTEM_OUTCOME_DONE, .links = walk.links};
    out->text_size = MIN((uint64_t)size, in->text.size);
    struct rt_bytes text = {.size = (size_t)out->text_size, .data = &view->target[0]};
    return rt_output_write(request, &in->text, 0, text);
}

HANDLER(space) {
    struct view *view = server;
    struct view_walk walk = {.flags = in->walk, .links = in->links, .goal = WALK_FOLLOW};
    TRY(view_walk_begin(view, request, &in->path, 0, in->path.size, &walk));
    if (walk.outcome == FILESYSTEM_OUTCOME_DONE) {
        REFUSE(walk.node == 0, STATUS_NOT_FOUND);
        out->info = (struct filesystem_space){
            .type = view->operations->space_type,
            .block_size = 4096,
            .id = view->operations->device,
            .name_max = VIEW_NAME,
            .mount_flags = view_mount_flags(view, walk.from.context),
        };
    }
    return view_walk_tell(view, request, &walk, &in->text, &out->ended, &out->text_size);
}

status_t view_stat(void *_Nonnull server, struct rt_request *_Nonnull request,
                   struct stream_stat_out *_Nonnull out) {
    struct view_session session = {};
    TRY(view_session_of(request->cookie, &session));
    return view_about(server, request, session.node, session.context, &out->info);
}

status_t view_facts(void *_Nonnull server, struct rt_request *_Nonnull request,
                    struct stream_facts_out *_Nonnull out) {
    struct view_session session = {};
    struct stream_stat info = {};
    TRY(view_session_of(request->cookie, &session));
    TRY(view_about(server, request, session.node, session.context, &info));
    bool device = (info.mode & VIEW_KIND) == VIEW_CHARACTER;
    out->kind = (enum stream_kind)(info.mode >> 12 & 15);
    out->speaks = STREAM_PROTOCOLS_FILESYSTEM;
    out->facts = device ? STREAM_FACTS_FLAGS_REWOUND : STREAM_FACTS_FLAGS_SEEKABLE;
    out->facts |= session.reads ? STREAM_FACTS_FLAGS_READABLE : 0;
    out->facts |= session.writes ? STREAM_FACTS_FLAGS_WRITABLE : 0;
    return STATUS_OK;
}

/* ---- opening ---- */

enum {
    OPEN_CREATE = FILESYSTEM_OPEN_FLAGS_CREATE,
    OPEN_EXCLUSIVE = FILESYSTEM_OPEN_FLAGS_EXCLUSIVE,
    OPEN_READ = FILESYSTEM_OPEN_FLAGS_READ,
    OPEN_WRITE = FILESYSTEM_OPEN_FLAGS_WRITE,
    OPEN_PATH = FILESYSTEM_OPEN_FLAGS_PATH
};

/* May what the walk found be opened so? */
static status_t check_open(const struct view *_Nonnull view, const struct view_walk *_Nonnull walk,
                           uint32_t how) {
    uint32_t kind = walk->mode & VIEW_KIND;
    bool writes = (how & (OPEN_WRITE | FILESYSTEM_OPEN_FLAGS_TRUNCATE)) != 0;
    uint32_t wanted = ((how & OPEN_READ) != 0 ? MAY_READ : 0) | (writes ? MAY_WRITE : 0);
    REFUSE(walk->node == 0,
           (how & OPEN_CREATE) != 0 ? view->operations->refuses_names : STATUS_NOT_FOUND);
    REFUSE((how & FILESYSTEM_OPEN_FLAGS_UNNAMED) != 0, STATUS_NOT_SUPPORTED);
    if ((how & OPEN_PATH) != 0) {
        return STATUS_OK;
    }
    REFUSE((how & OPEN_CREATE) != 0 && (how & OPEN_EXCLUSIVE) != 0, STATUS_EXISTS);
    REFUSE(kind == VIEW_LINK, FILESYSTEM_STATUS_TOO_MANY_LINKS);
    REFUSE(kind == VIEW_DIRECTORY && (writes || (how & OPEN_CREATE) != 0),
           FILESYSTEM_STATUS_IS_DIRECTORY);
    uint32_t flags = view_mount_flags(view, walk->from.context);
    REFUSE(kind == VIEW_CHARACTER && (flags & FILESYSTEM_MOUNT_FLAGS_NO_DEVICES) != 0,
           FILESYSTEM_STATUS_NO_ACCESS);
    REFUSE((how & FILESYSTEM_OPEN_FLAGS_EXECUTE) != 0, FILESYSTEM_STATUS_NO_ACCESS);
    TRY(allowed(walk, wanted));
    return kind == VIEW_FILE && writes && (flags & FILESYSTEM_MOUNT_FLAGS_READ_ONLY) != 0
               ? FILESYSTEM_STATUS_READ_ONLY
               : STATUS_OK;
}

HANDLER(open) {
    struct view *view = server;
    bool exclusive = (in->how & OPEN_CREATE) != 0 && (in->how & OPEN_EXCLUSIVE) != 0;
    bool stays = exclusive || (in->walk & FILESYSTEM_WALK_FLAGS_NO_FOLLOW) != 0;
    struct view_walk walk = {
        .flags = in->walk, .links = in->links, .goal = stays ? WALK_STAY : WALK_FOLLOW};
    TRY(view_walk_begin(view, request, &in->path, 0, in->path.size, &walk));
    if (walk.outcome != FILESYSTEM_OUTCOME_DONE) {
        return view_walk_tell(view, request, &walk, &in->text, &out->ended, &out->text_size);
    }
    TRY(check_open(view, &walk, in->how));
    bool path = (in->how & OPEN_PATH) != 0;
    TRY(view_about(view, request, walk.node, walk.from.context, &out->info));
    if (!path && view->operations->open != nullptr) {
        TRY(SOME(view->operations->open)(view, request, walk.node, in->how, &out->file));
    }
    if (out->file == HANDLE_NONE) {
        struct view_session session = {.kind = path ? VIEW_SESSION_PATH : VIEW_SESSION_FILE,
                                       .node = walk.node,
                                       .context = walk.from.context,
                                       .reads = !path && (in->how & OPEN_READ) != 0,
                                       .writes = !path && (in->how & OPEN_WRITE) != 0};
        TRY(view_mint(view, &session, &out->file));
        out->facts = STREAM_FACTS_FLAGS_SEEKABLE;
    }
    return view_walk_tell(view, request, &walk, &in->text, &out->ended, &out->text_size);
}

HANDLER(memory) {
    struct view *view = server;
    struct view_session session = {};
    TRY(view_opened(request, MAY_READ | (in->writable ? MAY_WRITE : 0u), &session));
    REFUSE(view->operations->memory == nullptr, STATUS_NOT_SUPPORTED);
    return SOME(view->operations->memory)(view, request, session.node, &out->memory);
}

/* ---- directories ---- */

struct listing {
    struct view *_Nonnull view;
    size_t length, room;
};

/* False: no room for it. */
static bool list_entry(struct listing *_Nonnull listing, const struct view_entry *_Nonnull entry,
                       uint64_t cookie) {
    struct view *view = listing->view;
    struct filesystem_entry head = {
        .inode = entry->node,
        .cookie = cookie,
        .kind = entry->mode >> 12 & 15,
        .name_size = entry->name_size,
    };
    size_t size = (sizeof head + entry->name_size + 7) & ~(size_t)7;
    if (size > listing->room - listing->length) {
        return false;
    }
    bytes_zero(&view->output[listing->length + size - 8], 8);
    bytes_copy(&view->output[listing->length], &head, sizeof head);
    bytes_copy(&view->output[listing->length + sizeof head], entry->name, entry->name_size);
    listing->length += size;
    return true;
}

/* Cookies 1 and 2 are `.` and `..`; the tree's own begin at 3. */
static status_t list_names(struct listing *_Nonnull listing, struct rt_request *_Nonnull request,
                           const struct view_session *_Nonnull session, uint64_t cookie) {
    struct view *view = listing->view;
    struct view_entry entry = {.node = session->node, .mode = VIEW_DIRECTORY, .name_size = 1};
    entry.name[0] = entry.name[1] = '.';
    if (cookie < 1 && !list_entry(listing, &entry, 1)) {
        return STATUS_OUT_OF_RANGE;
    }
    if (cookie < 2) {
        struct view_entry above = entry;
        if (session->node != VIEW_ROOT) {
            TRY(view->operations->parent(view, session->node, &above));
        }
        entry.node = above.node;
        entry.name_size = 2;
        if (!list_entry(listing, &entry, 2)) {
            return STATUS_OUT_OF_RANGE;
        }
    }
    uint64_t next = cookie < 3 ? 0 : cookie - 2;
    while (view->operations->next(view, request, session->node, &next, &entry) == STATUS_OK) {
        if (!list_entry(listing, &entry, next + 2)) {
            return STATUS_OUT_OF_RANGE;
        }
    }
    return STATUS_OK;
}

HANDLER(read_directory) {
    struct view *view = server;
    struct view_session session = {};
    struct stream_stat info = {};
    TRY(view_session_of(request->cookie, &session));
    TRY(view_about(view, request, session.node, session.context, &info));
    REFUSE((info.mode & VIEW_KIND) != VIEW_DIRECTORY, FILESYSTEM_STATUS_NOT_DIRECTORY);
    struct listing listing = {.view = view, .room = MIN(in->entries.size, sizeof view->output)};
    status_t status = list_names(&listing, request, &session, in->cookie);
    REFUSE(status == STATUS_OUT_OF_RANGE && listing.length == 0, STATUS_BAD_ARGUMENT);
    REFUSE(status != STATUS_OK && status != STATUS_OUT_OF_RANGE, status);
    out->entries_size = listing.length;
    return rt_output_write(request, &in->entries, 0,
                           (struct rt_bytes){.size = listing.length, .data = &view->output[0]});
}

HANDLER(path_of) {
    struct view *view = server;
    struct view_session session = {};
    TRY(view_session_of(request->cookie, &session));
    const struct view_context *context = &view->vault->contexts[session.context];
    uint64_t root = session.context == 0 ? VIEW_ROOT : context->root;
    uint64_t current = session.node;
    uint32_t at = VIEW_PATH; /* built from its end */
    while (current != root && current != VIEW_ROOT) {
        struct view_entry entry = {};
        TRY(view->operations->parent(view, current, &entry));
        REFUSE(entry.name_size + 1 > at, FILESYSTEM_STATUS_NAME_TOO_LONG);
        at -= entry.name_size;
        bytes_copy(&view->path[at], entry.name, entry.name_size);
        view->path[--at] = '/';
        current = entry.node;
    }
    if (at == VIEW_PATH) {
        view->path[--at] = '/';
    }
    bool goes_on = session.context != 0 && context->floor == 0;
    out->ended = (struct filesystem_walk){.outcome = goes_on ? FILESYSTEM_OUTCOME_PARENT
                                                             : FILESYSTEM_OUTCOME_DONE};
    out->text_size = VIEW_PATH - at;
    return rt_output_write(
        request, &in->text, 0,
        (struct rt_bytes){.size = (size_t)out->text_size, .data = &view->path[at]});
}

/* ---- mounts ---- */

HANDLER(gate) {
    struct view *view = server;
    struct view_session below = {.node = VIEW_ROOT};
    struct view_session session = {.kind = VIEW_SESSION_GATE};
    REFUSE(!view_is_control(request->cookie), STATUS_NOT_ALLOWED);
    REFUSE(in->mount == 0, STATUS_BAD_ARGUMENT);
    if (in->below != HANDLE_NONE) {
        TRY(view_session_of(in->below_cookie, &below));
    }
    TRY(view_context_make(
        view, (struct view_context){.mount = in->mount, .root = below.node, .how = in->how},
        &session.context));
    session.node = below.node;
    return view_mint(view, &session, &out->gate);
}

HANDLER(enter) {
    struct view *view = server;
    struct view_session gate = {};
    REFUSE(view_session_of(request->cookie, &gate) != STATUS_OK || gate.kind != VIEW_SESSION_GATE,
           STATUS_BAD_ARGUMENT);
    struct view_context record = view->vault->contexts[gate.context];
    struct view_session session = {.kind = VIEW_SESSION_PATH, .node = record.root};
    TRY(view_context_make(view, record, &session.context));
    TRY(rt_stage_keep(view->server, VIEW_KEEP_UP + session.context, in->up));
    TRY(view_about(view, request, record.root, gate.context, &out->info));
    return view_mint(view, &session, &out->root);
}

HANDLER(cross) {
    struct view *view = server;
    struct view_walk walk = {.flags = in->walk, .links = in->links, .goal = WALK_FOLLOW};
    TRY(view_walk_begin(view, request, &in->path, 0, in->path.size, &walk));
    if (walk.outcome == FILESYSTEM_OUTCOME_PARENT) {
        TRY(rt_keep_get(view->server, VIEW_KEEP_UP + walk.from.context, &out->place));
    } else if (walk.outcome == FILESYSTEM_OUTCOME_OBJECT) {
        TRY(SOME(view->operations->object)(view, request, walk.node, &out->place));
    } else {
        return STATUS_NOT_FOUND; /* what was there went meanwhile: walk again */
    }
    status_t status = view_walk_tell(view, request, &walk, &in->text, &out->ended, &out->text_size);
    if (status != STATUS_OK) {
        rt_handle_close(out->place);
        out->place = HANDLE_NONE;
    }
    return status;
}

HANDLER(lessen) {
    struct view *view = server;
    struct view_session session = {};
    struct stream_stat info = {};
    handle_t up = HANDLE_NONE;
    TRY(view_session_of(request->cookie, &session));
    TRY(view_about(view, request, session.node, session.context, &info));
    REFUSE((info.mode & VIEW_KIND) != VIEW_DIRECTORY, FILESYSTEM_STATUS_NOT_DIRECTORY);
    struct view_context record = view->vault->contexts[session.context];
    bool goes_up = !in->floor && session.context != 0 && record.floor == 0;
    if (goes_up) {
        TRY(rt_keep_get(view->server, VIEW_KEEP_UP + session.context, &up));
    }
    record.root = in->floor ? session.node : session.context == 0 ? VIEW_ROOT : record.root;
    record.floor = goes_up ? 0 : 1;
    record.how |= in->more;
    session.kind = VIEW_SESSION_PATH;
    status_t status = view_context_make(view, record, &session.context);
    status = status == STATUS_OK ? rt_stage_keep(view->server, VIEW_KEEP_UP + session.context, up)
                                 : status;
    status = status == STATUS_OK ? view_mint(view, &session, &out->directory) : status;
    if (status != STATUS_OK) {
        rt_handle_close(up);
    }
    return status;
}

/* ---- what the tree refuses ---- */

/* Nothing is there yet to be made: the refusal. Something is: EXISTS. */
static status_t refuse_name(struct view *_Nonnull view, struct rt_request *_Nonnull request,
                            const struct rt_input *_Nonnull texts, uint64_t offset,
                            struct view_walk *_Nonnull walk) {
    walk->goal = WALK_STAY;
    TRY(view_walk_begin(view, request, texts, offset, texts->size - offset, walk));
    REFUSE(walk->outcome != FILESYSTEM_OUTCOME_DONE, STATUS_OK);
    return walk->node == 0 ? view->operations->refuses_names : STATUS_EXISTS;
}

HANDLER(make_directory) {
    struct view_walk walk = {.links = in->links};
    TRY(refuse_name(server, request, &in->path, 0, &walk));
    return view_walk_tell(server, request, &walk, &in->text, &out->ended, &out->text_size);
}

HANDLER(make_node) {
    struct view_walk walk = {.links = in->links};
    TRY(refuse_name(server, request, &in->path, 0, &walk));
    return view_walk_tell(server, request, &walk, &in->text, &out->ended, &out->text_size);
}

HANDLER(make_link) {
    struct view_walk walk = {.links = in->links};
    REFUSE(in->target_bytes > in->texts.size, STATUS_BAD_ARGUMENT);
    TRY(refuse_name(server, request, &in->texts, in->target_bytes, &walk));
    return view_walk_tell(server, request, &walk, &in->text, &out->ended, &out->text_size);
}

HANDLER(remove) {
    struct view_walk walk = {.links = in->links};
    status_t status = refuse_name(server, request, &in->path, 0, &walk);
    REFUSE(status == STATUS_EXISTS, STATUS_NOT_ALLOWED);
    REFUSE(status != STATUS_OK, walk.named && walk.node == 0 ? STATUS_NOT_FOUND : status);
    return view_walk_tell(server, request, &walk, &in->text, &out->ended, &out->text_size);
}

/* Attributes are what the tree says; setting the size of something without one does nothing, as
 * O_TRUNC does. */
HANDLER(set_attributes) {
    struct view *view = server;
    bool stays = (in->walk & FILESYSTEM_WALK_FLAGS_NO_FOLLOW) != 0;
    struct view_walk walk = {
        .flags = in->walk, .links = in->links, .goal = stays ? WALK_STAY : WALK_FOLLOW};
    TRY(view_walk_begin(view, request, &in->path, 0, in->path.size, &walk));
    if (walk.outcome == FILESYSTEM_OUTCOME_DONE) {
        REFUSE(walk.node == 0, STATUS_NOT_FOUND);
        return (in->which & FILESYSTEM_ATTRIBUTE_MASK_SIZE) != 0 ? STATUS_BAD_ARGUMENT
                                                                 : STATUS_NOT_ALLOWED;
    }
    return view_walk_tell(view, request, &walk, &in->text, &out->ended, &out->text_size);
}

/* Names stay where they are: who moves one copies it. */
HANDLER(rename) {
    (void)server;
    (void)request;
    (void)in;
    (void)out;
    return FILESYSTEM_STATUS_CROSS_DEVICE;
}

HANDLER(link) {
    (void)server;
    (void)request;
    (void)in;
    (void)out;
    return FILESYSTEM_STATUS_CROSS_DEVICE;
}

static status_t serve_sync(void *_Nonnull server, struct rt_request *_Nonnull request,
                           const struct filesystem_sync_in *_Nonnull in) {
    (void)server;
    (void)request;
    (void)in;
    return STATUS_BAD_ARGUMENT; /* as fsync(2) of what has no storage */
}

void view_call(struct view *_Nonnull view, struct rt_request *_Nonnull request) {
    static const struct filesystem_handlers handlers = {
        .open = serve_open,
        .stat = serve_stat,
        .access = serve_access,
        .read_link = serve_read_link,
        .make_directory = serve_make_directory,
        .make_node = serve_make_node,
        .make_link = serve_make_link,
        .remove = serve_remove,
        .rename = serve_rename,
        .link = serve_link,
        .set_attributes = serve_set_attributes,
        .space = serve_space,
        .read_directory = serve_read_directory,
        .memory = serve_memory,
        .sync = serve_sync,
        .path_of = serve_path_of,
        .cross = serve_cross,
        .enter = serve_enter,
        .lessen = serve_lessen,
        .gate = serve_gate,
    };
    filesystem_dispatch(&handlers, view, request);
}
