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
#undef NDEBUG
#define OPENSSL_SUPPRESS_DEPRECATED     /* RAND_METHOD: no test has another. */
#include "vnetenc-unit-net.h"

#include <arpa/inet.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>

#include <openssl/evp.h>
#include <openssl/rand.h>

#include "openvswitch/ofpbuf.h"
#include "packets.h"
#include "util.h"
#include "vnetenc/base/limits.h"
#include "vnetenc/control/hello.h"
#include "vnetenc/crypto/record.h"
#include "vnetenc/trust/cred.h"

struct packet {
    struct ovs_list node;
    struct ofpbuf *data;
    bool to_server;
    long long int at_ms;
};

long long int unit_now_ms = 1000000;
long long int unit_wall_offset_ms = 1700000000000LL;

/* What libssl's DTLS timer reads. */
int
gettimeofday(struct timeval *restrict tv, void *restrict tz OVS_UNUSED)
{
    long long int ms = unit_now_ms + unit_wall_offset_ms;

    tv->tv_sec = ms / 1000;
    tv->tv_usec = ms % 1000 * 1000;
    return 0;
}

/* One explicit nonce in 65536 that libssl draws could be ours, and ends the
 * handshake; thousands of handshakes are to succeed here, every time.  A
 * draw of that length so never begins as ours.  (test_nonce_space() writes
 * one that does.) */
static int
draw(unsigned char *data, int size)
{
    int ok = RAND_OpenSSL()->bytes(data, size);

    if (ok == 1 && size == VNETENC_EXPLICIT_NONCE_BYTES) {
        data[0] |= 0x80;
    }
    return ok;
}

OVS_CONSTRUCTOR(unit_draw_other_nonces) {
    static RAND_METHOD method;

    method = *RAND_OpenSSL();
    method.bytes = draw;
    ovs_assert(RAND_set_rand_method(&method) == 1);
}

/* Hosts. */

static struct vnetenc_cred *
lookup_cred(void *host_, uint8_t profile)
{
    struct unit_host *host = host_;

    return profile < UNIT_PROFILES ? host->creds[profile] : NULL;
}

static char *
lookup_why_no_cred(void *host OVS_UNUSED, uint8_t profile)
{
    return xasprintf("no credentials for profile %"PRIu8, profile);
}

static const struct vnetenc_trust *
lookup_trust(void *host_, const struct in6_addr *ip)
{
    struct unit_host *host = host_;

    if (!host->trust_lookups
        || !ipv6_addr_equals(ip, &host->trust.remote_ip)) {
        return NULL;
    }
    if (host->trust_lookups > 0) {
        host->trust_lookups--;
    }
    return &host->trust;
}

void
unit_host_init(struct unit_host *host, const char *name, const char *ip,
               const struct pki_spec *spec)
{
    char *cert = xasprintf("%s.pem", name);
    char *key = xasprintf("%s.key", name);
    struct in_addr ip4;

    memset(host, 0, sizeof *host);
    host->lookup.cred = lookup_cred;
    host->lookup.why_no_cred = lookup_why_no_cred;
    host->lookup.trust = lookup_trust;
    host->lookup.aux = host;
    host->trust_lookups = -1;
    if (inet_pton(AF_INET, ip, &ip4) == 1) {
        in6_addr_set_mapped_ipv4(&host->ip, ip4.s_addr);
    } else {
        ovs_assert(inet_pton(AF_INET6, ip, &host->ip) == 1);
    }

    host->id = pki_make(spec ? spec : &(struct pki_spec) { .san = NULL });
    pki_write(pki_path(cert), 0644, NULL, host->id.cert, NULL);
    pki_write(pki_path(key), 0600, host->id.key, NULL);
    for (int i = 0; i < UNIT_PROFILES; i++) {
        const struct vnetenc_cred_config config = {
            .profile = i,
            .certificate = pki_path(cert),
            .private_key = pki_path(key),
        };
        char *error = vnetenc_cred_load(&config, &host->creds[i]);

        if (error) {
            ovs_fatal(0, "%s", error);
        }
    }
    host->trust.name = xstrdup(name);
    free(cert);
    free(key);
}

void
unit_host_uninit(struct unit_host *host)
{
    for (int i = 0; i < UNIT_PROFILES; i++) {
        vnetenc_cred_unref(host->creds[i]);
    }
    free(host->trust.name);
    pki_free(&host->id);
}

