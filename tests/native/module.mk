# tests/native/NAME.c: a native program in the supervisor's place, in a boot image of its own.
NATIVE_TESTS := $(patsubst tests/native/%.c,%,$(filter tests/native/%.c,$(TREE)))

define native_test_rule
DEPENDENCY_FILES += $(DIR_server)/tests/native/$(1).c.d
$(OUT)/native/$(1): $(DIR_server)/tests/native/$(1).c.o $$$$(PROGRAM_LIBRARIES) host/build/program.ld
	$$(call say,LD,$$@)
	@mkdir -p $$(@D)
	$$(quiet)$$(LD) -static -z max-page-size=4096 -z noexecstack --gc-sections --orphan-handling=error \
	    --build-id=none --fatal-warnings -T host/build/program.ld -o $$@ $(DIR_server)/tests/native/$(1).c.o \
	    --start-group $$(PROGRAM_LIBRARIES) --end-group
$(OUT)/native/$(1).img: $(OUT)/native/$(1) host/image/main.py host/image/bootimage.py
	$$(call say,IMAGE,$$@)
	$$(quiet)$$(OBJCOPY) --strip-all $$< $$<.stripped
	$$(quiet)python3 host/image/main.py build -o $$@ --program supervisor=$$<.stripped
endef
$(foreach t,$(NATIVE_TESTS),$(eval $(call native_test_rule,$(t))))
.PHONY: native-tests
native-tests: $(patsubst %,$(OUT)/native/%.img,$(NATIVE_TESTS))
