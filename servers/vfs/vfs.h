#pragma once
/* vfs: which file system is seen where. It puts gates behind marks and keeps the table; walks never
 * ask it, and open files never depend on it.
 *
 *   mount:   gate(mount) of the mounted file system ─► mark(place, mount, gate) in the one above
 *   unmount: unmark(mount) in the one above
 *
 * Invariants: (V1) ids of mounts are never used twice, so marking and unmarking under an id may be
 * repeated; (V2) mount 1 is the root file system's root, and its session is in the keep. */
#include "idl/filesystem.h"
#include "idl/vfs.h"
#include "lib/access/access.h"
#include "lib/rt/server.h"

enum {
    MOUNT_COUNT = 64,
    KEEP_ROOT = 1,
    KEEP_SHARED = 2,
    VFS_KEEP_SLOTS = 4,
    KIND_SIZE = 16,
    TEXT_SIZE = 256
};

struct vfs_super {
    struct rt_record_header header;
    uint64_t next_mount;
    uint64_t begun; /* the mounts of the start are made */
};
struct mount_record {
    struct rt_record_header header;
    uint64_t id; /* 0: free */
    uint64_t parent;
    uint32_t how;
    uint32_t reserved;
    char kind[KIND_SIZE]; /* the file system's name in the start page */
    char source[TEXT_SIZE];
    char place[TEXT_SIZE];
};
struct vfs_vault {
    struct vfs_super super;
    struct mount_record mounts[MOUNT_COUNT];
};

/* The table that is shared with who shows the mounts. It is written a moment before the commit; a
 * successor, and the next call, write it again from the vault. */
struct vfs_shared_mounts {
    struct vfs_mount_table table;
    struct {
        uint8_t bytes[VFS_MOUNT_TABLE_TEXT];
    } texts[2];
};

struct vfs {
    struct rt_server *_Nonnull server;
    const struct vfs_vault *_Nonnull vault;
    struct access_table principals;
    uint8_t texts[8192];
    uint8_t output[65536];
    struct mount_record record; /* the one at work */
    struct vfs_shared_mounts *_Nullable shared;
    bool published_edit; /* with a change that may not have been committed */
};

void vfs_call(struct rt_server *_Nonnull server, struct rt_request *_Nonnull request);
void vfs_packet(struct rt_server *_Nonnull server, const struct rt_packet *_Nonnull packet);
struct vfs *_Nonnull vfs_start(struct rt_server *_Nonnull server);
/* Makes the shared table, or finds it, and hands it to the service "procfs", where there is one. */
void vfs_share(struct vfs *_Nonnull vfs);
/* Writes the shared table; the record at work counts for slot `edited` (MOUNT_COUNT: for none). */
void vfs_publish(struct vfs *_Nonnull vfs, uint32_t edited);
/* The mounts of the start: root, and "KIND=PLACE …" of the manifest's argument. */
void vfs_first_mounts(struct vfs *_Nonnull vfs);
