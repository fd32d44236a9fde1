/* futex: wait, wake, bitsets, requeue, time-outs, sharing between processes, robust lists. */
#include "check.h"
#include "linux_extra.h"
#include <pthread.h>
#include <sched.h>
#include <stddef.h>
#include <sys/mman.h>
#include <time.h>

static long futex(uint32_t *word, int operation, uint32_t value, const void *timeout,
                  uint32_t *second, uint32_t last) {
    return syscall(SYS_futex, word, operation, value, timeout, second, last);
}

static void test_refused(void) {
    uint32_t word = 1;
    struct timespec soon = {.tv_nsec = 1000000};
    struct timespec bad = {.tv_nsec = 1000000000};
    check_errno("value_differs", futex(&word, FUTEX_WAIT, 0, nullptr, nullptr, 0), EAGAIN);
    check_errno("value_differs_private", futex(&word, FUTEX_WAIT_PRIVATE, 0, nullptr, nullptr, 0),
                EAGAIN);
    check_errno("times_out", futex(&word, FUTEX_WAIT_PRIVATE, 1, &soon, nullptr, 0), ETIMEDOUT);
    check_errno("bad_time", futex(&word, FUTEX_WAIT_PRIVATE, 1, &bad, nullptr, 0), EINVAL);
    check_errno("unaligned",
                futex((uint32_t *)((char *)&word + 1), FUTEX_WAIT, 1, nullptr, nullptr, 0), EINVAL);
    check_errno("bad_address", futex((uint32_t *)16, FUTEX_WAIT, 1, nullptr, nullptr, 0), EFAULT);
    check_errno("bad_address_private",
                futex((uint32_t *)16, FUTEX_WAIT_PRIVATE, 1, nullptr, nullptr, 0), EFAULT);
    check_errno("bad_operation", futex(&word, 99, 1, nullptr, nullptr, 0), ENOSYS);
    check_errno("empty_bitset", futex(&word, FUTEX_WAIT_BITSET, 1, nullptr, nullptr, 0), EINVAL);
    check_equal("wake_nobody", futex(&word, FUTEX_WAKE, 1, nullptr, nullptr, 0), 0);
    check_equal("wake_unmapped_private",
                futex((uint32_t *)16, FUTEX_WAKE_PRIVATE, 1, nullptr, nullptr, 0), 0);
    check_errno("cmp_requeue_differs", futex(&word, FUTEX_CMP_REQUEUE, 1, (void *)1, &word, 0),
                EAGAIN);
    struct timespec past = {.tv_sec = 1};
    check_errno("absolute_past",
                futex(&word, FUTEX_WAIT_BITSET | FUTEX_PRIVATE_FLAG, 1, &past, nullptr, 0xffffffff),
                ETIMEDOUT);
    check_errno("absolute_past_realtime",
                futex(&word, FUTEX_WAIT_BITSET | FUTEX_PRIVATE_FLAG | FUTEX_CLOCK_REALTIME, 1,
                      &past, nullptr, 0xffffffff),
                ETIMEDOUT);
}

static uint32_t word;
static uint32_t second;
static _Atomic unsigned woken;
static _Atomic unsigned waiting;

static void *waiter(void *bits) {
    waiting++;
    long answer = futex(&word, FUTEX_WAIT_BITSET | FUTEX_PRIVATE_FLAG, 0, nullptr, nullptr,
                        (uint32_t)(uintptr_t)bits);
    woken++;
    return (void *)(uintptr_t)(answer == 0 ? 0 : errno);
}

/* Wakes until `count` were woken in all: however late the waiters come. */
static unsigned wake_all_of(uint32_t *at, uint32_t bits, unsigned count) {
    unsigned total = 0;
    while (total < count) {
        long answer = futex(at, FUTEX_WAKE_BITSET | FUTEX_PRIVATE_FLAG, 1, nullptr, nullptr, bits);
        if (answer < 0) {
            break;
        }
        total += (unsigned)answer;
        sched_yield();
    }
    return total;
}

