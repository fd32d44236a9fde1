#pragma once
/* What the host asked for, and how far it is.
 *
 *     COLLECTING --R--> RUNNING --child ended, pipes drained--> ENDED (files are sent; Q leaves)
 */
#include "tools/exec-agent/link.h"
#include <sys/types.h>

enum { AGENT_ARGUMENTS = 256, AGENT_GETS = 64 };
enum agent_phase { COLLECTING, RUNNING, ENDED };

struct agent {
    struct link link;
    enum agent_phase phase;
    bool quit;
    /* COLLECTING */
    char *_Nullable arguments[AGENT_ARGUMENTS + 1];
    size_t argument_count;
    char *_Nullable variable; /* NAME=VALUE, being received */
    int put;                  /* file being written, -1: none */
    int put_errno;            /* its first error */
    uint32_t put_mode;
    char *_Nullable put_path;
    /* RUNNING */
    pid_t child;
    int child_status;
    bool child_ended;
    int output[2]; /* read ends of its standard output and error; -1: closed */
    /* files asked for, in order */
    char *_Nullable gets[AGENT_GETS];
    size_t get_count;
    size_t get_next;
    int get; /* file being read, -1: none */
};

/* link_deliver for an agent. */
bool agent_take(void *_Nonnull agent, const struct message *_Nonnull message);

/* Reads a request file; false if it is malformed or cannot be read. */
[[nodiscard]] bool agent_take_file(struct agent *_Nonnull agent, const char *_Nonnull path);

/* Starts the command; failure to start is reported to the host as its end. */
[[nodiscard]] bool command_start(struct agent *_Nonnull agent);

/* Reports how the command ended. */
[[nodiscard]] bool command_report(struct agent *_Nonnull agent);

/* Begins, goes on with, and ends a file that the host puts. */
[[nodiscard]] bool put_message(struct agent *_Nonnull agent,
                               const struct message *_Nonnull message);

/* Sends the next piece of the files asked for; nothing without room or when all were sent. */
[[nodiscard]] bool get_step(struct agent *_Nonnull agent);
bool get_pending(const struct agent *_Nonnull agent);

/* The text of a message behind its first `from` bytes; owned by the caller, never null. */
char *_Nonnull message_text(const struct message *_Nonnull message, size_t from);
