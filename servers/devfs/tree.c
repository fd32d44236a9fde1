/* What there is under /dev. */
#include "idl/entropy.h"
#include "idl/log.h"
#include "lib/base/bytes.h"
#include "lib/base/format.h"
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
    {NODE_LOG, VIEW_CHARACTER | 0600, "kmsg", nullptr},
    {NODE_TTY, VIEW_CHARACTER | 0666, "tty", nullptr},
    {NODE_CONSOLE, VIEW_CHARACTER | 0600, "console", nullptr},
    {NODE_SERIAL, VIEW_CHARACTER | 0620, "ttyS0", nullptr},
    {NODE_MASTER, VIEW_CHARACTER | 0666, "ptmx", nullptr},
    {NODE_PTS, VIEW_DIRECTORY | 0755, "pts", nullptr},
    {NODE_LINKS + 0, VIEW_LINK | 0777, "fd", "/proc/self/fd"},
    {NODE_LINKS + 1, VIEW_LINK | 0777, "stdin", "/proc/self/fd/0"},
    {NODE_LINKS + 2, VIEW_LINK | 0777, "stdout", "/proc/self/fd/1"},
    {NODE_LINKS + 3, VIEW_LINK | 0777, "stderr", "/proc/self/fd/2"},
    {NODE_LINKS + 4, VIEW_LINK | 0777, "shm", "/run/shm"},
    /* Where syslogd makes its socket, and what looks for it finds it. */
    {NODE_LINKS + 5, VIEW_LINK | 0777, "log", "/run/log"},
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

/* ---- /dev/pts ---- */

/* Asks which pseudo-terminals there are. */
static status_t ask_terminals(struct devfs *_Nonnull devfs, struct rt_request *_Nonnull request) {
    handle_t tty = rt_start_handle(devfs->view.server, "tty");
    struct rt_buffer room = {.size = sizeof devfs->terminals.at,
                             .data = (uint8_t *)&devfs->terminals.at[0]};
    uint64_t size = 0;
    devfs->terminals.count = 0;
    REFUSE(tty == HANDLE_NONE, STATUS_OK);
    TRY(tty_list_nested(SOME(request->context), 1, tty, room, &size));
    devfs->terminals.count = size / sizeof devfs->terminals.at[0];
    return STATUS_OK;
}

/* The number that a name spells, as it would be written. */
static bool number_of(struct rt_bytes name, uint32_t *_Nonnull out) {
    *out = 0;
    for (size_t i = 0; i < name.size; i++) {
        uint8_t byte = name.data[i];
        if (byte < '0' || byte > '9' || name.size > 4 || (byte == '0' && i == 0 && name.size > 1)) {
            return false;
        }
        *out = *out * 10 + byte - '0';
    }
    return name.size > 0;
}

static void name_terminal(uint32_t number, struct view_entry *_Nonnull out) {
    *out = (struct view_entry){.node = NODE_PSEUDO + number, .mode = VIEW_CHARACTER | 0620};
    out->name_size = (uint32_t)format_text((char *)&out->name[0], sizeof out->name, "%u", number);
}

static status_t find_terminal(struct devfs *_Nonnull devfs, struct rt_request *_Nonnull request,
                              struct rt_bytes name, uint64_t *_Nonnull out) {
    uint32_t number = 0;
    REFUSE(!number_of(name, &number), STATUS_NOT_FOUND);
    TRY(ask_terminals(devfs, request));
    for (uint64_t i = 0; i < devfs->terminals.count; i++) {
        if (devfs->terminals.at[i] == number) {
            *out = NODE_PSEUDO + number;
            return STATUS_OK;
        }
    }
    return STATUS_NOT_FOUND;
}

static bool is_pseudo(uint64_t node) {
    return node >= NODE_PSEUDO && node < NODE_PSEUDO + 0x100;
}

/* ---- the tree ---- */

static status_t find(struct view *_Nonnull view, struct rt_request *_Nonnull request,
                     uint64_t directory, struct rt_bytes name, uint64_t *_Nonnull out) {
    if (directory == NODE_PTS) {
        return find_terminal((struct devfs *)view, request, name, out);
    }
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
    if (node == VIEW_ROOT || node == NODE_PTS) {
        out->mode = VIEW_DIRECTORY | 0755;
        out->links = node == VIEW_ROOT ? 3 : 2;
        return STATUS_OK;
    }
    if (is_pseudo(node)) {
        out->mode = VIEW_CHARACTER | 0620;
        out->node = node - DEVICE_NODE;
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

static void name_entry(const struct device *_Nonnull device, struct view_entry *_Nonnull out) {
    *out = (struct view_entry){.node = device->node,
                               .mode = device->mode,
                               .name_size = (uint32_t)text_length(device->name, VIEW_NAME)};
    bytes_copy(out->name, device->name, out->name_size);
}

static status_t parent(struct view *_Nonnull view, uint64_t node, struct view_entry *_Nonnull out) {
    const struct device *device = device_of(node);
    (void)view;
    if (is_pseudo(node)) {
        name_terminal((uint32_t)(node - NODE_PSEUDO), out);
        out->node = NODE_PTS;
        return STATUS_OK;
    }
    REFUSE(device == nullptr, STATUS_NOT_FOUND);
    name_entry(SOME(device), out);
    out->node = VIEW_ROOT;
    return STATUS_OK;
}

static status_t next(struct view *_Nonnull view, struct rt_request *_Nonnull request,
                     uint64_t directory, uint64_t *_Nonnull cookie,
                     struct view_entry *_Nonnull out) {
    struct devfs *devfs = (struct devfs *)view;
    if (directory == NODE_PTS) {
        TRY(ask_terminals(devfs, request));
        REFUSE(*cookie >= devfs->terminals.count, STATUS_OUT_OF_RANGE);
        name_terminal(devfs->terminals.at[(*cookie)++], out);
        return STATUS_OK;
    }
    REFUSE(directory != VIEW_ROOT || *cookie >= ARRAY_LENGTH(devices), STATUS_OUT_OF_RANGE);
    name_entry(&devices[(*cookie)++], out);
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

/* Terminals are opened by the program's own session to tty, which must see who opens
 * (posix/file_open.c): here they are names, owners and modes. Random bytes and the log are other
 * servers' sessions. */
static status_t open(struct view *_Nonnull view, struct rt_request *_Nonnull request, uint64_t node,
                     uint32_t how, handle_t *_Nonnull out) {
    enum { STEP_OPEN = 2 };
    bool random = node == NODE_RANDOM || node == NODE_URANDOM;
    (void)how;
    if (!random && node != NODE_LOG) {
        return STATUS_OK;
    }
    handle_t server = rt_start_handle(view->server, random ? "entropy" : "log");
    REFUSE(server == HANDLE_NONE, FILESYSTEM_STATUS_NO_DEVICE);
    if (random) {
        return entropy_open_nested(SOME(request->context), STEP_OPEN, server, (uint32_t)node, out);
    }
    return log_open_nested(SOME(request->context), STEP_OPEN, server, LOG_FILE_WRITES,
                           (uint32_t)node, out);
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
