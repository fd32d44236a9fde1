/* tar archives: ustar, with GNU's long names, and of pax path, linkpath, size, mtime and extended
 * attributes when reading; when writing GNU's long names and pax' mtime and extended attributes.
 * Paths of an archive are hostile: "..", and nothing, are refused. */
#include "host.h"
#include "pax.h"
#include "transfer.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>

#pragma clang assume_nonnull begin

enum { TAR_BLOCK = 512, PATH_SIZE = 4096, NANOSECONDS = 1000000000 };
#define LATEST UINT64_C(9223372036) /* second that the format holds */

struct header {
    char name[100];
    char mode[8];
    char user[8];
    char group[8];
    char size[12];
    char time[12];
    char checksum[8];
    char type;
    char link[100];
    char magic[8];
    char user_name[32];
    char group_name[32];
    char major[8];
    char minor[8];
    char prefix[155];
    char padding[12];
};
static_assert(sizeof(struct header) == TAR_BLOCK);

struct long_text {
    char text[PATH_SIZE];
};

/* What the entries before a header said about it. */
struct overrides {
    struct long_text path;
    struct long_text link;
    bool has_path;
    bool has_link;
    bool has_size;
    bool has_time;
    uint64_t size;
    int64_t time; /* nanoseconds since 1970 */
};

struct archive {
    struct transfer_job *job;
    FILE *file;
    struct header header;
    struct overrides overrides;
    struct pax pax; /* of the entry in hand */
};

/* ---- fields ---- */

static uint64_t number_of(struct view field) {
    uint64_t value = 0;
    if (field.size > 0 && (field.data[0] & 0x80) != 0) { /* binary, by GNU */
        for (size_t i = 1; i < field.size; i++) {
            value = value << 8 | field.data[i];
        }
        return value;
    }
    for (size_t i = 0; i < field.size && field.data[i] != 0; i++) {
        if (field.data[i] >= '0' && field.data[i] <= '7') {
            value = value << 3 | (uint64_t)(field.data[i] - '0');
        }
    }
    return value;
}

static void number_put(struct bytes field, uint64_t value) {
    bool large = value >> 3 * (field.size - 1) != 0;
    for (size_t i = field.size - (large ? 0 : 1); i-- > 0;) {
        field.data[i] = large ? (uint8_t)(value & 0xff) : (uint8_t)('0' + (value & 7));
        value >>= large ? 8 : 3;
    }
    if (large) {
        field.data[0] = 0x80;
    }
}

static uint64_t header_sum(const struct header *header) {
    struct header copy = *header;
    uint64_t sum = 0;
    bytes_copy(BYTES_OF(copy.checksum), view_text("        "));
    struct view view = VIEW_OF(copy);
    for (size_t i = 0; i < view.size; i++) {
        sum += view.data[i];
    }
    return sum;
}

/* ---- reading ---- */

static bool take(struct archive *archive, struct bytes to) {
    return fread(to.data, 1, to.size, archive->file) == to.size;
}

static bool skip(struct archive *archive, uint64_t size) {
    struct header block;
    for (uint64_t at = 0; at < size; at += TAR_BLOCK) {
        if (!take(archive, BYTES_OF(block))) {
            return false;
        }
    }
    return true;
}

/* An entry's content as a text; what is longer is cut, and refused as a name later. */
static bool take_text(struct archive *archive, uint64_t size, struct long_text *out) {
    struct header block;
    uint64_t at = 0;
    *out = (struct long_text){};
    while (at < size) {
        if (!take(archive, BYTES_OF(block))) {
            return false;
        }
        uint64_t part = MIN(size - at, (uint64_t)TAR_BLOCK);
        if (at + part < PATH_SIZE) {
            bytes_copy(bytes_sub(BYTES_OF(out->text), at, part), view_sub(VIEW_OF(block), 0, part));
        }
        at += part;
    }
    return true;
}

/* The decimal digits from *at on, which goes behind them; at most `most`. */
static uint64_t decimal_of(struct view text, size_t *at, uint64_t most) {
    uint64_t value = 0;
    for (; *at < text.size && text.data[*at] >= '0' && text.data[*at] <= '9'; *at += 1) {
        uint64_t digit = (uint64_t)(text.data[*at] - '0');
        value = value > (most - digit) / 10 ? most : value * 10 + digit;
    }
    return value;
}

