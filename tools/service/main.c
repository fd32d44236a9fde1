/* service: looks after the services of an Isotope system. An ordinary Linux program: it reads files
 * of /proc/isotope, and writes one line to one of them; docs/services.md tells what they are. */
#include "tools/service/service.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char help[] =
    "usage: service [--json] [--from FOLDER] COMMAND [ARGUMENT...]\n"
    "\n"
    "  list                  the services and how they are\n"
    "  status NAME           all that is known of one; 3: it does not run\n"
    "  restart NAME          ends its process and starts the next; its calls come again\n"
    "  stop NAME [SECONDS]   stops it, for ever or for a time; its calls wait\n"
    "  start NAME            starts it, and what it needs\n"
    "  update NAME PROGRAM   another program of the boot image, on probation\n"
    "  crash NAME            makes its next call fault, for trying things out\n"
    "  report [NAME]         the crash reports that are kept\n"
    "  log [NAME]            what it said; `kernel` is a name too\n"
    "\n"
    "  --json                list and status as JSON\n"
    "  --from FOLDER         in place of /proc\n"
    "\n"
    "Status: 0 done, 1 failed, 2 usage, 3 not running, 4 no such service or program,\n"
    "5 not allowed, 6 the new program failed its probation and the old one runs again.\n";

static int usage(void) {
    (void)fputs(help, stderr);
    return EXIT_USAGE;
}

static int explain(int error, const char *_Nonnull command, const char *_Nonnull name) {
    switch (error) {
    case ENOENT:
        (void)fprintf(stderr, "service: no such service or program: %s\n", name);
        return EXIT_UNKNOWN;
    case EACCES:
    case EPERM:
        (void)fprintf(stderr, "service: %s %s: not allowed%s\n", command, name,
                      geteuid() == 0 ? "; what programs cannot do without is stopped for a time "
                                       "only: stop NAME SECONDS"
                                     : "");
        return EXIT_NOT_ALLOWED;
    case EIO:
        if (strcmp(command, "update") == 0) {
            (void)fprintf(stderr,
                          "service: %s: the new program failed its probation; the old one "
                          "runs again\n",
                          name);
            return EXIT_ROLLED_BACK;
        }
        break;
    default:
        break;
    }
    (void)fprintf(stderr, "service: %s %s: %s\n", command, name, strerror(error));
    return EXIT_FAILED;
}

/* Writes the command and its arguments as one line. */
static int command(const struct options *_Nonnull options, int count,
                   char *_Nonnull const *_Nonnull words) {
    char path[PATH];
    char line[PATH];
    size_t length = 0;
    (void)snprintf(path, sizeof path, "%s/isotope/services", options->from);
    for (int i = 0; i < count; i++) {
        int added =
            snprintf(&line[length], sizeof line - length, "%s%s", i > 0 ? " " : "", words[i]);
        if (added < 0 || (size_t)added >= sizeof line - length) {
            return usage();
        }
        length += (size_t)added;
    }
    int file = open(path, O_WRONLY | O_CLOEXEC);
    if (file < 0) {
        (void)fprintf(stderr, "service: %s: %s\n", path, strerror(errno));
        return errno == EACCES ? EXIT_NOT_ALLOWED : EXIT_FAILED;
    }
    ssize_t written = write(file, line, length);
    int error = errno;
    (void)close(file);
    return written == (ssize_t)length ? EXIT_GOOD : explain(error, words[0], words[1]);
}

static int run(const struct options *_Nonnull options, int count,
               char *_Nonnull const *_Nonnull words) {
    const char *what = words[0];
    const char *name = count > 1 ? words[1] : nullptr;
    if (strcmp(what, "list") == 0 && count == 1) {
        return show_list(options);
    }
    if (strcmp(what, "status") == 0 && count == 2) {
        return show_status(options, SOME(name));
    }
    if (strcmp(what, "report") == 0 && count <= 2) {
        return show_reports(options, name);
    }
    if (strcmp(what, "log") == 0 && count <= 2) {
        return show_log(options, name);
    }
    bool two = strcmp(what, "restart") == 0 || strcmp(what, "start") == 0 ||
               strcmp(what, "crash") == 0 || strcmp(what, "stop") == 0;
    bool three = strcmp(what, "update") == 0 || strcmp(what, "stop") == 0;
    return (count == 2 && two) || (count == 3 && three) ? command(options, count, words) : usage();
}

int main(int argc, char *_Nonnull *_Nonnull argv) {
    struct options options = {.from = "/proc"};
    int next = 1;
    for (; next < argc && strncmp(argv[next], "--", 2) == 0; next++) {
        if (strcmp(argv[next], "--help") == 0) {
            (void)fputs(help, stdout);
            return EXIT_GOOD;
        }
        if (strcmp(argv[next], "--json") == 0) {
            options.json = true;
        } else if (strcmp(argv[next], "--from") == 0 && next + 1 < argc) {
            options.from = argv[++next];
        } else {
            return usage();
        }
    }
    if (next == argc) {
        return usage();
    }
    int status = run(&options, argc - next, &argv[next]);
    if (fflush(stdout) != 0 && status == EXIT_GOOD) {
        perror("service");
        return EXIT_FAILED;
    }
    return status;
}
