/* The supervisor: start, then a loop over exits of services, its timer, and control calls. It is a
 * server like the others, with a vault and a keep of its own, except that the kernel gave them to
 * it and that it makes its endpoint itself. */
#include "lib/base/bytes.h"
#include "servers/supervisor/table.h"

static void must(status_t status) {
    if (status != STATUS_OK) {
        rt_exit(RT_EXIT_START);
    }
}

/* Image, vault and keep as an ordinary server has them. */
static void begin(struct supervisor *_Nonnull self, uint64_t mode, uint64_t page) {
    uint64_t address = 0;
    struct memory_info info = {};
    self->start = (struct rt_start){.version = RT_START_VERSION, .service = "supervisor"};
    self->server = (struct rt_server){
        .mode = mode,
        .start = &self->start,
        .page = rt_pointer(page),
        .state = self,
        .vault = BOOT_HANDLE_VAULT,
        .keep = BOOT_HANDLE_KEEP,
    };
    must(rt_object_info(BOOT_HANDLE_VAULT, INFO_MEMORY, &info, sizeof info));
    self->server.vault_size = (size_t)info.content_size;
    CHECK(self->server.vault_size >= sizeof(struct supervisor_vault));
    must(rt_map(0, 0, info.content_size, BOOT_HANDLE_VAULT, 0, PROTECT_READ, &address));
    self->server.vault_data = rt_pointer(address);
    must(rt_object_info(BOOT_HANDLE_IMAGE, INFO_MEMORY, &info, sizeof info));
    must(rt_map(0, 0, info.content_size, BOOT_HANDLE_IMAGE, 0, PROTECT_READ, &address));
    self->image =
        (struct image_bytes){.size = (size_t)info.content_size, .data = rt_pointer(address)};
    must(rt_object_create(OBJECT_WAITSET, 0, 0, 0, 0, 0, &self->server.waitset));
    must(rt_object_create(OBJECT_EVENT, 0, 0, 0, 0, 0, &self->timer));
    must(rt_bind(self->server.waitset, self->timer, UINT32_MAX, KEY_TIMER, 0));
    if (rt_keep_get(&self->server, SLOT_ENDPOINT, &self->server.endpoint) != STATUS_OK) {
        uint32_t placed = 0;
        must(rt_object_create(OBJECT_ENDPOINT, 0, 0, 0, 0, 0, &self->server.endpoint));
        must(rt_handle_move(0, self->server.endpoint, BOOT_HANDLE_KEEP, SLOT_ENDPOINT, RIGHT_ALL,
                            HANDLE_MOVE_COPY, &placed));
    }
}

/* Reads every manifest of the image; the order in the image numbers the services. One whose program
 * is missing stays, and cannot be started. */
static void read_manifests(struct supervisor *_Nonnull self) {
    struct image_file file;
    for (uint32_t i = 0; image_entry(self->image, i, &file) && self->count < SERVICE_LIMIT; i++) {
        struct service *service = &self->services[self->count];
        uint32_t line = 0;
        struct image_file program;
        if (file.entry.kind != BOOT_MANIFEST) {
            continue;
        }
        struct words_text text = {.size = file.bytes.size, .data = (const char *)file.bytes.data};
        if (!manifest_parse(text, &service->manifest, &line)) {
            rt_log(&self->server, "manifest %s, line %u: not understood", file.entry.name, line);
            continue;
        }
        self->count++;
        if (!image_find(self->image, BOOT_PROGRAM, service->manifest.program, &program)) {
            rt_log(&self->server, "service %s: no program %s", service->manifest.service,
                   service->manifest.program);
        }
    }
}

/* A record that does not validate is no record: the service is taken for absent, found again in its
 * domain, or started fresh. */
static void check_records(struct supervisor *_Nonnull self) {
    for (uint32_t i = 0; i < self->count; i++) {
        struct service_record record = service_get(self, i);
        bool valid = record.header.kind == RECORD_SERVICE && record.header.size == sizeof record &&
                     rt_record_checksum(&record.header) == record.header.checksum &&
                     text_equal(record.name, self->services[i].manifest.service);
        if (!valid) {
            if (record.header.kind != 0) {
                rt_log(&self->server, "record of service %u is damaged and dropped", i);
            }
            record = (struct service_record){.state = SUPERVISED_ABSENT, .mode = START_FRESH};
            service_put(self, i, &record);
        }
    }
}

static void on_packet(struct rt_server *_Nonnull server, const struct rt_packet *_Nonnull packet) {
    struct supervisor *self = SOME(server->state);
    if (packet->kind == PACKET_EXIT && packet->key < self->count) {
        watch_exit(self, (uint32_t)packet->key);
    } else if (packet->kind == PACKET_CANCEL) {
        update_cancelled(self, packet->token);
    } else if (packet->kind == PACKET_EVENT && packet->key == KEY_KILLS) {
        kills_one(self);
    } else if (packet->kind == PACKET_EVENT) {
        watch_tick(self);
    }
}

/* Services start when those they need have started; what is left over needs itself in a circle. */
static void start_all(struct supervisor *_Nonnull self) {
    bool done[SERVICE_LIMIT] = {};
    for (uint32_t round = 0; round < self->count; round++) {
        for (uint32_t i = 0; i < self->count; i++) {
            bool ready = !done[i];
            const struct manifest *manifest = &self->services[i].manifest;
            for (uint32_t n = 0; n < manifest->need_count && ready; n++) {
                uint32_t other = 0;
                bool known = service_find(self, manifest->needs[n].service, &other);
                ready =
                    text_equal(manifest->needs[n].service, "supervisor") || (known && done[other]);
            }
            if (ready) {
                done[i] = true;
                service_adopt(self, i);
            }
        }
    }
    for (uint32_t i = 0; i < self->count; i++) {
        if (!done[i]) {
            watch_given_up(self, i, "what it needs is missing, or needs it in turn");
        }
    }
}

static void note_own_start(struct supervisor *_Nonnull self) {
    const struct own_record *own = &vault_of(self)->own;
    bool valid = own->header.kind == RECORD_OWN && own->header.size == sizeof *own &&
                 own->header.checksum == rt_record_checksum(&own->header);
    struct own_record record = {
        .header = {.kind = RECORD_OWN, .version = RECORD_VERSION, .size = sizeof record},
        .restarts = valid ? own->restarts + 1 : 0,
        .started_ns = rt_clock_ns()};
    status_t status = rt_stage_record(&self->server, own, &record.header);
    CHECK(status == STATUS_OK && rt_commit(&self->server) == STATUS_OK);
}

void server_main(uint64_t mode, uint64_t thread_page) {
    uint64_t address = 0;
    must(rt_map(0, 0, (sizeof(struct supervisor) + PAGE_SIZE - 1) & ~(uint64_t)(PAGE_SIZE - 1), 0,
                0, PROTECT_READ | PROTECT_WRITE | MAP_PRIVATE, &address));
    struct supervisor *self = rt_pointer(address);
    begin(self, mode, thread_page);
    read_manifests(self);
    check_records(self);
    for (uint32_t i = 0; i < self->count; i++) {
        status_t status = service_prepare(self, i);
        if (status != STATUS_OK) {
            rt_log(&self->server, "service %s cannot be prepared: status %d",
                   self->services[i].manifest.service, (int)status);
        }
    }
    report_begin(self);
    note_own_start(self);
    start_all(self);
    watch_tick(self);
    kills_begin(self);
    rt_log(&self->server, "%u services", self->count);
    rt_server_run(&self->server, &(struct rt_service){control_call, on_packet});
}
