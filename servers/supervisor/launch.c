/* Making services: the objects that outlive each instance, then processes in them. Each step is
 * repeatable: handles are put into the supervisor's keep as they are made, instances are numbered
 * before they exist. */
#include "lib/base/bytes.h"
#include "servers/supervisor/table.h"

static uint32_t slot_of(uint32_t index, uint32_t which) {
    return SLOT_SERVICES + index * SLOTS_PER_SERVICE + which;
}

bool service_find(const struct supervisor *_Nonnull self, const char *_Nonnull name,
                  uint32_t *_Nonnull out_index) {
    for (uint32_t i = 0; i < self->count; i++) {
        if (text_equal(self->services[i].manifest.service, name)) {
            *out_index = i;
            return true;
        }
    }
    return false;
}

struct service_record service_get(const struct supervisor *_Nonnull self, uint32_t index) {
    CHECK(index < SERVICE_LIMIT);
    return vault_of(self)->services[index];
}

void service_put(struct supervisor *_Nonnull self, uint32_t index,
                 struct service_record *_Nonnull record) {
    CHECK(index < SERVICE_LIMIT);
    record->header = (struct rt_record_header){
        .kind = RECORD_SERVICE, .version = RECORD_VERSION, .size = sizeof *record};
    status_t status =
        rt_stage_record(&self->server, &vault_of(self)->services[index], &record->header);
    CHECK(status == STATUS_OK);
    status = rt_commit(&self->server);
    CHECK(status == STATUS_OK);
}

/* A handle from the keep, or a new object that is put there. */
static status_t keep_or_make(struct supervisor *_Nonnull self, uint32_t slot, enum object_type type,
                             handle_t container, uint64_t arg1, uint64_t arg2,
                             handle_t *_Nonnull out) {
    if (rt_keep_get(&self->server, slot, out) == STATUS_OK) {
        return STATUS_OK;
    }
    status_t status = rt_object_create(type, container, arg1, arg2, 0, 0, out);
    uint32_t placed = 0;
    if (status == STATUS_OK) {
        status =
            rt_handle_move(0, *out, self->server.keep, slot, RIGHT_ALL, HANDLE_MOVE_COPY, &placed);
    }
    return status;
}

status_t service_prepare(struct supervisor *_Nonnull self, uint32_t index) {
    struct service *service = &self->services[index];
    const struct manifest *manifest = &service->manifest;
    struct domain_quota quota = {
        .pages = manifest->pages,
        .kernel_pages = manifest->kernel_pages,
        .handles = manifest->handles,
        .threads = manifest->threads,
    };
    status_t status =
        keep_or_make(self, slot_of(index, SLOT_DOMAIN), OBJECT_DOMAIN, BOOT_HANDLE_ROOT_DOMAIN,
                     rt_address(&quota), 0, &service->domain);
    if (status == STATUS_OK) {
        status = keep_or_make(self, slot_of(index, SLOT_SERVICE_ENDPOINT), OBJECT_ENDPOINT,
                              service->domain, 0, 0, &service->endpoint);
    }
    if (status == STATUS_OK) {
        status = keep_or_make(self, slot_of(index, SLOT_VAULT), OBJECT_MEMORY, 0,
                              manifest->vault_pages * PAGE_SIZE, MEMORY_WIRED, &service->vault);
    }
    if (status == STATUS_OK) {
        status = keep_or_make(self, slot_of(index, SLOT_KEEP), OBJECT_KEEP, 0, manifest->keep_slots,
                              0, &service->keep);
    }
    if (status == STATUS_OK) {
        status = keep_or_make(self, slot_of(index, SLOT_REPORT), OBJECT_MEMORY, 0, PAGE_SIZE,
                              MEMORY_WIRED, &service->report);
    }
    if (status == STATUS_OK) {
        status = rt_bind(self->server.waitset, service->domain, UINT32_MAX, index, 0);
    }
    return status;
}

/* ---- one instance ---- */

/* What is given to a new process, in the order in which its handles will be numbered. */
struct giving {
    struct rt_start *_Nonnull page;
    handle_t process;
    status_t status;
};

