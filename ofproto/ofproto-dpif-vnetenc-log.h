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

#ifndef OFPROTO_DPIF_VNETENC_LOG_H
#define OFPROTO_DPIF_VNETENC_LOG_H 1

/* The flow log in translation
 * ===========================
 *
 * A pass is one translation of one flow.  It notes the fates of the packet
 * while the packet is marked (table VNetEnc_Flow_Log): the ports and tunnels
 * to which it goes, and the reason if it goes nowhere.  When the translation
 * ends, the pass takes references to records of the table of flows
 * (lib/vnetenc/log/flows.h).  It credits to them the packets of the
 * translation and, if it is kept in a cache of translations, those that come
 * with the statistics of the datapath.
 *
 * Statistics are pushed to the translation that is new when they are read, but
 * belong to the one that was in force when the packets passed.  So
 * revalidation sets the old pass aside with vnetenc_log_take(), and tells with
 * vnetenc_log_settle() what came of it.  Where nobody can tell which
 * translation packets met, they are credited as "unknown".
 *
 * Thread-safety
 * =============
 *
 * A pass belongs to the thread that translates, later to the owner of the
 * cache.  Different passes are independent.
 *
 * All functions accept a pass of NULL, which there is while nothing is
 * logged. */

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "openvswitch/types.h"

struct dpif_flow_stats;
struct flow;
struct flow_wildcards;
struct netdev;
struct nlattr;
struct ofpbuf;
struct rule;
struct vnetenc_log_pass;
struct xlate_cache;

/* Returns true if anything is logged. */
bool vnetenc_log_is_on(void);

/* Begins a pass for a packet that is 'packet' before all changes and that came
 * to 'bridge' by 'in_port', which is NULL if that is not known.  Adds it to
 * 'xcache', unless that is NULL.  There is no pass if that is not empty. */
struct vnetenc_log_pass *vnetenc_log_begin(const struct flow *packet,
                                           const char *bridge,
                                           const struct netdev *in_port,
                                           struct xlate_cache *xcache);

/* Notes that a packet, now 'flow', on 'bridge' has met 'rule' in 'table'.
 * 'rule' may be NULL. */
void vnetenc_log_rule(struct vnetenc_log_pass *, const char *bridge,
                      const struct flow *flow, const struct rule *rule,
                      uint8_t table);

/* Notes an output to 'port', which is no tunnel. */
void vnetenc_log_port(struct vnetenc_log_pass *, const char *bridge,
                      const struct flow *, const struct netdev *port);

/* Notes a decision of vnetenc_xlate_tx().  'reason' is that of its caller.  If
 * 'sent' and 'native', the packet is refused unless vnetenc_log_pushed()
 * follows. */
void vnetenc_log_tunnel(struct vnetenc_log_pass *, const char *bridge,
                        const struct flow *, bool sent, bool native,
                        int reason);

/* Returns what vnetenc_log_pushed() needs to know of the tunnel output that
 * was just noted. */
size_t vnetenc_log_pending(const struct vnetenc_log_pass *);

/* Notes that the tunnel output for which vnetenc_log_pending() returned
 * 'tunnel' leads to the underlay. */
void vnetenc_log_pushed(struct vnetenc_log_pass *, size_t tunnel);

/* Notes that outputs in clear were against a demand, for 'reason'. */
void vnetenc_log_in_vain(struct vnetenc_log_pass *, int reason);

/* Returns a mark for the functions below. */
size_t vnetenc_log_mark(const struct vnetenc_log_pass *);

/* Forgets what was noted since 'start'. */
void vnetenc_log_cut(struct vnetenc_log_pass *, size_t start);

/* Notes that a packet met either what was noted between 'start' and 'middle'
 * or what was noted since, by 'check_pkt_len', the action of the datapath. */
void vnetenc_log_join(struct vnetenc_log_pass *, size_t start, size_t middle,
                      const struct nlattr *check_pkt_len);

/* Notes that translation goes on as if the packet were short, and that nobody
 * knows of other packets of the flow. */
void vnetenc_log_guess(struct vnetenc_log_pass *);

/* Makes 'wc' as fine as the log demands, and finds out whether the packet was
 * denied.  The packet is now 'flow', on 'bridge'.  'actions' are those of the
 * datapath so far; 'consumed' says that the packet was for this host;
 * 'starts_flow' that it is the first of a flow of the datapath. */
void vnetenc_log_unwildcard(struct vnetenc_log_pass *, const char *bridge,
                            const struct flow *flow,
                            const struct ofpbuf *actions, bool consumed,
                            bool starts_flow, struct flow_wildcards *wc);

/* Ends a pass, and frees it unless it is in a cache.  'failed' says that the
 * translation failed, so the packet is dropped.  Credits 'stats', unless that
 * is NULL, as "unknown" unless 'exact'. */
void vnetenc_log_end(struct vnetenc_log_pass *,
                     const struct flow_wildcards *, bool failed,
                     const struct dpif_flow_stats *stats, bool exact,
                     bool cached);

/* Notes that the statistics that come next are of packets that left at
 * 'since', in milliseconds of time_msec(), or later.  The cache may be NULL or
 * have no pass. */
void vnetenc_log_since(struct xlate_cache *, long long int since);

/* Credits statistics of the datapath. */
void vnetenc_log_credit(struct vnetenc_log_pass *,
                        const struct dpif_flow_stats *);

void vnetenc_log_destroy(struct vnetenc_log_pass *);

/* What revalidation does with a flow of the datapath. */
enum vnetenc_log_result {
    VNETENC_LOG_KEEP,           /* Its actions are those of the new pass. */
    VNETENC_LOG_MODIFY,         /* It will get those of the new pass. */
    VNETENC_LOG_DELETE,         /* It ends with those it has. */
};

/* Takes the pass out of a cache, which may be NULL or have none. */
struct vnetenc_log_pass *vnetenc_log_take(struct xlate_cache *);

/* Decides to which pass packets belong.  'old' is what vnetenc_log_take()
 * returned, 'xcache' has the new one.  'push' has the packets that passed
 * since the last push, and will be pushed to 'xcache' now, unless the result
 * is VNETENC_LOG_DELETE.  They left at 'since', as in vnetenc_log_since(), or
 * later.  Takes over 'old'. */
void vnetenc_log_settle(struct xlate_cache *, struct vnetenc_log_pass *old,
                        enum vnetenc_log_result,
                        const struct dpif_flow_stats *push,
                        long long int since);

#endif /* ofproto-dpif-vnetenc-log.h */
