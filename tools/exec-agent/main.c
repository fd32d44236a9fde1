/* exec-agent: runs one command for the host at the other end of a serial line, and gives it exactly
 * the command's output and status. An ordinary Linux program; the protocol and its rules are in
 * docs/exec-protocol.md.
 *
 *     exec-agent [--request FILE] [LINE]
 *
 * LINE (standard input if absent) is put into raw mode if it is a terminal. FILE holds requests
 * that are taken before anything comes over the line. The status is 0 if the host said goodbye. */
#include "lib/base/safe.h"
#include "tools/exec-agent/agent.h"
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

enum { VERSION = 1 };

/* Written by the handler of SIGCHLD, so that poll sees the end of a child. */
static int child_pipe[2];

static void child_signal(int signal_number) {
    (void)signal_number;
    int saved = errno;
    (void)!write(child_pipe[1], "", 1);
    errno = saved;
}

static bool line_prepare(int line) {
    struct termios settings;
    if (tcgetattr(line, &settings) != 0) {
        return errno == ENOTTY || errno == EINVAL || errno == EOPNOTSUPP;
    }
    cfmakeraw(&settings);
    settings.c_cc[VMIN] = 1;
    settings.c_cc[VTIME] = 0;
    return tcsetattr(line, TCSAFLUSH, &settings) == 0;
}

static void child_reap(struct agent *_Nonnull agent) {
    uint8_t drop[64];
    (void)!read(child_pipe[0], drop, sizeof(drop));
    if (agent->phase == RUNNING && !agent->child_ended &&
        waitpid(agent->child, &agent->child_status, WNOHANG) == agent->child) {
        agent->child_ended = true;
    }
}

/* One read of a pipe of the command's. */
static bool forward(struct agent *_Nonnull agent, unsigned which) {
    static struct message message;
    message.data[0] = which == 0 ? 'o' : 'e';
    ssize_t count = read(agent->output[which], &message.data[1], FRAME_PAYLOAD - 1);
    if (count > 0) {
        message.length = (uint16_t)(count + 1);
        return link_send(&agent->link, &message, false);
    }
    if (count == 0 || errno != EINTR) {
        (void)close(agent->output[which]);
        agent->output[which] = -1;
    }
    return true;
}

/* Takes what came over the line; false when it is gone. */
static bool receive(struct agent *_Nonnull agent) {
    uint8_t data[512];
    ssize_t count = read(agent->link.line, data, sizeof(data));
    if (count < 0 && (errno == EINTR || errno == EAGAIN)) {
        return true;
    }
    if (count <= 0) {
        return false;
    }
    link_feed(&agent->link, data, (size_t)count, agent_take, agent);
    return true;
}

/* Waits for the line, the pipes and the child, and moves what can be moved. False ends the agent.
 */
static bool step(struct agent *_Nonnull agent) {
    bool room = link_room(&agent->link) > 0;
    bool busy = room && (get_pending(agent) || agent->child_ended) && agent->phase != COLLECTING;
    struct pollfd sources[4] = {
        {.fd = agent->link.line, .events = POLLIN},
        {.fd = child_pipe[0], .events = POLLIN},
        {.fd = room ? agent->output[0] : -1, .events = POLLIN},
        {.fd = room ? agent->output[1] : -1, .events = POLLIN},
    };
    if (poll(sources, ARRAY_LENGTH(sources), busy ? 0 : -1) < 0) {
        return errno == EINTR;
    }
    if (sources[1].revents) {
        child_reap(agent);
    }
    bool drained = true;
    for (unsigned which = 0; which < 2; which++) {
        if (sources[2 + which].revents && link_room(&agent->link) > 0) {
            drained = false;
            if (!forward(agent, which)) {
                return false;
            }
        }
    }
    /* `busy` says that the child had ended before poll looked: what it wrote was there then. */
    if (busy && drained && agent->phase == RUNNING && !command_report(agent)) {
        return false;
    }
    if (!get_step(agent)) {
        return false;
    }
    return !sources[0].revents || receive(agent);
}

static bool greet(struct agent *_Nonnull agent) {
    struct message message = {.length = 0};
    message_add_byte(&message, 'H');
    message_add_number(&message, VERSION);
    return link_send(&agent->link, &message, true);
}

static int serve(struct agent *_Nonnull agent, const char *_Nullable request) {
    if (!line_prepare(agent->link.line) || !greet(agent)) {
        perror("exec-agent: line");
        return 1;
    }
    if (request && !agent_take_file(agent, SOME(request))) {
        (void)fprintf(stderr, "exec-agent: %s is no request\n", request);
        return 1;
    }
    while (link_answer(&agent->link)) {
        if (agent->quit && agent->link.count == 0) {
            return 0;
        }
        if (!step(agent)) {
            break;
        }
    }
    return 1;
}

int main(int argc, char *_Nonnull *_Nonnull argv) {
    static struct agent agent = {.put = -1, .get = -1, .output = {-1, -1}};
    const char *request = nullptr;
    int next = 1;
    if (next + 1 < argc && strcmp(argv[next], "--request") == 0) {
        request = argv[next + 1];
        next += 2;
    }
    if (next + 1 < argc || (next < argc && argv[next][0] == '-')) {
        (void)fprintf(stderr, "usage: exec-agent [--request FILE] [LINE]\n");
        return 2;
    }
    agent.link.line = next < argc ? open(argv[next], O_RDWR | O_NOCTTY | O_CLOEXEC) : 0;
    if (agent.link.line < 0 || pipe2(child_pipe, O_CLOEXEC | O_NONBLOCK) != 0 || clearenv() != 0) {
        perror("exec-agent");
        return 1;
    }
    struct sigaction action = {.sa_handler = child_signal, .sa_flags = SA_RESTART | SA_NOCLDSTOP};
    if (sigaction(SIGCHLD, &action, nullptr) != 0 || signal(SIGPIPE, SIG_IGN) == SIG_ERR) {
        perror("exec-agent");
        return 1;
    }
    return serve(&agent, request);
}
