/* mount.fuse.latticefs: a dataset under FUSE, by the low-level interface. `mount -t fuse.latticefs`
 * runs it, and `umount` runs it under the name umount.fuse.latticefs. */
#include "fs/latticefs/core/keys.h"
#include "fs/latticefs/core/properties.h"
#include "fs/latticefs/core/snapshot.h"
#include "fs/latticefs/tools/host.h"
#include "fs/latticefs/tools/values.h"
#include "mount.h"
#include "unmount.h"
#include <sodium.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#pragma clang assume_nonnull begin

static const char help[] =
    "usage: mount.fuse.latticefs POOL FOLDER [-f] [-s] [-o OPTION,…]\n"
    "       mount -t fuse.latticefs POOL FOLDER [-o OPTION,…]\n"
    "Mounts a dataset of a latticefs pool. POOL is a disk (file or block device), or several,\n"
    "separated by commas.\n\n"
    "  -f                    stay in the foreground\n"
    "  -s                    one thread for requests\n"
    "  -o dataset=NAME       default root; NAME@SNAPSHOT mounts a snapshot read-only\n"
    "  -o ro                 read-only\n"
    "  -o commit=SECONDS     how often unsynced changes are committed (default 5)\n"
    "  -o cache=SIZE         for file contents (default a 64th of the memory, 32M to 512M)\n"
    "  -o hide_snapshots     do not list .snapshots in the root (it is there all the same)\n"
    "  -o key=FILE           32 bytes: the key of an encrypted dataset\n"
    "  -o passphrase=FILE    its first line is the passphrase (else the terminal is asked)\n"
    "  -o private            only for the user who mounts (default for users who are not root)\n"
    "In the mount: mkdir .snapshots/NAME takes a snapshot, rmdir .snapshots/NAME destroys it.\n"
    "End it with umount FOLDER, or fusermount3 -u FOLDER.\n\n"
    "Exit status: 0 done, 1 failed, 2 wrong use.\n";

static const struct fuse_lowlevel_ops operations;

/* What the kernel does itself stays with it: dropping set-user-ID bits, cutting at open. */
static void do_init(void *userdata, struct fuse_conn_info *connection) {
    (void)userdata;
    connection->want |= connection->capable & (FUSE_CAP_WRITEBACK_CACHE | FUSE_CAP_EXPORT_SUPPORT |
                                               FUSE_CAP_PARALLEL_DIROPS | FUSE_CAP_CACHE_SYMLINKS);
    connection->want &=
        ~(unsigned)(FUSE_CAP_ATOMIC_O_TRUNC | FUSE_CAP_HANDLE_KILLPRIV | FUSE_CAP_AUTO_INVAL_DATA);
    connection->max_background = 64;
    connection->congestion_threshold = 48;
}

/* The last commit. With a block device the kernel waits for it before `umount` returns, and who
 * unmounted may use the disks at once. */
static void do_destroy(void *userdata) {
    struct mount *mount = userdata;
    pthread_mutex_lock(&mount->lock);
    mount->ending = true;
    if (!mount->read_only) {
        mount->last = granules_commit(mount->cache);
    }
    if (mount->block_device) {
        host_devices_unlock(mount->devices);
    }
    pthread_mutex_unlock(&mount->lock);
}

static const struct fuse_lowlevel_ops operations = {
    .init = do_init,
    .destroy = do_destroy,
    .lookup = do_lookup,
    .forget = do_forget,
    .forget_multi = do_forget_multi,
    .getattr = do_getattr,
    .setattr = do_setattr,
    .readlink = do_readlink,
    .mknod = do_mknod,
    .mkdir = do_mkdir,
    .unlink = do_unlink,
    .rmdir = do_rmdir,
    .symlink = do_symlink,
    .rename = do_rename,
    .link = do_link,
    .open = do_open,
    .release = do_release,
    .create = do_create,
    .read = do_read,
    .write = do_write,
    .fsync = do_fsync,
    .fsyncdir = do_fsync,
    .opendir = do_opendir,
    .readdir = do_readdir,
    .readdirplus = do_readdirplus,
    .statfs = do_statfs,
    .setxattr = do_setxattr,
    .getxattr = do_getxattr,
    .listxattr = do_listxattr,
    .removexattr = do_removexattr,
    .fallocate = do_fallocate,
    .lseek = do_lseek,
};

