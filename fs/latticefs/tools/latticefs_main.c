/* latticefs: the administrator's tool for a pool that is not mounted. This file finds the command,
 * parses its options and opens the pool; what describes the commands is made of their table. */
#include "command.h"
#include "fs/latticefs/core/snapshot.h"
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#pragma clang assume_nonnull begin

static const char intro[] =
    "usage: latticefs COMMAND POOL [ARGUMENT]… [OPTION]…\n"
    "POOL is a disk (file or block device), or several, separated by commas. It must not be "
    "mounted.\n\n";
static const char outro[] = "\n  latticefs COMMAND --help      tells about a command\n"
                            "  latticefs completion          prints completions for bash\n"
                            "  latticefs manual              prints the manual page\n\n"
                            "Exit status: 0 done, 1 failed, 2 wrong use, 4 damage was found.\n";

static void print_help(FILE *to) {
    struct command_list list = command_list();
    fputs(intro, to);
    for (uint32_t i = 0; i < list.count; i++) {
        char line[200];
        snprintf(line, sizeof line, "%s POOL %s", list.data[i].name, list.data[i].synopsis);
        if (strlen(line) > 34) {
            fprintf(to, "  %s\n  %34s %s\n", line, "", list.data[i].help);
        } else {
            fprintf(to, "  %-34s %s\n", line, list.data[i].help);
        }
    }
    fputs(outro, to);
}

static void print_command_help(const struct command *command, FILE *to) {
    fprintf(to, "usage: latticefs %s POOL %s\n%s\n", command->name, command->synopsis,
            command->help);
    for (uint32_t i = 0; i < OPTION_COUNT; i++) {
        const struct option_facts *option = &option_table[i];
        if ((command->options >> i & 1) != 0) {
            fprintf(to, "  %-16s %-12s %s\n", option->name,
                    option->value == nullptr ? "" : SOME(option->value), option->help);
        }
    }
}

/* ---- what is made of the table ---- */

static void print_manual(void) {
    struct command_list list = command_list();
    printf(
        ".TH LATTICEFS 8\n.SH NAME\nlatticefs \\- work on a latticefs pool that is not mounted\n"
        ".SH SYNOPSIS\n.B latticefs\n.I COMMAND POOL\n[\\fIARGUMENT\\fR]... [\\fIOPTION\\fR]...\n"
        ".SH DESCRIPTION\n.I POOL\nis a disk (file or block device), or several, separated by "
        "commas. Mounted pools are refused: work through the mount, where "
        ".snapshots/ takes and destroys snapshots.\n.SH COMMANDS\n");
    for (uint32_t i = 0; i < list.count; i++) {
        const struct command *command = &list.data[i];
        printf(".TP\n.B %s\n.I POOL %s\n.br\n%s.\n", command->name, command->synopsis,
               command->help);
        for (uint32_t o = 0; o < OPTION_COUNT; o++) {
            const struct option_facts *option = &option_table[o];
            if ((command->options >> o & 1) != 0) {
                printf(".br\n\\fB\\-%s\\fR %s  %s\n", option->name,
                       option->value == nullptr ? "" : SOME(option->value), option->help);
            }
        }
    }
    printf(".SH EXIT STATUS\n0 done, 1 failed, 2 wrong use, 4 damage was found.\n"
           ".SH SEE ALSO\nmkfs.latticefs(8), mount.fuse.latticefs(8)\n");
}

static void print_completion(void) {
    struct command_list list = command_list();
    printf("_latticefs() {\n    local word=${COMP_WORDS[COMP_CWORD]}\n"
           "    if [ \"$COMP_CWORD\" = 1 ]; then\n        COMPREPLY=($(compgen -W \"");
    for (uint32_t i = 0; i < list.count; i++) {
        printf("%s%s", i == 0 ? "" : " ", list.data[i].name);
    }
    printf(" completion manual\" -- \"$word\"))\n        return\n    fi\n"
           "    case $word in -*) ;; *) COMPREPLY=($(compgen -f -- \"$word\")); return ;; esac\n"
           "    case ${COMP_WORDS[1]} in\n");
    for (uint32_t i = 0; i < list.count; i++) {
        printf("    %s) COMPREPLY=($(compgen -W \"--help", list.data[i].name);
        for (uint32_t o = 0; o < OPTION_COUNT; o++) {
            if ((list.data[i].options >> o & 1) != 0) {
                printf(" %s", option_table[o].name);
            }
        }
        printf("\" -- \"$word\")) ;;\n");
    }
    printf("    esac\n}\ncomplete -F _latticefs latticefs\n");
}

/* ---- opening ---- */

