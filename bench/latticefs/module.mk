# The programs of ./isotope bench latticefs.
$(foreach f,$(filter bench/latticefs/%,$(TREE)),$(eval FLAGS_$(f) := -Ifs/latticefs/core))
FLAGS_bench/latticefs/passthrough.c := -isystem /usr/include/fuse3 -D_FILE_OFFSET_BITS=64
$(call host_program,host,$(HOST)/latticefs/bench-workload,bench/latticefs/workload.c,,)
$(call host_program,host,$(HOST)/latticefs/bench-passthrough,bench/latticefs/passthrough.c,,-lfuse3)
$(call host_program,host,$(HOST)/latticefs/bench-core,bench/latticefs/core.c bench/posix/measure.c,$(DIR_host)/liblatticefs.a,-static -lxxhash -lsodium -llz4 -lzstd -lpthread)
