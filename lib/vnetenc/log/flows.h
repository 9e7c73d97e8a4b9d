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

#ifndef VNETENC_FLOWS_H
#define VNETENC_FLOWS_H 1

/* Table of flows
 * ==============
 *
 * The table has one record for each flow of the flow log (log/flow.h), with
 * the packets and bytes that were credited to it since they were last
 * collected.  Translations hold references to records and credit them when
 * statistics of the datapath come in.
 *
 * The table is bounded.  When it is full, flows are credited to a sum for
 * their network, fate and reason: names and addresses are lost, but sums by
 * what became of the packets stay exact.  A network with more than four times
 * as many records as are free gets no more, so none can take them all.
 *
 * Each record costs a flow of the datapath, and an upcall when it begins.  So
 * a network is told apart less finely for a minute after it has begun too many
 * flows in a second, or when the table has no room for more.
 *
 * A record without a reference ends when it is collected.
 *
 * Thread-safety: any thread, except that only one thread may collect at a
 * time. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "vnetenc/log/flow.h"

struct vnetenc_flows_record;

/* How finely the flows of a network are told apart. */
enum vnetenc_flows_level {
    VNETENC_FLOWS_COARSE,       /* As finely as without the log. */
    VNETENC_FLOWS_PAIRS,        /* By addresses. */
    VNETENC_FLOWS_CONNECTIONS,  /* Also by protocol and ports. */
};

/* What a record held when it was collected. */
struct vnetenc_flows_sum {
    struct vnetenc_flow_key key;
    uint64_t n_packets;
    uint64_t n_bytes;
    uint16_t tcp_flags;
    long long int since;        /* The packets left then, or later. */
    bool begun;                 /* The first of the record. */
    bool ended;                 /* The last of the record. */
    bool is_gap;                /* The names of flows are lost. */
    uint64_t n_flows;           /* If 'is_gap': credited since. */
};

/* Returns a new reference to the record of a flow, or to that of a sum if
 * there are 'max' records already.  'is_named' says that the network is among
 * those of the configuration: all others share their sums. */
struct vnetenc_flows_record *vnetenc_flows_get(const struct vnetenc_flow_key *,
                                               size_t max, bool is_named);

/* Returns a new reference to the record for packets that may belong to 'r' or
 * to an older translation. */
struct vnetenc_flows_record *vnetenc_flows_get_unknown(
    const struct vnetenc_flows_record *r, size_t max);

/* Returns true if the network of a flow may be told apart at 'level', where
 * the flow has this key, at 'now', in milliseconds of time_msec().  'is_new'
 * says that a packet wants a new flow of the datapath: if that needs a new
 * record, it counts against 'per_second' new ones, and against 'max'. */
bool vnetenc_flows_admit(const struct vnetenc_flow_key *, bool is_named,
                         enum vnetenc_flows_level, size_t max,
                         unsigned int per_second, bool is_new,
                         long long int now);

/* Gives a reference back. */
void vnetenc_flows_unref(struct vnetenc_flows_record *);

/* Credits packets to a record that left at 'since', in milliseconds of
 * time_msec(), or later.  The caller has a reference. */
void vnetenc_flows_credit(struct vnetenc_flows_record *, uint64_t n_packets,
                          uint64_t n_bytes, uint16_t tcp_flags,
                          long long int since);

/* Takes what was credited since the last call.  Leaves out records without
 * packets, unless they end after an earlier sum.  Stores the number of sums in
 * '*n'.  The caller must free the sums.  Quiesces. */
struct vnetenc_flows_sum *vnetenc_flows_collect(size_t *n);

/* Returns the number of records, sums included. */
size_t vnetenc_flows_count(void);

#endif /* vnetenc/log/flows.h */
