/* check, scrub, resilver, dump: looking at what is on the disks. */
#include "command.h"
#include "fs/latticefs/core/check.h"
#include "fs/latticefs/core/scrub.h"
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#pragma clang assume_nonnull begin

static void take_problem(void *_Nullable context, const char *what, uint64_t first,
                         uint64_t second) {
    const struct call *call = SOME((const struct call *)context);
    if (call->given[OPTION_JSON]) {
        json_open(nullptr, '{');
        json_text("what", view_text(what));
        json_number("first", first);
        json_number("second", second);
        json_close('}');
    } else {
        printf("damaged: %s (%" PRIu64 ", %" PRIu64 ")\n", what, first, second);
    }
}

static void take_progress(void *_Nullable context, const char *what, uint64_t done, uint64_t all) {
    progress_show(SOME((const struct call *)context), what, done, all);
}

static void print_check(const struct call *call, const struct check_report *result) {
    if (!call->given[OPTION_JSON]) {
        printf("%" PRIu64 " objects, %" PRIu64 " nodes, %" PRIu64 " records, %" PRIu64
               " blocks, %" PRIu64 " problems\n",
               result->objects, result->nodes, result->records, result->blocks, result->problems);
        if (result->repaired != 0) {
            printf("bitmaps of %" PRIu64 " segments rebuilt; check again\n", result->repaired);
        } else if (result->problems != 0 && !call->given[OPTION_REPAIR]) {
            printf("check --repair rebuilds bitmaps; scrub heals from good copies; restore copies "
                   "out what is readable\n");
        }
        return;
    }
    json_close(']');
    json_number("objects", result->objects);
    json_number("nodes", result->nodes);
    json_number("records", result->records);
    json_number("blocks", result->blocks);
    json_number("problem_count", result->problems);
    json_number("repaired_segments", result->repaired);
    json_close('}');
    json_end();
}

int do_check(struct call *call) {
    struct lattice *fs = call_fs(call);
    struct check_report result = {
        .context = call, .problem = take_problem, .progress = take_progress};
    if (fs->cache.dirty.count != 0 && call_report("commit", commit(fs)) != DONE) {
        return FAILED;
    }
    if (call->given[OPTION_JSON]) {
        json_open(nullptr, '{');
        json_open("problems", '[');
    }
    uint32_t flags = CHECK_DATA | (call->given[OPTION_REPAIR] ? CHECK_REPAIR : 0);
    lattice_status_t status = pool_check(fs, flags, &result);
    progress_end(call);
    print_check(call, &result);
    if (status != LATTICE_OK) {
        return call_report("check", status);
    }
    return result.problems != 0 ? DAMAGED : DONE;
}

static void take_scrub_progress(void *_Nullable context, const struct scrub_report *report) {
    progress_show(SOME((const struct call *)context), "scrub, blocks", report->done, report->all);
}

static int scrub_result(struct call *call, const char *what, lattice_status_t status,
                        const struct scrub_report *result) {
    progress_end(call);
    if (call->given[OPTION_JSON]) {
        json_open(nullptr, '{');
        json_number("blocks_read", result->pointers);
        json_number("healed", result->bad_copies);
        json_number("lost", result->lost);
        json_close('}');
        json_end();
    } else {
        printf("%" PRIu64 " blocks read, %" PRIu64 " bad copies healed, %" PRIu64 " lost\n",
               result->pointers, result->bad_copies, result->lost);
    }
    if (status != LATTICE_OK) {
        return call_report(what, status);
    }
    return result->lost != 0 ? DAMAGED : DONE;
}

int do_scrub(struct call *call) {
    struct scrub_report result = {.context = call, .progress = take_scrub_progress};
    lattice_status_t status = commit(call_fs(call));
    if (status == LATTICE_OK) {
        status = pool_scrub_all(call_fs(call), 0, &result);
    }
    return scrub_result(call, "scrub", status, &result);
}

int do_resilver(struct call *call) {
    struct scrub_report result = {.context = call, .progress = take_scrub_progress};
    lattice_status_t status = pool_resilver(call_fs(call), &result);
    return scrub_result(call, "resilver", status, &result);
}

int do_dump(struct call *call) {
    struct lattice *fs = call_fs(call);
    const struct superblock *super = &fs->super;
    if (segments_need_all(fs) != LATTICE_OK) {
        fprintf(stderr, "%s: not all of the segment table can be read\n", call->pool);
    }
    printf("transaction %" PRIu64 "\nsegment_shift %u\nsegment_count %u\ncopies %u\n"
           "node_copies %u\ntable_pages %u\nindex_pages %u\nlog_address %" PRIu64
           "\nlog_blocks %u\npool_root %" PRIu64 " level %u\nused_blocks %" PRIu64 "\n",
           super->transaction, super->segment_shift, super->segment_count, super->copies,
           super->node_copies, super->table_pages, super->index_pages, super->log_address,
           super->log_blocks, pointer_address(&super->pool_root, 0), super->pool_root.level,
           super->used_blocks);
    for (uint32_t i = 0; i < fs->segments.count; i++) {
        const struct segment_entry *entry = &fs->segments.data[i].entry;
        if (entry->state == SEGMENT_WRITTEN) {
            printf("segment %u class %u free %u quads %u slot %u version %" PRIu64 "\n", i,
                   entry->class, entry->free_blocks, entry->free_quads, entry->slot,
                   entry->version);
        }
    }
    return DONE;
}

#pragma clang assume_nonnull end
