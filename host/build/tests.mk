# Host side: libraries and the simulator in each sanitizer variant, unit tests (*_test.c), fuzzers
# (*_fuzz.c) and simulations (tests/sim/NAME.c), each one program.
#
# A unit test or fuzzer links its own component (all sources in its folder and below), then the
# simulator's nucleus (kernel core and arch/sim), then every library. What is not needed is not linked.
#   TEST_SOURCES_<path of the test>   instead of the folder's own sources
#   TEST_LINK_<path of the test>      linker flags (-lxxhash)

TEST_VARIANTS := asan tsan msan fuzz

$(foreach v,host $(TEST_VARIANTS),\
  $(foreach l,$(LIBRARIES),$(call archive,$(v),$(l),$(call not_target,$(call within,lib/$(l))))))
$(foreach v,host $(TEST_VARIANTS),$(call archive,$(v),kernel,$(KERNEL_SIM)))
test_libraries = $(DIR_$(1))/libkernel.a $(foreach l,$(LIBRARIES),$(DIR_$(1))/lib$(l).a) \
    $(if $(IDL_SOURCES),$(DIR_$(1))/libidl.a)

# Kernel and library tests have theirs in test_libraries already. A program's main is left out of its tests.
component_sources = $(if $(filter kernel/% lib/%,$(1)),,\
    $(filter-out %/main.c,$(call not_target,$(call within,$(patsubst %/,%,$(dir $(1)))))))
test_sources = $(if $(filter undefined,$(origin TEST_SOURCES_$(1))),$(call component_sources,$(1)),$(TEST_SOURCES_$(1)))

# unit_rule VARIANT,TEST SOURCE
define unit_rule
UNIT_$(1) += $$(HOST)/unit/$(1)/$$(patsubst %.c,%,$(2))
$$(call host_program,$(1),$$(HOST)/unit/$(1)/$$(patsubst %.c,%,$(2)),$(2),$$(HOST)/unit/$(1)/$$(patsubst %.c,%.a,$(2)) $$(call test_libraries,$(1)),$$(TEST_LINK_$(2)))
DEPENDENCY_FILES += $$(patsubst %.o,%.d,$$(call objects,$(1),$$(call test_sources,$(2))))
$$(HOST)/unit/$(1)/$$(patsubst %.c,%.a,$(2)): $$(call objects,$(1),$$(call test_sources,$(2)))
	@mkdir -p $$(@D)
	$$(quiet)rm -f $$@ && $$(AR) rcsD $$@ $$^
endef
# Threads are watched where there are any; uninitialised memory everywhere.
THREADED_TESTS := $(if $(UNIT_TESTS),$(shell grep -lE 'pthread|thrd_' $(UNIT_TESTS)))
$(foreach t,$(UNIT_TESTS),$(eval $(call unit_rule,asan,$(t)))$(eval $(call unit_rule,msan,$(t))))
$(foreach t,$(THREADED_TESTS),$(eval $(call unit_rule,tsan,$(t))))
$(foreach t,$(FUZZERS),$(eval $(call unit_rule,fuzz,$(t))))

# The dispatchers' generated fuzzers: build/host/unit/fuzz/idl/NAME_fuzz
ifneq ($(IDL_SOURCES),)
IDL_FUZZ_SUPPORT := $(call objects,fuzz,host/idlc/tests/fuzz_support.c host/idlc/tests/loopback.c)
define idl_fuzz_rule
UNIT_fuzz += $(HOST)/unit/fuzz/idl/$(1)_fuzz
$(HOST)/unit/fuzz/idl/$(1)_fuzz: $(DIR_fuzz)/generated/idl/$(1)_fuzz.c.o $(IDL_FUZZ_SUPPORT) $(call test_libraries,fuzz)
	$$(call say,LINK,$$@)
	@mkdir -p $$(@D)
	$$(quiet)$$(LINK_fuzz) -o $$@ $$< $(IDL_FUZZ_SUPPORT) -Wl,--start-group $(call test_libraries,fuzz) -Wl,--end-group
endef
$(foreach n,$(IDL_NAMES),$(eval $(call idl_fuzz_rule,$(n))))
endif

# --- servers and drivers for the simulator: one object each, whose only global name is NAME_main, so
# that any set of them lies in one program. (The other name kept is the address sanitizer's own.)
PROGRAM_ENTRY := server_main
define sim_program_rule
DEPENDENCY_FILES += $$(patsubst %.o,%.d,$$(call objects,$(1),$$(call not_target,$$(call within,$(3)))))
$$(DIR_$(1))/programs/$(2).o: $$(call objects,$(1),$$(call not_target,$$(call within,$(3))))
	$$(call say,LD,$$@)
	@mkdir -p $$(@D)
	$$(quiet)$$(LD) -r -o $$@ $$^
	$$(quiet)$$(OBJCOPY) --keep-global-symbol=$$(PROGRAM_ENTRY) --keep-global-symbol=___asan_globals_registered $$@
	$$(quiet)$$(OBJCOPY) --redefine-sym $$(PROGRAM_ENTRY)=$(2)_main $$@
