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
#include "vnetenc/kernel/netns.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/ethtool.h>
#include <linux/if_packet.h>
#include <linux/if_tun.h>
#include <linux/rtnetlink.h>
#include <linux/sockios.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <pthread.h>
#include <sched.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <unistd.h>

#include "netlink.h"
#include "netlink-socket.h"
#include "openvswitch/ofpbuf.h"
#include "openvswitch/vlog.h"
#include "ovs-atomic.h"
#include "packets.h"
#include "util.h"
#include "vnetenc/base/limits.h"

VLOG_DEFINE_THIS_MODULE(vnetenc_netns);

enum { TAP_MTU = 65521, DUMMY_MTU = 65535 };

static struct {
    int fd;
    struct nl_sock *route;      /* rtnetlink of N. */
    int threaded;               /* File of the TAP in sysfs, or -1. */
    unsigned int n_queues;
    int tap[VNETENC_KERNEL_QUEUES];
    int out[VNETENC_KERNEL_QUEUES];
    bool has_out;               /* Are 'out' bound to the dummy device? */
    int icmp[2];                /* IPv4, IPv6; -1 if there is none. */
} netns = { .fd = -1, .threaded = -1, .icmp = { -1, -1 } };

/* The reason why N is not up, or NULL.  Former reasons are never freed,
 * because any thread may still read them. */
static ATOMIC(const char *) reason
    = "the kernel had no Open vSwitch datapath when ovs-vswitchd started";

/* Sets the reason why N cannot be used.  Returns false. */
static bool OVS_PRINTF_FORMAT(1, 2)
fail(const char *format, ...)
{
    va_list args;

    va_start(args, format);
    atomic_store_relaxed(&reason, xvasprintf(format, args));
    va_end(args);
    return false;
}

const char *
vnetenc_netns_error(void)
{
    const char *s;

    atomic_read_relaxed(&reason, &s);
    return s;
}

unsigned int
vnetenc_netns_n_queues(void)
{
    return netns.n_queues;
}

int
vnetenc_netns_fd(void)
{
    return netns.fd;
}

int
vnetenc_netns_tap_fd(unsigned int queue)
{
    return netns.tap[queue];
}

int
vnetenc_netns_out_fd(unsigned int queue)
{
    return netns.has_out ? netns.out[queue] : -1;
}

int
vnetenc_netns_icmp_fd(bool ipv6)
{
    return netns.icmp[ipv6];
}

int
vnetenc_netns_set_threaded(bool on)
{
    return (netns.threaded < 0 ? EOPNOTSUPP
            : pwrite(netns.threaded, on ? "1" : "0", 1, 0) == 1 ? 0 : errno);
}

/* The following runs before root is dropped, in a thread that enters N and
 * then ends. */

static int
open_file(int flags, const char *name)
{
    int fd = open(name, flags | O_CLOEXEC);

    return fd < 0 ? -errno : fd;
}

static int
write_file(const char *name, const char *value)
{
    int fd = open_file(O_WRONLY, name);
    int error = fd < 0 ? -fd : 0;

    if (!error) {
        error = write(fd, value, strlen(value)) < 0 ? errno : 0;
        close(fd);
    }
    return error;
}

/* Sets sysctls of N, which a new namespace may take over from the host.
 * Reverse path filtering must be off, because arrivals come from addresses to
 * which no route of N leads through the TAP. */
static bool
set_sysctls(void)
{
    static const struct {
        const char *name, *value;
        bool must;
    } sysctls[] = {
        { "/proc/sys/net/ipv4/conf/all/rp_filter", "0", true },
        { "/proc/sys/net/ipv4/conf/default/rp_filter", "0", true },
        { "/proc/sys/net/ipv4/conf/all/forwarding", "0", true },
        { "/proc/sys/net/ipv4/conf/default/forwarding", "0", true },
        { "/proc/sys/net/ipv6/conf/all/disable_ipv6", "0", false },
        { "/proc/sys/net/ipv6/conf/default/disable_ipv6", "0", false },
        { "/proc/sys/net/ipv6/conf/all/forwarding", "0", false },
        { "/proc/sys/net/ipv6/conf/default/forwarding", "0", false },
        { "/proc/sys/net/ipv6/conf/default/accept_ra", "0", false },
        /* IN6_ADDR_GEN_MODE_NONE. */
        { "/proc/sys/net/ipv6/conf/default/addr_gen_mode", "1", false },
    };

    for (size_t i = 0; i < ARRAY_SIZE(sysctls); i++) {
        int error = write_file(sysctls[i].name, sysctls[i].value);

        if (error && sysctls[i].must) {
            return fail("cannot write \"%s\" to %s: %s", sysctls[i].value,
                        sysctls[i].name, ovs_strerror(error));
        }
    }
    return true;
}