/* Moves (or copies) a handle into the new process and names it in the start page. */
static void give(struct giving *_Nonnull giving, const char *_Nonnull name, handle_t handle,
                 uint32_t rights, bool copy) {
    uint32_t placed = 0;
    if (giving->status != STATUS_OK) {
        return;
    }
    if (giving->page->count == RT_START_NAMES) {
        giving->status = STATUS_OUT_OF_RANGE;
        return;
    }
    giving->status = rt_handle_move(0, handle, giving->process, HANDLE_MOVE_ANY, rights,
                                    copy ? HANDLE_MOVE_COPY : 0, &placed);
    struct rt_start_entry *entry = &giving->page->entries[giving->page->count++];
    bytes_copy(entry->name, name, MIN(text_length(name, 24), sizeof entry->name - 1));
    entry->handle = placed;
}

/* A session to another service's endpoint; its cookie says which service holds it. */
static void give_session(struct supervisor *_Nonnull self, struct giving *_Nonnull giving,
                         uint32_t index, const struct manifest_need *_Nonnull need) {
    uint32_t other = 0;
    handle_t session = HANDLE_NONE;
    if (giving->status != STATUS_OK) {
        return;
    }
    handle_t endpoint = HANDLE_NONE;
    if (text_equal(need->service, "supervisor")) {
        endpoint = self->server.endpoint;
    } else if (service_find(self, need->service, &other)) {
        endpoint = self->services[other].endpoint;
    } else {
        giving->status = STATUS_NOT_FOUND;
        return;
    }
    giving->status = rt_object_create(OBJECT_SESSION, endpoint, RT_COOKIE_SERVICE | index,
                                      SESSION_LIVE, 0, 0, &session);
    give(giving, need->name, session,
         RIGHT_ALL & ~(uint32_t)(RIGHT_RECEIVE | RIGHT_MINT | RIGHT_MANAGE), false);
}

/* A domain of programs, made by name at the first gift. */
static handle_t domain_by_name(struct supervisor *_Nonnull self, const char *_Nonnull name) {
    for (uint32_t i = 0; i < self->domain_count; i++) {
        if (text_equal(self->domains[i].name, name)) {
            return self->domains[i].handle;
        }
    }
    if (self->domain_count == DOMAIN_LIMIT) {
        return HANDLE_NONE;
    }
    /* The login domain's default quota: half of what an idle machine has left. */
    struct system_info machine = {};
    struct syscall_registers r = {.number = SYS_SYSTEM,
                                  .a = SYSTEM_INFO,
                                  .b = rt_address(&machine),
                                  .words = {sizeof machine}};
    rt_invoke(&r);
    struct domain_quota quota = {
        .pages = machine.total_pages / 4 * 3,
        .kernel_pages = machine.total_pages / 8,
        .handles = 65536,
        .threads = 1024,
    };
    uint32_t number = self->domain_count++;
    bytes_copy(self->domains[number].name, name, text_length(name, MANIFEST_NAME - 1));
    status_t status =
        keep_or_make(self, SLOT_DOMAINS + number, OBJECT_DOMAIN, BOOT_HANDLE_ROOT_DOMAIN,
                     rt_address(&quota), 0, &self->domains[number].handle);
    return status == STATUS_OK ? self->domains[number].handle : HANDLE_NONE;
}

static void give_gift(struct supervisor *_Nonnull self, struct giving *_Nonnull giving,
                      const struct manifest_gift *_Nonnull gift) {
    handle_t handle = HANDLE_NONE;
    uint32_t other = 0;
    if (giving->status != STATUS_OK) {
        return;
    }
    switch (gift->kind) {
    case GIFT_SYSTEM:
        give(giving, gift->name, BOOT_HANDLE_SYSTEM, RIGHT_ALL, true);
        return;
    case GIFT_IMAGE:
        give(giving, gift->name, BOOT_HANDLE_IMAGE,
             RIGHT_READ | RIGHT_EXECUTE | RIGHT_DUPLICATE | RIGHT_TRANSFER | RIGHT_INSPECT, true);
        return;
    case GIFT_ARGUMENTS:
        give(giving, gift->name, BOOT_HANDLE_ARGUMENTS,
             RIGHT_READ | RIGHT_DUPLICATE | RIGHT_TRANSFER | RIGHT_INSPECT, true);
        return;
    case GIFT_ENDPOINT:
        if (!service_find(self, gift->object, &other)) {
            giving->status = STATUS_NOT_FOUND;
            return;
        }
        give(giving, gift->name, self->services[other].endpoint, RIGHT_ALL, true);
        return;
    case GIFT_DOMAIN:
        handle = domain_by_name(self, gift->object);
        giving->status = handle == HANDLE_NONE ? STATUS_OUT_OF_RANGE : STATUS_OK;
        give(giving, gift->name, handle, RIGHT_ALL, true);
        return;
    case GIFT_IRQ:
        giving->status =
            rt_object_create(OBJECT_IRQ, BOOT_HANDLE_SYSTEM, gift->numbers[0], 0, 0, 0, &handle);
        give(giving, gift->name, handle, RIGHT_ALL, false);
        return;
    case GIFT_PORTS:
        giving->status = rt_object_create(OBJECT_IOPORTS, BOOT_HANDLE_SYSTEM, gift->numbers[0],
                                          gift->numbers[1], 0, 0, &handle);
        give(giving, gift->name, handle, RIGHT_ALL, false);
        return;
    case GIFT_TRACE:
        giving->status = rt_object_create(OBJECT_TRACE, BOOT_HANDLE_SYSTEM, 0, 0, 0, 0, &handle);
        give(giving, gift->name, handle, RIGHT_ALL, false);
        return;
    case GIFT_NONE:
        break;
    }
    giving->status = STATUS_BAD_ARGUMENT;
}

