/* idlc, the interface compiler: idlc --kind KIND -o OUT FILE.
 *
 * Exit status: 0, 1 when the file has an error (told as file:line:column: message) or cannot be
 * read or written, 2 when the command line is wrong. OUT is written whole or not at all. */
#include "host/idlc/generate.h"
#include "host/idlc/manual.h"
#include "host/idlc/parser.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct {
    const char *_Nonnull name;
    void (*_Nonnull generate)(struct generator *_Nonnull);
    const char *_Nonnull about;
} kinds[] = {
    {"header", generate_header, "types, stubs' prototypes, the server's interface"},
    {"client", generate_client, "client stubs"},
    {"server", generate_server, "the validating dispatcher"},
    {"trace", generate_trace, "the trace decoder"},
    {"manual", generate_manual, "a manual page, man(7)"},
    {"fuzz", generate_fuzz, "a libFuzzer harness for dispatcher and stubs"},
};

static void usage(FILE *_Nonnull to) {
    fprintf(to, "usage: idlc --kind KIND -o OUT FILE\n\nKinds, from an interface file:\n");
    for (size_t i = 0; i < ARRAY_LENGTH(kinds); i++) {
        fprintf(to, "  %-9s %s\n", kinds[i].name, kinds[i].about);
    }
    fprintf(to, "From abi/syscall.h:\n  syscalls  the manual page of the native system calls\n");
}

/* A whole file; false with nothing kept where it cannot be read. */
static bool read_file(const char *_Nonnull path, struct output *_Nonnull out) {
    FILE *file = fopen(path, "rb");
    if (!file) {
        return false;
    }
    char piece[4096];
    size_t size = 0;
    do {
        size = fread(piece, 1, sizeof(piece), file);
        emit_text(out, (struct text){.size = size, .data = piece});
    } while (size == sizeof(piece));
    bool good = !ferror(file) && !out->failed;
    (void)fclose(file);
    return good;
}

static bool write_file(const char *_Nonnull path, const struct output *_Nonnull out) {
    FILE *file = fopen(path, "wb");
    if (!file) {
        return false;
    }
    bool good = out->size == 0 || fwrite(out->data, 1, out->size, file) == out->size;
    good = fclose(file) == 0 && good;
    if (!good) {
        (void)remove(path);
    }
    return good;
}

/* The files that were read; they stay until the program ends. */
struct sources {
    const char *_Nonnull path; /* of the main file: others lie beside it */
    uint32_t count;
    struct output paths[USE_MAX + 1], texts[USE_MAX + 1];
};

static bool find_use(void *_Nullable state, struct text name, struct source *_Nonnull out) {
    struct sources *sources = state;
    if (!sources || sources->count > USE_MAX) {
        return false;
    }
    struct output *path = &sources->paths[sources->count];
    struct output *text = &sources->texts[sources->count];
    struct text beside = text_of(sources->path);
    size_t folder = beside.size;
    while (folder > 0 && beside.data[folder - 1] != '/') {
        folder--;
    }
    emit_text(path, text_part(beside, 0, folder));
    emit_text(path, name);
    emit(path, ".idl");
    if (path->failed || !path->data || !read_file((const char *_Nonnull)path->data, text)) {
        return false;
    }
    sources->count++;
    *out = (struct source){.path = output_text(path), .text = output_text(text)};
    return true;
}

struct options {
    const char *_Nullable kind;
    const char *_Nullable out;
    const char *_Nullable file;
};

/* Parses, checks and generates; the result or the message is told in `out` or `messages`. */
static bool compile(const char *_Nonnull path, struct text text,
                    void (*_Nonnull generate)(struct generator *_Nonnull),
                    struct output *_Nonnull out, struct output *_Nonnull messages) {
    struct sources sources = {.path = path};
    struct source source = {.path = text_of(path), .text = text};
    struct protocol *protocol = calloc(1, sizeof(*protocol));
    bool good = protocol && parse_protocol(source, protocol, messages, find_use, &sources) &&
                check_protocol(protocol, source.path, messages);
    if (good) {
        struct generator generator = {.protocol = protocol,
                                      .out = out,
                                      .name = protocol->heading.name.text,
                                      .upper = upper_case(&protocol->heading.name)};
        generate(&generator);
        output_free(&generator.line);
    }
    for (size_t i = 0; i < ARRAY_LENGTH(sources.paths); i++) {
        output_free(&sources.paths[i]);
        output_free(&sources.texts[i]);
    }
    free(protocol);
    return good && !out->failed;
}

/* Errors: exit status 1 or 2. */
static int run(const struct options *_Nonnull options) {
    struct output text = {};
    struct output out = {};
    struct output messages = {};
    int status = 1;
    bool good = false;
    const char *file = SOME(options->file);
    if (!read_file(file, &text)) {
        fprintf(stderr, "%s: cannot be read\n", file);
        goto out;
    }
    status = 2;
    if (strcmp(SOME(options->kind), "syscalls") == 0) {
        status = 1;
        generate_syscalls(&out, output_text(&text));
        good = !out.failed;
    }
    for (size_t i = 0; i < ARRAY_LENGTH(kinds); i++) {
        if (strcmp(SOME(options->kind), kinds[i].name) == 0) {
            status = 1;
            good = compile(file, output_text(&text), kinds[i].generate, &out, &messages);
        }
    }
    if (status == 2) {
        fprintf(stderr, "idlc: no kind '%s'\n", SOME(options->kind));
        usage(stderr);
    } else if (!good) {
        fprintf(stderr, "%s", messages.data ? messages.data : "idlc: out of memory\n");
    } else if (!write_file(SOME(options->out), &out)) {
        fprintf(stderr, "%s: cannot be written\n", SOME(options->out));
    } else {
        status = 0;
    }
out:
    output_free(&text);
    output_free(&out);
    output_free(&messages);
    return status;
}

UNSAFE_BEGIN
int main(int argc, char *_Nonnull *_Nonnull argv) {
    struct options options = {};
    for (int i = 1; i < argc; i++) {
        bool more = i + 1 < argc;
        if (strcmp(argv[i], "--help") == 0) {
            usage(stdout);
            return 0;
        }
        if (strcmp(argv[i], "--kind") == 0 && more) {
            options.kind = argv[++i];
        } else if (strcmp(argv[i], "-o") == 0 && more) {
            options.out = argv[++i];
        } else if (argv[i][0] != '-' && !options.file) {
            options.file = argv[i];
        } else {
            fprintf(stderr, "idlc: what is '%s'?\n", argv[i]);
            usage(stderr);
            return 2;
        }
    }
    if (!options.kind || !options.out || !options.file) {
        usage(stderr);
        return 2;
    }
    return run(&options);
}
UNSAFE_END