void
unit_host_set_cred(struct unit_host *host, uint8_t profile,
                   const char *ca_cert, const char *ciphers)
{
    char *cert = xasprintf("%s.pem", host->trust.name);
    char *key = xasprintf("%s.key", host->trust.name);
    const struct vnetenc_cred_config config = {
        .profile = profile,
        .certificate = pki_path(cert),
        .private_key = pki_path(key),
        .ca_cert = ca_cert,
        .ciphers = ciphers,
    };
    char *error;

    vnetenc_cred_unref(host->creds[profile]);
    error = vnetenc_cred_load(&config, &host->creds[profile]);
    if (error) {
        ovs_fatal(0, "%s", error);
    }
    free(cert);
    free(key);
}

void
unit_host_trust(struct unit_host *host, const struct in6_addr *ip,
                const struct pki_id *id)
{
    pki_pin(id, host->pins[0]);
    host->trust.remote_ip = *ip;
    host->trust.pins = host->pins;
    host->trust.n_pins = 1;
}

/* Network. */

void
unit_duel_init(struct unit_duel *duel, struct unit_host *initiator,
               struct unit_host *responder, uint8_t profile)
{
    memset(duel, 0, sizeof *duel);
    duel->initiator = initiator;
    duel->responder = responder;
    duel->profile = profile;
    ovs_list_init(&duel->packets);
    duel->listener = vnetenc_listener_create(
        &responder->lookup, &responder->ip,
        htons(responder->vxlan ? VNETENC_VXLAN_PORT : VNETENC_GENEVE_PORT),
        unit_now_ms);
    ovs_assert(duel->listener);
}

void
unit_duel_uninit(struct unit_duel *duel)
{
    struct packet *p;

    LIST_FOR_EACH_POP (p, node, &duel->packets) {
        ofpbuf_delete(p->data);
        free(p);
    }
    vnetenc_handshake_destroy(duel->client);
    vnetenc_handshake_destroy(duel->server);
    vnetenc_listener_destroy(duel->listener);
}

static void
add_packet(struct unit_duel *duel, struct ofpbuf *data, bool to_server,
           int delay_ms)
{
    struct packet *p = xmalloc(sizeof *p);

    p->data = data;
    p->to_server = to_server;
    p->at_ms = unit_now_ms + delay_ms;
    ovs_list_push_back(&duel->packets, &p->node);
}

static void
transmit(struct unit_duel *duel, struct ofpbuf *data, bool to_server)
{
    unsigned int index = duel->n_packets++;
    enum unit_fate fate = duel->fate ? duel->fate(duel, index) : UNIT_PASS;

    ovs_assert(data->size <= VNETENC_HANDSHAKE_MTU_BYTES);
    switch (fate) {
    case UNIT_FLIP:
        duel->seed = duel->seed * 1103515245 + 12345;
        ((uint8_t *) data->data)[(duel->seed >> 8) % data->size]
            ^= 1 << (duel->seed >> 4 & 7);
        /* Fall through. */
    case UNIT_PASS:
        add_packet(duel, data, to_server, 1);
        break;
    case UNIT_DROP:
        ofpbuf_delete(data);
        break;
    case UNIT_DOUBLE:
        add_packet(duel, ofpbuf_clone(data), to_server, 1);
        add_packet(duel, data, to_server, 2);
        break;
    case UNIT_DELAY:
        add_packet(duel, data, to_server, 30);
        break;
    default:
        OVS_NOT_REACHED();
    }
}

/* RFC 6347 section 4.2.1: a peer drops records in clear whose number it has
 * seen, so handshakes number theirs one after the other. */
static void
check_numbers(struct unit_duel *duel, const struct ofpbuf *data,
              bool to_server)
{
    struct vnetenc_record record;
    size_t pos = 0;

    while (vnetenc_record_next(data->data, data->size, &pos, &record)) {
        if (!record.epoch && record.seq != duel->next_clear[to_server]++) {
            duel->bad_number = true;
        }
    }
}

/* Takes what 'h' has to give, in the order that is demanded. */
static void
collect(struct unit_duel *duel, struct vnetenc_handshake *h, bool to_server,
        struct vnetenc_keys *keys, bool *done)
{
    struct ofpbuf *b;

