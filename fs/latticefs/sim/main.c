/* Runs seeds, each in a process of its own, so that a trap is a failure of that seed only. Exit
 * code 0: all passed. */
#include "world.h"
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#pragma clang assume_nonnull begin

struct totals {
    uint64_t seeds;
    uint64_t operations;
    uint64_t crashes;
    uint64_t probes;
    uint64_t refused;
    uint64_t damaged;
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
    verify_damaged(world);
    totals->damaged += world->damaged;
    totals->seeds++;
    totals->operations += options->operations;
    totals->crashes += world->crashes;
    totals->probes += world->probes;
    totals->refused += world->refused;
    world_destroy(world);
    free(world);
}

/* Returns whether the seed passed. */
static bool run_apart(uint64_t seed, const struct world_options *options, struct totals *totals) {
    int status = 0;
    fflush(stdout);
    pid_t child = fork();
    if (child == 0) {
        run_seed(seed, options, totals);
        fflush(stdout);
        _exit(0);
    }
    if (child < 0 || waitpid(child, &status, 0) != child) {
        printf("seed %llu failed: no process for it\n", (unsigned long long)seed);
        return false;
    }
    if (WIFSIGNALED(status) || WEXITSTATUS(status) > 1) {
        printf("seed %llu failed: signal %d, exit %d\n", (unsigned long long)seed,
               WIFSIGNALED(status) ? WTERMSIG(status) : 0,
               WIFSIGNALED(status) ? 0 : WEXITSTATUS(status));
    }
    return status == 0;
}

static void print_totals(const struct totals *totals, uint64_t count, uint64_t failed) {
    printf("%llu operations, %llu crashes, %llu crashes on copies, %llu damaged images, "
           "%llu refused\n"
           "%llu passed, %llu failed\n",
           (unsigned long long)totals->operations, (unsigned long long)totals->crashes,
           (unsigned long long)totals->probes, (unsigned long long)totals->damaged,
           (unsigned long long)totals->refused, (unsigned long long)(count - failed),
           (unsigned long long)failed);
}

UNSAFE_BEGIN

int main(int argc, char **argv) {
    uint64_t first = 1;
    uint64_t count = 100;
    struct world_options options = {.operations = 200};
    struct totals *totals = mmap(nullptr, sizeof(struct totals), PROT_READ | PROT_WRITE,
                                 MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    uint64_t failed = 0;
    if (sodium_init() < 0 || totals == MAP_FAILED) {
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
        } else if (value && (strcmp(argv[i], "--seeds") == 0 || strcmp(argv[i], "--count") == 0)) {
            count = strtoull(argv[++i], nullptr, 10);
        } else if (value && strcmp(argv[i], "--operations") == 0) {
            options.operations = (uint32_t)strtoul(argv[++i], nullptr, 10);
        } else if (value && strcmp(argv[i], "--probe") == 0) {
            options.probe_one_in = (uint32_t)strtoul(argv[++i], nullptr, 10);
        } else {
            printf("usage: soak-latticefs [--seed N | --first N --count N] [--operations N] "
                   "[--probe N] [--verbose]\n");
            return 2;
        }
    }
    for (uint64_t seed = first; seed < first + count && failed < 20; seed++) {
        failed += !run_apart(seed, &options, totals);
    }
    print_totals(totals, count, failed);
    return failed == 0 ? 0 : 1;
}

UNSAFE_END

#pragma clang assume_nonnull end
