/* Copying folders into and out of a dataset. These are host tools: they may recurse with the depth
 * of folders. */
#include "transfer.h"
#include "host.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#pragma clang assume_nonnull begin

void transfer_complain(struct transfer_job *job, const char *path, const char *what) {
    fprintf(stderr, "%s: %s\n", path, what);
    job->failures++;
}

lattice_status_t transfer_step(struct transfer_job *job) {
    const struct lattice *fs = job->cache->fs;
    job->objects++;
    if (job->objects % 64 == 0) {
        progress_show(job->call, "objects", job->objects, 0);
    }
    if (fs->cache.dirty.count > 1024 || fs->log.buffer.count > 1 << 22) {
        return granules_commit(job->cache);
    }
    return LATTICE_OK;
}

lattice_status_t transfer_attributes(struct transfer_job *job, uint64_t object, uint32_t mode,
                                     uint32_t user, uint32_t group, int64_t write_time) {
    struct inode inode = {};
    TRY(granules_push(job->cache, job->dataset, object));
    TRY(inode_get(job->cache->fs, job->dataset, object, &inode));
    inode.mode = mode;
    inode.user = user;
    inode.group = group;
    inode.write_time = write_time;
    inode.read_time = write_time;
    return inode_update(job->cache->fs, job->dataset, object, &inode);
}