endef
$(foreach v,$(TEST_VARIANTS),$(foreach f,$(PROGRAM_FOLDERS),$(eval $(call sim_program_rule,$(v),$(call program_name,$(f)),$(f)))))
sim_programs = $(foreach p,$(PROGRAMS),$(DIR_$(1))/programs/$(p).o)

# tests/sim/NAME.c -> build/host/sim/VARIANT/NAME: all programs on the simulator.
SIMULATIONS := $(patsubst tests/sim/%.c,%,$(filter-out %_test.c,$(filter tests/sim/%.c,$(TREE))))
$(foreach v,asan tsan,$(foreach s,$(SIMULATIONS),\
  $(call host_program,$(v),$(HOST)/sim/$(v)/$(s),tests/sim/$(s).c,$(call sim_programs,$(v)) $(call test_libraries,$(v)))))

.PHONY: unit-asan unit-tsan unit-msan fuzzers simulations sim
unit: unit-asan
unit-asan: $(UNIT_asan)
unit-tsan: $(UNIT_tsan)
unit-msan: $(UNIT_msan)
fuzzers: $(UNIT_fuzz)
simulations: $(foreach v,asan tsan,$(patsubst %,$(HOST)/sim/$(v)/%,$(SIMULATIONS)))
sim: $(foreach v,$(TEST_VARIANTS),$(DIR_$(v))/libkernel.a)

# What `./isotope test` and its like want to know.
.PHONY: list-unit-asan list-unit-tsan list-unit-msan list-fuzzers list-simulations list-programs
list-unit-asan list-unit-tsan list-unit-msan: list-unit-%:
	@printf '%s\n' $(UNIT_$*)
list-fuzzers:
	@printf '%s\n' $(UNIT_fuzz)
list-simulations:
	@printf '%s\n' $(SIMULATIONS)
list-programs:
	@printf '%s\n' $(foreach f,$(PROGRAM_FOLDERS),$(call program_name,$(f))=$(f))

# --- for host/check: the static analyser over each source, as the variant that ships
ANALYSED := $(call objects,kernel,$(KERNEL_SOURCES)) $(call objects,server,$(call not_sim,$(call within,lib))) \
    $(foreach f,$(PROGRAM_FOLDERS),$(PROGRAM_OBJECTS_$(call program_name,$(f)))) $(POSIX_OBJECTS) \
    $(call objects,musl,$(TOOL_SOURCES)) $(call objects,host,$(call within,host) $(call within,fs))
ANALYSED := $(sort $(patsubst %.c.o,%.c.analysed,$(filter %.c.o,$(ANALYSED))))
# Fixed addresses are the kernel's trade; casts from numbers are for `check banned` to judge.
ANALYSER_kernel := -Xclang -analyzer-disable-checker -Xclang core.FixedAddressDereference
define analyse_rule
$$(DIR_$(1))/%.c.analysed: %.c host/build/flags.mk | $$$$(call generated_for,$$$$*)
	$$(call say,ANALYSE,$$<)
	@mkdir -p $$(@D)
	$$(quiet)$$(CC) --analyze --analyzer-output text -Xclang -analyzer-werror \
	    $$(filter-out -fsanitize=kcfi,$$(WARNINGS) $$(FLAGS_VARIANT_$(1))) $$(FOLDER_FLAGS_$(1)_$$(firstword $$(subst /, ,$$<))) \
	    $$(ANALYSER_$(1)) $$(INCLUDES) $$(FLAGS_$$<) -MMD -MP -MF $$@.d -MT $$@ -o - $$< && touch $$@
endef
$(foreach v,kernel server posix musl host,$(eval $(call analyse_rule,$(v))))
DEPENDENCY_FILES += $(addsuffix .d,$(ANALYSED))

.PHONY: analyse print-flags list-target-objects
analyse: $(ANALYSED)
# print-flags VARIANT=server: the compiler's flags, one to a line.
print-flags:
	@printf '%s\n' $(WARNINGS) $(FLAGS_VARIANT_$(VARIANT)) $(INCLUDES)
# Objects that may hold no writable data: those of programs and of the libraries that they link.
list-target-objects:
	@printf '%s\n' $(foreach f,$(PROGRAM_FOLDERS),$(PROGRAM_OBJECTS_$(call program_name,$(f)))) \
	    $(call objects,server,$(call not_sim,$(call within,lib))) $(if $(IDL_SOURCES),$(call idl_objects,server))
