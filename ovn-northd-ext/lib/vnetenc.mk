# Demand, register, capability, level of the log and comments of tools, which ovn-northd,
# ovn-controller, ovn-ic, ovn-sbctl and ovn-trace share.
lib_libovn_la_SOURCES += \
	lib/ovn-vnetenc-capable.c \
	lib/ovn-vnetenc-capable.h \
	lib/ovn-vnetenc-demand.c \
	lib/ovn-vnetenc-demand.h \
	lib/ovn-vnetenc-fields.c \
	lib/ovn-vnetenc-fields.h \
	lib/ovn-vnetenc-loglevel.c \
	lib/ovn-vnetenc-loglevel.h \
	lib/ovn-vnetenc-notes.c \
	lib/ovn-vnetenc-notes.h
