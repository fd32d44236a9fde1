/* Runs seeds. Exit code 0: all passed; a failing seed aborts with its rerun command. */
#include "world.h"
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#pragma clang assume_nonnull begin

struct totals {
    uint64_t seeds;
    uint64_t operations;
    uint64_t crashes;
    uint64_t probes;
    uint64_t refused;
};

static void run_seed(uint64_t seed, const struct world_options *options, struct totals *totals) {
    struct world *_Nullable taken = calloc(1, sizeof(struct world));
    struct world *world = SOME(taken);
    world_create(world, seed, options);
    for (world->operation = 0; world->operation < options->operations; world->operation++) {
        world_operate(world);
    }
    world->doing = "end";
    verify_seen(world);
    world_crash(world);
    totals->seeds++;
    totals->operations += options->operations;
    totals->crashes += world->crashes;
    totals->probes += world->probes;
    totals->refused += world->refused;
    world_destroy(world);
    free(world);
}

UNSAFE_BEGIN

int main(int argc, char **argv) {
    uint64_t first = 1;
    uint64_t count = 100;
    struct world_options options = {.operations = 200};
    struct totals totals = {};
    if (sodium_init() < 0) {
        return 2;
    }
    for (int i = 1; i < argc; i++) {
        bool value = i + 1 < argc;
        if (strcmp(argv[i], "--verbose") == 0) {
            options.verbose = true;
        } else if (value && strcmp(argv[i], "--seed") == 0) {
            first = strtoull(argv[++i], nullptr, 10);
            count = 1;
        } else if (value && strcmp(argv[i], "--first") == 0) {
            first = strtoull(argv[++i], nullptr, 10);
        } else if (value && strcmp(argv[i], "--seeds") == 0) {
            count = strtoull(argv[++i], nullptr, 10);
        } else if (value && strcmp(argv[i], "--operations") == 0) {
            options.operations = (uint32_t)strtoul(argv[++i], nullptr, 10);
        } else if (value && strcmp(argv[i], "--probe") == 0) {
            options.probe_one_in = (uint32_t)strtoul(argv[++i], nullptr, 10);
        } else {
            printf("usage: latticefs-sim [--seed N | --first N --seeds N] [--operations N] "
                   "[--probe N] [--verbose]\n");
            return 2;
        }
    }
    for (uint64_t seed = first; seed < first + count; seed++) {
        run_seed(seed, &options, &totals);
    }
    printf("%llu seeds, %llu operations, %llu crashes, %llu probes, %llu refused\n",
           (unsigned long long)totals.seeds, (unsigned long long)totals.operations,
           (unsigned long long)totals.crashes, (unsigned long long)totals.probes,
           (unsigned long long)totals.refused);
    return 0;
}

UNSAFE_END

#pragma clang assume_nonnull end
