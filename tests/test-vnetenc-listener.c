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

/* The responder before there is state: cookies, mangled ClientHellos, names of
 * profiles. */

#include <config.h>
#undef NDEBUG
#include "vnetenc/control/listener.h"

#include <arpa/inet.h>
#include <stdlib.h>

#include "openvswitch/ofpbuf.h"
#include "openvswitch/vlog.h"
#include "packets.h"
#include "util.h"
#include "vnetenc/control/handshake.h"
#include "vnetenc/trust/ssl.h"
#include "vnetenc-unit.h"
#include "vnetenc-unit-net.h"
#include "vnetenc-unit-pki.h"

static struct unit_host a, b;

static const uint8_t plain_alert[] = {
    21, 0xfe, 0xfd, 0, 0, 0, 0, 0, 0, 0, 9, 0, 2, 2, 42,
};

static enum vnetenc_listener_result
listen_to(struct vnetenc_listener *listener, const char *ip, uint16_t port,
          const struct ofpbuf *data, struct ofpbuf **reply)
{
    struct vnetenc_handshake *h;
    enum vnetenc_listener_result result;
    struct in6_addr client;

    in6_addr_set_mapped_ipv4(&client, inet_addr(ip));
    result = unit_listen(listener, &client, htons(port), data->data,
                         data->size, reply, &h);
    CHECK((result == VNETENC_LISTENER_GOOD) == (h != NULL));
    CHECK((result == VNETENC_LISTENER_REPLY) == (*reply != NULL));
    vnetenc_handshake_destroy(h);
    return result;
}

/* The ClientHello that answers a HelloVerifyRequest of 'listener'. */
static struct ofpbuf *
second_hello(struct vnetenc_listener *listener, struct ofpbuf **first)
{
    struct vnetenc_handshake *h
        = vnetenc_handshake_initiate(&a.lookup, &b.ip, 0, unit_now_ms);
    struct ofpbuf *hello = vnetenc_handshake_pop_output(h);
    struct ofpbuf *reply, *second;

    CHECK(listen_to(listener, "192.0.2.1", 4321, hello, &reply)
          == VNETENC_LISTENER_REPLY);
    CHECK(reply->size == 60 && reply->size < hello->size);
    vnetenc_handshake_input(h, reply->data, reply->size, unit_now_ms);
    second = vnetenc_handshake_pop_output(h);
    ofpbuf_delete(reply);
    *first = hello;
    vnetenc_handshake_destroy(h);
    return second;
}

/* Every field of the endpoints counts, and so does every bit. */
static void
test_cookie_fields(void)
{
    struct vnetenc_endpoints ends = {
        .client_ip = a.ip,
        .local_ip = b.ip,
        .client_port = htons(4321),
        .local_port = htons(6082),
    };
    uint8_t cookie[VNETENC_COOKIE_BYTES];
    struct vnetenc_cookie_jar jar;

    CHECK(vnetenc_cookie_jar_init(&jar, unit_now_ms));
    CHECK(vnetenc_cookie_make(&jar, &ends, cookie));
    CHECK(vnetenc_cookie_check(&jar, &ends, cookie, sizeof cookie));
    CHECK(!vnetenc_cookie_check(&jar, &ends, cookie, sizeof cookie - 1));
    CHECK(!vnetenc_cookie_check(&jar, &ends, cookie, 0));

    for (size_t i = 0; i < sizeof ends; i++) {
        ((uint8_t *) &ends)[i] ^= 1;
        CHECK(!vnetenc_cookie_check(&jar, &ends, cookie, sizeof cookie));
        ((uint8_t *) &ends)[i] ^= 1;
    }
    for (size_t i = 0; i < 8 * sizeof cookie; i++) {
        cookie[i / 8] ^= 1 << i % 8;
        CHECK(!vnetenc_cookie_check(&jar, &ends, cookie, sizeof cookie));
        cookie[i / 8] ^= 1 << i % 8;
    }
    CHECK(vnetenc_cookie_check(&jar, &ends, cookie, sizeof cookie));
    vnetenc_cookie_jar_wipe(&jar);
    CHECK(!vnetenc_cookie_check(&jar, &ends, cookie, sizeof cookie));
}

