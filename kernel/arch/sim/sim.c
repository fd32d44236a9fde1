/* See sim.h. Baton passing: whoever leaves the kernel with another thread chosen posts that one's
 * semaphore and waits on its own. A thread that ends is told so through the same semaphore and
 * jumps to its first frame.
 *
 * This file is host code: it may use the host's library, and it is on the UNSAFE list. */
#include "kernel/arch/sim/sim.h"
#include "abi/info.h"
#include "kernel/arch/arch.h"
#include "kernel/debug/log.h"
#include "kernel/ipc/fast.h"
#include "kernel/memory/page.h"
#include "kernel/memory/user.h"
#include "kernel/object/domain.h"
#include "kernel/object/process.h"
#include "kernel/object/supervisor.h"
#include "kernel/sched/scheduler.h"
#include "kernel/syscall/syscall.h"
#include "lib/base/bytes.h"
#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>
#include <ucontext.h>
#include <unistd.h>

UNSAFE_BEGIN

struct sim_thread {
    pthread_t handle;
    sem_t turn;
    struct cpu *_Nullable cpu; /* handed over with the turn */
    struct thread *_Nullable thread;
    sigjmp_buf end;
    uint64_t page;
    _Atomic bool dead;
    struct sim_thread *_Nullable next, *_Nullable previous;
};

/* All of them: one that was just ended or not yet begun when the run is over is no leak. */
static struct sim_thread *_Nullable all_hosts;
static pthread_mutex_t all_hosts_lock = PTHREAD_MUTEX_INITIALIZER;

static void remember_host(struct sim_thread *_Nonnull host) {
    pthread_mutex_lock(&all_hosts_lock);
    host->next = all_hosts;
    if (all_hosts != nullptr) {
        all_hosts->previous = host;
    }
    all_hosts = host;
    pthread_mutex_unlock(&all_hosts_lock);
}

static void forget_host(struct sim_thread *_Nonnull host) {
    pthread_mutex_lock(&all_hosts_lock);
    if (host->previous != nullptr) {
        host->previous->next = host->next;
    } else {
        all_hosts = host->next;
    }
    if (host->next != nullptr) {
        host->next->previous = host->previous;
    }
    pthread_mutex_unlock(&all_hosts_lock);
}

enum { WINDOW_COUNT = 64 };
#define WINDOW_SIZE (256ull << 20)
#define WINDOW_PAGES (WINDOW_SIZE / PAGE_SIZE)

static struct {
    char *arena;
    size_t arena_size;
    int arena_fd;
    char *windows;
    uint64_t *tables[WINDOW_COUNT]; /* physical | protection by page; null: window free */
    struct sim_options options;
    uint64_t random;
    _Atomic uint64_t now_ns;
    _Atomic uint64_t calls;
    _Atomic int code;
    _Atomic bool stopped;
    sem_t done;
    sem_t idle[CPU_LIMIT];
    pthread_t idle_threads[CPU_LIMIT], main;
} sim;

static _Thread_local struct cpu *sim_cpu;
static _Thread_local struct sim_thread *sim_self;

struct cpu *_Nonnull cpu_current(void) {
    return SOME(sim_cpu);
}

uint64_t sim_random(void) {
    uint64_t x = sim.random;
    x ^= x << 13;
    x ^= x >> 7;
    x ^= x << 17;
    sim.random = x;
    return x * 0x2545f4914f6cdd1dull;
}

uint64_t sim_calls(void) {
    return sim.calls;
}

static bool deterministic(void) {
    return sim.options.cpu_count == 1;
}

/* ---- time, log, machine ---- */