static lattice_status_t open_rescue(struct call *call) {
    uint64_t transaction = UINT64_MAX;
    struct device_list list = host_device_list(call->devices);
    if (call->given[OPTION_REWIND]) {
        transaction = strtoull(SOME(call->values[OPTION_REWIND]), nullptr, 10);
    }
    return pool_open_at(host_environment(), &list, MOUNT_READ_ONLY | MOUNT_RESCUE, transaction,
                        &call->opened);
}

/* "pool POOL [status]" only looks. */
static bool writes(const struct command *command, const struct call *call) {
    bool looks = command->run == do_pool &&
                 (call->words.count == 0 || strcmp(call_word(call, 0), "status") == 0);
    bool quota = command->run == do_quota && call->words.count == 1;
    return command->access == ACCESS_WRITE && !looks && !quota;
}

static int run(const struct command *command, struct call *call) {
    static struct host_devices devices;
    call->devices = &devices;
    if (sodium_init() < 0) {
        return FAILED;
    }
    host_memory_settings();
    if (command->access == ACCESS_RESCUE) {
        host_open_disks(&devices, call->pool, false);
        int failed = call_report(call->pool, open_rescue(call));
        if (failed != DONE) {
            return failed;
        }
    } else {
        call->opened = host_open_pool(&devices, call->pool, writes(command, call));
    }
    int result = command->run(call);
    pool_close(call_fs(call));
    host_devices_close(&devices);
    if (fflush(stdout) != 0) {
        perror("latticefs: standard output");
        return FAILED;
    }
    return result;
}

/* ---- the command line ---- */

static const struct command *_Nullable command_named(const char *name) {
    struct command_list list = command_list();
    for (uint32_t i = 0; i < list.count; i++) {
        if (strcmp(list.data[i].name, name) == 0) {
            return &list.data[i];
        }
    }
    return nullptr;
}

UNSAFE_BEGIN /* the command line */

/* The option at argv[*at], with its value as "--name=value" or in the next word. */
static bool take_option(const struct command *command, struct call *call, int argc, char **argv,
                        int *at) {
    for (uint32_t i = 0; i < OPTION_COUNT; i++) {
        const struct option_facts *option = &option_table[i];
        size_t length = strlen(option->name);
        const char *word = argv[*at];
        bool known = i == OPTION_HELP || (command->options >> i & 1) != 0;
        if (!known || strncmp(word, option->name, length) != 0 ||
            (word[length] != 0 && (word[length] != '=' || option->value == nullptr))) {
            continue;
        }
        call->given[i] = true;
        if (option->value != nullptr && word[length] == '=') {
            call->values[i] = word + length + 1;
        } else if (option->value != nullptr) {
            *at += 1;
            call->values[i] = *at < argc ? argv[*at] : nullptr;
        }
        return option->value == nullptr || call->values[i] != nullptr;
    }
    return false;
}

static bool take_words(const struct command *command, struct call *call, int argc, char **argv) {
    const char *_Nullable pool = nullptr;
    for (int i = 2; i < argc; i++) {
        if (argv[i][0] == '-' && argv[i][1] != 0) {
            if (!take_option(command, call, argc, argv, &i)) {
                fprintf(stderr, "latticefs %s: no such option, or without its value: %s\n",
                        command->name, argv[i < argc ? i : argc - 1]);
                return false;
            }
        } else if (pool == nullptr) {
            pool = argv[i];
        } else if (call->words.count < command->most) {
            call->words.data[call->words.count] = argv[i];
            call->words.count++;
        } else {
            fprintf(stderr, "latticefs %s: too much: %s\n", command->name, argv[i]);
            return false;
        }
    }
    call->pool = pool == nullptr ? "" : SOME(pool);
    return call->given[OPTION_HELP] || (pool != nullptr && call->words.count >= command->least);
}

int main(int argc, char **argv) {
    static struct call call;
    const char *name = argc > 1 ? argv[1] : "";
    if (strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0 || strcmp(name, "help") == 0) {
        print_help(stdout);
        return DONE;
    }
    if (strcmp(name, "manual") == 0) {
        print_manual();
        return DONE;
    }
    if (strcmp(name, "completion") == 0) {
        print_completion();
        return DONE;
    }
    const struct command *_Nullable command = command_named(name);
    if (command == nullptr) {
        fprintf(stderr, "latticefs: no such command: %s (latticefs --help lists them)\n", name);
        return WRONG_USE;
    }
    if (!take_words(SOME(command), &call, argc, argv)) {
        print_command_help(SOME(command), stderr);
        return WRONG_USE;
    }
    if (call.given[OPTION_HELP]) {
        print_command_help(SOME(command), stdout);
        return DONE;
    }
    return run(SOME(command), &call);
}

UNSAFE_END

#pragma clang assume_nonnull end
