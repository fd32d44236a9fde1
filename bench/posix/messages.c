/* Rows of messages: a pipe within one process, round trips between two, between two threads. One of
 * the two always runs: whoever blocks has just written to the other. */
#include "measure.h"

#include <errno.h>
#include <pthread.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

static uint64_t pipe_self_batch(unsigned operations) {
    int ends[2];
    if (pipe(ends) != 0) {
        return BATCH_FAILED;
    }
    char byte = 'x';
    ssize_t wrong = 0;
    uint64_t start = instructions();
    for (unsigned i = 0; i < operations; i++) {
        wrong |= write(ends[1], &byte, 1) - 1;
        wrong |= read(ends[0], &byte, 1) - 1;
    }
    uint64_t taken = instructions() - start;
    (void)close(ends[0]);
    (void)close(ends[1]);
    return wrong == 0 ? taken : BATCH_FAILED;
}

/* Sends back each byte until there are no more. */
[[noreturn]] static void echo(int in, int out) {
    char byte;
    while (read(in, &byte, 1) == 1 && write(out, &byte, 1) == 1) {
    }
    _exit(0);
}

/* Round trips of one byte over `out` and `in`, to a child that echoes and ends when `out` is
 * closed. */
static uint64_t round_trips(unsigned operations, int out, int in, pid_t child) {
    char byte = 'x';
    ssize_t wrong = write(out, &byte, 1) - 1;
    wrong |= read(in, &byte, 1) - 1;
    uint64_t start = instructions();
    for (unsigned i = 0; i < operations; i++) {
        wrong |= write(out, &byte, 1) - 1;
        wrong |= read(in, &byte, 1) - 1;
    }
    uint64_t taken = instructions() - start;
    (void)close(out);
    if (in != out) {
        (void)close(in);
    }
    wrong |= waitpid(child, nullptr, 0) - child;
    return wrong == 0 ? taken : BATCH_FAILED;
}

static uint64_t pipe_pair_batch(unsigned operations) {
    int there[2];
    int back[2];
    if (pipe(there) != 0 || pipe(back) != 0) {
        return BATCH_FAILED;
    }
    pid_t child = fork();
    if (child == 0) {
        (void)close(there[1]);
        (void)close(back[0]);
        echo(there[0], back[1]);
    }
    (void)close(there[0]);
    (void)close(back[1]);
    if (child < 0) {
        return BATCH_FAILED;
    }
    return round_trips(operations, there[1], back[0], child);
}

static uint64_t unix_batch(unsigned operations) {
    int pair[2];
    if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair) != 0) {
        return BATCH_FAILED;
    }
    pid_t child = fork();
    if (child == 0) {
        (void)close(pair[0]);
        echo(pair[1], pair[1]);
    }
    (void)close(pair[1]);
    if (child < 0) {
        return BATCH_FAILED;
    }
    return round_trips(operations, pair[0], pair[0], child);
}

static void *_Nullable nothing(void *_Nullable unused) {
    return unused;
}

static uint64_t thread_batch(unsigned operations) {
    int wrong = 0;
    uint64_t start = instructions();
    for (unsigned i = 0; i < operations; i++) {
        pthread_t thread;
        wrong |= pthread_create(&thread, nullptr, nothing, nullptr);
        if (wrong != 0) {
            errno = wrong;
            return BATCH_FAILED;
        }
        wrong |= pthread_join(thread, nullptr);
    }
    uint64_t taken = instructions() - start;
    return wrong == 0 ? taken : BATCH_FAILED;
}

typedef struct table {
    pthread_mutex_t mutex;
    pthread_cond_t turned;
    bool theirs;
    unsigned left;
} table_t;

/* The other player: gives each ball back until none is left. */
static void *_Nullable player(void *_Nullable argument) {
    table_t *table = argument;
    (void)pthread_mutex_lock(&table->mutex);
    while (table->left > 0) {
        while (!table->theirs) {
            (void)pthread_cond_wait(&table->turned, &table->mutex);
        }
        table->theirs = false;
        table->left--;
        (void)pthread_cond_signal(&table->turned);
    }
    (void)pthread_mutex_unlock(&table->mutex);
    return nullptr;
}

static void play(table_t *_Nonnull table) {
    table->theirs = true;
    (void)pthread_cond_signal(&table->turned);
    while (table->theirs) {
        (void)pthread_cond_wait(&table->turned, &table->mutex);
    }
}

static uint64_t condition_batch(unsigned operations) {
    table_t table = {.mutex = PTHREAD_MUTEX_INITIALIZER,
                     .turned = PTHREAD_COND_INITIALIZER,
                     .left = operations + 1};
    pthread_t thread;
    int error = pthread_create(&thread, nullptr, player, &table);
    if (error != 0) {
        errno = error;
        return BATCH_FAILED;
    }
    (void)pthread_mutex_lock(&table.mutex);
    play(&table);
    uint64_t start = instructions();
    for (unsigned i = 0; i < operations; i++) {
        play(&table);
    }
    uint64_t taken = instructions() - start;
    (void)pthread_mutex_unlock(&table.mutex);
    (void)pthread_join(thread, nullptr);
    return taken;
}

const row_t message_rows[] = {
    {"pipe_self", pipe_self_batch, 200},     {"pipe_rtt_2proc", pipe_pair_batch, 100},
    {"unix_rtt_2proc", unix_batch, 100},     {"thread_create_join", thread_batch, 20},
    {"cond_pingpong", condition_batch, 100}, {"", pipe_self_batch, 0},
};
