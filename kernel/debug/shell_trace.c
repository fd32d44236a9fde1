/* The last events of the kernel, in a ring. Who records is the port's debug part, which the linker
 * puts in front of a few functions of the core (kernel/arch/x86_64/shell_port.c): what ships has no
 * trace of it. Calls and replies that go the fast way (kernel/ipc/fast.h) are inlined into the
 * entry and are not seen; processors counts them. */
#include "kernel/debug/shell.h"
#include "kernel/sched/scheduler.h"

enum { TRACE_SIZE = 1024, TRACE_SHOWN = 32 };
enum : uint64_t { MICROSECOND_NS = 1000 };

static struct trace_entry {
    uint64_t ticks, thread, first, second;
    enum shell_event event;
    uint32_t cpu;
} ring[TRACE_SIZE] GUARDED;
static uint64_t recorded GUARDED;

static const char *_Nonnull const events[SHELL_EVENT_COUNT] = {
    [SHELL_SYSCALL] = "system call",
    [SHELL_PAGE_FAULT] = "page fault",
    [SHELL_EXCEPTION] = "exception",
    [SHELL_KILL] = "kill of process",
    [SHELL_REQUEUE] = "redelivery at endpoint",
    [SHELL_IRQ] = "interrupt of line",
};

void shell_record(enum shell_event event, uint64_t first, uint64_t second) {
    const struct cpu *cpu = cpu_current();
    ring[recorded % TRACE_SIZE] = (struct trace_entry){
        .ticks = arch_ticks(),
        .thread = cpu->current != nullptr ? SOME(cpu->current)->object.serial : 0,
        .first = first,
        .second = second,
        .event = event,
        .cpu = cpu->index,
    };
    recorded++;
}

void shell_trace(const struct shell_out *_Nonnull out, const struct shell_word *_Nonnull word) {
    uint64_t wanted = word->is_number ? word->number : TRACE_SHOWN;
    if (word->text[0] != '\0' && !word->is_number) {
        shell_print(out, "trace [NUMBER]\n");
        return;
    }
    uint64_t count = MIN(MIN(wanted, recorded), (uint64_t)TRACE_SIZE);
    for (uint64_t at = recorded - count; at < recorded; at++) {
        const struct trace_entry *entry = &ring[at % TRACE_SIZE];
        shell_print(out, "%lu us, processor %u, thread %lu: %s %lx, %lx\n",
                    arch_ticks_to_ns(entry->ticks) / MICROSECOND_NS, entry->cpu, entry->thread,
                    events[entry->event], entry->first, entry->second);
    }
    shell_print(out, "%lu of %lu events\n", count, recorded);
}