/* "[-]SECONDS[.FRACTION]" */
static int64_t time_of(struct view text) {
    bool negative = text.size > 0 && text.data[0] == '-';
    size_t at = negative ? 1 : 0;
    int64_t time = (int64_t)decimal_of(text, &at, LATEST) * NANOSECONDS;
    if (time < (int64_t)LATEST * NANOSECONDS && at < text.size && text.data[at] == '.') {
        int64_t unit = NANOSECONDS / 10;
        for (at++; at < text.size && text.data[at] >= '0' && text.data[at] <= '9'; at++) {
            time += unit * (text.data[at] - '0');
            unit /= 10;
        }
    }
    return negative ? -time : time;
}

static void take_long(struct long_text *to, bool *has, struct view value) {
    *to = (struct long_text){};
    *has = true;
    if (value.size < sizeof to->text) { /* else the empty name, which is refused */
        bytes_copy(BYTES_OF(to->text), value);
    }
}

/* Reads a pax header's content; the attributes in it are taken when there is an object. */
static bool take_pax(struct archive *archive, uint64_t size) {
    struct overrides *overrides = &archive->overrides;
    struct pax *pax = &archive->pax;
    struct header block;
    struct view key = {};
    struct view value = {};
    if (size > PAX_MAX || !pax_reserve(pax, (size_t)size)) {
        transfer_complain(archive->job, "archive", "a header that is too long is passed over");
        return skip(archive, size);
    }
    for (pax->used = 0; pax->used < size;) {
        size_t part = (size_t)MIN(size - pax->used, (uint64_t)TAR_BLOCK);
        if (!take(archive, BYTES_OF(block))) {
            return false;
        }
        bytes_copy(bytes_sub(bytes_of(pax->data, pax->capacity), pax->used, part),
                   view_sub(VIEW_OF(block), 0, part));
        pax->used += part;
    }
    for (size_t at = 0; pax_next(pax, &at, &key, &value);) {
        if (view_equal(key, view_text("path"))) {
            take_long(&overrides->path, &overrides->has_path, value);
        } else if (view_equal(key, view_text("linkpath"))) {
            take_long(&overrides->link, &overrides->has_link, value);
        } else if (view_equal(key, view_text("size"))) {
            size_t digits = 0;
            overrides->size = decimal_of(value, &digits, INT64_MAX);
            overrides->has_size = true;
        } else if (view_equal(key, view_text("mtime"))) {
            overrides->time = time_of(value);
            overrides->has_time = true;
        }
    }
    return true;
}

/* Reads headers up to one of an object. False at the end, or where the archive is damaged. */
static bool next_header(struct archive *archive) {
    archive->overrides = (struct overrides){};
    archive->pax.used = 0;
    for (;;) {
        struct header *header = &archive->header;
        if (!take(archive, BYTES_OF(*header)) || view_is_zero(VIEW_OF(*header))) {
            return false;
        }
        uint64_t size = number_of(VIEW_OF(header->size));
        if (number_of(VIEW_OF(header->checksum)) != header_sum(header)) {
            transfer_complain(archive->job, "archive", "damaged: a header's sum is wrong");
            return false;
        }
        bool good = true;
        if (header->type == 'L') {
            good = take_text(archive, size, &archive->overrides.path);
            archive->overrides.has_path = true;
        } else if (header->type == 'K') {
            good = take_text(archive, size, &archive->overrides.link);
            archive->overrides.has_link = true;
        } else if (header->type == 'x') {
            good = take_pax(archive, size);
        } else if (header->type == 'g') {
            good = skip(archive, size);
        } else {
            return true;
        }
        if (!good) {
            return false;
        }
    }
}

static void path_of(const struct archive *archive, struct long_text *out) {
    const struct header *header = &archive->header;
    *out = (struct long_text){};
    if (archive->overrides.has_path) {
        *out = archive->overrides.path;
    } else if (memcmp(header->magic, "ustar", 5) == 0 && header->prefix[0] != 0) {
        snprintf(out->text, sizeof out->text, "%.155s/%.100s", header->prefix, header->name);
    } else {
        snprintf(out->text, sizeof out->text, "%.100s", header->name);
    }
}

