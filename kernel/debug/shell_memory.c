/* Pages, slabs, quotas, processors. */
#include "kernel/debug/shell.h"
#include "kernel/memory/page.h"
#include "kernel/object/domain.h"
#include "kernel/sched/scheduler.h"

enum { KINDS = PAGE_USER + 1 };
static const char *_Nonnull const kinds[KINDS] = {
    [PAGE_RESERVED] = "reserved", [PAGE_FREE] = "free", [PAGE_KERNEL] = "kernel",
    [PAGE_SLAB] = "slab",         [PAGE_USER] = "user",
};
static const char *_Nonnull const slabs[SLAB_TYPE_COUNT] = {
    [SLAB_DOMAIN] = "domain",      [SLAB_PROCESS] = "process", [SLAB_SPACE] = "space",
    [SLAB_THREAD] = "thread",      [SLAB_MEMORY] = "memory",   [SLAB_ENDPOINT] = "endpoint",
    [SLAB_SESSION] = "session",    [SLAB_KEEP] = "keep",       [SLAB_EVENT] = "event",
    [SLAB_WAITSET] = "waitset",    [SLAB_DEVICE] = "device",   [SLAB_REQUEST] = "request",
    [SLAB_BINDING] = "binding",    [SLAB_MAPPING] = "mapping", [SLAB_NODE] = "node",
    [SLAB_CHUNK] = "handle chunk",
};

void shell_memory(const struct shell_out *_Nonnull out, const struct shell_word *_Nonnull word) {
    uint64_t count[KINDS] = {};
    uint64_t pages[SLAB_TYPE_COUNT] = {};
    uint64_t used[SLAB_TYPE_COUNT] = {};
    uint64_t shared = 0;
    (void)word;
    struct page *page = nullptr;
    for (uint64_t at = 0; (page = page_of_physical(at << PAGE_SHIFT)) != nullptr; at++) {
        CHECK(page->kind < KINDS);
        count[page->kind]++;
        shared += page->kind == PAGE_USER && page->references > 1 ? 1 : 0;
        if (page->kind == PAGE_SLAB && page->slab_type < SLAB_TYPE_COUNT) {
            pages[page->slab_type]++;
            used[page->slab_type] += page->slab_used;
        }
    }
    for (size_t i = 0; i < KINDS; i++) {
        shell_print(out, "%s: %lu pages\n", kinds[i], count[i]);
    }
    shell_print(out, "shared: %lu of the user pages\n", shared);
    for (size_t i = 0; i < SLAB_TYPE_COUNT; i++) {
        shell_print(out, "slab of %s: %lu used, %lu pages\n", slabs[i], used[i], pages[i]);
    }
}

static void print_use(const struct shell_out *_Nonnull out, const char *_Nonnull name,
                      uint64_t used, uint64_t limit) LOCKED {
    shell_print(out, ", %s %lu", name, used);
    if (limit < UINT64_MAX / PAGE_SIZE) {
        shell_print(out, " of %lu", limit);
    }
}

void shell_domains(const struct shell_out *_Nonnull out, const struct shell_word *_Nonnull word) {
    (void)word;
    for (struct domain *at = domain_root(); at != nullptr; at = domain_next(SOME(at))) {
        struct domain_quota used = domain_used(at);
        struct list *first = list_first(&at->processes);
        shell_print(out, "domain %lu below %lu", at->object.serial,
                    at->parent != nullptr ? SOME(at->parent)->object.serial : 0);
        print_use(out, "pages", used.pages, at->quota.pages);
        print_use(out, "kernel pages", used.kernel_pages, at->quota.kernel_pages);
        print_use(out, "handles", used.handles, at->quota.handles);
        print_use(out, "threads", used.threads, at->quota.threads);
        if (first != nullptr) {
            shell_print(out, ", first process %s",
                        LIST_ENTRY(SOME(first), struct process, domain_link)->name);
        }
        shell_print(out, "\n");
    }
}

void shell_processors(const struct shell_out *_Nonnull out,
                      const struct shell_word *_Nonnull word) {
    (void)word;
    for (uint32_t i = 0; i < scheduler_cpu_count(); i++) {
        const struct cpu *cpu = cpu_at(i);
        shell_print(out, "processor %u: ", i);
        if (!cpu->online) {
            shell_print(out, "offline\n");
            continue;
        }
        if (cpu->current == nullptr) {
            shell_print(out, "idle");
        } else {
            const struct thread *thread = SOME(cpu->current);
            shell_print(out, "thread %lu of %s", thread->object.serial, thread->process->name);
        }
        shell_print(out, ", ready %u, switches %lu, calls %lu, interrupts %lu, faults %lu\n",
                    cpu->run.count, cpu->switches, cpu->calls, cpu->interrupts, cpu->faults);
    }
}
