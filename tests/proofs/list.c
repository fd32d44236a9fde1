/* lib/base/list.h: each operation keeps "every link is answered" and changes no other link. The
 * neighbours are any, and may be one and the same node (a list of none or one), so this holds for
 * lists of any length. */
#include "lib/base/list.h"
#include "tests/proofs/prove.h"

static struct list a, b, c, far;

/* a and b are neighbours: two nodes of a longer ring, the whole ring of two, or (false) one alone.
 */
static struct list *neighbours(void) {
    struct list *before = &b;
    if (any_bool()) {
        before = &a; /* a alone */
        list_init(&a);
    } else {
        a.next = &b;
        b.previous = &a;
        if (any_bool()) {
            b.next = &a;
            a.previous = &b;
        } else {
            b.next = &far;
            far.previous = &b;
            far.next = &a;
            a.previous = &far;
        }
    }
    return before;
}

static void answered(const struct list *at) {
    PROVE(at->next->previous == at && at->previous->next == at);
}

void list_insertion(void) {
    struct list *before = neighbours();
    struct list *previous = before->previous;
    struct list *next = before->next;
    if (any_bool()) {
        list_append(before, &c);
        PROVE(before->previous == &c && c.next == before && c.previous == previous);
        PROVE(previous->next == &c && (previous == before || before->next == next));
    } else {
        list_prepend(before, &c);
        PROVE(list_first(before) == &c && c.previous == before && c.next == next);
    }
    answered(before);
    answered(previous);
    answered(next);
    answered(&c);
    PROVE(!list_empty(before) && !list_empty(&c));
}

void list_removal(void) {
    struct list *node = neighbours();
    struct list *previous = node->previous;
    struct list *next = node->next;
    list_remove(node);
    PROVE(list_empty(node) && list_first(node) == nullptr);
    PROVE(previous == node || (previous->next == next && next->previous == previous));
    answered(previous);
    answered(next);
    list_remove(node); /* twice is harmless */
    PROVE(list_empty(node));
    answered(previous);
    answered(next);
}

struct item {
    uint32_t before;
    struct list link;
};
static struct item first, second;

/* Each entry once and in order, whatever the body removes of the entry in hand. */
void list_iteration(void) {
    list_init(&a);
    list_init(&first.link);
    list_init(&second.link);
    list_append(&a, &first.link);
    list_append(&a, &second.link);
    bool keep_first = any_bool();
    bool keep_second = any_bool();
    unsigned visited = 0;
    LIST_FOR(item, &a, struct item, link) {
        PROVE(item == (visited == 0 ? &first : &second));
        if (visited == 0 ? !keep_first : !keep_second) {
            list_remove(&item->link);
        }
        visited++;
    }
    PROVE(visited == 2);
    PROVE(list_empty(&first.link) == !keep_first && list_empty(&second.link) == !keep_second);
    PROVE(list_first(&a) == (keep_first ? &first.link : keep_second ? &second.link : nullptr));
}
