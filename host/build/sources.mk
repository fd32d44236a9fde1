# What lies where. One `find` over the tree; everything else filters its result.

TREE := $(shell find abi boot drivers fs host idl kernel lib posix servers bench tests tools \
    \( -name '*.[chS]' -o -name '*.idl' -o -name module.mk -o -name '*.ld' \) -type f 2>/dev/null | LC_ALL=C sort)

C_AND_ASSEMBLY := $(filter %.c %.S,$(TREE))
UNIT_TESTS     := $(filter %_test.c,$(TREE))
# *_fuzz.c are harnesses for libFuzzer, programs of their own like tests.
FUZZERS        := $(filter %_fuzz.c,$(TREE))
# A folder named tests, and tests/ itself, belong to no component.
SOURCES        := $(foreach f,$(filter-out %_test.c %_fuzz.c tests/%,$(C_AND_ASSEMBLY)),$(if $(findstring /tests/,$(f)),,$(f)))

# within FOLDER: the sources below it.
within = $(filter $(1)/%,$(SOURCES))
# A folder named sim holds what only the simulator has; nucleus and arch/x86_64, and assembly, what
# only the machine has.
not_sim    = $(foreach f,$(1),$(if $(findstring /sim/,$(f)),,$(f)))
not_target = $(foreach f,$(filter %.c,$(1)),$(if $(findstring /nucleus/,$(f))$(findstring /arch/x86_64/,$(f)),,$(f)))

# The debug shell: in the debug profile (and in the simulator's library, for its test), never in what ships.
KERNEL_DEBUG   := $(filter kernel/debug/shell% kernel/arch/$(ARCH)/shell%,$(call within,kernel))
KERNEL_SOURCES := $(filter-out $(if $(filter debug,$(PROFILE)),,$(KERNEL_DEBUG)),$(call not_sim,$(call within,kernel)))
KERNEL_SIM     := $(call not_target,$(call within,kernel))

LIBRARIES      := $(sort $(foreach f,$(call within,lib),$(word 2,$(subst /, ,$(f)))))

# A program is a folder with sources: servers/NAME, drivers/CLASS/NAME, fs/NAME/server. Its name is
# NAME in each case.
PROGRAM_FOLDERS := $(sort \
    $(foreach f,$(call within,servers),servers/$(word 2,$(subst /, ,$(f)))) \
    $(foreach f,$(call within,drivers),drivers/$(word 2,$(subst /, ,$(f)))/$(word 3,$(subst /, ,$(f)))) \
    $(foreach f,$(call within,fs),$(if $(filter server,$(word 3,$(subst /, ,$(f)))),fs/$(word 2,$(subst /, ,$(f)))/server)))
PROGRAM_FOLDERS := $(filter-out %.c %.S,$(PROGRAM_FOLDERS))
program_name = $(notdir $(patsubst %/server,%,$(1)))
PROGRAMS     := $(foreach f,$(PROGRAM_FOLDERS),$(call program_name,$(f)))

POSIX_SOURCES := $(call not_sim,$(call within,posix))
IDL_FILES     := $(filter %.idl,$(filter idl/%,$(TREE)))
