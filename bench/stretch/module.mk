# ./isotope bench interrupts_off: a plugin for QEMU, for both generations of its interface.
define stretch_rule
HOST_OUTPUTS += $(HOST)/bench/stretch-$(1).so
$(HOST)/bench/stretch-$(1).so: bench/stretch/stretch.c host/build/flags.mk
	$$(call say,CC,$$@)
	@mkdir -p $$(@D)
	$$(quiet)$$(CC) $$(WARNINGS) $$(FLAGS_VARIANT_host) -fPIC -shared -fuse-ld=lld-22 -DPLUGIN_VERSION=$(1) -o $$@ $$<
endef
$(foreach v,1 3,$(eval $(call stretch_rule,$(v))))
