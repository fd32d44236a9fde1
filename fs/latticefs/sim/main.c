/* Runs seeds, many to a process, several processes at a time: a trap ends a process, is a failure
 * of the seed that it was at, and another process goes on after it. Exit code 0: all passed. */
#include "campaign.h"
#include <malloc.h>
#include <sodium.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#pragma clang assume_nonnull begin

/* There only where coverage is measured: a process that leaves early has to say what it saw. */
extern int __llvm_profile_write_file(void) __attribute__((weak));

enum {
    WORKERS_MAX = 8,
    FAILURES_ENOUGH = 20,
    SEED_CRASHES = 5,
    SEED_SECONDS = 120 /* of a processor, hundreds of times what a seed takes: an endless loop */
};

struct worker {
    pid_t process;         /* 0 = none */
    _Atomic uint64_t seed; /* in hand; 0 = none */
};

/* Shared by all processes. */
struct totals {
    _Atomic uint64_t next; /* seed to run */
    uint64_t end;
    _Atomic uint64_t passed;
    _Atomic uint64_t operations;
    _Atomic uint64_t crashes;
    _Atomic uint64_t probes;
    _Atomic uint64_t refused;
    _Atomic uint64_t damaged;
    _Atomic uint64_t received;
    _Atomic uint64_t swaps;
    _Atomic uint64_t fewest_crashes; /* of any seed, those on copies counted */
    struct worker workers[WORKERS_MAX];
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
    while (world->crashes + world->probes + 1 < SEED_CRASHES) {
        verify_probe(world);
    }
    uint64_t trims = 0;
    for (uint32_t i = 0; i < world->disk_count; i++) {
        trims += world->disks[i].trims;
    }
    if (trims == 0 && SOME(world->fs)->statistics.commits > 20) {
        world_fail(world, "nothing was ever trimmed", SOME(world->fs)->statistics.commits, 0);
    }
    world_crash(world);
    verify_secrecy(world);
    verify_damaged(world);
    totals->damaged += world->damaged;
    totals->received += world->received;
    totals->swaps += world->swaps;
    totals->passed++;
    totals->operations += options->operations;
    totals->crashes += world->crashes;
    totals->probes += world->probes;
    totals->refused += world->refused;
    uint64_t crashes = world->crashes + world->probes;
    uint64_t fewest = totals->fewest_crashes;
    while (crashes < fewest &&
           !atomic_compare_exchange_weak(&totals->fewest_crashes, &fewest, crashes)) {
    }
    world_destroy(world);
    free(world);
}

[[noreturn]] static void work(const struct world_options *options, struct totals *totals,
                              struct worker *worker) {
    for (;;) {
        uint64_t seed = atomic_fetch_add(&totals->next, 1);
        if (seed >= totals->end) {
            fflush(stdout);
            if (__llvm_profile_write_file != nullptr) {
                (void)__llvm_profile_write_file();
            }
            _exit(0);
        }
        worker->seed = seed;
        struct itimerval bound = {.it_value = {.tv_sec = SEED_SECONDS}};
        (void)setitimer(ITIMER_VIRTUAL, &bound, nullptr); /* its signal ends the process */
        run_seed(seed, options, totals);
        worker->seed = 0;
    }
}

static void worker_start(const struct world_options *options, struct totals *totals,
                         struct worker *worker) {
    fflush(stdout);
    pid_t process = fork();
    if (process == 0) {
        work(options, totals, worker);
    }
    worker->process = process;
}

/* A process ended: returns whether it failed. */
static bool worker_ended(struct totals *totals, pid_t process, int status,
                         struct worker *_Nullable *_Nonnull out) {
    for (uint32_t i = 0; i < WORKERS_MAX; i++) {
        if (totals->workers[i].process == process) {
            *out = &totals->workers[i];
            totals->workers[i].process = 0;
        }
    }
    if (*out != nullptr && (WIFSIGNALED(status) || WEXITSTATUS(status) > 1)) {
        printf("seed %llu failed: signal %d, exit %d\n", (unsigned long long)SOME(*out)->seed,
               WIFSIGNALED(status) ? WTERMSIG(status) : 0,
               WIFSIGNALED(status) ? 0 : WEXITSTATUS(status));
    }
    return *out != nullptr && status != 0;
}

