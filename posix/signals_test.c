/* Signals: rules, frames, delivery on a frame of the test's. */
#include "lib/base/test.h"
#include "posix/sim/rename.h"

#include "posix/signal_frame.h"
#include "posix/signals.h"
#include "posix/sim/sim.h"
#include "posix/syscalls.h"

static uint8_t stack_memory[65536] __attribute__((aligned(64)));

static struct program_frame *begin(struct sim_backend **out) {
    *out = sim_begin();
    struct program_frame *frame = thread_frame((*out)->self);
    (*out)->self->alternate.flags = SS_DISABLE;
    *frame = (struct program_frame){.rsp = (uintptr_t)&stack_memory[60000],
                                    .rip = 0x401002,
                                    .rax = 7,
                                    .rbx = 11,
                                    .flags = 0x202,
                                    .original_rax = UINT64_MAX};
    return frame;
}

static void set(struct posix_thread *self, uint32_t number, uint64_t handler, uint64_t flags) {
    self->process->actions[number - 1] =
        (struct linux_action){.handler = handler, .flags = flags | SA_RESTORER, .restorer = 0x999};
}

TEST(the_next_signal_is_a_synchronous_one_then_the_lowest) {
    EXPECT_EQUAL(signal_next(0), 0u);
    EXPECT_EQUAL(signal_next(SIGNAL_BIT(SIGHUP) | SIGNAL_BIT(SIGSEGV)), (uint32_t)SIGSEGV);
    EXPECT_EQUAL(signal_next(SIGNAL_BIT(SIGTERM) | SIGNAL_BIT(SIGUSR1)), (uint32_t)SIGUSR1);
    EXPECT_EQUAL(signal_next(SIGNAL_BIT(64)), 64u);
}

TEST(interrupted_calls_end_as_linux_has_it) {
    struct linux_action plain = {.handler = 2};
    struct linux_action again = {.handler = 2, .flags = SA_RESTART};
    int64_t result = -ERESTARTSYS;
    EXPECT(!signal_restarts(&result, &plain));
    EXPECT_EQUAL(result, -EINTR);
    result = -ERESTARTSYS;
    EXPECT(signal_restarts(&result, &again));
    result = -ERESTARTSYS;
    EXPECT(signal_restarts(&result, nullptr));
    result = -ERESTARTNOHAND;
    EXPECT(!signal_restarts(&result, &again));
    EXPECT_EQUAL(result, -EINTR);
    result = -ERESTARTNOHAND;
    EXPECT(signal_restarts(&result, nullptr));
    result = -ERESTARTNOINTR;
    EXPECT(signal_restarts(&result, &plain));
    result = 5;
    EXPECT(!signal_restarts(&result, nullptr));
    EXPECT_EQUAL(result, 5);
}

TEST(a_handlers_frame_lies_below_the_red_zone_and_aligned) {
    struct linux_stack none = {.flags = SS_DISABLE};
    struct signal_place place = signal_place_find(0x10008, &none, false, 516);
    EXPECT(place.floating + 516 <= 0x10008 - 128);
    EXPECT_EQUAL(place.floating % 64, 0u);
    EXPECT_EQUAL((place.frame + 8) % 16, 0u);
    EXPECT(place.frame + sizeof(struct signal_frame) <= place.floating);
    struct linux_stack other = {.sp = 0x50000, .size = 0x4000};
    place = signal_place_find(0x10008, &other, true, 512);
    EXPECT(place.on_alternate);
    EXPECT(place.frame > 0x50000 && place.frame < 0x54000);
    place = signal_place_find(0x52000, &other, true, 512);
    EXPECT(!place.on_alternate);
    EXPECT(place.frame < 0x52000 - 128);
}

TEST(a_handler_runs_and_its_return_restores_everything) {
    struct sim_backend *sim = nullptr;
    struct program_frame *frame = begin(&sim);
    struct program_frame before = *frame;
    set(sim->self, SIGUSR1, 0x402000, 0);
    signal_raise(sim->self, SIGUSR1, SI_TKILL, 0);
    signals_deliver(sim->self);
    EXPECT_EQUAL(frame->rip, 0x402000u);
    EXPECT_EQUAL(frame->rdi, (uint64_t)SIGUSR1);
    EXPECT_EQUAL((frame->rsp + 8) % 16, 0u);
    EXPECT_EQUAL(*(uint64_t *)frame->rsp, 0x999u);
    EXPECT_EQUAL(sim->self->mask, SIGNAL_BIT(SIGUSR1));
    EXPECT_EQUAL(sim->self->pending, 0u);
    frame->rsp += 8; /* the handler returned to the restorer */
    int64_t result = linux_rt_sigreturn(sim->self, frame);
    EXPECT_EQUAL(result, 7);
    EXPECT_EQUAL(frame->rip, before.rip);
    EXPECT_EQUAL(frame->rsp, before.rsp);
    EXPECT_EQUAL(frame->rbx, 11u);
    EXPECT_EQUAL(sim->self->mask, 0u);
    sim_end(sim);
}

