/* Time: the TSC, at a rate measured once against the PIT (or told by CPUID), and the local APIC's
 * one-shot timer, measured in the same interval. Under QEMU's -icount the TSC counts instructions.
 *
 * Source of the PIT's and RTC's registers: Intel 8254 data sheet; MC146818 data sheet. */
#include "abi/info.h"
#include "kernel/arch/x86_64/machine.h"
#include "kernel/arch/x86_64/x86.h"

enum {
    PIT_HZ = 1193182,
    PIT_MEASURE = 5966, /* 5 ms */
    PORT_PIT_2 = 0x42,
    PORT_PIT_MODE = 0x43,
    PORT_SPEAKER = 0x61,
    SPEAKER_OUT = 0x20,
    PORT_RTC = 0x70,
    RTC_POLLS = 1000000
};
#define NS_PER_S 1000000000ull
#define PIT_LIMIT 4000000000ull /* ticks of the TSC: the PIT does not count */

__extension__ typedef unsigned __int128 wide_t;

/* Written once at boot, then only read. */
static uint64_t boot_ticks;
static uint64_t ns_per_tick;  /* as a fraction of 2^32 */
static uint64_t timer_per_ns; /* the same */

static uint64_t scale(uint64_t value, uint64_t factor) {
    return (uint64_t)((wide_t)value * factor >> 32 & UINT64_MAX);
}

/* Counts both clocks while the PIT counts down. */
static void measure(uint64_t *_Nonnull out_ticks, uint32_t *_Nonnull out_timer) {
    out8(PORT_SPEAKER, (uint8_t)((in8(PORT_SPEAKER) & 0xfc) | 1));
    out8(PORT_PIT_MODE, 0xb0); /* channel 2, one-shot */
    out8(PORT_PIT_2, PIT_MEASURE & 0xff);
    apic_timer_set(UINT32_MAX);
    out8(PORT_PIT_2, PIT_MEASURE >> 8);
    uint64_t start = arch_ticks();
    while ((in8(PORT_SPEAKER) & SPEAKER_OUT) == 0) {
        if (arch_ticks() - start > PIT_LIMIT) {
            console_halt("the PIT does not count", 0, 0, 0);
        }
    }
    *out_ticks = arch_ticks() - start;
    *out_timer = UINT32_MAX - apic_timer_left();
    apic_timer_set(0);
}

void clock_init(void) {
    uint64_t ticks = 0;
    uint32_t timer = 0;
    measure(&ticks, &timer);
    uint64_t interval_ns = PIT_MEASURE * NS_PER_S / PIT_HZ;
    struct cpuid tsc = cpuid(0, 0).a >= 0x15 ? cpuid(0x15, 0) : (struct cpuid){};
    if (tsc.a != 0 && tsc.b != 0 && tsc.c != 0) {
        uint64_t rate = (uint64_t)tsc.c * tsc.b / tsc.a;
        ns_per_tick = (uint64_t)(((wide_t)NS_PER_S << 32) / rate & UINT64_MAX);
    } else {
        ns_per_tick = (interval_ns << 32) / ticks;
    }
    timer_per_ns = ((uint64_t)timer << 32) / interval_ns;
    boot_ticks = arch_ticks();
}

uint64_t arch_ticks_to_ns(uint64_t ticks) {
    return scale(ticks, ns_per_tick);
}

uint64_t arch_clock_ns(void) {
    return scale(arch_ticks() - boot_ticks, ns_per_tick);
}

void arch_clock_copy(struct clock_copy *_Nonnull out) {
    *out = (struct clock_copy){.tsc_base = boot_ticks, .multiplier = ns_per_tick, .shift = 32};
}

void arch_timer_arm(uint64_t deadline_ns) {
    uint64_t count = 0;
    if (deadline_ns != UINT64_MAX) {
        uint64_t now = arch_clock_ns();
        uint64_t wait = deadline_ns > now ? MIN(deadline_ns - now, NS_PER_S) : 0;
        count = MAX(MIN(scale(wait, timer_per_ns), (uint64_t)UINT32_MAX), 1ull);
    }
    apic_timer_set((uint32_t)count);
}

/* ---- real-time clock ---- */

static uint8_t rtc_read(uint8_t name) {
    out8(PORT_RTC, name);
    return in8(PORT_RTC + 1);
}

static uint64_t decimal(uint8_t value, bool binary) {
    return binary ? value : (uint64_t)(value >> 4) * 10 + (value & 15);
}

/* Days from 1970-01-01 of a date in the years 2000 … 2099. */
static uint64_t days_of(uint64_t year, uint64_t month, uint64_t day) {
    static const uint16_t before[12] = {0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334};
    uint64_t since = year - 2000;
    uint64_t leap = (since + 3) / 4 + (since % 4 == 0 && month > 2 ? 1 : 0);
    return 10957 + since * 365 + leap + before[(month + 11) % 12] + day - 1;
}

uint64_t arch_realtime_at_boot_ns(void) {
    for (unsigned i = 0; i < RTC_POLLS && (rtc_read(10) & 0x80) != 0; i++) {
    }
    uint8_t status = rtc_read(11);
    bool binary = (status & 4) != 0;
    uint64_t second = decimal(rtc_read(0), binary);
    uint64_t minute = decimal(rtc_read(2), binary);
    uint8_t raw_hour = rtc_read(4);
    uint64_t hour = decimal(raw_hour & 0x7f, binary);
    if ((status & 2) == 0) {
        hour = hour % 12 + ((raw_hour & 0x80) != 0 ? 12 : 0);
    }
    uint64_t day = decimal(rtc_read(7), binary);
    uint64_t month = decimal(rtc_read(8), binary);
    uint64_t year = 2000 + decimal(rtc_read(9), binary);
    uint64_t seconds = ((days_of(year, month, day) * 24 + hour) * 60 + minute) * 60 + second;
    return seconds * NS_PER_S - arch_clock_ns();
}
