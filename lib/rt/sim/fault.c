/* See lib/rt/report.h. */
#include "lib/rt/report.h"

void rt_fault_arm(struct rt_report *_Nonnull report) {
    (void)report;
}
