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
#include "ofproto-dpif-vnetenc-log.h"

#include <string.h>

#include "dpif.h"
#include "flow.h"
#include "netlink.h"
#include "odp-util.h"
#include "ofproto/ofproto-dpif-xlate-cache.h"
#include "ofproto/ofproto-provider.h"
#include "openvswitch/ofpbuf.h"
#include "ovs-atomic.h"
#include "packets.h"
#include "timeval.h"
#include "util.h"
#include "vnetenc/bridge/drops.h"
#include "vnetenc/log/flow.h"
#include "vnetenc/log/flows.h"
#include "vnetenc/log/settings.h"
#include "vnetenc/vnetenc.h"

/* Copies of a packet that are told apart. */
enum { MAX_FATES = 64 };

/* What is known of a packet where it met a flow or went out. */
struct place {
    uint64_t metadata;
    uint64_t fields[VNETENC_FLOW_FIELDS];
};

struct fate {
    struct place place;
    struct vnetenc_flow_end out;
    enum vnetenc_flow_fate fate;
    int reason;
    uint8_t profile;
    bool pending;               /* Refused, if nothing follows. */
};

struct vnetenc_log_pass {
    /* Until the translation ends. */
    const struct vnetenc_settings *settings;
    const struct flow *packet;
    struct vnetenc_flow_end in;
    bool marked;                /* At any time. */
    bool exact;                 /* Whole connections, not only addresses. */
    struct place place;         /* The last one while marked. */
    bool has_rule;              /* The last one while marked. */
    bool came_refused;          /* By the rule. */
    uint8_t table;
    uint64_t cookie;
    struct fate *fates;
    size_t n_fates, allocated;
    bool tunnel_noted;          /* The last tunnel output is the last fate. */

    /* After that. */
    struct vnetenc_flows_record **records;
    size_t n_records;
    size_t max_flows;
    bool skip;                  /* The next credit is of an older pass. */
    unsigned int n_unknown;     /* Credits that may be of an older pass. */
};

/* Notes. */

struct vnetenc_log_pass *
vnetenc_log_begin(const struct flow *packet, const char *in_port,
                  struct xlate_cache *xcache)
{
    const struct vnetenc_settings *settings = vnetenc_settings_get();
    struct vnetenc_log_pass *pass;

    /* A pass has to be the first entry of a cache. */
    if (!settings || !is_ip_any(packet)
        || (xcache && xcache->entries.size)) {
        return NULL;
    }
    pass = xzalloc(sizeof *pass);
    pass->settings = settings;
    pass->packet = packet;
    if (flow_tnl_dst_is_set(&packet->tunnel)) {
        pass->in.is_peer = true;
        pass->in.peer = flow_tnl_src(&packet->tunnel);
    } else if (in_port) {
        ovs_strzcpy(pass->in.port, in_port, sizeof pass->in.port);
    }
    if (xcache) {
        xlate_cache_add_entry(xcache, XC_VNETENC_LOG)->vnetenc_pass = pass;
    }
    return pass;
}

/* Returns true, and notes where the packet is, if it is marked. */
static bool
note_place(struct vnetenc_log_pass *pass, const char *bridge,
           const struct flow *flow)
{
    const struct vnetenc_settings *s;
    uint64_t mark;

    if (!pass) {
        return false;
    }
    s = pass->settings;
    mark = mf_get_subfield(&s->mark, flow);
    if (!mark || strcmp(bridge, s->bridge)) {
        return false;
    }
    pass->marked = true;
    pass->exact |= mark > 1;
    pass->place.metadata = ntohll(flow->metadata);
    for (size_t i = 0; i < s->n_fields; i++) {
        pass->place.fields[i] = mf_get_subfield(&s->fields[i], flow);
    }
    return true;
}

/* Returns true if 'rule' is for packets that arrived in clear. */
static bool
is_for_clear(const struct rule *rule)
{
    const struct minimatch *match = &rule->cr.match;

    return (MINIFLOW_GET_U16(&match->mask->masks, tunnel.flags)
            & ~MINIFLOW_GET_U16(match->flow, tunnel.flags)
            & FLOW_TNL_F_VNETENC);
}

