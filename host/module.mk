# host/NAME/*.c is a program for the build machine: build/host/bin/NAME.
HOST_TOOLS := $(sort $(foreach f,$(call within,host),$(word 2,$(subst /, ,$(f)))))
$(foreach t,$(HOST_TOOLS),$(call host_program,host,$(HOST)/bin/$(t),$(filter-out host/$(t)/fuzz/%,$(call within,host/$(t))),$(if $(filter base,$(LIBRARIES)),$(DIR_host)/libbase.a)))