/* Fills the new process's handle table and writes the start page. */
static status_t give_all(struct supervisor *_Nonnull self, uint32_t index, handle_t process) {
    struct service *service = &self->services[index];
    const struct manifest *manifest = &service->manifest;
    handle_t start = HANDLE_NONE;
    uint32_t placed = 0;
    status_t status =
        rt_object_create(OBJECT_MEMORY, service->domain, sizeof(struct rt_start), 0, 0, 0, &start);
    if (status == STATUS_OK) {
        status = rt_handle_move(0, start, process, HANDLE_MOVE_ANY, RIGHT_READ | RIGHT_INSPECT,
                                HANDLE_MOVE_COPY, &placed);
    }
    self->giving = (struct rt_start){};
    struct giving giving = {.page = &self->giving, .process = process, .status = status};
    giving.page->version = RT_START_VERSION;
    giving.page->vault_size = (uint32_t)(manifest->vault_pages * PAGE_SIZE);
    giving.page->number = index + 1;
    bytes_copy(giving.page->service, manifest->service, sizeof manifest->service);
    bytes_copy(giving.page->arguments, manifest->argument, sizeof manifest->argument);
    give(&giving, "endpoint", service->endpoint, RIGHT_ALL, true);
    give(&giving, "vault", service->vault, RIGHT_READ | RIGHT_PATCH | RIGHT_INSPECT, true);
    give(&giving, "keep", service->keep, RIGHT_ALL, true);
    give(&giving, "report", service->report, RIGHT_READ | RIGHT_WRITE | RIGHT_INSPECT, true);
    give(&giving, "domain", service->domain, RIGHT_INSPECT, true); /* its quota, and what is used */
    for (uint32_t i = 0; i < manifest->need_count; i++) {
        give_session(self, &giving, index, &manifest->needs[i]);
    }
    for (uint32_t i = 0; i < manifest->gift_count; i++) {
        give_gift(self, &giving, &manifest->gifts[i]);
    }
    if (giving.status == STATUS_OK) {
        giving.status = rt_memory_copy(start, 0, rt_address(&self->giving), sizeof self->giving,
                                       MEMORY_FROM_CALLER);
    }
    rt_handle_close(start);
    return giving.status;
}

static status_t start_process(struct supervisor *_Nonnull self, uint32_t index,
                              const struct service_record *_Nonnull record) {
    struct service *service = &self->services[index];
    struct image_file file;
    handle_t thread = HANDLE_NONE;
    uint64_t entry = 0;
    uint64_t stack = 0;
    uint64_t page = 0;
    if (!image_entry(self->image, service->program_index, &file)) {
        return STATUS_NOT_FOUND;
    }
    status_t status = rt_object_create(OBJECT_PROCESS, service->domain, 0, 0, record->instance, 0,
                                       &service->process);
    if (status == STATUS_OK) {
        status = rt_object_set(service->process, SET_NAME, rt_address(record->name),
                               text_length(record->name, MANIFEST_NAME));
    }
    if (status == STATUS_OK) {
        status = rt_object_set(service->process, SET_SERVICE, index + 1, 0);
    }
    if (status == STATUS_OK) {
        status = give_all(self, index, service->process);
    }
    if (status == STATUS_OK) {
        status = program_load(self, &file, service->process, &entry, &stack, &page);
    }
    if (status == STATUS_OK) {
        status = rt_object_create(OBJECT_THREAD, service->process, service->manifest.priority, 1, 0,
                                  0, &thread);
    }
    if (status == STATUS_OK) {
        status = rt_thread_start(thread, entry, stack, record->mode, page, 0);
    }
    rt_handle_close(thread);
    return status;
}

