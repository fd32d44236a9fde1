# The vDSO is a shared object of its own, embedded into the runtime's image.
POSIX_SOURCES := $(filter-out posix/vdso/%,$(POSIX_SOURCES))
VDSO := $(OUT)/posix/vdso.so
$(VDSO): posix/vdso/vdso.c posix/vdso/vdso.map posix/vdso/vdso.ld posix/layout.h posix/linux.h abi/info.h
	$(call say,VDSO,$@)
	@mkdir -p $(@D)
	$(quiet)$(CC) --target=x86_64-unknown-linux-gnu $(WARNINGS) -O2 -ffreestanding -nostdlibinc -fno-builtin \
	    -fPIC -fvisibility=default -mgeneral-regs-only -fno-stack-protector -fno-asynchronous-unwind-tables \
	    -Wno-reserved-identifier $(INCLUDES) -c -o $@.o $<
	$(quiet)$(LD) -shared -z max-page-size=4096 -z noexecstack --build-id=none --hash-style=both \
	    -soname linux-vdso.so.1 --version-script posix/vdso/vdso.map -T posix/vdso/vdso.ld -o $@ $@.o
FLAGS_posix/nucleus/vdso.S := -Wa,-I$(OUT)/posix
$(OUT)/posix/posix/nucleus/vdso.S.o: $(VDSO)
# A fault inside the runtime goes on at a fix-up, which uses the stack below (nucleus/entry.S).
FLAGS_VARIANT_posix += -mno-red-zone