uint64_t arch_clock_ns(void) {
    if (deterministic()) {
        return sim.now_ns;
    }
    struct timespec now = {};
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

uint64_t arch_ticks(void) {
    return arch_clock_ns();
}

uint64_t arch_ticks_to_ns(uint64_t ticks) {
    return ticks;
}

uint64_t arch_realtime_at_boot_ns(void) {
    return 1700000000ull * 1000000000u;
}

void arch_clock_copy(struct clock_copy *_Nonnull out) {
    *out = (struct clock_copy){}; /* the counter of the host says nothing of simulated time */
}

void arch_timer_arm(uint64_t deadline_ns) {
    cpu_current()->arch.timer_ns = deadline_ns;
}

void arch_log_put(char c) {
    if (!sim.options.quiet) {
        (void)fputc(c, stderr);
    }
}

void arch_lock_spin(void) {
    if (sim.stopped) {
        pthread_exit(nullptr); /* whoever stopped the machine keeps the lock */
    }
    (void)sched_yield();
}

static void finish(int code) {
    sim.code = code;
    sim.stopped = true;
    sem_post(&sim.done);
}

[[noreturn]] void arch_stop(uint32_t code) {
    if (pthread_equal(pthread_self(), sim.main)) {
        exit((int)code); /* nothing runs yet */
    }
    finish((int)code);
    pthread_exit(nullptr);
}

[[noreturn]] void arch_reboot(void) {
    arch_stop(0);
}

void arch_backtrace(void) {
    abort();
}

bool arch_random(uint64_t *_Nonnull out) {
    *out = sim_random();
    return true;
}

status_t arch_irq_claim(uint32_t line) {
    (void)line;
    return STATUS_OK;
}

void arch_irq_mask(uint32_t line, bool masked) {
    (void)line;
    (void)masked;
}

status_t arch_port_access(uint16_t port, uint32_t size, bool write, uint64_t *_Nonnull value) {
    (void)size;
    *value = sim.options.port_access ? sim.options.port_access(port, write, *value) : 0;
    return STATUS_OK;
}

void arch_cpu_kick(uint32_t cpu) {
    sem_post(&sim.idle[cpu]);
}

/* ---- memory ---- */

void *_Nonnull arch_pointer(uint64_t physical) {
    CHECK(physical < sim.arena_size);
    return sim.arena + physical;
}

uint64_t arch_physical(const void *_Nonnull pointer) {
    uint64_t offset = (uint64_t)((const char *)pointer - sim.arena);
    CHECK(offset < sim.arena_size);
    return offset;
}

status_t arch_space_init(struct arch_space *_Nonnull space, struct domain *_Nonnull domain) {
    (void)domain;
    for (uint32_t i = 0; i < WINDOW_COUNT; i++) {
        if (sim.tables[i] == nullptr) {
            sim.tables[i] = calloc(WINDOW_PAGES, sizeof(uint64_t));
            space->window = i;
            space->first = (uint64_t)(sim.windows + i * WINDOW_SIZE);
            space->end = space->first + WINDOW_SIZE;
            space->map_base = space->first + WINDOW_SIZE / 4;
            return STATUS_OK;
        }
    }
    return STATUS_OUT_OF_MEMORY;
}

static void forget_range(struct arch_space *_Nonnull space, uint64_t address, uint64_t length) {
    uint64_t *table = sim.tables[space->window];
    for (uint64_t at = address; at < address + length; at += PAGE_SIZE) {
        uint64_t *entry = &table[(at - space->first) / PAGE_SIZE];
        space->entered -= *entry != 0 ? 1 : 0;
        *entry = 0;
    }
    (void)mmap((void *)address, length, PROT_NONE,
               MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED | MAP_NORESERVE, -1, 0);
}

void arch_space_destroy(struct arch_space *_Nonnull space, struct domain *_Nonnull domain) {
    (void)domain;
    if (space->end != 0) {
        forget_range(space, space->first, WINDOW_SIZE);
        free(sim.tables[space->window]);
        sim.tables[space->window] = nullptr;
        space->end = 0;
    }
}

void *_Nullable arch_host_memory(uint64_t address) {
    bool window = address - (uint64_t)sim.windows < WINDOW_COUNT * WINDOW_SIZE;
    return window || address < 0x10000 ? nullptr : (void *)address;
}

static int host_protection(uint32_t protection) {
    return ((protection & PROTECT_READ) != 0 ? PROT_READ : 0) |
           ((protection & PROTECT_WRITE) != 0 ? PROT_WRITE : 0);
}

status_t arch_space_enter(struct arch_space *_Nonnull space, struct domain *_Nonnull domain,
                          uint64_t address, uint64_t physical, uint32_t protection, bool device) {
    (void)domain;
    CHECK(!device);
    uint64_t *entry = &sim.tables[space->window][(address - space->first) / PAGE_SIZE];
    space->entered += *entry == 0 ? 1 : 0;
    *entry = physical | (protection & 7);
    void *at = mmap((void *)address, PAGE_SIZE, host_protection(protection), MAP_SHARED | MAP_FIXED,
                    sim.arena_fd, (off_t)physical);
    return at == MAP_FAILED ? STATUS_OUT_OF_MEMORY : STATUS_OK;
}

/* Spaces of the simulator lie at different addresses: none is the copy of another. */
status_t arch_space_lessen(struct arch_space *_Nonnull space, uint64_t address, uint64_t length,
                           uint32_t lost, struct arch_space *_Nullable target,
                           struct domain *_Nullable domain) {
    (void)target;
    (void)domain;
    if (space->end != 0 && (lost & PROTECT_READ) != 0) {
        forget_range(space, address, length);
        return STATUS_OK;
    }
    uint64_t *table = sim.tables[space->window];
    bool protects = space->end != 0 && (lost & PROTECT_WRITE) != 0;
    for (uint64_t at = address; at < address + length && protects; at += PAGE_SIZE) {
        uint64_t *entry = &table[(at - space->first) / PAGE_SIZE];
        if (*entry != 0) {
            *entry &= ~(uint64_t)PROTECT_WRITE;
            (void)mprotect((void *)at, PAGE_SIZE, host_protection((uint32_t)*entry & 7));
        }
    }
    return STATUS_OK;
}

bool arch_space_find(const struct arch_space *_Nonnull space, uint64_t address, bool write,
                     uint64_t *_Nonnull out_physical) {
    if (address < space->first || address >= space->end) {
        return false;
    }
    uint64_t entry = sim.tables[space->window][(address - space->first) / PAGE_SIZE];
    if ((entry & PROTECT_READ) == 0 || (write && (entry & PROTECT_WRITE) == 0)) {
        return false;
    }
    *out_physical = (entry & ~(uint64_t)(PAGE_SIZE - 1)) | (address & (PAGE_SIZE - 1));
    return true;
}

/* ---- threads ---- */

status_t arch_thread_init(struct thread *_Nonnull thread) {
    (void)thread;
    return STATUS_OK;
}

/* Waits for the turn; does not return to a thread that has ended. */
static void await_turn(struct sim_thread *_Nonnull host) {
    while (sem_wait(&host->turn) != 0) {
    }
    if (host->dead) {
        siglongjmp(host->end, 1);
    }
    sim_cpu = host->cpu;
}

/* Enters what a program has just mapped, where that needs no pager: a fault runs the kernel inside
 * a signal handler, which the race detector does not like, so there should be few. */
static void enter_mapped(struct thread *_Nonnull thread, uint64_t address, uint64_t length) LOCKED {
    enum { ENTER_LIMIT = 256 * PAGE_SIZE };
    struct space *space = thread->process->space;
    for (uint64_t at = address; space != nullptr && at < address + length && length <= ENTER_LIMIT;
         at += PAGE_SIZE) {
        const struct mapping *mapping = space_find(SOME(space), at);
        if (mapping == nullptr || mapping->memory == nullptr ||
            mapping->memory->parent != nullptr ||
            (mapping->memory->flags & (MEMORY_PAGER | MEMORY_FILE)) != 0) {
            return;
        }
        struct space_fault fault = {};
        uint64_t physical = 0;
        uint32_t access = mapping->protection & (PROTECT_READ | PROTECT_WRITE);
        if (space_resolve(SOME(space), at, access, &physical, &fault) != STATUS_OK) {
            return; /* the program will find out */
        }
    }
}

static void *run_host_thread(void *argument) {
    struct sim_thread *host = argument;
    sim_self = host;
    if (sigsetjmp(host->end, 1) == 0) {
        await_turn(host);
        kernel_lock_acquire();
        enter_mapped(SOME(host->thread), host->page,
                     host->thread->staging != nullptr ? 2 * PAGE_SIZE : PAGE_SIZE);
        kernel_lock_release();
        const struct frame *frame = &host->thread->frame;
        sim_program_t program = (sim_program_t)frame->entry; /* NOLINT */
        program(frame->argument, frame->argument2);
        struct syscall_registers registers = {.number = SYS_THREAD_EXIT};
        sim_syscall(&registers);
    }
    sem_destroy(&host->turn);
    forget_host(host);
    free(host);
    return nullptr;
}

static void end_host(struct thread *_Nonnull thread) {
    struct sim_thread *host = thread->arch.host;
    if (host != nullptr) {
        thread->arch.host = nullptr;
        host->dead = true;
        sem_post(&host->turn);
    }
}

void arch_thread_enter(struct thread *_Nonnull thread, uint64_t entry, uint64_t stack,
                       uint64_t argument, uint64_t argument2) {
    (void)stack;
    end_host(thread);
    struct sim_thread *host = calloc(1, sizeof *host);
    CHECK(host != nullptr);
    remember_host(host);
    thread->frame = (struct frame){.entry = entry, .argument = argument, .argument2 = argument2};
    host->thread = thread;
    host->page = argument2;
    sem_init(&host->turn, 0, 0);
    thread->arch.host = host;
    pthread_attr_t attributes;
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, 512 * 1024);
    pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    int failed = pthread_create(&host->handle, &attributes, run_host_thread, host);
    pthread_attr_destroy(&attributes);
    CHECK(failed == 0);
}

