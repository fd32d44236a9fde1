#pragma once
/* epoll instances as descriptors. */
#include "posix/state.h"

struct fd_entry epoll_entry(handle_t waitset, bool close_on_exec);