    if (h && vnetenc_handshake_state(h) == VNETENC_HANDSHAKE_DONE && !*done) {
        if ((b = vnetenc_handshake_pop_output(h))) {
            duel->early_output = true;
            ofpbuf_delete(b);
        }
        vnetenc_handshake_take_keys(h, keys);
        *done = true;
    }
    while (h && (b = vnetenc_handshake_pop_output(h))) {
        check_numbers(duel, b, to_server);
        transmit(duel, b, to_server);
    }
}

enum vnetenc_listener_result
unit_listen(struct vnetenc_listener *listener,
            const struct in6_addr *client_ip, ovs_be16 client_port,
            const void *data, size_t size, struct ofpbuf **reply,
            struct vnetenc_handshake **handshake)
{
    enum vnetenc_listener_result result
        = vnetenc_listener_input(listener, client_ip, client_port, data, size,
                                 unit_now_ms, reply);

    *handshake = (result == VNETENC_LISTENER_GOOD
                  ? vnetenc_listener_accept(listener, client_ip, client_port,
                                            data, size, unit_now_ms)
                  : NULL);
    return result;
}

void
unit_duel_to_server(struct unit_duel *duel, const void *data, size_t size)
{
    struct vnetenc_hello hello;
    struct vnetenc_handshake *server;
    struct ofpbuf *reply;

    if (duel->server
        && (vnetenc_hello_parse(data, size, &hello) != VNETENC_HELLO_OK
            || vnetenc_handshake_owns_hello(duel->server, data, size))) {
        vnetenc_handshake_input(duel->server, data, size, unit_now_ms);
        return;
    }
    unit_listen(duel->listener, &duel->initiator->ip, htons(4321), data, size,
                &reply, &server);
    if (reply) {
        transmit(duel, reply, false);
    }
    if (server) {
        vnetenc_handshake_destroy(duel->server);
        duel->server = server;
        duel->server_done = false;
        ovs_assert(vnetenc_hello_parse(data, size, &hello)
                   == VNETENC_HELLO_OK);
        duel->next_clear[false] = hello.record_sequence;
    }
}

static void
deliver(struct unit_duel *duel, struct packet *p)
{
    ovs_list_remove(&p->node);
    if (p->to_server) {
        unit_duel_to_server(duel, p->data->data, p->data->size);
    } else {
        vnetenc_handshake_input(duel->client, p->data->data, p->data->size,
                                unit_now_ms);
    }
    ofpbuf_delete(p->data);
    free(p);
}

static struct packet *
next_packet(struct unit_duel *duel)
{
    struct packet *p, *best = NULL;

    LIST_FOR_EACH (p, node, &duel->packets) {
        if (!best || p->at_ms < best->at_ms) {
            best = p;
        }
    }
    return best;
}

/* Moves the clock to what happens next, and makes it happen. */
static void
step(struct unit_duel *duel)
{
    long long int client = vnetenc_handshake_deadline_ms(duel->client);
    long long int server = (duel->server
                            ? vnetenc_handshake_deadline_ms(duel->server)
                            : LLONG_MAX);
    struct packet *p = next_packet(duel);

    if (p && p->at_ms <= MIN(client, server)) {
        unit_now_ms = MAX(unit_now_ms, p->at_ms);
        deliver(duel, p);
        return;
    }
    unit_now_ms = MAX(unit_now_ms, MIN(client, server));
    if (client <= server) {
        vnetenc_handshake_tick(duel->client, unit_now_ms);
    } else if (vnetenc_handshake_state(duel->server)
               == VNETENC_HANDSHAKE_RUNNING) {
        vnetenc_handshake_tick(duel->server, unit_now_ms);
    } else {
        vnetenc_handshake_destroy(duel->server);
        duel->server = NULL;
    }
}

void
unit_duel_run(struct unit_duel *duel)
{
    if (!duel->client) {
        duel->client = vnetenc_handshake_initiate(
            &duel->initiator->lookup, &duel->responder->ip, duel->profile,
            unit_now_ms);
    }
    for (;;) {
        collect(duel, duel->client, true,
                &duel->client_keys, &duel->client_done);
        collect(duel, duel->server, false,
                &duel->server_keys, &duel->server_done);
        if (vnetenc_handshake_state(duel->client)
            != VNETENC_HANDSHAKE_RUNNING) {
            break;
        }
        step(duel);
    }
}

