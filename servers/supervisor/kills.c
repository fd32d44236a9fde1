/* Runs under kills: with `kills=N[:service,…]` on the kernel's command line, N times per second of
 * guest time a service is killed that chance chooses, the supervisor among them, or only those
 * named. `seed=` fixes victims and intervals. How many there were is in the vault, so that a killed
 * supervisor goes on where it was. Such a kill is one from outside: it counts against nobody.
 *
 * Invariant K1: at least half of the kills find a call in hand or parked. A kill that K1 needs
 * looks for one: it waits a little for the service that was chosen, then takes the next one that
 * has a call, however long that takes. The supervisor itself, which parks nothing, is killed by the
 * other half. Where it alone was named, K1 does not hold. On several processors a call may end
 * between the look and the kill. */
#include "lib/base/bytes.h"
#include "servers/supervisor/table.h"

#define SECOND_NS 1000000000ull
#define LOOK_NS 100000ull              /* most between two looks for a call in hand */
enum { LOOKS_AT_THE_CHOSEN_ONE = 50 }; /* then at all */

static bool parse_number(struct rt_bytes text, size_t *_Nonnull at, uint64_t *_Nonnull out) {
    size_t first = *at;
    *out = 0;
    while (*at < text.size && text.data[*at] >= '0' && text.data[*at] <= '9') {
        uint64_t digit = (uint64_t)text.data[*at] - '0';
        if (ckd_mul(out, *out, 10ull) || ckd_add(out, *out, digit)) {
            return false;
        }
        (*at)++;
    }
    return *at > first;
}

/* Bit i: service i; the bit behind the last: the supervisor. */
static uint64_t mask_of_name(const struct supervisor *_Nonnull self, struct rt_bytes name) {
    static const char own[] = "supervisor";
    for (uint32_t i = 0; i < self->count; i++) {
        const char *known = self->services[i].manifest.service;
        if (text_length(known, MANIFEST_NAME) == name.size && name.size > 0 &&
            bytes_equal(known, SOME(name.data), name.size)) {
            return 1ull << i;
        }
    }
    bool is_own = name.size == sizeof own - 1 && bytes_equal(own, SOME(name.data), name.size);
    return is_own ? 1ull << self->count : 0;
}

/* "N" or "N:name,name". */
static void parse_kills(struct supervisor *_Nonnull self, struct rt_bytes word) {
    size_t at = 0;
    uint64_t count = 0;
    if (!parse_number(word, &at, &count) || count > 10000) {
        rt_log(&self->server, "kills: not understood");
        return;
    }
    self->kills.per_second = count;
    self->kills.victims = at == word.size ? (2ull << self->count) - 1 : 0;
    while (at < word.size) {
        size_t first = ++at; /* behind the colon, or a comma */
        while (at < word.size && word.data[at] != ',') {
            at++;
        }
        struct rt_bytes name = {.size = at - first, .data = bytes_at_const(SOME(word.data), first)};
        self->kills.victims |= mask_of_name(self, name);
    }
}

/* What follows `name` in a word of the command line. */
static bool value_of(struct rt_bytes word, struct rt_bytes name, struct rt_bytes *_Nonnull out) {
    if (word.size < name.size || !bytes_equal(SOME(word.data), SOME(name.data), name.size)) {
        return false;
    }
    *out = (struct rt_bytes){.size = word.size - name.size,
                             .data = bytes_at_const(SOME(word.data), name.size)};
    return true;
}

static void read_arguments(struct supervisor *_Nonnull self) {
    uint64_t mapped = 0;
    if (rt_map(0, 0, PAGE_SIZE, BOOT_HANDLE_ARGUMENTS, 0, PROTECT_READ, &mapped) != STATUS_OK) {
        return;
    }
    const char *text = rt_pointer(mapped);
    struct rt_bytes line = {.size = text_length(text, PAGE_SIZE), .data = (const uint8_t *)text};
    for (size_t at = 0; at < line.size; at++) {
        size_t first = at;
        while (at < line.size && line.data[at] != ' ') {
            at++;
        }
        struct rt_bytes word = {.size = at - first, .data = bytes_at_const(SOME(line.data), first)};
        struct rt_bytes value = {};
        size_t digits = 0;
        if (value_of(word, RT_STRING("kills="), &value)) {
            parse_kills(self, value);
        } else if (value_of(word, RT_STRING("seed="), &value)) {
            (void)parse_number(value, &digits, &self->kills.seed);
        }
    }
}

