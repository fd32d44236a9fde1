/* Reports of ends: what the kernel tells, what was in hand, what the process itself left.
 *
 * Invariant: a report is about one instance. What an instance left is cleared before the next one
 * runs, and what a process wrote is bounded before it is shown. */
#include "lib/base/bytes.h"
#include "servers/supervisor/table.h"

static const char *_Nonnull cause_name(uint32_t cause) {
    static const char *const names[] = {"none",   "crash",   "hang",   "unhealthy",
                                        "killed", "corrupt", "update", "layer"};
    return cause < ARRAY_LENGTH(names) ? SOME(names[cause]) : "?";
}

static const char *_Nonnull fault_name(uint32_t kind) {
    static const char *const names[] = {
        "none",   "unmapped", "protection", "beyond end", "io",      "no memory",   "illegal",
        "divide", "floating", "breakpoint", "step",       "general", "misalignment"};
    return kind < ARRAY_LENGTH(names) ? SOME(names[kind]) : "?";
}

static bool is_valid(const struct report_record *_Nonnull report) {
    return report->header.kind == RECORD_REPORT && report->header.size == sizeof *report &&
           report->header.version == RECORD_VERSION &&
           report->header.checksum == rt_record_checksum(&report->header);
}

void report_begin(struct supervisor *_Nonnull self) {
    for (uint32_t i = 0; i < SERVICE_LIMIT; i++) {
        for (uint32_t r = 0; r < REPORT_LIMIT; r++) {
            const struct report_record *report = &vault_of(self)->reports[i][r];
            if (report->header.kind != 0 && is_valid(report)) {
                self->report_number = MAX(self->report_number, report->number);
            }
        }
    }
}

/* The call that the instance had in hand: it is at the head of the queue again, its attempts
 * counted. Where that was its last attempt it has been answered, and is gone. */
static bool find_call(const struct service *_Nonnull service, struct call_entry *_Nonnull out) {
    uint64_t cursor = 0;
    uint64_t count = 0;
    return rt_object_list(service->endpoint, LIST_CALLS, out, sizeof *out, &cursor, &count) ==
               STATUS_OK &&
           count == 1 && out->attempts > 0 && out->parked == 0;
}

/* Where the next report of a service goes: over its oldest. */
static const struct report_record *_Nonnull oldest(const struct supervisor *_Nonnull self,
                                                   uint32_t index) {
    CHECK(index < SERVICE_LIMIT);
    uint32_t place = 0;
    for (uint32_t r = 1; r < REPORT_LIMIT; r++) {
        if (vault_of(self)->reports[index][r].number <
            vault_of(self)->reports[index][place].number) {
            place = r;
        }
    }
    return &vault_of(self)->reports[index][place];
}

void report_write(struct supervisor *_Nonnull self, uint32_t index,
                  const struct process_info *_Nonnull info, enum service_cause cause) {
    const struct service *service = &self->services[index];
    struct report_record *report = &self->report;
    *report = (struct report_record){
        .header = {.kind = RECORD_REPORT, .version = RECORD_VERSION, .size = sizeof *report},
        .number = self->report_number + 1,
        .at_ns = rt_clock_ns(),
        .process_serial = info->serial,
        .cause = cause,
        .fault_kind = info->fault_kind,
        .code = info->exit_code,
        .fault_address = info->fault_address,
        .fault_counter = info->fault_counter,
    };
    bytes_copy(report->name, service->manifest.service, sizeof report->name);
    report->has_call = find_call(service, &report->call) ? 1 : 0;
    (void)rt_memory_copy(service->report, 0, rt_address(&report->left), sizeof report->left,
                         MEMORY_TO_CALLER);
    if (rt_stage_record(&self->server, oldest(self, index), &report->header) == STATUS_OK &&
        rt_commit(&self->server) == STATUS_OK) {
        self->report_number++;
    }
    rt_log(&self->server, "%s ended: %s, code %ld, %s at %lx, counter %lx; report %lu",
           report->name, cause_name(cause), (long)report->code, fault_name(report->fault_kind),
           report->fault_address, report->fault_counter, report->number);
}

void report_clear(struct supervisor *_Nonnull self, uint32_t index) {
    (void)rt_memory_copy(self->services[index].report, 0, 0, PAGE_SIZE, MEMORY_ZERO);
}

