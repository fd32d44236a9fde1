# The native benchmarks: two programs of this folder under the real supervisor.
define native_bench_rule
DEPENDENCY_FILES += $(DIR_server)/bench/native/$(1).c.d
$(OUT)/bench/$(1): $(DIR_server)/bench/native/$(1).c.o $$$$(PROGRAM_LIBRARIES) host/build/program.ld
	$$(call say,LD,$$@)
	@mkdir -p $$(@D)
	$$(quiet)$$(LD) -static -z max-page-size=4096 -z noexecstack --gc-sections --orphan-handling=error \
	    --build-id=none --fatal-warnings -T host/build/program.ld -o $$@ $(DIR_server)/bench/native/$(1).c.o \
	    --start-group $$(PROGRAM_LIBRARIES) --end-group
	$$(quiet)$$(OBJCOPY) --strip-all $$@ $$@.stripped
endef
$(foreach p,answerer measurer,$(eval $(call native_bench_rule,$(p))))

$(OUT)/bench/native.img: $(OUT)/bench/answerer $(OUT)/bench/measurer $(OUT)/stripped/supervisor \
    $(wildcard bench/native/*.manifest) host/image/main.py host/image/bootimage.py
	$(call say,IMAGE,$@)
	$(quiet)python3 host/image/main.py build -o $@ --program supervisor=$(OUT)/stripped/supervisor \
	    $(foreach p,answerer measurer,--program $(p)=$(OUT)/bench/$(p).stripped) --supervisor supervisor \
	    --manifests bench/native
.PHONY: native-bench
native-bench: $(OUT)/bench/native.img $(OUT)/kernel.elf
