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
 * So many datagrams of an undisturbed handshake arrive first; then what
 * follows arrives at the initiator or, with TO_SERVER, at the responder.  With
 * FINISH, both ends are there and then go on by themselves; without it only
 * the one that is disturbed.  None of them has finished, unless it had all it
 * needs: it has the right keys then. */

#include <config.h>
#undef NDEBUG
#define OPENSSL_SUPPRESS_DEPRECATED     /* As in vnetenc-unit-net.c. */
#include "fuzz/vnetenc-fuzz.h"

#include <openssl/asn1t.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/rand.h>
#include <openssl/x509.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "hash.h"
#include "openvswitch/ofpbuf.h"
#include "util.h"
#include "vnetenc-unit-net.h"
#include "vnetenc/base/limits.h"

/* At least as many as an undisturbed handshake has datagrams. */
enum { MAX_HONEST = 8 };

/* Second octet of an input.  The other end and the rest of a handshake take
 * most of the time, so an input says whether they are wanted, and few do so by
 * chance. */
enum { TO_SERVER = 1, FINISH = 0xe };

static struct unit_host a, b;
static struct vnetenc_listener *listener;

/* The clock of libcrypto stands as well: a certificate must not expire in a run
 * of hours, and is the same in each run. */
time_t
time(time_t *now)
{
    time_t wall = (unit_now_ms + unit_wall_offset_ms) / 1000;

    if (now) {
        *now = wall;
    }
    return wall;
}

/* Each end draws the same for each input.  A handshake so has the same octets
 * each time and in each run: those of one input are good in another, and
 * signatures, secrets and cookies in them are right. */
struct drawn {
    uint32_t who, n;
};
static struct drawn *drawn = &(struct drawn) { 0, 0 };

static int
draw_same(unsigned char *data, int size)
{
    for (int i = 0; i < size; i++) {
        data[i] = hash_2words(drawn->who, drawn->n++);
    }
    if (size == VNETENC_EXPLICIT_NONCE_BYTES) {
        data[0] |= 0x80;        /* As in vnetenc-unit-net.c. */
    }
    return 1;
}

/* Half of the time would be libcrypto's work for certificates and signatures
 * that are the same again and again.  These two functions, which libssl calls,
 * remember those of the honest ends; for all others they do the real work. */
static struct {
    X509 *cert;
    unsigned char *der;
    int size;
} certs[2];
static struct good {
    const EVP_PKEY *key;
    const EVP_MD *md;
    size_t size, sig_size;
    uint8_t data[4096], sig[128];
} good[8];
static unsigned int n_good;

X509 *
d2i_X509(X509 **cert, const unsigned char **data, long int size)
{
    for (size_t i = 0; i < ARRAY_SIZE(certs) && cert; i++) {
        if (certs[i].size == size && !memcmp(certs[i].der, *data, size)) {
            X509_free(*cert);
            X509_up_ref(certs[i].cert);
            *data += size;
            return *cert = certs[i].cert;
        }
    }
    return (X509 *) ASN1_item_d2i((ASN1_VALUE **) cert, data, size,
                                  ASN1_ITEM_rptr(X509));
}

int
EVP_DigestVerify(EVP_MD_CTX *ctx, const unsigned char *sig, size_t sig_size,
                 const unsigned char *data, size_t size)
{
    const EVP_PKEY *key
        = EVP_PKEY_CTX_get0_pkey(EVP_MD_CTX_get_pkey_ctx(ctx));
    const EVP_MD *md = EVP_MD_CTX_get0_md(ctx);
    struct good *g;
    int retval;

    for (g = good; g < &good[n_good]; g++) {
        if (g->key == key && g->md == md
            && g->size == size && g->sig_size == sig_size
            && !memcmp(g->data, data, size)
            && !memcmp(g->sig, sig, sig_size)) {
            return 1;
        }
    }
    retval = (EVP_DigestVerifyUpdate(ctx, data, size) == 1
              ? EVP_DigestVerifyFinal(ctx, sig, sig_size)
              : -1);
    if (retval == 1 && (key == X509_get0_pubkey(certs[0].cert)
                        || key == X509_get0_pubkey(certs[1].cert))
        && n_good < ARRAY_SIZE(good) && size <= sizeof g->data
        && sig_size <= sizeof g->sig) {
        g = &good[n_good++];
        g->key = key;
        g->md = md;
        g->size = size;
        g->sig_size = sig_size;
        memcpy(g->data, data, size);
        memcpy(g->sig, sig, sig_size);
    }
    return retval;
}

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

