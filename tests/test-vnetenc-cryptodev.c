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

/* The provider "cryptodev" on DPDK's software devices: against libcrypto, in
 * packets of all kinds, with many threads; and with devices that fail in every
 * way that we know of, between which and the provider this program puts
 * itself.  Without DPDK: that the provider is refused.
 *
 * Keywords: dpdk. */

#include <config.h>
#undef NDEBUG
#include "vnetenc/crypto/aead-cryptodev.h"

#include <errno.h>
#include <stdlib.h>

#include "random.h"
#include "util.h"
#include "vnetenc/crypto/aead.h"
#include "vnetenc/crypto/cryptodev.h"
#include "vnetenc-unit.h"

static uint8_t key_bytes[VNETENC_MAX_KEY_BYTES];

static struct vnetenc_aead_key *
make_key(enum vnetenc_cipher cipher)
{
    struct vnetenc_aead_key *key = NULL;

    ovs_assert(!vnetenc_aead_key_create(cipher, key_bytes, &key));
    return key;
}

/* Provider of a key that is made now. */
static bool
provider_is(enum vnetenc_cipher cipher, const char *name)
{
    struct vnetenc_aead_key *key = make_key(cipher);
    bool is = (!strcmp(vnetenc_aead_key_provider(key), name)
               && !strcmp(vnetenc_aead_provider_name(cipher), name));

    vnetenc_aead_key_destroy(key);
    return is;
}

/* A choice that is not usable leaves things as they are. */
static void
test_refusals(const char *const bad[], size_t n)
{
    vnetenc_aead_init("openssl");
    for (size_t i = 0; i < n; i++) {
        vnetenc_aead_init(bad[i]);
        for (int c = 0; c < VNETENC_N_CIPHERS; c++) {
            CHECK(provider_is(c, "openssl"));
        }
    }
}

#ifdef DPDK_NETDEV

#include <openssl/evp.h>
#include <rte_cryptodev.h>

#include "ovs-atomic.h"
#include "ovs-rcu.h"
#include "ovs-thread.h"
#include "timeval.h"
#include "vnetenc/crypto/cryptodev-queue.h"
#include "vnetenc-unit-dpdk.h"
#include "vnetenc-unit-packets.h"

enum { MAX_SIZE = VNETENC_MAX_PLAINTEXT_BYTES };

/* Asynchronous, and one that passes on to two others. */
#define LOOKASIDE "crypto_openssl0"
#define SCHEDULER "crypto_scheduler0"

static uint8_t plain[MAX_SIZE];
static struct rte_mempool *packet_pool;

/* Devices. */

static struct vnetenc_cryptodev_status status;
static unsigned int n_devices;

static void
take_status(const struct vnetenc_cryptodev_status *s, void *aux OVS_UNUSED)
{
    status = *s;
    n_devices++;
}

/* Status of the only device that is open. */
static const struct vnetenc_cryptodev_status *
get_status(void)
{
    n_devices = 0;
    memset(&status, 0, sizeof status);
    vnetenc_cryptodev_for_each(take_status, NULL);
    return &status;
}

static void
set_flag(atomic_bool *flag)
{
    atomic_store(flag, true);
}

/* Waits until all that was postponed is done.  Returns the number of devices
 * that are open. */
static unsigned int
settle(void)
{
    static atomic_bool flag;
    bool done = false;

    atomic_store(&flag, false);
    ovsrcu_postpone(set_flag, &flag);
    while (!done) {
        ovsrcu_quiesce();
        xnanosleep(100 * 1000);
        atomic_read(&flag, &done);
    }
    get_status();
    return n_devices;
}

static void
use_device(const char *name)
{
    char *choice = xasprintf("cryptodev:%s", name);

    vnetenc_aead_init(choice);
    CHECK(settle() == 1);
    CHECK(!strncmp(get_status()->name, name, strlen(status.name)));
    CHECK(!status.error);
    free(choice);
}

static void
leave_device(void)
{
    vnetenc_aead_init("openssl");
    CHECK(settle() == 0);
}

/* Operations. */

static void
set_op(struct vnetenc_aead_op *op, uint8_t *text, size_t size, uint8_t *tag,
       unsigned int seed)
{
    memset(op, 0, sizeof *op);
    op->text = text;
    op->tag = tag;
    op->size = size;
    op->result = VNETENC_AEAD_FAILED;
    memcpy(op->nonce, &seed, sizeof seed);
    for (size_t i = 0; i < sizeof op->aad; i++) {
        op->aad[i] = seed * 7 + i;
    }
}

/* True if 'op', sealed from the beginning of 'plain', is what libcrypto makes
 * of it, used in the plainest way. */