static void import_content(struct transfer_job *transfer, uint64_t object, int folder,
                           const char *name) {
    int file = openat(folder, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    uint64_t offset = 0;
    if (file < 0) {
        transfer_complain(transfer, name, strerror(errno));
        return;
    }
    for (;;) {
        size_t written = 0;
        ssize_t got = read(file, SOME(transfer->buffer)->data, COPY_SIZE);
        if (got <= 0) {
            if (got < 0) {
                transfer_complain(transfer, name, strerror(errno));
            }
            break;
        }
        lattice_status_t status =
            granules_write(transfer->cache, transfer->dataset, object, offset,
                           view_of(SOME(transfer->buffer)->data, (size_t)got), &written);
        offset += written;
        status = status == LATTICE_OK ? transfer_step(transfer) : status;
        if (status != LATTICE_OK) {
            transfer_complain(transfer, name, host_status_text(status));
            break;
        }
    }
    close(file);
}

static void import_folder(struct transfer_job *transfer, uint64_t directory, int folder);

static void import_attributes(struct transfer_job *transfer, uint64_t object,
                              const struct stat *facts) {
    int64_t time = host_time_join(facts->st_mtim);
    lattice_status_t status =
        transfer_attributes(transfer, object, facts->st_mode, facts->st_uid, facts->st_gid, time);
    if (status != LATTICE_OK) {
        transfer_complain(transfer, "attributes", host_status_text(status));
    }
}

/* Another name of a file that was copied already: true, and a link was made. */
static bool import_known(struct transfer_job *transfer, uint64_t directory, const char *name,
                         const struct stat *facts) {
    uint64_t object = SOME(links_find(&transfer->links, facts->st_dev, facts->st_ino))->object;
    if (object == 0) {
        return false;
    }
    lattice_status_t status = granules_push(transfer->cache, transfer->dataset, object);
    if (status == LATTICE_OK) {
        status =
            name_link(transfer->cache->fs, transfer->dataset, object, directory, view_text(name));
    }
    status = status == LATTICE_OK ? transfer_step(transfer) : status;
    if (status != LATTICE_OK) {
        transfer_complain(transfer, name, host_status_text(status));
    }
    return true;
}

static void import_entry(struct transfer_job *transfer, uint64_t directory, int folder,
                         const char *name) {
    struct stat facts = {};
    uint64_t object = 0;
    if (fstatat(folder, name, &facts, AT_SYMLINK_NOFOLLOW) != 0) {
        transfer_complain(transfer, name, strerror(errno));
        return;
    }
    struct create_attributes attributes = {.mode = facts.st_mode,
                                           .user = facts.st_uid,
                                           .group = facts.st_gid,
                                           .device = facts.st_rdev};
    struct view target = {};
    if (S_ISLNK(facts.st_mode)) {
        ssize_t size = readlinkat(folder, name, (char *)SOME(transfer->buffer)->data, SYMLINK_MAX);
        target = view_of(SOME(transfer->buffer)->data, size > 0 ? (size_t)size : 0);
    }
    if (!S_ISDIR(facts.st_mode) && facts.st_nlink > 1 &&
        import_known(transfer, directory, name, &facts)) {
        return;
    }
    lattice_status_t status = name_create(transfer->cache->fs, transfer->dataset, directory,
                                          view_text(name), &attributes, target, &object);
    if (status != LATTICE_OK) {
        transfer_complain(transfer, name, host_status_text(status));
        return;
    }
    if (!S_ISDIR(facts.st_mode) && facts.st_nlink > 1) {
        SOME(links_find(&transfer->links, facts.st_dev, facts.st_ino))->object = object;
    }
    if (S_ISREG(facts.st_mode)) {
        import_content(transfer, object, folder, name);
    } else if (S_ISDIR(facts.st_mode)) {
        int inner = openat(folder, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
        if (inner < 0) {
            transfer_complain(transfer, name, strerror(errno));
        } else {
            import_folder(transfer, object, inner);
        }
    }
    extended_import(transfer, object, folder, name);
    import_attributes(transfer, object, &facts);
}

static void import_folder(struct transfer_job *transfer, uint64_t directory, int folder) {
    DIR *_Nullable entries = fdopendir(folder);
    if (entries == nullptr) {
        transfer_complain(transfer, "folder", strerror(errno));
        return;
    }
    for (struct dirent *_Nullable entry = readdir(SOME(entries)); entry != nullptr;
         entry = readdir(SOME(entries))) {
        const char *name = SOME(entry)->d_name;
        if (strcmp(name, ".") != 0 && strcmp(name, "..") != 0) {
            import_entry(transfer, directory, folder, name);
        }
    }
    closedir(SOME(entries));
}

uint64_t transfer_import(struct transfer_job *job, const char *from) {
    int folder = open(from, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    job->buffer = SOME((struct copy_buffer *)malloc(sizeof(struct copy_buffer)));
    if (folder < 0) {
        transfer_complain(job, from, strerror(errno));
    } else {
        import_folder(job, ROOT_OBJECT, folder);
    }
    links_release(&job->links);
    free(job->buffer);
    return job->failures;
}

/* ---- export ---- */

static void export_content(struct transfer_job *transfer, uint64_t object, uint64_t size,
                           int folder, const char *name, uint32_t mode) {
    int file = openat(folder, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, (mode & 0777) | 0600);
    uint64_t offset = 0;
    if (file < 0) {
        transfer_complain(transfer, name, strerror(errno));
        return;
    }
    while (offset < size) {
        size_t got = 0;
        uint64_t data = 0;
        lattice_status_t status =
            file_seek(transfer->cache->fs, transfer->dataset, object, offset, true, &data);
        if (status == LATTICE_NOT_FOUND) {
            break;
        }
        offset = data;
        if (status == LATTICE_OK) {
            status = granules_read(transfer->cache, transfer->dataset, object, offset,
                                   bytes_of(SOME(transfer->buffer)->data, COPY_SIZE), &got);
        }
        if (status != LATTICE_OK || got == 0 ||
            pwrite(file, SOME(transfer->buffer)->data, got, (off_t)offset) != (ssize_t)got) {
            transfer_complain(transfer, name, host_status_text(status));
            break;
        }
        offset += got;
    }
    if (ftruncate(file, (off_t)size) != 0) {
        transfer_complain(transfer, name, strerror(errno));
    }
    close(file);
}

/* Where in the tree that is being written an entry lies, from its root on. */
struct place {
    const struct place *_Nullable above; /* null: in the root */
    const char *name;                    /* of the folder; of the root: its path on the host */
    int folder;
};

/* The path of an entry; null where it is longer than the host's calls take. */
static char *_Nullable path_join(const struct place *place, const char *name) {
    size_t size = strlen(name) + 1;
    for (const struct place *at = place; at->above != nullptr; at = SOME(at->above)) {
        size += strlen(at->name) + 1;
    }
    if (size > PATH_MAX) {
        return nullptr;
    }
    char *path = SOME((char *)calloc(1, size));
    struct bytes to = bytes_of(path, size);
    size_t end = size - 1 - strlen(name);
    bytes_copy(bytes_sub(to, end, strlen(name)), view_text(name));
    for (const struct place *at = place; at->above != nullptr; at = SOME(at->above)) {
        end -= strlen(at->name) + 1;
        bytes_copy(bytes_sub(to, end, strlen(at->name)), view_text(at->name));
        to.data[end + strlen(at->name)] = '/';
    }
    return path;
}

/* The name of a file that may have others: true if it was written already, and is linked. */
static bool export_known(struct transfer_job *transfer, uint64_t object, const struct place *place,
                         const char *name) {
    struct linked *linked = SOME(links_find(&transfer->links, 0, object));
    const struct place *root = place;
    while (root->above != nullptr) {
        root = SOME(root->above);
    }
    if (linked->path == nullptr) {
        linked->path = path_join(place, name);
        return false;
    }
    if (linkat(root->folder, SOME(linked->path), place->folder, name, 0) != 0) {
        transfer_complain(transfer, name, strerror(errno));
    }
    return true;
}

static void export_folder(struct transfer_job *transfer, uint64_t directory,
                          const struct place *place);

static void export_entry(struct transfer_job *transfer, uint64_t object, const struct place *place,
                         const char *name) {
    struct inode inode = {};
    struct view target = {};
    struct lattice *fs = transfer->cache->fs;
    int folder = place->folder;
    lattice_status_t status = inode_get(fs, transfer->dataset, object, &inode);
    if (status != LATTICE_OK) {
        transfer_complain(transfer, name, host_status_text(status));
        return;
    }
    int failed = transfer_step(transfer) != LATTICE_OK;
    if (inode_type(&inode) != MODE_DIRECTORY && inode.links > 1 &&
        export_known(transfer, object, place, name)) {
        return;
    }
    switch (inode_type(&inode)) {
    case MODE_FILE:
        export_content(transfer, object, inode.size, folder, name, inode.mode);
        break;
    case MODE_DIRECTORY: {
        failed = mkdirat(folder, name, 0700);
        int inner = failed != 0 ? -1 : openat(folder, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        failed = inner < 0;
        if (inner >= 0) {
            struct place within = {.above = place, .name = name, .folder = inner};
            export_folder(transfer, object, &within);
            close(inner);
        }
        break;
    }
    case MODE_SYMLINK: {
        char text[SYMLINK_MAX + 1] = {};
        failed = symlink_read(fs, transfer->dataset, object, &target) != LATTICE_OK;
        bytes_copy(BYTES_OF(text), target);
        failed = failed || symlinkat(text, folder, name) != 0;
        break;
    }
    default:
        failed = mknodat(folder, name, inode.mode, inode.device);
        break;
    }
    struct timespec times[2] = {host_time_split(inode.read_time),
                                host_time_split(inode.write_time)};
    /* In this order: a change of the owner clears capabilities and set-ID bits. */
    (void)fchownat(folder, name, inode.user, inode.group, AT_SYMLINK_NOFOLLOW);
    extended_export(transfer, object, folder, name);
    if (inode_type(&inode) != MODE_SYMLINK) {
        failed = failed || fchmodat(folder, name, inode.mode & 07777, 0) != 0;
    }
    if (failed != 0 || utimensat(folder, name, times, AT_SYMLINK_NOFOLLOW) != 0) {
        transfer_complain(transfer, name, strerror(errno));
    }
}

static void export_folder(struct transfer_job *transfer, uint64_t directory,
                          const struct place *place) {
    uint64_t cookie = 0;
    for (;;) {
        struct dirent_entry entry = {};
        char name[NAME_MAX_BYTES + 1] = {};
        lattice_status_t status =
            name_next(transfer->cache->fs, transfer->dataset, directory, cookie, &entry);
        if (status != LATTICE_OK) {
            if (status != LATTICE_NOT_FOUND) {
                transfer_complain(transfer, "folder", host_status_text(status));
            }
            return;
        }
        bytes_copy(BYTES_OF(name), entry.name);
        cookie = entry.cookie;
        export_entry(transfer, entry.object, place, name);
    }
}

uint64_t transfer_export(struct transfer_job *job, const char *to) {
    int folder = open(to, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    job->buffer = SOME((struct copy_buffer *)malloc(sizeof(struct copy_buffer)));
    if (folder < 0) {
        transfer_complain(job, to, strerror(errno));
    } else {
        struct place root = {.name = to, .folder = folder};
        export_folder(job, ROOT_OBJECT, &root);
        close(folder);
    }
    links_release(&job->links);
    free(job->buffer);
    return job->failures;
}

#pragma clang assume_nonnull end
