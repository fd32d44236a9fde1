/* System call numbers to functions. */
#include "abi/syscall.h"
#include "kernel/syscall/syscall.h"

#define ENTRY(name, function) [SYS_##name - SYSCALL_FIRST] = function,
const syscall_function_t syscall_table[SYSCALL_COUNT] = {SYSCALLS(ENTRY)};
