/* entropy under kills: every read is whole and no two blocks ever given are equal, whichever
 * instance gave them; what is mixed in is kept, once a call. */
#include "idl/entropy.h"
#include "idl/service.h"
#include "idl/stream.h"
#include "lib/rt/server.h"
#include "tests/sim/world.h"

void entropy_main(uint64_t mode, uint64_t page);

enum { READS = 500, BLOCK = 16, BLOCKS = 40000 };

struct block {
    uint8_t bytes[BLOCK];
};
static struct block blocks[BLOCKS];
static size_t block_count;
static unsigned failed;

static void complain(const char *_Nonnull what, int64_t value) {
    (void)fprintf(stderr, "%s: %ld\n", what, value);
    failed++;
}

static int compare(const void *a, const void *b) {
    return memcmp(a, b, BLOCK);
}

static void note(const uint8_t (*_Nonnull bytes)[4096], size_t size) {
    for (size_t at = 0; at + BLOCK <= size && block_count < BLOCKS; at += BLOCK) {
        memcpy(blocks[block_count++].bytes, &(*bytes)[at], BLOCK);
    }
}

static void read_some(handle_t device, size_t size) {
    static uint8_t bytes[4096];
    uint64_t got = 0;
    struct rt_buffer room = {.size = size, .data = bytes};
    status_t status = stream_read(device, STREAM_POSITION_CURRENT, 0, room, &got);
    if (status != STATUS_OK || got != size) {
        complain("a read", status != STATUS_OK ? status : (int64_t)got);
    }
    note(&bytes, size);
}

static void client_main(uint64_t mode, uint64_t page) {
    struct rt_server self;
    rt_server_begin(&self, mode, page);
    handle_t entropy = rt_start_handle(&self, "entropy");
    handle_t device = HANDLE_NONE;
    uint64_t done = 0;
    uint64_t seeds = 0;
    struct stream_stat info = {};
    if (entropy_open(entropy, 0x10109, &device) != STATUS_OK ||
        stream_stat(device, &info) != STATUS_OK || info.node != 0x109) {
        complain("open", (int64_t)info.node);
    }
    for (size_t i = 0; i < READS; i++) {
        read_some(device, i % 3 == 0 ? 4096 : 16 + i);
        if (i % 10 == 0 && entropy_add(entropy, RT_STRING("some bytes")) != STATUS_OK) {
            complain("add", (int64_t)i);
        }
        if (i % 10 == 5 && (stream_write(device, 0, 0, RT_STRING("more"), &done) != STATUS_OK ||
                            done != sizeof "more" - 1)) {
            complain("write", (int64_t)done);
        }
    }
    if (entropy_state(entropy, &seeds, &done) != STATUS_OK) {
        complain("state", (int64_t)seeds);
    }
    qsort(blocks, block_count, sizeof blocks[0], compare);
    for (size_t i = 1; i < block_count; i++) {
        if (memcmp(blocks[i - 1].bytes, blocks[i].bytes, BLOCK) == 0) {
            complain("the same bytes twice", (int64_t)i);
            break;
        }
    }
    (void)service_power(rt_start_handle(&self, "supervisor"), SERVICE_POWER_OFF, failed);
}

int main(int argc, char **argv) {
    static const struct sim_program_entry programs[] = {{"entropy", entropy_main},
                                                        {"client", client_main}};
    world_add(BOOT_PROGRAM, "entropy", "x");
    world_add(BOOT_PROGRAM, "client", "x");
    world_add_manifest("entropy");
    world_add(BOOT_MANIFEST, "client",
              "service client\nprogram client\nrestart never\npriority 1\n"
              "needs entropy as entropy\nneeds supervisor as supervisor\n");
    return world_run(argc, argv, programs, ARRAY_LENGTH(programs), "entropy");
}
