#pragma once
/* What entry.S gives to C and calls in C. */
#include "posix/state.h"

uint64_t native_stack_pointer(void);
/* Addresses of the program are numbers: even 0 may be asked for. */
uint64_t user_copy(uint64_t to, uint64_t from, size_t size);
uint64_t user_clear(uint64_t to, size_t size);
int64_t user_copy_text(char *_Nonnull to, uint64_t from, size_t capacity);
int user_compare_exchange(uint64_t address, uint32_t *_Nonnull expected, uint32_t wanted);

int user_xsave(uint64_t area, uint32_t extended);
int user_xrstor(uint64_t area, uint32_t extended);

extern const uint8_t runtime_tail[];
[[noreturn]] void thread_entry(void);
[[noreturn]] void exec_entry(void);
[[noreturn]] void child_resume(struct thread_page *_Nonnull page);

/* Called by entry.S. */
void runtime_upcall(struct thread_page *_Nonnull page);
void runtime_pending(struct thread_page *_Nonnull page);
[[noreturn]] void child_begin(struct thread_page *_Nonnull page, uint32_t pid);
[[noreturn]] void thread_begin(struct posix_thread *_Nonnull self,
                               struct thread_page *_Nonnull page);
struct exec_record;
[[noreturn]] void exec_begin(const struct exec_record *_Nonnull record,
                             struct thread_page *_Nonnull page);
struct start_block;
[[noreturn]] void start_begin(const struct start_block *_Nonnull block,
                              struct thread_page *_Nonnull page);
[[noreturn]] void stack_switch(uint64_t top, void (*_Nonnull run)(const void *_Nonnull),
                               const void *_Nonnull argument);
