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

#include <config.h>
#include "vnetenc/kernel/device.h"

#include <errno.h>
#include <inttypes.h>
#include <linux/if_link.h>
#include <linux/net_namespace.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>

#include "netlink.h"
#include "netlink-socket.h"
#include "openvswitch/ofpbuf.h"
#include "socket-util.h"
#include "util.h"
#include "vnetenc/kernel/netns.h"
#include "vnetenc/mode.h"

/* The ports D of demands begin at FIRST_OUT.  Each tunnel type has N_OF_TYPE
 * of them, two for each of 256 profiles.  GENEVE_IN is D_in of Geneve; that of
 * VXLAN is one less. */
enum { FIRST_OUT = 64000, N_OF_TYPE = 512, GENEVE_IN = 63999 };
BUILD_ASSERT_DECL(VNETENC_DEVICE_FIRST_D
                  == GENEVE_IN - VNETENC_DEVICE_N_TYPES + 1);
BUILD_ASSERT_DECL(VNETENC_DEVICE_LAST_D
                  == FIRST_OUT + VNETENC_DEVICE_N_TYPES * N_OF_TYPE - 1);
BUILD_ASSERT_DECL(VNETENC_PREFER == 1 && VNETENC_REQUIRE == 2);

/* The MTU of upstream's tunnel devices, which each type accepts. */
enum { DEVICE_MTU = 65000 };

ovs_be16
vnetenc_device_out_port(const struct vnetenc_device_demand *demand)
{
    ovs_assert(demand->mode == VNETENC_PREFER
               || demand->mode == VNETENC_REQUIRE);
    return htons(FIRST_OUT + N_OF_TYPE * demand->vxlan + 2 * demand->profile
                 + demand->mode - 1);
}

bool
vnetenc_device_of_out_port(ovs_be16 udp_dst,
                           struct vnetenc_device_demand *demand)
{
    unsigned int i = ntohs(udp_dst) - FIRST_OUT;

    if (i >= VNETENC_DEVICE_N_TYPES * N_OF_TYPE) {
        return false;
    }
    demand->vxlan = i / N_OF_TYPE;
    demand->profile = i % N_OF_TYPE / 2;
    demand->mode = i % 2 + 1;
    return true;
}

ovs_be16
vnetenc_device_in_port(bool vxlan)
{
    return htons(GENEVE_IN - vxlan);
}

static bool
is_vxlan(ovs_be16 d)
{
    struct vnetenc_device_demand demand;

    return (vnetenc_device_of_out_port(d, &demand) ? demand.vxlan
            : d == vnetenc_device_in_port(true));
}

void
vnetenc_device_name(ovs_be16 d, char name[VNETENC_DEVICE_NAME_SIZE])
{
    snprintf(name, VNETENC_DEVICE_NAME_SIZE, "vnetenc_%"PRIu16, ntohs(d));
}

bool
vnetenc_device_from_name(const char *name, ovs_be16 *d)
{
    unsigned int value;

    if (strncmp(name, "vnetenc_", 8)
        || !vnetenc_mode_parse_uint(&name[8], VNETENC_DEVICE_LAST_D, &value)
        || value < VNETENC_DEVICE_FIRST_D) {
        return false;
    }
    *d = htons(value);
    return true;
}

/* Stores the number under which the host's namespace knows N in '*nsid'.
 * Returns 0 or a positive errno value. */
static int
get_nsid(uint32_t *nsid)
{
    static const struct nl_policy policy[] = {
        [NETNSA_NSID] = { .type = NL_A_U32 },
    };
    struct nlattr *attrs[ARRAY_SIZE(policy)];
    struct ofpbuf request, *reply;
    int error;

    /* Give N a number.  This fails if N already has one. */
    ofpbuf_init(&request, 0);
    nl_msg_put_nlmsghdr(&request, 0, RTM_NEWNSID, NLM_F_REQUEST | NLM_F_ACK);
    ofpbuf_put_zeros(&request, NLMSG_ALIGN(sizeof(struct rtgenmsg)));
    nl_msg_put_u32(&request, NETNSA_FD, vnetenc_netns_fd());
    nl_msg_put_u32(&request, NETNSA_NSID, UINT32_MAX);
    nl_transact(NETLINK_ROUTE, &request, NULL);

    ofpbuf_clear(&request);
    nl_msg_put_nlmsghdr(&request, 0, RTM_GETNSID, NLM_F_REQUEST);
    ofpbuf_put_zeros(&request, NLMSG_ALIGN(sizeof(struct rtgenmsg)));
    nl_msg_put_u32(&request, NETNSA_FD, vnetenc_netns_fd());
    error = nl_transact(NETLINK_ROUTE, &request, &reply);
    ofpbuf_uninit(&request);
    if (error) {
        return error;
    }
    if (nl_policy_parse(reply, NLMSG_HDRLEN
                        + NLMSG_ALIGN(sizeof(struct rtgenmsg)), policy, attrs,
                        ARRAY_SIZE(policy))) {
        *nsid = nl_attr_get_u32(attrs[NETNSA_NSID]);
        error = *nsid == UINT32_MAX ? ENOENT : 0;
    } else {
        error = EPROTO;
    }
    ofpbuf_delete(reply);
    return error;
}

