# Host side: libraries and the simulator in each sanitizer variant, and one program per *_test.c.
#
# A test links its own component, then the simulator's nucleus (kernel, arch/sim), then every library.

TEST_VARIANTS := asan tsan msan

$(foreach v,host $(TEST_VARIANTS),\
  $(foreach l,$(LIBRARIES),$(call archive,$(v),$(l),$(call not_target,$(call within,lib/$(l))))))
$(foreach v,host $(TEST_VARIANTS),$(call archive,$(v),kernel,$(KERNEL_SIM)))
test_libraries = $(DIR_$(1))/libkernel.a $(foreach l,$(LIBRARIES),$(DIR_$(1))/lib$(l).a) \
    $(if $(IDL_SOURCES),$(DIR_$(1))/libidl.a)

# The component of a test: its folder, with sources beside and below; found by the folder's name.
# Kernel and library tests have theirs in test_libraries already.
component_sources = $(if $(filter kernel/% lib/%,$(1)),,\
    $(filter-out $(TEST_EXCLUDE_$(1)),$(call not_target,$(call within,$(patsubst %/,%,$(dir $(1)))))))
# TEST_SOURCES_<test>: sources instead of the folder's own; TEST_LINK_<test>: linker flags.
test_sources = $(if $(filter undefined,$(origin TEST_SOURCES_$(1))),$(call component_sources,$(1)),$(TEST_SOURCES_$(1)))

define unit_rule
UNIT_$(1) += $$(HOST)/unit/$(1)/$$(patsubst %.c,%,$(2))
$$(call host_program,$(1),$$(HOST)/unit/$(1)/$$(patsubst %.c,%,$(2)),$(2),$$(HOST)/unit/$(1)/$$(patsubst %.c,%.a,$(2)) $$(call test_libraries,$(1)),$$(TEST_LINK_$(2)))
DEPENDENCY_FILES += $$(patsubst %.o,%.d,$$(call objects,$(1),$$(call test_sources,$(2))))
$$(HOST)/unit/$(1)/$$(patsubst %.c,%.a,$(2)): $$(call objects,$(1),$$(call test_sources,$(2)))
	@mkdir -p $$(@D)
	$$(quiet)rm -f $$@ && $$(AR) rcsD $$@ $$^
endef
$(foreach v,$(TEST_VARIANTS),$(foreach t,$(UNIT_TESTS),$(eval $(call unit_rule,$(v),$(t)))))

.PHONY: unit-asan unit-tsan unit-msan sim
unit-asan: $(UNIT_asan)
unit-tsan: $(UNIT_tsan)
unit-msan: $(UNIT_msan)
unit: unit-asan
sim: $(foreach v,$(TEST_VARIANTS),$(DIR_$(v))/libkernel.a)

