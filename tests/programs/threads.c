/* Threads of both libcs: what they share, locks, conditions, cancellation, signals, ends. */
#include "check.h"
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <sys/mman.h>

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t condition = PTHREAD_COND_INITIALIZER;
static int counter;
static _Thread_local int local = 7;

static void *add(void *rounds) {
    local = 1;
    for (uintptr_t i = 0; i < (uintptr_t)rounds; i++) {
        pthread_mutex_lock(&mutex);
        counter++;
        pthread_mutex_unlock(&mutex);
        local++;
    }
    return (void *)(uintptr_t)local;
}

static void test_mutex(void) {
    pthread_t threads[4];
    for (size_t i = 0; i < 4; i++) {
        check_equal("create", pthread_create(&threads[i], nullptr, add, (void *)20000), 0);
    }
    bool right = true;
    for (size_t i = 0; i < 4; i++) {
        void *answer = nullptr;
        check_equal("join", pthread_join(threads[i], &answer), 0);
        right = right && (uintptr_t)answer == 20001;
    }
    check_equal("nothing_lost", counter, 80000);
    check("thread_locals", right && local == 7);
    pthread_mutexattr_t kind;
    pthread_mutexattr_init(&kind);
    pthread_mutexattr_settype(&kind, PTHREAD_MUTEX_ERRORCHECK);
    pthread_mutex_t checked;
    pthread_mutex_init(&checked, &kind);
    pthread_mutex_lock(&checked);
    check_equal("deadlock_noticed", pthread_mutex_lock(&checked), EDEADLK);
    check_equal("trylock_busy", pthread_mutex_trylock(&checked), EBUSY);
    pthread_mutex_unlock(&checked);
    check_equal("not_mine", pthread_mutex_unlock(&checked), EPERM);
    struct timespec past = {.tv_sec = 1};
    pthread_mutex_t plain = PTHREAD_MUTEX_INITIALIZER;
    pthread_mutex_lock(&plain);
    check_equal("timedlock", pthread_mutex_timedlock(&plain, &past), ETIMEDOUT);
}

static int turn;

static void *pong(void *unused) {
    (void)unused;
    pthread_mutex_lock(&mutex);
    for (int i = 0; i < 1000; i++) {
        while (turn != 1) {
            pthread_cond_wait(&condition, &mutex);
        }
        turn = 0;
        pthread_cond_broadcast(&condition);
    }
    pthread_mutex_unlock(&mutex);
    return nullptr;
}

static void *one_of_all(void *barrier) {
    return pthread_barrier_wait(barrier) == PTHREAD_BARRIER_SERIAL_THREAD ? (void *)1 : nullptr;
}

static int once_count;

static void once_body(void) {
    once_count++;
}

static void test_meeting(void) {
    pthread_t thread;
    pthread_create(&thread, nullptr, pong, nullptr);
    pthread_mutex_lock(&mutex);
    for (int i = 0; i < 1000; i++) {
        turn = 1;
        pthread_cond_broadcast(&condition);
        while (turn != 0) {
            pthread_cond_wait(&condition, &mutex);
        }
    }
    pthread_mutex_unlock(&mutex);
    check_equal("ping_pong", pthread_join(thread, nullptr), 0);
    struct timespec past = {.tv_sec = 1};
    pthread_mutex_lock(&mutex);
    check_equal("timedwait", pthread_cond_timedwait(&condition, &mutex, &past), ETIMEDOUT);
    pthread_mutex_unlock(&mutex);
    pthread_barrier_t barrier;
    pthread_barrier_init(&barrier, nullptr, 5);
    pthread_t threads[4];
    for (size_t i = 0; i < 4; i++) {
        pthread_create(&threads[i], nullptr, one_of_all, &barrier);
    }
    uintptr_t serial = (uintptr_t)one_of_all(&barrier);
    for (size_t i = 0; i < 4; i++) {
        void *answer = nullptr;
        pthread_join(threads[i], &answer);
        serial += (uintptr_t)answer;
    }
    check_equal("barrier_has_one_serial_thread", serial, 1);
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, once_body);
    pthread_once(&once, once_body);
    check_equal("once", once_count, 1);
    pthread_rwlock_t rwlock = PTHREAD_RWLOCK_INITIALIZER;
    check_equal("read_lock", pthread_rwlock_rdlock(&rwlock), 0);
    check_equal("second_reader", pthread_rwlock_tryrdlock(&rwlock), 0);
    check_equal("no_writer", pthread_rwlock_trywrlock(&rwlock), EBUSY);
    pthread_rwlock_unlock(&rwlock);
    pthread_rwlock_unlock(&rwlock);
    check_equal("writer", pthread_rwlock_trywrlock(&rwlock), 0);
    sem_t semaphore;
    sem_init(&semaphore, 0, 1);
    check_ok("sem_wait", sem_wait(&semaphore));
    check_errno("sem_trywait", sem_trywait(&semaphore), EAGAIN);
    check_errno("sem_timedwait", sem_timedwait(&semaphore, &past), ETIMEDOUT);
}

