/* What the first program is: path, arguments and environment, in the form of posix/start.h. */
#include "lib/base/bytes.h"
#include "servers/init/init.h"

/* Appends one word and its NUL. */
static void append(struct rt_server *_Nonnull server, struct start_block *_Nonnull block,
                   struct rt_bytes word) {
    init_must(server,
              word.size < START_TEXT_SIZE - block->text_size ? STATUS_OK : STATUS_OUT_OF_RANGE,
              "the command is too long");
    bytes_copy(&block->text[block->text_size], SOME(word.data), word.size);
    block->text_size += (uint32_t)word.size + 1;
}

/* Takes the next word of `line`; empty at its end. */
static struct rt_bytes next_word(struct rt_bytes line, size_t *_Nonnull at) {
    while (*at < line.size && line.data[*at] == ' ') {
        (*at)++;
    }
    size_t first = *at;
    while (*at < line.size && line.data[*at] != ' ') {
        (*at)++;
    }
    return (struct rt_bytes){.size = *at - first, .data = bytes_at_const(SOME(line.data), first)};
}

static bool is_assignment(struct rt_bytes word) {
    for (size_t i = 1; i < word.size; i++) {
        if (word.data[i] == '=') {
            return true;
        }
    }
    return false;
}

static void append_kernel_arguments(struct rt_server *_Nonnull server,
                                    struct start_block *_Nonnull block) {
    uint64_t mapped = 0;
    handle_t arguments = rt_start_handle(server, "arguments");
    if (arguments == HANDLE_NONE) {
        return;
    }
    init_must(server, rt_map(0, 0, PAGE_SIZE, arguments, 0, PROTECT_READ, &mapped), "arguments");
    const char *text = rt_pointer(mapped);
    size_t at = 0;
    struct rt_bytes line = {.size = text_length(text, PAGE_SIZE), .data = (const uint8_t *)text};
    for (struct rt_bytes word = next_word(line, &at); word.size > 0; word = next_word(line, &at)) {
        if (is_assignment(word)) {
            append(server, block, word);
            block->environment_count++;
        }
    }
    init_must(server, rt_unmap(0, mapped, PAGE_SIZE), "arguments");
}

void init_command(struct rt_server *_Nonnull server, struct start_block *_Nonnull block) {
    const char *words = server->start->arguments;
    struct rt_bytes line = {.size = text_length(words, sizeof server->start->arguments),
                            .data = (const uint8_t *)words};
    size_t at = 0;
    append(server, block, next_word(line, &at)); /* the path */
    at = 0;
    for (struct rt_bytes word = next_word(line, &at); word.size > 0; word = next_word(line, &at)) {
        append(server, block, word);
        block->argument_count++;
    }
    append(server, block, RT_STRING("PATH=/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin"));
    append(server, block, RT_STRING("HOME=/root"));
    block->environment_count = 2;
    append_kernel_arguments(server, block);
}