struct arguments {
    char *_Nullable pool;
    char *_Nullable dataset;
    char *_Nullable cache;
    char *_Nullable key;
    char *_Nullable passphrase;
    unsigned commit_seconds;
    int hide_snapshots;
    int private;
    int read_only;
    int remount;
};

enum { KEY_READ_ONLY = 1, KEY_IGNORED };

#define ARGUMENT(text, field, value) {text, offsetof(struct arguments, field), value}

/* As libfuse's FUSE_OPT_KEY, whose own cast does not convert cleanly. */
#define OPTION(text, key) {text, UINT32_MAX, key}

/* The ignored ones are for mount(8) and the init system. */
static const struct fuse_opt option_table[] = {ARGUMENT("dataset=%s", dataset, 0),
                                               ARGUMENT("cache=%s", cache, 0),
                                               ARGUMENT("key=%s", key, 0),
                                               ARGUMENT("passphrase=%s", passphrase, 0),
                                               ARGUMENT("commit=%u", commit_seconds, 0),
                                               ARGUMENT("hide_snapshots", hide_snapshots, 1),
                                               ARGUMENT("private", private, 1),
                                               ARGUMENT("remount", remount, 1),
                                               OPTION("ro", KEY_READ_ONLY),
                                               OPTION("defaults", KEY_IGNORED),
                                               OPTION("auto", KEY_IGNORED),
                                               OPTION("noauto", KEY_IGNORED),
                                               OPTION("user", KEY_IGNORED),
                                               OPTION("nouser", KEY_IGNORED),
                                               OPTION("users", KEY_IGNORED),
                                               OPTION("nofail", KEY_IGNORED),
                                               OPTION("_netdev", KEY_IGNORED),
                                               OPTION("-n", KEY_IGNORED),
                                               OPTION("-v", KEY_IGNORED),
                                               {}};

/* The first word that is no option is the pool; the second is FUSE's mount point. */
static int take_argument(void *data, const char *text, int key, struct fuse_args *rest) {
    struct arguments *arguments = data;
    (void)rest;
    if (key == KEY_READ_ONLY) {
        arguments->read_only = 1;
        return 1; /* the kernel wants to know, too */
    }
    if (key == KEY_IGNORED || strncmp(text, "x-", 2) == 0) {
        return 0;
    }
    if (key == FUSE_OPT_KEY_NONOPT && arguments->pool == nullptr) {
        arguments->pool = strdup(text);
        return 0;
    }
    return 1;
}

/* With a block device it can be a mount of the kernel's type "fuseblk". */
static bool is_block_device(const struct host_devices *devices) {
    struct stat facts = {};
    return fstat(devices->data[0].file, &facts) == 0 && S_ISBLK(facts.st_mode);
}

/* As mount(8) means it when root mounts: it does not pass on what is its default. First, so that
 * "nodev" and "nosuid" of the line take it back. */
#define ROOT_OPTIONS "-odev,suid"

static bool add_options(struct mount *mount, struct fuse_args *rest,
                        const struct arguments *arguments, const struct host_devices *devices) {
    mount->block_device = getuid() == 0 && is_block_device(devices);
    bool all = getuid() == 0 && arguments->private == 0;
    bool block = mount->block_device;
    const char *name = block ? devices->data[0].path : SOME(devices->names);
    char *_Nullable options = nullptr;
    char *_Nullable source = nullptr;
    char *_Nullable whole = nullptr;
    bool done = asprintf(&source, "fsname=%s", name) > 0 &&
                fuse_opt_add_opt(&options, "default_permissions,subtype=latticefs") == 0 &&
                (!all || fuse_opt_add_opt(&options, "allow_other") == 0) &&
                (!block || fuse_opt_add_opt(&options, "blkdev") == 0) &&
                fuse_opt_add_opt_escaped(&options, SOME(source)) == 0 &&
                (getuid() != 0 || fuse_opt_insert_arg(rest, 1, ROOT_OPTIONS) == 0) &&
                asprintf(&whole, "-o%s", options) > 0 && fuse_opt_add_arg(rest, SOME(whole)) == 0;
    free(source);
    free(options);
    free(whole);
    return done;
}