typedef struct identity {
    pid_t pid, tid, parent;
    int fd;
} identity_t;

static void *tell_identity(void *out) {
    identity_t *identity = out;
    *identity = (identity_t){
        .pid = getpid(), .tid = (pid_t)syscall(SYS_gettid), .parent = getppid(), .fd = dup(0)};
    chdir("/");
    umask(077);
    return nullptr;
}

static void test_shared(void) {
    identity_t identity = {0};
    pthread_t thread;
    mode_t before = umask(022);
    pthread_create(&thread, nullptr, tell_identity, &identity);
    pthread_join(thread, nullptr);
    check_equal("same_pid", identity.pid, getpid());
    check_equal("same_parent", identity.parent, getppid());
    check("own_tid", identity.tid != identity.pid && identity.tid > 0);
    check_equal("main_tid_is_pid", syscall(SYS_gettid), getpid());
    check_equal("descriptors_shared", fcntl(identity.fd, F_GETFD), 0);
    close(identity.fd);
    char path[4096];
    check_text("folder_shared", getcwd(path, sizeof path), "/");
    check_equal("umask_shared", umask(before), 077);
    pthread_attr_t attributes;
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, 65536);
    check_equal("small_stack", pthread_create(&thread, &attributes, add, (void *)1), 0);
    pthread_join(thread, nullptr);
    pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    bool all = true;
    for (int i = 0; i < 100; i++) {
        all = all && pthread_create(&thread, &attributes, add, (void *)1) == 0;
    }
    check("hundred_detached", all);
    bool again = true;
    for (int i = 0; i < 300; i++) {
        again = again && pthread_create(&thread, nullptr, add, (void *)1) == 0 &&
                pthread_join(thread, nullptr) == 0;
    }
    check("three_hundred_in_turn", again);
}

static volatile sig_atomic_t handled_by;

static void on_signal(int signal_number) {
    (void)signal_number;
    handled_by = (sig_atomic_t)syscall(SYS_gettid);
}

static _Atomic pid_t spinner_tid;
static _Atomic bool spinner_stop;

static void *spin(void *unused) {
    (void)unused;
    spinner_tid = (pid_t)syscall(SYS_gettid);
    while (!spinner_stop) {
        sched_yield();
    }
    return nullptr;
}

static void test_signals(void) {
    pthread_t thread;
    handle(SIGUSR1, on_signal, 0);
    pthread_create(&thread, nullptr, spin, nullptr);
    while (spinner_tid == 0) {
        sched_yield();
    }
    handled_by = 0;
    check_equal("pthread_kill", pthread_kill(thread, SIGUSR1), 0);
    while (handled_by == 0) {
        sched_yield();
    }
    check_equal("that_thread", handled_by, spinner_tid);
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    pthread_sigmask(SIG_BLOCK, &set, nullptr);
    handled_by = 0;
    kill(getpid(), SIGUSR1);
    while (handled_by == 0) {
        sched_yield();
    }
    check_equal("process_signal_finds_unmasked_thread", handled_by, spinner_tid);
    handled_by = 0;
    pthread_kill(pthread_self(), SIGUSR1);
    sigset_t pending;
    sigpending(&pending);
    check("masked_for_self_is_pending", sigismember(&pending, SIGUSR1) == 1 && handled_by == 0);
    pthread_sigmask(SIG_UNBLOCK, &set, nullptr);
    check_equal("then_delivered_to_self", handled_by, getpid());
    spinner_stop = true;
    pthread_join(thread, nullptr);
    while (syscall(SYS_tgkill, getpid(), spinner_tid, 0) == 0) {
        sched_yield();
    }
    check_errno("tgkill_ended", syscall(SYS_tgkill, getpid(), spinner_tid, 0), ESRCH);
}

static int cleaned;

static void clean(void *unused) {
    (void)unused;
    cleaned++;
}

