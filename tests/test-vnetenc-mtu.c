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

/* The search for the MTU of the underlay, and messages to guests. */

#include <config.h>
#undef NDEBUG
#include "vnetenc/control/mtu.h"

#include <netinet/icmp6.h>
#include <netinet/ip6.h>
#include <stdlib.h>

#include "csum.h"
#include "dp-packet.h"
#include "flow.h"
#include "ovs-rcu.h"
#include "packets.h"
#include "timeval.h"
#include "util.h"
#include "vnetenc/bridge/inbox.h"
#include "vnetenc/base/limits.h"
#include "vnetenc/control/icmp.h"
#include "vnetenc/packet/pmtu.h"
#include "vnetenc-unit-packets.h"
#include "vnetenc-unit.h"

enum { AGAIN = VNETENC_MTU_AGAIN_MS };

/* The search. */

/* Runs 'mtu' for 'ms' over an underlay that lets 'real' octets pass.  Returns
 * the number of probes. */
static unsigned int
search_while(struct vnetenc_mtu *mtu, unsigned int real, bool alive,
             bool busy, long long int *now, long long int ms)
{
    unsigned int n = 0;

    for (long long int end = *now + ms; *now < end; *now += 10) {
        unsigned int size = vnetenc_mtu_run(mtu, alive, busy,
                                            VNETENC_MTU_PROBE_MS, *now);

        n += size != 0;
        if (size && size <= real) {
            vnetenc_mtu_reply(mtu, mtu->echo, *now + 1);
        }
    }
    return n;
}

/* The same while no long packets are sent. */
static unsigned int
search(struct vnetenc_mtu *mtu, unsigned int real, bool alive,
       long long int *now, long long int ms)
{
    return search_while(mtu, real, alive, false, now, ms);
}

static void
test_search(void)
{
    long long int now = 1000;
    struct vnetenc_mtu mtu;

    /* Nothing is known. */
    vnetenc_mtu_init(&mtu);
    CHECK(!vnetenc_mtu_get(&mtu));
    CHECK(!search(&mtu, 9000, true, &now, 10000));

    /* The interface is right. */
    vnetenc_mtu_set_device(&mtu, 1500, now);
    CHECK(vnetenc_mtu_get(&mtu) == 1500);
    CHECK(search(&mtu, 1500, true, &now, AGAIN / 2) == 1);
    CHECK(vnetenc_mtu_get(&mtu) == 1500);

    /* It is not: some shorter ones are tried, then there is quiet. */
    vnetenc_mtu_set_device(&mtu, 9000, now);
    CHECK(vnetenc_mtu_get(&mtu) == 9000);
    CHECK(search(&mtu, 1460, true, &now, AGAIN / 2) < 20);
    CHECK(vnetenc_mtu_get(&mtu) == 1450);
    CHECK(!search(&mtu, 1460, true, &now, AGAIN / 2));

    /* Later the underlay may be better... */
    CHECK(search(&mtu, 9000, true, &now, AGAIN / 2) == 1);
    CHECK(vnetenc_mtu_get(&mtu) == 9000);

    /* ...or worse, and the interface may change. */
    CHECK(search(&mtu, 1300, true, &now, AGAIN * 3 / 2) < 30);
    CHECK(vnetenc_mtu_get(&mtu) == 1280);
    vnetenc_mtu_set_device(&mtu, 1400, now);
    CHECK(vnetenc_mtu_get(&mtu) == 1400);

    /* A moment without a route forgets nothing. */
    CHECK(search(&mtu, 1300, true, &now, AGAIN / 2) < 30);
    CHECK(vnetenc_mtu_get(&mtu) == 1280);
    vnetenc_mtu_set_device(&mtu, 0, now);
    vnetenc_mtu_set_device(&mtu, 1400, now);
    CHECK(vnetenc_mtu_get(&mtu) == 1280);
}

/* While long packets are sent, a way that becomes narrower is found at once;
 * meanwhile what is known to be too long is not tried more often. */