static void test_threads(void) {
    pthread_t threads[6];
    word = second = 0;
    woken = waiting = 0;
    for (size_t i = 0; i < 4; i++) {
        pthread_create(&threads[i], nullptr, waiter, (void *)(uintptr_t)(i < 2 ? 1 : 2));
    }
    check_equal("wake_those_of_bit_1", wake_all_of(&word, 1, 2), 2);
    void *answer = nullptr;
    pthread_join(threads[0], &answer);
    check("woken_answers_0", answer == nullptr);
    pthread_join(threads[1], &answer);
    check_equal("others_still_wait", woken, 2);
    check_equal("none_left_of_bit_1",
                futex(&word, FUTEX_WAKE_BITSET | FUTEX_PRIVATE_FLAG, 9, nullptr, nullptr, 1), 0);
    unsigned moved = 0;
    while (moved < 2) {
        long count = futex(&word, FUTEX_REQUEUE | FUTEX_PRIVATE_FLAG, 0, (void *)1, &second, 0);
        moved += count > 0 ? (unsigned)count : 0;
        sched_yield();
    }
    check_equal("requeued_are_not_woken", woken, 2);
    check_equal("nobody_at_the_old", futex(&word, FUTEX_WAKE_PRIVATE, 9, nullptr, nullptr, 0), 0);
    check_equal("at_the_new", futex(&second, FUTEX_WAKE_PRIVATE, 9, nullptr, nullptr, 0), 2);
    pthread_join(threads[2], nullptr);
    pthread_join(threads[3], nullptr);
    check_equal("all_woken", woken, 4);
}

static void test_processes(void) {
    uint32_t *shared =
        mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    pid_t child = fork();
    if (child == 0) {
        _exit(futex(shared, FUTEX_WAIT, 0, nullptr, nullptr, 0) == 0 || errno == EAGAIN ? 0 : 1);
    }
    while (futex(shared, FUTEX_WAKE, 1, nullptr, nullptr, 0) == 0) {
        sched_yield();
    }
    check_exit("anonymous_shared", child_status(child), 0);
    munmap(shared, 4096);
    int fd = open("f", O_RDWR | O_CREAT, 0644);
    ftruncate(fd, 8192);
    uint32_t *first = mmap(nullptr, 8192, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    child = fork();
    if (child == 0) {
        uint32_t *other = mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 4096);
        _exit(futex(&other[3], FUTEX_WAIT, 0, nullptr, nullptr, 0) == 0 ? 0 : 1);
    }
    while (futex(&first[1024 + 3], FUTEX_WAKE, 1, nullptr, nullptr, 0) == 0) {
        sched_yield();
    }
    check_exit("file_at_another_address", child_status(child), 0);
    munmap(first, 8192);
    close(fd);
    static uint32_t own = 0;
    child = fork();
    if (child == 0) {
        struct timespec bound = {.tv_nsec = 20000000};
        _exit(futex(&own, FUTEX_WAIT, 0, &bound, nullptr, 0) == -1 && errno == ETIMEDOUT ? 0 : 1);
    }
    long woke = 0;
    int status = 0;
    while (waitpid(child, &status, WNOHANG) == 0) {
        woke += futex(&own, FUTEX_WAKE, 1, nullptr, nullptr, 0);
        sched_yield();
    }
    check_equal("private_memory_is_not_shared", woke, 0);
    check_exit("so_it_timed_out", status, 0);
}

typedef struct robust_list {
    struct robust_list *next;
    long offset;
    void *pending;
} robust_list_t;

typedef struct robust_lock {
    struct robust_lock *next;
    uint32_t word;
} robust_lock_t;

static void test_robust(void) {
    robust_lock_t *lock =
        mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    for (int i = 0; i < 2; i++) {
        lock->word = 0;
        pid_t child = fork();
        if (child == 0) {
            static robust_list_t list;
            list.next = (robust_list_t *)lock;
            list.offset = offsetof(robust_lock_t, word);
            lock->next = (robust_lock_t *)&list;
            lock->word = (uint32_t)getpid() | FUTEX_WAITERS;
            if (syscall(SYS_set_robust_list, &list, sizeof list) != 0) {
                _exit(1);
            }
            if (i == 0) {
                _exit(0);
            }
            raise(SIGKILL);
        }
        int status = child_status(child);
        check("ended",
              i == 0 ? WIFEXITED(status) && WEXITSTATUS(status) == 0 : WIFSIGNALED(status));
        check_equal(i == 0 ? "exit_marks_owner_died" : "kill_marks_owner_died", lock->word,
                    FUTEX_WAITERS | FUTEX_OWNER_DIED);
    }
    check_errno("bad_size", syscall(SYS_set_robust_list, lock, 1), EINVAL);
    munmap(lock, 4096);
}

static void test_clear_tid(void) {
    pid_t *cell = mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    *cell = 77;
    pid_t child = fork();
    if (child == 0) {
        bool own = syscall(SYS_set_tid_address, cell) == getpid();
        _exit(own ? 0 : 1);
    }
    check_exit("answers_tid", child_status(child), 0);
    check_equal("a_lone_process_leaves_it", *cell, 77);
    munmap(cell, 4096);
}

int main(int argc, char **argv) {
    static const check_case_t cases[] = {
        {"refused", test_refused}, {"threads", test_threads},     {"processes", test_processes},
        {"robust", test_robust},   {"clear_tid", test_clear_tid},
    };
    return check_main(argc, argv, cases, COUNT_OF(cases));
}
