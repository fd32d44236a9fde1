/* What an administrator may ask for. A process is ended wherever it is: its calls survive that, and
 * come to the next instance again. */
#include "lib/base/bytes.h"
#include "servers/supervisor/table.h"

enum { LONGEST_STOP_S = 86400 };

bool service_by_name(const struct supervisor *_Nonnull self, struct rt_bytes name,
                     uint32_t *_Nonnull out) {
    for (uint32_t i = 0; i < self->count; i++) {
        const char *known = self->services[i].manifest.service;
        if (text_length(known, MANIFEST_NAME) == name.size && name.size > 0 &&
            bytes_equal(known, SOME(name.data), name.size)) {
            *out = i;
            return true;
        }
    }
    return false;
}

status_t command_restart(struct supervisor *_Nonnull self, uint32_t index) {
    if (self->services[index].process == HANDLE_NONE) {
        return command_start(self, index);
    }
    return rt_kill(self->services[index].process, -1, EXIT_KILLED);
}

status_t command_stop(struct supervisor *_Nonnull self, uint32_t index, uint64_t seconds) {
    struct service *service = &self->services[index];
    struct service_record record = service_get(self, index);
    REFUSE(seconds == 0 && service->manifest.essential, STATUS_NOT_ALLOWED);
    REFUSE(seconds > LONGEST_STOP_S, STATUS_BAD_ARGUMENT);
    record.held_until_ns = seconds > 0 ? rt_clock_ns() + seconds * 1000000000 : 0;
    if (seconds == 0) {
        record.state = SUPERVISED_STOPPED;
    } else if (service->process == HANDLE_NONE) {
        record.state = SUPERVISED_WAITING;
        record.retry_ns = record.held_until_ns;
        watch_by(self, record.retry_ns);
    }
    service_put(self, index, &record);
    return service->process == HANDLE_NONE ? STATUS_OK : rt_kill(service->process, 0, EXIT_KILLED);
}

static void start_one(struct supervisor *_Nonnull self, uint32_t index) {
    struct service_record record = service_get(self, index);
    if (self->services[index].process == HANDLE_NONE) {
        record.held_until_ns = 0;
        record.failures = 0;
        service_put(self, index, &record);
        service_launch(self, index);
    } else if (record.state == SUPERVISED_STOPPED || record.held_until_ns != 0) {
        /* It is ending: its exit leads to the next start. */
        record.held_until_ns = 0;
        record.state = SUPERVISED_RUNNING;
        service_put(self, index, &record);
    }
}

/* Adds what the marked services need. True: there was something to add. */
static bool mark_needs(const struct supervisor *_Nonnull self, uint64_t *_Nonnull marks) {
    uint64_t before = *marks;
    for (uint32_t i = 0; i < self->count; i++) {
        const struct manifest *manifest = &self->services[i].manifest;
        for (uint32_t n = 0; n < manifest->need_count && (*marks >> i & 1) != 0; n++) {
            uint32_t other = 0;
            if (service_find(self, manifest->needs[n].service, &other)) {
                *marks |= 1ull << other;
            }
        }
    }
    return *marks != before;
}

status_t command_start(struct supervisor *_Nonnull self, uint32_t index) {
    static_assert(SERVICE_LIMIT <= 64);
    uint64_t marks = 1ull << index;
    while (mark_needs(self, &marks)) {
    }
    for (uint32_t i = 0; i < self->count; i++) {
        bool restarts = i == index || self->services[i].manifest.restart;
        if ((marks >> i & 1) != 0 && restarts) {
            start_one(self, i);
        }
    }
    return service_get(self, index).state == SUPERVISED_FAILED ? STATUS_IO : STATUS_OK;
}

status_t command_crash(struct supervisor *_Nonnull self, uint32_t index) {
    struct service *service = &self->services[index];
    struct handle_info vault = {};
    struct mapping_entry mapping = {};
    uint64_t cursor = 0;
    uint64_t count = 0;
    REFUSE(service->process == HANDLE_NONE, STATUS_BUSY);
    TRY(rt_object_info(service->vault, INFO_HANDLE, &vault, sizeof vault));
    do {
        status_t status = rt_object_list(service->process, LIST_MAPPINGS, &mapping, sizeof mapping,
                                         &cursor, &count);
        if (status == STATUS_OK && count == 1 && mapping.memory_serial == vault.serial &&
            rt_unmap(service->process, mapping.address, mapping.length) == STATUS_OK) {
            return STATUS_OK;
        }
        count = status == STATUS_OK ? count : 0;
    } while (count == 1);
    return STATUS_BUSY; /* it has not begun yet, or is ending */
}

status_t command_line(struct supervisor *_Nonnull self, struct words_text text,
                      const struct update_asker *_Nonnull asker) {
    struct words words;
    size_t next = 0;
    uint32_t index = 0;
    uint64_t seconds = 0;
    REFUSE(!words_read(text, 0, &words, &next) || next < text.size || words.count < 2,
           STATUS_BAD_ARGUMENT);
    struct rt_bytes name = {.size = text_length(words.at[1].text, WORD_SIZE),
                            .data = (const uint8_t *)words.at[1].text};
    REFUSE(!service_by_name(self, name, &index), STATUS_NOT_FOUND);
    if (words_are(&words, 0, "restart") && words.count == 2) {
        return command_restart(self, index);
    }
    if (words_are(&words, 0, "start") && words.count == 2) {
        return command_start(self, index);
    }
    if (words_are(&words, 0, "crash") && words.count == 2) {
        return command_crash(self, index);
    }
    if (words_are(&words, 0, "stop") && words.count == 2) {
        return command_stop(self, index, 0);
    }
    if (words_are(&words, 0, "stop") && words.count == 3) {
        REFUSE(!words_number(&words, 2, &seconds) || seconds == 0, STATUS_BAD_ARGUMENT);
        return command_stop(self, index, seconds);
    }
    REFUSE(!words_are(&words, 0, "update") || words.count != 3, STATUS_BAD_ARGUMENT);
    return update_begin(self, index, words.at[2].text, asker);
}
