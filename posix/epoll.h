#pragma once
/* epoll: the kernel's waitset waits; what was asked for is kept here (struct epoll_item). */
#include "posix/state.h"

/* A descriptor was closed: its interests go, and with an epoll descriptor all of it. */
void epoll_forget(struct posix_thread *_Nonnull self, int32_t fd);