/* The next instance. False: it cannot be started. */
static bool launch(struct supervisor *_Nonnull self, uint32_t index) {
    struct service *service = &self->services[index];
    struct service_record record = service_get(self, index);
    rt_handle_close(service->process);
    service->process = HANDLE_NONE;
    record.instance++;
    record.state = SUPERVISED_STARTING;
    bytes_copy(record.name, service->manifest.service, sizeof record.name);
    service_put(self, index, &record);
    report_clear(self, index);
    status_t status = start_process(self, index, &record);
    if (status != STATUS_OK) {
        rt_log(&self->server, "service %s cannot be started: status %d", record.name, (int)status);
        if (service->process != HANDLE_NONE) {
            (void)rt_kill(service->process, -1, EXIT_KILLED);
            (void)rt_object_set(service->process, SET_FORGET, 0, 0);
            rt_handle_close(service->process);
            service->process = HANDLE_NONE;
        }
        record.failures++;
        record.last_cause = SERVICE_CAUSE_UNHEALTHY;
        record.state = SUPERVISED_FAILED;
        service_put(self, index, &record);
        return false;
    }
    bool probation = record.previous[0] != '\0';
    record.state = SUPERVISED_RUNNING;
    record.mode = probation ? START_UPDATED : START_RESTARTED;
    record.started_ns = rt_clock_ns();
    if (probation && record.probation_ns == 0) {
        record.probation_ns = record.started_ns + UPDATE_PROBATION_NS;
        watch_by(self, record.probation_ns);
    }
    service_put(self, index, &record);
    return true;
}

void service_launch(struct supervisor *_Nonnull self, uint32_t index) {
    bool runs = launch(self, index);
    struct service_record record = service_get(self, index);
    if (!runs && record.previous[0] != '\0') {
        update_failed(self, index, &record);
        runs = launch(self, index);
        record = service_get(self, index);
    }
    while (!runs && watch_retry(self, index, &record, true)) {
        runs = launch(self, index);
        record = service_get(self, index);
    }
}

enum { NO_INSTANCE = UINT32_MAX };

/* The state of instance `tag` in the service's domain. */
static uint32_t instance_state(const struct service *_Nonnull service, uint64_t tag) {
    struct child_entry entries[8];
    uint64_t cursor = 0;
    for (;;) {
        uint64_t count = 0;
        status_t status = rt_object_list(service->domain, LIST_CHILDREN, entries, sizeof entries,
                                         &cursor, &count);
        if (status != STATUS_OK || count == 0) {
            return NO_INSTANCE;
        }
        for (uint64_t i = 0; i < count; i++) {
            if (entries[i].type == OBJECT_PROCESS && entries[i].tag == tag) {
                return entries[i].state;
            }
        }
    }
}

void service_adopt(struct supervisor *_Nonnull self, uint32_t index) {
    struct service *service = &self->services[index];
    struct service_record record = service_get(self, index);
    if (!update_program(self, index, &record, &service->program_index)) {
        service->program_index = UINT32_MAX; /* starting it will fail, and say so */
    }
    uint32_t state = instance_state(service, record.instance);
    if (record.state != SUPERVISED_ABSENT && state != NO_INSTANCE) {
        status_t status = rt_object_create(OBJECT_PROCESS, service->domain, 0, 0, record.instance,
                                           0, &service->process);
        if (status == STATUS_OK && state == PROCESS_DEAD) {
            watch_exit(self, index); /* nobody saw it */
            return;
        }
        if (status == STATUS_OK && state == PROCESS_RUNNING &&
            record.state == SUPERVISED_STARTING) {
            record.state = SUPERVISED_RUNNING;
            service_put(self, index, &record);
        }
        bool outlived = record.previous[0] != '\0' && record.probation_ns == 0;
        if (status == STATUS_OK && state == PROCESS_RUNNING && !outlived) {
            return;
        }
        /* Half-made when the supervisor died, dying, or the old program of an update that had not
         * got further: its exit will be reported. */
        (void)rt_kill(service->process, -1, EXIT_KILLED);
        if (state != PROCESS_NEW) {
            return;
        }
    }
    bool held = record.state == SUPERVISED_WAITING && record.held_until_ns > rt_clock_ns();
    if (record.state != SUPERVISED_STOPPED && !held) {
        service_launch(self, index);
    }
}
