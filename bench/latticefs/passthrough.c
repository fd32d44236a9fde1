/* A FUSE file system that passes everything through to a folder: `bench-passthrough SOURCE FOLDER`.
 * It stands for the price of FUSE itself, so it asks the kernel for what latticefs asks for
 * (write-back, listings with attributes, long validity) and does nothing else. A node is a
 * descriptor of the file below, by number; nodes live until the kernel forgets them. Names of one
 * file share a node. */
#define FUSE_USE_VERSION 314
#include "lib/base/safe.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <fuse_lowlevel.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>
#include <sys/xattr.h>
#include <unistd.h>

#pragma clang assume_nonnull begin

enum { BUCKETS = 65536 };
static const double VALID_SECONDS = 3600;

struct node {
    struct node *_Nullable next;
    ino_t inode;
    uint64_t lookups;
    struct node *_Nullable folder; /* of a file that is no folder: where it was last seen */
    char *_Nullable name;
    int file; /* O_PATH of a folder, or -1 */
};

struct state {
    pthread_mutex_t lock;
    struct node root;
    struct node *_Nullable buckets[BUCKETS];
};

static struct state state = {.lock = PTHREAD_MUTEX_INITIALIZER};

static struct node *node_of(fuse_ino_t number) {
    return number == FUSE_ROOT_ID ? &state.root : SOME((struct node *)number);
}

/* Of a folder. */
static int file_of(fuse_ino_t number) {
    return node_of(number)->file;
}

struct own_path {
    char text[512];
};

/* A path to the file. */
static struct own_path path_of(fuse_ino_t number) {
    struct own_path path;
    pthread_mutex_lock(&state.lock);
    const struct node *node = node_of(number);
    if (node->file >= 0) {
        snprintf(path.text, sizeof path.text, "/proc/self/fd/%d/.", node->file);
    } else {
        snprintf(path.text, sizeof path.text, "/proc/self/fd/%d/%s", SOME(node->folder)->file,
                 node->name);
    }
    pthread_mutex_unlock(&state.lock);
    return path;
}

static struct node *_Nullable *_Nonnull node_link(ino_t inode) {
    struct node *_Nullable *link = &state.buckets[inode % BUCKETS];
    while (*link != nullptr && SOME(*link)->inode != inode) {
        link = &SOME(*link)->next;
    }
    return link;
}

static void seen_at(struct node *node, fuse_ino_t parent, const char *name) {
    if (node->file < 0) {
        free(node->name);
        node->folder = node_of(parent);
        node->name = strdup(name);
    }
}

static int look_up(fuse_ino_t parent, const char *name, struct fuse_entry_param *out) {
    *out = (struct fuse_entry_param){.attr_timeout = VALID_SECONDS, .entry_timeout = VALID_SECONDS};
    if (fstatat(file_of(parent), name, &out->attr, AT_SYMLINK_NOFOLLOW) != 0) {
        return errno;
    }
    pthread_mutex_lock(&state.lock);
    struct node *_Nullable *link = node_link(out->attr.st_ino);
    if (*link == nullptr) {
        *link = calloc(1, sizeof(struct node));
        SOME(*link)->inode = out->attr.st_ino;
        SOME(*link)->file = S_ISDIR(out->attr.st_mode)
                                ? openat(file_of(parent), name, O_PATH | O_NOFOLLOW | O_CLOEXEC)
                                : -1;
    }
    seen_at(SOME(*link), parent, name);
    SOME(*link)->lookups++;
    out->ino = (fuse_ino_t)SOME(*link);
    pthread_mutex_unlock(&state.lock);
    return 0;
}

static void reply_entry(fuse_req_t request, int error, fuse_ino_t parent, const char *name) {
    struct fuse_entry_param entry = {};
    error = error == 0 ? look_up(parent, name, &entry) : error;
    if (error == 0 || error == ENOENT) {
        entry.entry_timeout = VALID_SECONDS;
        fuse_reply_entry(request, &entry);
    } else {
        fuse_reply_err(request, error);
    }
}

static void pass_lookup(fuse_req_t request, fuse_ino_t parent, const char *name) {
    reply_entry(request, 0, parent, name);
}

static void drop(fuse_ino_t number, uint64_t count) {
    if (number == FUSE_ROOT_ID) {
        return;
    }
    struct node *node = node_of(number);
    pthread_mutex_lock(&state.lock);
    node->lookups -= count;
    if (node->lookups == 0) {
        *node_link(node->inode) = node->next;
        if (node->file >= 0) {
            close(node->file);
        }
        free(node->name);
        free(node);
    }
    pthread_mutex_unlock(&state.lock);
}

static void pass_forget(fuse_req_t request, fuse_ino_t number, uint64_t count) {
    drop(number, count);
    fuse_reply_none(request);
}

