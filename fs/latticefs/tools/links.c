/* A hash table with open addresses, at most half full. */
#include "links.h"
#include <stdlib.h>

#pragma clang assume_nonnull begin

enum { FIRST_CAPACITY = 1024 };

static struct linked *slot_of(const struct link_table *table, uint64_t device, uint64_t number) {
    size_t at = (size_t)((number * UINT64_C(0x9e3779b97f4a7c15) + device) >> 20);
    for (;; at++) {
        struct linked *slot = &table->data[at & (table->capacity - 1)];
        if (slot->number == 0 || (slot->number == number && slot->device == device)) {
            return slot;
        }
    }
}

static bool grow(struct link_table *table) {
    struct link_table larger = {};
    size_t capacity = table->capacity == 0 ? FIRST_CAPACITY : table->capacity * 2;
    struct linked *_Nullable data = calloc(capacity, sizeof(struct linked));
    if (data == nullptr) {
        return false;
    }
    larger.capacity = capacity;
    larger.data = data;
    larger.count = table->count;
    for (size_t i = 0; i < table->capacity; i++) {
        const struct linked *old = &table->data[i];
        if (old->number != 0) {
            *slot_of(&larger, old->device, old->number) = *old;
        }
    }
    free(table->data);
    *table = larger;
    return true;
}

struct linked *_Nullable links_find(struct link_table *table, uint64_t device, uint64_t number) {
    if (table->count * 2 >= table->capacity && !grow(table)) {
        return nullptr;
    }
    struct linked *slot = slot_of(table, device, number);
    if (slot->number == 0) {
        *slot = (struct linked){.device = device, .number = number};
        table->count++;
    }
    return slot;
}

void links_release(struct link_table *table) {
    for (size_t i = 0; i < table->capacity; i++) {
        free(table->data[i].path);
    }
    free(table->data);
    *table = (struct link_table){};
}

#pragma clang assume_nonnull end
