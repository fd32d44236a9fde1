/* The last events of the kernel, in a ring. Who records is the port's debug part, which the linker
 * puts in front of a few functions of the core (kernel/arch/x86_64/shell_port.c): what ships has no
 * trace of it. Calls and replies that go the fast way (kernel/ipc/fast.h) are inlined into the
 * entry and are not seen; processors counts them. */
#include "kernel/debug/shell.h"
#include "kernel/sched/scheduler.h"
#include "lib/base/bytes.h"

enum { TRACE_SIZE = 4096, TRACE_SHOWN = 32 };
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

/* Does the event's name begin with the word? */
static bool named(enum shell_event event, const struct shell_word *_Nonnull word) {
    size_t length = text_length(word->text, sizeof word->text);
    return length <= text_length(events[event], sizeof word->text) &&
           bytes_equal(events[event], word->text, length);
}

void shell_trace(const struct shell_out *_Nonnull out, const struct shell_word *_Nonnull word) {
    bool all = word->is_number || word->text[0] == '\0';
    uint64_t wanted = word->is_number ? word->number : all ? TRACE_SHOWN : TRACE_SIZE;
    uint64_t count = MIN(MIN(wanted, recorded), (uint64_t)TRACE_SIZE);
    uint64_t shown = 0;
    for (uint64_t at = recorded - count; at < recorded; at++) {
        const struct trace_entry *entry = &ring[at % TRACE_SIZE];
        if (all || named(entry->event, word)) {
            shell_print(out, "%lu us, processor %u, thread %lu: %s %lx, %lx\n",
                        arch_ticks_to_ns(entry->ticks) / MICROSECOND_NS, entry->cpu, entry->thread,
                        events[entry->event], entry->first, entry->second);
            shown++;
        }
    }
    shell_print(out, "%lu of %lu events, the last %u of which are kept\n", shown, recorded,
                TRACE_SIZE);
}