static bool
open_tap(void)
{
    struct ifreq ifr = {
        .ifr_flags = (IFF_TAP | IFF_NO_PI | IFF_VNET_HDR | IFF_MULTI_QUEUE
                      | IFF_NAPI),
        .ifr_name = VNETENC_NETNS_TAP,
    };

    for (unsigned int i = 0; i < netns.n_queues; i++) {
        int fd = open_file(O_RDWR | O_NONBLOCK, "/dev/net/tun");

        if (fd < 0) {
            return fail("cannot open /dev/net/tun: %s", ovs_strerror(-fd));
        }
        if (ioctl(fd, TUNSETIFF, &ifr)) {
            return fail("cannot make a TAP device: %s", ovs_strerror(errno));
        }
        netns.tap[i] = fd;
    }
    return true;
}

/* Opens the packet sockets.  They are bound later; until then no packet
 * reaches them. */
static bool
open_out(void)
{
    for (unsigned int i = 0; i < netns.n_queues; i++) {
        int fd = socket(AF_PACKET, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        int size = VNETENC_KERNEL_QUEUE_BYTES, one = 1;

        if (fd < 0
            || setsockopt(fd, SOL_PACKET, PACKET_VNET_HDR, &one, sizeof one)
            || setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size,
                          sizeof size)) {
            return fail("cannot make a packet socket: %s%s",
                        ovs_strerror(errno),
                        errno == EPERM ? " (CAP_NET_RAW is needed)" : "");
        }
        netns.out[i] = fd;
    }
    return true;
}

/* Opens the sockets for ICMP messages.  A failure is no error: without them,
 * only kernel/too-long.c does nothing. */
static void
open_icmp(void)
{
    const int type = SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC;

    netns.icmp[0] = socket(AF_INET, type, IPPROTO_ICMP);
    netns.icmp[1] = socket(AF_INET6, type, IPPROTO_ICMPV6);
}

/* Opens the file that switches threaded NAPI of the TAP.  Only a sysfs that is
 * mounted in N has it; that mount ends with this thread. */
static void
open_threaded(void)
{
    if (!unshare(CLONE_NEWNS)
        && !mount("none", "/", NULL, MS_REC | MS_SLAVE, NULL)
        && !mount("none", "/sys", "sysfs", 0, NULL)) {
        netns.threaded = open_file(O_WRONLY, "/sys/class/net/"
                                   VNETENC_NETNS_TAP "/threaded");
    }
}

static bool
open_namespace(void)
{
    if (unshare(CLONE_NEWNET)) {
        return fail("cannot make a network namespace: %s%s",
                    ovs_strerror(errno),
                    errno == EPERM ? " (CAP_SYS_ADMIN is needed at the start)"
                    : errno == ENOSPC ? " (see user.max_net_namespaces)"
                    : "");
    }
    netns.fd = open_file(O_RDONLY, "/proc/thread-self/ns/net");
    if (netns.fd < 0) {
        return fail("cannot open /proc/thread-self/ns/net: %s",
                    ovs_strerror(-netns.fd));
    }

    int error = nl_sock_create(NETLINK_ROUTE, &netns.route);
    if (error) {
        return fail("cannot make an rtnetlink socket: %s",
                    ovs_strerror(error));
    }
    return true;
}

static void
close_fd(int *fd)
{
    if (*fd >= 0) {
        close(*fd);
        *fd = -1;
    }
}

static void
close_all(void)
{
    for (unsigned int i = 0; i < netns.n_queues; i++) {
        close_fd(&netns.tap[i]);
        close_fd(&netns.out[i]);
    }
    nl_sock_destroy(netns.route);
    netns.route = NULL;
    close_fd(&netns.threaded);
    close_fd(&netns.fd);
}

