# Sources of vnetenc in libofproto.
ofproto_libofproto_la_SOURCES += \
	ofproto/ofproto-dpif-vnetenc-log.c \
	ofproto/ofproto-dpif-vnetenc-log.h \
	ofproto/ofproto-dpif-vnetenc.c \
	ofproto/ofproto-dpif-vnetenc.h
