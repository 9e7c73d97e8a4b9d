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

#ifndef VNETENC_COOKIE_H
#define VNETENC_COOKIE_H 1

/* Cookies
 * =======
 *
 * A cookie proves that a client receives the datagrams that are sent to its
 * address.  The client keeps it; the responder keeps nothing (RFC 6347 section
 * 4.2.1).  It is the HMAC-SHA256 of (client IP, client port, local IP, DTLS
 * port).  The key is random, is replaced every two minutes, and then is
 * accepted for two more minutes.
 *
 * Thread-safety: none.  Control thread only. */

#include <stdbool.h>
#include <stdint.h>
#include <netinet/in.h>
#include "compiler.h"
#include "openvswitch/types.h"
#include "vnetenc/base/limits.h"

/* Both ends of a handshake.  Addresses are v4-mapped if IPv4. */
struct vnetenc_endpoints {
    struct in6_addr client_ip;
    struct in6_addr local_ip;
    ovs_be16 client_port;
    ovs_be16 local_port;
};

struct vnetenc_cookie_jar {
    uint8_t current[VNETENC_COOKIE_SECRET_BYTES];
    uint8_t previous[VNETENC_COOKIE_SECRET_BYTES];
    long long int changed_ms;
};

/* Makes two random keys.  Returns false if OpenSSL has no random numbers. */
bool vnetenc_cookie_jar_init(struct vnetenc_cookie_jar *, long long int now_ms)
    OVS_WARN_UNUSED_RESULT;

/* Cleanses the keys. */
void vnetenc_cookie_jar_wipe(struct vnetenc_cookie_jar *);

/* Replaces a key that is two minutes old.  Call this before make and check.
 * Returns false if OpenSSL has no random numbers. */
bool vnetenc_cookie_jar_run(struct vnetenc_cookie_jar *, long long int now_ms)
    OVS_WARN_UNUSED_RESULT;

/* Makes the cookie of a client (RFC 6347 section 4.2.1) with the newest key.
 * Returns false if OpenSSL fails. */
bool vnetenc_cookie_make(const struct vnetenc_cookie_jar *,
                         const struct vnetenc_endpoints *,
                         uint8_t cookie[VNETENC_COOKIE_BYTES])
    OVS_WARN_UNUSED_RESULT;

/* Returns true if 'cookie' was made for this client with the newest key or the
 * one before.  Compares in constant time. */
bool vnetenc_cookie_check(const struct vnetenc_cookie_jar *,
                          const struct vnetenc_endpoints *,
                          const uint8_t *cookie, size_t size)
    OVS_WARN_UNUSED_RESULT;

#endif /* vnetenc/control/cookie.h */
