#include "lib/base/safe.h"
#include "tools/exec-agent/agent.h"
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

enum ending { ENDED_EXIT = 0, ENDED_SIGNAL = 1, ENDED_UNSTARTED = 2 };

static bool report(struct agent *_Nonnull agent, enum ending how, int value) {
    struct message message = {.length = 0};
    message_add_byte(&message, 'X');
    message_add_byte(&message, (uint8_t)how);
    message_add_number(&message, (uint32_t)value);
    agent->phase = ENDED;
    return link_send(&agent->link, &message, true);
}

bool command_report(struct agent *_Nonnull agent) {
    if (WIFSIGNALED(agent->child_status)) {
        return report(agent, ENDED_SIGNAL, WTERMSIG(agent->child_status));
    }
    return report(agent, ENDED_EXIT, WEXITSTATUS(agent->child_status));
}

/* Its own session, no standard input, default signals. Returns an errno. */
static int spawn(struct agent *_Nonnull agent, int output, int error) {
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    sigset_t all;
    sigset_t none;
    sigfillset(&all);
    sigemptyset(&none);
    int failure = posix_spawn_file_actions_init(&actions);
    failure = failure ? failure : posix_spawnattr_init(&attributes);
    failure = failure ? failure : posix_spawnattr_setsigdefault(&attributes, &all);
    failure = failure ? failure : posix_spawnattr_setsigmask(&attributes, &none);
    failure =
        failure ? failure
                : posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSID | POSIX_SPAWN_SETSIGDEF |
                                                            POSIX_SPAWN_SETSIGMASK);
    failure =
        failure ? failure : posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
    failure = failure ? failure : posix_spawn_file_actions_adddup2(&actions, output, 1);
    failure = failure ? failure : posix_spawn_file_actions_adddup2(&actions, error, 2);
    if (!failure) {
        failure = posix_spawnp(&agent->child, SOME(agent->arguments[0]), &actions, &attributes,
                               (char **)agent->arguments, environ);
    }
    return failure;
}

bool command_start(struct agent *_Nonnull agent) {
    int output[2] = {-1, -1};
    int error[2] = {-1, -1};
    int failure = agent->argument_count == 0 ? EINVAL : 0;
    agent->arguments[agent->argument_count] = nullptr;
    if (!failure && (pipe2(output, O_CLOEXEC) != 0 || pipe2(error, O_CLOEXEC) != 0)) {
        failure = errno;
    }
    if (!failure) {
        failure = spawn(agent, output[1], error[1]);
    }
    (void)close(output[1]);
    (void)close(error[1]);
    if (failure) {
        (void)close(output[0]);
        (void)close(error[0]);
        return report(agent, ENDED_UNSTARTED, failure);
    }
    agent->output[0] = output[0];
    agent->output[1] = error[0];
    agent->phase = RUNNING;
    return true;
}
