# tests/native/NAME.c: a native program in the supervisor's place, in a boot image of its own.
# They test floating-point registers, too.
$(DIR_server)/tests/native/%.o: SERVER_REGISTERS :=
NATIVE_TESTS := $(patsubst tests/native/%.c,%,$(filter tests/native/%.c,$(TREE)))

define native_test_rule
DEPENDENCY_FILES += $(DIR_server)/tests/native/$(1).c.d
$(OUT)/native/$(1): $(DIR_server)/tests/native/$(1).c.o $$$$(PROGRAM_LIBRARIES) host/build/program.ld
	$$(call say,LD,$$@)
	@mkdir -p $$(@D)
	$$(quiet)$$(LD) -static -z max-page-size=4096 -z noexecstack --gc-sections --orphan-handling=error \
	    --build-id=none --fatal-warnings -T host/build/program.ld -o $$@ $(DIR_server)/tests/native/$(1).c.o \
	    --start-group $$(PROGRAM_LIBRARIES) --end-group
endef
define native_image_rule
$(OUT)/native/$(1).img: $(OUT)/native/$(1) host/image/main.py host/image/bootimage.py
	$$(call say,IMAGE,$$@)
	$$(quiet)$$(OBJCOPY) --strip-all $$< $$<.stripped
	$$(quiet)python3 host/image/main.py build -o $$@ --program supervisor=$$<.stripped
endef
$(foreach t,$(NATIVE_TESTS),$(eval $(call native_test_rule,$(t))))
$(foreach t,$(filter-out console,$(NATIVE_TESTS)),$(eval $(call native_image_rule,$(t))))

# console: a client of tty and uart, under the real supervisor.
CONSOLE_PROGRAMS := supervisor uart process tty
CONSOLE_MANIFESTS := system/manifests/uart.manifest system/manifests/process.manifest system/manifests/tty.manifest tests/native/console.manifest
$(OUT)/native/console.img: $(OUT)/native/console $(patsubst %,$(OUT)/stripped/%,$(CONSOLE_PROGRAMS)) \
    $(CONSOLE_MANIFESTS) host/image/main.py host/image/bootimage.py
	$(call say,IMAGE,$@)
	@rm -rf $(OUT)/native/manifests && mkdir -p $(OUT)/native/manifests
	@cp $(CONSOLE_MANIFESTS) $(OUT)/native/manifests
	$(quiet)$(OBJCOPY) --strip-all $< $<.stripped
	$(quiet)python3 host/image/main.py build -o $@ --program console=$<.stripped \
	    $(foreach p,$(CONSOLE_PROGRAMS),--program $(p)=$(OUT)/stripped/$(p)) --manifests $(OUT)/native/manifests
.PHONY: native-tests
native-tests: $(patsubst %,$(OUT)/native/%.img,$(NATIVE_TESTS))
