/* The floating-point state in signal frames. The instructions are in entry.S with their fix-ups. */
#include "posix/native.h"
#include "posix/nucleus/entry.h"
#include "posix/signal_frame.h"
#include "posix/user.h"

enum {
    LEGACY_SIZE = 512,
    HEADER_SIZE = 64,
    SOFTWARE_OFFSET = 464,
    MAGIC1 = 0x46505853,
    MAGIC2 = 0x46505845,
};
/* What Linux leaves in the unused words of the legacy area. */
struct software_words {
    uint32_t magic, extended_size;
    uint64_t features;
    uint32_t state_size, reserved[7];
};
static_assert(sizeof(struct software_words) == LEGACY_SIZE - SOFTWARE_OFFSET);

static void cpuid(uint32_t leaf, uint32_t part, uint32_t (*_Nonnull out)[4]) {
    __asm__ volatile("cpuid"
                     : "=a"((*out)[0]), "=b"((*out)[1]), "=c"((*out)[2]), "=d"((*out)[3])
                     : "a"(leaf), "c"(part));
}

/* Bytes of the whole state, 0: the kernel has not enabled XSAVE. */
static uint32_t extended_size(void) {
    uint32_t words[4] = {};
    cpuid(1, 0, &words);
    if ((words[2] & 1u << 27) == 0) {
        return 0;
    }
    cpuid(0xd, 0, &words);
    return words[1];
}

static uint64_t enabled_features(void) {
    uint32_t low = 0;
    uint32_t high = 0;
    __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    return (uint64_t)high << 32 | low;
}

uint32_t floating_size(void) {
    uint32_t size = extended_size();
    return size == 0 ? LEGACY_SIZE : size + 4;
}

bool floating_save(uint64_t address) {
    uint32_t size = extended_size();
    if (user_zero(address + LEGACY_SIZE - sizeof(struct software_words),
                  sizeof(struct software_words)) != 0) {
        return false;
    }
    if (size == 0) {
        return user_xsave(address, 0) == 0;
    }
    struct software_words words = {.magic = MAGIC1,
                                   .extended_size = size + 4,
                                   .features = enabled_features(),
                                   .state_size = size};
    uint32_t magic2 = MAGIC2;
    return user_zero(address + LEGACY_SIZE, HEADER_SIZE) == 0 && user_xsave(address, 1) == 0 &&
           USER_WRITE(address + SOFTWARE_OFFSET, words) == 0 &&
           USER_WRITE(address + size, magic2) == 0;
}

bool floating_load(uint64_t address) {
    uint32_t size = extended_size();
    struct software_words words = {};
    uint32_t magic2 = 0;
    if ((address & 63) != 0 || USER_READ(words, address + SOFTWARE_OFFSET) != 0) {
        return false;
    }
    bool extended = size != 0 && words.magic == MAGIC1 && words.state_size == size &&
                    USER_READ(magic2, address + size) == 0 && magic2 == MAGIC2;
    return user_xrstor(address, extended ? 1 : 0) == 0;
}
