#pragma once
/* Intrusive doubly linked lists. A node that is in no list points to itself, so removal twice is
 * harmless and "is it queued" needs no flag. */
#include "lib/base/safe.h"

/* No check for null at each step: links are made by list_init, and a null one faults. */
#define LIST_STEP [[clang::no_sanitize("nullability")]] static inline

struct list {
    struct list *_Nonnull next;
    struct list *_Nonnull previous;
};

LIST_STEP void list_init(struct list *_Nonnull l) {
    l->next = l;
    l->previous = l;
}

LIST_STEP bool list_empty(const struct list *_Nonnull l) {
    return l->next == l;
}

LIST_STEP void list_insert(struct list *_Nonnull before, struct list *_Nonnull node) {
    node->next = before;
    node->previous = before->previous;
    before->previous->next = node;
    before->previous = node;
}

LIST_STEP void list_append(struct list *_Nonnull head, struct list *_Nonnull node) {
    list_insert(head, node);
}

LIST_STEP void list_prepend(struct list *_Nonnull head, struct list *_Nonnull node) {
    list_insert(head->next, node);
}

LIST_STEP void list_remove(struct list *_Nonnull node) {
    node->next->previous = node->previous;
    node->previous->next = node->next;
    list_init(node);
}

/* The first node, or null. */
LIST_STEP struct list *_Nullable list_first(const struct list *_Nonnull head) {
    return head->next == head ? nullptr : head->next;
}

/* The node after `node`, or null at the end. */
static inline struct list *_Nullable list_after(const struct list *_Nonnull head,
                                                const struct list *_Nonnull node) {
    return node->next == head ? nullptr : node->next;
}

/* Walking a list that is reached through a constant object: the entries are not what is constant.
 */
static inline struct list *_Nonnull list_of(const struct list *_Nonnull head) {
    return head->next->previous;
}

#define LIST_ENTRY(node, type, member) CONTAINER_OF(node, type, member)

/* Runs over `head`; the entry in hand may be removed. */
#define LIST_FOR(variable, head, type, member)                                                     \
    for (struct list *list_at_ = (head)->next, *list_next_ = list_at_->next; list_at_ != (head);   \
         list_at_ = list_next_, list_next_ = list_at_->next)                                       \
        for (type *variable = CONTAINER_OF(list_at_, type, member); variable; variable = nullptr)