/* Where a path leads: the folder of its last part, made where it is missing, and that part. */
static lattice_status_t walk(struct archive *archive, struct long_text *path, bool make,
                             uint64_t *out_folder, struct view *out_name) {
    struct transfer_job *job = archive->job;
    struct create_attributes attributes = {.mode = MODE_DIRECTORY << 12 | 0755};
    char *_Nullable rest = nullptr;
    *out_folder = ROOT_OBJECT;
    *out_name = (struct view){};
    for (char *_Nullable part = strtok_r(path->text, "/", &rest); part != nullptr;
         part = strtok_r(nullptr, "/", &rest)) {
        if (strcmp(SOME(part), ".") == 0) {
            continue;
        }
        if (strcmp(SOME(part), "..") == 0) {
            return LATTICE_INVALID;
        }
        if (out_name->size != 0) {
            lattice_status_t status =
                name_lookup(job->cache->fs, job->dataset, *out_folder, *out_name, out_folder);
            if (status == LATTICE_NOT_FOUND && make) {
                status = name_create(job->cache->fs, job->dataset, *out_folder, *out_name,
                                     &attributes, (struct view){}, out_folder);
            }
            TRY(status);
        }
        *out_name = view_text(SOME(part));
    }
    return LATTICE_OK;
}

static lattice_status_t import_content(struct archive *archive, uint64_t object, uint64_t size) {
    struct transfer_job *job = archive->job;
    struct bytes buffer = BYTES_OF(*SOME(job->buffer));
    uint64_t at = 0;
    lattice_status_t status = LATTICE_OK;
    while (at < size) {
        size_t part = (size_t)MIN(size - at, (uint64_t)buffer.size);
        size_t padded = (part + TAR_BLOCK - 1) / TAR_BLOCK * TAR_BLOCK;
        size_t written = 0;
        if (!take(archive, bytes_sub(buffer, 0, padded))) {
            return LATTICE_IO;
        }
        if (status == LATTICE_OK) {
            status = granules_write(job->cache, job->dataset, object, at,
                                    bytes_view(bytes_sub(buffer, 0, part)), &written);
        }
        status = status == LATTICE_OK ? transfer_step(job) : status;
        at += part;
    }
    return status;
}

/* Makes a link to what an earlier path of the archive names. */
static lattice_status_t import_link(struct archive *archive, uint64_t folder, struct view name,
                                    struct long_text *target) {
    struct transfer_job *job = archive->job;
    struct view last = {};
    uint64_t from = 0;
    uint64_t object = 0;
    TRY(walk(archive, target, false, &from, &last));
    TRY(name_lookup(job->cache->fs, job->dataset, from, last, &object));
    TRY(granules_push(job->cache, job->dataset, object));
    return name_link(job->cache->fs, job->dataset, object, folder, name);
}

static uint32_t mode_type_of(char type) {
    switch (type) {
    case '2':
        return MODE_SYMLINK;
    case '3':
        return MODE_CHARACTER;
    case '4':
        return MODE_BLOCK;
    case '5':
        return MODE_DIRECTORY;
    case '6':
        return MODE_FIFO;
    default:
        return MODE_FILE;
    }
}

static void import_extended(struct archive *archive, uint64_t object, const char *path) {
    struct view key = {};
    struct view value = {};
    const size_t prefix = strlen(PAX_XATTR);
    for (size_t at = 0; pax_next(&archive->pax, &at, &key, &value);) {
        if (key.size > prefix && view_equal(view_sub(key, 0, prefix), view_text(PAX_XATTR))) {
            extended_take(archive->job, object, path, view_sub(key, prefix, key.size - prefix),
                          value);
        } else if (key.size > 11 && view_equal(view_sub(key, 0, 11), view_text("SCHILY.acl."))) {
            transfer_complain(archive->job, path, "its access control list is not copied");
        }
    }
}

