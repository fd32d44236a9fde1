#pragma once
/* What generated fuzz harnesses share: the fuzzer's bytes read as decisions, arbitrary requests for
 * a dispatcher, arbitrary replies for stubs.
 *
 * Invariants:
 *  1. A harness's run depends on the fuzzer's bytes alone; when they end, every decision is 0.
 *  2. Every buffer given to code under test is an allocation of exactly its size. */
#include "host/idlc/tests/loopback.h"

/* Begins a run: the bytes, and the dispatcher that answers calls. */
void fuzz_start(struct rt_bytes data, void (*_Nonnull serve)(struct rt_request *_Nonnull request));
void fuzz_end(void);

/* A number; small ones, limits and arbitrary ones are equally likely. */
uint64_t fuzz_number(void);
/* A handle: of each kind, none, or none that there is. */
handle_t fuzz_handle(void);
/* Mostly one of that type, with all rights. */
handle_t fuzz_handle_of(enum object_type type);
/* A handle that there is. */
handle_t fuzz_good_handle(void);
/* Bytes, 0 … a little more than `max` of them. */
struct rt_bytes fuzz_bytes(size_t max);
/* A buffer of 0 … a little more than `max` bytes. */
struct rt_buffer fuzz_buffer(size_t max);
/* Fills `size` bytes, all with what the fuzzer says. */
void fuzz_fill(void *_Nonnull to, size_t size);

/* Reads all of what a handler was given, so that sanitizers see it. */
void fuzz_see(const void *_Nonnull bytes, size_t size);
void fuzz_see_bytes(struct rt_bytes bytes);
void fuzz_read_input(struct rt_request *_Nonnull request, const struct rt_input *_Nonnull input);
/* Writes some output, and tells how much of it the answer may count. */
uint64_t fuzz_write_output(struct rt_request *_Nonnull request,
                           const struct rt_output *_Nonnull output);
/* How a handler ends: OK mostly, else anything that `marks` allow. */
status_t fuzz_status(const struct rt_request *_Nonnull request, uint32_t marks);

/* Serves one arbitrary request with one of the labels, and checks the reply's form. */
void fuzz_request(uint32_t label);
/* Whether one thing of the next call changes on its way to the server, or one thing or all of the
 * reply on its way back. */
void fuzz_maybe_spoil(void);
