# Ordinary Linux programs: tools/ (shipped, musl, static, all warnings and traps), and
# tests/programs/*.c (each twice: musl and glibc, static). They run on any Linux host as well.
#
# tools/NAME.c or tools/NAME/*.c -> build/ARCH-PROFILE/tools/NAME, and with the address sanitizer
# build/host/asan-tools/NAME, which unit and system tests on the host use.

MUSL      := /usr/lib/$(ARCH)-linux-musl
RESOURCES := $(shell $(CC) -print-resource-dir 2>/dev/null)
BUILTINS  := $(RESOURCES)/lib/linux/libclang_rt.builtins-$(ARCH).a
# The kernel's own headers (linux/, asm/) are not part of musl: links to just those.
KERNEL_HEADERS := $(HOST)/kernel-headers
$(KERNEL_HEADERS)/.made:
	@mkdir -p $(@D)
	$(quiet)ln -sfn /usr/include/linux $(@D)/linux
	$(quiet)ln -sfn /usr/include/asm-generic $(@D)/asm-generic
	$(quiet)ln -sfn /usr/include/$(ARCH)-linux-gnu/asm $(@D)/asm
	@touch $@

DIR_musl  := $(OUT)/musl
LINUX_COMMON := -g -O2 -fno-strict-aliasing -fno-common -D_GNU_SOURCE -fdebug-prefix-map=$(CURDIR)=.
MUSL_INCLUDES := -nostdinc -isystem /usr/include/$(ARCH)-linux-musl -isystem $(RESOURCES)/include \
    -isystem $(KERNEL_HEADERS)
FLAGS_VARIANT_musl := --target=$(ARCH)-linux-musl $(MUSL_INCLUDES) $(LINUX_COMMON) \
    -fno-pie -fstack-protector-strong -ftrivial-auto-var-init=zero -fstrict-flex-arrays=3 \
    -fsanitize=$(TRAPS) -fsanitize-trap=all
$(eval $(call compile_rules,musl))
MUSL_LINK = $(CC) --target=$(ARCH)-linux-musl -fuse-ld=lld-22 -static -nostdlib -Wl,--build-id=none \
    -o $@ $(MUSL)/crt1.o $(MUSL)/crti.o $(1) -L$(MUSL) -Wl,--start-group -lc $(BUILTINS) -Wl,--end-group $(MUSL)/crtn.o

TOOL_SOURCES := $(filter-out %/module.mk,$(call within,tools))
TOOLS := $(sort $(foreach f,$(TOOL_SOURCES),$(patsubst %.c,%,$(word 2,$(subst /, ,$(f))))))
tool_sources = $(filter tools/$(1).c tools/$(1)/%,$(TOOL_SOURCES))
TOOL_FILES := $(patsubst %,$(OUT)/tools/%,$(TOOLS))

define tool_rule
DEPENDENCY_FILES += $$(patsubst %.o,%.d,$$(call objects,musl,$$(call tool_sources,$(1))))
$(OUT)/tools/$(1): $$(call objects,musl,$$(call tool_sources,$(1)))
	$$(call say,LINK,$$@)
	@mkdir -p $$(@D)
	$$(quiet)$$(call MUSL_LINK,$$(call objects,musl,$$(call tool_sources,$(1))))
$$(call objects,musl,$$(call tool_sources,$(1))): $(KERNEL_HEADERS)/.made
$$(call host_program,asan,$(HOST)/asan-tools/$(1),$$(call tool_sources,$(1)),)
ASAN_TOOLS += $(HOST)/asan-tools/$(1)
endef
$(foreach t,$(TOOLS),$(eval $(call tool_rule,$(t))))

# --- tests/programs
TEST_PROGRAMS := $(patsubst tests/programs/%.c,%,$(filter-out $(TEST_PROGRAM_PARTS),$(wildcard tests/programs/*.c)))
TEST_PROGRAM_FLAGS := -std=gnu23 -Wall -Wextra -Werror -Wno-nonnull -Wno-infinite-recursion -pthread $(LINUX_COMMON)
MUSL_PROGRAMS  := $(patsubst %,$(HOST)/programs/musl/%,$(TEST_PROGRAMS))
GLIBC_PROGRAMS := $(patsubst %,$(HOST)/programs/glibc/%,$(TEST_PROGRAMS))
$(MUSL_PROGRAMS): $(HOST)/programs/musl/%: tests/programs/%.c $(wildcard tests/programs/*.h) $(TEST_PROGRAM_PARTS) $(KERNEL_HEADERS)/.made
	$(call say,MUSL,$@)
	@mkdir -p $(@D) $(HOST)/programs/objects
	$(quiet)$(CC) --target=$(ARCH)-linux-musl $(MUSL_INCLUDES) $(TEST_PROGRAM_FLAGS) $(INCLUDES) -c -o $(HOST)/programs/objects/$(@F).o $<
	$(quiet)$(call MUSL_LINK,$(HOST)/programs/objects/$(@F).o)
$(GLIBC_PROGRAMS): $(HOST)/programs/glibc/%: tests/programs/%.c $(wildcard tests/programs/*.h) $(TEST_PROGRAM_PARTS)
	$(call say,GLIBC,$@)
	@mkdir -p $(@D)
	$(quiet)$(CC) $(TEST_PROGRAM_FLAGS) $(INCLUDES) -fuse-ld=lld-22 -static -o $@ $<

.PHONY: tools asan-tools
tools: $(TOOL_FILES)
asan-tools: $(ASAN_TOOLS)
test-programs: $(MUSL_PROGRAMS) $(GLIBC_PROGRAMS)
