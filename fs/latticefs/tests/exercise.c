/* Random calls on one file, as fsx does them: writes, reads, mapped writes and reads, truncation,
 * punched and zeroed ranges, fsync. Every read is compared with a model; and the model outlives
 * this program and the mount, so that it can be said after a power cut what the file may hold.
 *
 *     exercise run FILE STATE SEED COUNT    from where the state is on; ends early if a call fails
 *     exercise verify FILE STATE            after a cut; then the file is the model's only version
 *
 * The state is a file outside the mount, mapped and shared: it is right whenever this is killed (a
 * touched page of a mount that is dead is SIGBUS). What the contract promises:
 *   1. After fsync the file is what it was then, or what calls since then made of it: each byte is
 *      what it was in one of the versions since, and the size is that of one of them; only a write
 *      that lengthens the file may do so in steps, as the kernel sends its pages.
 *   2. A version is noted before the call that makes it, and the versions before an fsync are
 *      forgotten after it returned. */
#include "fs/latticefs/core/bytes.h"
#include "fs/latticefs/sim/dice.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#pragma clang assume_nonnull begin

enum {
    FILE_MAX = 256 << 10,
    STEP_MAX = 80 << 10, /* more than a record */
    VERSIONS_MAX = 200,
    SECTOR = 512,
    PAGE = 4096,
    OK = 0,
    STOPPED = 1, /* a call failed: the mount is gone */
    WRONG = 3,
};

struct version {
    uint64_t size;
    bool by_write;          /* its size may have been reached in steps */
    uint8_t data[FILE_MAX]; /* zero beyond the size */
};

struct state {
    bool made;      /* the file's name is on disk */
    uint32_t count; /* at least 1: the last is what reads see */
    struct version versions[VERSIONS_MAX];
};

struct buffer {
    uint8_t data[FILE_MAX];
};

struct exercise {
    struct state *state;
    struct dice dice;
    int file;
    uint64_t number; /* of the call in hand */
    struct buffer buffer;
};

struct range {
    uint64_t start;
    uint64_t size;
};

static struct version *current(const struct exercise *exercise) {
    return &exercise->state->versions[exercise->state->count - 1];
}

/* A copy of the newest version, which is the newest from now on. */
static struct version *version_add(struct exercise *exercise) {
    struct state *state = exercise->state;
    CHECK(state->count < VERSIONS_MAX);
    state->versions[state->count] = state->versions[state->count - 1];
    state->versions[state->count].by_write = false;
    __atomic_store_n(&state->count, state->count + 1, __ATOMIC_RELEASE);
    return current(exercise);
}

static void versions_forget(struct exercise *exercise) {
    struct state *state = exercise->state;
    if (state->count >
        1) { /* the order matters if this is killed in between: never fewer than allowed */
        state->versions[0] = state->versions[state->count - 1];
        __atomic_store_n(&state->count, 1, __ATOMIC_RELEASE);
    }
}

static struct range range_within(struct exercise *exercise, uint64_t limit) {
    uint64_t start = dice_below(&exercise->dice, (uint32_t)MAX(limit, UINT64_C(1)));
    uint32_t most = dice_once_in(&exercise->dice, 3) ? (uint32_t)STEP_MAX : 3000;
    uint64_t size = 1 + dice_below(&exercise->dice, most);
    return (struct range){start, MIN(size, limit > start ? limit - start : 0)};
}

static struct bytes model_range(struct version *version, struct range range) {
    return bytes_sub(BYTES_OF(version->data), range.start, range.size);
}

static void fill(struct exercise *exercise, struct bytes to) {
    uint8_t first = (uint8_t)dice_roll(&exercise->dice);
    for (size_t i = 0; i < to.size; i++) {
        to.data[i] = (uint8_t)(first + exercise->number + i / 7);
    }
}

static int compare(const struct exercise *exercise, struct view found, struct range range) {
    if (view_equal(found, bytes_view(model_range(current(exercise), range)))) {
        return OK;
    }
    printf("call %llu: bytes %llu to %llu are not what was written\n",
           (unsigned long long)exercise->number, (unsigned long long)range.start,
           (unsigned long long)(range.start + range.size));
    return WRONG;
}

/* ---- calls ---- */

static int do_write(struct exercise *exercise) {
    struct range range = range_within(exercise, FILE_MAX);
    struct version *version = version_add(exercise);
    fill(exercise, model_range(version, range));
    version->size = MAX(version->size, range.start + range.size);
    version->by_write = true;
    struct view from = bytes_view(model_range(version, range));
    ssize_t done = pwrite(exercise->file, from.data, from.size, (off_t)range.start);
    return done == (ssize_t)from.size ? OK : STOPPED;
}

