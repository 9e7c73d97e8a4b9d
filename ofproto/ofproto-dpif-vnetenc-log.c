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
#include "netdev.h"
#include "netlink.h"
#include "odp-util.h"
#include "ofproto/ofproto-dpif-xlate-cache.h"
#include "ofproto/ofproto-provider.h"
#include "openvswitch/ofpbuf.h"
#include "ovs-atomic.h"
#include "packets.h"
#include "timeval.h"
#include "util.h"
#include "vnetenc/base/drops.h"
#include "vnetenc/log/flow.h"
#include "vnetenc/log/flows.h"
#include "vnetenc/log/note.h"
#include "vnetenc/log/settings.h"
#include "vnetenc/vnetenc.h"

/* Copies of a packet that are told apart. */
enum { MAX_FATES = 64 };

/* The datapath's clock may be behind by so much. */
enum { CLOCK_MS = 100 };

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
    bool twin;                  /* In both ways of vnetenc_log_join().  This
                                 * is the last member. */
};

struct vnetenc_log_pass {
    /* Until the translation ends. */
    const struct vnetenc_settings *settings;
    const struct flow *packet;
    struct vnetenc_flow_end in;
    bool marked;                /* At any time. */
    bool exact;                 /* Whole connections, not only addresses. */
    bool guess;                 /* Other packets may have other fates. */
    bool met_rule;              /* Mirrors of the ingress port come before. */
    bool sent;                  /* Sent by the bridge while not marked. */
    struct place place;         /* The last one while marked. */
    bool has_rule;              /* The last one while marked. */
    uint8_t note;               /* enum vnetenc_note, of the rules. */
    uint8_t table;
    uint64_t cookie;
    struct fate *fates;
    size_t n_fates, allocated;
    bool tunnel_noted;          /* The last tunnel output is the last fate. */

    /* After that. */
    struct vnetenc_flows_record **records;
    size_t n_records;
    size_t max_flows;
    long long int since;        /* Of the packets that come next. */
    bool skip;                  /* The next credit is of an older pass. */
    unsigned int n_unknown;     /* Credits that may be of an older pass. */
};

/* Notes. */

bool
vnetenc_log_is_on(void)
{
    return vnetenc_settings_get() != NULL;
}

/* Returns true unless 'port' certainly belongs to a guest, or to the host
 * itself. */
static bool
leads_outside(const struct vnetenc_settings *s, const struct netdev *port)
{
    static const char *const types[] = {
        "internal", "tap", "dpdkvhostuser", "dpdkvhostuserclient",
    };
    const char *type = netdev_get_type(port);

    for (size_t i = 0; i < ARRAY_SIZE(types); i++) {
        if (!strcmp(type, types[i])) {
            return false;
        }
    }
    return !vnetenc_settings_find_port(s, netdev_get_name(port));
}

struct vnetenc_log_pass *
vnetenc_log_begin(const struct flow *packet, const char *bridge,
                  const struct netdev *in_port, struct xlate_cache *xcache)
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
        vnetenc_flow_set_port(&pass->in, netdev_get_name(in_port));
        pass->in.is_outside = (strcmp(bridge, settings->bridge)
                               || leads_outside(settings, in_port));
    }
    pass->since = time_msec();
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

static enum vnetenc_note
note_of(const struct rule *rule)
{
    const struct rule_actions *actions = rule_get_actions(rule);
    enum vnetenc_note note = vnetenc_note_find(actions->ofpacts,
                                               actions->ofpacts_len);

    return !note && is_for_clear(rule) ? VNETENC_NOTE_CLEAR : note;
}

/* Notes why 'rule' drops the packet, if it does.  A rule that says that Open
 * vSwitch is unable may leave that to others. */
static void
take_note(struct vnetenc_log_pass *pass, const struct rule *rule)
{
    if (pass->note != VNETENC_NOTE_UNABLE) {
        pass->note = rule ? note_of(rule) : VNETENC_NOTE_NONE;
        if (pass->note == VNETENC_NOTE_CLEAR && !pass->in.is_peer) {
            pass->note = VNETENC_NOTE_NONE;
        }
    }
}