static bool
is_sealed(enum vnetenc_cipher cipher, const struct vnetenc_aead_op *op)
{
    static const char *const names[] = {
        [VNETENC_AES256_GCM] = "AES-256-GCM",
        [VNETENC_AES128_GCM] = "AES-128-GCM",
        [VNETENC_CHACHA20_POLY1305] = "ChaCha20-Poly1305",
    };
    EVP_CIPHER *evp = EVP_CIPHER_fetch(NULL, names[cipher], NULL);
    EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
    uint8_t *text = xmalloc(op->size + 16), tag[VNETENC_TAG_BYTES];
    bool same;
    int n;

    ovs_assert(EVP_EncryptInit_ex(ctx, evp, NULL, key_bytes, op->nonce));
    ovs_assert(EVP_EncryptUpdate(ctx, NULL, &n, op->aad, sizeof op->aad));
    ovs_assert(!op->size
               || EVP_EncryptUpdate(ctx, text, &n, plain, op->size));
    ovs_assert(EVP_EncryptFinal_ex(ctx, text + op->size, &n));
    ovs_assert(EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_GET_TAG, 16, tag));
    same = (!memcmp(text, op->text, op->size)
            && !memcmp(tag, op->tag, sizeof tag));
    free(text);
    EVP_CIPHER_CTX_free(ctx);
    EVP_CIPHER_free(evp);
    return same;
}

/* One that holds the first 'size' octets of 'plain', 3 octets from its
 * beginning, with room for a tag. */
static struct dp_packet *
dpdk_packet(size_t size)
{
    struct dp_packet *packet = unit_dpdk_packet(packet_pool);

    dp_packet_put_zeros(packet, 3);
    dp_packet_put(packet, plain, size);
    dp_packet_put_zeros(packet, VNETENC_TAG_BYTES);
    return packet;
}

static unsigned int
n_packets(void)
{
    return rte_mempool_in_use_count(packet_pool);
}

/* A burst, every third text in a packet of DPDK's that may be kept, every
 * third in one that may not, and every third outside of packets.  Empty ones
 * among them if there are many. */
enum { MAX_BURST = 100, BURST_SIZE = 300 };

struct burst {
    size_t n;
    struct vnetenc_aead_op ops[MAX_BURST];
    struct dp_packet *packets[MAX_BURST];
    uint8_t texts[MAX_BURST][BURST_SIZE];
    uint8_t tags[MAX_BURST][VNETENC_TAG_BYTES];
};

static unsigned int next_seed;

static void
burst_init(struct burst *b, size_t n)
{
    b->n = n;
    for (size_t i = 0; i < n; i++) {
        size_t size = i % 50 == 49 ? 0 : BURST_SIZE - i;

        if (i % 3 == 2) {
            b->packets[i] = NULL;
            memcpy(b->texts[i], plain, size);
            set_op(&b->ops[i], b->texts[i], size, b->tags[i], next_seed++);
        } else {
            uint8_t *data;

            b->packets[i] = dpdk_packet(size);
            data = dp_packet_data(b->packets[i]);
            set_op(&b->ops[i], data + 3, size, data + 3 + size, next_seed++);
            b->ops[i].packet = i % 3 ? NULL : b->packets[i];
        }
    }
}

/* Those that the provider keeps are not ours. */
static void
burst_uninit(struct burst *b)
{
    for (size_t i = 0; i < b->n; i++) {
        if (b->ops[i].result != VNETENC_AEAD_KEPT) {
            dp_packet_delete(b->packets[i]);
        }
    }
}

static unsigned int
count_results(const struct burst *b, enum vnetenc_aead_result result)
{
    unsigned int n = 0;

    for (size_t i = 0; i < b->n; i++) {
        n += b->ops[i].result == result;
    }
    return n;
}

static bool
all_sealed(enum vnetenc_cipher cipher, const struct burst *b)
{
    for (size_t i = 0; i < b->n; i++) {
        if (b->ops[i].result != VNETENC_AEAD_OK
            || !is_sealed(cipher, &b->ops[i])) {
            return false;
        }
    }
    return true;
}

static bool
all_opened(const struct burst *b)
{
    for (size_t i = 0; i < b->n; i++) {
        if (b->ops[i].result != VNETENC_AEAD_OK
            || memcmp(b->ops[i].text, plain, b->ops[i].size)) {
            return false;
        }
    }
    return true;
}

/* What a good device does. */

static bool
length_is_right(enum vnetenc_cipher cipher, const struct vnetenc_aead_key *key,
                size_t size)
{
    static uint8_t text[MAX_SIZE];
    uint8_t tag[VNETENC_TAG_BYTES];
    struct vnetenc_aead_op op;

    memcpy(text, plain, size);
    set_op(&op, text, size, tag, size);
    vnetenc_aead_seal(key, &op, 1);
    if (op.result != VNETENC_AEAD_OK
        || !is_sealed(cipher, &op)) {
        return false;
    }
    vnetenc_aead_open(key, &op, 1);
    return op.result == VNETENC_AEAD_OK && !memcmp(text, plain, size);
}

static void
test_lengths(enum vnetenc_cipher cipher, const struct vnetenc_aead_key *key)
{
    static const size_t more[] = { 9000, MAX_SIZE - 1, MAX_SIZE };
    unsigned int n_wrong = 0;

    for (size_t size = 0; size <= 2048; size += size < 300 ? 1 : 37) {
        n_wrong += !length_is_right(cipher, key, size);
    }
    for (size_t i = 0; i < ARRAY_SIZE(more); i++) {
        n_wrong += !length_is_right(cipher, key, more[i]);
    }
    CHECK(n_wrong == 0);
}

