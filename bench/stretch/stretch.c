/* A plugin for QEMU: the longest stretch of instructions that a processor executes in the kernel
 * before it is back in user space or in the idle loop, which is where interrupts are on. It sees
 * every instruction of the kernel that ships, changed in nothing.
 *
 * Arguments: out=FILE, kernel=ADDRESS (the first address of the kernel), idle=ADDRESS (an
 * instruction that waits with interrupts on; may be repeated), all hexadecimal, and report=N:
 * stretches from N instructions on are written as well. Written: one line `stretch LENGTH FIRST
 * LAST`, addresses hexadecimal, for each of these; at the end `samples …`, an address every SAMPLE
 * instructions of the longest one, and `longest LENGTH entries COUNT`. Booting is no entry: a
 * processor counts from its first instruction in user space or in the idle loop on.
 *
 * The declarations below are QEMU's plugin interface, of which Debian has no header. Source: QEMU,
 * "QEMU TCG Plugins", API of versions 1 to 4 as far as they agree. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef uint64_t plugin_id_t;
struct qemu_plugin_tb;
struct qemu_plugin_insn;
struct qemu_info;
typedef void (*translated_t)(plugin_id_t id, struct qemu_plugin_tb *tb);
typedef void (*executed_t)(unsigned processor, void *data);
typedef void (*ended_t)(plugin_id_t id, void *data);
enum { WITHOUT_REGISTERS = 0 };

void qemu_plugin_register_vcpu_tb_trans_cb(plugin_id_t id, translated_t function);
void qemu_plugin_register_vcpu_tb_exec_cb(struct qemu_plugin_tb *tb, executed_t function, int flags,
                                          void *data);
void qemu_plugin_register_vcpu_insn_exec_cb(struct qemu_plugin_insn *insn, executed_t function,
                                            int flags, void *data);
void qemu_plugin_register_atexit_cb(plugin_id_t id, ended_t function, void *data);
size_t qemu_plugin_tb_n_insns(const struct qemu_plugin_tb *tb);
struct qemu_plugin_insn *qemu_plugin_tb_get_insn(const struct qemu_plugin_tb *tb, size_t index);
uint64_t qemu_plugin_insn_vaddr(const struct qemu_plugin_insn *insn);
uint64_t qemu_plugin_tb_vaddr(const struct qemu_plugin_tb *tb);

/* What QEMU looks for. */
#define EXPORT __attribute__((visibility("default")))
EXPORT extern int qemu_plugin_version;
EXPORT int qemu_plugin_version = PLUGIN_VERSION;
EXPORT int qemu_plugin_install(plugin_id_t id, const struct qemu_info *info, int argc, char **argv);

enum { PROCESSORS = 4, SAMPLE = 64, SAMPLES = 4096, IDLE = 8 };

struct stretch {
    uint64_t length, entries;
    uint64_t samples[SAMPLES];
    int booted; /* was in the kernel, and left it */
};

static struct stretch now[PROCESSORS], longest;
static uint64_t kernel_first, report_from;
static uint64_t idle[IDLE];
static int idle_count;
static FILE *out;

static void write_samples(const char *what, const struct stretch *stretch) {
    fprintf(out, "%s %" PRIu64, what, stretch->length);
    for (uint64_t i = 0; i < SAMPLES && i * SAMPLE < stretch->length; i++) {
        fprintf(out, " %" PRIx64, stretch->samples[i]);
    }
    fprintf(out, "\n");
}

static void ended(unsigned processor) {
    struct stretch *stretch = &now[processor];
    if (stretch->booted && stretch->length > 0) {
        stretch->entries++;
        if (report_from > 0 && stretch->length >= report_from) {
            write_samples("stretch", stretch);
        }
        if (stretch->length > longest.length) {
            longest = *stretch;
        }
    }
    stretch->booted |= stretch->length > 0;
    stretch->length = 0;
}

static void interrupts_on(unsigned processor, void *data) {
    (void)data;
    if (processor < PROCESSORS) {
        ended(processor);
    }
}

static void in_kernel(unsigned processor, void *data) {
    if (processor >= PROCESSORS) {
        return;
    }
    struct stretch *stretch = &now[processor];
    if (stretch->length % SAMPLE == 0 && stretch->length / SAMPLE < SAMPLES) {
        stretch->samples[stretch->length / SAMPLE] = (uint64_t)(uintptr_t)data;
    }
    stretch->length++;
}

static int is_idle(uint64_t address) {
    int found = 0;
    for (int i = 0; i < idle_count; i++) {
        found |= idle[i] == address;
    }
    return found;
}

static void translated(plugin_id_t id, struct qemu_plugin_tb *tb) {
    (void)id;
    if (qemu_plugin_tb_vaddr(tb) < kernel_first) {
        qemu_plugin_register_vcpu_tb_exec_cb(tb, interrupts_on, WITHOUT_REGISTERS, NULL);
        return;
    }
    for (size_t i = 0; i < qemu_plugin_tb_n_insns(tb); i++) {
        struct qemu_plugin_insn *insn = qemu_plugin_tb_get_insn(tb, i);
        uint64_t address = qemu_plugin_insn_vaddr(insn);
        qemu_plugin_register_vcpu_insn_exec_cb(insn, is_idle(address) ? interrupts_on : in_kernel,
                                               WITHOUT_REGISTERS, (void *)(uintptr_t)address);
    }
}

static void finish(plugin_id_t id, void *data) {
    (void)id;
    (void)data;
    uint64_t entries = 0;
    for (unsigned i = 0; i < PROCESSORS; i++) {
        entries += now[i].entries;
    }
    write_samples("longest", &longest);
    fprintf(out, "entries %" PRIu64 "\n", entries);
    fclose(out);
}

int qemu_plugin_install(plugin_id_t id, const struct qemu_info *info, int argc, char **argv) {
    (void)info;
    for (int i = 0; i < argc; i++) {
        if (strncmp(argv[i], "out=", 4) == 0) {
            out = fopen(argv[i] + 4, "w");
        } else if (strncmp(argv[i], "kernel=", 7) == 0) {
            kernel_first = strtoull(argv[i] + 7, NULL, 16);
        } else if (idle_count < IDLE && strncmp(argv[i], "idle=", 5) == 0) {
            idle[idle_count++] = strtoull(argv[i] + 5, NULL, 16);
        } else if (strncmp(argv[i], "report=", 7) == 0) {
            report_from = strtoull(argv[i] + 7, NULL, 10);
        }
    }
    if (!out || kernel_first == 0 || idle_count == 0) {
        fprintf(stderr, "stretch: wants out=, kernel=, idle=\n");
        return -1;
    }
    qemu_plugin_register_vcpu_tb_trans_cb(id, translated);
    qemu_plugin_register_atexit_cb(id, finish, NULL);
    return 0;
}