/* Begins a request about device 'name'. */
static struct ifinfomsg *
put_link(struct ofpbuf *request, uint16_t type, uint16_t flags,
         const char *name)
{
    struct ifinfomsg *ifi;

    ofpbuf_clear(request);
    nl_msg_put_nlmsghdr(request, 0, type, NLM_F_REQUEST | NLM_F_ACK | flags);
    ifi = ofpbuf_put_zeros(request, sizeof *ifi);
    nl_msg_put_string(request, IFLA_IFNAME, name);
    return ifi;
}

/* Puts a request that creates the device for 'd' as dpif_netlink_rtnl_create()
 * does, but with the device's socket in N. */
static void
put_create(struct ofpbuf *request, ovs_be16 d, const char *name, uint32_t nsid)
{
    size_t info, data;

    put_link(request, RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, name);
    nl_msg_put_u32(request, IFLA_MTU, DEVICE_MTU);
    nl_msg_put_u32(request, IFLA_LINK_NETNSID, nsid);
    info = nl_msg_start_nested(request, IFLA_LINKINFO);
    nl_msg_put_string(request, IFLA_INFO_KIND,
                      is_vxlan(d) ? "vxlan" : "geneve");
    data = nl_msg_start_nested(request, IFLA_INFO_DATA);
    if (is_vxlan(d)) {
        nl_msg_put_u8(request, IFLA_VXLAN_LEARNING, 0);
        nl_msg_put_u8(request, IFLA_VXLAN_COLLECT_METADATA, 1);
        nl_msg_put_u8(request, IFLA_VXLAN_UDP_ZERO_CSUM6_RX, 1);
        nl_msg_put_be16(request, IFLA_VXLAN_PORT, d);
    } else {
        nl_msg_put_flag(request, IFLA_GENEVE_COLLECT_METADATA);
        nl_msg_put_u8(request, IFLA_GENEVE_UDP_ZERO_CSUM6_RX, 1);
        nl_msg_put_be16(request, IFLA_GENEVE_PORT, d);
    }
    nl_msg_end_nested(request, data);
    nl_msg_end_nested(request, info);
}

/* Puts a request that keeps link-local addresses off device 'name'.  With such
 * an address, a device that is up sends router solicitations, which have no
 * tunnel metadata. */
static void
put_no_addresses(struct ofpbuf *request, const char *name)
{
    size_t spec, inet6;

    put_link(request, RTM_SETLINK, 0, name);
    spec = nl_msg_start_nested(request, IFLA_AF_SPEC);
    inet6 = nl_msg_start_nested(request, AF_INET6);
    nl_msg_put_u8(request, IFLA_INET6_ADDR_GEN_MODE, IN6_ADDR_GEN_MODE_NONE);
    nl_msg_end_nested(request, inet6);
    nl_msg_end_nested(request, spec);
}

static void
put_up(struct ofpbuf *request, const char *name, bool up)
{
    struct ifinfomsg *ifi = put_link(request, RTM_SETLINK, 0, name);

    ifi->ifi_flags = up ? IFF_UP : 0;
    ifi->ifi_change = IFF_UP;
}

int
vnetenc_device_make(ovs_be16 d, const char **what)
{
    char name[VNETENC_DEVICE_NAME_SIZE];
    struct ofpbuf request;
    uint32_t nsid;
    int error;

    /* A device of this name was made by somebody else or by a process that
     * crashed, or its port was deleted. */
    vnetenc_device_delete(d);

    *what = "cannot get a number for the network namespace";
    error = get_nsid(&nsid);
    if (error) {
        return error;
    }

    vnetenc_device_name(d, name);
    ofpbuf_init(&request, 0);
    *what = "cannot make a tunnel device";
    put_create(&request, d, name, nsid);
    error = nl_transact(NETLINK_ROUTE, &request, NULL);
    if (!error) {
        put_no_addresses(&request, name);
        /* This fails if the host has no IPv6; then there are no addresses. */
        nl_transact(NETLINK_ROUTE, &request, NULL);
    }
    ofpbuf_uninit(&request);
    return error;
}

int
vnetenc_device_set_up(ovs_be16 d, bool up)
{
    char name[VNETENC_DEVICE_NAME_SIZE];
    struct ofpbuf request;
    int error;

    vnetenc_device_name(d, name);
    ofpbuf_init(&request, 0);
    put_up(&request, name, up);
    error = nl_transact(NETLINK_ROUTE, &request, NULL);
    ofpbuf_uninit(&request);
    return error;
}

bool
vnetenc_device_is_up(ovs_be16 d)
{
    char name[VNETENC_DEVICE_NAME_SIZE];
    struct ifreq ifr;

    vnetenc_device_name(d, name);
    return (!af_inet_ifreq_ioctl(name, &ifr, SIOCGIFFLAGS, "SIOCGIFFLAGS")
            && ifr.ifr_flags & IFF_UP);
}

void
vnetenc_device_delete(ovs_be16 d)
{
    char name[VNETENC_DEVICE_NAME_SIZE];
    struct ofpbuf request;

    vnetenc_device_name(d, name);
    ofpbuf_init(&request, 0);
    put_link(&request, RTM_DELLINK, 0, name);
    nl_transact(NETLINK_ROUTE, &request, NULL);
    ofpbuf_uninit(&request);
}