static void
test_bursts(enum vnetenc_cipher cipher, const struct vnetenc_aead_key *key)
{
    unsigned int n_wrong = 0;
    struct burst b;

    for (size_t n = 0; n <= MAX_BURST; n += n < 35 ? 1 : 13) {
        burst_init(&b, n);
        vnetenc_aead_seal(key, b.ops, n);
        n_wrong += !all_sealed(cipher, &b);
        vnetenc_aead_open(key, b.ops, n);
        n_wrong += !all_opened(&b);
        burst_uninit(&b);
    }
    CHECK(n_wrong == 0);
    CHECK(n_packets() == 0);
}

/* Any one bit of text, tag, nonce or additional data; others unharmed. */
static void
test_changes(const struct vnetenc_aead_key *key)
{
    unsigned int n_wrong = 0;

    for (unsigned int kind = 0; kind < 3; kind++) {
        for (size_t bit = 0; bit < 8 * (8 + 16 + 12 + 13); bit++) {
            struct burst b;
            uint8_t *p;

            burst_init(&b, 4);
            vnetenc_aead_seal(key, b.ops, b.n);
            p = (bit < 64 ? &b.ops[kind].text[bit / 8]
                 : bit < 192 ? &b.ops[kind].tag[bit / 8 - 8]
                 : bit < 288 ? &b.ops[kind].nonce[bit / 8 - 24]
                 : &b.ops[kind].aad[bit / 8 - 36]);
            *p ^= 1 << bit % 8;
            vnetenc_aead_open(key, b.ops, b.n);
            n_wrong += b.ops[kind].result != VNETENC_AEAD_BAD;
            n_wrong += count_results(&b, VNETENC_AEAD_OK) != 3;
            burst_uninit(&b);
        }
    }
    CHECK(n_wrong == 0);
}

struct worker {
    const struct vnetenc_aead_key *key;
    unsigned int seed;
    unsigned int n_wrong;
};

static void *
work(void *worker_)
{
    struct worker *w = worker_;

    for (unsigned int i = 0; i < 300; i++) {
        enum { N = 40, SIZE = 100 };
        uint8_t text[N][SIZE], tag[N][VNETENC_TAG_BYTES];
        struct vnetenc_aead_op ops[N];
        size_t n = i % N + 1;

        for (unsigned int j = 0; j < n; j++) {
            memcpy(text[j], plain + w->seed + i, SIZE);
            set_op(&ops[j], text[j], SIZE, tag[j],
                   w->seed * 100000 + N * i + j);
        }
        vnetenc_aead_seal(w->key, ops, n);
        tag[n / 2][0] += i % 2;
        vnetenc_aead_open(w->key, ops, n);
        for (unsigned int j = 0; j < n; j++) {
            bool bad = i % 2 && j == n / 2;

            w->n_wrong += ops[j].result != (bad ? VNETENC_AEAD_BAD
                                            : VNETENC_AEAD_OK);
            w->n_wrong += !bad && memcmp(text[j], plain + w->seed + i, SIZE);
        }
        ovsrcu_quiesce();
    }
    return NULL;
}

static void
test_threads(const struct vnetenc_aead_key *key)
{
    enum { N_THREADS = 12 };
    struct worker workers[N_THREADS];
    pthread_t threads[N_THREADS];

    for (unsigned int i = 0; i < N_THREADS; i++) {
        workers[i] = (struct worker) { key, i, 0 };
        threads[i] = ovs_thread_create("work", work, &workers[i]);
    }
    for (unsigned int i = 0; i < N_THREADS; i++) {
        xpthread_join(threads[i], NULL);
        CHECK(workers[i].n_wrong == 0);
    }
}

/* How often 'key_bytes' are in the memory of our pools of DPDK's. */

static unsigned int n_secrets;

static void
look_into_object(struct rte_mempool *pool, void *opaque OVS_UNUSED,
                 void *object, unsigned int i OVS_UNUSED)
{
    const uint8_t *p = object, *end = p + pool->elt_size - 16;

    for (; p <= end; p++) {
        n_secrets += !memcmp(p, key_bytes, 16);
    }
}

static void
look_into_pool(struct rte_mempool *pool, void *aux OVS_UNUSED)
{
    if (!strncmp(pool->name, "vnetenc-", 8)) {
        rte_mempool_obj_iter(pool, look_into_object, NULL);
    }
}

static unsigned int
count_secrets(void)
{
    n_secrets = 0;
    rte_mempool_walk(look_into_pool, NULL);
    return n_secrets;
}

static unsigned int n_pools;

static void
count_pool(struct rte_mempool *pool, void *aux OVS_UNUSED)
{
    n_pools += !strncmp(pool->name, "vnetenc-", 8);
}

static unsigned int
count_pools(void)
{
    n_pools = 0;
    rte_mempool_walk(count_pool, NULL);
    return n_pools;
}

