/* The methods of protocol vfs. What they ask of file systems is bounded, nested and repeatable
 * (V1), and comes before the record that the reply commits. */
#include "lib/base/bytes.h"
#include "servers/vfs/vfs.h"

/* Names by which programs ask for a file system, and the service that is it. */
struct kind_name {
    const char *_Nonnull asked;
    const char *_Nonnull service;
};
static const struct kind_name kinds[] = {{"ramfs", "ramfs"},
                                         {"proc", "procfs"},
                                         {"procfs", "procfs"},
                                         {"devfs", "devfs"},
                                         {"devtmpfs", "devfs"}};

static const char *_Nullable service_of(const char *_Nonnull asked) {
    for (size_t i = 0; i < ARRAY_LENGTH(kinds); i++) {
        if (text_equal(kinds[i].asked, asked)) {
            return kinds[i].service;
        }
    }
    return nullptr;
}

static uint32_t find_mount(const struct vfs *_Nonnull vfs, uint64_t id) {
    for (uint32_t i = 0; i < MOUNT_COUNT; i++) {
        if (id != 0 && vfs->vault->mounts[i].id == id) {
            return i;
        }
    }
    return MOUNT_COUNT;
}

static handle_t control_of(const struct vfs *_Nonnull vfs, uint32_t mount) {
    return rt_start_handle(vfs->server, vfs->vault->mounts[mount].kind);
}

static status_t stage_mount(struct vfs *_Nonnull vfs, uint32_t slot) {
    vfs->record.header =
        (struct rt_record_header){.kind = 0x4d4e5400, .version = 1, .size = sizeof vfs->record};
    return rt_stage_record(vfs->server, &vfs->vault->mounts[slot], &vfs->record.header);
}

static status_t stage_super(struct vfs *_Nonnull vfs, uint64_t next, uint64_t begun) {
    struct vfs_super super = {.header = {.kind = 0x56465300, .version = 1, .size = sizeof super},
                              .next_mount = next,
                              .begun = begun};
    return rt_stage_record(vfs->server, &vfs->vault->super, &super.header);
}

/* May the caller change what is mounted? Services may; programs with CAP_SYS_ADMIN. */
static bool may_mount(const struct vfs *_Nonnull vfs, const struct rt_request *_Nonnull request) {
    struct caller caller = access_caller(&vfs->principals, request, false);
    return caller_can(&caller, CAPABILITY_ADMIN);
}

static status_t serve_root(void *_Nonnull server, struct rt_request *_Nonnull request,
                           struct vfs_root_out *_Nonnull out) {
    struct vfs *vfs = server;
    (void)request;
    return rt_keep_get(vfs->server, KEEP_ROOT, &out->root);
}

/* Copies a text of the message into a record's field. Errors: BAD_ARGUMENT: too long, or a NUL. */
struct field {
    size_t size;
    char *_Nonnull COUNTED_BY(size) to;
};
static status_t take_text(struct vfs *_Nonnull vfs, size_t at, size_t length, struct field field) {
    if (length >= field.size) {
        return STATUS_BAD_ARGUMENT;
    }
    for (size_t i = 0; i < length; i++) {
        if (vfs->texts[at + i] == 0) {
            return STATUS_BAD_ARGUMENT;
        }
        field.to[i] = (char)vfs->texts[at + i];
    }
    return STATUS_OK;
}

static status_t take_texts(struct vfs *_Nonnull vfs, struct rt_request *_Nonnull request,
                           const struct vfs_mount_in *_Nonnull in) {
    size_t total = (size_t)in->texts.size;
    size_t kind = in->kind_bytes;
    size_t source = in->source_bytes;
    if (kind > total || source > total - kind || total > sizeof vfs->texts) {
        return STATUS_BAD_ARGUMENT;
    }
    struct rt_buffer to = {.size = total, .data = &vfs->texts[0]};
    status_t status = rt_input_read(request, &in->texts, 0, to);
    struct mount_record *record = &vfs->record;
    *record = (struct mount_record){};
    if (status == STATUS_OK) {
        status = take_text(vfs, 0, kind, (struct field){sizeof record->kind, record->kind});
    }
    if (status == STATUS_OK) {
        status =
            take_text(vfs, kind, source, (struct field){sizeof record->source, record->source});
    }
    return status != STATUS_OK ? status
                               : take_text(vfs, kind + source, total - kind - source,
                                           (struct field){sizeof record->place, record->place});
}