const struct report_record *_Nullable report_next(const struct supervisor *_Nonnull self,
                                                  uint32_t index, uint64_t behind) {
    const struct report_record *found = nullptr;
    for (uint32_t i = 0; i < SERVICE_LIMIT; i++) {
        for (uint32_t r = 0; r < REPORT_LIMIT && (index == SERVICE_LIMIT || index == i); r++) {
            const struct report_record *report = &vault_of(self)->reports[i][r];
            if (report->number > behind && (!found || report->number < SOME(found)->number) &&
                is_valid(report)) {
                found = report;
            }
        }
    }
    return found;
}

/* ---- as text ---- */

static void print_label(struct text_window *_Nonnull window, uint32_t label) {
    window_print(window, " %u.%u", label >> 20, label & 0xfff);
}

static void print_call(struct text_window *_Nonnull window,
                       const struct call_entry *_Nonnull call) {
    if (call->label == 0) { /* no call has it: the last close of a session */
        window_print(window, "  close in hand: attempt %u, cookie %lx\n", call->attempts,
                     call->cookie);
        return;
    }
    window_print(window, "  call in hand:");
    print_label(window, call->label);
    window_print(window, " attempt %u, client %lu, principal %u, cookie %lx, root %lx, path %lx\n",
                 call->attempts, call->client_serial, call->principal, call->cookie,
                 call->identity.root, call->identity.path);
    window_print(window, "    words");
    for (size_t i = 0; i < CALL_WORDS; i++) {
        window_print(window, " %lx", call->words[i]);
    }
    window_print(window, "\n");
}

static void print_frame(struct text_window *_Nonnull window,
                        const struct program_frame *_Nonnull f) {
    window_print(window, "  rax %016lx rbx %016lx rcx %016lx rdx %016lx\n", f->rax, f->rbx, f->rcx,
                 f->rdx);
    window_print(window, "  rsi %016lx rdi %016lx rbp %016lx rsp %016lx\n", f->rsi, f->rdi, f->rbp,
                 f->rsp);
    window_print(window, "  r8  %016lx r9  %016lx r10 %016lx r11 %016lx\n", f->r8, f->r9, f->r10,
                 f->r11);
    window_print(window, "  r12 %016lx r13 %016lx r14 %016lx r15 %016lx\n", f->r12, f->r13, f->r14,
                 f->r15);
    window_print(window, "  rip %016lx flags %lx error %lx\n", f->rip, f->flags, f->fault_error);
}

static void print_fault(struct text_window *_Nonnull window,
                        const struct rt_fault *_Nonnull fault) {
    print_frame(window, &fault->frame);
    window_print(window, "  backtrace\n  at %016lx\n", fault->frame.rip);
    for (uint64_t i = 0; i < MIN(fault->trace_count, (uint64_t)RT_REPORT_TRACE); i++) {
        window_print(window, "  at %016lx\n", fault->trace[i]);
    }
    window_print(window, "  bytes received last (root %lx, path %lx)\n   ", fault->identity.root,
                 fault->identity.path);
    for (size_t i = 0; i < RT_REPORT_INLINE; i++) {
        window_print(window, " %02x%s", fault->received[i],
                     i == RT_REPORT_INLINE / 2 - 1 ? "\n   " : "");
    }
    window_print(window, "\n");
}

void report_print(struct text_window *_Nonnull window,
                  const struct report_record *_Nonnull report) {
    const struct rt_recent *recent = &report->left.recent;
    window_print(window, "report %lu of %s: %s at %lu.%06lu s, process %lu\n", report->number,
                 report->name, cause_name(report->cause), report->at_ns / 1000000000,
                 report->at_ns / 1000 % 1000000, report->process_serial);
    window_print(window, "  code %ld, fault %s, address %lx, counter %lx\n", (long)report->code,
                 fault_name(report->fault_kind), report->fault_address, report->fault_counter);
    if (report->has_call == 1) {
        print_call(window, &report->call);
    }
    window_print(window, "  last calls, of %lu:", recent->count);
    for (uint64_t i = MIN(recent->count, (uint64_t)RT_REPORT_RECENT); i > 0; i--) {
        print_label(window, recent->labels[(recent->count - i) % RT_REPORT_RECENT]);
    }
    window_print(window, "\n");
    if (report->left.fault.present == 1) {
        print_fault(window, &report->left.fault);
    }
}
