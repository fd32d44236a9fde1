/* Copying folders into and out of a dataset. These are host tools: they may recurse with the depth
 * of folders. */
#include "transfer.h"
#include "host.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
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
    int64_t time = (int64_t)facts->st_mtim.tv_sec * 1000000000 + facts->st_mtim.tv_nsec;
    lattice_status_t status =
        transfer_attributes(transfer, object, facts->st_mode, facts->st_uid, facts->st_gid, time);
    if (status != LATTICE_OK) {
        transfer_complain(transfer, "attributes", host_status_text(status));
    }
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
    lattice_status_t status = name_create(transfer->cache->fs, transfer->dataset, directory,
                                          view_text(name), &attributes, target, &object);
    if (status != LATTICE_OK) {
        transfer_complain(transfer, name, host_status_text(status));
        return;
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
    free(job->buffer);
    return job->failures;
}

/* ---- export ---- */

static void export_content(struct transfer_job *transfer, uint64_t object, uint64_t size,
                           int folder, const char *name, uint32_t mode) {
    int file = openat(folder, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode & 0777);
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

static void export_folder(struct transfer_job *transfer, uint64_t directory, int folder);

static void export_entry(struct transfer_job *transfer, uint64_t object, int folder,
                         const char *name) {
    struct inode inode = {};
    struct view target = {};
    struct lattice *fs = transfer->cache->fs;
    lattice_status_t status = inode_get(fs, transfer->dataset, object, &inode);
    if (status != LATTICE_OK) {
        transfer_complain(transfer, name, host_status_text(status));
        return;
    }
    int failed = transfer_step(transfer) != LATTICE_OK;
    switch (inode_type(&inode)) {
    case MODE_FILE:
        export_content(transfer, object, inode.size, folder, name, inode.mode);
        break;
    case MODE_DIRECTORY: {
        failed = mkdirat(folder, name, 0700);
        int inner = failed != 0 ? -1 : openat(folder, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        failed = inner < 0;
        if (inner >= 0) {
            export_folder(transfer, object, inner);
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
    struct timespec times[2] = {
        {.tv_sec = inode.read_time / 1000000000, .tv_nsec = inode.read_time % 1000000000},
        {.tv_sec = inode.write_time / 1000000000, .tv_nsec = inode.write_time % 1000000000}};
    if (inode_type(&inode) != MODE_SYMLINK) {
        failed = failed || fchmodat(folder, name, inode.mode & 07777, 0) != 0;
    }
    if (failed != 0 || utimensat(folder, name, times, AT_SYMLINK_NOFOLLOW) != 0) {
        transfer_complain(transfer, name, strerror(errno));
    }
    (void)fchownat(folder, name, inode.user, inode.group, AT_SYMLINK_NOFOLLOW);
}

static void export_folder(struct transfer_job *transfer, uint64_t directory, int folder) {
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
        export_entry(transfer, entry.object, folder, name);
    }
}

uint64_t transfer_export(struct transfer_job *job, const char *to) {
    int folder = open(to, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    job->buffer = SOME((struct copy_buffer *)malloc(sizeof(struct copy_buffer)));
    if (folder < 0) {
        transfer_complain(job, to, strerror(errno));
    } else {
        export_folder(job, ROOT_OBJECT, folder);
        close(folder);
    }
    free(job->buffer);
    return job->failures;
}

#pragma clang assume_nonnull end