void arch_thread_destroy(struct thread *_Nonnull thread) {
    end_host(thread);
}

status_t arch_thread_clone(struct thread *_Nonnull to, struct thread *_Nonnull from) {
    /* A host thread cannot be copied. A program that knows so has said in its thread page where its
     * child begins: runtime[0] is a sim_program_t, runtime[1] its first argument. */
    const struct thread_page *page = SOME(from->page);
    if (page->runtime[0] == 0) {
        return STATUS_NOT_SUPPORTED;
    }
    arch_thread_enter(to, page->runtime[0], 0, page->runtime[1], to->page_address);
    return STATUS_OK;
}

void arch_thread_restart(struct thread *_Nonnull thread) {
    thread->frame.restart = true;
}

status_t arch_thread_frame(struct thread *_Nonnull thread, struct program_frame *_Nonnull frame,
                           bool set) {
    if (!set) {
        frame->rip = thread->frame.counter;
    }
    return set ? STATUS_NOT_SUPPORTED : STATUS_OK;
}

bool arch_thread_upcall(struct thread *_Nonnull thread, uint32_t fault_kind, uint64_t address,
                        uint64_t error) {
    (void)thread;
    (void)fault_kind;
    (void)address;
    (void)error;
    return false;
}

uint64_t arch_thread_counter(const struct thread *_Nonnull thread) {
    return thread->frame.counter;
}