static void pass_getattr(fuse_req_t request, fuse_ino_t number,
                         struct fuse_file_info *_Nullable file) {
    struct stat facts = {.st_ino = node_of(number)->inode, .st_mode = S_IFREG};
    (void)file;
    /* A file without a name any more, whose times the kernel still wants to tell: nobody looks. */
    if (lstat(path_of(number).text, &facts) != 0 && errno != ENOENT) {
        fuse_reply_err(request, errno);
    } else {
        fuse_reply_attr(request, &facts, VALID_SECONDS);
    }
}

static void pass_setattr(fuse_req_t request, fuse_ino_t number, struct stat *wanted, int what,
                         struct fuse_file_info *_Nullable file) {
    const struct own_path path = path_of(number);
    int failed = 0;
    if ((what & FUSE_SET_ATTR_MODE) != 0) {
        failed |= chmod(path.text, wanted->st_mode);
    }
    if ((what & (FUSE_SET_ATTR_UID | FUSE_SET_ATTR_GID)) != 0) {
        failed |= lchown(path.text, (what & FUSE_SET_ATTR_UID) != 0 ? wanted->st_uid : (uid_t)-1,
                         (what & FUSE_SET_ATTR_GID) != 0 ? wanted->st_gid : (gid_t)-1);
    }
    if ((what & FUSE_SET_ATTR_SIZE) != 0) {
        failed |= truncate(path.text, wanted->st_size);
    }
    if ((what & (FUSE_SET_ATTR_ATIME | FUSE_SET_ATTR_MTIME)) != 0) {
        struct timespec times[2] = {{.tv_nsec = UTIME_OMIT}, {.tv_nsec = UTIME_OMIT}};
        if ((what & FUSE_SET_ATTR_ATIME) != 0) {
            times[0] = wanted->st_atim;
        }
        if ((what & FUSE_SET_ATTR_MTIME) != 0) {
            times[1] = wanted->st_mtim;
        }
        failed |= utimensat(AT_FDCWD, path.text, times, AT_SYMLINK_NOFOLLOW);
    }
    if (failed != 0 && errno != ENOENT) {
        fuse_reply_err(request, errno);
    } else {
        pass_getattr(request, number, file);
    }
}

static void pass_mknod(fuse_req_t request, fuse_ino_t parent, const char *name, mode_t mode,
                       dev_t device) {
    int failed = mknodat(file_of(parent), name, mode, device);
    reply_entry(request, failed == 0 ? 0 : errno, parent, name);
}

static void pass_mkdir(fuse_req_t request, fuse_ino_t parent, const char *name, mode_t mode) {
    int failed = mkdirat(file_of(parent), name, mode);
    reply_entry(request, failed == 0 ? 0 : errno, parent, name);
}

static void pass_symlink(fuse_req_t request, const char *target, fuse_ino_t parent,
                         const char *name) {
    int failed = symlinkat(target, file_of(parent), name);
    reply_entry(request, failed == 0 ? 0 : errno, parent, name);
}

static void pass_readlink(fuse_req_t request, fuse_ino_t number) {
    struct {
        char data[4097];
    } text = {};
    if (readlink(path_of(number).text, text.data, sizeof text.data - 1) < 0) {
        fuse_reply_err(request, errno);
    } else {
        fuse_reply_readlink(request, text.data);
    }
}

static void pass_link(fuse_req_t request, fuse_ino_t number, fuse_ino_t parent, const char *name) {
    int failed = linkat(AT_FDCWD, path_of(number).text, file_of(parent), name, 0);
    reply_entry(request, failed == 0 ? 0 : errno, parent, name);
}

static void reply(fuse_req_t request, int failed) {
    fuse_reply_err(request, failed == 0 ? 0 : errno);
}

static void pass_unlink(fuse_req_t request, fuse_ino_t parent, const char *name) {
    reply(request, unlinkat(file_of(parent), name, 0));
}

static void pass_rmdir(fuse_req_t request, fuse_ino_t parent, const char *name) {
    reply(request, unlinkat(file_of(parent), name, AT_REMOVEDIR));
}

static void pass_rename(fuse_req_t request, fuse_ino_t from_parent, const char *from,
                        fuse_ino_t to_parent, const char *to, unsigned flags) {
    int failed = renameat2(file_of(from_parent), from, file_of(to_parent), to, flags);
    struct stat facts = {};
    if (failed == 0 && fstatat(file_of(to_parent), to, &facts, AT_SYMLINK_NOFOLLOW) == 0) {
        pthread_mutex_lock(&state.lock);
        struct node *_Nullable node = *node_link(facts.st_ino);
        if (node != nullptr) {
            seen_at(SOME(node), to_parent, to);
        }
        pthread_mutex_unlock(&state.lock);
    }
    reply(request, failed);
}