struct ends {
    struct vnetenc_handshake *client, *server;
    struct vnetenc_keys client_keys, server_keys;
    bool client_done, server_done;
    bool with_server;           /* Once it is asked. */
    bool recording;             /* Into 'honest'. */
    bool replaying;             /* Answers of both ends are in 'honest'. */
    struct drawn client_drawn, server_drawn;
};

/* An undisturbed handshake. */
static struct {
    bool to_server;
    size_t size;
    uint8_t data[VNETENC_MAX_DATAGRAM_BYTES];
} honest[MAX_HONEST];
static unsigned int n_honest;
static struct vnetenc_keys honest_keys;

static void
record(bool to_server, const void *data, size_t size)
{
    ovs_assert(n_honest < MAX_HONEST && size <= sizeof honest->data);
    honest[n_honest].to_server = to_server;
    honest[n_honest].size = size;
    memcpy(honest[n_honest++].data, data, size);
}

static void
ends_init(struct ends *e, bool client)
{
    memset(e, 0, sizeof *e);
    e->client_drawn.who = 1;
    e->server_drawn.who = 2;
    if (client) {
        drawn = &e->client_drawn;
        e->client = vnetenc_handshake_initiate(&a.lookup, &b.ip, 0,
                                               unit_now_ms);
    }
}

static void
ends_uninit(struct ends *e)
{
    vnetenc_keys_wipe(&e->client_keys);
    vnetenc_keys_wipe(&e->server_keys);
    vnetenc_handshake_destroy(e->client);
    vnetenc_handshake_destroy(e->server);
}

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
to_client(struct ends *e, const void *data, size_t size)
{
    if (e->recording) {
        record(false, data, size);
    }
    if (e->client) {
        drawn = &e->client_drawn;
        vnetenc_handshake_input(e->client, data, size, unit_now_ms);
        take_keys(e->client, &e->client_keys, &e->client_done);
    }
}

static void
to_server(struct ends *e, const void *data, size_t size)
{
    struct ofpbuf *reply = NULL;

    if (e->recording) {
        record(true, data, size);
    }
    drawn = &e->server_drawn;
    if (e->server) {
        vnetenc_handshake_input(e->server, data, size, unit_now_ms);
    } else if (vnetenc_listener_input(listener, &a.ip, htons(4321), data, size,
                                      unit_now_ms, &reply)
               == VNETENC_LISTENER_GOOD) {
        e->server = vnetenc_listener_accept(listener, &a.ip, htons(4321),
                                            data, size, unit_now_ms);
    }
    take_keys(e->server, &e->server_keys, &e->server_done);
    if (reply) {
        if (!e->replaying) {
            to_client(e, reply->data, reply->size);
        }
        ofpbuf_delete(reply);
    }
}

/* Delivers what both ends have to say until both are silent. */
static void
speak(struct ends *e)
{
    unsigned int n;

    do {
        struct ofpbuf *out;

        n = 0;
        while ((out = vnetenc_handshake_pop_output(e->client))) {
            to_server(e, out->data, out->size);
            ofpbuf_delete(out);
            n++;
        }
        while (e->server && (out = vnetenc_handshake_pop_output(e->server))) {
            to_client(e, out->data, out->size);
            ofpbuf_delete(out);
            n++;
        }
    } while (n);
}