static void *
open_all(void *ok_)
{
    bool *ok = ok_;

    *ok = (open_namespace() && set_sysctls() && open_tap() && open_out());
    if (*ok) {
        open_icmp();
        open_threaded();
    }
    return NULL;
}

void
vnetenc_netns_open(void)
{
    bool ok = false;
    pthread_t thread;
    int error;

    netns.n_queues = MIN(MAX(count_cpu_cores(), 1), VNETENC_KERNEL_QUEUES);
    memset(netns.tap, 0xff, sizeof netns.tap);
    memset(netns.out, 0xff, sizeof netns.out);
    /* Do not call ovs_thread_create(), which would forbid daemonize_start() to
     * fork. */
    error = pthread_create(&thread, NULL, open_all, &ok);
    if (error) {
        fail("cannot start a thread: %s", ovs_strerror(error));
        return;
    }
    pthread_join(thread, NULL);
    if (ok) {
        atomic_store_relaxed(&reason, "no kernel datapath is in use");
    } else {
        close_all();
    }
}

/* The following runs once a kernel datapath is in use, with CAP_NET_ADMIN and
 * CAP_NET_RAW. */

/* Sends an rtnetlink request to N and waits for the answer.  Returns 0 or a
 * positive errno value. */
static int
transact(struct ofpbuf *request)
{
    struct nlmsghdr *nlmsg = nl_msg_nlmsghdr(request);
    struct ofpbuf reply;
    int error;

    nlmsg->nlmsg_flags |= NLM_F_REQUEST | NLM_F_ACK;
    /* Discard messages that may be for a process that crashed. */
    nl_sock_drain(netns.route);
    error = nl_sock_send(netns.route, request, true);

    ofpbuf_init(&reply, 4096);
    while (!error) {
        int result = 0;

        error = nl_sock_recv(netns.route, &reply, NULL, true);
        if (!error
            && nl_msg_nlmsghdr(&reply)->nlmsg_seq == nlmsg->nlmsg_seq
            && nl_msg_nlmsgerr(&reply, &result, NULL)) {
            error = result;
            break;
        }
    }
    ofpbuf_uninit(&reply);
    return error;
}

/* Stores the number of packets that the TAP has lost, from 'link', an
 * rtnetlink message, in '*drops'.  Returns false if 'link' does not have
 * it. */
static bool
parse_drops(const struct ofpbuf *link, uint64_t *drops)
{
    static const struct nl_policy policy[] = {
        [IFLA_STATS64] = {
            .type = NL_A_UNSPEC,
            .min_len = offsetof(struct rtnl_link_stats64, multicast),
        },
    };
    struct nlattr *attrs[ARRAY_SIZE(policy)];
    struct rtnl_link_stats64 stats;

    if (nl_msg_nlmsghdr(link)->nlmsg_type != RTM_NEWLINK
        || !nl_policy_parse(link, NLMSG_HDRLEN + sizeof(struct ifinfomsg),
                            policy, attrs, ARRAY_SIZE(policy))) {
        return false;
    }
    memset(&stats, 0, sizeof stats);
    memcpy(&stats, nl_attr_get(attrs[IFLA_STATS64]),
           MIN(sizeof stats, nl_attr_get_size(attrs[IFLA_STATS64])));
    *drops = stats.tx_dropped;
    return true;
}

bool
vnetenc_netns_tap_drops(uint64_t *drops)
{
    struct ofpbuf request, reply;
    bool ok = false;

    ofpbuf_init(&request, 0);
    nl_msg_put_nlmsghdr(&request, 0, RTM_GETLINK, NLM_F_REQUEST);
    ofpbuf_put_zeros(&request, sizeof(struct ifinfomsg));
    nl_msg_put_string(&request, IFLA_IFNAME, VNETENC_NETNS_TAP);
    ofpbuf_init(&reply, 4096);
    nl_sock_drain(netns.route);
    if (!nl_sock_send(netns.route, &request, true)
        && !nl_sock_recv(netns.route, &reply, NULL, true)) {
        ok = parse_drops(&reply, drops);
    }
    ofpbuf_uninit(&request);
    ofpbuf_uninit(&reply);
    return ok;
}

