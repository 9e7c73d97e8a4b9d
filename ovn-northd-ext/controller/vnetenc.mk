# Tables 240 and 241, the identity of this chassis, and its peers.
controller_ovn_controller_SOURCES += \
	controller/ovn-vnetenc-encap.c \
	controller/ovn-vnetenc-encap.h \
	controller/ovn-vnetenc-flows.c \
	controller/ovn-vnetenc-flows.h \
	controller/ovn-vnetenc-peers.c \
	controller/ovn-vnetenc-peers.h
