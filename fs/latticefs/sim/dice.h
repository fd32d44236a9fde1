#pragma once
/* The simulator's only source of chance: everything follows from the seed. */
#include "lib/base/safe.h"

struct dice {
    uint64_t state;
};

static inline uint64_t dice_roll(struct dice *_Nonnull dice) {
    dice->state += UINT64_C(0x9e3779b97f4a7c15);
    uint64_t z = dice->state;
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

/* 0 … below − 1. */
static inline uint32_t dice_below(struct dice *_Nonnull dice, uint32_t below) {
    return (uint32_t)((dice_roll(dice) >> 32) * below >> 32);
}

/* True once in `n` rolls. */
static inline bool dice_once_in(struct dice *_Nonnull dice, uint32_t n) {
    return dice_below(dice, n) == 0;
}
