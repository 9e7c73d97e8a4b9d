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

/* Datagrams in the middle of a handshake.
 *
 *     honest 1 | flags 1 | any number of: size 2 | that many octets
 *
 * So many datagrams of both ends arrive first; then what follows arrives at
 * the initiator or, with TO_SERVER, at the responder.  With FINISH, the ends
 * then go on by themselves.  Neither of them has finished, unless both had all
 * they need: they agree then. */

#include <config.h>
#undef NDEBUG
#include "fuzz/vnetenc-fuzz.h"

#include <openssl/crypto.h>
#include <stdlib.h>
#include <string.h>

#include "openvswitch/ofpbuf.h"
#include "util.h"
#include "vnetenc-unit-net.h"

/* More than an undisturbed handshake has datagrams. */
enum { MAX_HONEST = 8 };

/* Second octet of an input.  The rest of a handshake takes most of the time,
 * so an input says whether it is wanted, and few do so by chance. */
enum { TO_SERVER = 1, FINISH = 0xe };

static struct unit_host a, b;
static struct vnetenc_listener *listener;

/* malloc() and others of the C library, which the sanitizer does not watch. */
void *__libc_malloc(size_t);
void *__libc_realloc(void *, size_t);
void __libc_free(void *);

static void *
plain_malloc(size_t size, const char *file OVS_UNUSED, int line OVS_UNUSED)
{
    return __libc_malloc(size);
}

static void *
plain_realloc(void *p, size_t size, const char *file OVS_UNUSED,
              int line OVS_UNUSED)
{
    return __libc_realloc(p, size);
}

static void
plain_free(void *p, const char *file OVS_UNUSED, int line OVS_UNUSED)
{
    __libc_free(p);
}

/* Half of the time is the sanitizer's work for memory of libcrypto.  A long
 * run leaves that out; memory of our own is watched all the same.  Later than
 * here it would be too late. */
OVS_CONSTRUCTOR(plain_libcrypto) {
    if (getenv("VNETENC_FUZZ_RUNS")) {
        ovs_assert(CRYPTO_set_mem_functions(plain_malloc, plain_realloc,
                                            plain_free));
    }
}

void
fuzz_begin(void)
{
    unit_host_init(&a, "a", "192.0.2.1", NULL);
    unit_host_init(&b, "b", "192.0.2.2", NULL);
    unit_host_trust(&a, &b.ip, &b.id);
    unit_host_trust(&b, &a.ip, &a.id);
    pki_cleanup();
    listener = vnetenc_listener_create(&b.lookup, &b.ip, htons(6082),
                                       unit_now_ms);
    ovs_assert(listener);
}

struct ends {
    struct vnetenc_handshake *client, *server;
    struct vnetenc_keys client_keys, server_keys;
    bool client_done, server_done;
};

/* Takes the keys of an end that is done, so that its output goes on. */
static void
take_keys(struct vnetenc_handshake *h, struct vnetenc_keys *keys,
          bool *done)
{
    if (h && !*done && vnetenc_handshake_state(h) == VNETENC_HANDSHAKE_DONE) {
        vnetenc_handshake_take_keys(h, keys);
        *done = true;
    }
}

static void
deliver(struct ends *e, bool to_server, const void *data, size_t size)
{
    if (!to_server) {
        vnetenc_handshake_input(e->client, data, size, unit_now_ms);
    } else if (e->server) {
        vnetenc_handshake_input(e->server, data, size, unit_now_ms);
    } else {
        struct ofpbuf *reply;

        if (vnetenc_listener_input(listener, &a.ip, htons(4321), data, size,
                                   unit_now_ms, &reply)
            == VNETENC_LISTENER_GOOD) {
            e->server = vnetenc_listener_accept(listener, &a.ip, htons(4321),
                                                data, size, unit_now_ms);
        }
        if (reply) {
            vnetenc_handshake_input(e->client, reply->data, reply->size,
                                    unit_now_ms);
            ofpbuf_delete(reply);
        }
    }
    take_keys(e->client, &e->client_keys, &e->client_done);
    take_keys(e->server, &e->server_keys, &e->server_done);
}

/* Delivers what 'from' has to say, 'n' datagrams at most. */
static unsigned int
speak(struct ends *e, bool to_server, unsigned int n)
{
    struct vnetenc_handshake *from = to_server ? e->client : e->server;
    struct ofpbuf *out;

    while (n && from && (out = vnetenc_handshake_pop_output(from))) {
        deliver(e, to_server, out->data, out->size);
        ofpbuf_delete(out);
        n--;
    }
    return n;
}

static void
speak_honestly(struct ends *e, unsigned int n)
{
    unsigned int before;

    do {
        before = n;
        n = speak(e, true, n);
        n = speak(e, false, n);
    } while (n && n != before);
}

void
fuzz_one(struct fuzz_input in)
{
    unsigned int n_honest = fuzz_u8(&in) % MAX_HONEST;
    uint8_t flags = fuzz_u8(&in);
    bool to_server = flags & TO_SERVER;
    struct ends e;

    memset(&e, 0, sizeof e);
    e.client = vnetenc_handshake_initiate(&a.lookup, &b.ip, 0, unit_now_ms);
    speak_honestly(&e, n_honest);
    while (in.size) {
        size_t n = fuzz_u16(&in);
        const uint8_t *p = fuzz_take(&in, &n);

        deliver(&e, to_server, p, n);
    }
    if ((flags & FINISH) == FINISH) {
        speak_honestly(&e, MAX_HONEST);
    }

    if (e.client_done) {
        ovs_assert(e.server_done);
        ovs_assert(!memcmp(&e.client_keys, &e.server_keys,
                           sizeof e.client_keys));
    }
    vnetenc_keys_wipe(&e.client_keys);
    vnetenc_keys_wipe(&e.server_keys);
    vnetenc_handshake_destroy(e.client);
    vnetenc_handshake_destroy(e.server);
}

/* The datagrams of an honest handshake, each at its end after those before
 * it. */
void
fuzz_make_seeds(void)
{
    for (unsigned int i = 0; i < MAX_HONEST; i++) {
        struct ends e;

        memset(&e, 0, sizeof e);
        e.client = vnetenc_handshake_initiate(&a.lookup, &b.ip, 0,
                                              unit_now_ms);
        speak_honestly(&e, i);
        for (int to_server = 0; to_server < 2; to_server++) {
            struct vnetenc_handshake *from = to_server ? e.client : e.server;
            struct ofpbuf *out
                = from ? vnetenc_handshake_pop_output(from) : NULL;

            if (out) {
                uint8_t seed[4 + VNETENC_MAX_DATAGRAM_BYTES];

                seed[0] = i;
                seed[1] = (to_server ? TO_SERVER : 0) | FINISH;
                seed[2] = out->size >> 8;
                seed[3] = out->size;
                memcpy(seed + 4, out->data, out->size);
                fuzz_seed(-1, seed, 4 + out->size);
                ofpbuf_delete(out);
            }
        }
        vnetenc_handshake_destroy(e.client);
        vnetenc_handshake_destroy(e.server);
    }
}
