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
#include "vnetenc/log/flow.h"
#include <stdio.h>
#include <string.h>
#include "hash.h"
#include "lib/flow.h"
#include "packets.h"
#include "util.h"
#include "vnetenc/bridge/outcome.h"

void
vnetenc_flow_port_name(const char *name, char text[VNETENC_FLOW_PORT_BYTES])
{
    enum { HASH_CHARS = 9 };    /* "~" and 8 digits. */
    size_t n = strlen(name);

    if (n < VNETENC_FLOW_PORT_BYTES) {
        ovs_strzcpy(text, name, VNETENC_FLOW_PORT_BYTES);
        return;
    }
    n = VNETENC_FLOW_PORT_BYTES - 1 - HASH_CHARS;
    while (n && ((unsigned char) name[n] & 0xc0) == 0x80) {
        n--;                    /* Not within a character of UTF-8. */
    }
    memset(text, 0, VNETENC_FLOW_PORT_BYTES);
    snprintf(text, VNETENC_FLOW_PORT_BYTES, "%.*s~%08"PRIx32, (int) n, name,
             hash_string(name, 0));
}

void
vnetenc_flow_set_port(struct vnetenc_flow_end *end, const char *name)
{
    vnetenc_flow_port_name(name, end->port);
}

static unsigned int
count_leading_ones(const uint8_t *mask, size_t n_bytes)
{
    unsigned int n = 0;

    while (n < 8 * n_bytes && mask[n / 8] & 0x80 >> n % 8) {
        n++;
    }
    return n;
}

static void
set_address(struct in6_addr *addr, uint8_t *len, const uint8_t *value,
            const uint8_t *mask, size_t size)
{
    *len = count_leading_ones(mask, size);
    if (size == sizeof(ovs_be32)) {
        addr->s6_addr[10] = addr->s6_addr[11] = 0xff;
    }
    for (size_t i = 0; i < *len; i++) {
        addr->s6_addr[16 - size + i / 8] |= value[i / 8] & 0x80 >> i % 8;
    }
}

uint16_t
vnetenc_flow_port_bits(const struct flow *packet)
{
    bool is_ipv4 = packet->dl_type == htons(ETH_TYPE_IP);

    switch (packet->nw_proto) {
    case IPPROTO_TCP:
    case IPPROTO_UDP:
    case IPPROTO_SCTP:
        return UINT16_MAX;
    case IPPROTO_ICMP:
        return is_ipv4 ? UINT8_MAX : 0;
    case IPPROTO_ICMPV6:
        return is_ipv4 ? 0 : UINT8_MAX;
    default:
        return 0;
    }
}

void
vnetenc_flow_set_tuple(struct vnetenc_flow_key *key, const struct flow *packet,
                       const struct flow_wildcards *wc)
{
    uint16_t exact = vnetenc_flow_port_bits(packet);

    key->is_ipv6 = packet->dl_type == htons(ETH_TYPE_IPV6);
    if (key->is_ipv6) {
        set_address(&key->src, &key->src_len, packet->ipv6_src.s6_addr,
                    wc->masks.ipv6_src.s6_addr, sizeof packet->ipv6_src);
        set_address(&key->dst, &key->dst_len, packet->ipv6_dst.s6_addr,
                    wc->masks.ipv6_dst.s6_addr, sizeof packet->ipv6_dst);
    } else {
        set_address(&key->src, &key->src_len,
                    (const uint8_t *) &packet->nw_src,
                    (const uint8_t *) &wc->masks.nw_src,
                    sizeof packet->nw_src);
        set_address(&key->dst, &key->dst_len,
                    (const uint8_t *) &packet->nw_dst,
                    (const uint8_t *) &wc->masks.nw_dst,
                    sizeof packet->nw_dst);
    }
    key->has_proto = wc->masks.nw_proto == UINT8_MAX;
    if (!key->has_proto) {
        return;
    }
    key->proto = packet->nw_proto;
    key->has_sport = exact && (ntohs(wc->masks.tp_src) & exact) == exact;
    key->has_dport = exact && (ntohs(wc->masks.tp_dst) & exact) == exact;
    key->sport = key->has_sport ? ntohs(packet->tp_src) : 0;
    key->dport = key->has_dport ? ntohs(packet->tp_dst) : 0;
}

/* Only the datapath knows whether packets that were to be sealed were sealed.
 * The worst that happened to a packet to the peer is said of them all. */
static struct vnetenc_flow_verdict
judge_sealed(const struct vnetenc_flow_key *key, long long int since)
{
    enum vnetenc_drop reason
        = (key->out.is_peer
           ? vnetenc_outcome_since(&key->out.peer, key->profile, since)
           : vnetenc_outcome_any_since(since));
    enum vnetenc_code code = vnetenc_drop_code(reason);

    return (struct vnetenc_flow_verdict) {
        .code = code,
        .reason = reason,
        .dropped = (code != VNETENC_CODE_X
                    && code != VNETENC_CODE_NX_FALLBACK),
        .lost = reason && code == VNETENC_CODE_X,
    };
}

struct vnetenc_flow_verdict
vnetenc_flow_judge(const struct vnetenc_flow_key *key, long long int since)
{
    struct vnetenc_flow_verdict v = {
        .code = VNETENC_CODE_UNKNOWN,
        .reason = key->reason,
    };

    switch ((enum vnetenc_flow_fate) key->fate) {
    case VNETENC_FLOW_PORT:
        v.code = (key->came_sealed ? VNETENC_CODE_X
                  : key->in.is_peer || key->in.is_outside ? VNETENC_CODE_NX
                  : VNETENC_CODE_NX_LOCAL_DST);
        break;
    case VNETENC_FLOW_EXTERNAL:
        v.code = VNETENC_CODE_NX;
        break;
    case VNETENC_FLOW_SEALED:
        return judge_sealed(key, since);
    case VNETENC_FLOW_CLEAR:
        v.code = (key->reason ? vnetenc_drop_code(key->reason)
                  : VNETENC_CODE_NX);
        break;
    case VNETENC_FLOW_REFUSED:
        v.code = (key->reason ? vnetenc_drop_code(key->reason)
                  : VNETENC_CODE_NX_SW_NOT_READY);
        v.dropped = true;
        break;
    case VNETENC_FLOW_DENIED:
        v.code = (key->note == VNETENC_NOTE_CLEAR
                  ? VNETENC_CODE_NX_NOT_ACCEPTED
                  : key->note == VNETENC_NOTE_UNABLE
                  ? VNETENC_CODE_NX_HW_NOT_SUPPORTED
                  : VNETENC_CODE_NX);
        v.dropped = true;
        break;
    case VNETENC_FLOW_UNKNOWN:
        break;
    }
    return v;
}

const char *
vnetenc_flow_direction(const struct vnetenc_flow_key *key)
{
    return (key->fate == VNETENC_FLOW_EXTERNAL ? "external"
            : key->out.is_peer ? "out"
            : key->in.is_peer ? "in"
            : key->in.is_outside ? "external"
            : key->out.port[0] ? "local"
            : "out");
}
