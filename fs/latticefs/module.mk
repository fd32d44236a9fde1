# latticefs on the build machine: the simulator (soak-latticefs) and the tools. The libraries are Debian's.
LATTICE_LINK := -lxxhash -lsodium -llz4 -lzstd
LATTICE_CORE := $(call within,fs/latticefs/core)
LATTICE_SIM  := $(filter-out %/campaign_damage.c,$(filter fs/latticefs/sim/%.c,$(SOURCES)))
LATTICE_DAMAGE := $(subst campaign_seeds.c,campaign_damage.c,$(LATTICE_SIM))
LATTICE_FLAGS := -Ifs/latticefs/core
$(foreach f,$(filter fs/latticefs/%,$(TREE)),$(eval FLAGS_$(f) := $(LATTICE_FLAGS)))

$(call archive,host,latticefs,$(LATTICE_CORE))
$(call archive,asan,latticefs,$(LATTICE_CORE))
$(call host_program,host,$(HOST)/bin/soak-latticefs,$(LATTICE_SIM),$(DIR_host)/liblatticefs.a,$(LATTICE_LINK))
$(call host_program,asan,$(HOST)/bin/soak-latticefs-damage,$(LATTICE_DAMAGE),$(DIR_asan)/liblatticefs.a,$(LATTICE_LINK))
$(call host_program,asan,$(HOST)/sim/asan/soak-latticefs,$(LATTICE_SIM),$(DIR_asan)/liblatticefs.a,$(LATTICE_LINK))

LATTICE_HOST := $(addprefix fs/latticefs/tools/,host.c host_disk.c values.c)
LATTICE_COMMANDS := $(filter-out %/host.c %/host_disk.c %/values.c %/mkfs_main.c,$(filter fs/latticefs/tools/%.c,$(SOURCES)))
LATTICE_FUSE := $(filter fs/latticefs/fuse/%.c,$(SOURCES))
$(call host_program,host,$(HOST)/bin/mkfs.latticefs,fs/latticefs/tools/mkfs_main.c $(LATTICE_HOST),$(DIR_host)/liblatticefs.a,$(LATTICE_LINK))
$(call host_program,host,$(HOST)/bin/latticefs,$(LATTICE_COMMANDS) $(LATTICE_HOST),$(DIR_host)/liblatticefs.a,$(LATTICE_LINK))
$(foreach f,$(LATTICE_FUSE),$(eval FLAGS_$(f) := $(LATTICE_FLAGS) -isystem /usr/include/fuse3 -D_FILE_OFFSET_BITS=64))
$(call host_program,host,$(HOST)/bin/mount.fuse.latticefs,$(LATTICE_FUSE) $(LATTICE_HOST),$(DIR_host)/liblatticefs.a,$(LATTICE_LINK) -lfuse3)

# The mount over a disk that loses what was not flushed, and the mount under the thread sanitizer.
$(call host_program,host,$(HOST)/latticefs/mount-dropping,$(LATTICE_FUSE) $(LATTICE_HOST) fs/latticefs/tests/dropping_disk.c,$(DIR_host)/liblatticefs.a,$(LATTICE_LINK) -lfuse3 -Wl$(comma)--wrap=host_device_open)
$(call host_program,host,$(HOST)/latticefs/exercise,fs/latticefs/tests/exercise.c fs/latticefs/core/bytes.c)
$(call archive,tsan,latticefs,$(LATTICE_CORE))
$(call host_program,tsan,$(HOST)/latticefs/mount-tsan,$(LATTICE_FUSE) $(LATTICE_HOST),$(DIR_tsan)/liblatticefs.a,$(LATTICE_LINK) -lfuse3)
$(call host_program,asan,$(HOST)/latticefs/mount-asan,$(LATTICE_FUSE) $(LATTICE_HOST),$(DIR_asan)/liblatticefs.a,$(LATTICE_LINK) -lfuse3)

# Snapshots and mounts by what they do to a disk.
$(call host_program,host,$(HOST)/latticefs/constant-time,fs/latticefs/tests/constant_time.c fs/latticefs/tools/host.c fs/latticefs/tools/host_disk.c,$(DIR_host)/liblatticefs.a,$(LATTICE_LINK))
