/* The CMOS clock: an index port and a data port. Its registers change under the reader's eyes, so a
 * reading counts when two in a row are the same. Source: Motorola MC146818A. */
#include "servers/time/time.h"

enum {
    PORT_INDEX = 0,
    PORT_DATA = 1,
    REGISTER_SECOND = 0,
    REGISTER_MINUTE = 2,
    REGISTER_HOUR = 4,
    REGISTER_DAY = 7,
    REGISTER_MONTH = 8,
    REGISTER_YEAR = 9,
    REGISTER_A = 10,
    REGISTER_B = 11,
    A_UPDATING = 0x80,
    B_SET = 0x80,
    B_BINARY = 4,
    B_24_HOURS = 2,
    HOUR_AFTERNOON = 0x80,
    POLLS = 10000,
    READINGS = 8,
    CENTURY = 2000
};

static status_t read_register(handle_t ports, uint32_t number, uint32_t *_Nonnull out) {
    TRY(rt_port_write(ports, PORT_INDEX, 1, number));
    return rt_port_read(ports, PORT_DATA, 1, out);
}

static status_t write_register(handle_t ports, uint32_t number, uint32_t value) {
    TRY(rt_port_write(ports, PORT_INDEX, 1, number));
    return rt_port_write(ports, PORT_DATA, 1, value);
}

static uint32_t decode(uint32_t value, uint32_t mode) {
    return (mode & B_BINARY) != 0 ? value : (value >> 4) * 10 + (value & 15);
}

static uint32_t encode(uint32_t value, uint32_t mode) {
    return (mode & B_BINARY) != 0 ? value : value / 10 << 4 | value % 10;
}

static status_t read_once(handle_t ports, struct date *_Nonnull out) {
    uint32_t state = A_UPDATING;
    uint32_t mode = 0;
    uint32_t fields[6] = {};
    static const uint8_t registers[6] = {REGISTER_SECOND, REGISTER_MINUTE, REGISTER_HOUR,
                                         REGISTER_DAY,    REGISTER_MONTH,  REGISTER_YEAR};
    for (uint32_t i = 0; i < POLLS && (state & A_UPDATING) != 0; i++) {
        TRY(read_register(ports, REGISTER_A, &state));
    }
    TRY(read_register(ports, REGISTER_B, &mode));
    for (size_t i = 0; i < ARRAY_LENGTH(fields); i++) {
        TRY(read_register(ports, registers[i], &fields[i]));
    }
    bool afternoon = (fields[2] & HOUR_AFTERNOON) != 0;
    uint32_t hour = decode(fields[2] & 0x7f, mode);
    if ((mode & B_24_HOURS) == 0) {
        hour = hour % 12 + (afternoon ? 12 : 0);
    }
    *out = (struct date){.year = CENTURY + decode(fields[5], mode),
                         .month = decode(fields[4], mode),
                         .day = decode(fields[3], mode),
                         .hour = hour,
                         .minute = decode(fields[1], mode),
                         .second = decode(fields[0], mode)};
    return STATUS_OK;
}

status_t hardware_read(handle_t ports, int64_t *_Nonnull out_seconds) {
    struct date last = {};
    REFUSE(ports == HANDLE_NONE, STATUS_IO);
    for (uint32_t i = 0; i < READINGS; i++) {
        struct date date = {};
        TRY(read_once(ports, &date));
        if (date_is_valid(&date) && date_is_valid(&last) &&
            date_to_seconds(&date) == date_to_seconds(&last)) {
            *out_seconds = date_to_seconds(&date);
            return STATUS_OK;
        }
        last = date;
    }
    return STATUS_IO;
}

status_t hardware_write(handle_t ports, int64_t seconds) {
    struct date date = date_of_seconds(seconds);
    uint32_t mode = 0;
    REFUSE(ports == HANDLE_NONE || date.year < CENTURY || date.year >= CENTURY + 100, STATUS_IO);
    TRY(read_register(ports, REGISTER_B, &mode));
    mode |= B_24_HOURS;
    const uint32_t writes[6][2] = {
        {REGISTER_SECOND, date.second}, {REGISTER_MINUTE, date.minute},
        {REGISTER_HOUR, date.hour},     {REGISTER_DAY, date.day},
        {REGISTER_MONTH, date.month},   {REGISTER_YEAR, (uint32_t)(date.year - CENTURY)}};
    TRY(write_register(ports, REGISTER_B, mode | B_SET));
    for (size_t i = 0; i < ARRAY_LENGTH(writes); i++) {
        TRY(write_register(ports, writes[i][0], encode(writes[i][1], mode)));
    }
    return write_register(ports, REGISTER_B, mode & ~(uint32_t)B_SET);
}