TEST(flags_of_a_forged_frame_are_made_harmless) {
    struct program_frame frame = {};
    struct signal_context context = {.flags = UINT64_MAX};
    signal_frame_take(&frame, &context);
    EXPECT_EQUAL(frame.flags & 0x3000, 0u); /* no I/O privilege */
    EXPECT_EQUAL(frame.flags & 0x20000, 0u);
    EXPECT_EQUAL(frame.flags & 0x202, 0x202u);
}

TEST(a_call_without_a_handler_is_made_again_on_its_instruction) {
    struct sim_backend *sim = nullptr;
    struct program_frame *frame = begin(&sim);
    frame->original_rax = 7;
    frame->rax = (uint64_t)-ERESTARTNOHAND;
    signals_deliver(sim->self);
    EXPECT_EQUAL(frame->rip, 0x401000u);
    EXPECT_EQUAL(frame->rax, 7u);
    sim_end(sim);
}

TEST(a_call_that_a_handler_interrupts_answers_eintr_after_its_instruction) {
    struct sim_backend *sim = nullptr;
    struct program_frame *frame = begin(&sim);
    frame->original_rax = 7;
    frame->rax = (uint64_t)-ERESTARTSYS;
    set(sim->self, SIGALRM, 0x402000, 0);
    signal_raise(sim->self, SIGALRM, SI_USER, 0);
    signals_deliver(sim->self);
    struct signal_frame *pushed = (struct signal_frame *)frame->rsp;
    EXPECT_EQUAL(pushed->ucontext.context.rip, 0x401002u);
    EXPECT_EQUAL((int64_t)pushed->ucontext.context.rax, -EINTR);
    sim_end(sim);
}

TEST(blocked_signals_wait_and_ignored_ones_go) {
    struct sim_backend *sim = nullptr;
    struct program_frame *frame = begin(&sim);
    set(sim->self, SIGUSR1, 0x402000, 0);
    set(sim->self, SIGUSR2, SIG_IGN, 0);
    sim->self->mask = SIGNAL_BIT(SIGUSR1);
    signal_raise(sim->self, SIGUSR1, SI_TKILL, 0);
    signal_raise(sim->self, SIGUSR2, SI_TKILL, 0);
    signals_deliver(sim->self);
    EXPECT_EQUAL(frame->rip, 0x401002u);
    EXPECT_EQUAL(sim->self->pending, SIGNAL_BIT(SIGUSR1));
    sim_end(sim);
}

TEST(a_temporary_mask_is_put_back_by_the_handlers_return) {
    struct sim_backend *sim = nullptr;
    struct program_frame *frame = begin(&sim);
    set(sim->self, SIGUSR1, 0x402000, 0);
    sim->self->mask = SIGNAL_BIT(SIGUSR1);
    signal_mask_temporarily(sim->self, 0);
    signal_raise(sim->self, SIGUSR1, SI_TKILL, 0);
    signals_deliver(sim->self);
    EXPECT_EQUAL(frame->rip, 0x402000u);
    frame->rsp += 8;
    (void)linux_rt_sigreturn(sim->self, frame);
    EXPECT_EQUAL(sim->self->mask, SIGNAL_BIT(SIGUSR1));
    sim_end(sim);
}

TEST(a_fault_that_is_blocked_or_ignored_ends_the_process) {
    struct sim_backend *sim = nullptr;
    (void)begin(&sim);
    set(sim->self, SIGSEGV, SIG_IGN, 0);
    sim->self->mask = SIGNAL_BIT(SIGSEGV);
    fflush(nullptr);
    pid_t child = fork();
    if (child == 0) {
        signal_force(sim->self, SIGSEGV, SEGV_MAPERR, 0x1234);
        signals_deliver(sim->self);
        _exit(0);
    }
    int status = 0;
    waitpid(child, &status, 0);
    EXPECT_EQUAL(WEXITSTATUS(status), 128 + SIGSEGV);
    sim_end(sim);
}
