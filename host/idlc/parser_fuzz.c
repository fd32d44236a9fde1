/* Arbitrary bytes as an interface file, through parser, layout and every generator: never a crash,
 * and either a result or one message. A file that it uses is the part of the bytes behind the first
 * zero byte. */
#include "host/idlc/generate.h"
#include "host/idlc/manual.h"
#include "host/idlc/parser.h"
#include <string.h>

static bool find_rest(void *_Nullable state, struct text name, struct source *_Nonnull out) {
    const struct text *rest = state;
    if (!rest || rest->size == 0) {
        return false;
    }
    *out = (struct source){.path = name, .text = *rest};
    return true;
}

static void generate_all(const struct protocol *_Nonnull protocol) {
    static void (*_Nonnull const generators[])(struct generator *_Nonnull) = {
        generate_header, generate_client, generate_server,
        generate_trace,  generate_manual, generate_fuzz};
    for (size_t i = 0; i < ARRAY_LENGTH(generators); i++) {
        struct output out = {};
        struct generator generator = {.protocol = protocol,
                                      .out = &out,
                                      .name = protocol->heading.name.text,
                                      .upper = upper_case(&protocol->heading.name)};
        generators[i](&generator);
        CHECK(!out.failed && out.size > 0);
        output_free(&generator.line);
        output_free(&out);
    }
}

/* One line, and nothing else. */
static void check_message(struct text message) {
    struct text line = {};
    CHECK(text_line(&message, &line) && line.size > 0);
    CHECK(message.size == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *_Nonnull data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *_Nonnull data, size_t size) {
    struct text all = {.size = size, .data = (const char *)data};
    size_t end = 0;
    while (end < size && all.data[end] != '\0') {
        end++;
    }
    struct text rest = text_part(all, end + 1, size);
    struct source source = {.path = text_of("fuzz.idl"), .text = text_part(all, 0, end)};
    struct output messages = {};
    struct output syscalls = {};
    static struct protocol state; /* large: cleared, not allocated, for each run */
    struct protocol *protocol = &state;
    memset(protocol, 0, sizeof(*protocol));
    if (parse_protocol(source, protocol, &messages, find_rest, &rest) &&
        check_protocol(protocol, source.path, &messages)) {
        CHECK(messages.size == 0);
        generate_all(protocol);
    } else {
        check_message(output_text(&messages));
    }
    generate_syscalls(&syscalls, all);
    output_free(&syscalls);
    output_free(&messages);
    return 0;
}
