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
#include "vnetenc/crypto/aead.h"
#include <errno.h>
#include <limits.h>
#include <openssl/evp.h>
#include <string.h>
#include <time.h>
#include "dpdk.h"
#include "openvswitch/dynamic-string.h"
#include "openvswitch/vlog.h"
#include "ovs-atomic.h"
#include "timeval.h"
#include "util.h"
#include "vnetenc/crypto/aead-cryptodev.h"
#include "vnetenc/crypto/wire.h"

VLOG_DEFINE_THIS_MODULE(vnetenc_aead);

struct vnetenc_aead_key {
    const struct vnetenc_aead_provider *provider;
    void *aux;
    struct vnetenc_aead_key *substitute;    /* For operations UNTRIED. */
};

/* The providers that compute with the CPU's own instructions, and those of
 * them that gave the known answers.  Main thread. */
static const struct vnetenc_aead_provider *const candidates[] = {
    &vnetenc_aead_openssl,
    &vnetenc_aead_ipsec_mb,
    &vnetenc_aead_fips,
};
static const struct vnetenc_aead_provider *providers[ARRAY_SIZE(candidates)];
static size_t n_providers;

/* The provider of new keys, and the provider, one of the above, that does the
 * operations which the first leaves undone.  NULL if there is none. */
typedef const struct vnetenc_aead_provider *provider_ptr;
static ATOMIC(provider_ptr) chosen[VNETENC_N_CIPHERS];
static ATOMIC(provider_ptr) substitutes[VNETENC_N_CIPHERS];

/* The inputs of the last choice.  Main thread. */
static bool is_chosen;
static char *last_choice;
static bool last_dpdk;

const char *
vnetenc_aead_provider_name(enum vnetenc_cipher cipher)
{
    const struct vnetenc_aead_provider *provider;

    atomic_read_relaxed(&chosen[cipher], &provider);
    if (provider && provider->works && provider->init()) {
        atomic_read_relaxed(&substitutes[cipher], &provider);
    }
    return provider ? provider->name : NULL;
}

static void
register_providers(void)
{
    n_providers = 0;
    for (size_t i = 0; i < ARRAY_SIZE(candidates); i++) {
        const struct vnetenc_aead_provider *p = candidates[i];
        const char *failed;
        int error = p->init();

        if (EVP_default_properties_is_fips_enabled(NULL)
            && p != &vnetenc_aead_fips) {
            /* It takes nonces from outside, which FIPS 140-3 does not
             * approve. */
            continue;
        }

        if (error) {
            VLOG(error == ENOENT || error == EPERM ? VLL_DBG : VLL_WARN,
                 "provider %s is not usable: %s", p->name,
                 error == ENOENT ? "not installed" : ovs_strerror(error));
            continue;
        }
        failed = vnetenc_aead_provider_self_test(p);
        if (failed) {
            VLOG_ERR("provider %s is not used: wrong answer for %s", p->name,
                     failed);
            continue;
        }
        providers[n_providers++] = p;
    }
}

static bool
all_done(const struct vnetenc_aead_op *ops, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (ops[i].result != VNETENC_AEAD_OK) {
            return false;
        }
    }
    return true;
}

/* Takes the least of several measurements, because a disturbance can only add
 * time. */
long long int
vnetenc_aead_measure(const struct vnetenc_aead_provider *provider,
                     enum vnetenc_cipher cipher)
{
    enum { N = VNETENC_BURST, SIZE = 1420, ROUNDS = 8 };
    const uint8_t bytes[VNETENC_MAX_KEY_BYTES] = { 0 };
    struct vnetenc_aead_op ops[N];
    struct vnetenc_aead_key *key;
    long long int best = LLONG_MAX;
    bool makes_nonces;
    uint64_t first;
    uint8_t *body;