static void
test_device(const char *name, bool synchronous, unsigned int expected_ciphers)
{
    unsigned int ciphers = 0;

    use_device(name);
    CHECK(get_status()->synchronous == synchronous);
    for (int i = 0; i < VNETENC_N_CIPHERS; i++) {
        struct vnetenc_aead_key *key = make_key(i);
        uint64_t n_done = get_status()->n_done;
        uint64_t n_elsewhere = status.n_elsewhere;

        if (!strcmp(vnetenc_aead_key_provider(key), "cryptodev")) {
            ciphers |= 1 << i;
            CHECK(status.n_sessions == 2);
            CHECK(count_secrets() > 0);
            test_lengths(i, key);
            /* Empty texts, sealed and opened. */
            CHECK(get_status()->n_elsewhere == n_elsewhere + 2);
            test_bursts(i, key);
            test_changes(key);
            n_elsewhere = get_status()->n_elsewhere;
            test_threads(key);
            get_status();
            if (synchronous) {
                CHECK(status.n_elsewhere == n_elsewhere);
            } else {
                CHECK(status.n_done > n_done + 1000);
            }
            CHECK(!status.n_errors && !status.n_lost && !status.n_inside);
        }
        vnetenc_aead_key_destroy(key);
        CHECK(get_status()->n_sessions == 0);
        CHECK(!count_secrets());
    }
    CHECK(ciphers == expected_ciphers);
    leave_device();
    CHECK(count_pools() == 0);
}

/* A device under this program's control. */

static struct {
    unsigned int max_accepted;  /* At once, unless 0. */
    bool reverse;               /* Gives back the last first. */
    bool hold;                  /* Takes all and does nothing until... */
    bool silent;                /* Does all and gives nothing back. */
    bool errors;                /* Nothing but errors. */
    bool twice;                 /* Gives back everything twice. */
    struct rte_crypto_op *last; /* What it gave back last. */
    bool foreign;               /* Gives back what it never had. */
    unsigned int n_good;        /* Operations before all that begins. */

    struct rte_crypto_op *held[MAX_BURST];
    unsigned int n_held;
    uint8_t held_device;
    uint16_t held_queue;
    unsigned int n_stops;

    /* Nonces that it was ever offered. */
    unsigned int seeds[10000];
    unsigned int n_seeds;
} fault;

static struct vnetenc_cryptodev_calls good;

static uint16_t
bad_enqueue(uint8_t device, uint16_t queue, struct rte_crypto_op **ops,
            uint16_t n)
{
    if (fault.max_accepted) {
        n = MIN(n, fault.max_accepted);
    }
    for (uint16_t i = 0; i < n; i++) {
        ovs_assert(fault.n_seeds < ARRAY_SIZE(fault.seeds));
        memcpy(&fault.seeds[fault.n_seeds++],
               rte_crypto_op_ctod_offset(ops[i], uint8_t *,
                                         vnetenc_cryptodev_nonce_ofs),
               sizeof fault.seeds[0]);
    }
    if (fault.hold) {
        for (uint16_t i = 0; i < n; i++) {
            ovs_assert(fault.n_held < MAX_BURST);
            fault.held[fault.n_held++] = ops[i];
        }
        fault.held_device = device;
        fault.held_queue = queue;
        return n;
    }
    return good.enqueue(device, queue, ops, n);
}

static uint16_t
bad_dequeue(uint8_t device, uint16_t queue, struct rte_crypto_op **ops,
            uint16_t n)
{
    uint16_t n_got;

    if (fault.n_good) {
        n_got = good.dequeue(device, queue, ops, MIN(n, fault.n_good));
        fault.n_good -= n_got;
        return n_got;
    }
    if (fault.silent) {
        return 0;
    } else if (fault.foreign) {
        static struct rte_crypto_op other;

        ops[0] = &other;
        return 1;
    } else if (fault.twice && fault.last) {
        ops[0] = fault.last;
        fault.last = NULL;
        return 1;
    }
    n_got = good.dequeue(device, queue, ops, fault.twice ? 1 : n);
    fault.last = n_got ? ops[0] : NULL;
    for (uint16_t i = 0; fault.errors && i < n_got; i++) {
        ops[i]->status = RTE_CRYPTO_OP_STATUS_ERROR;
    }
    for (uint16_t i = 0; fault.reverse && i < n_got / 2; i++) {
        struct rte_crypto_op *op = ops[i];

        ops[i] = ops[n_got - 1 - i];
        ops[n_got - 1 - i] = op;
    }
    return n_got;
}

static void
count_stop(uint8_t device)
{
    fault.n_stops++;
    good.stop(device);
}

/* ... it is reminded: the device does now what it was given. */
static void
release_held(void)
{
    struct rte_crypto_op *ops[MAX_BURST];

    CHECK(fault.n_held);
    good.enqueue(fault.held_device, fault.held_queue, fault.held,
                 fault.n_held);
    CHECK(good.dequeue(fault.held_device, fault.held_queue, ops,
                       fault.n_held) == fault.n_held);
    fault.n_held = 0;
}