/* Draw `number` of this seed (splitmix64). */
static uint64_t draw(const struct supervisor *_Nonnull self, uint64_t number) {
    uint64_t value = 0;
    (void)__builtin_mul_overflow(number + 1, 0x9e3779b97f4a7c15ull, &value);
    (void)__builtin_add_overflow(value, self->kills.seed, &value);
    (void)__builtin_mul_overflow(value ^ value >> 30, 0xbf58476d1ce4e5b9ull, &value);
    (void)__builtin_mul_overflow(value ^ value >> 27, 0x94d049bb133111ebull, &value);
    return value ^ value >> 31;
}

/* How many kills there were; none where the record is not valid. */
static struct kills_record kills_so_far(const struct supervisor *_Nonnull self) {
    const struct kills_record *record = &vault_of(self)->kills;
    bool valid = record->header.kind == RECORD_KILLS && record->header.size == sizeof *record &&
                 rt_record_checksum(&record->header) == record->header.checksum;
    return valid ? *record : (struct kills_record){};
}

static void set_timer(struct supervisor *_Nonnull self) {
    uint64_t wait =
        draw(self, 2 * kills_so_far(self).count) % (2 * SECOND_NS / self->kills.per_second);
    (void)rt_timer_set(self->kills.timer, rt_clock_ns() + wait + 1, 1, 0);
}

void kills_begin(struct supervisor *_Nonnull self) {
    read_arguments(self);
    if (self->kills.per_second == 0 || self->kills.victims == 0) {
        return;
    }
    status_t status = rt_object_create(OBJECT_EVENT, 0, 0, 0, 0, 0, &self->kills.timer);
    status = status == STATUS_OK
                 ? rt_bind(self->server.waitset, self->kills.timer, UINT32_MAX, KEY_KILLS, 0)
                 : status;
    if (status == STATUS_OK) {
        set_timer(self);
    }
}

/* The service that a number chooses; `count`: the supervisor. */
static uint32_t choose(const struct supervisor *_Nonnull self, uint64_t number) {
    uint64_t left = number % (uint64_t)__builtin_popcountll(self->kills.victims);
    for (uint32_t i = 0; i < self->count; i++) {
        if ((self->kills.victims >> i & 1) != 0 && left-- == 0) {
            return i;
        }
    }
    return self->count;
}

/* What is in hand of a service; nothing, of the supervisor. */
static struct endpoint_info calls_of(const struct supervisor *_Nonnull self, uint32_t index) {
    struct endpoint_info info = {};
    if (index < self->count) {
        (void)rt_object_info(self->services[index].endpoint, INFO_ENDPOINT, &info, sizeof info);
    }
    return info;
}

/* The service that this kill meets with a call in hand; false: none now, look again soon. */
static bool find_busy(struct supervisor *_Nonnull self, uint32_t *_Nonnull victim) {
    uint32_t chosen = *victim;
    bool at_all = ++self->kills.looks > LOOKS_AT_THE_CHOSEN_ONE;
    for (uint32_t i = 0; i < (at_all ? self->count + 1 : 1); i++) {
        *victim = (chosen + i) % (self->count + 1);
        if ((self->kills.victims >> *victim & 1) != 0 && calls_of(self, *victim).in_hand > 0) {
            return true;
        }
    }
    return false;
}

void kills_one(struct supervisor *_Nonnull self) {
    struct kills_record record = kills_so_far(self);
    uint32_t victim = choose(self, draw(self, 2 * record.count + 1));
    bool supervisor_alone =
        self->kills.victims >> self->count == 1 && __builtin_popcountll(self->kills.victims) == 1;
    if (2 * record.met <= record.count && !supervisor_alone && !find_busy(self, &victim)) {
        uint64_t wait = draw(self, record.count ^ self->kills.looks << 32) % LOOK_NS;
        (void)rt_timer_set(self->kills.timer, rt_clock_ns() + wait + 1, 1, 0);
        return;
    }
    struct endpoint_info info = calls_of(self, victim);
    self->kills.looks = 0;
    record.header = (struct rt_record_header){
        .kind = RECORD_KILLS, .version = RECORD_VERSION, .size = sizeof record};
    record.count++;
    record.met += info.in_hand > 0 ? 1 : 0;
    if (rt_stage_record(&self->server, &vault_of(self)->kills, &record.header) != STATUS_OK ||
        rt_commit(&self->server) != STATUS_OK) {
        return;
    }
    set_timer(self);
    if (victim == self->count) {
        rt_log(&self->server, "kill %lu: supervisor", record.count);
        (void)rt_kill(BOOT_HANDLE_PROCESS, -1, EXIT_KILLED);
        return;
    }
    struct service *service = &self->services[victim];
    rt_log(&self->server, "kill %lu: %s, %u calls in hand, %u parked", record.count,
           service->manifest.service, info.in_hand, info.parked);
    if (service->process != HANDLE_NONE) {
        (void)rt_kill(service->process, -1, EXIT_KILLED);
    }
}