void
vnetenc_log_rule(struct vnetenc_log_pass *pass, const char *bridge,
                 const struct flow *flow, const struct rule *rule,
                 uint8_t table)
{
    if (note_place(pass, bridge, flow)) {
        pass->has_rule = rule != NULL;
        pass->table = table;
        pass->cookie = rule ? ntohll(rule->flow_cookie) : 0;
        pass->came_refused = (rule && pass->in.is_peer && is_for_clear(rule));
    }
}

static struct fate *
add_fate(struct vnetenc_log_pass *pass, enum vnetenc_flow_fate what)
{
    struct fate *fate;

    if (pass->n_fates >= pass->allocated) {
        pass->fates = x2nrealloc(pass->fates, &pass->allocated,
                                 sizeof *pass->fates);
    }
    pass->tunnel_noted = false;
    fate = &pass->fates[pass->n_fates++];
    memset(fate, 0, sizeof *fate);
    fate->fate = what;
    fate->place = pass->place;
    return fate;
}

void
vnetenc_log_port(struct vnetenc_log_pass *pass, const char *bridge,
                 const struct flow *flow, const char *port, bool external)
{
    if (note_place(pass, bridge, flow)) {
        struct fate *fate = add_fate(pass, (external ? VNETENC_FLOW_EXTERNAL
                                            : VNETENC_FLOW_PORT));

        ovs_strzcpy(fate->out.port, port, sizeof fate->out.port);
    }
}

void
vnetenc_log_tunnel(struct vnetenc_log_pass *pass, const char *bridge,
                   const struct flow *flow, bool sent, bool native,
                   int reason)
{
    if (pass) {
        pass->tunnel_noted = false;
    }
    if (note_place(pass, bridge, flow)) {
        struct fate *fate
            = add_fate(pass, (!sent ? VNETENC_FLOW_REFUSED
                              : flow->tunnel.enc_mode ? VNETENC_FLOW_SEALED
                              : VNETENC_FLOW_CLEAR));

        fate->out.is_peer = true;
        fate->out.peer = flow_tnl_dst(&flow->tunnel);
        fate->profile = flow->tunnel.enc_profile;
        fate->reason = reason;
        fate->pending = sent && native;
        pass->tunnel_noted = true;
    }
}

void
vnetenc_log_pushed(struct vnetenc_log_pass *pass)
{
    if (pass && pass->tunnel_noted) {
        pass->fates[pass->n_fates - 1].pending = false;
    }
}

void
vnetenc_log_in_vain(struct vnetenc_log_pass *pass, int reason)
{
    for (size_t i = 0; pass && i < pass->n_fates; i++) {
        struct fate *fate = &pass->fates[i];

        if (fate->fate == VNETENC_FLOW_CLEAR && !fate->reason) {
            fate->reason = reason;
        }
    }
}

/* The end of a translation. */

/* Returns true if 'action' hands the packet to a controller, or to code of
 * ours, and not only a sample of it. */
static bool
is_handed_over(const struct nlattr *action)
{
    const struct nlattr *data
        = nl_attr_find_nested(action, OVS_USERSPACE_ATTR_USERDATA);
    struct user_action_cookie cookie;

    if (!data || nl_attr_get_size(data) < sizeof cookie) {
        return false;
    }
    memcpy(&cookie, nl_attr_get(data), sizeof cookie);
    return (cookie.type == USER_ACTION_COOKIE_CONTROLLER
            || cookie.type == USER_ACTION_COOKIE_SLOW_PATH);
}

