#pragma once
/* The server of golden/sample.idl that the tests talk to: it notes what it was given and answers
 * what the test has put into `answer`. */
#include "host/idlc/tests/loopback.h"
#include "idl/sample.h"

struct sample_server {
    uint32_t handled; /* calls of handlers so far */
    status_t status;  /* what handlers return */
    struct {
        struct sample_numbers_in numbers;
        struct sample_many_in many;
        struct sample_open_in open;
        struct sample_describe_in describe;
        struct sample_read_in read;
        struct sample_write_in write;
        struct sample_scan_in scan;
    } got;
    uint8_t path[4096], name[32], tag[16], data[65536]; /* bytes of the inputs */
    struct {
        struct sample_numbers_out numbers;
        struct sample_many_out many;
        struct sample_open_out open;
        struct sample_describe_out describe;
        struct sample_read_out read;
        struct sample_write_out write;
        struct sample_scan_out scan;
    } answer;
    const uint8_t *_Nullable bytes; /* what read and scan write, read.data_size of them */
};
extern struct sample_server sample_server;

/* Everything anew, with answers that are good. */
void sample_start(void);
/* Serves with some handler absent. */
void sample_serve_without_handlers(struct rt_request *_Nonnull request);
