/* Has the kernel send the dirty pages that it holds of a file. Whoever asks for that waits inside
 * the kernel, beyond the reach of any signal, until the mount has answered the writes; if the
 * mount's own process waited there and were killed, it could not die, and its mount would hang. So
 * a child asks, which has neither the connection nor the disks open: opening the file by its number
 * and closing it again sends the pages. It dies with the socket to its parent. */
#include "mount.h"
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#pragma clang assume_nonnull begin

enum { HELPER_SOCKET = 3, HANDLE_NODE_AND_GENERATION = 0x81 };

/* As the kernel's FUSE makes it: the halves of the node number, and the generation. */
struct node_handle {
    uint32_t bytes;
    int32_t type;
    uint32_t high;
    uint32_t low;
    uint32_t generation;
};
static_assert(sizeof(struct node_handle) == 20);

/* The open file, or -1. */
static int open_node(const char *folder, uint64_t node) {
    struct node_handle handle = {.bytes = 12,
                                 .type = HANDLE_NODE_AND_GENERATION,
                                 .high = (uint32_t)(node >> 32),
                                 .low = (uint32_t)node,
                                 .generation = 1};
    int mounted = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (mounted < 0) {
        return -1;
    }
    int file = open_by_handle_at(mounted, (struct file_handle *)&handle, O_RDONLY | O_CLOEXEC);
    close(mounted); /* an open folder would keep the mount busy */
    return file;
}

[[noreturn]] static void helper(const char *folder, int socket) {
    uint64_t node = 0;
    if (dup2(socket, HELPER_SOCKET) != HELPER_SOCKET ||
        close_range(HELPER_SOCKET + 1, UINT32_MAX, 0) != 0) {
        _exit(1);
    }
    (void)signal(SIGINT, SIG_IGN); /* the parent unmounts on these, and may still need this */
    (void)signal(SIGTERM, SIG_IGN);
    (void)signal(SIGHUP, SIG_IGN);
    while (recv(HELPER_SOCKET, &node, sizeof node, 0) == (ssize_t)sizeof node) {
        int file = open_node(folder, node);
        (void)sync_file_range(file, 0, 0,
                              SYNC_FILE_RANGE_WAIT_BEFORE | SYNC_FILE_RANGE_WRITE |
                                  SYNC_FILE_RANGE_WAIT_AFTER);
        bool alive = send(HELPER_SOCKET, &node, sizeof node, MSG_NOSIGNAL) == (ssize_t)sizeof node;
        /* Closing takes the file's lock, which whoever waits for the answer may hold. */
        close(file);
        if (!alive) {
            break;
        }
    }
    _exit(0);
}

bool pages_start(struct mount *mount, const char *folder) {
    int sockets[2] = {-1, -1};
    mount->helper_socket = -1;
    if (geteuid() != 0) {
        return true; /* only root opens by number */
    }
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sockets) != 0) {
        return false;
    }
    pid_t child = fork();
    if (child == 0) {
        helper(folder, sockets[1]);
    }
    close(sockets[1]);
    mount->helper_socket = sockets[0];
    return child > 0;
}

void pages_end(struct mount *mount) {
    if (mount->helper_socket >= 0) {
        close(mount->helper_socket);
    }
}

void pages_back(struct mount *mount, uint64_t node) {
    if (mount->helper_socket >= 0 &&
        send(mount->helper_socket, &node, sizeof node, MSG_NOSIGNAL) == (ssize_t)sizeof node) {
        (void)recv(mount->helper_socket, &node, sizeof node, 0);
    }
}

#pragma clang assume_nonnull end
