#pragma once
/* Manifests: what a service is and what it may touch, one text file each, in the boot image.
 *
 *   service NAME            program NAME             priority 1…23
 *   vault PAGES             keep SLOTS
 *   pages N  kernel-pages N  handles N  threads N    its domain's quota
 *   restart always|never    hang SECONDS             0: never judged
 *   needs OTHER as NAME     a session to OTHER's endpoint
 *   gives KIND [ARGS] as NAME
 *         KIND: system | image | arguments | endpoint OTHER | irq LINE | ports BASE COUNT |
 *         domain NAME | trace
 *   argument TEXT           essential                programs cannot run, nor start it again,
 *                                                    without it: it is stopped for a time only
 *
 * Numbers are decimal, or hexadecimal with 0x. # begins a comment. */
#include "servers/supervisor/words.h"

enum { MANIFEST_NAME = 24, MANIFEST_NEEDS = 8, MANIFEST_GIFTS = 10 };

enum gift_kind : uint32_t {
    GIFT_NONE,
    GIFT_SYSTEM,
    GIFT_IMAGE,
    GIFT_ARGUMENTS,
    GIFT_ENDPOINT,
    GIFT_IRQ,
    GIFT_PORTS,
    GIFT_DOMAIN,
    GIFT_TRACE
};

struct manifest_need {
    char service[MANIFEST_NAME];
    char name[MANIFEST_NAME];
};
struct manifest_gift {
    enum gift_kind kind;
    uint64_t numbers[2];
    char object[MANIFEST_NAME]; /* endpoint's service, domain's name */
    char name[MANIFEST_NAME];
};
struct manifest {
    char service[MANIFEST_NAME];
    char program[MANIFEST_NAME];
    char argument[200];
    uint64_t priority, vault_pages, keep_slots;
    uint64_t pages, kernel_pages, handles, threads;
    uint64_t hang_seconds;
    bool restart, essential;
    uint32_t need_count, gift_count;
    struct manifest_need needs[MANIFEST_NEEDS];
    struct manifest_gift gifts[MANIFEST_GIFTS];
};

/* Reads a manifest. On a mistake returns false, with the number of its line in *out_line. */
bool manifest_parse(struct words_text text, struct manifest *_Nonnull out,
                    uint32_t *_Nonnull out_line);