static void *blocked_reader(void *ends) {
    char byte;
    pthread_cleanup_push(clean, nullptr);
    read(((int *)ends)[0], &byte, 1);
    pthread_cleanup_pop(0);
    return nullptr;
}

static void test_cancel(void) {
    int ends[2];
    pipe(ends);
    pthread_t thread;
    void *answer = nullptr;
    pthread_create(&thread, nullptr, blocked_reader, ends);
    check_equal("cancel", pthread_cancel(thread), 0);
    pthread_join(thread, &answer);
    check("was_cancelled", answer == PTHREAD_CANCELED);
    check_equal("cleaned_up", cleaned, 1);
    write(ends[1], "x", 1);
    char byte = 0;
    check_equal("no_byte_eaten", read(ends[0], &byte, 1), 1);
    close(ends[0]);
    close(ends[1]);
}

static void *exits(void *unused) {
    (void)unused;
    _exit(17);
}

static int exit_group(void) {
    pthread_t thread;
    pthread_create(&thread, nullptr, exits, nullptr);
    for (;;) {
        pause();
    }
}

static void *crashes(void *unused) {
    (void)unused;
    *(volatile int *)8 = 1;
    return nullptr;
}

static int crash_in_thread(void) {
    pthread_t thread;
    pthread_create(&thread, nullptr, crashes, nullptr);
    for (;;) {
        pause();
    }
}

static void *outlives(void *unused) {
    (void)unused;
    for (int i = 0; i < 100; i++) {
        sched_yield();
    }
    _exit(23);
}

static int main_thread_ends_first(void) {
    pthread_t thread;
    pthread_create(&thread, nullptr, outlives, nullptr);
    syscall(SYS_exit, 5);
    return 1;
}

static void *forks(void *unused) {
    (void)unused;
    pid_t child = fork();
    if (child == 0) {
        _exit(getpid() == syscall(SYS_gettid) ? 31 : 32);
    }
    int status = child_status(child);
    return (void *)(uintptr_t)WEXITSTATUS(status);
}

static void test_ends(void) {
    check_exit("exit_ends_all", in_child(exit_group), 17);
    check_killed("fault_ends_all", in_child(crash_in_thread), SIGSEGV);
    check_exit("process_outlives_main_thread", in_child(main_thread_ends_first), 23);
    pthread_t thread;
    void *answer = nullptr;
    pthread_create(&thread, nullptr, forks, nullptr);
    pthread_join(thread, &answer);
    check_equal("fork_in_thread", (uintptr_t)answer, 31);
    pid_t child = fork();
    if (child == 0) {
        exit_group();
    }
    check_exit("grandchildless", child_status(child), 17);
}

static void test_process_shared(void) {
    pthread_mutex_t *shared =
        mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    int *total = (int *)(shared + 1);
    pthread_mutexattr_t kind;
    pthread_mutexattr_init(&kind);
    pthread_mutexattr_setpshared(&kind, PTHREAD_PROCESS_SHARED);
    pthread_mutexattr_setrobust(&kind, PTHREAD_MUTEX_ROBUST);
    pthread_mutex_init(shared, &kind);
    pid_t children[3];
    for (size_t i = 0; i < 3; i++) {
        children[i] = fork();
        if (children[i] == 0) {
            for (int j = 0; j < 5000; j++) {
                pthread_mutex_lock(shared);
                ++*total;
                pthread_mutex_unlock(shared);
            }
            _exit(0);
        }
    }
    for (size_t i = 0; i < 3; i++) {
        child_status(children[i]);
    }
    check_equal("nothing_lost", *total, 15000);
    pid_t child = fork();
    if (child == 0) {
        pthread_mutex_lock(shared);
        raise(SIGKILL);
    }
    child_status(child);
    check_equal("owner_died", pthread_mutex_lock(shared), EOWNERDEAD);
    check_equal("consistent", pthread_mutex_consistent(shared), 0);
    check_equal("unlock", pthread_mutex_unlock(shared), 0);
    check_equal("usable_again", pthread_mutex_lock(shared), 0);
}

int main(int argc, char **argv) {
    static const check_case_t cases[] = {
        {"mutex", test_mutex},
        {"meeting", test_meeting},
        {"shared", test_shared},
        {"signals", test_signals},
        {"cancel", test_cancel},
        {"ends", test_ends},
        {"process_shared", test_process_shared},
    };
    return check_main(argc, argv, cases, COUNT_OF(cases));
}
