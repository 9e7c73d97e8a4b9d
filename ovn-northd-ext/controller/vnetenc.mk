# Tables 240 and 241, logical flows, identity of this chassis, its mirrors, its peers and
# their rights, its profiles, the flow log, and its report.
controller_ovn_controller_SOURCES += \
	controller/ovn-vnetenc-barrier.c \
	controller/ovn-vnetenc-barrier.h \
	controller/ovn-vnetenc-encap-watch.c \
	controller/ovn-vnetenc-encap-watch.h \
	controller/ovn-vnetenc-encap.c \
	controller/ovn-vnetenc-encap.h \
	controller/ovn-vnetenc-flows.c \
	controller/ovn-vnetenc-flows.h \
	controller/ovn-vnetenc-lflow.c \
	controller/ovn-vnetenc-lflow.h \
	controller/ovn-vnetenc-log.c \
	controller/ovn-vnetenc-log.h \
	controller/ovn-vnetenc-mirror.c \
	controller/ovn-vnetenc-mirror.h \
	controller/ovn-vnetenc-modes.c \
	controller/ovn-vnetenc-modes.h \
	controller/ovn-vnetenc-owner.c \
	controller/ovn-vnetenc-owner.h \
	controller/ovn-vnetenc-peers.c \
	controller/ovn-vnetenc-peers.h \
	controller/ovn-vnetenc-profiles.c \
	controller/ovn-vnetenc-profiles.h \
	controller/ovn-vnetenc-report.c \
	controller/ovn-vnetenc-report.h \
	controller/ovn-vnetenc-rights.c \
	controller/ovn-vnetenc-rights.h
