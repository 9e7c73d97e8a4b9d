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

#ifndef VNETENC_FLOW_H
#define VNETENC_FLOW_H 1

/* A flow of the flow log
 * ======================
 *
 * A flow is all packets that have the same addresses, as far as translation
 * looked at them, and the same fate: which port or peer they came from, which
 * one they went to, and what became of them on the way.  A packet that is sent
 * to three ports is in three flows, one for each copy.
 *
 * Thread-safety: pure functions. */

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>
#include "vnetenc/base/drops.h"
#include "vnetenc/log/note.h"

struct flow;
struct flow_wildcards;

enum {
    VNETENC_FLOW_FIELDS = 4,            /* Of OpenFlow, beside metadata. */
    VNETENC_FLOW_PORT_BYTES = 64,
};

enum vnetenc_flow_fate {
    VNETENC_FLOW_PORT,          /* Went to a port of this host. */
    VNETENC_FLOW_EXTERNAL,      /* Went to one that may lead elsewhere. */
    VNETENC_FLOW_SEALED,        /* Went to be sealed. */
    VNETENC_FLOW_CLEAR,         /* Went through a tunnel in clear. */
    VNETENC_FLOW_REFUSED,       /* Could not leave through its tunnel. */
    VNETENC_FLOW_DENIED,        /* OpenFlow flows dropped it. */
    VNETENC_FLOW_UNKNOWN,       /* Nobody can tell. */
};

/* Where a packet came from or went to. */
struct vnetenc_flow_end {
    char port[VNETENC_FLOW_PORT_BYTES]; /* Name of a port, or "". */
    struct in6_addr peer;       /* IPv4 is mapped. */
    bool is_peer;               /* In that case 'port' is "". */
    bool is_outside;            /* The port may lead to another host. */
};

/* Zero a key before you set its members: callers hash and compare whole
 * keys. */
struct vnetenc_flow_key {
    uint64_t metadata;
    uint64_t fields[VNETENC_FLOW_FIELDS];
    uint64_t cookie;            /* Of the last flow met, if 'has_rule'. */
    struct vnetenc_flow_end in, out;
    struct in6_addr src, dst;   /* IPv4 is mapped. */
    uint32_t fields_id;         /* As in the settings. */
    uint16_t reason;            /* enum vnetenc_drop. */
    uint16_t sport, dport;      /* ICMP: type and code. */
    uint8_t fate;               /* enum vnetenc_flow_fate. */
    uint8_t profile;
    uint8_t table;              /* If 'has_rule'. */
    uint8_t src_len, dst_len;   /* Bits of 'src' and 'dst' that are exact. */
    uint8_t proto;
    bool is_ipv6;
    bool has_rule;
    bool has_proto, has_sport, has_dport;       /* Exact. */
    bool came_sealed;           /* Arrived encrypted. */
    uint8_t note;               /* Of a denied packet, enum vnetenc_note. */
};

/* Stores the name by which the flow log knows the port 'name': the same if it
 * is short enough, otherwise its beginning and a hash. */
void vnetenc_flow_port_name(const char *name,
                            char text[VNETENC_FLOW_PORT_BYTES]);

/* Makes 'end' a port. */
void vnetenc_flow_set_port(struct vnetenc_flow_end *end, const char *name);

/* Returns the bits of a port of 'packet', which are type and code for ICMP. */
uint16_t vnetenc_flow_port_bits(const struct flow *packet);

/* Stores the addresses and ports of 'packet', as far as 'wc' tells them
 * apart. */
void vnetenc_flow_set_tuple(struct vnetenc_flow_key *,
                            const struct flow *packet,
                            const struct flow_wildcards *wc);

/* What the flow log says about a flow. */
struct vnetenc_flow_verdict {
    enum vnetenc_code code;
    enum vnetenc_drop reason;   /* Or VNETENC_KEEP. */
    bool dropped;
    bool lost;                  /* Some packets, though 'code' is X. */
};

/* Returns the verdict on packets of a flow that left at 'since', in
 * milliseconds of time_msec(), or later. */
struct vnetenc_flow_verdict vnetenc_flow_judge(const struct vnetenc_flow_key *,
                                               long long int since);

/* Returns "in", "out", "local" or "external". */
const char *vnetenc_flow_direction(const struct vnetenc_flow_key *);

#endif /* vnetenc/log/flow.h */
