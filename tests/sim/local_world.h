#pragma once
/* What the simulations of `local` share: how a client fails, and their end, when all ends are
 * closed and nothing may be left of them, in the vault or in the kernel. */
#include "servers/local/local.h"
#include "tests/sim/servers.h"

static void fail(const char *_Nonnull what, int64_t value) {
    (void)fprintf(stderr, "%s: %ld\n", what, value);
    rt_exit(1);
}

static void must(status_t status, const char *_Nonnull what) {
    if (status != STATUS_OK) {
        fail(what, status);
    }
}

static void expect_nothing_left_of_sockets(const struct local_vault *_Nonnull vault) {
    for (uint32_t i = 0; i < LOCAL_SOCKETS; i++) {
        if (vault->sockets[i].used != 0) {
            fail("a socket is left", i);
        }
        for (uint32_t j = 0; j < i; j++) {
            if (vault->sockets[i].serial != 0 &&
                vault->sockets[i].serial == vault->sockets[j].serial) {
                fail("a serial was used twice", (int64_t)vault->sockets[i].serial);
            }
        }
    }
}

static void expect_nothing_left(const struct service *_Nonnull local) {
    uint64_t address = 0;
    uint64_t size = (uint64_t)local->vault_pages * PAGE_SIZE;
    struct endpoint_info info = {};
    expect(rt_map(0, 0, size, local->vault, 0, PROTECT_READ, &address), "vault");
    const struct local_vault *vault = rt_pointer(address);
    for (uint32_t i = 0; i < LOCAL_ENDS; i++) {
        if (vault->ends[i].kind != END_NONE) {
            fail("an end is left", i);
        }
    }
    for (uint32_t i = 0; i < LOCAL_QUEUES; i++) {
        if (vault->queues[i].used != 0) {
            fail("a queue is left", i);
        }
    }
    for (uint32_t i = 0; i < LOCAL_COUNTERS; i++) {
        if (vault->counters[i].used != 0) {
            fail("a counter is left", i);
        }
    }
    for (uint32_t i = 0; i < LOCAL_TIMERS; i++) {
        if (vault->timers[i].used != 0) {
            fail("a timer is left", i);
        }
    }
    for (uint32_t i = 0; i < LOCAL_SIGNALS; i++) {
        if (vault->signals[i].used != 0) {
            fail("a set of signals is left", i);
        }
    }
    expect_nothing_left_of_sockets(vault);
    /* The kernel destroys in steps, one at the end of each entry. */
    for (uint32_t i = 0; i < 100; i++) {
        expect(rt_object_info(local->endpoint, INFO_ENDPOINT, &info, sizeof info), "endpoint");
    }
    if (info.sessions != 1) {
        fail("sessions left", info.sessions);
    }
}
