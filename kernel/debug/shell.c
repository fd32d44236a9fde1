/* See shell.h: the line that is being typed, and which command it is. */
#include "kernel/debug/shell.h"
#include "kernel/object/domain.h"
#include "lib/base/bytes.h"
#include <stdarg.h>

static struct {
    char text[SHELL_LINE]; /* NUL-terminated when it is run */
    uint32_t length;
    bool too_long;
    uint8_t last;
} line GUARDED;

static void shell_help(const struct shell_out *_Nonnull out,
                       const struct shell_word *_Nonnull word) LOCKED;

static const struct command {
    const char *_Nonnull name;
    shell_command_t _Nonnull run;
    const char *_Nonnull help;
} commands[] = {
    {"help", shell_help, "what there is (also: ?)"},
    {"processes", shell_processes, "every process, dead ones too"},
    {"threads", shell_threads, "threads and what each waits for, of all or of PROCESS"},
    {"endpoints", shell_endpoints, "endpoints, who serves them, the calls there"},
    {"waits", shell_waits, "who waits on whom: calls, absent pages, readiness"},
    {"memory", shell_memory, "pages by use, slabs by type"},
    {"domains", shell_domains, "what each domain uses of its quota"},
    {"handles", shell_handles, "the handles of PROCESS"},
    {"space", shell_space, "the mappings of PROCESS"},
    {"processors", shell_processors, "what runs where, counters"},
    {"trace", shell_trace, "the last events; the last NUMBER; those whose name begins with WORD"},
};

void shell_print(const struct shell_out *_Nonnull out, const char *_Nonnull text, ...) {
    va_list arguments;
    va_start(arguments, text);
    format_to_list(out->put, out->context, text, arguments);
    va_end(arguments);
}

static void shell_help(const struct shell_out *_Nonnull out,
                       const struct shell_word *_Nonnull word) {
    (void)word;
    for (size_t i = 0; i < ARRAY_LENGTH(commands); i++) {
        shell_print(out, "%s: %s\n", commands[i].name, commands[i].help);
    }
    shell_print(out, "PROCESS is a number or a name. The name of a command may be cut short.\n");
}

const struct process *_Nullable shell_next(const struct process *_Nullable process) {
    struct domain *domain = domain_root();
    struct list *next = list_first(&domain->processes);
    if (process != nullptr) {
        domain = SOME(process->object.domain);
        next = list_after(&domain->processes, &process->domain_link);
    }
    while (next == nullptr) {
        domain = domain_next(domain);
        if (domain == nullptr) {
            return nullptr;
        }
        next = list_first(&domain->processes);
    }
    return LIST_ENTRY(next, struct process, domain_link);
}

const struct process *_Nullable shell_process(const struct shell_out *_Nonnull out,
                                              const struct shell_word *_Nonnull word) {
    const struct process *at = shell_next(nullptr);
    while (at != nullptr && !(word->is_number ? at->object.serial == word->number
                                              : text_equal(at->name, word->text))) {
        at = shell_next(at);
    }
    if (word->text[0] == '\0') {
        shell_print(out, "which process? Its number or name\n");
        return nullptr;
    }
    if (at == nullptr) {
        shell_print(out, "no process '%s': processes lists them\n", word->text);
    }
    return at;
}

/* The word at `*at` of the line; empty at its end. */
static struct shell_word take_word(uint32_t *_Nonnull at) LOCKED {
    struct shell_word word = {};
    uint32_t length = 0;
    while (*at < line.length && line.text[*at] == ' ') {
        (*at)++;
    }
    word.is_number = *at < line.length;
    while (*at < line.length && line.text[*at] != ' ') {
        char c = line.text[(*at)++];
        word.text[length++] = c;
        word.is_number = word.is_number && c >= '0' && c <= '9' &&
                         !ckd_mul(&word.number, word.number, 10ull) &&
                         !ckd_add(&word.number, word.number, (uint64_t)(c - '0'));
    }
    return word;
}

/* How many commands begin with `text`; the last of them, or the one of exactly that name. */
static uint32_t find(const char *_Nonnull text, uint32_t *_Nonnull out_index) {
    uint32_t found = 0;
    size_t length = text_length(text, SHELL_LINE);
    for (uint32_t i = 0; i < ARRAY_LENGTH(commands); i++) {
        if (text_equal(commands[i].name, text)) {
            *out_index = i;
            return 1;
        }
        if (length < text_length(commands[i].name, SHELL_LINE) &&
            bytes_equal(commands[i].name, text, length)) {
            *out_index = i;
            found++;
        }
    }
    return found;
}

static void run_line(const struct shell_out *_Nonnull out) LOCKED {
    uint32_t at = 0;
    uint32_t index = 0;
    struct shell_word name = take_word(&at);
    struct shell_word word = take_word(&at);
    struct shell_word more = take_word(&at);
    if (line.too_long) {
        shell_print(out, "too long: a line has at most %u characters\n", SHELL_LINE - 1);
    } else if (name.text[0] == '\0') {
        return;
    } else if (more.text[0] != '\0') {
        shell_print(out, "too many words: a command takes one at most\n");
    } else if (text_equal(name.text, "?")) {
        shell_help(out, &word);
    } else if (find(name.text, &index) != 1) {
        shell_print(out, "no command '%s', or several: help lists them\n", name.text);
    } else {
        commands[index].run(out, &word);
    }
}

void shell_greet(const struct shell_out *_Nonnull out) {
    shell_print(out, "kernel's debug shell; help lists the commands\n> ");
}

void shell_type(const struct shell_out *_Nonnull out, uint8_t byte) {
    enum { BACKSPACE = 8, KILL = 21, DELETE = 127, FIRST_PRINTABLE = 32 };
    uint8_t last = line.last;
    line.last = byte;
    if (byte == '\n' && last == '\r') {
        return; /* CR LF is one end */
    }
    if (byte == '\r' || byte == '\n') {
        shell_print(out, "\n");
        run_line(out);
        line.length = 0;
        line.too_long = false;
        shell_print(out, "> ");
    } else if ((byte == BACKSPACE || byte == DELETE) && line.length > 0) {
        line.length--;
        shell_print(out, "\b \b");
    } else if (byte == KILL) {
        line.length = 0;
        line.too_long = false;
        shell_print(out, "\n> ");
    } else if (byte >= FIRST_PRINTABLE && byte < DELETE) {
        if (line.length == SHELL_LINE - 1) {
            line.too_long = true;
            return;
        }
        line.text[line.length++] = (char)byte;
        shell_print(out, "%c", (char)byte);
    }
}
