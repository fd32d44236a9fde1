/* A new program for a service, on probation.
 *
 *   update_begin ──► record: program = new, previous = old ──► the old process ends, the new starts
 *                                  (START_UPDATED, on the same vault, keep, endpoint)
 *        lives for UPDATE_PROBATION_NS ──► update_look: previous = none           the caller is
 * answered OK ends by itself, hangs, cannot start ──► update_failed: program = old, which starts on
 * the vault as it now is                  the caller: ROLLED_BACK
 *
 * Invariants: (P1) the record changes before any process does, so that a supervisor that dies in
 * between goes on where it was; (P2) on probation no state is dropped, whatever the new program
 * says of it; (P3) calls are never answered by the change itself: they stay queued, or come again;
 * (P4) a kill from outside is no failure: the new program starts again, and its probation goes on;
 * (P5) probation_ns is set by the first start of the new program: an end before is the old one's.
 */
#include "idl/stream.h"
#include "lib/base/bytes.h"
#include "servers/supervisor/table.h"

bool update_program(const struct supervisor *_Nonnull self, uint32_t index,
                    const struct service_record *_Nonnull record, uint32_t *_Nonnull out) {
    const struct manifest *manifest = &self->services[index].manifest;
    const char *wanted = record->program[0] != '\0' ? record->program : manifest->program;
    struct image_file file;
    for (uint32_t i = 0; image_entry(self->image, i, &file); i++) {
        if (file.entry.kind == BOOT_PROGRAM && text_equal(file.entry.name, wanted)) {
            *out = i;
            return true;
        }
    }
    return false;
}

static void answer(struct supervisor *_Nonnull self, uint32_t index, status_t status) {
    struct service *service = &self->services[index];
    if (service->asker.token == 0) {
        return;
    }
    struct rt_reply reply = rt_reply_for(&self->server, service->asker.token);
    if (service->asker.by_stream && status == STATUS_OK) {
        stream_write_reply(&reply, &(struct stream_write_out){.written = service->asker.size});
    } else if (status == STATUS_OK) {
        service_update_reply(&reply);
    } else if (service->asker.by_stream && status == SERVICE_STATUS_ROLLED_BACK) {
        reply.status = STREAM_STATUS_FAILED;
    } else {
        reply.status = status;
    }
    status = rt_answer(&self->server, &reply);
    if (status != STATUS_OK && status != STATUS_NOT_FOUND) {
        rt_log(&self->server, "update: answer refused: status %d", (int)status);
    }
    service->asker = (struct update_asker){};
}

/* Records the change. Errors: NOT_FOUND: no such program. */
static status_t change(struct supervisor *_Nonnull self, uint32_t index,
                       const char *_Nonnull program) {
    struct service *service = &self->services[index];
    struct service_record record = service_get(self, index);
    const char *old = record.program[0] != '\0' ? record.program : service->manifest.program;
    bytes_copy(record.previous, old, text_length(old, sizeof record.previous - 1) + 1);
    bytes_zero(record.program, sizeof record.program);
    bytes_copy(record.program, program, text_length(program, sizeof record.program - 1));
    REFUSE(!update_program(self, index, &record, &service->program_index), STATUS_NOT_FOUND);
    record.mode = START_UPDATED;
    record.probation_ns = 0;
    record.held_until_ns = 0;
    if (record.state == SUPERVISED_STOPPED) {
        record.state = SUPERVISED_WAITING;
    }
    service_put(self, index, &record);
    rt_log(&self->server, "%s: %s takes the place of %s, on probation", record.name, record.program,
           record.previous);
    return STATUS_OK;
}

status_t update_begin(struct supervisor *_Nonnull self, uint32_t index,
                      const char *_Nonnull program, const struct update_asker *_Nonnull asker) {
    struct service *service = &self->services[index];
    struct service_record record = service_get(self, index);
    bool under_way = record.previous[0] != '\0';
    REFUSE(under_way && !text_equal(record.program, program), STATUS_BUSY);
    REFUSE(service->asker.token != 0, STATUS_BUSY);
    if (!under_way) {
        TRY(change(self, index, program));
    }
    service->asker = *asker;
    if (!under_way && service->process == HANDLE_NONE) {
        service_launch(self, index);
    } else if (!under_way) {
        (void)rt_kill(service->process, -1, EXIT_KILLED);
    }
    return RT_STATUS_PARKED;
}

void update_failed(struct supervisor *_Nonnull self, uint32_t index,
                   struct service_record *_Nonnull record) {
    rt_log(&self->server, "%s: %s failed its probation; %s runs again", record->name,
           record->program, record->previous);
    bytes_copy(record->program, record->previous, sizeof record->program);
    bytes_zero(record->previous, sizeof record->previous);
    record->mode = START_RESTARTED;
    record->last_cause = SERVICE_CAUSE_UPDATE;
    record->failures = 0;
    service_put(self, index, record);
    CHECK(update_program(self, index, record, &self->services[index].program_index));
    answer(self, index, SERVICE_STATUS_ROLLED_BACK);
}

uint64_t update_look(struct supervisor *_Nonnull self, uint32_t index) {
    struct service_record record = service_get(self, index);
    if (record.previous[0] == '\0' || record.state != SUPERVISED_RUNNING ||
        record.probation_ns == 0) {
        return 0;
    }
    if (record.probation_ns > rt_clock_ns()) {
        return record.probation_ns;
    }
    rt_log(&self->server, "%s: %s passed its probation", record.name, record.program);
    bytes_zero(record.previous, sizeof record.previous);
    service_put(self, index, &record);
    answer(self, index, STATUS_OK);
    return 0;
}

void update_cancelled(struct supervisor *_Nonnull self, uint64_t token) {
    for (uint32_t i = 0; i < self->count; i++) {
        if (self->services[i].asker.token == token && token != 0) {
            answer(self, i, STATUS_CANCELLED);
        }
    }
}