static void
test_cookies(void)
{
    struct vnetenc_listener *listener = vnetenc_listener_create(
        &b.lookup, &b.ip, htons(6082), unit_now_ms);
    struct vnetenc_listener *other_port = vnetenc_listener_create(
        &b.lookup, &b.ip, htons(6083), unit_now_ms);
    long long int start = unit_now_ms;
    struct ofpbuf *first, *second, *reply;

    second = second_hello(listener, &first);
    CHECK(listen_to(listener, "192.0.2.1", 4321, second, &reply)
          == VNETENC_LISTENER_GOOD);

    /* Another address, port, listener: another cookie. */
    CHECK(listen_to(listener, "192.0.2.3", 4321, second, &reply)
          == VNETENC_LISTENER_REPLY);
    ofpbuf_delete(reply);
    CHECK(listen_to(listener, "192.0.2.1", 4322, second, &reply)
          == VNETENC_LISTENER_REPLY);
    ofpbuf_delete(reply);
    CHECK(listen_to(other_port, "192.0.2.1", 4321, second, &reply)
          == VNETENC_LISTENER_REPLY);
    ofpbuf_delete(reply);

    /* Good while its key is the current or the previous one. */
    unit_now_ms = start + VNETENC_COOKIE_KEY_MS;
    CHECK(listen_to(listener, "192.0.2.1", 4321, second, &reply)
          == VNETENC_LISTENER_GOOD);
    unit_now_ms = start + 2 * VNETENC_COOKIE_KEY_MS - 1;
    CHECK(listen_to(listener, "192.0.2.1", 4321, second, &reply)
          == VNETENC_LISTENER_GOOD);
    unit_now_ms++;
    CHECK(listen_to(listener, "192.0.2.1", 4321, second, &reply)
          == VNETENC_LISTENER_REPLY);
    ofpbuf_delete(reply);
    ofpbuf_delete(second);
    ofpbuf_delete(first);

    /* Not even if nobody called in the meantime. */
    start = unit_now_ms;
    second = second_hello(listener, &first);
    unit_now_ms = start + 2 * VNETENC_COOKIE_KEY_MS;
    CHECK(listen_to(listener, "192.0.2.1", 4321, second, &reply)
          == VNETENC_LISTENER_REPLY);
    ofpbuf_delete(reply);
    ofpbuf_delete(second);
    ofpbuf_delete(first);

    vnetenc_listener_destroy(listener);
    vnetenc_listener_destroy(other_port);
    vnetenc_listener_destroy(NULL);
}

/* No octet of a ClientHello can be changed or cut off so that anything but a
 * refusal comes out.  (A changed octet behind the cookie is libssl's to see:
 * it does not make a handshake DONE.) */
static void
test_mangled_hellos(void)
{
    struct vnetenc_listener *listener = vnetenc_listener_create(
        &b.lookup, &b.ip, htons(6082), unit_now_ms);
    struct ofpbuf *first, *second, *reply;

    second = second_hello(listener, &first);
    for (size_t size = 0; size < second->size; size++) {
        struct ofpbuf cut = *second;
        enum vnetenc_listener_result result;

        cut.size = size;
        result = listen_to(listener, "192.0.2.1", 4321, &cut, &reply);
        CHECK(result == VNETENC_LISTENER_IGNORED);
    }
    for (size_t i = 0; i < second->size; i++) {
        for (int bit = 0; bit < 8; bit++) {
            uint8_t *p = (uint8_t *) second->data + i;
            struct vnetenc_handshake *h;

            *p ^= 1 << bit;
            unit_listen(listener, &a.ip, htons(4321), second->data,
                        second->size, &reply, &h);
            CHECK(!h || vnetenc_handshake_state(h) != VNETENC_HANDSHAKE_DONE);
            CHECK(!h || i < 13 || i >= 13 + 12 + 2 + 32 + 1 + 1 + 32
                  || (i >= 13 + 12 && i < 13 + 12 + 2 + 32)
                  || i == 13 + 4 || i == 13 + 5);
            ofpbuf_delete(reply);
            vnetenc_handshake_destroy(h);
            *p ^= 1 << bit;
        }
    }
    ofpbuf_delete(first);
    ofpbuf_delete(second);
    vnetenc_listener_destroy(listener);
}