static int do_read(struct exercise *exercise) {
    struct range range = range_within(exercise, current(exercise)->size);
    struct bytes to = bytes_sub(BYTES_OF(exercise->buffer.data), 0, range.size);
    /* A mount that dies during a read leaves it short; going on then fails. */
    for (uint64_t done = 0; done < to.size;) {
        struct bytes rest = bytes_sub(to, done, to.size - done);
        ssize_t more = pread(exercise->file, rest.data, rest.size, (off_t)(range.start + done));
        if (more < 0) {
            return STOPPED;
        }
        if (more == 0) {
            printf("call %llu: the file ends at %llu of %llu\n",
                   (unsigned long long)exercise->number, (unsigned long long)(range.start + done),
                   (unsigned long long)(range.start + to.size));
            return WRONG;
        }
        done += (uint64_t)more;
    }
    return compare(exercise, bytes_view(to), range);
}

/* With `change`: pages are written. */
static int do_mapped(struct exercise *exercise, bool change) {
    struct range range = range_within(exercise, current(exercise)->size);
    uint64_t from = range.start & ~(uint64_t)(PAGE - 1);
    size_t length = (size_t)(range.start + range.size - from);
    if (range.size == 0) {
        return OK;
    }
    void *pages = mmap(nullptr, length, change ? PROT_READ | PROT_WRITE : PROT_READ, MAP_SHARED,
                       exercise->file, (off_t)from);
    if (pages == MAP_FAILED) {
        return STOPPED;
    }
    struct bytes mapped = bytes_sub(bytes_of(pages, length), range.start - from, range.size);
    int result = OK;
    if (change) {
        struct bytes model = model_range(version_add(exercise), range);
        fill(exercise, model);
        bytes_copy(mapped, bytes_view(model));
    } else {
        result = compare(exercise, bytes_view(mapped), range);
    }
    if (change && dice_once_in(&exercise->dice, 4) && msync(pages, length, MS_SYNC) != 0) {
        result = STOPPED;
    }
    return munmap(pages, length) == 0 ? result : STOPPED;
}

static int do_truncate(struct exercise *exercise) {
    uint64_t size = dice_below(&exercise->dice, FILE_MAX);
    struct version *version = version_add(exercise);
    uint64_t low = MIN(size, version->size);
    bytes_zero(bytes_sub(BYTES_OF(version->data), low, FILE_MAX - low));
    version->size = size;
    return ftruncate(exercise->file, (off_t)size) == 0 ? OK : STOPPED;
}

static int do_clear(struct exercise *exercise) {
    bool punch = dice_once_in(&exercise->dice, 2);
    bool keep = punch || dice_once_in(&exercise->dice, 2);
    struct range range = range_within(exercise, FILE_MAX);
    struct version *version = version_add(exercise);
    bytes_zero(model_range(version, range));
    version->size = keep ? version->size : MAX(version->size, range.start + range.size);
    int mode =
        (punch ? FALLOC_FL_PUNCH_HOLE : FALLOC_FL_ZERO_RANGE) | (keep ? FALLOC_FL_KEEP_SIZE : 0);
    return fallocate(exercise->file, mode, (off_t)range.start, (off_t)range.size) == 0 ? OK
                                                                                       : STOPPED;
}

static int do_sync(struct exercise *exercise) {
    if (fsync(exercise->file) != 0) {
        return STOPPED;
    }
    versions_forget(exercise);
    return OK;
}

static int do_size(struct exercise *exercise) {
    struct stat facts = {};
    if (fstat(exercise->file, &facts) != 0) {
        return STOPPED;
    }
    if ((uint64_t)facts.st_size != current(exercise)->size) {
        printf("call %llu: a size of %llu instead of %llu\n", (unsigned long long)exercise->number,
               (unsigned long long)facts.st_size, (unsigned long long)current(exercise)->size);
        return WRONG;
    }
    return OK;
}

static int call(struct exercise *exercise) {
    if (exercise->state->count == VERSIONS_MAX) {
        return do_sync(exercise);
    }
    switch (dice_below(&exercise->dice, 16)) {
    case 0:
    case 1:
    case 2:
    case 3:
        return do_write(exercise);
    case 4:
    case 5:
    case 6:
        return do_mapped(exercise, true);
    case 7:
    case 8:
        return do_truncate(exercise);
    case 9:
    case 10:
        return do_clear(exercise);
    case 11:
        return do_mapped(exercise, false);
    case 12:
        return do_size(exercise);
    case 13:
        return do_sync(exercise);
    default:
        return do_read(exercise);
    }
}