/* `size` bytes of content follow the header, and are used up. */
static lattice_status_t import_entry(struct archive *archive, struct long_text *path,
                                     const char *shown, uint64_t size) {
    struct transfer_job *job = archive->job;
    const struct header *header = &archive->header;
    uint32_t type = mode_type_of(header->type);
    struct create_attributes attributes = {
        .mode = type << 12 | (uint32_t)(number_of(VIEW_OF(header->mode)) & 07777),
        .user = (uint32_t)number_of(VIEW_OF(header->user)),
        .group = (uint32_t)number_of(VIEW_OF(header->group)),
        .device = makedev((unsigned)number_of(VIEW_OF(header->major)),
                          (unsigned)number_of(VIEW_OF(header->minor)))};
    static struct long_text link;
    struct view name = {};
    uint64_t folder = 0;
    uint64_t object = 0;
    if (archive->overrides.has_link) {
        link = archive->overrides.link;
    } else {
        snprintf(link.text, sizeof link.text, "%.100s", header->link);
    }
    lattice_status_t status = walk(archive, path, true, &folder, &name);
    if (status == LATTICE_OK && name.size == 0) {
        object = ROOT_OBJECT; /* "./" */
    } else if (status == LATTICE_OK && header->type == '1') {
        return import_link(archive, folder, name, &link);
    } else if (status == LATTICE_OK) {
        status =
            name_create(job->cache->fs, job->dataset, folder, name, &attributes,
                        type == MODE_SYMLINK ? view_text(link.text) : (struct view){}, &object);
        if (status == LATTICE_EXISTS && type == MODE_DIRECTORY) {
            status = name_lookup(job->cache->fs, job->dataset, folder, name, &object);
        }
    }
    if (status != LATTICE_OK || type != MODE_FILE) {
        if (!skip(archive, size)) {
            return LATTICE_IO;
        }
        TRY(status);
    } else {
        TRY(import_content(archive, object, size));
    }
    import_extended(archive, object, shown);
    int64_t time = archive->overrides.has_time
                       ? archive->overrides.time
                       : (int64_t)MIN(number_of(VIEW_OF(header->time)), LATEST) * NANOSECONDS;
    return transfer_attributes(job, object, attributes.mode, attributes.user, attributes.group,
                               time);
}

uint64_t tar_import(struct transfer_job *job, const char *path) {
    static struct long_text name;
    static struct long_text shown;
    FILE *_Nullable file = strcmp(path, "-") == 0 ? stdin : fopen(path, "r");
    if (file == nullptr) {
        transfer_complain(job, path, strerror(errno));
        return job->failures;
    }
    struct archive *archive = SOME((struct archive *)calloc(1, sizeof(struct archive)));
    job->buffer = SOME((struct copy_buffer *)malloc(sizeof(struct copy_buffer)));
    archive->job = job;
    archive->file = SOME(file);
    bool any = false;
    while (next_header(archive)) {
        any = true;
        path_of(archive, &name);
        shown = name;
        uint64_t size = archive->overrides.has_size ? archive->overrides.size
                                                    : number_of(VIEW_OF(archive->header.size));
        lattice_status_t status = import_entry(archive, &name, shown.text, size);
        status = status == LATTICE_OK ? transfer_step(job) : status;
        if (status != LATTICE_OK) {
            transfer_complain(job, shown.text, host_status_text(status));
        }
    }
    if (!any) {
        transfer_complain(job, path, "no tar archive, or an empty one (is it compressed?)");
    }
    free(job->buffer);
    pax_release(&archive->pax);
    free(archive);
    if (file != stdin) {
        fclose(SOME(file));
    }
    return job->failures;
}

/* ---- writing ---- */

static bool put(struct archive *archive, struct view bytes) {
    static const struct header zeros;
    size_t rest = bytes.size % TAR_BLOCK;
    size_t padding = rest == 0 ? 0 : TAR_BLOCK - rest;
    return fwrite(bytes.data, 1, bytes.size, archive->file) == bytes.size &&
           fwrite(&zeros, 1, padding, archive->file) == padding;
}

static void header_seal(struct header *header) {
    bytes_copy(BYTES_OF(header->magic), view_of("ustar\00000", 8));
    uint64_t sum = header_sum(header);
    number_put(bytes_sub(BYTES_OF(header->checksum), 0, 7), sum);
    header->checksum[7] = ' ';
}

