#pragma once
/* Single instructions as functions. No policy, no state. */
#include "lib/base/safe.h"

static inline void out8(uint16_t port, uint8_t value) {
    __asm__ volatile("outb %0, %1" : : "a"(value), "Nd"(port));
}
static inline void out16(uint16_t port, uint16_t value) {
    __asm__ volatile("outw %0, %1" : : "a"(value), "Nd"(port));
}
static inline void out32(uint16_t port, uint32_t value) {
    __asm__ volatile("outl %0, %1" : : "a"(value), "Nd"(port));
}
static inline uint8_t in8(uint16_t port) {
    uint8_t value = 0;
    __asm__ volatile("inb %1, %0" : "=a"(value) : "Nd"(port));
    return value;
}
static inline uint16_t in16(uint16_t port) {
    uint16_t value = 0;
    __asm__ volatile("inw %1, %0" : "=a"(value) : "Nd"(port));
    return value;
}
static inline uint32_t in32(uint16_t port) {
    uint32_t value = 0;
    __asm__ volatile("inl %1, %0" : "=a"(value) : "Nd"(port));
    return value;
}

static inline void msr_write(uint32_t number, uint64_t value) {
    __asm__ volatile("wrmsr"
                     :
                     : "c"(number), "a"((uint32_t)(value & UINT32_MAX)),
                       "d"((uint32_t)(value >> 32))
                     : "memory");
}
static inline uint64_t msr_read(uint32_t number) {
    uint32_t low = 0;
    uint32_t high = 0;
    __asm__ volatile("rdmsr" : "=a"(low), "=d"(high) : "c"(number));
    return (uint64_t)high << 32 | low;
}

#define CONTROL_REGISTER(name)                                                                     \
    static inline uint64_t name##_read(void) {                                                     \
        uint64_t value = 0;                                                                        \
        __asm__ volatile("mov %%" #name ", %0" : "=r"(value) : : "memory");                        \
        return value;                                                                              \
    }                                                                                              \
    static inline void name##_write(uint64_t value) {                                              \
        __asm__ volatile("mov %0, %%" #name : : "r"(value) : "memory");                            \
    }
CONTROL_REGISTER(cr0)
CONTROL_REGISTER(cr3)
CONTROL_REGISTER(cr4)
static inline uint64_t cr2_read(void) {
    uint64_t value = 0;
    __asm__ volatile("mov %%cr2, %0" : "=r"(value));
    return value;
}

static inline void fs_base_write(uint64_t value) {
    __asm__ volatile("wrfsbase %0" : : "r"(value));
}
static inline uint64_t fs_base_read(void) {
    uint64_t value = 0;
    __asm__ volatile("rdfsbase %0" : "=r"(value));
    return value;
}

/* The program's GS base: the one that is out while the kernel runs. */
static inline void user_gs_write(uint64_t value) {
    __asm__ volatile("swapgs\n wrgsbase %0\n swapgs" : : "r"(value));
}

static inline uint64_t user_gs_read(void) {
    uint64_t value = 0;
    __asm__ volatile("swapgs\n rdgsbase %0\n swapgs" : "=r"(value));
    return value;
}

static inline void page_invalidate(uint64_t address) {
    __asm__ volatile("invlpg (%0)" : : "r"(address) : "memory");
}

struct cpuid {
    uint32_t a, b, c, d;
};
static inline struct cpuid cpuid(uint32_t leaf, uint32_t sub) {
    struct cpuid result = {};
    __asm__ volatile("cpuid"
                     : "=a"(result.a), "=b"(result.b), "=c"(result.c), "=d"(result.d)
                     : "a"(leaf), "c"(sub));
    return result;
}

enum {
    MSR_APIC_BASE = 0x1b,
};
#define MSR_EFER 0xc0000080u
#define MSR_STAR 0xc0000081u
#define MSR_LSTAR 0xc0000082u
#define MSR_SYSCALL_MASK 0xc0000084u
#define MSR_FS_BASE 0xc0000100u
#define MSR_GS_BASE 0xc0000101u
#define MSR_USER_GS_BASE 0xc0000102u /* the one that swapgs brings in */
