/* What there is under /dev. */
#include "lib/base/bytes.h"
#include "servers/devfs/devfs.h"

struct device {
    uint64_t node;
    uint32_t mode;
    const char *_Nonnull name;
    const char *_Nullable target; /* of a link */
};

static const struct device devices[] = {
    {NODE_NULL, VIEW_CHARACTER | 0666, "null", nullptr},
    {NODE_ZERO, VIEW_CHARACTER | 0666, "zero", nullptr},
    {NODE_FULL, VIEW_CHARACTER | 0666, "full", nullptr},
    {NODE_RANDOM, VIEW_CHARACTER | 0666, "random", nullptr},
    {NODE_URANDOM, VIEW_CHARACTER | 0666, "urandom", nullptr},
    {NODE_TTY, VIEW_CHARACTER | 0666, "tty", nullptr},
    {NODE_CONSOLE, VIEW_CHARACTER | 0600, "console", nullptr},
    {NODE_LINKS + 0, VIEW_LINK | 0777, "fd", "/proc/self/fd"},
    {NODE_LINKS + 1, VIEW_LINK | 0777, "stdin", "/proc/self/fd/0"},
    {NODE_LINKS + 2, VIEW_LINK | 0777, "stdout", "/proc/self/fd/1"},
    {NODE_LINKS + 3, VIEW_LINK | 0777, "stderr", "/proc/self/fd/2"},
    {NODE_LINKS + 4, VIEW_LINK | 0777, "shm", "/run/shm"},
};

static const struct device *_Nullable device_of(uint64_t node) {
    for (size_t i = 0; i < ARRAY_LENGTH(devices); i++) {
        if (devices[i].node == node) {
            return &devices[i];
        }
    }
    return nullptr;
}

static bool is_named(const struct device *_Nonnull device, struct rt_bytes name) {
    return text_length(device->name, VIEW_NAME) == name.size && name.size > 0 &&
           bytes_equal(device->name, SOME(name.data), name.size);
}

static status_t find(struct view *_Nonnull view, struct rt_request *_Nonnull request,
                     uint64_t directory, struct rt_bytes name, uint64_t *_Nonnull out) {
    (void)view;
    (void)request;
    for (size_t i = 0; i < ARRAY_LENGTH(devices) && directory == VIEW_ROOT; i++) {
        if (is_named(&devices[i], name)) {
            *out = devices[i].node;
            return STATUS_OK;
        }
    }
    return STATUS_NOT_FOUND;
}

static status_t about(struct view *_Nonnull view, struct rt_request *_Nonnull request,
                      uint64_t node, struct stream_stat *_Nonnull out) {
    (void)view;
    (void)request;
    const struct device *device = device_of(node);
    if (node == VIEW_ROOT) {
        out->mode = VIEW_DIRECTORY | 0755;
        out->links = 2;
        return STATUS_OK;
    }
    REFUSE(device == nullptr, STATUS_NOT_FOUND);
    out->mode = SOME(device)->mode;
    out->node = node >= DEVICE_NODE ? node - DEVICE_NODE : 0;
    if (SOME(device)->target != nullptr) {
        out->size = text_length(SOME(SOME(device)->target), VIEW_PATH);
    }
    return STATUS_OK;
}

static status_t parent(struct view *_Nonnull view, uint64_t directory,
                       struct view_entry *_Nonnull out) {
    (void)view;
    (void)directory;
    (void)out;
    return STATUS_NOT_FOUND; /* the root is the only directory */
}

static status_t next(struct view *_Nonnull view, struct rt_request *_Nonnull request,
                     uint64_t directory, uint64_t *_Nonnull cookie,
                     struct view_entry *_Nonnull out) {
    (void)view;
    (void)request;
    REFUSE(directory != VIEW_ROOT || *cookie >= ARRAY_LENGTH(devices), STATUS_OUT_OF_RANGE);
    const struct device *device = &devices[(*cookie)++];
    *out = (struct view_entry){.node = device->node,
                               .mode = device->mode,
                               .name_size = (uint32_t)text_length(device->name, VIEW_NAME)};
    bytes_copy(out->name, device->name, out->name_size);
    return STATUS_OK;
}

static status_t target(struct view *_Nonnull view, struct rt_request *_Nonnull request,
                       uint64_t link, size_t *_Nonnull size) {
    const struct device *device = device_of(link);
    (void)request;
    REFUSE(device == nullptr || device->target == nullptr, STATUS_NOT_FOUND);
    const char *text = SOME(SOME(device)->target);
    *size = text_length(text, VIEW_PATH);
    bytes_copy(&view->target[0], text, *size);
    return STATUS_OK;
}

/* The controlling terminal of the caller, as device number; 0: none. */
static uint32_t terminal_of(const struct devfs *_Nonnull devfs,
                            const struct rt_request *_Nonnull request) {
    struct process_table_entry entry = {};
    uint64_t serial = request->page->received.process_serial;
    return access_process_by_serial(&devfs->processes, serial, &entry) ? entry.terminal : 0;
}

static status_t open(struct view *_Nonnull view, struct rt_request *_Nonnull request, uint64_t node,
                     uint32_t how, handle_t *_Nonnull out) {
    (void)how;
    uint64_t wanted = node;
    if (node == NODE_TTY) {
        uint32_t terminal = terminal_of((const struct devfs *)view, request);
        REFUSE(terminal == 0, FILESYSTEM_STATUS_NO_DEVICE);
        wanted = DEVICE_NODE + terminal;
    }
    if (wanted != NODE_CONSOLE) {
        REFUSE(node == NODE_TTY, FILESYSTEM_STATUS_NO_DEVICE);
        return STATUS_OK;
    }
    handle_t tty = rt_start_handle(view->server, "tty");
    REFUSE(tty == HANDLE_NONE, FILESYSTEM_STATUS_NO_DEVICE);
    return tty_open_nested(SOME(request->context), 1, tty, 0, node == NODE_TTY, out);
}

/* What /dev/zero maps: private mappings are clones of nothing, so the size costs nothing. */
static status_t memory(struct view *_Nonnull view, struct rt_request *_Nonnull request,
                       uint64_t node, handle_t *_Nonnull out) {
    static const uint64_t most = UINT64_C(1) << 36;
    (void)view;
    (void)request;
    REFUSE(node != NODE_ZERO, STATUS_NOT_SUPPORTED);
    return rt_object_create(OBJECT_MEMORY, 0, most, 0, 0, 0, out);
}

const struct view_operations devfs_tree = {
    .find = find,
    .about = about,
    .parent = parent,
    .next = next,
    .target = target,
    .open = open,
    .memory = memory,
    .refuses_names = (status_t)FILESYSTEM_STATUS_READ_ONLY,
    .device = TTY_FILE_DEVICE,
    .space_type = 0x1021994, /* TMPFS_MAGIC, as devtmpfs has it */
};
