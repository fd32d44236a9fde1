# The debug shell is part of the nucleus, so its test sees the nucleus from within.
FLAGS_tests/sim/shell.c := $(KERNEL_ON_HOST)
