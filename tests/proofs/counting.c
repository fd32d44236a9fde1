/* Accounting (kernel/object/domain.c) and the numbers that name calls (kernel/ipc/request.c). */
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

/* A new request's token has its place's number and the generation that the place had; renewing
 * steps the generation, through all of 2^39, and nothing else. So as long as numbers are below 2^24
 * (memory of requests below 8 GiB), two calls at two places or two times have two tokens. */
static struct request here;
static uint32_t number_here;
uint32_t slab_request_number(const struct request *request) {
    (void)request;
    return number_here;
}
status_t slab_allocate(enum slab_type type, struct domain *payer, void **out) {
    PROVE(type == SLAB_REQUEST && payer == &domain);
    *out = &here;
    return STATUS_OK;
}
static bool given_back;
void slab_free(enum slab_type type, struct domain *payer, void *memory) {
    PROVE(type == SLAB_REQUEST && payer == &domain && memory == &here);
    given_back = true;
}
void object_reference(struct object *object) {
    object->references++;
}
void tokens(void) {
    struct request *made = nullptr;
    uint64_t generation = any_u64() >> 25;
    here.token = generation << 24 | any_below(1u << 24);
    number_here = any_u32();
    status_t status = request_create(&domain, any_bool() ? REQUEST_CALL : REQUEST_CLOSE, &made);
    PROVE((status == STATUS_OK) == (number_here < 1u << 24) && given_back == (status != STATUS_OK));
    if (status != STATUS_OK) {
        return;
    }
    PROVE(made == &here && here.token == (generation << 24 | number_here));
    request_renew(&here);
    uint64_t next = generation + 1 == 1ull << 39 ? 0 : generation + 1;
    PROVE(here.token == (next << 24 | number_here));
    PROVE(here.token >> 63 == 0); /* which marks roots that a server drew */
}

/* Only its holder finds a request, by its whole token, while it is in hand. */
struct request *slab_request_at(uint32_t number) {
    return number == number_here ? &here : nullptr;
}
static struct process holder, stranger;
void finding(void) {
    number_here = any_below(1u << 24);
    uint64_t token = any_u64();
    here.token = (any_u64() << 24 | number_here) & ~TOKEN_SERVER_ROOT;
    here.state = any_below(REQUEST_IN_HAND + 1);
    here.holder = any_bool() ? &holder : &stranger;
    struct request *found = nullptr;
    status_t status = request_find(token, &holder, &found);
    bool should = token == here.token && here.state == REQUEST_IN_HAND && here.holder == &holder;
    PROVE((status == STATUS_OK) == should);
    PROVE(found == (should ? &here : nullptr));
}