static bool
was_offered(const struct vnetenc_aead_op *op)
{
    unsigned int seed;

    memcpy(&seed, op->nonce, sizeof seed);
    for (unsigned int i = 0; i < fault.n_seeds; i++) {
        if (fault.seeds[i] == seed) {
            return true;
        }
    }
    return false;
}

static void
fault_begin(void)
{
    good = vnetenc_cryptodev_calls;
    memset(&fault, 0, sizeof fault);
    vnetenc_cryptodev_calls.enqueue = bad_enqueue;
    vnetenc_cryptodev_calls.dequeue = bad_dequeue;
    vnetenc_cryptodev_calls.stop = count_stop;
}

static void
fault_end(void)
{
    vnetenc_cryptodev_calls = good;
}

/* Slow, but not bad. */
static void
test_unusual(const char *name)
{
    struct vnetenc_aead_key *key;

    use_device(name);
    key = make_key(VNETENC_AES256_GCM);
    for (unsigned int i = 1; i < 4; i++) {
        fault_begin();
        fault.max_accepted = i % 2 ? 3 : 0;
        fault.reverse = i / 2;
        test_bursts(VNETENC_AES256_GCM, key);
        fault_end();
    }
    CHECK(!strcmp(vnetenc_aead_key_provider(key), "cryptodev"));
    CHECK(!get_status()->n_lost);
    vnetenc_aead_key_destroy(key);
    leave_device();
}

/* After the device has failed: the key goes on, and the device is not asked
 * again. */
static void
check_substitute(enum vnetenc_cipher cipher,
                 const struct vnetenc_aead_key *key)
{
    unsigned int n_seeds = fault.n_seeds;
    struct burst b;

    CHECK(!strcmp(vnetenc_aead_key_provider(key), "openssl")
          || !strcmp(vnetenc_aead_key_provider(key), "ipsec-mb"));
    burst_init(&b, MAX_BURST);
    vnetenc_aead_seal(key, b.ops, b.n);
    CHECK(all_sealed(cipher, &b));
    vnetenc_aead_open(key, b.ops, b.n);
    CHECK(all_opened(&b));
    burst_uninit(&b);
    CHECK(fault.n_seeds == n_seeds);
}

/* What was offered and did not come back is lost, all else is right.  Neither
 * nonces nor memory are used again. */
static void
check_lost(enum vnetenc_cipher cipher, const struct burst *b)
{
    unsigned int n_wrong = 0;

    for (size_t i = 0; i < b->n; i++) {
        const struct vnetenc_aead_op *op = &b->ops[i];

        switch (op->result) {
        case VNETENC_AEAD_OK:
            n_wrong += !is_sealed(cipher, op);
            break;
        case VNETENC_AEAD_KEPT:
            n_wrong += !was_offered(op) || !op->packet;
            break;
        case VNETENC_AEAD_FAILED:
            n_wrong += !was_offered(op) || op->packet;
            /* The device had a copy. */
            n_wrong += memcmp(op->text, plain, op->size) != 0;
            break;
        case VNETENC_AEAD_BAD:
        case VNETENC_AEAD_UNTRIED:
        default:
            n_wrong++;
        }
    }
    CHECK(n_wrong == 0);
}

/* A device that answers 'n_good' operations and then no more. */
static void
test_silence(const char *name, unsigned int n_good, bool hold, bool late)
{
    struct vnetenc_aead_key *key, *other;
    unsigned int n_kept, n_lost;
    struct burst b;
    char *choice;

    use_device(name);
    key = make_key(VNETENC_AES128_GCM);
    other = make_key(VNETENC_AES256_GCM);
    fault_begin();
    fault.n_good = n_good;
    fault.silent = true;
    fault.hold = hold;
    burst_init(&b, 70);
    vnetenc_aead_seal(key, b.ops, b.n);
    n_kept = count_results(&b, VNETENC_AEAD_KEPT);
    n_lost = n_kept + count_results(&b, VNETENC_AEAD_FAILED);
    check_lost(VNETENC_AES128_GCM, &b);
    CHECK(n_lost > 0 && n_kept > 0 && n_lost <= VNETENC_BURST);
    CHECK(get_status()->n_lost == n_lost && status.n_inside == n_lost);
    CHECK(status.error);
    CHECK(fault.n_stops == 0);
    check_substitute(VNETENC_AES128_GCM, key);
    check_substitute(VNETENC_AES256_GCM, other);
    burst_uninit(&b);

    /* Only what was kept is left.  The device may have it as long as it
     * wants, and sessions too. */
    CHECK(n_packets() == n_kept);
    vnetenc_aead_key_destroy(other);
    CHECK(get_status()->n_sessions == 4);
    if (late) {
        release_held();
        CHECK(n_packets() == n_kept);
    }

    /* No thread is at it any more: stopped, then freed, both once. */
    CHECK(settle() == 1);
    CHECK(fault.n_stops == 1);
    CHECK(n_packets() == 0);
    CHECK(status.n_sessions == 2);
    CHECK(status.n_lost == n_lost && !status.n_inside);
    check_substitute(VNETENC_AES128_GCM, key);

    /* New keys do without it, as long as an old one has it. */
    CHECK(provider_is(VNETENC_AES128_GCM,
                      vnetenc_aead_key_provider(key)));
    choice = xasprintf("cryptodev:%s", name);
    vnetenc_aead_init(choice);
    CHECK(settle() == 1);
    CHECK(status.error != NULL);
    vnetenc_aead_key_destroy(key);
    CHECK(settle() == 0);
    CHECK(fault.n_stops == 1);
    fault_end();

    /* And then it may be tried again. */
    vnetenc_aead_init(choice);
    CHECK(provider_is(VNETENC_AES128_GCM, "cryptodev"));
    leave_device();
    CHECK(count_pools() == 0);
    free(choice);
}

