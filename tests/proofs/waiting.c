/* kernel/ipc/waitset.c: two events bound to one waitset, one server thread that receives; any two steps of signalling
 * and receiving. A binding is on the ready list exactly if it is marked so; the thread sleeps only while no bit is
 * pending; no bit is lost or seen twice.
 *
 * PROOF events_and_receiver --unwind 4
 * MUTANT events_and_receiver kernel/ipc/waitset.c | if (!list_empty(&waitset->waiters)) {\n            waitset_wake(waitset);\n        }\n        if | if
 * MUTANT events_and_receiver kernel/ipc/waitset.c |         unmark_ready(binding);\n        if (binding->source->type == OBJECT_ENDPOINT) {\n            struct |         list_remove(&binding->ready_link);\n        if (binding->source->type == OBJECT_ENDPOINT) {\n            struct
 * MUTANT events_and_receiver kernel/ipc/waitset.c |             thread_unwait(thread);\n            scheduler_ready(thread); |             scheduler_ready(thread);
 */
#include "tests/proofs/prove.h"
#include "kernel/ipc/waitset.c"
#include "kernel/ipc/event.c"

enum { STEPS = 2 };

static struct waitset waitset;
static struct event one, two;
static struct binding first, second;
static struct thread thread;
static bool asleep;

void thread_unwait(struct thread *t) {
    list_remove(&t->wait_link);
}
void scheduler_ready(struct thread *t) {
    PROVE(t == &thread && asleep);
    asleep = false;
}

static void bind(struct binding *binding, struct event *event, uint64_t key) {
    event->object.type = OBJECT_EVENT;
    source_init(&event->source);
    binding->waitset = &waitset;
    binding->source = &event->object;
    binding->key = key;
    binding->mask = UINT32_MAX;
    list_init(&binding->ready_link);
    list_append(&event->source.bindings, &binding->source_link);
    list_append(&waitset.bindings, &binding->waitset_link);
}

/* What the thread got: a packet with all bits of one event. */
static void received(uint64_t expected_one, uint64_t expected_two) {
    const struct syscall_registers *registers = &thread.frame.call;
    PROVE(registers->b >> 56 == PACKET_EVENT);
    PROVE(registers->a == 1 ? registers->words[0] == expected_one && one.bits == 0
                            : registers->words[0] == expected_two && two.bits == 0);
    PROVE(registers->words[0] != 0);
}

static void check(void) {
    PROVE(first.ready == !list_empty(&first.ready_link));
    PROVE(second.ready == !list_empty(&second.ready_link));
    PROVE(one.bits == 0 || first.ready);
    PROVE(two.bits == 0 || second.ready);
    PROVE(asleep == !list_empty(&waitset.waiters));
    PROVE(!asleep || (one.bits == 0 && two.bits == 0));
}

void events_and_receiver(void) {
    list_init(&waitset.ready);
    list_init(&waitset.bindings);
    list_init(&waitset.waiters);
    source_init(&waitset.source);
    list_init(&thread.wait_link);
    bind(&first, &one, 1);
    bind(&second, &two, 2);
    for (unsigned step = 0; step < STEPS; step++) {
        uint64_t had_one = one.bits;
        uint64_t had_two = two.bits;
        bool slept = asleep;
        if (any_bool()) {
            uint64_t bits = any_u64();
            bool which = any_bool();
            event_signal(which ? &one : &two, bits);
            if (slept && !asleep) {
                received(which ? bits : had_one, which ? had_two : bits);
            } else {
                PROVE((which ? one.bits : two.bits) == ((which ? had_one : had_two) | bits));
                PROVE(slept == asleep && (!slept || bits == 0));
            }
        } else if (!asleep) {
            thread.state = THREAD_RECEIVING;
            if (waitset_deliver(&waitset, &thread)) {
                received(had_one, had_two);
            } else {
                PROVE(had_one == 0 && had_two == 0);
                list_append(&waitset.waiters, &thread.wait_link);
                asleep = true;
            }
        }
        check();
    }
}
