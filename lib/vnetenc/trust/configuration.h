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

#ifndef VNETENC_CONFIGURATION_H
#define VNETENC_CONFIGURATION_H 1

/* Configuration
 * =============
 *
 * A configuration is a copy of the tables VNetEnc_Peer and VNetEnc_Profile.
 * The main thread makes it (main/ovsdb.h) and passes it to the control thread
 * (control/control.h); nothing changes it in between.
 *
 * The error of a row names a value that was refused.  A refused value never
 * makes a peer easier to impersonate than a good value would.
 *
 * Thread-safety: none; a configuration has one owner at a time. */

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "vnetenc/base/limits.h"
#include "vnetenc/bridge/vni.h"

/* A row of VNetEnc_Peer with a good remote_ip. */
struct vnetenc_config_peer {
    struct in6_addr remote;     /* IPv4 addresses are mapped. */
    char *name;                 /* NULL if there is none. */
    uint8_t (*pins)[VNETENC_FINGERPRINT_BYTES];
    size_t n_pins;
    unsigned long *profiles;    /* Bitmap: under which it may speak.  NULL: all
                                 * profiles. */
    unsigned int mtu;           /* MTU of the underlay.  0: measure it. */
    bool no_split;              /* Drop a packet that is too long for it. */
    char *error;                /* Describes a bad value, or NULL. */
    bool refused;               /* Former name and pins stay in force. */
};

/* A set of fingerprints of certificates. */
struct vnetenc_config_fingerprints {
    uint8_t (*f)[VNETENC_FINGERPRINT_BYTES];
    size_t n;
};

/* A row of VNetEnc_Profile, or the defaults in place of a missing row. */
struct vnetenc_config_profile {
    uint8_t id;
    bool has_row;
    char *ciphers, *certificate, *private_key, *ca_cert, *crl;  /* Or NULL. */
    struct vnetenc_config_fingerprints certificates, revoked;
    unsigned int strength;      /* Bits. */
    char *error;                /* Describes a bad fingerprint, or NULL. */
    unsigned int n_lanes;
    uint64_t rekey_records;
    uint64_t rekey_bytes;
    unsigned int rekey_s;       /* Seconds. */
};

struct vnetenc_config {
    char *directory;            /* With our own key and certificate. */
    struct vnetenc_config_peer *peers;
    size_t n_peers;
    struct vnetenc_config_profile *profiles;
    size_t n_profiles;
    struct vnetenc_vni *vnis;
    size_t n_vnis;
    bool drop_unlisted;         /* VNIs that no profile lists. */
};

/* Frees a configuration, which may be NULL, and all that it holds. */
void vnetenc_config_destroy(struct vnetenc_config *);

/* Sorts the peers by address.  Merges peers with the same address into one
 * that trusts no certificate, because it is unknown which of the rows is
 * right. */
void vnetenc_config_merge_peers(struct vnetenc_config *);

/* Takes other_config:mtu of a row, in bytes, or NULL if the row has none.  A
 * bad value sets the error of the row. */
void vnetenc_config_peer_set_mtu(struct vnetenc_config_peer *,
                                 const char *mtu);

/* Takes other_config:split of a row, or NULL if the row has none.  Any value
 * except "false" means "true"; a value that is neither sets the error of the
 * row. */
void vnetenc_config_peer_set_split(struct vnetenc_config_peer *,
                                   const char *split);

/* Takes the 'n' fingerprints of a row that has no pins yet.  A bad one sets
 * the error of the row and becomes a pin that no certificate has. */
void vnetenc_config_peer_set_pins(struct vnetenc_config_peer *,
                                  char *const *fingerprints, size_t n);

/* Takes the 'n' profiles of a row under which the peer may speak; none means
 * all profiles. */
void vnetenc_config_peer_set_profiles(struct vnetenc_config_peer *,
                                      const int64_t *profiles, size_t n);

/* Sets the row of profile 'id' to the default of every column. */
void vnetenc_config_profile_init(struct vnetenc_config_profile *, uint8_t id);

/* Makes the first row a copy of the second, with strings of its own. */
void vnetenc_config_profile_copy(struct vnetenc_config_profile *,
                                 const struct vnetenc_config_profile *);

/* Frees the members of a profile's row, but not the row. */
void vnetenc_config_profile_uninit(struct vnetenc_config_profile *);

/* Returns true if both rows specify the same credentials. */
bool vnetenc_config_profile_same_cred(const struct vnetenc_config_profile *,
                                      const struct vnetenc_config_profile *);

/* Takes the 'n' fingerprints of the column 'column' of a row as 'set', which
 * is empty.  A bad one is left out and becomes the error of the row. */
void vnetenc_config_profile_take(struct vnetenc_config_profile *,
                                 struct vnetenc_config_fingerprints *set,
                                 const char *column,
                                 char *const *fingerprints, size_t n);

/* Returns true if the set has the fingerprint. */
bool vnetenc_config_fingerprints_have(
    const struct vnetenc_config_fingerprints *,
    const uint8_t fingerprint[VNETENC_FINGERPRINT_BYTES]);

/* Makes 'dst' a copy of 'src', with memory of its own. */
void vnetenc_config_fingerprints_copy(
    struct vnetenc_config_fingerprints *dst,
    const struct vnetenc_config_fingerprints *src);

/* Returns true if both have the same fingerprints in the same order. */
bool vnetenc_config_fingerprints_equal(
    const struct vnetenc_config_fingerprints *,
    const struct vnetenc_config_fingerprints *);

/* Parses other_config:vnetenc-unlisted, or NULL if there is none.  Returns
 * true and sets '*drop', or returns false if the value is unknown. */
bool vnetenc_config_unlisted_parse(const char *, bool *drop);

/* Parses an IPv4 or IPv6 address; an IPv4 address becomes an IPv4-mapped IPv6
 * address.  Returns false if the string is neither. */
bool vnetenc_config_address_parse(const char *, struct in6_addr *);

#endif /* vnetenc/trust/configuration.h */
