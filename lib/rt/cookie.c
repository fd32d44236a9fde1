/* Sessions of a server that clients give back to it as handles. */
#include "lib/rt/message.h"
#include "lib/rt/native.h"

status_t rt_handle_own_cookie(const struct rt_request *_Nonnull request, handle_t handle,
                              uint64_t *_Nonnull out_cookie) {
    struct session_info info = {};
    status_t status = rt_object_info(handle, INFO_SESSION, &info, sizeof info);
    if (status != STATUS_OK) {
        return status == STATUS_BAD_ARGUMENT ? STATUS_BAD_TYPE : status;
    }
    if (info.endpoint_serial != request->endpoint_serial) {
        return STATUS_BAD_ARGUMENT;
    }
    *out_cookie = info.cookie;
    return STATUS_OK;
}