/* Returns true if the packet goes on, to somebody or to another pass. */
static bool
goes_on(const struct ofpbuf *actions)
{
    const struct nlattr *a;
    size_t left;

    NL_ATTR_FOR_EACH (a, left, actions->data, actions->size) {
        switch (nl_attr_type(a)) {
        case OVS_ACTION_ATTR_OUTPUT:
        case OVS_ACTION_ATTR_RECIRC:
        case OVS_ACTION_ATTR_CLONE:
        case OVS_ACTION_ATTR_TUNNEL_PUSH:
        case OVS_ACTION_ATTR_TUNNEL_POP:
        case OVS_ACTION_ATTR_CHECK_PKT_LEN:
        case OVS_ACTION_ATTR_LB_OUTPUT:
            return true;
        case OVS_ACTION_ATTR_USERSPACE:
            if (is_handed_over(a)) {
                return true;
            }
            break;
        default:
            break;
        }
    }
    return false;
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

static void
set_tuple(struct vnetenc_flow_key *key, const struct flow *packet,
          const struct flow_wildcards *wc)
{
    bool is_icmp = (packet->nw_proto == IPPROTO_ICMP
                    || packet->nw_proto == IPPROTO_ICMPV6);
    uint16_t exact = is_icmp ? UINT8_MAX : UINT16_MAX;

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
    key->has_sport = (ntohs(wc->masks.tp_src) & exact) == exact;
    key->has_dport = (ntohs(wc->masks.tp_dst) & exact) == exact;
    key->sport = key->has_sport ? ntohs(packet->tp_src) : 0;
    key->dport = key->has_dport ? ntohs(packet->tp_dst) : 0;
}

static void
make_key(const struct vnetenc_log_pass *pass, const struct fate *fate,
         const struct flow_wildcards *wc, struct vnetenc_flow_key *key)
{
    memset(key, 0, sizeof *key);
    key->metadata = fate->place.metadata;
    memcpy(key->fields, fate->place.fields, sizeof key->fields);
    memcpy(&key->in, &pass->in, sizeof key->in);
    memcpy(&key->out, &fate->out, sizeof key->out);
    key->fate = fate->pending ? VNETENC_FLOW_REFUSED : fate->fate;
    key->reason = fate->pending ? VNETENC_KEEP : fate->reason;
    if (key->fate == VNETENC_FLOW_SEALED) {
        key->profile = fate->profile;
    } else if (key->fate == VNETENC_FLOW_DENIED) {
        key->has_rule = pass->has_rule;
        key->table = pass->has_rule ? pass->table : 0;
        key->cookie = pass->cookie;
        key->came_refused = pass->came_refused;
    }
    key->came_sealed = (pass->in.is_peer
                        && pass->packet->tunnel.flags & FLOW_TNL_F_VNETENC);
    set_tuple(key, pass->packet, wc);
}

/* Returns the number of records that there may be.  A record stands for a flow
 * of the datapath, or more, and the log must not fill the datapath. */
static size_t
max_records(const struct vnetenc_settings *s)
{
    return MIN(s->max_flows, ofproto_flow_limit / 4);
}

static bool
is_named(const struct vnetenc_settings *s, uint64_t metadata)
{
    return vnetenc_settings_find_name(s, metadata) != NULL;
}

/* ICMP has a type and a code in their place. */
static bool
has_ports(uint8_t proto)
{
    return (proto == IPPROTO_TCP || proto == IPPROTO_UDP
            || proto == IPPROTO_SCTP || proto == IPPROTO_ICMP
            || proto == IPPROTO_ICMPV6);
}

static void
refine(const struct flow *packet, enum vnetenc_flows_level level,
       struct flow_wildcards *wc)
{
    if (level >= VNETENC_FLOWS_PAIRS) {
        if (packet->dl_type == htons(ETH_TYPE_IP)) {
            WC_MASK_FIELD(wc, nw_src);
            WC_MASK_FIELD(wc, nw_dst);
        } else {
            WC_MASK_FIELD(wc, ipv6_src);
            WC_MASK_FIELD(wc, ipv6_dst);
        }
    }
    if (level >= VNETENC_FLOWS_CONNECTIONS) {
        WC_MASK_FIELD(wc, nw_proto);
        if (has_ports(packet->nw_proto)) {
            WC_MASK_FIELD(wc, tp_src);
            WC_MASK_FIELD(wc, tp_dst);
        }
    }
}

/* Returns true if flows may be told apart at 'level'.  The first fate stands
 * for all. */
static bool
may_refine(const struct vnetenc_log_pass *pass, enum vnetenc_flows_level level,
           bool starts_flow, const struct flow_wildcards *wc)
{
    const struct vnetenc_settings *s = pass->settings;
    const struct fate *fate = &pass->fates[0];
    unsigned int per_second = s->connections;
    struct flow_wildcards fine = *wc;
    struct vnetenc_flow_key key;

    if (!per_second && level == VNETENC_FLOWS_PAIRS) {
        per_second = VNETENC_SETTINGS_CONNECTIONS;
    }
    refine(pass->packet, level, &fine);
    make_key(pass, fate, &fine, &key);
    return vnetenc_flows_admit(&key, is_named(s, fate->place.metadata), level,
                               max_records(s), per_second, starts_flow,
                               time_msec());
}

void
vnetenc_log_unwildcard(struct vnetenc_log_pass *pass, const char *bridge,
                       const struct flow *flow, const struct ofpbuf *actions,
                       bool consumed, bool starts_flow,
                       struct flow_wildcards *wc)
{
    enum vnetenc_flows_level level;

    if (!pass || !(pass->marked || note_place(pass, bridge, flow))) {
        return;
    }
    if (!pass->n_fates && !consumed && !goes_on(actions)) {
        add_fate(pass, VNETENC_FLOW_DENIED);
    }
    if (!pass->n_fates) {
        return;
    }
    if (pass->in.is_peer) {
        wc->masks.tunnel.flags |= FLOW_TNL_F_VNETENC;
    }
    level = pass->exact ? VNETENC_FLOWS_CONNECTIONS : VNETENC_FLOWS_PAIRS;
    while (level > VNETENC_FLOWS_COARSE
           && !may_refine(pass, level, starts_flow, wc)) {
        level--;
    }
    refine(pass->packet, level, wc);
}

/* Takes references to the records of all fates. */
static void
get_records(struct vnetenc_log_pass *pass, const struct flow_wildcards *wc)
{
    const struct vnetenc_settings *s = pass->settings;

    pass->max_flows = s->max_flows;
    pass->records = xcalloc(pass->n_fates, sizeof *pass->records);
    for (size_t i = 0; i < pass->n_fates; i++) {
        const struct fate *fate = &pass->fates[i];
        struct vnetenc_flow_key key;

        make_key(pass, fate, wc, &key);
        pass->records[i] = vnetenc_flows_get(
            &key, i < MAX_FATES ? pass->max_flows : 0,
            is_named(s, fate->place.metadata));
    }
    pass->n_records = pass->n_fates;
}

void
vnetenc_log_end(struct vnetenc_log_pass *pass,
                const struct flow_wildcards *wc, bool failed,
                const struct dpif_flow_stats *stats, bool exact, bool cached)
{
    if (!pass) {
        return;
    }
    if (failed) {
        pass->n_fates = 0;
        if (pass->marked) {
            add_fate(pass, VNETENC_FLOW_DENIED);
        }
    }
    if (pass->n_fates && (stats || cached)) {
        get_records(pass, wc);
    }
    free(pass->fates);
    pass->fates = NULL;
    pass->settings = NULL;
    pass->packet = NULL;
    if (stats) {
        pass->n_unknown = !exact;
        vnetenc_log_credit(pass, stats);
    }
    if (!cached) {
        vnetenc_log_destroy(pass);
    }
}

/* Statistics. */

static void
credit_unknown(const struct vnetenc_log_pass *pass,
               const struct vnetenc_flows_record *r,
               const struct dpif_flow_stats *stats)
{
    struct vnetenc_flows_record *unknown
        = vnetenc_flows_get_unknown(r, pass->max_flows);

    vnetenc_flows_credit(unknown, stats->n_packets, stats->n_bytes,
                         stats->tcp_flags);
    vnetenc_flows_unref(unknown);
}

void
vnetenc_log_credit(struct vnetenc_log_pass *pass,
                   const struct dpif_flow_stats *stats)
{
    bool unknown;

    if (!pass || !stats->n_packets) {
        return;
    }
    if (pass->skip) {
        pass->skip = false;
        return;
    }
    unknown = pass->n_unknown > 0;
    pass->n_unknown -= unknown;
    for (size_t i = 0; i < pass->n_records; i++) {
        struct vnetenc_flows_record *r = pass->records[i];

        if (unknown) {
            credit_unknown(pass, r, stats);
        } else {
            vnetenc_flows_credit(r, stats->n_packets, stats->n_bytes,
                                 stats->tcp_flags);
        }
    }
}

void
vnetenc_log_destroy(struct vnetenc_log_pass *pass)
{
    if (pass) {
        for (size_t i = 0; i < pass->n_records; i++) {
            vnetenc_flows_unref(pass->records[i]);
        }
        free(pass->records);
        free(pass->fates);
        free(pass);
    }
}

/* Revalidation. */

/* Returns the entry of a cache that has a pass, or NULL. */
static struct xc_entry *
find_entry(struct xlate_cache *xcache)
{
    struct xc_entry *first
        = (xcache ? ofpbuf_at(&xcache->entries, 0, sizeof *first) : NULL);

    return first && first->type == XC_VNETENC_LOG ? first : NULL;
}

struct vnetenc_log_pass *
vnetenc_log_take(struct xlate_cache *xcache)
{
    struct xc_entry *entry = find_entry(xcache);
    struct vnetenc_log_pass *pass = entry ? entry->vnetenc_pass : NULL;

    if (entry) {
        entry->vnetenc_pass = NULL;
    }
    return pass;
}

/* Makes 'pass' that of the cache. */
static void
put_back(struct xlate_cache *xcache, struct vnetenc_log_pass *pass)
{
    struct xc_entry *entry = find_entry(xcache);

    if (entry) {
        vnetenc_log_destroy(entry->vnetenc_pass);
    } else {
        size_t size = xcache->entries.size;

        /* Other entries change the statistics, so a pass comes first. */
        xlate_cache_add_entry(xcache, XC_VNETENC_LOG);
        entry = xcache->entries.data;
        memmove(entry + 1, entry, size);
        memset(entry, 0, sizeof *entry);
        entry->type = XC_VNETENC_LOG;
    }
    entry->vnetenc_pass = pass;
}

void
vnetenc_log_settle(struct xlate_cache *xcache, struct vnetenc_log_pass *old,
                   enum vnetenc_log_result result,
                   const struct dpif_flow_stats *push)
{
    struct xc_entry *entry = find_entry(xcache);
    struct vnetenc_log_pass *pass = entry ? entry->vnetenc_pass : NULL;

    if (result == VNETENC_LOG_DELETE && old) {
        put_back(xcache, old);
        return;
    }
    if (result == VNETENC_LOG_KEEP && old) {
        /* Packets of an even older pass may still be to come.  And equal
         * actions need not be an equal fate: many lead into the slow path. */
        vnetenc_log_credit(old, push);
        if (pass) {
            pass->n_unknown = old->n_unknown;
            pass->skip = push->n_packets > 0;
        }
    } else if (pass && result == VNETENC_LOG_DELETE) {
        pass->n_unknown = 1;
    } else if (pass && result == VNETENC_LOG_MODIFY) {
        /* Until the datapath has the new actions, it uses the old ones. */
        pass->n_unknown = 1;
        if (push->n_packets) {
            /* A push without packets reaches no pass. */
            pass->skip = old != NULL;
            pass->n_unknown += !old;
        }
    }
    if (result == VNETENC_LOG_MODIFY) {
        vnetenc_log_credit(old, push);
    }
    vnetenc_log_destroy(old);
}
