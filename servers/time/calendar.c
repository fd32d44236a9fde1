/* Source: days are counted from March, so that the day that is sometimes there is a year's last
 * (E. G. Richards, Mapping Time, 1998, chapter 25). */
#include "servers/time/calendar.h"

enum { DAY_SECONDS = 86400, ERA_YEARS = 400, ERA_DAYS = 146097, EPOCH_DAYS = 719468 };

static bool is_leap(int64_t year) {
    return (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
}

bool date_is_valid(const struct date *_Nonnull date) {
    static const uint8_t lengths[12] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    if (date->year < 1970 || date->year > 9999 || date->month < 1 || date->month > 12) {
        return false;
    }
    uint32_t length = lengths[date->month - 1] + (date->month == 2 && is_leap(date->year) ? 1u : 0);
    return date->day >= 1 && date->day <= length && date->hour < 24 && date->minute < 60 &&
           date->second < 60;
}

int64_t date_to_seconds(const struct date *_Nonnull date) {
    int64_t year = date->year - (date->month <= 2 ? 1 : 0);
    int64_t month = (date->month + 9) % 12;
    int64_t era = year / ERA_YEARS;
    int64_t of_era = year % ERA_YEARS;
    int64_t day = (153 * month + 2) / 5 + date->day - 1;
    int64_t days = era * ERA_DAYS + of_era * 365 + of_era / 4 - of_era / 100 + day - EPOCH_DAYS;
    return days * DAY_SECONDS + date->hour * INT64_C(3600) + date->minute * INT64_C(60) +
           date->second;
}

struct date date_of_seconds(int64_t seconds) {
    int64_t days = seconds / DAY_SECONDS + EPOCH_DAYS;
    int64_t rest = seconds % DAY_SECONDS;
    int64_t era = days / ERA_DAYS;
    int64_t of_era = days % ERA_DAYS;
    int64_t year = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
    int64_t day = of_era - (365 * year + year / 4 - year / 100);
    int64_t month = (5 * day + 2) / 153;
    struct date date = {.year = year + era * ERA_YEARS + (month >= 10 ? 1 : 0),
                        .month = (uint32_t)(month < 10 ? month + 3 : month - 9),
                        .day = (uint32_t)(day - (153 * month + 2) / 5 + 1),
                        .hour = (uint32_t)(rest / 3600),
                        .minute = (uint32_t)(rest / 60 % 60),
                        .second = (uint32_t)(rest % 60)};
    return date;
}
