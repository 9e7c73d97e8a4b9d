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

/* Datagrams before there is state: ClientHello, and what looks like one.
 *
 *     what 1 | datagram
 *
 * If 'what' is odd and the datagram is a ClientHello with a cookie of the
 * right length, the right cookie is put in its place: libssl reads the rest
 * of it then. */

#include <config.h>
#undef NDEBUG
#include "fuzz/vnetenc-fuzz.h"

#include <stdlib.h>
#include <string.h>

#include "openvswitch/ofpbuf.h"
#include "util.h"
#include "vnetenc/control/handshake.h"
#include "vnetenc/control/hello.h"
#include "vnetenc/control/listener.h"
#include "vnetenc/crypto/record.h"
#include "vnetenc-unit-net.h"

static struct unit_host a, b;
static struct vnetenc_listener *listener;
static uint8_t cookie[VNETENC_COOKIE_BYTES];

static enum vnetenc_listener_result
listen_to(const void *data, size_t size, struct ofpbuf **reply,
          struct vnetenc_handshake **h)
{
    enum vnetenc_listener_result result = vnetenc_listener_input(
        listener, &a.ip, htons(4321), data, size, unit_now_ms, reply);

    *h = (result == VNETENC_LISTENER_GOOD
          ? vnetenc_listener_accept(listener, &a.ip, htons(4321), data, size,
                                    unit_now_ms)
          : NULL);
    return result;
}

/* The first and the second ClientHello of 'a', and the cookie in it. */
static void
make_hellos(struct ofpbuf **first, struct ofpbuf **second)
{
    struct vnetenc_handshake *h
        = vnetenc_handshake_initiate(&a.lookup, &b.ip, 0, unit_now_ms);
    struct vnetenc_hello hello;
    struct vnetenc_handshake *server;
    struct ofpbuf *reply;

    *first = vnetenc_handshake_pop_output(h);
    ovs_assert(listen_to((*first)->data, (*first)->size, &reply, &server)
               == VNETENC_LISTENER_REPLY);
    vnetenc_handshake_input(h, reply->data, reply->size, unit_now_ms);
    *second = vnetenc_handshake_pop_output(h);
    ovs_assert(vnetenc_hello_parse((*second)->data, (*second)->size,
                                   &hello) == VNETENC_HELLO_OK);
    ovs_assert(hello.cookie_size == sizeof cookie);
    memcpy(cookie, hello.cookie, sizeof cookie);
    ofpbuf_delete(reply);
    vnetenc_handshake_destroy(h);
}

void
fuzz_begin(void)
{
    struct ofpbuf *first, *second;

    unit_host_init(&a, "a", "192.0.2.1", NULL);
    unit_host_init(&b, "b", "192.0.2.2", NULL);
    unit_host_trust(&a, &b.ip, &b.id);
    unit_host_trust(&b, &a.ip, &a.id);
    listener = vnetenc_listener_create(&b.lookup, &b.ip, htons(6082),
                                       unit_now_ms);
    ovs_assert(listener);
    make_hellos(&first, &second);
    ofpbuf_delete(first);
    ofpbuf_delete(second);
    pki_cleanup();
}

/* True if the 'size' octets at 'p' lie within the 'all' octets at 'data'. */
static bool
is_within(const uint8_t *p, size_t size, const uint8_t *data, size_t all)
{
    return p >= data && p + size <= data + all;
}

void
fuzz_one(struct fuzz_input in)
{
    bool help = fuzz_u8(&in) & 1;
    uint8_t *data = xmalloc(in.size);
    struct vnetenc_hello hello;
    struct vnetenc_record record;
    const uint8_t *body;
    struct vnetenc_handshake *h;
    enum vnetenc_listener_result result;
    bool has_cookie = false;
    struct ofpbuf *reply;
    size_t pos = 0, old;

    if (in.size) {
        memcpy(data, in.data, in.size);
    }
    for (old = 0; (body = vnetenc_record_next(data, in.size, &pos, &record));
         old = pos) {
        ovs_assert(pos >= old + VNETENC_RECORD_HEADER_BYTES);
        ovs_assert(is_within(body, record.length, data, in.size));
    }
    if (vnetenc_hello_parse(data, in.size, &hello)
        == VNETENC_HELLO_OK) {
        ovs_assert(is_within(hello.random, VNETENC_HELLO_RANDOM_BYTES, data,
                             in.size));
        ovs_assert(is_within(hello.cookie, hello.cookie_size, data, in.size));
        if (hello.cookie_size == sizeof cookie) {
            size_t ofs = hello.cookie - data;

            if (help) {
                memcpy(data + ofs, cookie, sizeof cookie);
            }
            has_cookie = !memcmp(data + ofs, cookie, sizeof cookie);
        }
    }

    result = listen_to(data, in.size, &reply, &h);
    ovs_assert((result == VNETENC_LISTENER_GOOD) == has_cookie);
    ovs_assert(!reply || reply->size == VNETENC_VERIFY_REQUEST_BYTES);
    ovs_assert(!h || vnetenc_handshake_state(h) != VNETENC_HANDSHAKE_DONE);
    ofpbuf_delete(reply);
    vnetenc_handshake_destroy(h);
    free(data);
}

void
fuzz_make_seeds(void)
{
    struct ofpbuf *first, *second;

    make_hellos(&first, &second);
    fuzz_seed(0, first->data, first->size);
    fuzz_seed(0, second->data, second->size);
    fuzz_seed(1, second->data, second->size);
    ofpbuf_delete(first);
    ofpbuf_delete(second);
}