/* With write-back the kernel reads what was opened for writing, and appends by itself. */
static int flags_below(int flags) {
    flags &= ~(O_NOFOLLOW | O_APPEND | O_TRUNC | O_EXCL);
    return (flags & O_ACCMODE) == O_WRONLY ? (flags & ~O_ACCMODE) | O_RDWR : flags;
}

static void pass_open(fuse_req_t request, fuse_ino_t number, struct fuse_file_info *file) {
    int opened = open(path_of(number).text, flags_below(file->flags) & ~O_CREAT);
    if (opened < 0) {
        fuse_reply_err(request, errno);
        return;
    }
    file->fh = (uint64_t)opened;
    file->keep_cache = 1;
    fuse_reply_open(request, file);
}

static void pass_create(fuse_req_t request, fuse_ino_t parent, const char *name, mode_t mode,
                        struct fuse_file_info *file) {
    struct fuse_entry_param entry = {};
    int opened = openat(file_of(parent), name, flags_below(file->flags) | O_CREAT, mode);
    int error = opened < 0 ? errno : look_up(parent, name, &entry);
    if (error != 0) {
        fuse_reply_err(request, error);
        return;
    }
    file->fh = (uint64_t)opened;
    file->keep_cache = 1;
    fuse_reply_create(request, &entry, file);
}

static void pass_release(fuse_req_t request, fuse_ino_t number, struct fuse_file_info *file) {
    (void)number;
    reply(request, close((int)file->fh));
}

static void pass_read(fuse_req_t request, fuse_ino_t number, size_t size, off_t offset,
                      struct fuse_file_info *file) {
    char *buffer = SOME((char *)malloc(size));
    (void)number;
    ssize_t got = pread((int)file->fh, buffer, size, offset);
    if (got < 0) {
        fuse_reply_err(request, errno);
    } else {
        fuse_reply_buf(request, buffer, (size_t)got);
    }
    free(buffer);
}

static void pass_write(fuse_req_t request, fuse_ino_t number, const char *buffer, size_t size,
                       off_t offset, struct fuse_file_info *file) {
    (void)number;
    ssize_t done = pwrite((int)file->fh, buffer, size, offset);
    if (done < 0) {
        fuse_reply_err(request, errno);
    } else {
        fuse_reply_write(request, (size_t)done);
    }
}

static void pass_fsync(fuse_req_t request, fuse_ino_t number, int data_only,
                       struct fuse_file_info *_Nullable file) {
    (void)number;
    (void)data_only;
    reply(request, file == nullptr ? 0 : fsync((int)SOME(file)->fh));
}

