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

#ifndef VNETENC_CONFIG_H
#define VNETENC_CONFIG_H 1

/* What the database says
 * ======================
 *
 * One reading of the tables VNetEnc_Peer and VNetEnc_Profile: made by the
 * main thread (main/ovsdb.h), handed over whole to the control thread
 * (control/control.h), never changed in between.
 *
 * Thread-safety: none; one owner at a time. */

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "vnetenc/bridge/limits.h"
#include "vnetenc/bridge/vni.h"

/* A row of VNetEnc_Peer with a good remote_ip. */
struct vnetenc_peer_config {
    struct in6_addr remote;     /* IPv4 addresses are mapped. */
    char *name;                 /* NULL if there is none. */
    uint8_t (*pins)[VNETENC_FINGERPRINT_BYTES];
    size_t n_pins;
    unsigned int mtu;           /* Of the underlay.  0: find out. */
    bool no_split;              /* Drop what is too long for it. */
    char *error;                /* A bad value, or NULL. */
    bool refused;               /* What was in force before stays. */
};

/* A row of VNetEnc_Profile, or what stands for a missing one. */
struct vnetenc_profile_config {
    uint8_t id;
    bool has_row;
    char *ciphers, *certificate, *private_key, *ca_cert, *crl;  /* Or NULL. */
    unsigned int n_lanes;
    uint64_t rekey_records;
    uint64_t rekey_bytes;
    unsigned int rekey_s;
};

struct vnetenc_config {
    char *directory;            /* Of the own key and certificate. */
    struct vnetenc_peer_config *peers;
    size_t n_peers;
    struct vnetenc_profile_config *profiles;
    size_t n_profiles;
    struct vnetenc_vni *vnis;
    size_t n_vnis;
};

void vnetenc_config_destroy(struct vnetenc_config *);

void vnetenc_peer_config_uninit(struct vnetenc_peer_config *);

void vnetenc_profile_config_init(struct vnetenc_profile_config *, uint8_t id);
void vnetenc_profile_config_copy(struct vnetenc_profile_config *,
                                 const struct vnetenc_profile_config *);
void vnetenc_profile_config_uninit(struct vnetenc_profile_config *);

/* True if both ask for the same credentials. */
bool vnetenc_profile_config_same_cred(const struct vnetenc_profile_config *,
                                      const struct vnetenc_profile_config *);

/* IPv4 or IPv6 address as text.  False if it is neither. */
bool vnetenc_address_parse(const char *, struct in6_addr *);

#endif /* vnetenc/main/config.h */