    if (vnetenc_aead_key_create_with(provider, cipher, bytes, &key)) {
        return LLONG_MAX;
    }
    if (vnetenc_aead_key_begin(key, bytes, &makes_nonces, &first)) {
        vnetenc_aead_key_destroy(key);
        return LLONG_MAX;
    }
    body = xzalloc(VNETENC_EXPLICIT_NONCE_BYTES + SIZE + VNETENC_TAG_BYTES);
    memset(ops, 0, sizeof ops);
    for (size_t i = 0; i < N; i++) {
        ops[i].text = body + VNETENC_EXPLICIT_NONCE_BYTES;
        ops[i].tag = ops[i].text + SIZE;
        ops[i].size = SIZE;
        vnetenc_wire_put_u16(ops[i].aad + sizeof ops[i].aad - 2, SIZE);
    }
    for (int i = 0; i < ROUNDS; i++) {
        struct timespec start, end;

        xclock_gettime(CLOCK_MONOTONIC, &start);
        vnetenc_aead_seal(key, ops, N);
        xclock_gettime(CLOCK_MONOTONIC, &end);
        if (!all_done(ops, N)) {
            best = LLONG_MAX;
            break;
        }
        best = MIN(best, (end.tv_sec - start.tv_sec) * 1000000000LL
                         + end.tv_nsec - start.tv_nsec);
    }
    free(body);
    vnetenc_aead_key_destroy(key);
    return best;
}

/* Returns the faster of 'a' and 'b', each of which may be NULL. */
static const struct vnetenc_aead_provider *
find_faster(const struct vnetenc_aead_provider *a,
            const struct vnetenc_aead_provider *b, enum vnetenc_cipher cipher)
{
    if (!b || !b->supports(cipher)) {
        return a;
    } else if (!a) {
        return b;
    }
    return (vnetenc_aead_measure(b, cipher) < vnetenc_aead_measure(a, cipher)
            ? b : a);
}

static const struct vnetenc_aead_provider *
find_fastest(enum vnetenc_cipher cipher)
{
    const struct vnetenc_aead_provider *fastest = NULL;

    for (size_t i = 0; i < n_providers; i++) {
        fastest = find_faster(fastest, providers[i], cipher);
    }
    return fastest;
}

/* Returns the one of 'providers' that 'choice' names, or NULL. */
static const struct vnetenc_aead_provider *
find_provider(const char *choice)
{
    for (size_t i = 0; i < n_providers; i++) {
        if (!strcmp(choice, providers[i]->name)) {
            return providers[i];
        }
    }
    return NULL;
}

/* Returns true if 'choice' is "cryptodev" or "cryptodev:DEVARGS", and sets
 * '*devargs', to NULL for the former. */
static bool
names_device(const char *choice, const char **devargs)
{
    const char *name = vnetenc_aead_cryptodev.name;
    size_t n = strlen(name);

    if (strncmp(choice, name, n)) {
        return false;
    }
    *devargs = choice[n] == ':' ? choice + n + 1 : NULL;
    return !choice[n] || *devargs;
}

static void
complain(const char *choice, const char *reason)
{
    struct ds names = DS_EMPTY_INITIALIZER;

    for (size_t i = 0; i < n_providers; i++) {
        ds_put_format(&names, ", \"%s\"", providers[i]->name);
    }
    vnetenc_aead_cryptodev_list(&names);
    VLOG_ERR("other_config:vnetenc-aead: \"%s\" is not usable here: %s; "
             "usable: \"auto\"%s; using %s", choice, reason, ds_cstr(&names),
             is_chosen ? "the former choice" : "\"auto\"");
    ds_destroy(&names);
}

/* Finds the provider that 'choice' names and sets '*wanted', to NULL for
 * "auto".  Returns false if the provider is not usable. */
static bool
resolve(const char *choice, const struct vnetenc_aead_provider **wanted)
{
    bool automatic = !strcmp(choice, "auto");
    const char *devargs = NULL;
    char *error;

    *wanted = automatic ? NULL : find_provider(choice);
    if (*wanted) {
        return true;
    }
    if (!automatic && !names_device(choice, &devargs)) {
        complain(choice, "there is no such provider");
        return false;
    }
    error = vnetenc_aead_cryptodev_set(devargs);
    if (error) {
        if (automatic) {
            VLOG_DBG("provider cryptodev is not usable: %s", error);
        } else {
            complain(choice, error);
        }
        free(error);
        return automatic;
    }
    *wanted = automatic ? NULL : &vnetenc_aead_cryptodev;
    return true;
}