/* A device that says or gives back nonsense. */
static void
test_nonsense(const char *name)
{
    for (int i = 0; i < 3; i++) {
        struct vnetenc_aead_key *key;
        struct burst b;

        use_device(name);
        key = make_key(VNETENC_AES256_GCM);
        fault_begin();
        fault.errors = i == 0;
        fault.twice = i == 1;
        fault.foreign = i == 2;
        burst_init(&b, VNETENC_BURST);
        vnetenc_aead_seal(key, b.ops, b.n);
        if (i) {
            check_lost(VNETENC_AES256_GCM, &b);
        }
        CHECK(get_status()->error);
        CHECK(count_results(&b, VNETENC_AEAD_OK) == (i == 1));
        check_substitute(VNETENC_AES256_GCM, key);
        burst_uninit(&b);
        CHECK(settle() == 1);
        CHECK(fault.n_stops == 1);
        CHECK(n_packets() == 0);
        vnetenc_aead_key_destroy(key);
        fault_end();
        leave_device();
    }
}

/* The last key goes while the device has not been stopped.  A packet that
 * somebody else has, too, is copied. */
static void
test_destruction(const char *name)
{
    struct vnetenc_aead_key *key;
    struct burst b;

    use_device(name);
    key = make_key(VNETENC_AES256_GCM);
    fault_begin();
    fault.hold = fault.silent = true;
    burst_init(&b, 9);
    rte_mbuf_refcnt_update(&b.packets[3]->mbuf, 1);
    vnetenc_aead_seal(key, b.ops, b.n);
    CHECK(count_results(&b, VNETENC_AEAD_KEPT) == 2);
    CHECK(b.ops[3].result == VNETENC_AEAD_FAILED);
    burst_uninit(&b);
    dp_packet_delete(b.packets[3]);
    vnetenc_aead_init("openssl");
    vnetenc_aead_key_destroy(key);
    CHECK(get_status()->n_sessions == 2);
    CHECK(fault.n_stops == 0 && n_packets() == 2);

    /* The device finds everything as it was, keys included. */
    release_held();
    CHECK(count_secrets() > 0);
    CHECK(settle() == 0);
    CHECK(fault.n_stops == 1 && n_packets() == 0);
    CHECK(count_pools() == 0);
    fault_end();
}

/* Many threads wait for a device that has gone silent. */

static void *
seal_once(void *worker_)
{
    struct worker *w = worker_;
    struct burst b;

    for (int i = 0; i < 20; i++) {
        burst_init(&b, 1);
        set_op(&b.ops[0], b.ops[0].text, b.ops[0].size, b.ops[0].tag,
               w->seed + i);
        b.ops[0].packet = b.packets[0];
        vnetenc_aead_seal(w->key, b.ops, 1);
        w->n_wrong += (b.ops[0].result == VNETENC_AEAD_OK
                       ? !is_sealed(VNETENC_AES256_GCM, &b.ops[0])
                       : b.ops[0].result != VNETENC_AEAD_KEPT);
        burst_uninit(&b);
        ovsrcu_quiesce();
    }
    return NULL;
}

static void
test_silence_of_many(const char *name)
{
    enum { N_THREADS = 6 };
    struct worker workers[N_THREADS];
    pthread_t threads[N_THREADS];
    struct vnetenc_aead_key *key;

    use_device(name);
    key = make_key(VNETENC_AES256_GCM);
    good = vnetenc_cryptodev_calls;
    memset(&fault, 0, sizeof fault);
    fault.silent = true;
    vnetenc_cryptodev_calls.dequeue = bad_dequeue;
    vnetenc_cryptodev_calls.stop = count_stop;
    for (unsigned int i = 0; i < N_THREADS; i++) {
        workers[i] = (struct worker) { key, i * 100000, 0 };
        threads[i] = ovs_thread_create("seal", seal_once, &workers[i]);
    }
    for (unsigned int i = 0; i < N_THREADS; i++) {
        xpthread_join(threads[i], NULL);
        CHECK(workers[i].n_wrong == 0);
    }
    CHECK(settle() == 1);
    CHECK(status.n_lost >= 1 && status.n_lost <= status.n_queues);
    CHECK(status.n_queues_taken == 0);
    CHECK(fault.n_stops == 1 && n_packets() == 0);
    vnetenc_aead_key_destroy(key);
    fault_end();
    leave_device();
}