void
vnetenc_log_rule(struct vnetenc_log_pass *pass, const char *bridge,
                 const struct flow *flow, const struct rule *rule,
                 uint8_t table)
{
    if (pass) {
        pass->met_rule = true;
    }
    if (note_place(pass, bridge, flow)) {
        pass->has_rule = rule != NULL;
        pass->table = table;
        pass->cookie = rule ? ntohll(rule->flow_cookie) : 0;
        take_note(pass, rule);
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

/* Notes that 'bridge' sends a packet that is not marked.  It is not denied
 * then.  Copies that other bridges send, or that a mirror sent before any rule
 * was met, say nothing about that. */
static void
note_unmarked(struct vnetenc_log_pass *pass, const char *bridge)
{
    if (pass && pass->met_rule && !strcmp(bridge, pass->settings->bridge)) {
        pass->sent = true;
    }
}

void
vnetenc_log_port(struct vnetenc_log_pass *pass, const char *bridge,
                 const struct flow *flow, const struct netdev *port)
{
    if (note_place(pass, bridge, flow)) {
        struct fate *fate = add_fate(pass, (leads_outside(pass->settings, port)
                                            ? VNETENC_FLOW_EXTERNAL
                                            : VNETENC_FLOW_PORT));

        vnetenc_flow_set_port(&fate->out, netdev_get_name(port));
    } else {
        note_unmarked(pass, bridge);
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
    } else if (sent) {
        note_unmarked(pass, bridge);
    }
}

/* 0 is none. */
size_t
vnetenc_log_pending(const struct vnetenc_log_pass *pass)
{
    return pass && pass->tunnel_noted ? pass->n_fates : 0;
}

void
vnetenc_log_pushed(struct vnetenc_log_pass *pass, size_t tunnel)
{
    if (tunnel) {
        pass->fates[tunnel - 1].pending = false;
    }
}

size_t
vnetenc_log_mark(const struct vnetenc_log_pass *pass)
{
    return pass ? pass->n_fates : 0;
}

void
vnetenc_log_cut(struct vnetenc_log_pass *pass, size_t start)
{
    if (pass) {
        pass->n_fates = start;
        pass->tunnel_noted = false;
    }
}

void
vnetenc_log_guess(struct vnetenc_log_pass *pass)
{
    if (pass) {
        pass->guess = true;
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

static bool any_action(const void *actions, size_t size,
                       bool (*pred)(const struct nlattr *));

/* Does any_action() for the attribute of 'a' that is of 'type', if any. */
static bool
any_action_of(const struct nlattr *a, uint16_t type,
              bool (*pred)(const struct nlattr *))
{
    const struct nlattr *actions = nl_attr_find_nested(a, type);

    return actions && any_action(nl_attr_get(actions),
                                 nl_attr_get_size(actions), pred);
}

/* Returns true if 'pred' holds for one of 'actions', or one within them. */
static bool
any_action(const void *actions, size_t size,
           bool (*pred)(const struct nlattr *))
{
    const struct nlattr *a;
    size_t left;

    NL_ATTR_FOR_EACH (a, left, actions, size) {
        bool any;

        switch (nl_attr_type(a)) {
        case OVS_ACTION_ATTR_CLONE:
            any = any_action(nl_attr_get(a), nl_attr_get_size(a), pred);
            break;
        case OVS_ACTION_ATTR_SAMPLE:
            any = any_action_of(a, OVS_SAMPLE_ATTR_ACTIONS, pred);
            break;
        case OVS_ACTION_ATTR_CHECK_PKT_LEN:
            any = (any_action_of(a, OVS_CHECK_PKT_LEN_ATTR_ACTIONS_IF_GREATER,
                                 pred)
                   || any_action_of(
                       a, OVS_CHECK_PKT_LEN_ATTR_ACTIONS_IF_LESS_EQUAL,
                       pred));
            break;
        default:
            any = pred(a);
            break;
        }
        if (any) {
            return true;
        }
    }
    return false;
}

/* Returns true if the packet goes to another pass. */
static bool
recirculates(const struct nlattr *action)
{
    return (nl_attr_type(action) == OVS_ACTION_ATTR_RECIRC
            || nl_attr_type(action) == OVS_ACTION_ATTR_TUNNEL_POP);
}

/* Returns true if the packet goes on without any output, to code of ours or to
 * another pass. */
static bool
goes_on(const struct nlattr *action)
{
    return (nl_attr_type(action) == OVS_ACTION_ATTR_USERSPACE
            ? is_handed_over(action) : recirculates(action));
}

/* Marks the fates from 'i' up to 'i_end' that are also among those from 'j' up
 * to 'j_end', and returns the number of others. */
static size_t
find_twins(struct fate *fates, size_t i, size_t i_end, size_t j, size_t j_end)
{
    size_t n = 0;

    for (; i < i_end; i++) {
        for (size_t k = j; k < j_end && !fates[i].twin; k++) {
            fates[i].twin = !memcmp(&fates[i], &fates[k],
                                    offsetof(struct fate, twin));
        }
        n += !fates[i].twin;
    }
    return n;
}

/* Returns true if packets that went the other way than some fates, by the
 * attribute 'other' of 'check_pkt_len', also went somewhere, to one of
 * 'n_other' other fates or to another pass. */
static bool
other_way_leads_on(const struct nlattr *check_pkt_len, uint16_t other,
                   size_t n_other)
{
    return n_other || any_action_of(check_pkt_len, other, recirculates);
}

/* Keeps the fates that both ways have.  Keeps the others, too, if packets that
 * went the other way went nowhere; if not, nobody knows. */
void
vnetenc_log_join(struct vnetenc_log_pass *pass, size_t start, size_t middle,
                 const struct nlattr *check_pkt_len)
{
    size_t n_long, n_short, n = start;
    bool unknown;

    if (!pass || pass->n_fates == start) {
        return;
    }
    pass->tunnel_noted = false;
    n_long = find_twins(pass->fates, start, middle, middle,
                        MIN(pass->n_fates, middle + MAX_FATES));
    n_short = find_twins(pass->fates, middle, pass->n_fates, start,
                         MIN(middle, start + MAX_FATES));
    unknown = ((n_long && other_way_leads_on(
                    check_pkt_len,
                    OVS_CHECK_PKT_LEN_ATTR_ACTIONS_IF_LESS_EQUAL, n_short))
               || (n_short && other_way_leads_on(
                       check_pkt_len,
                       OVS_CHECK_PKT_LEN_ATTR_ACTIONS_IF_GREATER, n_long)));
    for (size_t i = start; i < pass->n_fates; i++) {
        struct fate *fate = &pass->fates[i];

        if (fate->twin ? i < middle : !unknown) {
            pass->fates[n] = *fate;
            pass->fates[n++].twin = false;
        }
    }
    pass->n_fates = n;
    if (unknown) {
        add_fate(pass, VNETENC_FLOW_UNKNOWN);
    }
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
    key->fields_id = pass->settings->fields_id;
    key->fate = (pass->guess ? VNETENC_FLOW_UNKNOWN
                 : fate->pending ? VNETENC_FLOW_REFUSED : fate->fate);
    key->reason = pass->guess || fate->pending ? VNETENC_KEEP : fate->reason;
    if (key->fate == VNETENC_FLOW_SEALED) {
        key->profile = fate->profile;
    } else if (key->fate == VNETENC_FLOW_DENIED) {
        key->has_rule = pass->has_rule;
        key->table = pass->has_rule ? pass->table : 0;
        key->cookie = pass->cookie;
        key->note = pass->note;
    }
    key->came_sealed = (pass->in.is_peer
                        && pass->packet->tunnel.flags & FLOW_TNL_F_VNETENC);
    vnetenc_flow_set_tuple(key, pass->packet, wc);
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
        wc->masks.tp_src |= htons(vnetenc_flow_port_bits(packet));
        wc->masks.tp_dst |= htons(vnetenc_flow_port_bits(packet));
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
    if (!pass->n_fates && !pass->sent && !consumed
        && !any_action(actions->data, actions->size, goes_on)) {
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
                         stats->tcp_flags, pass->since);
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
                                 stats->tcp_flags, pass->since);
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

void
vnetenc_log_since(struct xlate_cache *xcache, long long int since)
{
    struct xc_entry *entry = find_entry(xcache);

    if (entry && entry->vnetenc_pass) {
        entry->vnetenc_pass->since = since - CLOCK_MS;
    }
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
                   const struct dpif_flow_stats *push, long long int since)
{
    struct xc_entry *entry = find_entry(xcache);
    struct vnetenc_log_pass *pass = entry ? entry->vnetenc_pass : NULL;

    if (old) {
        old->since = since - CLOCK_MS;
    }
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
