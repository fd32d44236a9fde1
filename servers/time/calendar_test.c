/* Dates, compared with the C library of the build machine. */
#include "lib/base/test.h"
#include "servers/time/calendar.h"
#include <time.h>

static bool same_as_the_library(int64_t seconds) {
    time_t moment = seconds;
    struct tm expected = {};
    if (gmtime_r(&moment, &expected) == nullptr) {
        return false;
    }
    struct date date = date_of_seconds(seconds);
    return date.year == expected.tm_year + 1900 && date.month == (uint32_t)expected.tm_mon + 1 &&
           date.day == (uint32_t)expected.tm_mday && date.hour == (uint32_t)expected.tm_hour &&
           date.minute == (uint32_t)expected.tm_min && date.second == (uint32_t)expected.tm_sec &&
           date_is_valid(&date) && date_to_seconds(&date) == seconds;
}

TEST(every_day_of_four_centuries_and_more_is_the_librarys) {
    for (int64_t day = 0; day < 200000; day++) {
        EXPECT(same_as_the_library(day * 86400 + day % 86400));
    }
}

TEST(the_edges_of_leap_years) {
    static const int64_t moments[] = {0,          951782399,  951782400,   951868799, 951868800,
                                      4107542399, 4107542400, 68169599999, 1709164800};
    for (size_t i = 0; i < ARRAY_LENGTH(moments); i++) {
        EXPECT(same_as_the_library(moments[i]));
    }
}

TEST(what_is_no_date_is_refused) {
    static const struct date bad[] = {
        {2023, 2, 29, 0, 0, 0}, {2100, 2, 29, 0, 0, 0}, {2024, 13, 1, 0, 0, 0},
        {2024, 0, 1, 0, 0, 0},  {2024, 4, 31, 0, 0, 0}, {2024, 4, 0, 0, 0, 0},
        {2024, 4, 1, 24, 0, 0}, {2024, 4, 1, 0, 60, 0}, {2024, 4, 1, 0, 0, 60},
        {1969, 4, 1, 0, 0, 0},  {10000, 4, 1, 0, 0, 0},
    };
    for (size_t i = 0; i < ARRAY_LENGTH(bad); i++) {
        EXPECT(!date_is_valid(&bad[i]));
    }
    struct date good = {2024, 2, 29, 23, 59, 59};
    EXPECT(date_is_valid(&good));
}
