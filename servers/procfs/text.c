/* Texts are built whole in the view's room for answers; what does not fit is cut. */
#include "lib/base/bytes.h"
#include "lib/base/format.h"
#include "servers/procfs/procfs.h"

void print(struct procfs *_Nonnull fs, const char *_Nonnull text, ...) {
    va_list arguments;
    va_start(arguments, text);
    fs->text_size += format_text_list((char *)&fs->view.output[0], fs->text_size,
                                      sizeof fs->view.output, text, arguments);
    va_end(arguments);
}

void print_bytes(struct procfs *_Nonnull fs, struct rt_bytes bytes) {
    size_t size = MIN(bytes.size, sizeof fs->view.output - fs->text_size);
    if (size > 0) {
        bytes_copy(&fs->view.output[fs->text_size], SOME(bytes.data), size);
        fs->text_size += size;
    }
}

void print_padded(struct procfs *_Nonnull fs, const char *_Nonnull text, size_t width) {
    print(fs, "%s", text);
    for (size_t i = text_length(text, width); i < width; i++) {
        print(fs, " ");
    }
}
