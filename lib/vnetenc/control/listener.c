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
#include "vnetenc/control/listener.h"

#include "openvswitch/ofpbuf.h"
#include "util.h"
#include "vnetenc/control/cookie.h"
#include "vnetenc/control/handshake.h"
#include "vnetenc/control/hello.h"
#include "vnetenc/crypto/secret.h"

struct vnetenc_listener {
    struct vnetenc_lookup lookup;
    struct in6_addr local_ip;
    ovs_be16 local_port;
    struct vnetenc_cookie_jar jar;
};

struct vnetenc_listener *
vnetenc_listener_create(const struct vnetenc_lookup *lookup,
                        const struct in6_addr *local_ip, ovs_be16 local_port,
                        long long int now_ms)
{
    struct vnetenc_listener *listener
        = vnetenc_secret_alloc(sizeof *listener);

    listener->lookup = *lookup;
    listener->local_ip = *local_ip;
    listener->local_port = local_port;
    if (!vnetenc_cookie_jar_init(&listener->jar, now_ms)) {
        vnetenc_listener_destroy(listener);
        return NULL;
    }
    return listener;
}

void
vnetenc_listener_destroy(struct vnetenc_listener *listener)
{
    if (listener) {
        vnetenc_cookie_jar_wipe(&listener->jar);
        vnetenc_secret_free(listener);
    }
}

static struct vnetenc_endpoints
ends_of(const struct vnetenc_listener *listener,
        const struct in6_addr *client_ip, ovs_be16 client_port)
{
    struct vnetenc_endpoints ends = {
        .client_ip = *client_ip,
        .client_port = client_port,
        .local_ip = listener->local_ip,
        .local_port = listener->local_port,
    };

    return ends;
}

/* Returns the answer to a ClientHello without a good cookie, and remembers
 * nothing of it (RFC 6347 section 4.2.1).  Returns NULL if OpenSSL fails. */
static struct ofpbuf *
verify_request(const struct vnetenc_listener *listener,
               const struct vnetenc_endpoints *ends,
               const struct vnetenc_hello *hello)
{
    uint8_t cookie[VNETENC_COOKIE_BYTES];
    struct ofpbuf *reply;

    if (!vnetenc_cookie_make(&listener->jar, ends, cookie)) {
        return NULL;
    }
    reply = ofpbuf_new(VNETENC_VERIFY_REQUEST_BYTES);
    vnetenc_hello_build_verify(
        hello->record_sequence, cookie,
        ofpbuf_put_uninit(reply, VNETENC_VERIFY_REQUEST_BYTES));
    return reply;
}

enum vnetenc_listener_result
vnetenc_listener_input(struct vnetenc_listener *listener,
                       const struct in6_addr *client_ip, ovs_be16 client_port,
                       const void *data, size_t size, long long int now_ms,
                       struct ofpbuf **reply)
{
    const struct vnetenc_endpoints ends = ends_of(listener, client_ip,
                                                  client_port);
    struct vnetenc_hello hello;

    *reply = NULL;

    switch (vnetenc_hello_parse(data, size, &hello)) {
    case VNETENC_HELLO_OK:
        break;
    case VNETENC_HELLO_FRAGMENT:
        return VNETENC_LISTENER_FRAGMENT;
    case VNETENC_HELLO_OTHER:
    case VNETENC_HELLO_MALFORMED:
    default:
        return VNETENC_LISTENER_IGNORED;
    }

    if (!vnetenc_cookie_jar_run(&listener->jar, now_ms)) {
        return VNETENC_LISTENER_IGNORED;
    }
    if (vnetenc_cookie_check(&listener->jar, &ends,
                             hello.cookie, hello.cookie_size)) {
        return VNETENC_LISTENER_GOOD;
    }
    *reply = verify_request(listener, &ends, &hello);
    return *reply ? VNETENC_LISTENER_REPLY : VNETENC_LISTENER_IGNORED;
}

struct vnetenc_handshake *
vnetenc_listener_accept(const struct vnetenc_listener *listener,
                        const struct in6_addr *client_ip, ovs_be16 client_port,
                        const void *data, size_t size, long long int now_ms)
{
    const struct vnetenc_endpoints ends = ends_of(listener, client_ip,
                                                  client_port);

    return vnetenc_handshake_respond(&listener->lookup, &ends, data, size,
                                     now_ms);
}
