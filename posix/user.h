#pragma once
/* The program's memory, which may be absent, read-only, or change under our feet: every access
 * copies, and answers EFAULT where it cannot. Addresses of the program are numbers here; they
 * become pointers only as the data of a call's bytes, which rt_copy_from_client and the kernel's
 * leases treat with the same care. */
#include "lib/rt/message.h"

/* 0 or -EFAULT. */
[[nodiscard]] int64_t user_read(void *_Nonnull to, uint64_t from, size_t size);
[[nodiscard]] int64_t user_write(uint64_t to, const void *_Nonnull from, size_t size);
[[nodiscard]] int64_t user_zero(uint64_t to, size_t size);
/* Whether bytes can be written at all; they are present then, until the program itself changes its
 * memory. What a server takes out of its queues for a call cannot be put back. */
[[nodiscard]] int64_t user_probe(uint64_t to, uint64_t size);
/* Copies a text with its NUL; its length without it, -EFAULT, or -ENAMETOOLONG where `capacity` has
 * no room for it and its NUL. */
[[nodiscard]] int64_t user_text(char *_Nonnull to, size_t capacity, uint64_t from);

/* Memory of the program as what a stub takes. */
struct rt_bytes user_bytes(uint64_t address, uint64_t size);
struct rt_buffer user_buffer(uint64_t address, uint64_t size);

/* 4 bytes, changed as one. */
[[nodiscard]] int64_t user_exchange_u32(uint64_t address, uint32_t expected, uint32_t wanted,
                                        uint32_t *_Nonnull out_found);

#define USER_READ(value, address) user_read(&(value), (address), sizeof(value))
#define USER_WRITE(address, value) user_write((address), &(value), sizeof(value))
