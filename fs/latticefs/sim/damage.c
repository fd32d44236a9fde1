/* Damage that knows the format. */
#include "damage.h"
#include "fs/latticefs/core/checksum.h"
#include "fs/latticefs/core/format.h"

#pragma clang assume_nonnull begin

enum { TRIES = 40 };

struct victim {
    union {
        uint8_t data[SIM_BLOCK];
        uint64_t words[SIM_BLOCK / 8];
        struct superblock super;
        struct node_head {
            uint32_t magic;
        } head;
        struct log_group group;
    };
};
static_assert(sizeof(struct victim) == SIM_BLOCK);

static bool is_structure(const struct victim *victim) {
    uint32_t magic = victim->head.magic;
    return victim->super.magic == SUPERBLOCK_MAGIC || magic == INDEX_MAGIC ||
           magic == TABLE_MAGIC || magic == NODE_MAGIC || magic == LOG_MAGIC;
}

/* What a field of so many bytes may be taken for. */
static uint64_t likely_value(struct dice *dice, uint64_t old, const struct victim *victim) {
    switch (dice_below(dice, 8)) {
    case 0:
        return 0;
    case 1:
        return old + 1;
    case 2:
        return old - 1;
    case 3:
        return UINT64_MAX;
    case 4:
        return UINT64_C(1) << dice_below(dice, 64);
    case 5: /* another field's: a pointer to elsewhere, a key out of order */
        return victim->words[dice_below(dice, SIM_BLOCK / 8)];
    case 6:
        return old ^ UINT64_C(1) << dice_below(dice, 64);
    default:
        return dice_roll(dice);
    }
}

/* Fields lie denser at the start of a block. */
static void field_change(struct dice *dice, struct victim *victim) {
    uint32_t reach = dice_once_in(dice, 2) ? 160 : dice_once_in(dice, 2) ? 1024 : SIM_BLOCK;
    uint32_t width = 1u << dice_below(dice, 4);
    uint32_t at = dice_below(dice, reach / width) * width;
    struct bytes field = bytes_sub(BYTES_OF(*victim), at, width);
    uint64_t value = 0;
    bytes_copy(BYTES_OF(value), bytes_view(field));
    value = likely_value(dice, value, victim);
    bytes_copy(field, view_sub(VIEW_OF(value), 0, width));
}

static void sum_mend(struct victim *victim) {
    if (victim->super.magic == SUPERBLOCK_MAGIC) {
        victim->super.checksum =
            checksum_xxh64(view_sub(VIEW_OF(victim->super), 16, BLOCK_SIZE - 16));
    }
}

void damage_structure(struct sim_disk *disk, struct dice *dice) {
    for (uint32_t attempt = 0; attempt < TRIES; attempt++) {
        uint32_t index = dice_below(dice, disk->current.count);
        const struct sim_block *_Nullable block = block_at(&disk->current, index);
        struct victim victim = {};
        if (block == nullptr) {
            continue;
        }
        bytes_copy(BYTES_OF(victim), VIEW_OF(SOME(block)->data));
        if (!is_structure(&victim) && attempt + 1 < TRIES && !dice_once_in(dice, 12)) {
            continue;
        }
        for (uint32_t i = 1 + dice_below(dice, 3); i > 0; i--) {
            field_change(dice, &victim);
        }
        sum_mend(&victim);
        sim_disk_set(disk, index, VIEW_OF(victim));
        return;
    }
}

#pragma clang assume_nonnull end