static void
test_busy(void)
{
    long long int now = 1000;
    struct vnetenc_mtu mtu;

    vnetenc_mtu_init(&mtu);
    vnetenc_mtu_set_device(&mtu, 1500, now);
    CHECK(search_while(&mtu, 1500, true, true, &now, 10000) <= 6);
    CHECK(vnetenc_mtu_get(&mtu) == 1500);
    search_while(&mtu, 1400, true, true, &now, 2000 + 4 * 1500 + 100);
    CHECK(vnetenc_mtu_get(&mtu) == 1400);
    CHECK(search_while(&mtu, 1400, true, true, &now, 10000) <= 6);

    /* It becomes wide again. */
    search_while(&mtu, 1500, true, true, &now, AGAIN);
    CHECK(vnetenc_mtu_get(&mtu) == 1500);

    /* Nothing is answered any more: no flood of probes. */
    CHECK(search_while(&mtu, 0, true, true, &now, VNETENC_MTU_SILENT_MS)
          <= 24);
    CHECK(vnetenc_mtu_get(&mtu) == 1500);
}

/* Silence means nothing while short probes are not answered either, and when
 * none of ours ever is. */
static void
test_silence(void)
{
    long long int now = 1000;
    struct vnetenc_mtu mtu;
    uint64_t echo;

    vnetenc_mtu_init(&mtu);
    vnetenc_mtu_set_device(&mtu, 1500, now);
    CHECK(!search(&mtu, 0, false, &now, 60000));
    CHECK(vnetenc_mtu_get(&mtu) == 1500);
    CHECK(search(&mtu, 0, true, &now, 60000) < 40);
    CHECK(vnetenc_mtu_get(&mtu) == 1500);

    /* Nothing is tried that is too short for handshakes. */
    vnetenc_mtu_init(&mtu);
    vnetenc_mtu_set_device(&mtu, 1500, now);
    CHECK(search(&mtu, VNETENC_MIN_MTU - 1, true, &now, 60000) < 40);
    CHECK(vnetenc_mtu_get(&mtu) == 1500);

    /* What was found once stands. */
    vnetenc_mtu_init(&mtu);
    vnetenc_mtu_set_device(&mtu, 1500, now);
    CHECK(search(&mtu, 1400, true, &now, AGAIN / 2) < 20);
    CHECK(vnetenc_mtu_get(&mtu) == 1400);
    CHECK(search(&mtu, 0, true, &now, AGAIN * 2) < 40);
    CHECK(vnetenc_mtu_get(&mtu) == 1400);

    /* Replies that nobody waits for. */
    vnetenc_mtu_init(&mtu);
    vnetenc_mtu_set_device(&mtu, 1500, now);
    vnetenc_mtu_reply(&mtu, mtu.echo, now);
    CHECK(!mtu.proved);
    CHECK(vnetenc_mtu_run(&mtu, true, false, VNETENC_MTU_PROBE_MS, now)
          == 1500);
    echo = mtu.echo;
    vnetenc_mtu_reply(&mtu, echo + 1, now);
    vnetenc_mtu_reply(&mtu, echo - 1, now);
    CHECK(!mtu.proved);
    vnetenc_mtu_reply(&mtu, echo, now);
    CHECK(mtu.proved == 1500);
}

/* Messages. */

static struct vnetenc_pmtu_note
make_note(const struct dp_packet *packet)
{
    const struct eth_header *eth = dp_packet_eth(packet);
    struct vnetenc_pmtu_note note;

    memset(&note, 0, sizeof note);
    note.src = eth->eth_src;
    note.dst = eth->eth_dst;
    note.max_frame = 1414;
    return note;
}

