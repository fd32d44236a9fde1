# idl/NAME.idl -> build/gen/idl/NAME.h, NAME_client.c, NAME_server.c, NAME_trace.c, NAME.7 by idlc.
# Included as "idl/NAME.h". The fuzz harness NAME_fuzz.c is generated beside them.

IDLC := $(HOST)/bin/idlc
IDL_NAMES := $(patsubst idl/%.idl,%,$(IDL_FILES))

ifneq ($(filter host/idlc/%.c,$(SOURCES)),)
IDL_BASE := $(patsubst %,$(GEN)/idl/%,$(IDL_NAMES))
GENERATED_HEADERS += $(addsuffix .h,$(IDL_BASE))

define idl_rule
$(GEN)/idl/%$(2): idl/%.idl $(IDLC)
	$$(call say,IDLC,$$@)
	@mkdir -p $$(@D)
	$$(quiet)$(IDLC) --kind $(1) -o $$@ $$<
endef
$(eval $(call idl_rule,header,.h))
$(eval $(call idl_rule,client,_client.c))
$(eval $(call idl_rule,server,_server.c))
$(eval $(call idl_rule,trace,_trace.c))
$(eval $(call idl_rule,fuzz,_fuzz.c))
$(eval $(call idl_rule,manual,.7))

IDL_SOURCES := $(foreach n,$(IDL_NAMES),idl/$(n)_client.c idl/$(n)_server.c idl/$(n)_trace.c)
IDL_MANUALS := $(addsuffix .7,$(IDL_BASE))
$(GEN)/syscalls.2: abi/syscall.h $(IDLC)
	$(call say,IDLC,$@)
	@mkdir -p $(@D)
	$(quiet)$(IDLC) --kind syscalls -o $@ $<
HOST_OUTPUTS += $(IDL_MANUALS) $(GEN)/syscalls.2
.PRECIOUS: $(GEN)/idl/%.h $(GEN)/idl/%_client.c $(GEN)/idl/%_server.c $(GEN)/idl/%_trace.c $(GEN)/idl/%_fuzz.c

# Stubs and dispatchers as one library per variant.
idl_objects = $(patsubst %,$(DIR_$(1))/generated/%.o,$(IDL_SOURCES))
$(foreach v,server asan tsan msan fuzz host,$(call archive,$(v),idl,,$(call idl_objects,$(v))))
endif
