/* Processes and what belongs to one: threads, handles, mappings. */
#include "kernel/debug/shell.h"
#include "kernel/memory/space.h"
#include "kernel/object/domain.h"
#include "kernel/sched/thread.h"

enum : uint64_t { MILLISECOND_NS = 1000000 };

static const char *_Nonnull const process_states[] = {
    [PROCESS_NEW] = "new",
    [PROCESS_RUNNING] = "running",
    [PROCESS_DYING] = "dying",
    [PROCESS_DEAD] = "dead",
};
const char *_Nonnull const shell_thread_states[THREAD_DEAD + 1] = {
    [THREAD_NEW] = "new",       [THREAD_READY] = "ready",        [THREAD_RUNNING] = "running",
    [THREAD_CALLING] = "calls", [THREAD_RECEIVING] = "receives", [THREAD_WAITING] = "waits",
    [THREAD_FUTEX] = "futex",   [THREAD_PAGE] = "page",          [THREAD_STOPPED] = "stopped",
    [THREAD_DEAD] = "dead",
};
const char *_Nonnull const shell_types[OBJECT_TYPE_COUNT] = {
    [OBJECT_NONE] = "none",         [OBJECT_DOMAIN] = "domain",     [OBJECT_PROCESS] = "process",
    [OBJECT_SPACE] = "space",       [OBJECT_THREAD] = "thread",     [OBJECT_MEMORY] = "memory",
    [OBJECT_ENDPOINT] = "endpoint", [OBJECT_SESSION] = "session",   [OBJECT_KEEP] = "keep",
    [OBJECT_EVENT] = "event",       [OBJECT_WAITSET] = "waitset",   [OBJECT_IRQ] = "irq",
    [OBJECT_IOPORTS] = "ioports",   [OBJECT_DMASPACE] = "dmaspace", [OBJECT_TRACE] = "trace",
    [OBJECT_SYSTEM] = "system",
};

void shell_processes(const struct shell_out *_Nonnull out, const struct shell_word *_Nonnull word) {
    (void)word;
    for (const struct process *at = shell_next(nullptr); at != nullptr; at = shell_next(at)) {
        shell_print(out, "process %lu %s: %s, tag %lu, domain %lu, principal %u", at->object.serial,
                    at->name, process_states[at->state], at->tag,
                    SOME(at->object.domain)->object.serial, at->principal);
        if (at->state == PROCESS_DEAD) {
            shell_print(out, ", code %ld, cause %u\n", at->exit_code, (uint32_t)at->cause);
            continue;
        }
        shell_print(out, ", threads %u, handles %u, mapped %lu KiB, calls %lu, ran %lu ms\n",
                    at->thread_count, at->table.used,
                    at->space != nullptr ? at->space->mapped_bytes / 1024 : 0, at->calls_made,
                    arch_ticks_to_ns(at->run_ticks) / MILLISECOND_NS);
    }
}

static void threads_of(const struct shell_out *_Nonnull out,
                       const struct process *_Nonnull process) LOCKED {
    LIST_FOR(thread, list_of(&process->threads), struct thread, process_link) {
        shell_print(out, "thread %lu of %s (process %lu): %s, priority %u, processor %u",
                    thread->object.serial, process->name, process->object.serial,
                    shell_thread_states[thread->state], thread->priority, thread->cpu);
        if (thread->suspended > 0) {
            shell_print(out, ", suspended");
        }
        shell_print_wait(out, thread);
        shell_print(out, "\n");
    }
}

void shell_threads(const struct shell_out *_Nonnull out, const struct shell_word *_Nonnull word) {
    if (word->text[0] != '\0') {
        const struct process *process = shell_process(out, word);
        if (process != nullptr) {
            threads_of(out, SOME(process));
        }
        return;
    }
    for (const struct process *at = shell_next(nullptr); at != nullptr; at = shell_next(at)) {
        threads_of(out, SOME(at));
    }
}

void shell_handles(const struct shell_out *_Nonnull out, const struct shell_word *_Nonnull word) {
    const struct process *process = shell_process(out, word);
    if (process == nullptr) {
        return;
    }
    const struct handle_table *table = &SOME(process)->table;
    for (uint32_t index = 1; index < table->chunk_count * HANDLES_PER_CHUNK; index++) {
        const struct handle_entry_slot *slot = SOME(handle_slot(table, index));
        if (slot->object == nullptr) {
            continue;
        }
        const struct object *object = SOME(slot->object);
        shell_print(out, "handle %x: %s %lu, rights %x", handle_of_slot(table, index),
                    shell_types[object->type], object->serial, (uint32_t)slot->rights);
        if (object->type == OBJECT_SESSION) {
            shell_print(out, ", endpoint %lu",
                        ((const struct session *)object)->endpoint->object.serial);
        }
        shell_print(out, "\n");
    }
    shell_print(out, "%u handles, %u slots reserved\n", table->used, table->reserved);
}

void shell_space(const struct shell_out *_Nonnull out, const struct shell_word *_Nonnull word) {
    const struct process *process = shell_process(out, word);
    if (process == nullptr || SOME(process)->space == nullptr) {
        return;
    }
    const struct space *space = SOME(SOME(process)->space);
    for (struct tree_node *node = tree_first(&space->mappings); node != nullptr;
         node = tree_next(SOME(node))) {
        const struct mapping *mapping = CONTAINER_OF(node, struct mapping, node);
        shell_print(out, "%012lx-%012lx %c%c%c", mapping->node.key,
                    mapping->node.key + mapping->length,
                    (mapping->protection & PROTECT_READ) != 0 ? 'r' : '-',
                    (mapping->protection & PROTECT_WRITE) != 0 ? 'w' : '-',
                    (mapping->protection & PROTECT_EXECUTE) != 0 ? 'x' : '-');
        if (mapping->memory != nullptr) {
            shell_print(out, " memory %lu, page %lu, resident %lu",
                        SOME(mapping->memory)->object.serial, mapping->offset,
                        SOME(mapping->memory)->resident);
        }
        shell_print(out, "\n");
    }
    shell_print(out, "space %lu: %lu mappings, %lu KiB, %lu translations\n", space->object.serial,
                space->mapping_count, space->mapped_bytes / 1024, space->arch.entered);
}