static void
check_4(bool vlan)
{
    struct dp_packet *packet = unit_frame(IPPROTO_UDP, 1472, vlan);
    struct vnetenc_pmtu_note note = make_note(packet);
    size_t l2 = ETH_HEADER_LEN + (vlan ? VLAN_HEADER_LEN : 0);
    const struct ip_header *old = dp_packet_l3(packet);
    struct dp_packet *answer;
    const struct icmp_header *icmp;
    const struct ip_header *ip;
    struct flow flow;

    if (vlan) {
        note.tags[0][0] = htons(ETH_TYPE_VLAN);
        note.tags[0][1] = htons(0x2064);
    }
    answer = vnetenc_icmp_build(&note, dp_packet_data(packet),
                                MIN(dp_packet_size(packet), 1280));
    if (!CHECK(answer)) {
        dp_packet_delete(packet);
        return;
    }
    flow_extract(answer, &flow);
    CHECK(eth_addr_equals(flow.dl_dst, note.src));
    CHECK(eth_addr_equals(flow.dl_src, note.dst));
    CHECK(vlan_tci_to_vid(flow.vlans[0].tci) == (vlan ? 0x64 : 0));
    CHECK(flow.dl_type == htons(ETH_TYPE_IP));
    CHECK(flow.nw_src == htonl(0xc0a80002));
    CHECK(flow.nw_dst == htonl(0xc0a80001));
    CHECK(flow.nw_proto == IPPROTO_ICMP);
    CHECK(flow.tp_src == htons(3) && flow.tp_dst == htons(4));
    CHECK(dp_packet_size(answer) == l2 + 576);

    ip = dp_packet_l3(answer);
    icmp = dp_packet_l4(answer);
    CHECK(ntohs(ip->ip_tot_len) == 576);
    CHECK(!csum(ip, sizeof *ip));
    CHECK(!csum(icmp, 576 - IP_HEADER_LEN));
    CHECK(ntohs(icmp->icmp_fields.frag.mtu) == 1414 - l2);
    CHECK(!memcmp(icmp + 1, old, 548));
    dp_packet_delete(answer);
    dp_packet_delete(packet);
}

/* An IPv6 packet with 'size' octets behind its header. */
static struct dp_packet *
frame_6(uint8_t nxt, size_t size)
{
    struct dp_packet *packet = dp_packet_new(2000);
    struct eth_header *eth = dp_packet_put_zeros(packet, sizeof *eth);
    struct ovs_16aligned_ip6_hdr *ip6;
    struct flow flow;
    uint8_t *p;

    eth->eth_type = htons(ETH_TYPE_IPV6);
    eth->eth_src = (struct eth_addr) ETH_ADDR_C(50,54,00,00,00,01);
    eth->eth_dst = (struct eth_addr) ETH_ADDR_C(50,54,00,00,00,02);
    ip6 = dp_packet_put_zeros(packet, sizeof *ip6);
    put_16aligned_be32(&ip6->ip6_flow, htonl(6u << 28));
    ip6->ip6_plen = htons(size);
    ip6->ip6_nxt = nxt;
    ((uint8_t *) &ip6->ip6_src)[0] = 0xfd;
    ((uint8_t *) &ip6->ip6_src)[15] = 1;
    ((uint8_t *) &ip6->ip6_dst)[0] = 0xfd;
    ((uint8_t *) &ip6->ip6_dst)[15] = 2;
    p = dp_packet_put_uninit(packet, size);
    for (size_t i = 0; i < size; i++) {
        p[i] = i * 3;
    }
    flow_extract(packet, &flow);
    return packet;
}

