# From the northbound column to southbound options and logical flows, and the
# status back.
northd_ovn_northd_SOURCES += \
	northd/ovn-vnetenc-credential.c \
	northd/ovn-vnetenc-credential.h \
	northd/ovn-vnetenc-lflows.c \
	northd/ovn-vnetenc-lflows.h \
	northd/ovn-vnetenc-members.c \
	northd/ovn-vnetenc-members.h \
	northd/ovn-vnetenc-places.c \
	northd/ovn-vnetenc-places.h \
	northd/ovn-vnetenc-reach.c \
	northd/ovn-vnetenc-reach.h \
	northd/ovn-vnetenc-status.c \
	northd/ovn-vnetenc-status.h \
	northd/ovn-vnetenc-switch.c \
	northd/ovn-vnetenc-switch.h