static struct ifinfomsg *
put_link(struct ofpbuf *request, uint32_t flags, const char *name)
{
    struct ifinfomsg *ifi;

    nl_msg_put_nlmsghdr(request, 0, RTM_NEWLINK, flags);
    ifi = ofpbuf_put_zeros(request, sizeof *ifi);
    nl_msg_put_string(request, IFLA_IFNAME, name);
    return ifi;
}

/* Brings device 'name' up.  If 'mtu' is not 0, also sets the MTU and the
 * Ethernet address and turns neighbor discovery off. */
static int
set_up(const char *name, uint32_t mtu)
{
    static const uint8_t mac[] = { VNETENC_NETNS_MAC };
    struct ifinfomsg *ifi;
    struct ofpbuf request;
    int error;

    ofpbuf_init(&request, 0);
    ifi = put_link(&request, 0, name);
    ifi->ifi_flags = ifi->ifi_change = IFF_UP;
    if (mtu) {
        ifi->ifi_flags = ifi->ifi_change = IFF_UP | IFF_NOARP;
        nl_msg_put_u32(&request, IFLA_MTU, mtu);
        nl_msg_put_unspec(&request, IFLA_ADDRESS, mac, sizeof mac);
    }
    error = transact(&request);
    ofpbuf_uninit(&request);
    return error;
}

static int
make_dummy(void)
{
    struct ofpbuf request;
    size_t ofs;
    int error;

    ofpbuf_init(&request, 0);
    put_link(&request, NLM_F_CREATE | NLM_F_EXCL, VNETENC_NETNS_DUMMY);
    ofs = nl_msg_start_nested(&request, IFLA_LINKINFO);
    nl_msg_put_string(&request, IFLA_INFO_KIND, "dummy");
    nl_msg_end_nested(&request, ofs);
    error = transact(&request);
    ofpbuf_uninit(&request);
    return error == EEXIST ? 0 : error;
}

/* Calls SIOCETHTOOL for the dummy device. */
static int
ethtool(void *command)
{
    struct ifreq ifr = {
        .ifr_name = VNETENC_NETNS_DUMMY,
        .ifr_data = command,
    };

    return ioctl(netns.out[0], SIOCETHTOOL, &ifr) < 0 ? errno : 0;
}

/* Switches off features of the dummy device: a packet socket cannot describe
 * such super-packets in a virtio header, and would lose them. */
static int
switch_features_off(void)
{
    static const char *const names[] = {
        "tx-udp-segmentation", "tx-sctp-segmentation", "tx-gso-list",
    };
    union {
        struct ethtool_sset_info info;
        uint32_t words[sizeof(struct ethtool_sset_info) / 4 + 1];
    } sset = {
        .info.cmd = ETHTOOL_GSSET_INFO,
        .info.sset_mask = UINT64_C(1) << ETH_SS_FEATURES,
    };
    uint32_t n_features;
    struct ethtool_gstrings *strings;
    struct ethtool_sfeatures *set;
    uint32_t n_blocks;
    int error;

    error = ethtool(&sset);
    if (error) {
        return error;
    }
    n_features = sset.words[ARRAY_SIZE(sset.words) - 1];
    n_blocks = DIV_ROUND_UP(n_features, 32);
    strings = xzalloc(sizeof *strings + n_features * ETH_GSTRING_LEN);
    strings->cmd = ETHTOOL_GSTRINGS;
    strings->string_set = ETH_SS_FEATURES;
    strings->len = n_features;
    set = xzalloc(sizeof *set + n_blocks * sizeof set->features[0]);
    set->cmd = ETHTOOL_SFEATURES;
    set->size = n_blocks;

    error = ethtool(strings);
    for (uint32_t i = 0; !error && i < n_features; i++) {
        const char *name = (char *) &strings->data[i * ETH_GSTRING_LEN];

        for (size_t j = 0; j < ARRAY_SIZE(names); j++) {
            if (!strncmp(name, names[j], ETH_GSTRING_LEN)) {
                set->features[i / 32].valid |= 1u << i % 32;
            }
        }
    }
    if (!error) {
        error = ethtool(set);
    }
    free(strings);
    free(set);
    return error;
}

/* Puts an attribute of 'type' with the address 'ip', where IPv4 addresses are
 * mapped. */
