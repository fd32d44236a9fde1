/* The simulator's processor. */
#include "lib/base/bytes.h"
#include "servers/procfs/procfs.h"

void processor_describe(struct processor_name *_Nonnull out) {
    *out = (struct processor_name){.vendor = "simulated", .brand = "simulated"};
}