/* A name that does not fit goes before its header, as GNU's tar does it. */
static bool put_long(struct archive *archive, char type, struct view text) {
    struct header header = {.type = type};
    if (text.size < sizeof header.name) {
        return true;
    }
    bytes_copy(BYTES_OF(header.name), view_text("././@LongLink"));
    number_put(BYTES_OF(header.mode), 0644);
    number_put(BYTES_OF(header.size), text.size);
    header_seal(&header);
    return put(archive, VIEW_OF(header)) && put(archive, text);
}

/* What ustar has no field for, in a header of its own before the entry's. */
static bool put_pax(struct archive *archive, uint64_t object, const struct inode *inode,
                    const char *path) {
    struct pax *pax = &archive->pax;
    struct extended found = {};
    bool good = true;
    pax->used = 0;
    if (inode->write_time % NANOSECONDS != 0 || inode->write_time < 0) {
        char text[40] = {};
        bool negative = inode->write_time < 0;
        uint64_t time = negative ? -(uint64_t)inode->write_time : (uint64_t)inode->write_time;
        snprintf(text, sizeof text, "%s%llu.%09llu", negative ? "-" : "",
                 (unsigned long long)(time / NANOSECONDS),
                 (unsigned long long)(time % NANOSECONDS));
        good = pax_add(pax, view_text("mtime"), (struct view){}, view_text(text));
    }
    for (uint64_t cookie = 0; good && extended_next(archive->job, object, &cookie, &found, path);) {
        good = pax_add(pax, view_text(PAX_XATTR), view_text(found.name),
                       view_sub(VIEW_OF(*SOME(archive->job->buffer)), 0, found.size));
    }
    struct header header = {.type = 'x'};
    if (!good || pax->used == 0) {
        return good;
    }
    bytes_copy(BYTES_OF(header.name), view_text("./PaxHeaders/attributes"));
    number_put(BYTES_OF(header.mode), 0644);
    number_put(BYTES_OF(header.size), pax->used);
    header_seal(&header);
    return put(archive, VIEW_OF(header)) && put(archive, view_of(pax->data, pax->used));
}

static bool put_header(struct archive *archive, const struct inode *inode, char type,
                       struct view path, struct view link) {
    struct header *header = &archive->header;
    *header = (struct header){.type = type};
    bytes_copy(BYTES_OF(header->name), view_sub(path, 0, MIN(path.size, sizeof header->name)));
    bytes_copy(BYTES_OF(header->link), view_sub(link, 0, MIN(link.size, sizeof header->link)));
    number_put(BYTES_OF(header->mode), inode->mode & 07777);
    number_put(BYTES_OF(header->user), inode->user);
    number_put(BYTES_OF(header->group), inode->group);
    number_put(BYTES_OF(header->size), type == '0' ? inode->size : 0);
    number_put(BYTES_OF(header->time),
               inode->write_time < 0 ? 0 : (uint64_t)inode->write_time / NANOSECONDS);
    if (type == '3' || type == '4') {
        number_put(BYTES_OF(header->major), major(inode->device));
        number_put(BYTES_OF(header->minor), minor(inode->device));
    }
    header_seal(header);
    return put_long(archive, 'L', path) && put_long(archive, 'K', link) &&
           put(archive, VIEW_OF(*header));
}

static lattice_status_t export_content(struct archive *archive, uint64_t object, uint64_t size) {
    struct transfer_job *job = archive->job;
    struct bytes buffer = BYTES_OF(*SOME(job->buffer));
    for (uint64_t at = 0; at < size;) {
        size_t got = 0;
        struct bytes part = bytes_sub(buffer, 0, (size_t)MIN(size - at, (uint64_t)buffer.size));
        TRY(granules_read(job->cache, job->dataset, object, at, part, &got));
        if (got != part.size || !put(archive, bytes_view(part))) {
            return LATTICE_IO;
        }
        at += got;
    }
    return LATTICE_OK;
}