/* A gate for the mount: to the root of a kind, or below a directory that is bound. */
static status_t make_gate(struct vfs *_Nonnull vfs, struct rt_request *_Nonnull request,
                          const struct vfs_mount_in *_Nonnull in, handle_t *_Nonnull out) {
    struct rt_context *context = SOME(request->context);
    struct mount_record *record = &vfs->record;
    const char *service = service_of(record->kind);
    if (!text_equal(record->kind, "bind")) {
        handle_t control =
            service == nullptr ? HANDLE_NONE : rt_start_handle(vfs->server, SOME(service));
        if (control == HANDLE_NONE) {
            return VFS_STATUS_NO_KIND;
        }
        bytes_zero(record->kind, sizeof record->kind);
        bytes_copy(record->kind, SOME(service), text_length(SOME(service), KIND_SIZE - 1));
        return filesystem_gate_nested(context, 1, control, record->id, in->how, HANDLE_NONE, out);
    }
    /* Which file system the directory belongs to, only that one can tell. */
    status_t status = STATUS_BAD_ARGUMENT;
    for (uint32_t i = 0; i < ARRAY_LENGTH(kinds) && status != STATUS_OK; i++) {
        handle_t control = rt_start_handle(vfs->server, kinds[i].service);
        if (control != HANDLE_NONE && in->source != HANDLE_NONE) {
            status = filesystem_gate_nested(context, 1 + i, control, record->id, in->how,
                                            in->source, out);
            bytes_zero(record->kind, sizeof record->kind);
            bytes_copy(record->kind, kinds[i].service,
                       text_length(kinds[i].service, KIND_SIZE - 1));
        }
    }
    return status;
}

static status_t serve_mount(void *_Nonnull server, struct rt_request *_Nonnull request,
                            const struct vfs_mount_in *_Nonnull in,
                            struct vfs_mount_out *_Nonnull out) {
    struct vfs *vfs = server;
    uint32_t above = find_mount(vfs, in->place_mount);
    uint32_t slot = 0;
    handle_t gate = HANDLE_NONE;
    if (!may_mount(vfs, request)) {
        return STATUS_NOT_ALLOWED;
    }
    while (slot < MOUNT_COUNT && vfs->vault->mounts[slot].id != 0) {
        slot++;
    }
    if (above == MOUNT_COUNT || slot == MOUNT_COUNT) {
        return above == MOUNT_COUNT ? STATUS_NOT_FOUND : STATUS_OUT_OF_QUOTA;
    }
    status_t status = take_texts(vfs, request, in);
    uint64_t id = vfs->vault->super.next_mount;
    vfs->record.id = id;
    vfs->record.parent = in->place_mount;
    vfs->record.how = in->how;
    status = status == STATUS_OK ? make_gate(vfs, request, in, &gate) : status;
    if (status == STATUS_OK) {
        status = filesystem_mark_nested(SOME(request->context), 32, control_of(vfs, above),
                                        in->place, id, gate);
        if (status != STATUS_OK) {
            rt_handle_close(gate);
        }
    }
    status = status == STATUS_OK ? stage_mount(vfs, slot) : status;
    status = status == STATUS_OK ? stage_super(vfs, id + 1, 1) : status;
    if (status == STATUS_OK) {
        vfs_publish(vfs, slot);
    }
    out->mount = id;
    return status;
}

static status_t serve_change(void *_Nonnull server, struct rt_request *_Nonnull request,
                             const struct vfs_change_in *_Nonnull in) {
    struct vfs *vfs = server;
    uint32_t slot = find_mount(vfs, in->mount);
    if (!may_mount(vfs, request)) {
        return STATUS_NOT_ALLOWED;
    }
    if (slot == MOUNT_COUNT) {
        return STATUS_NOT_FOUND;
    }
    /* Flags are in the gates and in sessions that came through them; those stay as they were. */
    return vfs->vault->mounts[slot].how == in->how ? STATUS_OK : STATUS_NOT_SUPPORTED;
}

static status_t serve_unmount(void *_Nonnull server, struct rt_request *_Nonnull request,
                              const struct vfs_unmount_in *_Nonnull in) {
    struct vfs *vfs = server;
    uint32_t slot = find_mount(vfs, in->mount);
    if (!may_mount(vfs, request)) {
        return STATUS_NOT_ALLOWED;
    }
    if (slot == MOUNT_COUNT) {
        return STATUS_NOT_FOUND;
    }
    uint32_t above = find_mount(vfs, vfs->vault->mounts[slot].parent);
    if (above == MOUNT_COUNT) {
        return STATUS_BUSY; /* the root */
    }
    for (uint32_t i = 0; i < MOUNT_COUNT; i++) {
        if (vfs->vault->mounts[i].id != 0 && vfs->vault->mounts[i].parent == in->mount) {
            return STATUS_BUSY;
        }
    }
    status_t status =
        filesystem_unmark_nested(SOME(request->context), 1, control_of(vfs, above), in->mount);
    if (status != STATUS_OK && status != STATUS_NOT_FOUND) { /* not found: done before a restart */
        return status;
    }
    vfs->record = (struct mount_record){};
    vfs_publish(vfs, slot);
    return rt_stage(vfs->server, &vfs->vault->mounts[slot], &vfs->record, sizeof vfs->record);
}

