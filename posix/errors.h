#pragma once
/* Status codes to negative errnos: the only place where the two vocabularies meet. */
#include "abi/status.h"
#include "posix/linux.h"

/* Codes of the kernel and those common to all protocols. CANCELLED becomes ERESTARTSYS, which the
 * way back to the program turns into EINTR or another try. */
int64_t error_of(status_t status);
int64_t error_of_filesystem(status_t status);
int64_t error_of_stream(status_t status);
int64_t error_of_process(status_t status);
int64_t error_of_local(status_t status);
int64_t error_of_tty(status_t status);