static void
check_6(uint16_t max_frame, uint32_t mtu)
{
    struct dp_packet *packet = frame_6(IPPROTO_UDP, 1400);
    struct vnetenc_pmtu_note note = make_note(packet);
    const struct ovs_16aligned_ip6_hdr *ip6;
    const struct icmp6_data_header *icmp6;
    struct dp_packet *answer;
    struct flow flow;
    uint32_t sum;

    note.max_frame = max_frame;
    answer = vnetenc_icmp_build(&note, dp_packet_data(packet), 1294);
    if (!CHECK(answer)) {
        dp_packet_delete(packet);
        return;
    }
    flow_extract(answer, &flow);
    CHECK(dp_packet_size(answer) == ETH_HEADER_LEN + 1280);
    CHECK(flow.nw_proto == IPPROTO_ICMPV6);
    CHECK(flow.tp_src == htons(ICMP6_PACKET_TOO_BIG) && !flow.tp_dst);
    CHECK(flow.ipv6_src.s6_addr[15] == 2 && flow.ipv6_dst.s6_addr[15] == 1);
    ip6 = dp_packet_l3(answer);
    icmp6 = dp_packet_l4(answer);
    CHECK(ntohs(ip6->ip6_plen) == 1240);
    CHECK(ntohl(get_16aligned_be32(icmp6->icmp6_data.be32)) == mtu);
    sum = packet_csum_pseudoheader6(ip6);
    CHECK(!csum_finish(csum_continue(sum, icmp6, 1240)));
    CHECK(!memcmp(icmp6 + 1, dp_packet_l3(packet), 1232));
    dp_packet_delete(answer);
    dp_packet_delete(packet);
}

/* True if nobody is told about 'packet'. */
static bool
is_silent(struct dp_packet *packet, size_t size)
{
    struct vnetenc_pmtu_note note = make_note(packet);
    struct dp_packet *answer
        = vnetenc_icmp_build(&note, dp_packet_data(packet), size);
    bool ok = !answer;

    dp_packet_delete(answer);
    dp_packet_delete(packet);
    return ok;
}

static void
test_no_message(void)
{
    static const uint32_t bad_src[] = { 0, 0xffffffff, 0xe0000001 };
    static const uint32_t bad_dst[] = { 0, 0xffffffff, 0xe00000fb };
    static const uint8_t errors[] = { 3, 4, 5, 11, 12 };
    struct dp_packet *packet;
    struct ip_header *ip;
    unsigned int n_answers = 0;

    for (size_t i = 0; i < 3; i++) {
        packet = unit_frame(IPPROTO_UDP, 100, false);
        ip = dp_packet_l3(packet);
        put_16aligned_be32(&ip->ip_src, htonl(bad_src[i]));
        CHECK(is_silent(packet, 100));
        packet = unit_frame(IPPROTO_UDP, 100, false);
        ip = dp_packet_l3(packet);
        put_16aligned_be32(&ip->ip_dst, htonl(bad_dst[i]));
        CHECK(is_silent(packet, 100));
    }
    for (size_t i = 0; i < ARRAY_SIZE(errors); i++) {
        packet = unit_frame(IPPROTO_UDP, 100, false);
        ip = dp_packet_l3(packet);
        ip->ip_proto = IPPROTO_ICMP;
        ((uint8_t *) dp_packet_l4(packet))[0] = errors[i];
        CHECK(is_silent(packet, 100));
    }

    /* A frame to a group, from a machine to a machine by its addresses. */
    packet = unit_frame(IPPROTO_UDP, 100, false);
    ((struct eth_header *) dp_packet_eth(packet))->eth_dst
        = eth_addr_broadcast;
    CHECK(is_silent(packet, 100));

    /* A later fragment. */
    packet = unit_frame(IPPROTO_UDP, 100, false);
    ip = dp_packet_l3(packet);
    ip->ip_frag_off = htons(185);
    CHECK(is_silent(packet, 100));

    /* Headers that are cut off or wrong, of every length. */
    for (size_t size = 0; size < ETH_HEADER_LEN + IP_HEADER_LEN + 8; size++) {
        CHECK(is_silent(unit_frame(IPPROTO_UDP, 100, false), size));
    }
    for (size_t size = 0; size < ETH_HEADER_LEN + IPV6_HEADER_LEN + 8;
         size++) {
        CHECK(is_silent(frame_6(IPPROTO_UDP, 100), size));
    }
    packet = unit_frame(IPPROTO_UDP, 100, false);
    ((uint8_t *) dp_packet_l3(packet))[0] = 0x4f;
    CHECK(is_silent(packet, 80));
    packet = unit_frame(IPPROTO_UDP, 100, false);
    ((struct eth_header *) dp_packet_eth(packet))->eth_type = htons(0x1234);
    CHECK(is_silent(packet, 100));

    /* From a group, by its Ethernet address. */
    packet = unit_frame(IPPROTO_UDP, 100, false);
    ((struct eth_header *) dp_packet_eth(packet))->eth_src.ea[0] |= 1;
    CHECK(is_silent(packet, 100));

    /* ICMPv6 errors, groups, nobody; but echo requests. */
    for (int type = 0; type < 256; type += 16) {
        packet = frame_6(IPPROTO_ICMPV6, 100);
        ((uint8_t *) dp_packet_l3(packet))[IPV6_HEADER_LEN] = type;
        n_answers += !is_silent(packet, 100);
    }
    CHECK(n_answers == 8);
    CHECK(is_silent(frame_6(IPPROTO_HOPOPTS, 100), 100));
    CHECK(is_silent(frame_6(IPPROTO_FRAGMENT, 100), 100));
    packet = frame_6(IPPROTO_UDP, 100);
    memset((uint8_t *) dp_packet_l3(packet) + 8, 0, 16);
    CHECK(is_silent(packet, 100));
    packet = frame_6(IPPROTO_UDP, 100);
    memset((uint8_t *) dp_packet_l3(packet) + 24, 0xff, 16);
    CHECK(is_silent(packet, 100));
}