/* Where a list of mounts is written. */
struct mount_list {
    size_t room, length;
    uint8_t *_Nonnull COUNTED_BY(room) to;
};

/* Appends one mount. False: no room. */
static bool list_one(struct mount_list *_Nonnull list, const struct mount_record *_Nonnull record) {
    struct vfs_mount about = {
        .id = record->id,
        .parent = record->parent,
        .device = 2,
        .how = record->how,
        .kind_size = (uint32_t)text_length(record->kind, sizeof record->kind),
        .source_size = (uint32_t)text_length(record->source, sizeof record->source),
        .place_size = (uint32_t)text_length(record->place, sizeof record->place),
    };
    size_t texts = about.kind_size + about.source_size + about.place_size;
    size_t size = (sizeof about + texts + 7) & ~(size_t)7;
    if (size > list->room - list->length) {
        return false;
    }
    bytes_zero(&list->to[list->length + size - 8], 8);
    bytes_copy(&list->to[list->length], &about, sizeof about);
    size_t at = list->length + sizeof about;
    bytes_copy(&list->to[at], record->kind, about.kind_size);
    bytes_copy(&list->to[at + about.kind_size], record->source, about.source_size);
    bytes_copy(&list->to[at + about.kind_size + about.source_size], record->place,
               about.place_size);
    list->length += size;
    return true;
}

/* The mounts behind an id, in the order of ids. The record at `edited` counts instead of the one
 * in the vault. */
static void list_mounts(const struct vfs *_Nonnull vfs, uint64_t behind, uint32_t edited,
                        struct mount_list *_Nonnull list) {
    for (uint32_t n = 0; n < MOUNT_COUNT; n++) {
        const struct mount_record *next = nullptr;
        for (uint32_t i = 0; i < MOUNT_COUNT; i++) {
            const struct mount_record *record = i == edited ? &vfs->record : &vfs->vault->mounts[i];
            if (record->id > behind && (next == nullptr || record->id < SOME(next)->id)) {
                next = record;
            }
        }
        if (next == nullptr || !list_one(list, SOME(next))) {
            break;
        }
        behind = SOME(next)->id;
    }
}

static status_t serve_list(void *_Nonnull server, struct rt_request *_Nonnull request,
                           const struct vfs_list_in *_Nonnull in,
                           struct vfs_list_out *_Nonnull out) {
    struct vfs *vfs = server;
    struct mount_list list = {.room = (size_t)MIN(in->mounts.size, sizeof vfs->output),
                              .to = &vfs->output[0]};
    list_mounts(vfs, in->behind, MOUNT_COUNT, &list);
    out->mounts_size = list.length;
    return rt_output_write(request, &in->mounts, 0,
                           (struct rt_bytes){.size = list.length, .data = &vfs->output[0]});
}

void vfs_publish(struct vfs *_Nonnull vfs, uint32_t edited) {
    if (vfs->shared == nullptr) {
        return;
    }
    struct vfs_shared_mounts *shared = SOME(vfs->shared);
    uint32_t next = 1 - (shared->table.index & 1);
    struct mount_list list = {.room = VFS_MOUNT_TABLE_TEXT, .to = &shared->texts[next].bytes[0]};
    list_mounts(vfs, 0, edited, &list);
    shared->table.sizes[next] = list.length;
    __atomic_store_n(&shared->table.index, next, __ATOMIC_RELEASE);
    vfs->published_edit = edited != MOUNT_COUNT;
}

/* device() and copy() are not there yet: NOT_SUPPORTED. */
static const struct vfs_handlers handlers = {
    .root = serve_root,
    .mount = serve_mount,
    .change = serve_change,
    .unmount = serve_unmount,
    .list = serve_list,
};

void vfs_call(struct rt_server *_Nonnull server, struct rt_request *_Nonnull request) {
    struct vfs *vfs = SOME(server->state);
    if (vfs->published_edit) {
        vfs_publish(vfs, MOUNT_COUNT); /* what became of the last change */
    }
    if (vfs_speaks(request->label)) {
        vfs_dispatch(&handlers, vfs, request);
    } else {
        request->reply->status = STATUS_BAD_METHOD;
    }
}

void vfs_packet(struct rt_server *_Nonnull server, const struct rt_packet *_Nonnull packet) {
    (void)server; /* sessions have no state of their own: closes need nothing */
    (void)packet;
}

/* ---- the start ---- */

