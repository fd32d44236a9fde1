#pragma once
/* The Gregorian calendar in UTC. */
#include "lib/base/safe.h"

struct date {
    int64_t year;
    uint32_t month, day; /* from 1 */
    uint32_t hour, minute, second;
};

/* Whether there is such a moment; years 1970 … 9999. */
bool date_is_valid(const struct date *_Nonnull date);
/* Seconds since 1970 of a valid date. */
int64_t date_to_seconds(const struct date *_Nonnull date);
/* Units: seconds since 1970, not before. */
struct date date_of_seconds(int64_t seconds);
