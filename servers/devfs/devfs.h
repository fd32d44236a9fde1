#pragma once
/* devfs: the tree of devices. A device's node is DEVICE_NODE + its number, as st_rdev has it, so
 * that the terminals' own stat can name the same inode (tty.node_first). */
#include "idl/tty.h"
#include "lib/view/view.h"

enum {
    DEVICE_NODE = TTY_NODE_FIRST,
    NODE_NULL = DEVICE_NODE + 0x103,
    NODE_ZERO = DEVICE_NODE + 0x105,
    NODE_FULL = DEVICE_NODE + 0x107,
    NODE_RANDOM = DEVICE_NODE + 0x108,
    NODE_URANDOM = DEVICE_NODE + 0x109,
    NODE_LOG = DEVICE_NODE + 0x10b, /* kmsg */
    NODE_TTY = DEVICE_NODE + 0x500,
    NODE_CONSOLE = DEVICE_NODE + 0x501,
    NODE_MASTER = DEVICE_NODE + 0x502,
    NODE_SERIAL = DEVICE_NODE + 0x440,
    NODE_PSEUDO = DEVICE_NODE + 0x8800, /* + number */
    NODE_LINKS = 16,                    /* links have nodes from here on */
    NODE_PTS = 64                       /* the directory of pseudo-terminals */
};

struct devfs {
    struct view view;
    struct {
        uint64_t count;
        uint32_t at[1024];
    } terminals; /* the pseudo-terminals there are, when the call in hand asked for them */
};

extern const struct view_operations devfs_tree;
void devfs_call(struct rt_server *_Nonnull server, struct rt_request *_Nonnull request);