/* More threads than queue pairs, and threads after threads. */
static void
test_few_queues(void)
{
    struct vnetenc_aead_key *key;

    /* Also: a device that DPDK has to make first. */
    use_device("crypto_openssl7,max_nb_queue_pairs=1");
    CHECK(get_status()->n_queues == 1 && status.n_queues_taken == 0);
    key = make_key(VNETENC_AES256_GCM);
    for (int i = 0; i < 3; i++) {
        uint64_t n_done = get_status()->n_done;

        test_threads(key);
        CHECK(get_status()->n_done > n_done);
        CHECK(status.n_queues_taken == 0);
    }
    vnetenc_aead_key_destroy(key);
    leave_device();
}

/* Another choice is for new keys; the old ones keep their device. */
static void
test_change(void)
{
    struct vnetenc_aead_key *a, *b;
    struct burst burst;

    use_device(LOOKASIDE);
    a = make_key(VNETENC_AES256_GCM);
    vnetenc_aead_update("cryptodev:" SCHEDULER);
    b = make_key(VNETENC_AES256_GCM);
    CHECK(settle() == 2);
    vnetenc_aead_update("openssl");
    CHECK(settle() == 2);
    CHECK(provider_is(VNETENC_AES256_GCM, "openssl"));
    burst_init(&burst, 50);
    vnetenc_aead_seal(a, burst.ops, burst.n);
    vnetenc_aead_open(b, burst.ops, burst.n);
    CHECK(all_opened(&burst));
    burst_uninit(&burst);
    CHECK(!strcmp(vnetenc_aead_key_provider(a), "cryptodev"));
    CHECK(!strcmp(vnetenc_aead_key_provider(b), "cryptodev"));

    /* Back again before it was closed. */
    vnetenc_aead_update("cryptodev:" LOOKASIDE);
    CHECK(settle() == 2);
    vnetenc_aead_key_destroy(b);
    CHECK(settle() == 1);
    vnetenc_aead_key_destroy(a);
    CHECK(settle() == 1);
    leave_device();
}

/* No more room for keys: they are made without the device. */
static void
test_many_keys(void)
{
    enum { N = 2100 };
    static struct vnetenc_aead_key *keys[N];
    unsigned int n_device = 0;

    use_device(LOOKASIDE);
    for (int i = 0; i < N; i++) {
        keys[i] = make_key(VNETENC_AES128_GCM);
        n_device += !strcmp(vnetenc_aead_key_provider(keys[i]), "cryptodev");
    }
    CHECK(n_device > 1000 && n_device < N);
    test_lengths(VNETENC_AES128_GCM, keys[N - 1]);
    for (int i = 0; i < N; i++) {
        vnetenc_aead_key_destroy(keys[i]);
    }
    CHECK(!count_secrets());
    leave_device();
}

/* "auto" takes a device only where it is faster than all others. */
static void
test_auto(void)
{
    bool any = false;

    vnetenc_aead_init("auto");
    for (int i = 0; i < VNETENC_N_CIPHERS; i++) {
        any |= !strcmp(vnetenc_aead_provider_name(i), "cryptodev");
    }
    CHECK(settle() == any);
    vnetenc_aead_init("cryptodev");
    CHECK(settle() == 1);
    leave_device();
}

/* What is on the wire: batches through sessions while the device goes silent.
 * Whoever listens sees no number twice, and only good records. */

static struct dp_packet *
pushed_dpdk_packet(size_t size)
{
    struct dp_packet *malloced = unit_pushed(size, false);
    struct dp_packet *packet = unit_dpdk_packet(packet_pool);

    dp_packet_put(packet, dp_packet_data(malloced), dp_packet_size(malloced));
    memcpy(&packet->l2_pad_size, &malloced->l2_pad_size,
           sizeof *packet - offsetof(struct dp_packet, l2_pad_size));
    dp_packet_delete(malloced);
    return packet;
}

