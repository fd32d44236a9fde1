/* In the simulator a program is a function of the host process, found by its name. */
#include "kernel/arch/sim/sim.h"
#include "servers/supervisor/table.h"

status_t program_load(const struct supervisor *_Nonnull self,
                      const struct image_file *_Nonnull file, handle_t process,
                      uint64_t *_Nonnull out_entry, uint64_t *_Nonnull out_stack,
                      uint64_t *_Nonnull out_page) {
    (void)self;
    (void)process;
    *out_entry = sim_find_program(file->entry.name);
    *out_stack = 0;
    *out_page = 0;
    return *out_entry != 0 ? STATUS_OK : STATUS_NOT_FOUND;
}