/* Returns the number of failures. */
static uint64_t run_all(const struct world_options *options, struct totals *totals,
                        uint32_t workers, uint32_t enough) {
    uint64_t failed = 0;
    for (uint32_t i = 0; i < workers; i++) {
        worker_start(options, totals, &totals->workers[i]);
    }
    int status = 0;
    pid_t ended = 0;
    while ((ended = waitpid(-1, &status, 0)) > 0) {
        struct worker *_Nullable worker = nullptr;
        failed += worker_ended(totals, ended, status, &worker);
        if (failed >= enough) {
            totals->next = totals->end; /* the others stop at their next seed */
        } else if (status != 0 && worker != nullptr) {
            worker_start(options, totals, SOME(worker));
        }
    }
    return failed;
}

static void print_totals(const struct totals *totals, uint64_t failed) {
    printf(
        "%llu operations, %llu crashes, %llu crashes on copies (at least %llu a seed), "
        "%llu damaged images, %llu snapshots received, %llu good mirror sides lost, %llu refused\n"
        "%llu passed, %llu failed\n",
        (unsigned long long)totals->operations, (unsigned long long)totals->crashes,
        (unsigned long long)totals->probes, (unsigned long long)totals->fewest_crashes,
        (unsigned long long)totals->damaged, (unsigned long long)totals->received,
        (unsigned long long)totals->swaps, (unsigned long long)totals->refused,
        (unsigned long long)totals->passed, (unsigned long long)failed);
}

UNSAFE_BEGIN

int main(int argc, char **argv) {
    uint64_t first = 1;
    uint64_t count = 100;
    uint32_t workers = 1;
    uint32_t enough = FAILURES_ENOUGH;
    struct world_options options = campaign_defaults;
    struct totals *totals = mmap(nullptr, sizeof(struct totals), PROT_READ | PROT_WRITE,
                                 MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (sodium_init() < 0 || totals == MAP_FAILED) {
        return 2;
    }
    /* Worlds come and go: memory that was given back is kept for the next. */
    (void)mallopt(M_MMAP_THRESHOLD, 1 << 28);
    (void)mallopt(M_TRIM_THRESHOLD, 1 << 30);
    (void)mallopt(M_TOP_PAD, 1 << 22);
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
        } else if (value && strcmp(argv[i], "--jobs") == 0) {
            workers = (uint32_t)strtoul(argv[++i], nullptr, 10);
        } else if (value && strcmp(argv[i], "--failures") == 0) {
            enough = (uint32_t)strtoul(argv[++i], nullptr, 10);
        } else if (value && strcmp(argv[i], "--operations") == 0) {
            options.operations = (uint32_t)strtoul(argv[++i], nullptr, 10);
        } else if (value && strcmp(argv[i], "--images") == 0) {
            options.images = (uint32_t)strtoul(argv[++i], nullptr, 10);
        } else if (value && strcmp(argv[i], "--probe") == 0) {
            options.probe_one_in = (uint32_t)strtoul(argv[++i], nullptr, 10);
        } else {
            printf(
                "usage: soak-latticefs [--seed N | --first N --count N] [--jobs N] [--failures N] "
                "[--operations N] [--images N] [--probe N] [--verbose]\n");
            return 2;
        }
    }
    totals->next = first;
    totals->end = first + count;
    totals->fewest_crashes = UINT64_MAX;
    uint64_t failed =
        run_all(&options, totals, MIN(MAX(workers, 1u), (uint32_t)WORKERS_MAX), enough);
    print_totals(totals, failed);
    return failed == 0 ? 0 : 1;
}

UNSAFE_END

#pragma clang assume_nonnull end
