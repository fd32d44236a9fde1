/* Shows: the averages rise to what is at work and decay from it, by 1/e in their time. */
#include "lib/base/test.h"
#include "servers/procfs/average.h"

static uint64_t hundredths(uint64_t average) {
    return average * 100 / LOAD_ONE;
}

TEST(a_minute_of_work_is_two_thirds_of_the_first_average) {
    uint64_t averages[3] = {};
    for (int i = 0; i < 60 / LOAD_PERIOD_SECONDS; i++) {
        load_average(&averages, 1);
    }
    EXPECT_EQUAL(hundredths(averages[0]), 63);
    EXPECT_EQUAL(hundredths(averages[1]), 18);
    EXPECT_EQUAL(hundredths(averages[2]), 6);
}

TEST(it_arrives_and_it_decays) {
    uint64_t averages[3] = {};
    for (int i = 0; i < 2000; i++) {
        load_average(&averages, 3);
    }
    EXPECT_EQUAL(hundredths(averages[0]), 300);
    EXPECT_EQUAL(hundredths(averages[2]), 300);
    for (int i = 0; i < 60 / LOAD_PERIOD_SECONDS; i++) {
        load_average(&averages, 0);
    }
    EXPECT_EQUAL(hundredths(averages[0]), 109);
    for (int i = 0; i < 4000; i++) {
        load_average(&averages, 0);
    }
    EXPECT_EQUAL(averages[0] + averages[1] + averages[2], 0);
}
