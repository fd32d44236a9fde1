#include "lib/base/list.h"
#include "lib/base/test.h"

struct item {
    int value;
    struct list link;
};

/* The values of a list as digits of a number, first to last. */
static int digits(struct list *_Nonnull head) {
    int number = 0;
    LIST_FOR(item, head, struct item, link) {
        number = number * 10 + item->value;
    }
    return number;
}

static struct {
    struct list head;
    struct item items[4];
} world;

static void fill(void) {
    list_init(&world.head);
    for (int i = 0; i < 4; i++) {
        world.items[i].value = i + 1;
        list_append(&world.head, &world.items[i].link);
    }
}

TEST(an_empty_list_has_no_first) {
    list_init(&world.head);
    EXPECT(list_empty(&world.head));
    EXPECT(list_first(&world.head) == nullptr);
    EXPECT_EQUAL(digits(&world.head), 0);
}

TEST(appending_prepending_and_inserting_keep_the_order) {
    list_init(&world.head);
    for (int i = 0; i < 4; i++) {
        world.items[i].value = i + 1;
    }
    list_append(&world.head, &world.items[0].link);
    list_append(&world.head, &world.items[1].link);
    list_prepend(&world.head, &world.items[2].link);
    list_insert(&world.items[1].link, &world.items[3].link);
    EXPECT_EQUAL(digits(&world.head), 3142);
    EXPECT(list_after(&world.head, &world.items[0].link) == &world.items[3].link);
    EXPECT(list_after(&world.head, &world.items[1].link) == nullptr);
}

TEST(removal_anywhere_and_twice) {
    fill();
    list_remove(&world.items[0].link);
    list_remove(&world.items[2].link);
    EXPECT_EQUAL(digits(&world.head), 24);
    list_remove(&world.items[2].link);
    EXPECT(list_empty(&world.items[2].link));
    list_remove(&world.items[3].link);
    EXPECT_EQUAL(digits(&world.head), 2);
}

TEST(the_entry_in_hand_may_be_removed) {
    fill();
    LIST_FOR(item, &world.head, struct item, link) {
        if (item->value % 2 == 0) {
            list_remove(&item->link);
        }
    }
    EXPECT_EQUAL(digits(&world.head), 13);
}