static void
choose(const struct vnetenc_aead_provider *wanted)
{
    const struct vnetenc_aead_provider *device
        = vnetenc_aead_cryptodev.init() ? NULL : &vnetenc_aead_cryptodev;
    bool uses_device = false;

    for (int i = 0; i < VNETENC_N_CIPHERS; i++) {
        const struct vnetenc_aead_provider *fastest = find_fastest(i);
        const struct vnetenc_aead_provider *best;

        best = (!wanted ? find_faster(fastest, device, i)
                : wanted->supports(i) ? wanted : fastest);
        atomic_store_relaxed(&substitutes[i], fastest);
        atomic_store_relaxed(&chosen[i], best);
        uses_device |= best == &vnetenc_aead_cryptodev;
        VLOG_DBG("%s: provider %s", vnetenc_cipher_info(i)->name,
                 best ? best->name : "(none)");
    }
    vnetenc_aead_cryptodev_leave();
    if (!uses_device) {
        vnetenc_aead_cryptodev_clear();
    }
    is_chosen = true;
}

void
vnetenc_aead_init(const char *choice)
{
    const struct vnetenc_aead_provider *wanted;

    free(last_choice);
    last_choice = nullable_xstrdup(choice);
    last_dpdk = dpdk_available();
    if (!is_chosen) {
        register_providers();
    }
    if (resolve(choice ? choice : "auto", &wanted)) {
        choose(wanted);
    } else if (!is_chosen) {
        choose(NULL);
    }
}

void
vnetenc_aead_update(const char *choice)
{
    if (!nullable_string_is_equal(choice, last_choice)
        || last_dpdk != dpdk_available()) {
        vnetenc_aead_init(choice);
    }
}

static int
key_create(const struct vnetenc_aead_provider *provider,
           int (*create)(enum vnetenc_cipher, const uint8_t *, void **),
           enum vnetenc_cipher cipher, const uint8_t *bytes,
           struct vnetenc_aead_key **keyp)
{
    struct vnetenc_aead_key *key;
    void *aux;
    int error;

    *keyp = NULL;
    error = create(cipher, bytes, &aux);
    if (error) {
        return error;
    }

    key = xmalloc(sizeof *key);
    key->provider = provider;
    key->aux = aux;
    key->substitute = NULL;
    *keyp = key;
    return 0;
}

int
vnetenc_aead_key_create(enum vnetenc_cipher cipher, const uint8_t *bytes,
                        struct vnetenc_aead_key **keyp)
{
    const struct vnetenc_aead_provider *provider, *substitute;
    struct vnetenc_aead_key *spare;
    int error;

    *keyp = NULL;
    atomic_read_relaxed(&chosen[cipher], &provider);
    atomic_read_relaxed(&substitutes[cipher], &substitute);
    if (!provider) {
        return EOPNOTSUPP;
    } else if (!provider->works) {
        return vnetenc_aead_key_create_with(provider, cipher, bytes, keyp);
    } else if (!substitute) {
        /* The provider would leave packets undone. */
        return EOPNOTSUPP;
    }

    error = vnetenc_aead_key_create_with(substitute, cipher, bytes, &spare);
    if (error) {
        return error;
    }
    if (vnetenc_aead_key_create_with(provider, cipher, bytes, keyp)) {
        /* The device has failed, or has no room for more keys. */
        *keyp = spare;
    } else {
        (*keyp)->substitute = spare;
    }
    return 0;
}

int
vnetenc_aead_key_create_with(const struct vnetenc_aead_provider *provider,
                             enum vnetenc_cipher cipher, const uint8_t *bytes,
                             struct vnetenc_aead_key **keyp)
{
    return key_create(provider, provider->key_create, cipher, bytes, keyp);
}

int
vnetenc_aead_key_create_single(enum vnetenc_cipher cipher,
                               const uint8_t *bytes,
                               struct vnetenc_aead_key **keyp)
{
    const struct vnetenc_aead_provider *provider;