void arch_thread_set_counter(struct thread *_Nonnull thread, uint64_t counter) {
    thread->frame.counter = counter;
}

void arch_thread_set_fs(struct thread *_Nonnull thread, uint64_t base) {
    thread->arch.fs = base;
}

/* ---- processors ---- */

/* All threads wait on the only processor: time jumps to the next timer. False: nothing will ever
 * happen again. */
static bool jump_in_time(struct cpu *_Nonnull cpu) LOCKED {
    if (cpu->arch.timer_ns == UINT64_MAX) {
        return false;
    }
    if (sim.now_ns < cpu->arch.timer_ns) {
        sim.now_ns = cpu->arch.timer_ns;
    }
    cpu->arch.timer_ns = UINT64_MAX;
    scheduler_tick(cpu);
    return true;
}

/* Chooses who holds `cpu` next and gives it the turn. Returns whether that is `self`. */
static bool pass_on(struct cpu *_Nonnull cpu, const struct sim_thread *_Nullable self) LOCKED {
    scheduler_exit(cpu);
    while (deterministic() && cpu->current == nullptr && !sim.stopped) {
        if (!jump_in_time(cpu)) {
            finish(SIM_DEADLOCK);
            break;
        }
        scheduler_exit(cpu);
    }
    if (cpu->current == nullptr) {
        sem_post(&sim.idle[cpu->index]);
        return false;
    }
    struct sim_thread *next = SOME(cpu->current->arch.host);
    if (next == self) {
        return true;
    }
    next->cpu = cpu;
    sem_post(&next->turn);
    return false;
}

