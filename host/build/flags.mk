# Compiler, warnings, and one set of flags per kind of output. The reasons are in docs/safety.md.

CC      := clang-22
LD      := ld.lld-22
AR      := llvm-ar-22
NM      := llvm-nm-22
OBJCOPY := llvm-objcopy-22
SIZE    := llvm-size-22

comma := ,
empty :=
space := $(empty) $(empty)

INCLUDES := -I. -I$(GEN)

# All code of ours, everywhere.
WARNINGS := -std=gnu23 -Wall -Wextra -Wpedantic -Werror -Wconversion -Wsign-conversion \
    -Wshorten-64-to-32 -Wshadow -Wvla -Wcast-align -Wcast-qual -Wpointer-arith \
    -Wbad-function-cast -Wstrict-prototypes -Wmissing-prototypes -Wswitch-enum \
    -Wimplicit-fallthrough -Wformat=2 -Wconditional-uninitialized -Wcomma -Wunused-result \
    -Wthread-safety -Wthread-safety-beta -Wthread-safety-pointer -Wnullability-completeness \
    -Wnullable-to-nonnull-conversion -Wnoderef -Wfloat-equal -Wunreachable-code-aggressive \
    -Wno-language-extension-token -Wno-nullability-extension -Wno-c2y-extensions -fexperimental-late-parse-attributes
# Sanitizers and -O0 enlarge frames, so the bound on frames holds only for code that ships.
FRAME := -Wframe-larger-than=1024

# Checks that stay in the shipped build; each traps.
list = $(subst $(space),$(comma),$(strip $(1)))
TRAPS := $(call list,array-bounds signed-integer-overflow integer-divide-by-zero shift bool enum \
    unreachable return vla-bound nullability implicit-signed-integer-truncation \
    implicit-unsigned-integer-truncation)
SERVER_TRAPS := $(TRAPS),object-size,null,alignment,pointer-overflow,local-bounds

# What every freestanding program of ours shares.
TARGET_COMMON := -O2 -g -ffreestanding -nostdlibinc -fno-builtin \
    -fno-strict-aliasing -fno-delete-null-pointer-checks -fno-common -fstrict-flex-arrays=3 \
    -ftrivial-auto-var-init=zero -fsanitize-trap=all -fsanitize=kcfi -fno-asynchronous-unwind-tables \
    -fno-omit-frame-pointer -ffunction-sections -fdata-sections -fdebug-prefix-map=$(CURDIR)=. \
    $(PROFILE_DEFINES)

FLAGS_VARIANT_kernel := --target=x86_64-unknown-none-elf $(TARGET_COMMON) $(FRAME) -fsanitize=$(TRAPS) -DISOTOPE_KERNEL=1 \
    -mcmodel=kernel -mno-red-zone -mgeneral-regs-only -fcf-protection=full -fno-pic \
    -fstack-protector-strong -mstack-protector-guard=global -fzero-call-used-regs=used-gpr
# No floating point in servers: its registers would be saved and loaded at each call.
SERVER_REGISTERS = -mgeneral-regs-only
# The linux-gnu triple only because clang knows stack-clash protection for no bare one.
FLAGS_VARIANT_server = --target=x86_64-unknown-linux-gnu $(TARGET_COMMON) $(FRAME) -fsanitize=$(SERVER_TRAPS) -fPIE \
    -fvisibility=hidden -fcf-protection=full -fstack-clash-protection $(SERVER_REGISTERS) \
    -fstack-protector-strong -mstack-protector-guard=tls -mstack-protector-guard-reg=gs \
    -mstack-protector-guard-offset=120
FLAGS_VARIANT_posix := --target=x86_64-unknown-linux-gnu $(TARGET_COMMON) $(FRAME) -fsanitize=$(SERVER_TRAPS) -fPIE \
    -fvisibility=hidden -fcf-protection=full -fstack-clash-protection -mgeneral-regs-only \
    -fno-stack-protector

# Programs for the build machine. The optimiser deletes some bugs before a sanitizer can see them:
# hence -O0 for addresses; threads and uninitialised memory are as well seen at -O1.
HOST_COMMON := -g -pthread -fno-omit-frame-pointer -fno-strict-aliasing -fno-common \
    -fstrict-flex-arrays=3 -fno-builtin -DISOTOPE_HOST=1 -D_GNU_SOURCE
FLAGS_VARIANT_host := $(HOST_COMMON) -O2 -fsanitize=$(TRAPS) -fsanitize-trap=all
FLAGS_VARIANT_asan := $(HOST_COMMON) -O0 -fno-sanitize-recover=all \
    -fsanitize=address,undefined,nullability,implicit-conversion,local-bounds
FLAGS_VARIANT_tsan := $(HOST_COMMON) -O1 -fno-sanitize-recover=all -fsanitize=thread
FLAGS_VARIANT_msan := $(HOST_COMMON) -O1 -fno-sanitize-recover=all -fsanitize=memory \
    -fsanitize-memory-track-origins
FLAGS_VARIANT_fuzz := $(HOST_COMMON) -O1 -fno-sanitize-recover=all \
    -fsanitize=fuzzer-no-link,address,undefined,nullability,implicit-conversion,local-bounds
LINK_host := $(CC) -fuse-ld=lld-22 -pthread
LINK_asan := $(LINK_host) -fsanitize=address,undefined
LINK_fuzz := $(LINK_host) -fsanitize=fuzzer,address,undefined
LINK_tsan := $(LINK_host) -fsanitize=thread
LINK_msan := $(LINK_host) -fsanitize=memory

# On the host, kernel sources are compiled as the simulator's nucleus.
KERNEL_ON_HOST := -DISOTOPE_KERNEL=1 -DISOTOPE_SIM=1