/* The path under which a file was written already, or nothing: then this is the first. */
static struct view export_known(struct archive *archive, uint64_t object, struct view path) {
    struct linked *linked = SOME(links_find(&archive->job->links, 0, object));
    if (linked->path != nullptr) {
        return view_text(SOME(linked->path));
    }
    char *copy = SOME((char *)calloc(1, path.size + 1));
    bytes_copy(bytes_of(copy, path.size + 1), path);
    linked->path = copy;
    return (struct view){};
}

static lattice_status_t export_object(struct archive *archive, uint64_t object,
                                      const struct inode *inode, struct view path,
                                      const char *shown) {
    static const char types[16] = {[MODE_FIFO] = '6',      [MODE_CHARACTER] = '3',
                                   [MODE_DIRECTORY] = '5', [MODE_BLOCK] = '4',
                                   [MODE_FILE] = '0',      [MODE_SYMLINK] = '2'};
    struct transfer_job *job = archive->job;
    struct view link = {};
    char type = types[inode_type(inode) & 15];
    if (type == 0) {
        return LATTICE_UNSUPPORTED; /* a socket */
    }
    if (type != '5' && inode->links > 1) {
        link = export_known(archive, object, path);
        type = link.size != 0 ? '1' : type;
    }
    if (type == '2') {
        static struct long_text copy;
        TRY(symlink_read(job->cache->fs, job->dataset, object, &link));
        bytes_copy(BYTES_OF(copy.text), link);
        link = view_sub(VIEW_OF(copy.text), 0, link.size);
    }
    if ((type != '1' && !put_pax(archive, object, inode, shown)) ||
        !put_header(archive, inode, type, path, link)) {
        return LATTICE_IO;
    }
    TRY(type == '0' ? export_content(archive, object, inode->size) : LATTICE_OK);
    return transfer_step(job);
}

/* The path so far ends at `length`; this recurses with the depth of folders. */
static void export_folder(struct archive *archive, uint64_t folder, struct long_text *path,
                          size_t length) {
    struct transfer_job *job = archive->job;
    for (uint64_t cookie = 0;;) {
        struct dirent_entry entry = {};
        struct inode inode = {};
        lattice_status_t status = name_next(job->cache->fs, job->dataset, folder, cookie, &entry);
        if (status != LATTICE_OK || length + entry.name.size + 2 > PATH_SIZE) {
            if (status != LATTICE_NOT_FOUND) {
                transfer_complain(job, path->text, host_status_text(status));
            }
            return;
        }
        cookie = entry.cookie;
        bytes_copy(bytes_sub(BYTES_OF(path->text), length, entry.name.size), entry.name);
        size_t end = length + entry.name.size;
        path->text[end] = 0;
        status = inode_get(job->cache->fs, job->dataset, entry.object, &inode);
        bool is_folder = inode_type(&inode) == MODE_DIRECTORY;
        if (is_folder) {
            path->text[end] = '/';
            end++;
            path->text[end] = 0;
        }
        if (status == LATTICE_OK) {
            status = export_object(archive, entry.object, &inode,
                                   view_sub(VIEW_OF(path->text), 0, end), path->text);
        }
        if (status != LATTICE_OK) {
            transfer_complain(job, path->text, host_status_text(status));
        }
        if (is_folder) {
            export_folder(archive, entry.object, path, end);
        }
    }
}

uint64_t tar_export(struct transfer_job *job, const char *path) {
    static struct long_text name;
    static const struct header zeros;
    FILE *_Nullable file = strcmp(path, "-") == 0 ? stdout : fopen(path, "w");
    if (file == nullptr) {
        transfer_complain(job, path, strerror(errno));
        return job->failures;
    }
    struct archive *archive = SOME((struct archive *)calloc(1, sizeof(struct archive)));
    job->buffer = SOME((struct copy_buffer *)malloc(sizeof(struct copy_buffer)));
    archive->job = job;
    archive->file = SOME(file);
    export_folder(archive, ROOT_OBJECT, &name, 0);
    if (!put(archive, VIEW_OF(zeros)) || !put(archive, VIEW_OF(zeros)) ||
        (file != stdout && fclose(SOME(file)) != 0)) {
        transfer_complain(job, path, strerror(errno));
    }
    links_release(&job->links);
    pax_release(&archive->pax);
    free(job->buffer);
    free(archive);
    return job->failures;
}

#pragma clang assume_nonnull end
