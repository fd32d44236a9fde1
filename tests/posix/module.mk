# A POSIX process with no servers but those of tests/posix/boot.c: boot images of three files, the
# program once with musl and once with glibc.
POSIX_TEST := $(OUT)/native/posix
$(POSIX_TEST): $(DIR_server)/tests/posix/boot.c.o $$(PROGRAM_LIBRARIES) host/build/program.ld
	$(call say,LD,$@)
	@mkdir -p $(@D)
	$(quiet)$(LD) -static -z max-page-size=4096 -z noexecstack --gc-sections --orphan-handling=error \
	    --build-id=none --fatal-warnings -T host/build/program.ld -o $@ $< --start-group $(PROGRAM_LIBRARIES) --end-group
$(POSIX_TEST)-musl: tests/posix/program.c $$(KERNEL_HEADERS)/.made
	$(call say,MUSL,$@)
	@mkdir -p $(@D)
	$(quiet)$(CC) --target=$(ARCH)-linux-musl $(MUSL_INCLUDES) -std=gnu23 -Wall -Wextra -Werror $(LINUX_COMMON) -c -o $@.o $<
	$(quiet)$(call MUSL_LINK,$@.o)
$(POSIX_TEST)-glibc: tests/posix/program.c
	$(call say,GLIBC,$@)
	@mkdir -p $(@D)
	$(quiet)$(CC) -std=gnu23 -Wall -Wextra -Werror $(LINUX_COMMON) -pthread -static -fuse-ld=lld-22 -o $@ $<
$(POSIX_TEST)-%.img: $(POSIX_TEST) $(POSIX_TEST)-% $$(POSIX_IMAGE) host/image/main.py
	$(call say,IMAGE,$@)
	$(quiet)$(OBJCOPY) --strip-all $< $@.supervisor
	$(quiet)$(OBJCOPY) --strip-all $(POSIX_IMAGE) $@.runtime
	$(quiet)python3 host/image/main.py build -o $@ --program supervisor=$@.supervisor \
	    --other program=$(POSIX_TEST)-$* --runtime $@.runtime
native-tests: $(POSIX_TEST)-musl.img $(POSIX_TEST)-glibc.img
DEPENDENCY_FILES += $(DIR_server)/tests/posix/boot.c.d
