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

#ifndef VNETENC_UNIT_NET_H
#define VNETENC_UNIT_NET_H 1

/* Two hosts and a bad network, in memory
 * ======================================
 *
 * Time stands still unless a test moves it: 'unit_now_ms' is the monotonic
 * clock that is passed to handshakes, and the wall clock that libssl reads
 * (gettimeofday(), which this file defines) runs 'unit_wall_offset_ms' beside
 * it. */

#include <stdbool.h>
#include <stdint.h>
#include "openvswitch/list.h"
#include "vnetenc/control/handshake.h"
#include "vnetenc/control/keys.h"
#include "vnetenc/control/listener.h"
#include "vnetenc/trust/trust.h"
#include "vnetenc-unit-pki.h"

enum { UNIT_PROFILES = 4 };

extern long long int unit_now_ms;
extern long long int unit_wall_offset_ms;

/* A hypervisor: what its handshakes look up. */
struct unit_host {
    struct vnetenc_lookup lookup;
    struct pki_id id;
    struct in6_addr ip;
    struct vnetenc_cred *creds[UNIT_PROFILES];

    /* The only peer. */
    struct vnetenc_trust trust;
    uint8_t pins[1][VNETENC_FINGERPRINT_BYTES];
    int trust_lookups;          /* This many more find the peer; -1: all. */
    bool vxlan;                 /* It answers on the DTLS port of VXLAN. */
};

/* Makes a host with a certificate of 'spec' (NULL for the usual) and
 * credentials for each profile. */
void unit_host_init(struct unit_host *, const char *name, const char *ip,
                    const struct pki_spec *spec);
void unit_host_uninit(struct unit_host *);

/* Replaces the credentials of 'profile'. */
void unit_host_set_cred(struct unit_host *, uint8_t profile,
                        const char *ca_cert, const char *ciphers);

/* Makes 'host' trust the one peer at 'ip', by the pin of 'id'. */
void unit_host_trust(struct unit_host *host, const struct in6_addr *ip,
                     const struct pki_id *id);

/* What becomes of a datagram. */
enum unit_fate {
    UNIT_PASS,
    UNIT_DROP,
    UNIT_DOUBLE,
    UNIT_DELAY,                 /* Overtaken by all within 30 ms. */
    UNIT_FLIP,                  /* One bit, chosen by 'seed'. */
};

/* A handshake between two hosts. */
struct unit_duel {
    struct unit_host *initiator, *responder;
    uint8_t profile;
    enum unit_fate (*fate)(struct unit_duel *, unsigned int index);
    uint32_t seed;              /* For 'fate'. */
    unsigned int special;       /* For 'fate'. */

    struct vnetenc_listener *listener;
    struct vnetenc_handshake *client;
    struct vnetenc_handshake *server;           /* The newest. */
    struct vnetenc_keys client_keys;     /* Once taken. */
    struct vnetenc_keys server_keys;
    bool client_done, server_done;
    bool early_output;          /* Output between DONE and taking keys. */
    uint64_t next_clear[2];     /* Number of the next record in clear, to the
                                 * initiator and to the responder. */
    bool bad_number;            /* A record in clear had another number. */

    struct ovs_list packets;
    unsigned int n_packets;
};

void unit_duel_init(struct unit_duel *, struct unit_host *initiator,
                    struct unit_host *responder, uint8_t profile);
void unit_duel_uninit(struct unit_duel *);

/* Runs until the initiator is DONE or FAILED. */
void unit_duel_run(struct unit_duel *);

/* Feeds a datagram to the responder's side, as its host would. */
void unit_duel_to_server(struct unit_duel *, const void *, size_t);

/* Gives a datagram to 'listener' and begins the handshake if that is what it
 * asks for: '*handshake', else NULL. */
enum vnetenc_listener_result unit_listen(struct vnetenc_listener *,
                                         const struct in6_addr *client_ip,
                                         ovs_be16 client_port,
                                         const void *, size_t,
                                         struct ofpbuf **reply,
                                         struct vnetenc_handshake **);

/* Sealing and opening of a record by EVP alone.  'client' says whose write
 * key.  Returns the size of 'out'; 0 if the tag is wrong. */
size_t unit_seal(const struct vnetenc_keys *, bool client,
                 uint64_t sequence, const void *plaintext, size_t size,
                 uint8_t *out);
size_t unit_open(const struct vnetenc_keys *, bool client,
                 const uint8_t *record, size_t size, uint8_t *out);

#endif /* vnetenc-unit-net.h */
