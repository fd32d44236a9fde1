/* Walks over mounts, links out of a file system, objects and `..` of a mounted root, against a file
 * system of the test's own behind the generated dispatcher. */
#include "lib/base/test.h"
#include "posix/sim/rename.h"

#include "idl/filesystem.h"
#include "posix/descriptors.h"
#include "posix/sim/sim.h"
#include "posix/syscalls.h"

enum {
    ROOT = 1,
    WORKING = 2,
    OBJECT = 50,
    GATE = 60,
    MOUNTED = 70,
    UP = 80,
    FILE_HANDLE = 90,
};

/* What the file system was asked last, and what it says to which path. */
struct rule {
    handle_t session;
    const char *path;
    enum filesystem_outcome outcome;
    const char *rest;
    status_t status;
};
struct fake {
    const struct rule *rules;
    size_t count;
    handle_t session; /* of the call in hand */
    unsigned opens, crossings;
    uint32_t links;
};

/* All paths here are short: they came inline. */
static void read_path(const struct rt_input *in, char *text) {
    memset(text, 0, 256);
    memcpy(text, in->head.data == nullptr ? (const uint8_t *)"" : in->head.data, in->head.size);
}

static const struct rule *find(const struct fake *fake, const char *path) {
    for (size_t i = 0; i < fake->count; i++) {
        if (fake->rules[i].session == fake->session && strcmp(fake->rules[i].path, path) == 0) {
            return &fake->rules[i];
        }
    }
    return nullptr;
}

static status_t on_open(void *_Nonnull server, struct rt_request *_Nonnull request,
                        const struct filesystem_open_in *_Nonnull in,
                        struct filesystem_open_out *_Nonnull out) {
    struct fake *fake = server;
    char path[256];
    (void)request;
    read_path(&in->path, path);
    fake->opens++;
    fake->links = in->links;
    const struct rule *rule = find(fake, path);
    if (rule == nullptr) {
        return STATUS_NOT_FOUND;
    }
    if (rule->status != STATUS_OK) {
        return rule->status;
    }
    *out = (struct filesystem_open_out){.facts = STREAM_FACTS_FLAGS_CACHED};
    out->ended = (struct filesystem_walk){.outcome = rule->outcome, .links = in->links};
    if (rule->outcome == FILESYSTEM_OUTCOME_DONE) {
        out->file = FILE_HANDLE;
        out->info.mode = S_IFREG | 0644;
        return STATUS_OK;
    }
    out->text_size = strlen(rule->rest);
    memcpy(in->text.head.data, rule->rest, strlen(rule->rest));
    return STATUS_OK;
}

static status_t on_cross(void *_Nonnull server, struct rt_request *_Nonnull request,
                         const struct filesystem_cross_in *_Nonnull in,
                         struct filesystem_cross_out *_Nonnull out) {
    struct fake *fake = server;
    char path[256];
    (void)request;
    read_path(&in->path, path);
    const struct rule *rule = find(fake, path);
    fake->crossings++;
    *out = (struct filesystem_cross_out){};
    bool mount = rule != nullptr && rule->outcome == FILESYSTEM_OUTCOME_MOUNT;
    out->place =
        rule != nullptr && rule->outcome == FILESYSTEM_OUTCOME_PARENT ? (handle_t)UP : OBJECT;
    out->gate = mount ? (handle_t)GATE : HANDLE_NONE;
    if (rule != nullptr && rule->rest != nullptr) {
        out->text_size = strlen(rule->rest);
        memcpy(in->text.head.data, rule->rest, strlen(rule->rest));
    }
    return STATUS_OK;
}

static status_t on_enter(void *_Nonnull server, struct rt_request *_Nonnull request,
                         const struct filesystem_enter_in *_Nonnull in,
                         struct filesystem_enter_out *_Nonnull out) {
    const struct fake *fake = server;
    (void)request;
    if (fake->session != GATE || in->up != OBJECT) {
        return STATUS_BAD_ARGUMENT;
    }
    *out = (struct filesystem_enter_out){.root = MOUNTED};
    return STATUS_OK;
}

status_t rt_handle_require(handle_t handle, enum object_type type, uint32_t rights) {
    (void)type;
    (void)rights;
    return handle == HANDLE_NONE ? STATUS_BAD_HANDLE : STATUS_OK;
}

status_t rt_handle_own_cookie(const struct rt_request *_Nonnull request, handle_t handle,
                              uint64_t *_Nonnull out_cookie) {
    (void)request;
    *out_cookie = handle;
    return STATUS_OK;
}

static const struct filesystem_handlers handlers = {
    .open = on_open, .cross = on_cross, .enter = on_enter};

/* Registers and thread page to a request, and its reply back. */
static void serve(struct sim_backend *_Nonnull sim, struct syscall_registers *_Nonnull r) {
    struct fake *fake = sim->test;
    struct thread_page *page = sim->self->page;
    struct rt_reply reply = {.output = &page->reply_output[0]};
    struct rt_request request = {
        .page = page, .reply = &reply, .label = (uint32_t)r->b, .shape = (uint32_t)(r->b >> 32)};
    request.handle_count = (r->a >> 32 & CALL_HAS_HANDLES) != 0 ? page->call.handle_count & 0xf : 0;
    fake->session = (handle_t)r->a;
    memcpy(request.words, r->words, sizeof request.words);
    memcpy(page->received_input, page->call_input, sizeof page->received_input);
    memcpy(page->received.handles, page->call.handles, sizeof page->received.handles);
    bool leases = (r->a >> 32 & CALL_HAS_LEASES) != 0;
    page->received.lease_in_length = leases ? page->call.lease_in.length : 0;
    page->received.lease_out_length = leases ? page->call.lease_out.length : 0;
    filesystem_dispatch(&handlers, fake, &request);
    memcpy(page->call_output, page->reply_output, sizeof page->call_output);
    memcpy(page->call.handles, reply.handles, sizeof page->call.handles);
    memcpy(r->words, reply.words, sizeof r->words);
    r->number = (uint64_t)(int64_t)reply.status;
    r->b = (uint64_t)reply.shape << 32;
}