static void pass_fsyncdir(fuse_req_t request, fuse_ino_t number, int data_only,
                          struct fuse_file_info *_Nullable file) {
    (void)data_only;
    (void)file;
    int opened = open(path_of(number).text, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    reply(request, opened < 0 ? -1 : fsync(opened));
    close(opened);
}

/* With extended attributes the kernel asks for one at each write: latticefs has them, too. */
static void pass_getxattr(fuse_req_t request, fuse_ino_t number, const char *name, size_t size) {
    char *buffer = SOME((char *)malloc(size + 1));
    ssize_t got = getxattr(path_of(number).text, name, buffer, size);
    if (got < 0) {
        fuse_reply_err(request, errno);
    } else if (size == 0) {
        fuse_reply_xattr(request, (size_t)got);
    } else {
        fuse_reply_buf(request, buffer, (size_t)got);
    }
    free(buffer);
}

static void pass_setxattr(fuse_req_t request, fuse_ino_t number, const char *name,
                          const char *value, size_t size, int flags) {
    reply(request, setxattr(path_of(number).text, name, value, size, flags));
}

static void pass_statfs(fuse_req_t request, fuse_ino_t number) {
    struct statvfs facts = {};
    (void)number;
    if (fstatvfs(state.root.file, &facts) != 0) {
        fuse_reply_err(request, errno);
    } else {
        fuse_reply_statfs(request, &facts);
    }
}

/* ---- folders ---- */

static void pass_opendir(fuse_req_t request, fuse_ino_t number, struct fuse_file_info *file) {
    int opened = open(path_of(number).text, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *_Nullable entries = opened < 0 ? nullptr : fdopendir(opened);
    if (entries == nullptr) {
        fuse_reply_err(request, errno);
        return;
    }
    file->fh = (uint64_t)entries;
    file->keep_cache = 1;
    file->cache_readdir = 1;
    fuse_reply_open(request, file);
}

static void pass_releasedir(fuse_req_t request, fuse_ino_t number, struct fuse_file_info *file) {
    (void)number;
    reply(request, closedir(SOME((DIR *)file->fh)));
}

static size_t add_entry(fuse_req_t request, fuse_ino_t number, struct dirent *found, char *at,
                        size_t left, bool plus) {
    struct fuse_entry_param entry = {
        .attr = {.st_ino = found->d_ino, .st_mode = (mode_t)found->d_type << 12}};
    bool dots = strcmp(found->d_name, ".") == 0 || strcmp(found->d_name, "..") == 0;
    if (!plus) {
        return fuse_add_direntry(request, at, left, found->d_name, &entry.attr, found->d_off);
    }
    size_t size = fuse_add_direntry_plus(request, nullptr, 0, found->d_name, &entry, found->d_off);
    if (size <= left && !dots) {
        (void)look_up(number, found->d_name, &entry);
    }
    return fuse_add_direntry_plus(request, at, left, found->d_name, &entry, found->d_off);
}

UNSAFE_BEGIN /* the answer grows by what libfuse adds to it */

static void list(fuse_req_t request, fuse_ino_t number, size_t size, off_t offset,
                 struct fuse_file_info *file, bool plus) {
    DIR *entries = SOME((DIR *)file->fh);
    char *buffer = SOME((char *)malloc(size));
    size_t used = 0;
    seekdir(entries, offset);
    for (struct dirent *_Nullable found = readdir(entries); found != nullptr;
         found = readdir(entries)) {
        size_t added = add_entry(request, number, SOME(found), buffer + used, size - used, plus);
        if (added > size - used) {
            break;
        }
        used += added;
    }
    fuse_reply_buf(request, buffer, used);
    free(buffer);
}

static void pass_forget_multi(fuse_req_t request, size_t count, struct fuse_forget_data *forgets) {
    for (size_t i = 0; i < count; i++) {
        drop(forgets[i].ino, forgets[i].nlookup);
    }
    fuse_reply_none(request);
}

UNSAFE_END

static void pass_readdir(fuse_req_t request, fuse_ino_t number, size_t size, off_t offset,
                         struct fuse_file_info *file) {
    list(request, number, size, offset, file, false);
}

static void pass_readdirplus(fuse_req_t request, fuse_ino_t number, size_t size, off_t offset,
                             struct fuse_file_info *file) {
    list(request, number, size, offset, file, true);
}

static void pass_init(void *userdata, struct fuse_conn_info *connection) {
    (void)userdata;
    connection->want |= connection->capable & (FUSE_CAP_WRITEBACK_CACHE | FUSE_CAP_PARALLEL_DIROPS |
                                               FUSE_CAP_CACHE_SYMLINKS);
    connection->want &=
        ~(unsigned)(FUSE_CAP_ATOMIC_O_TRUNC | FUSE_CAP_HANDLE_KILLPRIV | FUSE_CAP_AUTO_INVAL_DATA);
    connection->max_background = 64;
    connection->congestion_threshold = 48;
}

static const struct fuse_lowlevel_ops operations = {
    .init = pass_init,
    .lookup = pass_lookup,
    .forget = pass_forget,
    .forget_multi = pass_forget_multi,
    .getattr = pass_getattr,
    .setattr = pass_setattr,
    .readlink = pass_readlink,
    .mknod = pass_mknod,
    .mkdir = pass_mkdir,
    .unlink = pass_unlink,
    .rmdir = pass_rmdir,
    .symlink = pass_symlink,
    .rename = pass_rename,
    .link = pass_link,
    .open = pass_open,
    .create = pass_create,
    .release = pass_release,
    .read = pass_read,
    .write = pass_write,
    .fsync = pass_fsync,
    .fsyncdir = pass_fsyncdir,
    .opendir = pass_opendir,
    .releasedir = pass_releasedir,
    .readdir = pass_readdir,
    .readdirplus = pass_readdirplus,
    .statfs = pass_statfs,
    .getxattr = pass_getxattr,
    .setxattr = pass_setxattr,
};

UNSAFE_BEGIN /* the command line */

int main(int argc, char **argv) {
    char *options[] = {argv[0], (char *)"-oallow_other,default_permissions,fsname=passthrough",
                       nullptr};
    struct fuse_args arguments = FUSE_ARGS_INIT(2, options);
    if (argc != 3) {
        fputs("usage: bench-passthrough SOURCE FOLDER\n", stderr);
        return 2;
    }
    umask(0);
    state.root = (struct node){.file = open(argv[1], O_PATH | O_DIRECTORY), .lookups = 1};
    struct fuse_session *_Nullable session =
        fuse_session_new(&arguments, &operations, sizeof operations, nullptr);
    struct fuse_loop_config *_Nullable config = fuse_loop_cfg_create();
    if (state.root.file < 0 || session == nullptr ||
        fuse_session_mount(SOME(session), argv[2]) != 0) {
        return 1;
    }
    int result = fuse_session_loop_mt(SOME(session), config);
    fuse_session_unmount(SOME(session));
    fuse_session_destroy(session);
    fuse_loop_cfg_destroy(config);
    return result == 0 ? 0 : 1;
}

UNSAFE_END

#pragma clang assume_nonnull end
