/* The table of descriptors, through the calls of programs. */
#include "lib/base/test.h"
#include "posix/sim/rename.h"

#include "idl/stream.h"
#include "posix/descriptors.h"
#include "posix/identity.h"
#include "posix/sim/sim.h"
#include "posix/syscalls.h"

static int64_t call(struct sim_backend *sim, uint64_t number, uint64_t a, uint64_t b, uint64_t c) {
    struct program_frame frame = {.rdi = a, .rsi = b, .rdx = c};
    return runtime_dispatch(sim->self, number, &frame);
}

static int64_t make(struct sim_backend *sim) {
    sim->handles++;
    return fd_give(sim->self, (struct fd_entry){.handle = 1 + sim->next_handle++,
                                                .kind = STREAM_KIND_FIFO,
                                                .facts = STREAM_FACTS_FLAGS_READABLE});
}

TEST(the_lowest_free_number_is_given) {
    struct sim_backend *sim = sim_begin();
    EXPECT_EQUAL(make(sim), 0);
    EXPECT_EQUAL(make(sim), 1);
    EXPECT_EQUAL(make(sim), 2);
    EXPECT_EQUAL(call(sim, 3, 1, 0, 0), 0);
    EXPECT_EQUAL(call(sim, 3, 1, 0, 0), -EBADF);
    EXPECT_EQUAL(make(sim), 1);
    EXPECT_EQUAL(make(sim), 3);
    EXPECT_EQUAL(call(sim, 32, 0, 0, 0), 4);
    sim_end(sim);
}

TEST(dup2_replaces_and_closes_what_was_there) {
    struct sim_backend *sim = sim_begin();
    (void)make(sim);
    (void)make(sim);
    EXPECT_EQUAL(call(sim, 33, 0, 1, 0), 1);
    EXPECT_EQUAL(sim->handles, 2);
    EXPECT_EQUAL(call(sim, 33, 0, 0, 0), 0);
    EXPECT_EQUAL(call(sim, 33, 7, 7, 0), -EBADF);
    EXPECT_EQUAL(call(sim, 33, 0, 100000, 0), -EBADF);
    EXPECT_EQUAL(call(sim, 292, 0, 0, 0), -EINVAL);
    EXPECT_EQUAL(call(sim, 292, 0, 9, O_CLOEXEC), 9);
    EXPECT_EQUAL(call(sim, 72, 9, F_GETFD, 0), FD_CLOEXEC);
    EXPECT_EQUAL(sim->handles, 3);
    sim_end(sim);
}

TEST(the_soft_limit_is_emfile_and_keeps_nothing) {
    struct sim_backend *sim = sim_begin();
    sim->self->process->limits[LIMIT_DESCRIPTORS] = 3;
    for (int i = 0; i < 3; i++) {
        EXPECT_EQUAL(make(sim), i);
    }
    EXPECT_EQUAL(make(sim), -EMFILE);
    EXPECT_EQUAL(sim->handles, 3);
    EXPECT_EQUAL(call(sim, 32, 0, 0, 0), -EMFILE);
    EXPECT_EQUAL(sim->handles, 3);
    sim_end(sim);
}

TEST(close_on_exec_closes_those_and_only_those) {
    struct sim_backend *sim = sim_begin();
    for (int i = 0; i < 4; i++) {
        (void)make(sim);
    }
    EXPECT_EQUAL(call(sim, 72, 1, F_SETFD, FD_CLOEXEC), 0);
    EXPECT_EQUAL(call(sim, 436, 3, UINT32_MAX, 4), 0);
    fd_close_on_exec(sim->self);
    EXPECT_EQUAL(call(sim, 72, 0, F_GETFD, 0), 0);
    EXPECT_EQUAL(call(sim, 72, 1, F_GETFD, 0), -EBADF);
    EXPECT_EQUAL(call(sim, 72, 2, F_GETFD, 0), 0);
    EXPECT_EQUAL(call(sim, 72, 3, F_GETFD, 0), -EBADF);
    EXPECT_EQUAL(sim->handles, 2);
    sim_end(sim);
}

TEST(dup_from_a_lowest_number) {
    struct sim_backend *sim = sim_begin();
    (void)make(sim);
    EXPECT_EQUAL(call(sim, 72, 0, F_DUPFD, 10), 10);
    EXPECT_EQUAL(call(sim, 72, 0, F_DUPFD_CLOEXEC, 10), 11);
    EXPECT_EQUAL(call(sim, 72, 11, F_GETFD, 0), FD_CLOEXEC);
    EXPECT_EQUAL(make(sim), 1);
    EXPECT_EQUAL(call(sim, 72, 0, F_DUPFD, UINT64_MAX), -EINVAL);
    EXPECT_EQUAL(call(sim, 72, 0, 12345, 0), -EINVAL);
    sim_end(sim);
}

TEST(unknown_numbers_answer_enosys_and_are_counted) {
    struct sim_backend *sim = sim_begin();
    EXPECT_EQUAL(call(sim, 400, 0, 0, 0), -ENOSYS);
    EXPECT_EQUAL(call(sim, 400, 0, 0, 0), -ENOSYS);
    EXPECT_EQUAL(call(sim, UINT32_MAX, 0, 0, 0), -ENOSYS);
    EXPECT_EQUAL(sim->self->process->unsupported[400], 2u);
    EXPECT_EQUAL(sim->self->process->unsupported_other, 1u);
    sim_end(sim);
}

TEST(what_cannot_be_read_is_ebadf) {
    struct sim_backend *sim = sim_begin();
    char byte = 0;
    (void)make(sim);
    EXPECT_EQUAL(call(sim, 1, 0, (uintptr_t)&byte, 1), -EBADF);
    EXPECT_EQUAL(call(sim, 8, 0, 0, 0), -ESPIPE);
    EXPECT_EQUAL(call(sim, 0, 5, (uintptr_t)&byte, 1), -EBADF);
    EXPECT_EQUAL(sim->calls, 0u);
    sim_end(sim);
}
