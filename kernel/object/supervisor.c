#include "kernel/object/supervisor.h"
#include "abi/boot.h"
#include "kernel/debug/log.h"
#include "kernel/memory/memory.h"
#include "kernel/memory/space.h"
#include "kernel/object/boot.h"
#include "kernel/object/device.h"
#include "kernel/object/domain.h"
#include "kernel/object/keep.h"
#include "kernel/sched/scheduler.h"
#include "lib/base/bytes.h"

enum { VAULT_PAGES = 64, KEEP_SLOTS = 1024, DEATH_LIMIT = 5 };
#define PROGRESS_NS 2000000000ull /* it lived this long: its death is no death in a row */

static struct {
    struct process *_Nullable process;
    struct domain *_Nullable domain;
    struct memory *_Nullable image, *_Nullable arguments, *_Nullable vault;
    struct keep *_Nullable keep;
    struct device *_Nullable system;
    uint64_t entry, started_ns;
    unsigned deaths;
} state GUARDED;

void supervisor_set_image(struct memory *_Nonnull image, struct memory *_Nonnull arguments) {
    state.image = image;
    state.arguments = arguments;
}

bool supervisor_is(const struct process *_Nonnull process) {
    return (const void *)process == (const void *)state.process;
}

static void must(status_t status, const char *_Nonnull what) LOCKED {
    if (status != STATUS_OK) {
        log_print("kernel: cannot start the supervisor: %s: status %d\n", what, (int)status);
        arch_stop(2);
    }
}

/* Its handles, in the order of enum boot_handle. */
static void give_handles(struct process *_Nonnull process) LOCKED {
    struct object *const objects[] = {
        &process->object,
        &SOME(state.domain)->object,
        &domain_root()->object,
        &SOME(state.system)->object,
        state.image != nullptr ? &SOME(state.image)->object : &SOME(state.vault)->object,
        &SOME(state.vault)->object,
        &SOME(state.keep)->object,
        state.arguments != nullptr ? &SOME(state.arguments)->object : &SOME(state.vault)->object,
    };
    for (size_t i = 0; i < ARRAY_LENGTH(objects); i++) {
        handle_t handle = HANDLE_NONE;
        must(handle_insert(&process->table, objects[i], RIGHT_ALL, &handle), "handles");
        CHECK(handle == BOOT_HANDLE_PROCESS + i);
    }
}

static void start(enum start_mode mode) LOCKED {
    struct process *process = nullptr;
    struct thread *thread = nullptr;
    uint64_t entry = state.entry;
    uint64_t stack = 0;
    must(process_create(SOME(state.domain), nullptr, 0, &process), "process");
    state.process = process;
    state.started_ns = arch_clock_ns();
    bytes_copy(SOME(process)->name, "supervisor", sizeof "supervisor");
    give_handles(SOME(process));
    if (entry == 0) {
        must(boot_load_supervisor(SOME(state.image), SOME(process), &entry, &stack), "program");
    }
    must(thread_create(SOME(process), PRIORITY_SUPERVISOR, true, &thread), "thread");
    uint64_t page = state.entry == 0 ? NATIVE_THREAD_PAGE : 0;
    must(thread_start(SOME(thread), entry, stack, mode, page), "start");
    object_release(&SOME(thread)->object);
}

void supervisor_start(uint64_t entry) {
    state.entry = entry;
    const struct domain_quota quota = {.pages = UINT64_MAX,
                                       .kernel_pages = UINT64_MAX / PAGE_SIZE,
                                       .handles = UINT64_MAX,
                                       .threads = UINT64_MAX};
    must(domain_create(domain_root(), &quota, &state.domain), "domain");
    must(memory_create(state.domain, VAULT_PAGES * PAGE_SIZE, MEMORY_WIRED, 0, &state.vault),
         "vault");
    must(keep_create(state.domain, KEEP_SLOTS, &state.keep), "keep");
    must(device_create(OBJECT_SYSTEM, state.domain, 0, 0, &state.system), "system");
    start(START_FRESH);
}

void supervisor_ended(const struct process *_Nonnull process) {
    log_print("kernel: the supervisor ended (cause %d, code %ld, fault %d at %lx, pc %lx)\n",
              (int)process->cause, (long)process->exit_code, (int)process->fault_kind,
              process->fault_address, process->fault_counter);
    state.deaths = arch_clock_ns() - state.started_ns > PROGRESS_NS ? 0 : state.deaths + 1;
    bool counts = process->cause == EXIT_FAULT || process->cause == EXIT_HANG;
    if (process->cause == EXIT_NORMAL) {
        arch_stop((uint32_t)process->exit_code);
    }
    if (state.deaths >= DEATH_LIMIT && counts) {
        log_print("kernel: the supervisor died %d times in a row: stopping\n", DEATH_LIMIT);
        arch_stop(3);
    }
    struct process *old = SOME(state.process);
    process_forget(old);
    start(START_RESTARTED);
    object_release(&old->object);
}