static int64_t open_path(const char *path, const struct rule *rules, size_t count,
                         struct fake *fake) {
    struct sim_backend *sim = sim_begin();
    *fake = (struct fake){.rules = rules, .count = count};
    sim->call = serve;
    sim->test = fake;
    sim->self->process->root = ROOT;
    sim->self->process->working = WORKING;
    struct program_frame frame = {.rdi = (uintptr_t)path, .rsi = O_RDONLY};
    int64_t result = linux_open(sim->self, &frame);
    sim_end(sim);
    return result;
}

#define OPEN(path, fake, ...)                                                                      \
    open_path(path, (const struct rule[]){__VA_ARGS__},                                            \
              sizeof((const struct rule[]){__VA_ARGS__}) / sizeof(struct rule), &(fake))

TEST(a_relative_path_is_one_call_from_the_working_directory) {
    struct fake fake;
    EXPECT_EQUAL(OPEN("a/b", fake, {WORKING, "a/b", FILESYSTEM_OUTCOME_DONE, "", STATUS_OK}), 0);
    EXPECT_EQUAL(fake.opens, 1u);
}

TEST(an_absolute_path_begins_at_the_root_without_its_strokes) {
    struct fake fake;
    EXPECT_EQUAL(OPEN("///a", fake, {ROOT, "a", FILESYSTEM_OUTCOME_DONE, "", STATUS_OK}), 0);
    EXPECT_EQUAL(OPEN("//", fake, {ROOT, "", FILESYSTEM_OUTCOME_DONE, "", STATUS_OK}), 0);
}

TEST(an_absolute_link_goes_on_from_the_root) {
    struct fake fake;
    EXPECT_EQUAL(OPEN("link/x", fake,
                      {WORKING, "link/x", FILESYSTEM_OUTCOME_ROOT, "usr/x", STATUS_OK},
                      {ROOT, "usr/x", FILESYSTEM_OUTCOME_DONE, "", STATUS_OK}),
                 0);
    EXPECT_EQUAL(fake.opens, 2u);
    EXPECT_EQUAL(fake.crossings, 0u);
}

TEST(a_mount_is_crossed_by_its_gate) {
    struct fake fake;
    EXPECT_EQUAL(OPEN("/proc/self", fake,
                      {ROOT, "proc/self", FILESYSTEM_OUTCOME_MOUNT, "self", STATUS_OK},
                      {MOUNTED, "self", FILESYSTEM_OUTCOME_DONE, "", STATUS_OK}),
                 0);
    EXPECT_EQUAL(fake.crossings, 1u);
}

TEST(up_from_a_mounted_root_goes_to_where_it_was_entered) {
    struct fake fake;
    EXPECT_EQUAL(OPEN("../x", fake, {WORKING, "../x", FILESYSTEM_OUTCOME_PARENT, "x", STATUS_OK},
                      {UP, "x", FILESYSTEM_OUTCOME_DONE, "", STATUS_OK}),
                 0);
}

TEST(an_object_is_opened_itself_when_nothing_is_left) {
    struct fake fake;
    EXPECT_EQUAL(OPEN("exe", fake, {WORKING, "exe", FILESYSTEM_OUTCOME_OBJECT, "", STATUS_OK},
                      {OBJECT, "", FILESYSTEM_OUTCOME_DONE, "", STATUS_OK}),
                 0);
}

TEST(links_in_a_ring_end_with_eloop) {
    struct fake fake;
    EXPECT_EQUAL(OPEN("ring", fake, {WORKING, "ring", FILESYSTEM_OUTCOME_ROOT, "ring", STATUS_OK},
                      {ROOT, "ring", FILESYSTEM_OUTCOME_ROOT, "ring", STATUS_OK}),
                 -ELOOP);
    EXPECT(fake.opens <= 42);
}

TEST(errors_are_linuxs) {
    struct fake fake;
    EXPECT_EQUAL(OPEN("x", fake, {WORKING, "y", FILESYSTEM_OUTCOME_DONE, "", STATUS_OK}), -ENOENT);
    EXPECT_EQUAL(
        OPEN("x", fake, {WORKING, "x", FILESYSTEM_OUTCOME_DONE, "", FILESYSTEM_STATUS_NO_ACCESS}),
        -EACCES);
    EXPECT_EQUAL(OPEN("x", fake,
                      {WORKING, "x", FILESYSTEM_OUTCOME_DONE, "", FILESYSTEM_STATUS_NOT_DIRECTORY}),
                 -ENOTDIR);
    EXPECT_EQUAL(OPEN("", fake, {WORKING, "", FILESYSTEM_OUTCOME_DONE, "", STATUS_OK}), -ENOENT);
    EXPECT_EQUAL(open_path((const char *)8, nullptr, 0, &fake), -EFAULT);
    static char longest[5000];
    memset(longest, 'a', sizeof longest - 1);
    EXPECT_EQUAL(open_path(longest, nullptr, 0, &fake), -ENAMETOOLONG);
}