/* Leaves the kernel from a thread's system call or fault: returns, with the lock, when it runs. */
static void leave(struct sim_thread *_Nonnull self) REQUIRES(kernel_lock) NO_TSA {
    if (pass_on(cpu_current(), self)) {
        return;
    }
    kernel_lock_release();
    await_turn(self);
    kernel_lock_acquire();
}

void sim_syscall(struct syscall_registers *_Nonnull registers) NO_TSA {
    struct sim_thread *self = SOME(sim_self);
    sim.calls++;
    kernel_lock_acquire();
    struct thread *thread = SOME(self->thread);
    thread->frame.call = *registers;
    if (sim.options.before_call != nullptr) {
        sim.options.before_call(thread->process->object.serial, registers->number);
    }
    if (deterministic()) {
        sim.now_ns += 1000;
        if (sim_random() % 8 == 0) {
            scheduler_yield(cpu_current());
        }
        if (cpu_current()->arch.timer_ns <= sim.now_ns) {
            (void)jump_in_time(cpu_current());
        }
    }
    if (thread->dying) {
        leave(self); /* killed by before_call: does not return */
    }
    do {
        thread->frame.restart = false;
        if (!call_fast(cpu_current())) {
            syscall_dispatch(cpu_current());
        }
        if (registers->number == SYS_MAP && registers->a == 0 &&
            thread->frame.call.number == STATUS_OK) {
            enter_mapped(thread, thread->frame.call.words[0], registers->words[0]);
        }
        leave(self);
    } while (thread->frame.restart);
    *registers = thread->frame.call;
    kernel_lock_release();
}

uint64_t sim_find_program(const char *_Nonnull name) {
    for (uint32_t i = 0; i < sim.options.program_count; i++) {
        if (text_equal(sim.options.programs[i].name, name)) {
            return (uint64_t)sim.options.programs[i].program;
        }
    }
    return 0;
}

uint64_t sim_thread_page(void) {
    return SOME(sim_self)->page;
}

unsigned sim_kill(const char *_Nonnull name, enum exit_cause cause) NO_TSA {
    unsigned killed = 0;
    for (struct domain *domain = domain_root(); domain != nullptr;
         domain = domain_next(SOME(domain))) {
        LIST_FOR(process, &domain->processes, struct process, domain_link) {
            if (process->state == PROCESS_RUNNING && text_equal(process->name, name)) {
                process_kill(process, -1, cause);
                killed++;
            }
        }
    }
    return killed;
}

/* A simulated program touched memory that is not entered, or trapped. */
static void on_fault(int signal, siginfo_t *info, void *context) NO_TSA {
    struct sim_thread *self = sim_self;
    const ucontext_t *machine = context;
    uint64_t address = (uint64_t)info->si_addr;
    bool in_windows = address - (uint64_t)sim.windows < WINDOW_COUNT * WINDOW_SIZE;
    if (self == nullptr || (signal == SIGSEGV && !in_windows)) {
        (void)sigaction(signal, &(struct sigaction){.sa_handler = SIG_DFL}, nullptr);
        return;
    }
    bool write = (machine->uc_mcontext.gregs[REG_ERR] & 2) != 0;
    kernel_lock_acquire();
    struct thread *thread = SOME(self->thread);
    thread->frame.counter = (uint64_t)machine->uc_mcontext.gregs[REG_RIP];
    if (signal == SIGSEGV) {
        user_fault(thread, address, write ? PROTECT_READ | PROTECT_WRITE : PROTECT_READ, 0);
    } else {
        user_exception(thread, FAULT_ILLEGAL, address, 0);
    }
    leave(self);
    kernel_lock_release();
}

