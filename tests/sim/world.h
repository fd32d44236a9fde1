#pragma once
/* A small world on the simulator, for tests of one service: a boot image with its manifest and
 * those of its clients, the real supervisor, and kills by the seed. A simulation is one program;
 * its arguments are [SEED [KILLS]]. */
#include "abi/boot.h"
#include "kernel/arch/sim/sim.h"
#include "lib/base/bytes.h"
#include "lib/rt/message.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void supervisor_main(uint64_t mode, uint64_t page);

enum { WORLD_ENTRIES = 16, WORLD_FILE_SIZE = 4096 };

static struct {
    struct boot_header header;
    struct boot_entry entries[WORLD_ENTRIES];
    char head_rest[4096 - sizeof(struct boot_header) - WORLD_ENTRIES * sizeof(struct boot_entry)];
    struct {
        char bytes[WORLD_FILE_SIZE];
    } files[WORLD_ENTRIES];
} world_image;

static struct {
    void (*_Nullable before_call)(uint64_t serial, uint64_t number);
    bool may_do_without; /* a service that is given up does not end the run */
    uint64_t kills_wanted, kills_done;
    const char *_Nullable victim;
    uint64_t (*_Nullable port_access)(uint16_t port, bool write, uint64_t value);
} world;

/* Clients, which never start again, are not essential; everything else is: a run whose service
 * cannot start ends with its name instead of waiting for ever. */
static inline uint64_t world_essential(enum boot_kind kind, struct boot_entry *_Nonnull entry,
                                       char (*_Nonnull bytes)[WORLD_FILE_SIZE]) {
    static const char line[] = "\nessential\n";
    if (kind == BOOT_MANIFEST && !world.may_do_without && !strstr(*bytes, "restart never")) {
        CHECK(entry->size + sizeof line < WORLD_FILE_SIZE);
        bytes_copy(&(*bytes)[entry->size], line, sizeof line - 1);
        return sizeof line - 1;
    }
    return 0;
}

/* Manifests are texts. */
static inline void world_add_bytes(enum boot_kind kind, const char *_Nonnull name,
                                   struct rt_bytes content) {
    uint32_t index = world_image.header.entry_count++;
    CHECK(index < WORLD_ENTRIES && content.size < WORLD_FILE_SIZE);
    struct boot_entry *entry = &world_image.entries[index];
    bytes_copy(entry->name, name, text_length(name, sizeof entry->name - 1));
    bytes_copy(world_image.files[index].bytes, SOME(content.data), content.size);
    entry->kind = kind;
    entry->offset = 4096 + (uint64_t)index * WORLD_FILE_SIZE;
    entry->size = content.size;
    entry->size += world_essential(kind, entry, &world_image.files[index].bytes);
}

static inline void world_add(enum boot_kind kind, const char *_Nonnull name,
                             const char *_Nonnull content) {
    world_add_bytes(kind, name,
                    (struct rt_bytes){.size = text_length(content, WORLD_FILE_SIZE),
                                      .data = (const uint8_t *)content});
}

/* The manifest as it is shipped: system/manifests/NAME.manifest. Simulations run in the tree's
 * root. */
static inline void world_add_manifest(const char *_Nonnull name) {
    char path[128];
    static char text[WORLD_FILE_SIZE];
    (void)snprintf(path, sizeof path, "system/manifests/%s.manifest", name);
    FILE *file = fopen(path, "r");
    if (!file) {
        perror(path);
        exit(1);
    }
    text[fread(text, 1, sizeof text - 1, file)] = '\0';
    (void)fclose(file);
    world_add(BOOT_MANIFEST, name, text);
}

static inline void world_kill(uint64_t serial, uint64_t number) {
    (void)serial;
    (void)number;
    if (world.victim && world.kills_done < world.kills_wanted && sim_calls() > 300 &&
        sim_random() % 40 == 0) {
        world.kills_done += sim_kill(SOME(world.victim), EXIT_KILLED);
    }
}

/* The seed and the number of kills wanted, as the arguments say. */
static inline uint64_t world_arguments(int argc, char *_Nonnull *_Nonnull argv, uint64_t kills) {
    UNSAFE_BEGIN
    uint64_t seed = argc > 1 ? strtoull(argv[1], nullptr, 10) : 1;
    world.kills_wanted = argc > 2 ? strtoull(argv[2], nullptr, 10) : kills;
    UNSAFE_END
    return seed;
}

/* A run that does not end says so, instead of being waited for. */
enum { WORLD_CALLS_LIMIT = 20000000 };
static inline void world_before_call(uint64_t serial, uint64_t number) {
    if (sim_calls() > WORLD_CALLS_LIMIT) {
        (void)fprintf(stderr, "no end after %u system calls\n", WORLD_CALLS_LIMIT);
        _Exit(1);
    }
    SOME(world.before_call)(serial, number);
}

/* Runs the world; the program's exit code. */
static inline int world_simulate(uint64_t seed, const struct sim_program_entry *_Nonnull programs,
                                 uint32_t count,
                                 void (*_Nonnull before_call)(uint64_t serial, uint64_t number)) {
    world.before_call = before_call;
    bytes_copy(world_image.header.magic, "ISOBOOT1", 8);
    world_image.header.total_size = sizeof world_image;
    struct sim_options options = {.memory_pages = 4096,
                                  .cpu_count = 1,
                                  .seed = seed,
                                  .before_call = world_before_call,
                                  .port_access = world.port_access,
                                  .programs = programs,
                                  .program_count = count,
                                  .image = &world_image,
                                  .image_size = sizeof world_image};
    return sim_run(&options, supervisor_main);
}

/* Runs the world, killing `victim` at random system calls; the status of the program. */
static inline int world_run(int argc, char *_Nonnull *_Nonnull argv,
                            const struct sim_program_entry *_Nonnull programs, uint32_t count,
                            const char *_Nonnull victim) {
    uint64_t seed = world_arguments(argc, argv, 20);
    world.victim = victim;
    int code = world_simulate(seed, programs, count, world_kill);
    printf("seed %lu: exit %d, %lu kills of %s\n", seed, code, world.kills_done, victim);
    return code == 0 && world.kills_done >= world.kills_wanted ? 0 : 1;
}
