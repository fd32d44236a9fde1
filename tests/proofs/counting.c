/* Accounting (kernel/object/domain.c) and the numbers that name calls (kernel/object/slab.c,
 * kernel/ipc/request.c). */
#include "kernel/ipc/request.c"
#include "kernel/object/domain.c"
#include "tests/proofs/prove.h"

static struct domain domain;

/* A charge is taken whole or not at all, never beyond the limit, and touches no other resource. */
void charging(void) {
    enum resource resource = any_below(RESOURCE_COUNT);
    enum resource other = any_below(RESOURCE_COUNT);
    uint64_t used = any_u64();
    uint64_t limit = any_u64();
    uint64_t amount = any_u64();
    uint64_t untouched = any_u64();
    ASSUME(used <= limit && other != resource);
    domain.used[resource] = used;
    domain.limit[resource] = limit;
    domain.used[other] = untouched;
    status_t status = domain_charge(&domain, resource, amount);
    PROVE((status == STATUS_OK) == (amount <= limit - used));
    PROVE(domain.used[resource] == (status == STATUS_OK ? used + amount : used));
    if (status == STATUS_OK) {
        domain_uncharge(&domain, resource, amount);
        PROVE(domain.used[resource] == used);
    }
    PROVE(domain.used[other] == untouched && domain.limit[resource] == limit);
}

/* Two calls at two places or two times have two tokens, as long as place numbers are below 2^24
 * (memory of requests below 8 GiB). */
static struct request here, there;
static uint32_t numbers[2];
uint32_t slab_request_number(const struct request *request) {
    return numbers[request == &there];
}
void tokens(void) {
    numbers[0] = any_below(1u << 24);
    numbers[1] = any_below(1u << 24);
    here.generation = any_u64() & GENERATION_MASK;
    there.generation = any_u64() & GENERATION_MASK;
    bool same = numbers[0] == numbers[1] && here.generation == there.generation;
    PROVE((request_token(&here) == request_token(&there)) == same);
    PROVE(request_token(&here) >> 63 == 0); /* which marks roots that a server drew */
}
