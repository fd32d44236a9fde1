/* Images and scripts: what is taken, what is refused, and with which error. */
#include "lib/base/test.h"
#include "posix/sim/rename.h"

#include "abi/object.h"
#include "abi/syscall.h"
#include "posix/elf.h"
#include "posix/layout.h"

static struct elf_header good_header(void) {
    return (struct elf_header){.identity = {0x7f, 'E', 'L', 'F', 2, 1, 1},
                               .type = ELF_EXECUTABLE,
                               .machine = 62,
                               .entry = 0x400100,
                               .segments = 64,
                               .segment_size = 56,
                               .segment_count = 1};
}
static struct elf_segment good_load(void) {
    return (struct elf_segment){.type = ELF_LOAD,
                                .flags = 5,
                                .offset = 0,
                                .address = 0x400000,
                                .file_size = 0x1234,
                                .memory_size = 0x1234,
                                .alignment = 4096};
}

TEST(a_good_header_is_taken) {
    struct elf_header header = good_header();
    EXPECT_EQUAL(elf_check(&header, 64), 0);
}

#define REFUSED(change)                                                                            \
    do {                                                                                           \
        struct elf_header header = good_header();                                                  \
        change;                                                                                    \
        EXPECT_EQUAL(elf_check(&header, 64), -ENOEXEC);                                            \
    } while (0)

TEST(bad_headers_are_no_programs) {
    REFUSED(header.identity[0] = 0);
    REFUSED(header.identity[4] = 1);
    REFUSED(header.identity[5] = 2);
    REFUSED(header.type = 1);
    REFUSED(header.type = 4);
    REFUSED(header.machine = 3);
    REFUSED(header.segment_size = 32);
    REFUSED(header.segment_count = 0);
    REFUSED(header.segment_count = 0xffff);
    REFUSED(header.segments = UINT64_MAX - 100);
    struct elf_header header = good_header();
    EXPECT_EQUAL(elf_check(&header, 63), -ENOEXEC);
}

static int64_t plan_of(const struct elf_segment *segment, struct elf_plan *plan) {
    struct elf_header header = good_header();
    struct elf_segment segments[ELF_SEGMENT_LIMIT] = {*segment};
    return elf_plan_make(&header, &segments, plan);
}

TEST(whole_pages_of_a_file_are_mapped) {
    struct elf_segment segment = good_load();
    struct elf_plan plan;
    EXPECT_EQUAL(plan_of(&segment, &plan), 0);
    EXPECT_EQUAL(plan.map_count, 1u);
    EXPECT_EQUAL(plan.maps[0].address, 0x400000u);
    EXPECT_EQUAL(plan.maps[0].length, 0x2000u);
    EXPECT_EQUAL(plan.maps[0].tail_length, 0u);
    EXPECT_EQUAL(plan.maps[0].zero_length, 0u);
    EXPECT_EQUAL(plan.maps[0].protection, (uint32_t)(PROTECT_READ | PROTECT_EXECUTE));
    EXPECT_EQUAL(plan.first, 0x400000u);
    EXPECT_EQUAL(plan.end, 0x402000u);
    EXPECT_EQUAL(plan.headers, 0x400040u);
}

TEST(zeroes_follow_the_file_in_its_last_page_and_beyond) {
    struct elf_segment segment = good_load();
    struct elf_plan plan;
    segment.flags = 6;
    segment.address = 0x401e00;
    segment.offset = 0xe00;
    segment.file_size = 0x300; /* to 0x402100 */
    segment.memory_size = 0x2300;
    EXPECT_EQUAL(plan_of(&segment, &plan), 0);
    EXPECT_EQUAL(plan.maps[0].address, 0x401000u);
    EXPECT_EQUAL(plan.maps[0].length, 0x1000u);
    EXPECT_EQUAL(plan.maps[0].tail_address, 0x402000u);
    EXPECT_EQUAL(plan.maps[0].tail_offset, 0x1000u);
    EXPECT_EQUAL(plan.maps[0].tail_length, 0x100u);
    EXPECT_EQUAL(plan.maps[0].zero_address, 0x403000u);
    EXPECT_EQUAL(plan.maps[0].zero_length, 0x2000u);
    EXPECT_EQUAL(plan.end, 0x405000u);
}