void
fuzz_begin(void)
{
    static RAND_METHOD method;
    struct ends e;

    method = *RAND_OpenSSL();
    method.bytes = draw_same;
    ovs_assert(RAND_set_rand_method(&method) == 1);
    unit_host_init(&a, "a", "192.0.2.1", NULL);
    unit_host_init(&b, "b", "192.0.2.2", NULL);
    unit_host_trust(&a, &b.ip, &b.id);
    unit_host_trust(&b, &a.ip, &a.id);
    pki_cleanup();
    listener = vnetenc_listener_create(&b.lookup, &b.ip, htons(6082),
                                       unit_now_ms);
    ovs_assert(listener);
    certs[0].cert = a.id.cert;
    certs[1].cert = b.id.cert;
    for (size_t i = 0; i < ARRAY_SIZE(certs); i++) {
        certs[i].size = i2d_X509(certs[i].cert, &certs[i].der);
        ovs_assert(certs[i].size > 0);
    }

    /* In the first handshake, libssl draws for what is made only once. */
    for (int i = 0; i < 2; i++) {
        n_honest = 0;
        ends_init(&e, true);
        e.recording = true;
        speak(&e);
        ovs_assert(e.client_done && e.server_done);
        honest_keys = e.client_keys;
        ends_uninit(&e);
    }
}

/* Delivers the first 'n' honest datagrams to the ends that are there. */
static void
replay(struct ends *e, unsigned int n)
{
    e->replaying = true;
    for (unsigned int i = 0; i < n; i++) {
        struct vnetenc_handshake *from
            = honest[i].to_server ? e->client : e->server;

        if (from) {
            struct ofpbuf *out = vnetenc_handshake_pop_output(from);

            ovs_assert(out && out->size == honest[i].size
                       && !memcmp(out->data, honest[i].data, out->size));
            ofpbuf_delete(out);
        }
        if (!honest[i].to_server) {
            to_client(e, honest[i].data, honest[i].size);
        } else if (e->with_server) {
            to_server(e, honest[i].data, honest[i].size);
        }
    }
    e->replaying = false;
}

void
fuzz_one(struct fuzz_input in)
{
    unsigned int n = fuzz_u8(&in) % (n_honest + 1);
    uint8_t flags = fuzz_u8(&in);
    bool finish = (flags & FINISH) == FINISH;
    struct ends e;

    ends_init(&e, finish || !(flags & TO_SERVER));
    e.with_server = finish || flags & TO_SERVER;
    replay(&e, n);
    while (in.size) {
        size_t size = fuzz_u16(&in);
        const uint8_t *p = fuzz_take(&in, &size);

        if (flags & TO_SERVER) {
            to_server(&e, p, size);
        } else {
            to_client(&e, p, size);
        }
    }
    if (finish) {
        speak(&e);
        ovs_assert(!e.client_done || e.server_done);
    }

    /* Draws, and so keys, are those of the undisturbed handshake if both ends
     * see its octets, and they do not finish with others. */
    ovs_assert(!e.client_done
               || !memcmp(&e.client_keys, finish ? &e.server_keys
                          : &honest_keys, sizeof honest_keys));
    ovs_assert(!e.server_done || finish
               || !memcmp(&e.server_keys, &honest_keys, sizeof honest_keys));
    ends_uninit(&e);
}

/* Each datagram of the undisturbed handshake after those before it. */
void
fuzz_make_seeds(void)
{
    for (unsigned int i = 0; i < n_honest; i++) {
        for (int finish = 0; finish < 2; finish++) {
            uint8_t seed[4 + VNETENC_MAX_DATAGRAM_BYTES];
            size_t size = honest[i].size;

            seed[0] = i;
            seed[1] = ((honest[i].to_server ? TO_SERVER : 0)
                       | (finish ? FINISH : 0));
            seed[2] = size >> 8;
            seed[3] = size;
            memcpy(seed + 4, honest[i].data, size);
            fuzz_seed(-1, seed, 4 + size);
        }
    }
}
