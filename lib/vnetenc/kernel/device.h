/*
 * Copyright (c) 2026 The vnetenc authors.
 *
 * Licensed under the Apache License, Version 2.0 (the "License");
 * you may not use this file except in compliance with the License.
 * You may obtain a copy of the License at:
 *
 *     http://www.apache.org/licenses/LICENSE-2.0
 *
 * Unless required by applicable law or agreed to in writing, software
 * distributed under the License is distributed on an "AS IS" BASIS,
 * WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied.
 * See the License for the specific language governing permissions and
 * limitations under the License.
 */

#ifndef VNETENC_DEVICE_H
#define VNETENC_DEVICE_H 1

/* Tunnel devices of the kernel datapath
 * =====================================
 *
 * For each demand in use (tunnel type, profile, mode) there is a tunnel device
 * that is a port of the kernel datapath, while its sockets and routes are in N
 * (kernel/netns.h).  A packet that a flow sends to the device arrives in N as
 * UDP to the device's port D, which names the demand.  One more device for
 * each tunnel type, on port D_in, takes the packets that workers opened into
 * the datapath.  Packets from this device count as arrived encrypted;
 * kernel/vport.c has the only exception.
 *
 * D is a constant for each demand, and also the device's port number in the
 * datapath.  A flow in the kernel can outlive its port, and the kernel gives
 * any other new port the lowest free number.  D is so high that no other port
 * gets it, so a flow keeps its meaning as long as it lives, or drops its
 * packets.
 *
 * Thread-safety: vnetenc_device_make(), vnetenc_device_set_up() and
 * vnetenc_device_delete() belong to the main thread; the others depend only on
 * their arguments. */

#include <stdbool.h>
#include <stdint.h>
#include "openvswitch/types.h"
#include "vnetenc/base/limits.h"

enum {
    VNETENC_DEVICE_N_TYPES = 2,     /* Geneve, VXLAN. */

    /* The lowest and the highest D, with those of arrivals.  No DTLS port may
     * be one of them, see kernel/transmit.c. */
    VNETENC_DEVICE_FIRST_D = VNETENC_KERNEL_FIRST_PORT,
    VNETENC_DEVICE_LAST_D = VNETENC_KERNEL_LAST_PORT,
};

/* A demand that has a device. */
struct vnetenc_device_demand {
    bool vxlan;                 /* Otherwise Geneve. */
    uint8_t profile;
    uint8_t mode;               /* VNETENC_PREFER or VNETENC_REQUIRE. */
};

/* Returns D of a demand. */
ovs_be16 vnetenc_device_out_port(const struct vnetenc_device_demand *);

/* Stores the demand whose D is 'udp_dst'.  Returns false if there is none. */
bool vnetenc_device_of_out_port(ovs_be16 udp_dst,
                                struct vnetenc_device_demand *);

/* Returns D_in of a tunnel type. */
ovs_be16 vnetenc_device_in_port(bool vxlan);

/* Size of a device's name, which is "vnetenc_" and D, with its null byte. */
enum { VNETENC_DEVICE_NAME_SIZE = 16 };

/* Writes the name of the device whose D is 'd'. */
void vnetenc_device_name(ovs_be16 d, char name[VNETENC_DEVICE_NAME_SIZE]);

/* Stores D of the device with that name.  Returns false if the name is not one
 * of ours.  Users may not give a port such a name. */
bool vnetenc_device_from_name(const char *, ovs_be16 *d);

/* Makes the device for 'd' and replaces any other device of its name.  N must
 * be up.  The device is down: as long as it is no port of the datapath, the
 * host itself would receive what arrives on it.  Returns 0 or a positive errno
 * value.  In the latter case '*what' describes the step that failed, as a
 * constant string. */
int vnetenc_device_make(ovs_be16 d, const char **what);

/* Brings the device for 'd' up, which may only be so while it is a port of the
 * datapath, or down.  Returns 0 or a positive errno value. */
int vnetenc_device_set_up(ovs_be16 d, bool up);

/* Returns true if the device for 'd' is up. */
bool vnetenc_device_is_up(ovs_be16 d);

/* Deletes the device for 'd' if it exists. */
void vnetenc_device_delete(ovs_be16 d);

#endif /* vnetenc/kernel/device.h */
