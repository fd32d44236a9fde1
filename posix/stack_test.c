/* The layout of a new program's stack. */
#include "lib/base/test.h"
#include "posix/sim/rename.h"

#include "posix/stack.h"

TEST(everything_lies_in_order_and_aligned) {
    struct stack_texts texts = {.argument_count = 3,
                                .argument_bytes = 17,
                                .environment_count = 2,
                                .environment_bytes = 33,
                                .name_bytes = 9};
    struct stack_plan plan;
    uint64_t top = 0x7dffff000000;
    EXPECT(stack_plan_make(top, &texts, 20, &plan));
    EXPECT_EQUAL(plan.pointer % 16, 0u);
    EXPECT_EQUAL(plan.random % 16, 0u);
    EXPECT_EQUAL(plan.arguments, plan.pointer + 8);
    EXPECT_EQUAL(plan.environment, plan.arguments + 4 * 8);
    EXPECT_EQUAL(plan.auxiliary, plan.environment + 3 * 8);
    EXPECT(plan.auxiliary + 20 * 16 <= plan.random);
    EXPECT(plan.random + 16 <= plan.platform);
    EXPECT(plan.platform + 7 <= plan.argument_texts);
    EXPECT_EQUAL(plan.argument_texts + 17, plan.environment_texts);
    EXPECT_EQUAL(plan.environment_texts + 33, plan.name);
    EXPECT_EQUAL(plan.name + 9, top - 8);
}

TEST(the_stack_pointer_is_aligned_whatever_the_counts) {
    for (uint64_t count = 0; count < 4; count++) {
        struct stack_texts texts = {.argument_count = count, .argument_bytes = count};
        struct stack_plan plan;
        EXPECT(stack_plan_make(1ull << 40, &texts, 20, &plan));
        EXPECT_EQUAL(plan.pointer % 16, 0u);
    }
}

TEST(too_many_bytes_or_pointers_are_refused) {
    struct stack_plan plan;
    struct stack_texts texts = {.argument_count = 1, .argument_bytes = STACK_STRINGS_LIMIT};
    EXPECT(!stack_plan_make(1ull << 40, &texts, 20, &plan));
    texts = (struct stack_texts){.argument_count = UINT64_MAX, .argument_bytes = 1};
    EXPECT(!stack_plan_make(1ull << 40, &texts, 20, &plan));
    texts = (struct stack_texts){.argument_count = 1ull << 61, .argument_bytes = 1};
    EXPECT(!stack_plan_make(1ull << 40, &texts, 20, &plan));
    texts = (struct stack_texts){.argument_count = 300000, .argument_bytes = 300000};
    EXPECT(!stack_plan_make(1ull << 40, &texts, 20, &plan));
    texts = (struct stack_texts){.argument_count = 1000, .argument_bytes = 100000};
    EXPECT(stack_plan_make(1ull << 40, &texts, 20, &plan));
}