static int session_run(struct mount *mount, const struct fuse_cmdline_opts *line) {
    pthread_t committer = {};
    pthread_t deferring = {};
    struct fuse_loop_config *_Nullable config = fuse_loop_cfg_create();
    if (config == nullptr) {
        return 1;
    }
    fuse_daemonize(line->foreground);
    if (!pages_start(mount, SOME(line->mountpoint))) {
        fuse_loop_cfg_destroy(config);
        return 1;
    }
    pthread_create(&committer, nullptr, commit_loop, mount);
    pthread_create(&deferring, nullptr, deferred_loop, mount);
    int result = line->singlethread != 0 ? fuse_session_loop(SOME(mount->session))
                                         : fuse_session_loop_mt(SOME(mount->session), config);
    result = MIN(result, 0); /* above it is the signal that asked for the end: no failure */
    fuse_loop_cfg_destroy(config);
    pthread_mutex_lock(&mount->lock);
    mount->ending = true;
    pthread_cond_signal(&mount->wake);
    pthread_cond_signal(&mount->deferred_wake);
    pthread_mutex_unlock(&mount->lock);
    pthread_join(committer, nullptr);
    pthread_join(deferring, nullptr);
    pages_end(mount);
    return result;
}

static int serve(struct mount *mount, struct fuse_args *rest,
                 const struct fuse_cmdline_opts *line) {
    struct fuse_session *_Nullable session =
        fuse_session_new(rest, &operations, sizeof operations, mount);
    if (session == nullptr) {
        return 1;
    }
    int result = 1;
    mount->session = session;
    mount->folder = line->mountpoint;
    if (fuse_set_signal_handlers(SOME(session)) == 0 &&
        fuse_session_mount(SOME(session), line->mountpoint) == 0) {
        result = session_run(mount, line);
        fuse_session_unmount(SOME(session));
    }
    fuse_remove_signal_handlers(SOME(session));
    fuse_session_destroy(session);
    return result;
}

static lattice_status_t unlock(struct mount *mount, const struct arguments *arguments,
                               uint64_t id) {
    static struct dataset_record record;
    static struct secret secret;
    TRY(dataset_get(mount->fs, id, &record));
    if (dataset_unlocked(mount->fs, &record)) {
        return LATTICE_OK;
    }
    if (!secret_read(arguments->key, arguments->passphrase, "Passphrase: ", &secret)) {
        return LATTICE_KEY_NEEDED;
    }
    return dataset_key_load(mount->fs, id, view_of(secret.data, secret.size));
}

static lattice_status_t open_dataset(struct mount *mount, const struct arguments *arguments,
                                     const char *name, uint64_t cache_size) {
    struct dataset *_Nullable dataset = nullptr;
    struct granule_cache *_Nullable cache = nullptr;
    uint64_t id = 0;
    TRY(dataset_find(mount->fs, view_text(name), &id));
    TRY(unlock(mount, arguments, id));
    TRY(dataset_open(mount->fs, id, &dataset));
    TRY(granules_create(mount->fs, &cache));
    mount->dataset = SOME(dataset);
    mount->cache = SOME(cache);
    if (cache_size == 0) { /* a 64th of the memory: the kernel's own pages are most of a cache */
        uint64_t memory = (uint64_t)sysconf(_SC_PHYS_PAGES) * (uint64_t)sysconf(_SC_PAGESIZE);
        cache_size = MIN(MAX(memory / 64, UINT64_C(32) << 20), UINT64_C(512) << 20);
    }
    uint64_t records = MIN(cache_size >> SOME(dataset)->record.record_shift, UINT64_C(1) << 20);
    mount->cache->limit = MAX((uint32_t)records, 16u);
    /* What is dirty is pushed with the lock held: not too much at a time. */
    mount->cache->dirty_limit = MIN(mount->cache->limit / 2, mount->cache->dirty_limit);
    return LATTICE_OK;
}

