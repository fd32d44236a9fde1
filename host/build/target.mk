# What runs on the machine: kernel image, programs (servers, drivers), POSIX runtime, boot image.

# --- kernel: its own sources and lib/base
$(call archive,kernel,base,$(call not_sim,$(call within,lib/base)))
KERNEL_OBJECTS := $(call objects,kernel,$(KERNEL_SOURCES))
KERNEL_SCRIPT  := $(filter kernel/arch/$(ARCH)/kernel.ld,$(TREE))
DEPENDENCY_FILES += $(KERNEL_OBJECTS:.o=.d)

# The debug shell stands in front of these functions (kernel/arch/x86_64/shell_port.c).
SHELL_WRAPS := clock_init device_irq_raised syscall_dispatch user_fault user_exception process_kill endpoint_requeue
KERNEL_LINK := $(if $(filter debug,$(PROFILE)),$(addprefix --wrap=,$(SHELL_WRAPS)))

ifneq ($(KERNEL_SCRIPT),)
KERNEL_IMAGE := $(OUT)/kernel.elf
$(KERNEL_IMAGE): $(KERNEL_OBJECTS) $(DIR_kernel)/libbase.a $(KERNEL_SCRIPT)
	$(call say,LD,$@)
	$(quiet)$(LD) -static -z max-page-size=4096 -z noexecstack --gc-sections \
	    --build-id=none --fatal-warnings $(KERNEL_LINK) -T $(KERNEL_SCRIPT) -Map=$@.map -o $@ $(KERNEL_OBJECTS) $(DIR_kernel)/libbase.a
endif
kernel: $(KERNEL_OBJECTS) $(DIR_kernel)/libbase.a $(KERNEL_IMAGE)

# --- programs: a folder's sources, lib/rt and its friends, at a fixed base, without writable data
$(foreach l,$(LIBRARIES),$(call archive,server,$(l),$(call not_sim,$(call within,lib/$(l)))))
PROGRAM_LIBRARIES := $(foreach l,$(LIBRARIES),$(DIR_server)/lib$(l).a) $(if $(IDL_SOURCES),$(DIR_server)/libidl.a)
PROGRAM_SCRIPT := host/build/program.ld
PROGRAM_FILES :=

define program_rule
PROGRAM_OBJECTS_$(1) := $$(call objects,server,$$(call not_sim,$$(call within,$(2))) $$(PROGRAM_EXTRA_$(1)))
DEPENDENCY_FILES += $$(PROGRAM_OBJECTS_$(1):.o=.d)
PROGRAM_FILES += $(OUT)/programs/$(1)
$(OUT)/programs/$(1): $$(PROGRAM_OBJECTS_$(1)) $(PROGRAM_LIBRARIES) $(PROGRAM_SCRIPT)
	$$(call say,LD,$$@)
	@mkdir -p $$(@D)
	$$(quiet)$$(LD) -static -z max-page-size=4096 -z noexecstack --gc-sections --orphan-handling=error \
	    --build-id=none --fatal-warnings -T $(PROGRAM_SCRIPT) -o $$@ $$(PROGRAM_OBJECTS_$(1)) \
	    --start-group $(PROGRAM_LIBRARIES) --end-group
endef
$(foreach f,$(PROGRAM_FOLDERS),$(eval $(call program_rule,$(call program_name,$(f)),$(f))))
# Without lib/rt nothing can be linked yet: compile only.
ifneq ($(filter rt,$(LIBRARIES)),)
programs: $(PROGRAM_FILES)
else
programs: $(foreach f,$(PROGRAM_FOLDERS),$(PROGRAM_OBJECTS_$(call program_name,$(f)))) $(PROGRAM_LIBRARIES)
endif

# --- POSIX runtime
POSIX_OBJECTS := $(call objects,posix,$(POSIX_SOURCES))
POSIX_SCRIPT  := $(filter posix/posix.ld,$(TREE))
DEPENDENCY_FILES += $(POSIX_OBJECTS:.o=.d)
$(foreach l,$(LIBRARIES),$(call archive,posix,$(l),$(call not_sim,$(call within,lib/$(l)))))
POSIX_LIBRARIES := $(foreach l,$(LIBRARIES),$(DIR_posix)/lib$(l).a) $(if $(IDL_SOURCES),$(DIR_posix)/libidl.a)
$(if $(IDL_SOURCES),$(call archive,posix,idl,,$(call idl_objects,posix)))
ifneq ($(POSIX_SCRIPT),)
POSIX_IMAGE := $(OUT)/posix.elf
$(POSIX_IMAGE): $(POSIX_OBJECTS) $(POSIX_LIBRARIES) $(POSIX_SCRIPT)
	$(call say,LD,$@)
	$(quiet)$(LD) -static -z max-page-size=4096 -z noexecstack --gc-sections --build-id=none \
	    --fatal-warnings -T $(POSIX_SCRIPT) -Map=$@.map -o $@ $(POSIX_OBJECTS) \
	    --start-group $(POSIX_LIBRARIES) --end-group
endif
posix: $(POSIX_OBJECTS) $(POSIX_IMAGE)

# --- boot image: stripped programs, manifests, the runtime, the root file system with busybox
BUSYBOX := /bin/busybox
STRIPPED := $(patsubst %,$(OUT)/stripped/%,$(PROGRAMS) $(if $(POSIX_IMAGE),posix.elf) $(addprefix tools/,$(TOOLS)))
ROOT_FILES := $(shell find system -type f 2>/dev/null | LC_ALL=C sort)
$(OUT)/stripped/posix.elf: $(POSIX_IMAGE)
	@mkdir -p $(@D)
	$(quiet)$(OBJCOPY) --strip-all $< $@
$(OUT)/stripped/tools/%: $(OUT)/tools/%
	@mkdir -p $(@D)
	$(quiet)$(OBJCOPY) --strip-all $< $@
$(OUT)/stripped/%: $(OUT)/programs/%
	@mkdir -p $(@D)
	$(quiet)$(OBJCOPY) --strip-all $< $@

ifneq ($(filter supervisor,$(PROGRAMS)),)
BOOT_IMAGE := $(OUT)/boot.img
endif
$(OUT)/boot.img: $(STRIPPED) $(ROOT_FILES) $(BUSYBOX) host/image/main.py host/image/bootimage.py host/image/rootarchive.py
	$(call say,IMAGE,$@)
	$(quiet)python3 host/image/main.py build -o $@ \
	    $(foreach p,$(PROGRAMS),--program $(p)=$(OUT)/stripped/$(p)) --manifests system/manifests \
	    $(if $(POSIX_IMAGE),--runtime $(OUT)/stripped/posix.elf) \
	    --root system/root --root-list system/root.list --busybox $(BUSYBOX) \
	    $(foreach t,$(TOOLS),--put $(OUT)/stripped/tools/$(t):/bin/$(t))
image: $(BOOT_IMAGE)
