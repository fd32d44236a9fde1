# Compile rules per variant, and the functions that module.mk files call.

# objects VARIANT,SOURCES
objects = $(patsubst %,$(DIR_$(1))/%.o,$(2))
DEPENDENCY_FILES :=
OUTPUTS :=
HOST_OUTPUTS :=

# V=1 prints whole commands.
ifeq ($(V),1)
say = @:
quiet :=
else
say = @printf '  %-8s %s\n' '$(1)' '$(2)'
quiet := @
endif

# Generated headers must exist before anything includes them; idlc itself is built before any does.
GENERATED_HEADERS :=
generated_for = $(if $(filter host/% lib/base/% kernel/% tools/%,$(1)),,$(GENERATED_HEADERS))

define compile_rules
$$(DIR_$(1))/%.c.o: %.c host/build/flags.mk | $$$$(call generated_for,$$$$*)
	$$(call say,CC,$(1) $$<)
	@mkdir -p $$(@D)
	$$(quiet)$$(CC) $$(WARNINGS) $$(FLAGS_VARIANT_$(1)) $$(FOLDER_FLAGS_$(1)_$$(firstword $$(subst /, ,$$<))) \
	    $$(INCLUDES) $$(FLAGS_$$<) -MMD -MP -c -o $$@ $$<
$$(DIR_$(1))/%.S.o: %.S host/build/flags.mk
	$$(call say,AS,$(1) $$<)
	@mkdir -p $$(@D)
	$$(quiet)$$(CC) $$(FLAGS_VARIANT_$(1)) $$(INCLUDES) $$(FLAGS_$$<) -MMD -MP -c -o $$@ $$<
$$(DIR_$(1))/generated/%.c.o: $$(GEN)/%.c host/build/flags.mk | $$$$(GENERATED_HEADERS)
	$$(call say,CC,$(1) $$<)
	@mkdir -p $$(@D)
	$$(quiet)$$(CC) $$(WARNINGS) $$(FLAGS_VARIANT_$(1)) $$(INCLUDES) -MMD -MP -c -o $$@ $$<
endef
.SECONDEXPANSION:
$(foreach v,kernel server posix host asan tsan msan fuzz,$(eval $(call compile_rules,$(v))))
$(foreach v,host asan tsan msan fuzz,$(eval FOLDER_FLAGS_$(v)_kernel := $(KERNEL_ON_HOST)))

# archive VARIANT,NAME,SOURCES[,MORE OBJECTS]: a static library DIR/libNAME.a of these.
define archive_rule
DEPENDENCY_FILES += $$(patsubst %.o,%.d,$$(call objects,$(1),$(3)) $(4))
$$(DIR_$(1))/lib$(2).a: $$(call objects,$(1),$(3)) $(4)
	$$(call say,AR,$$@)
	@mkdir -p $$(@D)
	$$(quiet)rm -f $$@ && $$(AR) rcsD $$@ $$^
endef
archive = $(eval $(call archive_rule,$(1),$(2),$(strip $(3)),$(strip $(4))))

# host_program VARIANT,OUTPUT,SOURCES,LIBRARY FILES[,LINKER FLAGS]: a program for the build machine.
# Outputs of the plain variant are added to `make host`.
define host_program_rule
DEPENDENCY_FILES += $$(patsubst %.o,%.d,$$(call objects,$(1),$(3)))
$(2): $$(call objects,$(1),$(3)) $(4)
	$$(call say,LINK,$$@)
	@mkdir -p $$(@D)
	$$(quiet)$$(LINK_$(1)) -o $$@ $$(call objects,$(1),$(3)) -Wl,--start-group $(4) -Wl,--end-group $(5)
$(if $(filter host,$(1)),HOST_OUTPUTS += $(2))
endef
host_program = $(eval $(call host_program_rule,$(1),$(2),$(strip $(3)),$(strip $(4)),$(5)))
