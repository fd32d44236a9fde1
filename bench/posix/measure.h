#pragma once
/* How the rows of the POSIX table are measured: the same static program on Linux and on Isotope.
 *
 * The unit is the executed instruction: under `-icount shift=0` the time-stamp counter of the
 * emulated processor advances by one for each (elsewhere these are cycles, and not comparable).
 *
 * Invariants:
 * 1. A row is measured by batches. Each batch times itself around a fixed number of operations, so
 *    that setting up and taking down stay outside; the first batches (WARM_BATCHES) are thrown away
 * and the median of the others (BATCHES) is the result: ticks and other rare work fall out of it.
 * 2. Nobody waits for time while a batch is measured: whoever blocks has just made another process
 * of the same row runnable, so with one processor the machine never halts, and the jump of the
 * counter that a halt makes under `sleep=off` never falls into a batch. A batch that met one all
 * the same is an outlier, and outliers cannot move the median.
 * 3. Nonsense is refused: a counter that went backwards, less than one instruction per operation,
 * or quartiles more than a quarter of the median apart fail the row; so does any system call that
 * fails. A failed row is reported with its errno, never left out. */
#include <stdint.h>

#pragma clang assume_nonnull begin

enum { WARM_BATCHES = 4, BATCHES = 25 };

/* Instructions of a batch that failed; errno says why. */
#define BATCH_FAILED UINT64_MAX

/* Does `operations` operations; the instructions that they took, or BATCH_FAILED. */
typedef uint64_t (*batch_t)(unsigned operations);

typedef struct row {
    const char *name;
    batch_t batch;
    /* Chosen so that a batch is at least about 50,000 instructions (the counter's own two reads,
     * about 20, vanish in it) and the row at most about 50 million. */
    unsigned operations;
} row_t;

/* The executed instructions so far. */
static inline uint64_t instructions(void) {
    uint32_t low;
    uint32_t high;
    __asm__ volatile("rdtsc" : "=a"(low), "=d"(high)::"memory");
    return (uint64_t)high << 32 | low;
}

/* Measures and prints one row as `NAME\tVALUE`, or `NAME\tfailed\tWHY`. Blocks: for the row's own
 * processes only. */
void measure(const row_t *row);

/* The rows, by area; each table ends with an empty name. */
extern const row_t calls_rows[];
extern const row_t file_rows[];
extern const row_t memory_rows[];
extern const row_t message_rows[];
extern const row_t process_rows[];

/* The path of this program's own image, for rows that execute it with `--exit`. */
extern char own_path[256];

#pragma clang assume_nonnull end
