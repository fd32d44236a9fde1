/* disable_call NUMBER ERRNO PROGRAM [ARGUMENT…]: runs a program in which one system call does
 * nothing and answers -ERRNO (0: claims success). A mutant of the system, to see the checks fail.
 */
#include <errno.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <unistd.h>

/* Linux's classic filter machine, as far as it is used here; musl has no headers for it. */
typedef struct instruction {
    uint16_t code;
    uint8_t if_true, if_false;
    uint32_t value;
} instruction_t;

typedef struct program {
    uint16_t length;
    instruction_t *_Nonnull code;
} program_t;

enum { LOAD_NUMBER = 0x20, JUMP_EQUAL = 0x15, ANSWER = 0x06, FILTER_MODE = 2 };
static const uint32_t ALLOW = 0x7fff0000;
static const uint32_t ERROR = 0x00050000;

int main(int argc, char *_Nullable *_Nonnull argv) {
    if (argc < 4) {
        return 125;
    }
    instruction_t code[] = {
        {LOAD_NUMBER, 0, 0, 0},
        {JUMP_EQUAL, 0, 1, (uint32_t)atoi((const char *_Nonnull)argv[1])},
        {ANSWER, 0, 0, ERROR | (uint32_t)atoi((const char *_Nonnull)argv[2])},
        {ANSWER, 0, 0, ALLOW},
    };
    program_t filter = {sizeof code / sizeof code[0], code};
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 ||
        prctl(PR_SET_SECCOMP, FILTER_MODE, &filter) != 0) {
        perror("filter");
        return 125;
    }
    (void)execv((const char *_Nonnull)argv[3], &argv[3]);
    return 0;
}
