/* Other processors: their start, and invalidations that all must have seen.
 *
 * A shoot-down, under the kernel lock: the initiator writes the range, marks each target's mailbox,
 * sends VECTOR_SHOOTDOWN and waits. A target answers in the interrupt, which takes no lock, or
 * while it spins for the lock; in the kernel interrupts are off, and nobody spins for anything
 * else, so every target answers within a bounded time. */
#include "kernel/arch/x86_64/machine.h"
#include "kernel/arch/x86_64/x86.h"
#include "kernel/debug/log.h"
#include "kernel/sched/scheduler.h"
#include "lib/base/bytes.h"

extern const uint8_t trampoline[], trampoline_end[];
extern uint64_t boot_stack;
[[noreturn]] void processor_main(void);

enum {
    TRAMPOLINE = 0x8000,
    COMMAND_INIT = 0x4500,
    COMMAND_START = 0x4600 | TRAMPOLINE >> PAGE_SHIFT,
    COMMAND_FIXED = 0x4000,
    INVALIDATE_LIMIT = 32
};
#define START_LIMIT_NS 200000000ull

static uint64_t range_address; /* written under the lock, read by targets until they answer */
static uint64_t range_length;
static struct cpu *_Nullable starting; /* atomic: the one that starts now; null: it runs */

void smp_answer(struct cpu *_Nonnull cpu) {
    if (__atomic_load_n(&cpu->arch.shootdown, __ATOMIC_ACQUIRE) == 0) {
        return;
    }
    struct arch_space *space = cpu->arch.space;
    if (range_length == UINT64_MAX) {
        /* The space ends: leave it. */
        if (space != nullptr) {
            __atomic_fetch_and(&space->active, ~cpu->mask, __ATOMIC_RELAXED);
            cpu->arch.space = nullptr;
        }
        cr3_write(kernel_root);
    } else if (range_length > INVALIDATE_LIMIT * PAGE_SIZE) {
        cr3_write(cr3_read());
    } else {
        for (uint64_t at = 0; at < range_length; at += PAGE_SIZE) {
            page_invalidate(range_address + at);
        }
    }
    __atomic_store_n(&cpu->arch.shootdown, 0u, __ATOMIC_RELEASE);
}

void smp_shootdown(uint32_t mask, uint64_t address, uint64_t length) {
    range_address = address;
    range_length = length;
    for (uint32_t i = 0; i < CPU_LIMIT; i++) {
        if ((mask & 1u << i) != 0) {
            __atomic_store_n(&cpu_at(i)->arch.shootdown, 1u, __ATOMIC_RELEASE);
            apic_send(cpu_at(i)->arch.apic, COMMAND_FIXED | VECTOR_SHOOTDOWN);
        }
    }
    for (uint32_t i = 0; i < CPU_LIMIT; i++) {
        while (__atomic_load_n(&cpu_at(i)->arch.shootdown, __ATOMIC_ACQUIRE) != 0) {
            __asm__ volatile("pause");
        }
    }
}

void arch_lock_spin(void) {
    smp_answer(cpu_current());
    __asm__ volatile("pause");
}

void arch_cpu_kick(uint32_t cpu) {
    apic_send(cpu_at(cpu)->arch.apic, COMMAND_FIXED | VECTOR_KICK);
}

/* ---- start ---- */

[[noreturn, gnu::no_stack_protector]] void processor_main(void) {
    struct cpu *cpu = SOME(__atomic_load_n(&starting, __ATOMIC_ACQUIRE));
    cr3_write(kernel_root);
    processor_init(cpu, cpu->index);
    apic_init_local();
    cpu->arch.apic = apic_identifier();
    __atomic_store_n(&starting, nullptr, __ATOMIC_RELEASE);
    kernel_lock_acquire();
    entry_begin(cpu);
}

static bool wait_started(uint64_t limit_ns) {
    uint64_t until = arch_clock_ns() + limit_ns;
    while (__atomic_load_n(&starting, __ATOMIC_ACQUIRE) != nullptr && arch_clock_ns() < until) {
        __asm__ volatile("pause");
    }
    return __atomic_load_n(&starting, __ATOMIC_ACQUIRE) == nullptr;
}

/* They wait for the kernel lock, which the boot processor holds until its first program runs. One
 * that does not start is left out: it never becomes online. */
void smp_start(const struct machine_facts *_Nonnull facts) {
    bytes_copy(arch_pointer(TRAMPOLINE), trampoline,
               (size_t)((uint64_t)trampoline_end - (uint64_t)trampoline));
    uint32_t index = 1;
    uint32_t self = cpu_at(0)->arch.apic;
    for (uint32_t i = 0; i < facts->apic_count && index < CPU_LIMIT; i++) {
        if (facts->apics[i] == self) {
            continue;
        }
        boot_stack = processor_stack(index);
        __atomic_store_n(&starting, cpu_at(index), __ATOMIC_RELEASE);
        apic_send(facts->apics[i], COMMAND_INIT);
        (void)wait_started(10000000);
        apic_send(facts->apics[i], COMMAND_START);
        if (!wait_started(1000000)) {
            apic_send(facts->apics[i], COMMAND_START);
        }
        if (!wait_started(START_LIMIT_NS)) {
            log_print("kernel: processor %u does not start\n", index);
            return; /* it may still come: its slot and stack are not given to another */
        }
        cpu_at(index)->online = true; /* it waits for the lock, and takes what is queued for it */
        index++;
    }
    log_print("kernel: %u processors\n", index);
}