    atomic_read_relaxed(&chosen[cipher], &provider);
    if (provider && provider->works) {
        atomic_read_relaxed(&substitutes[cipher], &provider);
    }
    if (!provider) {
        *keyp = NULL;
        return EOPNOTSUPP;
    }
    return key_create(provider, (provider->key_create_single
                                 ? provider->key_create_single
                                 : provider->key_create),
                      cipher, bytes, keyp);
}

int
vnetenc_aead_key_begin(struct vnetenc_aead_key *key, const uint8_t *fixed_iv,
                       bool *makes_nonces, uint64_t *first)
{
    *makes_nonces = key->provider->begin != NULL;
    *first = 0;
    if (!*makes_nonces) {
        return key->substitute && key->substitute->provider->begin ? EPROTO
                                                                   : 0;
    }
    /* Two providers would count the nonces of one key apart. */
    return (key->substitute ? EPROTO
            : key->provider->begin(key->aux, fixed_iv, first));
}

void
vnetenc_aead_key_destroy(struct vnetenc_aead_key *key)
{
    if (key) {
        vnetenc_aead_key_destroy(key->substitute);
        key->provider->key_destroy(key->aux);
        free(key);
    }
}

const char *
vnetenc_aead_key_provider(const struct vnetenc_aead_key *key)
{
    return (key->substitute && !key->provider->works(key->aux)
            ? key->substitute : key)->provider->name;
}

/* An operation whose result a provider does not set counts as failed. */
static void
presume_failed(struct vnetenc_aead_op *ops, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        ops[i].result = VNETENC_AEAD_FAILED;
    }
}

/* Finds the next operations with result UNTRIED, from '*start' on.  Returns
 * false if there are none. */
static bool
find_untried(const struct vnetenc_aead_op *ops, size_t n, size_t *start,
             size_t *end)
{
    size_t i = *start, j;

    while (i < n && ops[i].result != VNETENC_AEAD_UNTRIED) {
        i++;
    }
    for (j = i; j < n && ops[j].result == VNETENC_AEAD_UNTRIED; j++) {
        continue;
    }
    *start = i;
    *end = j;
    return i < j;
}

void
vnetenc_aead_seal(const struct vnetenc_aead_key *key,
                  struct vnetenc_aead_op *ops, size_t n)
{
    presume_failed(ops, n);
    key->provider->seal(key->aux, ops, n);
    if (key->substitute) {
        for (size_t start = 0, end; find_untried(ops, n, &start, &end);
             start = end) {
            vnetenc_aead_seal(key->substitute, &ops[start], end - start);
        }
    }
}

void
vnetenc_aead_seal_each(const struct vnetenc_aead_key *const keys[],
                       struct vnetenc_aead_op *ops, size_t n)
{
    for (size_t start = 0, end; start < n; start = end) {
        const struct vnetenc_aead_provider *provider = keys[start]->provider;
        void *auxs[VNETENC_BURST];

        if (!provider->seal_each || keys[start]->substitute) {
            vnetenc_aead_seal(keys[start], &ops[start], 1);
            end = start + 1;
            continue;
        }
        for (end = start; (end < n && end - start < VNETENC_BURST
                           && keys[end]->provider == provider
                           && !keys[end]->substitute); end++) {
            auxs[end - start] = keys[end]->aux;
        }
        presume_failed(&ops[start], end - start);
        provider->seal_each(auxs, &ops[start], end - start);
    }
}

void
vnetenc_aead_fetch(const struct vnetenc_aead_key *key)
{
    if (key->provider->fetch) {
        key->provider->fetch(key->aux);
    }
}

void
vnetenc_aead_open(const struct vnetenc_aead_key *key,
                  struct vnetenc_aead_op *ops, size_t n)
{
    presume_failed(ops, n);
    key->provider->open(key->aux, ops, n);
    if (key->substitute) {
        for (size_t start = 0, end; find_untried(ops, n, &start, &end);
             start = end) {
            vnetenc_aead_open(key->substitute, &ops[start], end - start);
        }
    }
}
