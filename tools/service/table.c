/* Reading and showing the table of services. */
#include "tools/service/service.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What each column is called, in the long list and in JSON, and its unit. */
static const struct {
    const char *_Nonnull name;
    const char *_Nonnull title;
    const char *_Nonnull unit;
} columns[COLUMNS] = {
    {"name", "service", ""},
    {"program", "program", ""},
    {"state", "state", ""},
    {"last_cause", "ended last by", ""},
    {"restarts", "restarts", ""},
    {"faults", "  by faults", ""},
    {"hangs", "  by hangs", ""},
    {"poisoned", "calls given up", ""},
    {"redelivered", "calls repeated", ""},
    {"started_ms", "started", "ms after boot"},
    {"ended_ms", "ended last", "ms after boot"},
    {"run_ms", "processor time", "ms"},
    {"pages", "memory", "pages"},
    {"queued", "calls queued", ""},
    {"in_hand", "  in hand", ""},
    {"parked", "  parked", ""},
    {"sessions", "sessions", ""},
    {"oldest_ms", "oldest call", "ms"},
};

/* Splits a line into its fields; false: it is no row. */
static bool row_read(char *_Nonnull line, struct row *_Nonnull out) {
    char *rest = line;
    for (unsigned i = 0; i < COLUMNS; i++) {
        const char *field = strsep(&rest, " \n");
        if (field == nullptr || field[0] == '\0' || strlen(field) >= FIELD) {
            return false;
        }
        (void)snprintf(out->fields[i], FIELD, "%s", field);
    }
    return true;
}

bool table_read(const struct options *_Nonnull options, struct table *_Nonnull out) {
    char path[PATH];
    char line[1024];
    (void)snprintf(path, sizeof path, "%s/isotope/services", options->from);
    FILE *file = fopen(path, "re");
    if (!file) {
        (void)fprintf(stderr, "service: %s: %s\n", path, strerror(errno));
        return false;
    }
    bool good = fgets(line, sizeof line, file) != nullptr; /* the head */
    out->count = 0;
    while (good && out->count < ROWS && fgets(line, sizeof line, file)) {
        good = row_read(line, &out->rows[out->count++]);
    }
    good = good && ferror(file) == 0;
    (void)fclose(file);
    if (!good) {
        (void)fprintf(stderr, "service: %s: not understood\n", path);
    }
    return good;
}

const struct row *_Nullable table_find(const struct table *_Nonnull table,
                                       const char *_Nonnull name) {
    for (unsigned i = 0; i < table->count; i++) {
        if (strcmp(table->rows[i].fields[NAME], name) == 0) {
            return &table->rows[i];
        }
    }
    return nullptr;
}

/* Names, states and causes are words of letters and strokes; all else are numbers. */
static void print_json(const struct row *_Nonnull row, const char *_Nonnull end) {
    for (unsigned i = 0; i < COLUMNS; i++) {
        const char *quote = i <= CAUSE ? "\"" : "";
        (void)printf("%s\"%s\": %s%s%s", i == 0 ? "{" : ", ", columns[i].name, quote,
                     row->fields[i], quote);
    }
    (void)printf("}%s\n", end);
}

int show_list(const struct options *_Nonnull options) {
    static struct table table;
    if (!table_read(options, &table)) {
        return EXIT_FAILED;
    }
    if (options->json) {
        (void)puts("[");
        for (unsigned i = 0; i < table.count; i++) {
            print_json(&table.rows[i], i + 1 < table.count ? "," : "");
        }
        (void)puts("]");
        return EXIT_GOOD;
    }
    (void)printf("%-12s %-9s %8s %-10s %12s %9s %7s\n", "SERVICE", "STATE", "RESTARTS",
                 "LAST ENDED", "STARTED (ms)", "RUN (ms)", "MEMORY");
    for (unsigned i = 0; i < table.count; i++) {
        const struct row *row = &table.rows[i];
        (void)printf("%-12s %-9s %8s %-10s %12s %9s %6lluK\n", row->fields[NAME],
                     row->fields[STATE], row->fields[RESTARTS], row->fields[CAUSE],
                     row->fields[STARTED], row->fields[RUN],
                     4 * strtoull(row->fields[PAGES], nullptr, 10));
    }
    return EXIT_GOOD;
}

int show_status(const struct options *_Nonnull options, const char *_Nonnull name) {
    static struct table table;
    if (!table_read(options, &table)) {
        return EXIT_FAILED;
    }
    const struct row *row = table_find(&table, name);
    if (row == nullptr) {
        (void)fprintf(stderr, "service: no service %s\n", name);
        return EXIT_UNKNOWN;
    }
    if (options->json) {
        print_json(SOME(row), "");
    }
    for (unsigned i = 0; i < COLUMNS && !options->json; i++) {
        (void)printf("%-16s %s%s%s\n", columns[i].title, SOME(row)->fields[i],
                     columns[i].unit[0] != '\0' ? " " : "", columns[i].unit);
    }
    bool runs = strcmp(SOME(row)->fields[STATE], "running") == 0 ||
                strcmp(SOME(row)->fields[STATE], "updating") == 0;
    return runs ? EXIT_GOOD : EXIT_NOT_RUNNING;
}