static int run(struct exercise *exercise, const char *path, uint64_t count) {
    exercise->file = open(path, O_RDWR | O_CREAT, 0644);
    if (exercise->file < 0) {
        return STOPPED;
    }
    if (!exercise->state->made) { /* fsync of the file takes its name along */
        if (fsync(exercise->file) != 0) {
            return STOPPED;
        }
        exercise->state->made = true;
    }
    int result = OK;
    for (exercise->number = 1; exercise->number <= count && result == OK; exercise->number++) {
        result = call(exercise);
    }
    return result;
}

/* ---- after a cut ---- */

static bool size_allowed(const struct state *state, uint64_t size) {
    for (uint32_t i = 0; i < state->count; i++) {
        const struct version *version = &state->versions[i];
        bool between = i > 0 && version->by_write && size > state->versions[i - 1].size &&
                       size < version->size;
        if (version->size == size || between) {
            return true;
        }
    }
    return false;
}

static bool byte_allowed(const struct state *state, uint64_t at, uint8_t found) {
    for (uint32_t i = 0; i < state->count; i++) {
        if (state->versions[i].data[at] == found) {
            return true;
        }
    }
    return false;
}

static bool sector_allowed(const struct state *state, const struct version *found, uint64_t at) {
    struct view sector = view_sub(VIEW_OF(found->data), at, SECTOR);
    for (uint32_t i = state->count; i-- > 0;) {
        if (view_equal(sector, view_sub(VIEW_OF(state->versions[i].data), at, SECTOR))) {
            return true;
        }
    }
    for (uint64_t i = at; i < at + SECTOR; i++) {
        if (!byte_allowed(state, i, found->data[i])) {
            printf("byte %llu is %u: in none of %u versions since the last fsync\n",
                   (unsigned long long)i, found->data[i], state->count);
            return false;
        }
    }
    return true;
}

static int verify(struct state *state, const char *path) {
    static struct version found;
    int file = open(path, O_RDONLY);
    struct stat facts = {};
    if (file < 0 || fstat(file, &facts) != 0 || facts.st_size > FILE_MAX) {
        if (file < 0 && errno == ENOENT && !state->made) {
            return OK;
        }
        printf("the file is gone, or too large\n");
        return WRONG;
    }
    found.size = (uint64_t)facts.st_size;
    struct bytes to = bytes_sub(BYTES_OF(found.data), 0, found.size);
    if (pread(file, to.data, to.size, 0) != (ssize_t)to.size) {
        printf("the file cannot be read: %s\n", strerror(errno));
        return WRONG;
    }
    if (!size_allowed(state, found.size)) {
        printf("a size of %llu: that of no version since the last fsync\n",
               (unsigned long long)found.size);
        return WRONG;
    }
    for (uint64_t at = 0; at < FILE_MAX; at += SECTOR) {
        if (!sector_allowed(state, &found, at)) {
            return WRONG;
        }
    }
    state->versions[0] = found;
    state->count = 1;
    return OK;
}

static struct state *_Nullable state_open(const char *path) {
    int file = open(path, O_RDWR | O_CREAT, 0644);
    if (file < 0 || ftruncate(file, sizeof(struct state)) != 0) {
        return nullptr;
    }
    void *state = mmap(nullptr, sizeof(struct state), PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    return state == MAP_FAILED ? nullptr : state;
}

UNSAFE_BEGIN

int main(int argc, char **argv) {
    static struct exercise exercise;
    struct state *_Nullable state = argc < 4 ? nullptr : state_open(argv[3]);
    if (state == nullptr || (strcmp(argv[1], "run") == 0 ? argc != 6 : argc != 4)) {
        fputs("usage: exercise run FILE STATE SEED COUNT\n"
              "       exercise verify FILE STATE\n",
              stderr);
        return 2;
    }
    SOME(state)->count = MAX(SOME(state)->count, 1u);
    if (argc == 4) {
        return verify(SOME(state), argv[2]);
    }
    exercise.state = SOME(state);
    exercise.dice = (struct dice){strtoull(argv[4], nullptr, 10)};
    return run(&exercise, argv[2], strtoull(argv[5], nullptr, 10));
}

UNSAFE_END

#pragma clang assume_nonnull end