/* Records. */

static const EVP_CIPHER *
evp_cipher(const struct vnetenc_keys *keys)
{
    switch (keys->cipher) {
    case VNETENC_AES256_GCM:
        return EVP_aes_256_gcm();
    case VNETENC_AES128_GCM:
        return EVP_aes_128_gcm();
    case VNETENC_CHACHA20_POLY1305:
        return EVP_chacha20_poly1305();
    case VNETENC_N_CIPHERS:
    default:
        OVS_NOT_REACHED();
    }
}

static size_t
explicit_size(const struct vnetenc_keys *keys)
{
    return keys->cipher == VNETENC_CHACHA20_POLY1305 ? 0 : 8;
}

/* RFC 5288 section 3 with the explicit part from the record, RFC 7905
 * section 2. */
static void
make_nonce(const struct vnetenc_keys *keys, bool client,
           const uint8_t *record, uint8_t nonce[12])
{
    const uint8_t *iv = client ? keys->client_iv : keys->server_iv;

    memcpy(nonce, iv, keys->iv_len);
    if (explicit_size(keys)) {
        memcpy(nonce + 4, record + 13, 8);
    } else {
        for (int i = 0; i < 8; i++) {
            nonce[4 + i] ^= record[3 + i];      /* Epoch, sequence number. */
        }
    }
}

static void
make_aad(const uint8_t *record, size_t size, uint8_t aad[13])
{
    memcpy(aad, record + 3, 8);
    memcpy(aad + 8, record, 3);
    aad[11] = size >> 8;
    aad[12] = size;
}

size_t
unit_seal(const struct vnetenc_keys *keys, bool client,
          uint64_t sequence, const void *plaintext, size_t size, uint8_t *out)
{
    size_t head = 13 + explicit_size(keys);
    EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
    size_t body = head - 13 + size + 16;
    uint8_t nonce[12], aad[13];
    int n;

    out[0] = 23;
    out[1] = 0xfe;
    out[2] = 0xfd;
    out[3] = 0;
    out[4] = 1;
    for (int i = 0; i < 6; i++) {
        out[5 + i] = sequence >> (40 - 8 * i);
    }
    out[11] = body >> 8;
    out[12] = body;
    if (explicit_size(keys)) {
        memcpy(out + 13, out + 3, 8);
    }
    make_nonce(keys, client, out, nonce);
    make_aad(out, size, aad);

    ovs_assert(EVP_EncryptInit_ex(ctx, evp_cipher(keys), NULL,
                                  client ? keys->client_key
                                  : keys->server_key, nonce));
    ovs_assert(EVP_EncryptUpdate(ctx, NULL, &n, aad, sizeof aad));
    ovs_assert(EVP_EncryptUpdate(ctx, out + head, &n, plaintext, size));
    ovs_assert(EVP_EncryptFinal_ex(ctx, out + head + n, &n));
    ovs_assert(EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_GET_TAG, 16,
                                   out + head + size));
    EVP_CIPHER_CTX_free(ctx);
    return 13 + body;
}

size_t
unit_open(const struct vnetenc_keys *keys, bool client,
          const uint8_t *record, size_t size, uint8_t *out)
{
    size_t head = 13 + explicit_size(keys);
    uint8_t nonce[12], aad[13], tag[16];
    EVP_CIPHER_CTX *ctx;
    size_t text;
    int n;
    bool ok;

    if (size < head + 16) {
        return 0;
    }
    text = size - head - 16;
    make_nonce(keys, client, record, nonce);
    make_aad(record, text, aad);
    memcpy(tag, record + head + text, sizeof tag);

    ctx = EVP_CIPHER_CTX_new();
    ovs_assert(EVP_DecryptInit_ex(ctx, evp_cipher(keys), NULL,
                                  client ? keys->client_key
                                  : keys->server_key, nonce));
    ovs_assert(EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_SET_TAG, 16, tag));
    ovs_assert(EVP_DecryptUpdate(ctx, NULL, &n, aad, sizeof aad));
    ovs_assert(EVP_DecryptUpdate(ctx, out, &n, record + head, text));
    ok = EVP_DecryptFinal_ex(ctx, out + n, &n) == 1;
    EVP_CIPHER_CTX_free(ctx);
    return ok ? text : 0;
}