TEST(a_segment_within_one_page_keeps_what_lies_before_it) {
    struct elf_segment segment = good_load();
    struct elf_plan plan;
    segment.address = 0x400800;
    segment.offset = 0x800;
    segment.file_size = 0x10;
    segment.memory_size = 0x20;
    EXPECT_EQUAL(plan_of(&segment, &plan), 0);
    EXPECT_EQUAL(plan.maps[0].length, 0u);
    EXPECT_EQUAL(plan.maps[0].tail_address, 0x400000u);
    EXPECT_EQUAL(plan.maps[0].tail_offset, 0u);
    EXPECT_EQUAL(plan.maps[0].tail_length, 0x810u);
    EXPECT_EQUAL(plan.maps[0].zero_length, 0u);
}

#define FATAL(change)                                                                              \
    do {                                                                                           \
        struct elf_segment segment = good_load();                                                  \
        struct elf_plan plan;                                                                      \
        change;                                                                                    \
        EXPECT_EQUAL(plan_of(&segment, &plan), -EFAULT);                                           \
    } while (0)

TEST(segments_that_cannot_be_mapped_are_found_out_too_late_for_an_errno) {
    FATAL(segment.memory_size = 0x10);
    FATAL(segment.address = 0xffffffff81000000);
    FATAL(segment.address = 0x8000000000000000);
    FATAL(segment.memory_size = UINT64_MAX);
    FATAL(segment.offset = 8);
    FATAL(segment.address = RUNTIME_BASE);
    FATAL(segment.address = 0);
}

TEST(nothing_to_load_is_a_program_without_memory) {
    struct elf_segment segment = good_load();
    struct elf_plan plan;
    segment.type = 0;
    EXPECT_EQUAL(plan_of(&segment, &plan), 0);
    EXPECT_EQUAL(plan.map_count, 0u);
}

TEST(an_interpreters_name_has_a_length_that_can_be) {
    struct elf_segment segment = {.type = ELF_INTERPRETER, .offset = 100, .file_size = 9};
    struct elf_plan plan;
    EXPECT_EQUAL(plan_of(&segment, &plan), 0);
    EXPECT_EQUAL(plan.interpreter_size, 9u);
    segment.file_size = 1;
    EXPECT_EQUAL(plan_of(&segment, &plan), -ENOEXEC);
    segment.file_size = 1 << 20;
    EXPECT_EQUAL(plan_of(&segment, &plan), -ENOEXEC);
}

static bool parse(const char *text, struct script_line *line) {
    uint8_t first[256] = {0};
    memcpy(first, text, strlen(text));
    return script_parse(&first, strlen(text), line);
}

TEST(a_scripts_first_line_is_interpreter_and_one_argument) {
    struct script_line line;
    EXPECT(parse("#!/bin/sh\necho", &line));
    EXPECT_EQUAL(line.interpreter, 2u);
    EXPECT_EQUAL(line.interpreter_size, 7u);
    EXPECT_EQUAL(line.argument_size, 0u);
    EXPECT(parse("#! \t/bin/sh  -e -x \t\n", &line));
    EXPECT_EQUAL(line.interpreter, 4u);
    EXPECT_EQUAL(line.interpreter_size, 7u);
    EXPECT_EQUAL(line.argument, 13u);
    EXPECT_EQUAL(line.argument_size, 5u);
    EXPECT(parse("#!/bin/sh", &line));
    EXPECT(!parse("#!", &line));
    EXPECT(!parse("#!   \n", &line));
    EXPECT(!parse("# !/bin/sh\n", &line));
    EXPECT(!parse("#", &line));
}

TEST(an_interpreter_whose_name_is_cut_is_refused_and_a_cut_argument_is_not) {
    uint8_t first[256];
    struct script_line line;
    memset(first, 'a', sizeof first);
    first[0] = '#';
    first[1] = '!';
    EXPECT(!script_parse(&first, sizeof first, &line));
    first[20] = ' ';
    EXPECT(script_parse(&first, sizeof first, &line));
    EXPECT_EQUAL(line.interpreter_size, 18u);
    EXPECT_EQUAL(line.argument_size, 235u);
}