static void
put_ip(struct ofpbuf *request, uint16_t type, const struct in6_addr *ip)
{
    if (IN6_IS_ADDR_V4MAPPED(ip)) {
        nl_msg_put_be32(request, type, in6_addr_get_mapped_ipv4(ip));
    } else {
        nl_msg_put_in6_addr(request, type, ip);
    }
}

/* Parses 'text', one of the addresses that stand for no source. */
static struct in6_addr
parse_ip(const char *text)
{
    struct in6_addr ip;
    ovs_be32 ip4;

    if (ip_parse(text, &ip4)) {
        in6_addr_set_mapped_ipv4(&ip, ip4);
    } else {
        ovs_assert(ipv6_parse(text, &ip));
    }
    return ip;
}

static int
get_ifindex(const char *name)
{
    struct ifreq ifr;

    memset(&ifr, 0, sizeof ifr);
    ovs_strlcpy(ifr.ifr_name, name, sizeof ifr.ifr_name);
    return ioctl(netns.out[0], SIOCGIFINDEX, &ifr) ? 0 : ifr.ifr_ifindex;
}

/* Adds an address to lo or deletes it. */
static int
change_address(const struct in6_addr *address, bool add)
{
    bool v4 = IN6_IS_ADDR_V4MAPPED(address);
    struct ifaddrmsg *ifa;
    struct ofpbuf request;
    int error;

    ofpbuf_init(&request, 0);
    nl_msg_put_nlmsghdr(&request, 0, add ? RTM_NEWADDR : RTM_DELADDR,
                        add ? NLM_F_CREATE : 0);
    ifa = ofpbuf_put_zeros(&request, sizeof *ifa);
    ifa->ifa_family = v4 ? AF_INET : AF_INET6;
    ifa->ifa_prefixlen = v4 ? 32 : 128;
    /* A route with this source would have to wait for duplicate address
     * detection. */
    ifa->ifa_flags = v4 ? 0 : IFA_F_NODAD;
    ifa->ifa_index = get_ifindex("lo");
    put_ip(&request, IFA_LOCAL, address);
    error = transact(&request);
    ofpbuf_uninit(&request);
    return error;
}

/* Adds, replaces or deletes the route to 'remote', or the default route if
 * 'remote' is NULL, through the device by which packets leave N. */
static int
change_route(const struct in6_addr *remote, const struct in6_addr *source,
             unsigned int mtu, bool add)
{
    bool v4 = IN6_IS_ADDR_V4MAPPED(source);
    struct ofpbuf request;
    struct rtmsg *rtm;
    size_t metrics;
    int error;

    ofpbuf_init(&request, 0);
    nl_msg_put_nlmsghdr(&request, 0, add ? RTM_NEWROUTE : RTM_DELROUTE,
                        add ? NLM_F_CREATE | NLM_F_REPLACE : 0);
    rtm = ofpbuf_put_zeros(&request, sizeof *rtm);
    rtm->rtm_family = v4 ? AF_INET : AF_INET6;
    rtm->rtm_dst_len = !remote ? 0 : v4 ? 32 : 128;
    rtm->rtm_table = RT_TABLE_MAIN;
    rtm->rtm_protocol = RTPROT_STATIC;
    rtm->rtm_scope = v4 ? RT_SCOPE_LINK : RT_SCOPE_UNIVERSE;
    rtm->rtm_type = RTN_UNICAST;
    if (remote) {
        put_ip(&request, RTA_DST, remote);
    }
    nl_msg_put_u32(&request, RTA_OIF,
                   get_ifindex(netns.has_out ? VNETENC_NETNS_DUMMY
                               : VNETENC_NETNS_TAP));
    put_ip(&request, RTA_PREFSRC, source);
    if (mtu) {
        metrics = nl_msg_start_nested(&request, RTA_METRICS);
        nl_msg_put_u32(&request, RTAX_MTU, mtu);
        nl_msg_end_nested(&request, metrics);
    }
    error = transact(&request);
    ofpbuf_uninit(&request);
    return error;
}

