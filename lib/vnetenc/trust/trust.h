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

#ifndef VNETENC_TRUST_H
#define VNETENC_TRUST_H 1

/* The rule that says whether a certificate may speak for a peer
 * ============================================================
 *
 * One rule is applied when a handshake sees the certificate, again when the
 * handshake ends, and again to every live session when pins, CA or CRL change:
 *
 *     pins    ca_cert   the certificate may speak for the peer if
 *     ------  -------   ----------------------------------------------------
 *     none    no        never
 *     given   no        its SHA-256 is one of the pins
 *     none    yes       it chains to the CA, no CRL lists it, and its SAN
 *                       holds the peer's remote_ip or name
 *     given   yes       both
 *
 * If the profile has `certificates', these count instead, and no pins:
 *
 *     `certificates' have       it may speak for the peer if
 *     ------------------------  ---------------------------------------------
 *     it                        (always)
 *     a CA that issued it       its SAN holds the peer's remote_ip or name
 *
 * In every row of the tables, neither it nor a certificate of its chain may be
 * in `revoked' of the profile.  The certificate must also be within its dates,
 * its key (and every signature of a chain) must have the strength that the
 * profile demands, and it must be valid for TLS clients and for TLS servers,
 * because each hypervisor is both.  Before any certificate is looked at, the
 * peer must be a member of the profile.  Names are compared whole: a wildcard
 * in a SAN matches nothing, and the subject's common name is not read.
 *
 * Thread-safety: functions of their arguments, the wall clock (dates) and, for
 * the CA, OpenSSL's reference counts.  Control thread. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <netinet/in.h>
#include <openssl/x509.h>
#include "compiler.h"
#include "vnetenc/trust/cert.h"

struct vnetenc_cred;

/* The rule for one peer, which belongs to the caller. */
struct vnetenc_trust {
    struct in6_addr remote_ip;  /* v4-mapped if IPv4. */
    char *name;                 /* May be NULL. */
    uint8_t (*pins)[VNETENC_FINGERPRINT_BYTES];
    size_t n_pins;
    unsigned long *profiles;    /* Bitmap: under which it may speak.  NULL: all
                                 * profiles. */
};

/* Returns true if the peer is a member of 'profile'. */
bool vnetenc_trust_admits(const struct vnetenc_trust *, uint8_t profile);

/* Returns NULL if the peer is a member of 'profile', otherwise the refusal,
 * which the caller frees. */
char *vnetenc_trust_judge_member(const struct vnetenc_trust *,
                                 uint8_t profile);

/* Returns the refusal of 'profile', which is not 0, over VXLAN.  The caller
 * frees it. */
char *vnetenc_trust_vxlan_error(uint8_t profile);

/* Judges a certificate by the rule above.  'trust' NULL means an unknown peer,
 * 'cred' NULL an unknown profile; neither is ever accepted.  If 'reason' is
 * nonnull, '*reason' is set to NULL on success, otherwise to a text that the
 * caller frees. */
bool vnetenc_trust_judge(const struct vnetenc_trust *,
                         const struct vnetenc_cred *cred,
                         X509 *leaf, STACK_OF(X509) *chain, char **reason)
    OVS_WARN_UNUSED_RESULT;

/* Judges a session that is up after a change of configuration, by the same
 * rule without dates: the expiry of a certificate or a CRL does not end a
 * session.  Revocation, another CA and other pins do. */
bool vnetenc_trust_judge_live(const struct vnetenc_trust *,
                              const struct vnetenc_cred *,
                              const struct vnetenc_cert_chain *, char **reason)
    OVS_WARN_UNUSED_RESULT;

/* Returns how many chains were verified up to now, which is the part of a
 * judgement that takes time. */
unsigned int vnetenc_trust_n_verified(void);

/* Does the part of vnetenc_trust_judge_live() that costs next to nothing: it
 * returns false if the peer, its pins or the profile alone refuse the session.
 * If the profile has no 'ca_cert', that is the whole judgement. */
bool vnetenc_trust_judge_pins(const struct vnetenc_trust *,
                              const struct vnetenc_cred *,
                              const struct vnetenc_cert_chain *, char **reason)
    OVS_WARN_UNUSED_RESULT;

#endif /* vnetenc/trust/trust.h */
