#include "tools/exec-agent/agent.h"
#include "lib/base/safe.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

char *_Nonnull message_text(const struct message *_Nonnull message, size_t from) {
    CHECK(from <= message->length);
    char *text = strndup((const char *)&message->data[from], message->length - from);
    return SOME(text);
}

/* Appends the message's text to *text, or starts it. */
static void text_append(char *_Nullable *_Nonnull text, const struct message *_Nonnull message,
                        bool start) {
    char *more = message_text(message, 1);
    if (start || !*text) {
        *text = more;
        return;
    }
    char *whole = nullptr;
    CHECK(asprintf(&whole, "%s%s", *text, more) >= 0);
    free(more);
    free(*text);
    *text = whole;
}

static void variable_finish(struct agent *_Nonnull agent) {
    if (agent->variable) {
        CHECK(putenv(SOME(agent->variable)) == 0);
        agent->variable = nullptr; /* the environment owns it */
    }
}

/* Arguments, environment, directory: what makes up the command. */
static bool take_command(struct agent *_Nonnull agent, const struct message *_Nonnull message) {
    switch (message->data[0]) {
    case 'A':
        if (agent->argument_count == AGENT_ARGUMENTS) {
            return false;
        }
        text_append(&agent->arguments[agent->argument_count++], message, true);
        return true;
    case 'a':
        if (agent->argument_count > 0) {
            text_append(&agent->arguments[agent->argument_count - 1], message, false);
        }
        return true;
    case 'E':
        variable_finish(agent);
        text_append(&agent->variable, message, true);
        return true;
    case 'e':
        text_append(&agent->variable, message, false);
        return true;
    default: {
        char *path = message_text(message, 1);
        if (chdir(path) != 0) {
            perror(path);
        }
        free(path);
        return true;
    }
    }
}

static bool take_get(struct agent *_Nonnull agent, const struct message *_Nonnull message) {
    if (agent->get_count == AGENT_GETS) {
        return false;
    }
    agent->gets[agent->get_count++] = message_text(message, 1);
    return true;
}

static bool take_run(struct agent *_Nonnull agent) {
    if (agent->phase != COLLECTING || link_room(&agent->link) == 0) {
        return agent->phase != COLLECTING;
    }
    variable_finish(agent);
    return command_start(agent);
}

bool agent_take(void *_Nonnull context, const struct message *_Nonnull message) {
    struct agent *agent = context;
    if (message->length == 0) {
        return true;
    }
    switch (message->data[0]) {
    case 'P':
    case 'p':
    case 'q':
        return put_message(agent, message);
    case 'A':
    case 'a':
    case 'E':
    case 'e':
    case 'W':
        return take_command(agent, message);
    case 'G':
        return take_get(agent, message);
    case 'R':
        return take_run(agent);
    case 'Q':
        agent->quit = true;
        return true;
    default:
        return true; /* a message of a later version */
    }
}

/* The next request of the file; false at its end (then *out_good tells whether it ended well). */
static bool request_read(FILE *_Nonnull file, struct message *_Nonnull message,
                         bool *_Nonnull out_good) {
    uint8_t size[2];
    *out_good = false;
    size_t count = fread(size, 1, sizeof(size), file);
    if (count != sizeof(size)) {
        *out_good = count == 0 && feof(file);
        return false;
    }
    message->length = (uint16_t)(size[0] | size[1] << 8);
    return message->length > 0 && message->length <= FRAME_PAYLOAD &&
           fread(message->data, message->length, 1, file) == 1;
}

bool agent_take_file(struct agent *_Nonnull agent, const char *_Nonnull path) {
    static struct message message;
    bool good = false;
    FILE *file = fopen(path, "rbe");
    if (!file) {
        return false;
    }
    while (request_read(file, &message, &good)) {
        if (!agent_take(agent, &message)) {
            break; /* only too many arguments or files are refused before the line is at work */
        }
    }
    (void)fclose(file);
    return good;
}