static int mount_pool(struct fuse_args *rest, const struct arguments *arguments,
                      const struct fuse_cmdline_opts *line) {
    static struct host_devices devices;
    static struct mount mount = {.lock = PTHREAD_MUTEX_INITIALIZER,
                                 .wake = PTHREAD_COND_INITIALIZER,
                                 .deferred_wake = PTHREAD_COND_INITIALIZER,
                                 .landed = PTHREAD_COND_INITIALIZER};
    uint64_t cache_size = 0;
    const char *pool = SOME(arguments->pool);
    const char *name = arguments->dataset == nullptr ? "root" : arguments->dataset;
    if (arguments->cache != nullptr && !host_parse_size(SOME(arguments->cache), &cache_size)) {
        fprintf(stderr, "mount.fuse.latticefs: cache=%s is no size (64M, 1G)\n", arguments->cache);
        return 2;
    }
    mount.hide_snapshots = arguments->hide_snapshots != 0;
    mount.commit_seconds =
        arguments->commit_seconds == 0 ? COMMIT_SECONDS : MIN(arguments->commit_seconds, 3600u);
    mount.read_only = arguments->read_only != 0;
    devices.mounting = true;
    mount.devices = &devices;
    host_memory_settings();
    mount.fs = host_open_pool(&devices, pool, !mount.read_only);
    mount.snapshots_changed = host_environment()->now_ns(host_environment()->context);
    lattice_status_t status = open_dataset(&mount, arguments, name, cache_size);
    if (status != LATTICE_OK) {
        fprintf(stderr, "%s: dataset %s: %s\n", pool, name, host_status_text(status));
        return 1;
    }
    int result = add_options(&mount, rest, arguments, &devices) ? serve(&mount, rest, line) : 1;
    if (mount.last != LATTICE_OK) {
        fprintf(stderr, "%s: %s\n", pool, host_status_text(mount.last));
        result = 1;
    }
    granules_destroy(mount.cache);
    pool_close(mount.fs);
    host_devices_close(&devices);
    return result == 0 ? 0 : 1;
}

/* `mount -o remount,ro` is the kernel's affair alone. */
static int remount(const struct arguments *arguments, const char *folder) {
    execlp("mount", "mount", "-i", "-o", arguments->read_only != 0 ? "remount,ro" : "remount,rw",
           folder, (char *_Nullable)nullptr);
    perror("mount");
    return 1;
}

UNSAFE_BEGIN /* the command line */

int main(int argc, char **argv) {
    const char *_Nullable slash = strrchr(argv[0], '/');
    const char *name = slash == nullptr ? argv[0] : slash + 1;
    if (strncmp(name, "umount", 6) == 0) {
        return unmount_main(argc, argv);
    }
    struct fuse_args rest = FUSE_ARGS_INIT(argc, argv);
    struct arguments arguments = {};
    struct fuse_cmdline_opts line = {};
    if (sodium_init() < 0 || fuse_opt_parse(&rest, &arguments, option_table, take_argument) != 0 ||
        fuse_parse_cmdline(&rest, &line) != 0) {
        return 2;
    }
    if (line.show_help != 0) {
        fputs(help, stdout);
        return 0;
    }
    if (arguments.pool == nullptr || line.mountpoint == nullptr) {
        fputs(help, stderr);
        return 2;
    }
    if (arguments.remount != 0) {
        return remount(&arguments, SOME(line.mountpoint));
    }
    int result = mount_pool(&rest, &arguments, &line);
    fuse_opt_free_args(&rest);
    free(arguments.pool);
    free(arguments.dataset);
    free(arguments.cache);
    free(arguments.key);
    free(arguments.passphrase);
    free(line.mountpoint);
    return result;
}

UNSAFE_END

#pragma clang assume_nonnull end
