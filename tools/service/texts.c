/* Reports and the log: text that is there already, of which the lines of one service are shown. */
#include "tools/service/service.h"
#include <errno.h>
#include <stdio.h>
#include <string.h>

static FILE *_Nullable open_text(const struct options *_Nonnull options,
                                 const char *_Nonnull name) {
    char path[PATH];
    (void)snprintf(path, sizeof path, "%s/%s", options->from, name);
    FILE *file = fopen(path, "re");
    if (!file) {
        (void)fprintf(stderr, "service: %s: %s\n", path, strerror(errno));
    }
    return file;
}

/* The status of a text that was read to its end. */
static int done(FILE *_Nonnull file) {
    int status = ferror(file) != 0 ? EXIT_FAILED : EXIT_GOOD;
    if (status != EXIT_GOOD) {
        perror("service");
    }
    (void)fclose(file);
    return status;
}

/* A report begins with "report N of NAME:", and its other lines are indented. */
int show_reports(const struct options *_Nonnull options, const char *_Nullable name) {
    char line[1024];
    bool shown = name == nullptr;
    unsigned count = 0;
    FILE *file = open_text(options, "isotope/reports");
    if (!file) {
        return errno == EACCES ? EXIT_NOT_ALLOWED : EXIT_FAILED;
    }
    while (fgets(line, sizeof line, SOME(file))) {
        char of[FIELD] = "";
        if (sscanf(line, "report %*u of %31[^:]:", of) == 1) {
            shown = name == nullptr || strcmp(of, SOME(name)) == 0;
            count += shown ? 1 : 0;
        }
        if (shown) {
            (void)fputs(line, stdout);
        }
    }
    if (count == 0) {
        (void)fprintf(stderr, "service: no reports\n");
    }
    return done(SOME(file));
}

/* An entry is "<LEVEL>[SECONDS] NAME: TEXT". */
int show_log(const struct options *_Nonnull options, const char *_Nullable name) {
    char line[2048];
    FILE *file = open_text(options, "kmsg");
    if (!file) {
        return errno == EACCES ? EXIT_NOT_ALLOWED : EXIT_FAILED;
    }
    while (fgets(line, sizeof line, SOME(file))) {
        const char *text = strchr(line, '[');
        const char *said = text ? strstr(SOME(text), "] ") : nullptr;
        if (!text || !said) {
            continue;
        }
        char by[FIELD] = "";
        bool named = sscanf(SOME(said), "] %31[^: ]:", by) == 1;
        if (name == nullptr || (named && strcmp(by, SOME(name)) == 0)) {
            (void)fputs(text, stdout);
        }
    }
    return done(SOME(file));
}