/* Returns the address that stands for no source in the family of 'address'. */
static struct in6_addr
no_source(const struct in6_addr *address)
{
    return parse_ip(IN6_IS_ADDR_V4MAPPED(address) ? VNETENC_NETNS_NO_SOURCE4
                    : VNETENC_NETNS_NO_SOURCE6);
}

int
vnetenc_netns_set_address(const struct in6_addr *address, bool add)
{
    int error = change_address(address, add);

    return error == (add ? EEXIST : EADDRNOTAVAIL) ? 0 : error;
}

int
vnetenc_netns_set_route(const struct in6_addr *remote, unsigned int mtu)
{
    struct in6_addr source = no_source(remote);
    int error = change_route(remote, &source, mtu, mtu != 0);

    return error == ESRCH && !mtu ? 0 : error;
}

/* Binds the packet sockets to the dummy device.  A process that crashed may
 * already have done so. */
static int
bind_out(int dummy)
{
    const struct sockaddr_ll sll = {
        .sll_family = AF_PACKET,
        .sll_protocol = htons(ETH_P_ALL),
        .sll_ifindex = dummy,
    };

    for (unsigned int i = 0; i < netns.n_queues; i++) {
        int fd = netns.out[i];
        int fanout = 0;
        socklen_t size = sizeof fanout;

        if (!getsockopt(fd, SOL_PACKET, PACKET_FANOUT, &fanout, &size)
            && fanout) {
            continue;
        }
        fanout = PACKET_FANOUT_HASH << 16 | 1;
        if (bind(fd, (struct sockaddr *) &sll, sizeof sll)
            || setsockopt(fd, SOL_PACKET, PACKET_FANOUT, &fanout,
                          sizeof fanout)) {
            return errno;
        }
    }
    return 0;
}

/* Discards packets that a process that crashed did not read. */
static void
drain(int fd)
{
    char buffer[64];            /* Longer than any virtio header. */
    int i = 0;

    /* EINVAL: the kernel discarded a packet that no virtio header
     * describes. */
    while (i++ < VNETENC_KERNEL_DRAIN
           && (read(fd, buffer, sizeof buffer) >= 0 || errno == EINVAL)) {
        continue;
    }
}

static bool
set_up_out(void)
{
    int error = make_dummy();

    if (error == EOPNOTSUPP) {
        VLOG_INFO("the kernel has no dummy devices; packets to be sealed "
                  "leave through a TAP device");
        return true;
    }
    if (!error) {
        error = switch_features_off();
    }
    if (!error) {
        error = set_up(VNETENC_NETNS_DUMMY, DUMMY_MTU);
    }
    if (!error) {
        error = bind_out(get_ifindex(VNETENC_NETNS_DUMMY));
    }
    netns.has_out = !error;
    return error ? fail("cannot set up a dummy device: %s",
                        ovs_strerror(error)) : true;
}

static bool
set_up_family(const char *text)
{
    struct in6_addr source = parse_ip(text);
    int error;

    error = vnetenc_netns_set_address(&source, true);
    if (!error) {
        error = change_route(NULL, &source, 0, true);
    }
    return (!error ? true
            : !IN6_IS_ADDR_V4MAPPED(&source) && error == EOPNOTSUPP ? true
            : fail("cannot set up address %s and a default route: %s", text,
                   ovs_strerror(error)));
}

static bool
set_up_all(void)
{
    int error;

    error = set_up("lo", 0);
    if (!error) {
        error = set_up(VNETENC_NETNS_TAP, TAP_MTU);
    }
    if (error) {
        return fail("cannot set up a TAP device: %s", ovs_strerror(error));
    }
    if (!set_up_out() || !set_up_family(VNETENC_NETNS_NO_SOURCE4)
        || !set_up_family(VNETENC_NETNS_NO_SOURCE6)) {
        return false;
    }
    for (unsigned int i = 0; i < netns.n_queues; i++) {
        drain(netns.tap[i]);
        drain(netns.out[i]);
    }
    return true;
}

bool
vnetenc_netns_up(void)
{
    static bool done;

    if (!done) {
        done = true;
        if (netns.fd >= 0 && set_up_all()) {
            atomic_store_relaxed(&reason, NULL);
        } else {
            VLOG_WARN("kernel datapath cannot encrypt: %s",
                      vnetenc_netns_error());
        }
    }
    return !vnetenc_netns_error();
}