static void *run_idle(void *argument) NO_TSA {
    struct cpu *cpu = argument;
    sim_cpu = cpu;
    while (!sim.stopped) {
        struct timespec soon = {};
        clock_gettime(CLOCK_REALTIME, &soon);
        soon.tv_nsec += 1000000;
        if (soon.tv_nsec >= 1000000000) {
            soon.tv_sec++;
            soon.tv_nsec -= 1000000000;
        }
        (void)sem_timedwait(&sim.idle[cpu->index], &soon);
        kernel_lock_acquire();
        cpu->online = true;
        if (cpu->current == nullptr) {
            if (cpu->arch.timer_ns <= arch_clock_ns()) {
                cpu->arch.timer_ns = UINT64_MAX;
                scheduler_tick(cpu);
            }
            cpu->idle = true;
            (void)pass_on(cpu, nullptr);
        }
        kernel_lock_release();
    }
    return nullptr;
}

static void set_up_host(const struct sim_options *_Nonnull options) {
    sim.options = *options;
    sim.main = pthread_self();
    sim.random = options->seed * 2654435761u + 88172645463325252ull;
    sim.arena_size = (size_t)options->memory_pages * PAGE_SIZE;
    sim.arena_fd = memfd_create("isotope", MFD_CLOEXEC);
    CHECK(sim.arena_fd >= 0 && ftruncate(sim.arena_fd, (off_t)sim.arena_size) == 0);
    sim.arena = mmap(nullptr, sim.arena_size, PROT_READ | PROT_WRITE, MAP_SHARED, sim.arena_fd, 0);
    sim.windows = mmap(nullptr, WINDOW_COUNT * WINDOW_SIZE, PROT_NONE,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    CHECK(sim.arena != MAP_FAILED && sim.windows != MAP_FAILED);
    sem_init(&sim.done, 0, 0);
    for (unsigned i = 0; i < CPU_LIMIT; i++) {
        sem_init(&sim.idle[i], 0, 0);
    }
    struct sigaction action = {.sa_sigaction = on_fault, .sa_flags = SA_SIGINFO | SA_NODEFER};
    (void)sigaction(SIGSEGV, &action, nullptr);
    (void)sigaction(SIGILL, &action, nullptr);
    (void)sigaction(SIGTRAP, &action, nullptr);
}

int sim_run(const struct sim_options *_Nonnull options, sim_program_t _Nonnull supervisor) NO_TSA {
    set_up_host(options);
    kernel_lock_acquire();
    struct page *pages = calloc(options->memory_pages, sizeof *pages);
    page_init(SOME(pages), options->memory_pages);
    page_add_free(1, options->memory_pages);
    scheduler_init(options->cpu_count);
    sim_cpu = cpu_at(0);
    for (uint32_t i = 0; i < options->cpu_count; i++) {
        cpu_at(i)->arch.timer_ns = UINT64_MAX;
    }
    sim_cpu->online = true;
    status_t status = domain_init_root();
    CHECK(status == STATUS_OK);
    if (options->image != nullptr) {
        struct memory *image = nullptr;
        status = memory_create(nullptr, options->image_size, MEMORY_WIRED, 0, &image);
        CHECK(status == STATUS_OK);
        status = memory_write_wired(SOME(image), 0, SOME(options->image), options->image_size);
        CHECK(status == STATUS_OK);
        supervisor_set_image(SOME(image), SOME(image));
    }
    supervisor_start((uint64_t)supervisor);
    if (deterministic()) {
        (void)pass_on(sim_cpu, nullptr);
    }
    kernel_lock_release();
    for (uint32_t i = 0; i < options->cpu_count && !deterministic(); i++) {
        pthread_create(&sim.idle_threads[i], nullptr, run_idle, cpu_at(i));
    }
    while (sem_wait(&sim.done) != 0) {
    }
    for (uint32_t i = 0; i < options->cpu_count && !deterministic(); i++) {
        pthread_join(sim.idle_threads[i], nullptr);
    }
    return sim.code;
}

UNSAFE_END
