#pragma once
/* The bits of poll(2) and epoll(7) beside those of readiness. */
#include "posix/state.h"

/* What is asked for, as readiness bits: the normal ones mean the same as IN and OUT; errors and
 * hang-ups are told to everybody. */
uint32_t poll_mask_of(uint32_t events);
/* What is told of a level. */
uint32_t poll_events_of(uint32_t ready, uint32_t asked);
