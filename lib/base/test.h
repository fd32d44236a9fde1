#pragma once
/* The harness of every unit test: a program of named cases.
 *
 *     TEST(ring_is_empty_at_first) {
 *         EXPECT_EQUAL(ring_count(&ring), 0);
 *     }
 *
 * The header brings main with it, so it is included by *_test.c files only, each of which is one
 * program. Cases run in the order in which they stand; arguments name the cases to run.
 *   1. A failed expectation is printed with its place and does not end the case; REQUIRE does.
 *   2. A failed case prints the command that runs it alone.
 *   3. The last line is "N passed, N failed"; the status is 0 only if some case ran and none
 * failed. */
#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

struct test_case {
    const char *_Nonnull name;
    void (*_Nonnull run)(void);
    struct test_case *_Nullable next;
};

static struct {
    struct test_case *_Nullable first;
    struct test_case *_Nullable last;
    unsigned failures; /* failed expectations of the case at work */
    jmp_buf abandon;
} test_state;

static inline void test_register(struct test_case *_Nonnull test) {
    if (test_state.last) {
        test_state.last->next = test;
    } else {
        test_state.first = test;
    }
    test_state.last = test;
}

static inline void test_failed(const char *_Nonnull file, int line, const char *_Nonnull what) {
    fprintf(stderr, "%s:%d: expected %s\n", file, line, what);
    test_state.failures++;
}

static inline void test_unequal(const char *_Nonnull file, int line, const char *_Nonnull what,
                                long long left, long long right) {
    fprintf(stderr, "%s:%d: expected %s, but %lld (0x%llx) is not %lld (0x%llx)\n", file, line,
            what, left, (unsigned long long)left, right, (unsigned long long)right);
    test_state.failures++;
}

/* The number of the signal (or, with sanitizers, 256 + the exit status) that ended `child`. */
static inline int test_how_it_died(pid_t child) {
    int status = 0;
    if (waitpid(child, &status, 0) != child) {
        return -1;
    }
    return WIFSIGNALED(status) ? WTERMSIG(status) : 256 + WEXITSTATUS(status);
}

#define TEST(case_name)                                                                            \
    static void test_##case_name(void);                                                            \
    [[gnu::constructor]] static void test_register_##case_name(void) {                             \
        static struct test_case this_case = {#case_name, test_##case_name, nullptr};               \
        test_register(&this_case);                                                                 \
    }                                                                                              \
    static void test_##case_name(void)

#define EXPECT(condition)                                                                          \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            test_failed(__FILE__, __LINE__, #condition);                                           \
        }                                                                                          \
    } while (0)

/* Two integers (or enums); prints both. */
#define EXPECT_EQUAL(left, right)                                                                  \
    do {                                                                                           \
        auto test_left_ = (left);                                                                  \
        auto test_right_ = (right);                                                                \
        if (!(test_left_ == (typeof(test_left_))test_right_)) {                                    \
            test_unequal(__FILE__, __LINE__, #left " == " #right, (long long)test_left_,           \
                         (long long)test_right_);                                                  \
        }                                                                                          \
    } while (0)

#define EXPECT_TEXT(left, right)                                                                   \
    do {                                                                                           \
        const char *test_text_ = (left);                                                           \
        if (strcmp(test_text_, (right)) != 0) {                                                    \
            fprintf(stderr, "got \"%s\"\n", test_text_);                                           \
            test_failed(__FILE__, __LINE__, #left " equal to " #right);                            \
        }                                                                                          \
    } while (0)

/* As EXPECT, but what follows in the case would make no sense without it. */
#define REQUIRE(condition)                                                                         \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            test_failed(__FILE__, __LINE__, #condition);                                           \
            longjmp(test_state.abandon, 1);                                                        \
        }                                                                                          \
    } while (0)

/* The statement ends the program, by a trap or by a sanitizer. It runs in a child. */
#define EXPECT_DEATH(statement)                                                                    \
    do {                                                                                           \
        fflush(nullptr);                                                                           \
        pid_t test_child_ = fork();                                                                \
        if (test_child_ == 0) {                                                                    \
            fclose(stderr);                                                                        \
            statement;                                                                             \
            _exit(0);                                                                              \
        }                                                                                          \
        if (test_how_it_died(test_child_) == 256) {                                                \
            test_failed(__FILE__, __LINE__, "death from " #statement);                             \
        }                                                                                          \
    } while (0)

static inline bool test_wanted(const char *_Nonnull name, int count,
                               char *_Nonnull *_Nonnull arguments) {
    for (int i = 1; i < count; i++) {
        if (strcmp(arguments[i], name) == 0) {
            return true;
        }
    }
    return count < 2;
}

/* Runs one case; true if no expectation failed. */
static inline bool test_run(const struct test_case *_Nonnull test, const char *_Nonnull program) {
    test_state.failures = 0;
    if (setjmp(test_state.abandon) == 0) {
        test->run();
    }
    if (test_state.failures == 0) {
        return true;
    }
    fprintf(stderr, "FAILED %s; alone: %s %s\n", test->name, program, test->name);
    return false;
}

int main(int argc, char *_Nonnull *_Nonnull argv) {
    volatile unsigned passed = 0;
    volatile unsigned failed = 0;
    for (const struct test_case *volatile test = test_state.first; test; test = test->next) {
        if (!test_wanted(test->name, argc, argv)) {
            continue;
        }
        /* Said before it runs: a sanitizer ends the program, and then this line tells where. */
        fprintf(stderr, "%s\n", test->name);
        if (test_run(test, argv[0])) {
            passed++;
        } else {
            failed++;
        }
    }
    printf("%u passed, %u failed\n", passed, failed);
    return failed > 0 || passed == 0;
}
