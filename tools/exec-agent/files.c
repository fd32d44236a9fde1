#include "lib/base/safe.h"
#include "tools/exec-agent/agent.h"
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static void put_begin(struct agent *_Nonnull agent, const struct message *_Nonnull message) {
    free(agent->put_path);
    agent->put_errno = 0;
    agent->put_mode = 0600;
    agent->put_path = message_text(message, message->length < 5 ? message->length : 5);
    if (message->length >= 5) {
        agent->put_mode = message_number(message, 1);
    }
    agent->put = open(SOME(agent->put_path), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (agent->put < 0) {
        agent->put_errno = errno;
    }
}

static void put_bytes(struct agent *_Nonnull agent, const struct message *_Nonnull message) {
    for (size_t done = 1; done < message->length && agent->put_errno == 0;) {
        ssize_t written = write(agent->put, &message->data[done], message->length - done);
        if (written >= 0) {
            done += (size_t)written;
        } else if (errno != EINTR) {
            agent->put_errno = errno;
        }
    }
}

/* Closes the file and reports a failure of any of its steps. */
static bool put_end(struct agent *_Nonnull agent) {
    if (agent->put >= 0) {
        bool good = fchmod(agent->put, agent->put_mode & 07777) == 0;
        good = close(agent->put) == 0 && good;
        agent->put_errno = agent->put_errno == 0 && !good ? errno : agent->put_errno;
        agent->put = -1;
    }
    if (agent->put_errno == 0 || !agent->put_path) {
        return true;
    }
    struct message message = {.length = 0};
    message_add_byte(&message, 'F');
    message_add_number(&message, (uint32_t)agent->put_errno);
    const char *path = SOME(agent->put_path);
    for (size_t i = 0; path[i] != '\0' && message.length < FRAME_PAYLOAD; i++) {
        message_add_byte(&message, (uint8_t)path[i]);
    }
    return link_send(&agent->link, &message, true);
}

bool put_message(struct agent *_Nonnull agent, const struct message *_Nonnull message) {
    switch (message->data[0]) {
    case 'P':
        put_begin(agent, message);
        return true;
    case 'p':
        put_bytes(agent, message);
        return true;
    default:
        return link_room(&agent->link) > 0 && put_end(agent);
    }
}

bool get_pending(const struct agent *_Nonnull agent) {
    return agent->phase == ENDED && agent->get_next < agent->get_count;
}

static bool get_end(struct agent *_Nonnull agent, int failure) {
    struct stat info = {.st_mode = 0};
    if (agent->get >= 0) {
        failure = failure == 0 && fstat(agent->get, &info) != 0 ? errno : failure;
        (void)close(agent->get);
        agent->get = -1;
    }
    agent->get_next++;
    struct message message = {.length = 0};
    message_add_byte(&message, 'z');
    message_add_number(&message, (uint32_t)failure);
    message_add_number(&message, info.st_mode & 07777);
    return link_send(&agent->link, &message, true);
}

bool get_step(struct agent *_Nonnull agent) {
    if (!get_pending(agent) || link_room(&agent->link) == 0) {
        return true;
    }
    if (agent->get < 0) {
        agent->get = open(SOME(agent->gets[agent->get_next]), O_RDONLY | O_CLOEXEC);
        if (agent->get < 0) {
            return get_end(agent, errno);
        }
    }
    static struct message message;
    message.data[0] = 'g';
    ssize_t count = read(agent->get, &message.data[1], FRAME_PAYLOAD - 1);
    if (count <= 0) {
        return count < 0 && errno == EINTR ? true : get_end(agent, count < 0 ? errno : 0);
    }
    message.length = (uint16_t)(count + 1);
    return link_send(&agent->link, &message, false);
}
