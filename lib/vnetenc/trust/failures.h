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

#ifndef VNETENC_FAILURES_H
#define VNETENC_FAILURES_H 1

/* Why there is no session
 * =======================
 *
 * This list has a name for every reason why a peer has no session, or may soon
 * have none.  The 'last_error' of a peer begins with the name and a colon, and
 * goes on with a sentence for a human reader.  Programs may rely on the names;
 * the sentences may change.  REFERENCE.md has a row for each name.
 *
 * Thread-safety: any thread. */

#include <stdbool.h>
#include "openvswitch/compiler.h"

/* NAME, whether it is the refusal of a certificate, meaning. */
#define VNETENC_FAILURES                                                    \
    /* The network. */                                                      \
    VNETENC_FAILURE(no_answer, false, "nothing came back from the peer")    \
    VNETENC_FAILURE(cannot_send, false, "the host cannot send to the peer") \
    VNETENC_FAILURE(cookie_only, false, "it answers a first ClientHello")   \
    VNETENC_FAILURE(too_slow, false, "the handshake began and did not end") \
    /* The peer's certificate. */                                           \
    VNETENC_FAILURE(no_pin, true, "neither a fingerprint nor a CA is given")\
    VNETENC_FAILURE(other_certificate, true, "its fingerprint is not given")\
    VNETENC_FAILURE(not_listed, true, "the profile does not list it")       \
    VNETENC_FAILURE(other_name, true, "it has another address and name")    \
    VNETENC_FAILURE(dates, true, "it, or its CA, is not valid now")         \
    VNETENC_FAILURE(issuer, true, "no known CA has issued it")              \
    VNETENC_FAILURE(crl, true, "no valid CRL for one of its CAs")           \
    VNETENC_FAILURE(revoked, true, "a CRL or the profile revokes it")       \
    VNETENC_FAILURE(weak, true, "a key or signature is too weak")           \
    VNETENC_FAILURE(purpose, true, "it is not for TLS clients and servers") \
    VNETENC_FAILURE(certificate, true, "it was refused for another reason") \
    /* Both ends together. */                                               \
    VNETENC_FAILURE(refused_by_peer, true, "the peer says so, unverified")  \
    VNETENC_FAILURE(no_cipher, false, "the profile does not have the cipher")\
    VNETENC_FAILURE(protocol, false, "the peer breaks the protocol")        \
    VNETENC_FAILURE(nonce, false, "a nonce was drawn that could be ours")   \
    /* This host. */                                                        \
    VNETENC_FAILURE(bad_value, false, "a bad value in the row of the peer") \
    VNETENC_FAILURE(no_peer, false, "no row for the address any more")      \
    VNETENC_FAILURE(not_member, false, "it is no member of the profile")    \
    VNETENC_FAILURE(vxlan, false, "VXLAN, and a profile other than 0")      \
    VNETENC_FAILURE(no_credential, false, "the profile has no credentials") \
    VNETENC_FAILURE(cannot_answer, false, "the DTLS port cannot be opened") \
    VNETENC_FAILURE(no_socket, false, "a lane socket cannot be opened")     \
    VNETENC_FAILURE(internal, false, "libssl or a cipher does not work")

enum vnetenc_failure {
#define VNETENC_FAILURE(NAME, REFUSAL, MEANING) VNETENC_FAILURE_##NAME,
    VNETENC_FAILURES
#undef VNETENC_FAILURE
    VNETENC_N_FAILURES
};

/* Returns the name of a failure, or "unknown" for a value that is none. */
const char *vnetenc_failure_name(enum vnetenc_failure);

/* Returns true if 'error', which is NULL or begins with a name and a colon, is
 * the refusal of a certificate, by this host or by the peer. */
bool vnetenc_failure_is_refusal(const char *error);

/* Returns "NAME: " and the text, which the caller frees. */
char *vnetenc_failure_text(enum vnetenc_failure, const char *format, ...)
    OVS_PRINTF_FORMAT(2, 3);

#endif /* vnetenc/trust/failures.h */