/* Rates. */

/* Reports packets of 'in_port' until that is refused.  Returns how many were
 * admitted. */
static unsigned int
report_many(uint32_t in_port)
{
    struct dp_packet *packet = unit_frame(IPPROTO_UDP, 1472, false);
    const struct eth_header *eth = dp_packet_eth(packet);
    struct vnetenc_path_key path = unit_path(false, false);
    static struct vnetenc_event event;
    unsigned int n = 0;
    struct flow flow;

    memset(&flow, 0, sizeof flow);
    flow.in_port.odp_port = u32_to_odp(in_port);
    flow.dl_src = eth->eth_src;
    flow.dl_dst = eth->eth_dst;
    for (unsigned int i = 0; i < 2 * VNETENC_PMTU_BURST; i++) {
        vnetenc_pmtu_report(&path, &flow, dp_packet_data(packet),
                            dp_packet_size(packet), 1414);
        if (vnetenc_inbox_take(VNETENC_INBOX_GUESTS, &event)) {
            n += event.type == VNETENC_EV_TOO_LONG;
        }
    }
    dp_packet_delete(packet);
    return n;
}

/* A guest that is told very often takes nothing from another, and all of them
 * together nothing from handshakes. */
static void
test_rates(void)
{
    static struct vnetenc_event event;
    unsigned int n = 0;

    CHECK(report_many(1) == VNETENC_PMTU_BURST);
    CHECK(report_many(1) == 0);
    CHECK(report_many(2) == VNETENC_PMTU_BURST);
    CHECK(report_many(1 + VNETENC_PMTU_PORTS) == 0);
    for (uint32_t port = 3; port < 100; port++) {
        n += report_many(port);
    }
    CHECK(n == VNETENC_PMTU_ALL_PER_SECOND / 10 - 2 * VNETENC_PMTU_BURST);
    CHECK(!vnetenc_inbox_take(VNETENC_INBOX_KNOWN, &event));
    CHECK(!vnetenc_inbox_take(VNETENC_INBOX_STRANGERS, &event));

    timeval_warp(1000);
    CHECK(report_many(1) == VNETENC_PMTU_BURST);
}

int
main(int argc OVS_UNUSED, char *argv[])
{
    set_program_name(argv[0]);
    test_search();
    test_busy();
    test_silence();
    check_4(false);
    check_4(true);
    check_6(1414, 1400);
    /* RFC 8201 section 4: never less than 1280. */
    check_6(1293, 1280);
    check_6(600, 1280);
    test_no_message();

    vnetenc_inbox_init();
    time_msec();
    timeval_stop();
    test_rates();
    return unit_end();
}
