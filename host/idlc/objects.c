/* Two tables; their order is that of abi/object.h. */
#include "host/idlc/objects.h"
#include "abi/object.h"

static const struct {
    const char *_Nonnull name;
    const char *_Nonnull constant;
} objects[] = {
    {"domain", "OBJECT_DOMAIN"},     {"process", "OBJECT_PROCESS"},
    {"space", "OBJECT_SPACE"},       {"thread", "OBJECT_THREAD"},
    {"memory", "OBJECT_MEMORY"},     {"endpoint", "OBJECT_ENDPOINT"},
    {"session", "OBJECT_SESSION"},   {"keep", "OBJECT_KEEP"},
    {"event", "OBJECT_EVENT"},       {"waitset", "OBJECT_WAITSET"},
    {"irq", "OBJECT_IRQ"},           {"ioports", "OBJECT_IOPORTS"},
    {"dmaspace", "OBJECT_DMASPACE"}, {"trace", "OBJECT_TRACE"},
    {"system", "OBJECT_SYSTEM"},     {"own_session", "OBJECT_SESSION"},
};

static const struct {
    const char *_Nonnull name;
    const char *_Nonnull constant;
} rights[] = {
    {"duplicate", "RIGHT_DUPLICATE"}, {"transfer", "RIGHT_TRANSFER"}, {"read", "RIGHT_READ"},
    {"write", "RIGHT_WRITE"},         {"execute", "RIGHT_EXECUTE"},   {"call", "RIGHT_CALL"},
    {"receive", "RIGHT_RECEIVE"},     {"mint", "RIGHT_MINT"},         {"wait", "RIGHT_WAIT"},
    {"signal", "RIGHT_SIGNAL"},       {"manage", "RIGHT_MANAGE"},     {"kill", "RIGHT_KILL"},
    {"inspect", "RIGHT_INSPECT"},     {"patch", "RIGHT_PATCH"},       {"page", "RIGHT_PAGE"},
    {"principal", "RIGHT_PRINCIPAL"},
};
static_assert(RIGHT_ALL == (1u << ARRAY_LENGTH(rights)) - 1, "a right without a name");
static_assert(ARRAY_LENGTH(objects) == OBJECT_TYPE_COUNT, "an object without a name");

uint32_t object_find(struct text name) {
    for (uint32_t i = 0; i < ARRAY_LENGTH(objects); i++) {
        if (text_is(name, objects[i].name)) {
            return i;
        }
    }
    return NO_INDEX;
}

const char *_Nonnull object_constant(uint32_t index) {
    return objects[index].constant;
}

bool object_is_own_session(uint32_t index) {
    return text_is(text_of(objects[index].name), "own_session");
}

uint32_t right_find(struct text name) {
    for (uint32_t i = 0; i < ARRAY_LENGTH(rights); i++) {
        if (text_is(name, rights[i].name)) {
            return i;
        }
    }
    return NO_INDEX;
}

const char *_Nonnull right_name(uint32_t bit) {
    return rights[bit].name;
}

void emit_rights(struct output *_Nonnull out, uint32_t mask) {
    const char *separator = "";
    for (uint32_t i = 0; i < ARRAY_LENGTH(rights); i++) {
        if (mask & (1u << i)) {
            emit(out, "%s%s", separator, rights[i].constant);
            separator = " | ";
        }
    }
    if (mask == 0) {
        emit(out, "0");
    }
}
