/* What the kernel takes from a thread page that its owner may change at any time: a commit's
 * patches and counts (kernel/ipc/commit.c) and ranges of a lease (kernel/ipc/lease.c). Everything
 * is arbitrary. */
#include "kernel/ipc/commit.c"
#include "kernel/ipc/lease.c"
#include "tests/proofs/prove.h"

static struct memory vault;
static struct thread self;
static struct process process;
static struct thread_page page;
static struct commit commit;
static union page_content staging;
static struct request request;
static struct thread client;

/* Any handle may name the vault, whose size is any; the rights are checked in handles.c. */
status_t handle_find(const struct handle_table *table, uint64_t handle, enum object_type type,
                     uint32_t rights, struct object **out) {
    (void)table;
    (void)handle;
    PROVE(type == OBJECT_MEMORY && rights == RIGHT_PATCH);
    *out = &vault.object;
    return any_bool() ? STATUS_OK : STATUS_BAD_HANDLE;
}

static void any_commit(void) {
    self.process = &process;
    self.page = &page;
    self.staging = any_bool() ? &staging : nullptr;
    vault.flags = any_u32();
    vault.content_size = any_u64();
    commit.patch_count = any_below(COMMIT_PATCHES + 1);
    for (unsigned i = 0; i < COMMIT_PATCHES; i++) {
        commit.patches[i].memory = any_u32();
        commit.patches[i].staging_offset = any_u16();
        commit.patches[i].length = any_u16();
        commit.patches[i].offset = any_u64();
    }
}

void patches_inside(void) {
    any_commit();
    if (check_patches(&self, &commit) != STATUS_OK) {
        return;
    }
    uint64_t total = 0;
    for (unsigned i = 0; i < COMMIT_PATCHES; i++) {
        const struct patch *patch = &commit.patches[i];
        if (i < commit.patch_count) {
            PROVE(commit.targets[i] == &vault);
            PROVE(patch->offset <= vault.content_size);
            PROVE(patch->length <= vault.content_size - patch->offset);
            PROVE((uint64_t)patch->staging_offset + patch->length <= sizeof staging);
            total += patch->length;
        }
    }
    PROVE(total <= COMMIT_PATCH_BYTES);
    PROVE(commit.patch_count == 0 || (vault.flags & (MEMORY_WIRED | MEMORY_CONTIGUOUS)) != 0);
}

/* Counts are bounded before they index anything; what is not asked for is not read. */
void counts_bounded(void) {
    self.page = &page;
    page.reply.patch_count = any_u32();
    page.reply.keep_count = any_u32();
    page.reply.handle_count = any_u32();
    uint32_t flags = any_u32();
    struct commit read = {};
    if (read_commit(&self, flags, &read) != STATUS_OK) {
        return;
    }
    PROVE(read.patch_count <= COMMIT_PATCHES && read.keep_count <= COMMIT_KEEP_MOVES);
    PROVE(read.handle_count <= CALL_HANDLES);
    PROVE((flags & RECEIVE_HAS_PATCHES) != 0 || (read.patch_count == 0 && read.keep_count == 0));
    PROVE((flags & RECEIVE_HAS_HANDLES) != 0 || read.handle_count == 0);
}

void lease_inside(void) {
    request.client = any_bool() ? &client : nullptr;
    request.lease_in = (struct lease){any_u64(), any_u64()};
    request.lease_out = (struct lease){any_u64(), any_u64()};
    uint64_t which = any_u64();
    uint64_t offset = any_u64();
    uint64_t length = any_u64();
    uint64_t address = 0;
    if (lease_range(&request, which, offset, length, &address) != STATUS_OK) {
        return;
    }
    const struct lease *lease = which == LEASE_IN ? &request.lease_in : &request.lease_out;
    PROVE(request.client != nullptr && (which == LEASE_IN || which == LEASE_OUT));
    PROVE(offset <= lease->length && length <= lease->length - offset);
    PROVE(address == lease->address + offset && address >= lease->address);
}