static void
test_fragmented_hello(void)
{
    struct vnetenc_listener *listener = vnetenc_listener_create(
        &b.lookup, &b.ip, htons(6082), unit_now_ms);
    struct ofpbuf *first, *second, *reply;
    uint8_t *p;

    second = second_hello(listener, &first);
    p = second->data;

    /* Fragment's length less than the message's. */
    p[13 + 11] -= 20;
    p[12] -= 20;
    second->size -= 20;
    CHECK(listen_to(listener, "192.0.2.1", 4321, second, &reply)
          == VNETENC_LISTENER_FRAGMENT);

    /* Fragment's offset. */
    p[13 + 8] = 20;
    CHECK(listen_to(listener, "192.0.2.1", 4321, second, &reply)
          == VNETENC_LISTENER_FRAGMENT);

    /* Not alone in its datagram. */
    ofpbuf_put(first, plain_alert, sizeof plain_alert);
    CHECK(listen_to(listener, "192.0.2.1", 4321, first, &reply)
          == VNETENC_LISTENER_FRAGMENT);

    ofpbuf_delete(first);
    ofpbuf_delete(second);
    vnetenc_listener_destroy(listener);
}

static void
test_owns_hello(void)
{
    struct vnetenc_handshake *h, *h2;
    struct vnetenc_listener *listener = vnetenc_listener_create(
        &b.lookup, &b.ip, htons(6082), unit_now_ms);
    struct ofpbuf *first, *second, *other, *reply;

    second = second_hello(listener, &first);
    unit_listen(listener, &a.ip, htons(4321), second->data, second->size,
                &reply, &h);
    h2 = vnetenc_handshake_initiate(&a.lookup, &b.ip, 0, unit_now_ms);
    other = vnetenc_handshake_pop_output(h2);

    CHECK(vnetenc_handshake_owns_hello(h, first->data, first->size));
    CHECK(vnetenc_handshake_owns_hello(h, second->data, second->size));
    CHECK(!vnetenc_handshake_owns_hello(h, other->data, other->size));
    CHECK(!vnetenc_handshake_owns_hello(h, plain_alert, sizeof plain_alert));
    CHECK(!vnetenc_handshake_owns_hello(h2, other->data, other->size));

    ofpbuf_delete(first);
    ofpbuf_delete(second);
    ofpbuf_delete(other);
    vnetenc_handshake_destroy(h);
    vnetenc_handshake_destroy(h2);
    vnetenc_listener_destroy(listener);
}

static void
test_sni(void)
{
    char sni[VNETENC_SNI_BYTES];
    uint8_t profile;

    for (int i = 0; i <= UINT8_MAX; i++) {
        vnetenc_ssl_sni_format(i, sni);
        CHECK(vnetenc_ssl_sni_parse(sni, &profile) && profile == i);
    }
    CHECK(!vnetenc_ssl_sni_parse("", &profile));
    CHECK(!vnetenc_ssl_sni_parse("p.vnetenc.invalid", &profile));
    CHECK(!vnetenc_ssl_sni_parse("p256.vnetenc.invalid", &profile));
    CHECK(!vnetenc_ssl_sni_parse("p4294967296.vnetenc.invalid", &profile));
    CHECK(!vnetenc_ssl_sni_parse("p-1.vnetenc.invalid", &profile));
    CHECK(!vnetenc_ssl_sni_parse("p+1.vnetenc.invalid", &profile));
    CHECK(!vnetenc_ssl_sni_parse("p 1.vnetenc.invalid", &profile));
    CHECK(!vnetenc_ssl_sni_parse("p01.vnetenc.invalid", &profile));
    CHECK(!vnetenc_ssl_sni_parse("P1.vnetenc.invalid", &profile));
    CHECK(!vnetenc_ssl_sni_parse("p1.vnetenc.invalid.", &profile));
    CHECK(!vnetenc_ssl_sni_parse("p1.vnetenc.invalidx", &profile));
    CHECK(!vnetenc_ssl_sni_parse("p1.vnetenc", &profile));
    CHECK(!vnetenc_ssl_sni_parse("xp1.vnetenc.invalid", &profile));
}

int
main(int argc OVS_UNUSED, char *argv[])
{
    set_program_name(argv[0]);
    vlog_set_levels(NULL, VLF_ANY_DESTINATION, VLL_OFF);
    unit_host_init(&a, "a", "192.0.2.1", NULL);
    unit_host_init(&b, "b", "192.0.2.2", NULL);
    unit_host_trust(&a, &b.ip, &b.id);
    unit_host_trust(&b, &a.ip, &a.id);

    test_sni();
    test_cookie_fields();
    test_cookies();
    test_mangled_hellos();
    test_fragmented_hello();
    test_owns_hello();

    unit_host_uninit(&a);
    unit_host_uninit(&b);
    pki_cleanup();
    return unit_end();
}