/* One "KIND=PLACE" of the argument. Made before, under the same id, it is made again: V1. */
static status_t first_mount(struct vfs *_Nonnull vfs, uint64_t id) {
    struct mount_record *record = &vfs->record;
    handle_t root = rt_start_handle(vfs->server, "ramfs");
    handle_t control = rt_start_handle(vfs->server, record->kind);
    handle_t place = HANDLE_NONE;
    handle_t gate = HANDLE_NONE;
    uint32_t facts = 0;
    struct filesystem_walk walk = {};
    struct stream_stat info = {};
    uint64_t size = 0;
    struct rt_bytes path = {.size = text_length(record->place, sizeof record->place),
                            .data = (const uint8_t *)&record->place[0]};
    struct rt_buffer text = {.size = 256, .data = &vfs->texts[0]};
    status_t status = filesystem_open(root, 0, 0, FILESYSTEM_OPEN_FLAGS_PATH, 0, path, &place,
                                      &facts, &walk, &info, text, &size);
    if (status == STATUS_OK && walk.outcome == FILESYSTEM_OUTCOME_MOUNT && walk.object == id) {
        return STATUS_OK; /* an earlier instance has marked it */
    }
    status = status == STATUS_OK && place == HANDLE_NONE ? STATUS_BUSY : status;
    status = status == STATUS_OK ? filesystem_gate(control, id, 0, HANDLE_NONE, &gate) : status;
    status = status == STATUS_OK ? filesystem_mark(root, place, id, gate) : status;
    rt_handle_close(place);
    return status;
}

/* Reads the next word "KIND=PLACE" of the argument from *at into the record. */
static bool next_first(struct vfs *_Nonnull vfs, size_t *_Nonnull at) {
    const struct rt_start *start = vfs->server->start;
    size_t end = text_length(start->arguments, sizeof start->arguments);
    size_t length = 0;
    bool in_place = false;
    vfs->record = (struct mount_record){.parent = 1};
    while (*at < end && start->arguments[*at] == ' ') {
        ++*at;
    }
    for (; *at < end && start->arguments[*at] != ' '; ++*at) {
        char c = start->arguments[*at];
        if (!in_place && c == '=') {
            in_place = true;
            length = 0;
        } else if (in_place && length < TEXT_SIZE - 1) {
            vfs->record.place[length++] = c;
        } else if (!in_place && length < KIND_SIZE - 1) {
            vfs->record.kind[length++] = c;
        }
    }
    bytes_copy(vfs->record.source, vfs->record.kind, sizeof vfs->record.kind);
    return in_place;
}

static status_t mount_root(struct vfs *_Nonnull vfs) {
    handle_t control = rt_start_handle(vfs->server, "ramfs");
    handle_t root = HANDLE_NONE;
    uint32_t facts = 0;
    struct filesystem_walk walk = {};
    struct stream_stat info = {};
    uint64_t size = 0;
    struct rt_buffer text = {.size = 256, .data = &vfs->texts[0]};
    status_t status = filesystem_open(control, 0, 0, FILESYSTEM_OPEN_FLAGS_PATH, 0, RT_STRING(""),
                                      &root, &facts, &walk, &info, text, &size);
    vfs->record = (struct mount_record){.id = 1, .kind = "ramfs", .source = "ramfs", .place = "/"};
    status = status == STATUS_OK ? rt_stage_keep(vfs->server, KEEP_ROOT, root) : status;
    status = status == STATUS_OK ? stage_mount(vfs, 0) : status;
    status = status == STATUS_OK ? stage_super(vfs, 2, 0) : status;
    return status == STATUS_OK ? rt_commit(vfs->server) : status;
}

void vfs_first_mounts(struct vfs *_Nonnull vfs) {
    size_t at = 0;
    uint32_t slot = 1;
    if (vfs->vault->super.begun != 0) {
        return;
    }
    status_t status = vfs->vault->super.next_mount == 0 ? mount_root(vfs) : STATUS_OK;
    if (status != STATUS_OK) {
        rt_log(vfs->server, "no root: status %d", (int)status);
        rt_exit(RT_EXIT_START);
    }
    while (next_first(vfs, &at) && slot < MOUNT_COUNT) {
        uint64_t id = slot + 1;
        vfs->record.id = id;
        status = vfs->vault->mounts[slot].id == id ? STATUS_OK : first_mount(vfs, id);
        if (status == STATUS_OK && vfs->vault->mounts[slot].id != id) {
            status = stage_mount(vfs, slot);
            status = status == STATUS_OK ? rt_commit(vfs->server) : status;
        }
        if (status != STATUS_OK) {
            rt_log(vfs->server, "mounting %s: status %d", vfs->record.place, (int)status);
            rt_stage_drop(vfs->server);
        }
        slot++;
    }
    status = stage_super(vfs, slot + 1, 1);
    status = status == STATUS_OK ? rt_commit(vfs->server) : status;
    CHECK(status == STATUS_OK);
}
