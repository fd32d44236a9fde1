/* Texts for files: see struct text_window. */
#include "lib/base/format.h"
#include "servers/supervisor/table.h"

void window_begin(struct text_window *_Nonnull window, uint64_t offset, uint64_t room) {
    window->position = 0;
    window->offset = offset;
    window->size = 0;
    window->room = (size_t)MIN(room, (uint64_t)sizeof window->bytes);
}

static void put(void *_Nullable context, char c) {
    struct text_window *window = SOME(context);
    if (window->position >= window->offset && window->size < window->room) {
        window->bytes[window->size++] = c;
    }
    window->position++;
}

void window_print(struct text_window *_Nonnull window, const char *_Nonnull text, ...) {
    va_list arguments;
    va_start(arguments, text);
    format_to_list(put, window, text, arguments);
    va_end(arguments);
}