static void
test_wire(unsigned int n_good, bool hold)
{
    enum { N = 70, N_BATCHES = 4 };
    struct ovs_action_vnetenc action = unit_action(VNETENC_REQUIRE);
    static bool seen[N * N_BATCHES + 1];
    unsigned int n_wrong = 0, n_out = 0;
    struct unit_sessions s;
    uint64_t seq, n_records, n_bytes;

    memset(seen, 0, sizeof seen);
    use_device(LOOKASIDE);
    unit_sessions_create(&s, VNETENC_AES256_GCM, false, 1);
    CHECK(!strcmp(vnetenc_aead_key_provider(s.tx[0]->key), "cryptodev"));
    fault_begin();
    for (int i = 0; i < N_BATCHES; i++) {
        struct dp_packet_batch batch;
        struct dp_packet *packet;

        if (i == 1) {
            fault.n_good = n_good;
            fault.silent = true;
            fault.hold = hold;
        }
        dp_packet_batch_init(&batch);
        for (int j = 0; j < N / 2; j++) {
            dp_packet_batch_add(&batch, j % 2 ? unit_pushed(500, false)
                                : pushed_dpdk_packet(500));
        }
        vnetenc_seal_batch(&batch, &action);
        DP_PACKET_BATCH_FOR_EACH (k, packet, &batch) {
            uint8_t text[VNETENC_MAX_PLAINTEXT_BYTES];
            size_t size, text_size;
            uint8_t *record = unit_payload(packet, &size);

            if (!unit_open_record(&s.keys[0], record, size, &seq, text,
                                  &text_size)
                || seq - VNETENC_FIRST_SEQ >= ARRAY_SIZE(seen)
                || seen[seq - VNETENC_FIRST_SEQ]) {
                n_wrong++;
            } else {
                seen[seq - VNETENC_FIRST_SEQ] = true;
                n_out++;
            }
        }
        dp_packet_delete_batch(&batch, true);
        dp_packet_batch_destroy(&batch);
        if (hold && fault.n_held) {
            release_held();
        }
    }
    CHECK(n_wrong == 0);
    CHECK(get_status()->n_lost > 0);
    CHECK(n_out + status.n_lost == N / 2 * N_BATCHES);

    /* The numbers went on: those that were lost stay lost. */
    vnetenc_tx_sum(s.tx[0], &n_records, &n_bytes);
    CHECK(n_records == N / 2 * N_BATCHES);
    CHECK(!strcmp(vnetenc_aead_key_provider(s.tx[0]->key), "openssl")
          || !strcmp(vnetenc_aead_key_provider(s.tx[0]->key), "ipsec-mb"));
    CHECK(settle() == 1);
    CHECK(fault.n_stops == 1 && n_packets() == 0);
    fault_end();
    unit_sessions_destroy(&s);
    leave_device();
}

static void
start_dpdk(void)
{
    unit_dpdk_start("-m 256"
                    " --vdev=crypto_null0"
                    " --vdev=crypto_aesni_gcm0"
                    " --vdev=crypto_aesni_mb0"
                    " --vdev=crypto_chacha20_poly13050"
                    " --vdev=" LOOKASIDE
                    " --vdev=crypto_aesni_gcm1 --vdev=crypto_aesni_gcm2"
                    " --vdev=" SCHEDULER ",worker=crypto_aesni_gcm1"
                    ",worker=crypto_aesni_gcm2,mode=round-robin"
                    ",ordering=enable");
    packet_pool = unit_dpdk_pool("packets", 511, 2048);
}

static void
test_with_dpdk(void)
{
    static const char *const bad[] = {
        "", "nonsense", "cryptodevs", "cryptodev:", "cryptodev:nonsense",
        "cryptodev:crypto_null0", "crypto_aesni_gcm0",
    };
    enum { GCM = 1 << VNETENC_AES256_GCM | 1 << VNETENC_AES128_GCM,
           CHACHA = 1 << VNETENC_CHACHA20_POLY1305 };

    /* Not before DPDK is there. */
    vnetenc_aead_init("cryptodev:" LOOKASIDE);
    CHECK(strcmp(vnetenc_aead_provider_name(VNETENC_AES256_GCM),
                 "cryptodev"));
    start_dpdk();
    vnetenc_aead_update("cryptodev:" LOOKASIDE);
    CHECK(provider_is(VNETENC_AES256_GCM, "cryptodev"));
    leave_device();

    test_refusals(bad, ARRAY_SIZE(bad));
    CHECK(settle() == 0);
    test_device("crypto_aesni_gcm0", true, GCM);
    test_device("crypto_aesni_mb0", true, GCM | CHACHA);
    /* Says that it is synchronous, and is not. */
    test_device("crypto_chacha20_poly13050", false, CHACHA);
    test_device(LOOKASIDE, false, GCM);
    test_device(SCHEDULER, false, GCM);

    test_unusual(LOOKASIDE);
    test_unusual(SCHEDULER);
    test_silence(LOOKASIDE, 0, false, false);
    test_silence(LOOKASIDE, 5, false, false);
    test_silence(LOOKASIDE, 0, true, false);
    test_silence(LOOKASIDE, 0, true, true);
    test_silence(SCHEDULER, 7, false, false);
    test_nonsense(LOOKASIDE);
    test_destruction(LOOKASIDE);
    test_silence_of_many(LOOKASIDE);
    test_few_queues();
    test_change();
    test_many_keys();
    test_auto();
    test_wire(0, false);
    test_wire(9, false);
    test_wire(0, true);
}

#else /* !DPDK_NETDEV */

static void
test_without_dpdk(void)
{
    static const char *const bad[] = {
        "", "nonsense", "cryptodev", "cryptodev:crypto_aesni_gcm0",
    };

    CHECK(vnetenc_aead_cryptodev.init() == ENOENT);
    test_refusals(bad, ARRAY_SIZE(bad));
}

#endif

int
main(int argc OVS_UNUSED, char *argv[])
{
    set_program_name(argv[0]);
    random_set_seed(1);
    random_bytes(key_bytes, sizeof key_bytes);
#ifdef DPDK_NETDEV
    random_bytes(plain, sizeof plain);
    unit_dpdk_log();
    test_with_dpdk();
#else
    test_without_dpdk();
#endif
    return unit_end();
}
