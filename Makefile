# The one build of Isotope: non-recursive, everything below build/.
#
#   make                    kernel image, servers, drivers, runtime and boot image (PROFILE=release)
#   make PROFILE=debug      the same with ISOTOPE_DEBUG
#   make kernel|programs|posix|image|host|unit|test-programs
#
# Sources are found by where they lie (docs/building.md); a component that needs more has a
# module.mk. Variants of one source: kernel, server, posix (freestanding x86-64); host, asan, tsan,
# msan (the build machine). FLAGS_<path of a source> adds flags for one file.

.DEFAULT_GOAL := all
.DELETE_ON_ERROR:
.SUFFIXES:
MAKEFLAGS += --no-builtin-rules --no-print-directory

ARCH    ?= x86_64
PROFILE ?= release
ifeq ($(filter release debug,$(PROFILE)),)
$(error PROFILE must be release or debug, not $(PROFILE))
endif
PROFILE_DEFINES := $(if $(filter debug,$(PROFILE)),-DISOTOPE_DEBUG=1)

OUT  := build/$(ARCH)-$(PROFILE)
HOST := build/host
GEN  := build/gen
# Target variants depend on the profile; host variants do not.
DIR_kernel := $(OUT)/kernel
DIR_server := $(OUT)/server
DIR_posix  := $(OUT)/posix
DIR_host   := $(HOST)/plain
DIR_asan   := $(HOST)/asan
DIR_tsan   := $(HOST)/tsan
DIR_msan   := $(HOST)/msan
DIR_fuzz   := $(HOST)/fuzz


include host/build/flags.mk
include host/build/sources.mk
include host/build/functions.mk
include host/build/idl.mk

# Components with wishes of their own; they may add to OUTPUTS (target) and HOST_OUTPUTS.
include $(sort $(filter %/module.mk,$(TREE)))

include host/build/linux.mk
include host/build/target.mk
include host/build/tests.mk

.PHONY: all kernel programs posix image host unit test-programs everything clean debug-kernel
all: kernel tools programs posix image $(OUTPUTS)
host: $(HOST_OUTPUTS)
everything: all host unit unit-tsan unit-msan fuzzers simulations test-programs asan-tools
# The kernel of the other profile, for tests that look into it: the one place where make calls itself, since a run of
# it knows one profile.
debug-kernel:
	$(quiet)$(MAKE) PROFILE=debug kernel
clean:
	rm -rf build

-include $(DEPENDENCY_FILES)
