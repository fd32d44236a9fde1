#pragma once
/* time: sets the clocks. Its record is the rest of a slew, where the clock should stand, and the
 * zone's rule.
 *
 * Invariants: (C1) a slew moves the clock by at most SLEW_STEP_NS a second; (C2) a step is recorded
 * before it is taken, as the distance that the clock then has from the monotonic one: taking it
 * twice is taking it once, and a successor takes the last one again. */
#include "idl/time.h"
#include "lib/access/access.h"
#include "lib/rt/server.h"
#include "servers/time/calendar.h"

enum { ZONE_SIZE = 64, RECORD_TIME = 0x544d, KEY_STEP = 1, SLEW_STEP_NS = 500000 };

struct time_record {
    struct rt_record_header header;
    int64_t slew_left_ns;
    int64_t distance_ns; /* of the clock from the monotonic one; 0: nobody has set it yet */
    uint64_t zone_size;
    uint8_t zone[ZONE_SIZE];
};

struct time_server {
    struct rt_server *_Nonnull server;
    const struct time_record *_Nonnull kept;
    struct access_table principals;
    handle_t system, ports, timer;
};

/* The CMOS clock, in seconds since 1970. Errors: IO: there is none, or it makes no sense. */
status_t hardware_read(handle_t ports, int64_t *_Nonnull out_seconds);
/* Errors: IO: there is none, or it cannot hold that year. */
status_t hardware_write(handle_t ports, int64_t seconds);
