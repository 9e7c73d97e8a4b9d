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
#include "vnetenc-aead.h"
#include <errno.h>
#include <limits.h>
#include <string.h>
#include <time.h>
#include "openvswitch/dynamic-string.h"
#include "openvswitch/vlog.h"
#include "timeval.h"
#include "util.h"
#include "vnetenc-aead-provider.h"

VLOG_DEFINE_THIS_MODULE(vnetenc_aead);

struct vnetenc_aead_key {
    const struct vnetenc_aead_provider *provider;
    enum vnetenc_cipher cipher;
    void *aux;
};

static const struct vnetenc_cipher_info ciphers[VNETENC_N_CIPHERS] = {
    [VNETENC_AES256_GCM] = { "aes256-gcm", "AES-256-GCM", 32, 4, 8 },
    [VNETENC_AES128_GCM] = { "aes128-gcm", "AES-128-GCM", 16, 4, 8 },
    [VNETENC_CHACHA20_POLY1305] = { "chacha20-poly1305", "ChaCha20-Poly1305",
                                    32, 12, 0 },
};

/* All providers, and those that passed their known answers. */
static const struct vnetenc_aead_provider *const candidates[] = {
    &vnetenc_aead_openssl,
    &vnetenc_aead_ipsec_mb,
};
static const struct vnetenc_aead_provider *providers[ARRAY_SIZE(candidates)];
static size_t n_providers;

/* Which of them is used, NULL if none can. */
static const struct vnetenc_aead_provider *chosen[VNETENC_N_CIPHERS];

const struct vnetenc_cipher_info *
vnetenc_cipher_info(enum vnetenc_cipher cipher)
{
    ovs_assert(cipher < VNETENC_N_CIPHERS);
    return &ciphers[cipher];
}

bool
vnetenc_cipher_from_string(const char *name, enum vnetenc_cipher *cipher)
{
    for (int i = 0; i < VNETENC_N_CIPHERS; i++) {
        if (!strcmp(name, ciphers[i].name)) {
            *cipher = i;
            return true;
        }
    }
    return false;
}

bool
vnetenc_cipher_available(enum vnetenc_cipher cipher)
{
    return chosen[cipher] != NULL;
}

static void
register_providers(void)
{
    n_providers = 0;
    for (size_t i = 0; i < ARRAY_SIZE(candidates); i++) {
        const struct vnetenc_aead_provider *p = candidates[i];
        const char *failed;
        int error = p->init();

        if (error) {
            VLOG(error == ENOENT || error == EPERM ? VLL_DBG : VLL_WARN,
                 "provider %s is not usable: %s", p->name,
                 error == ENOENT ? "not installed" : ovs_strerror(error));
            continue;
        }
        failed = vnetenc_aead_self_test(p);
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

/* Nanoseconds that 'provider' needs to seal a burst of full-size records: the
 * least of several, since whatever disturbs only adds.  One that fails is not
 * fast. */
static long long int
measure(const struct vnetenc_aead_provider *provider,
        enum vnetenc_cipher cipher)
{
    enum { N = VNETENC_BURST, SIZE = 1420, ROUNDS = 8 };
    const uint8_t bytes[VNETENC_MAX_KEY_BYTES] = { 0 };
    struct vnetenc_aead_op ops[N];
    struct vnetenc_aead_key *key;
    long long int best = LLONG_MAX;
    uint8_t *text;

    if (vnetenc_aead_key_create_with(provider, cipher, bytes, &key)) {
        return LLONG_MAX;
    }
    text = xzalloc(SIZE + VNETENC_TAG_BYTES);
    memset(ops, 0, sizeof ops);
    for (size_t i = 0; i < N; i++) {
        ops[i].text = text;
        ops[i].tag = text + SIZE;
        ops[i].size = SIZE;
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
    free(text);
    vnetenc_aead_key_destroy(key);
    return best;
}

static const struct vnetenc_aead_provider *
find_fastest(enum vnetenc_cipher cipher)
{
    const struct vnetenc_aead_provider *fastest = NULL;
    long long int least = LLONG_MAX;

    for (size_t i = 0; i < n_providers; i++) {
        long long int ns;

        if (!providers[i]->supports(cipher)) {
            continue;
        }
        ns = n_providers > 1 ? measure(providers[i], cipher) : 0;
        if (ns < least) {
            least = ns;
            fastest = providers[i];
        }
    }
    return fastest;
}

/* The provider that 'choice' names, or NULL for the fastest. */
static const struct vnetenc_aead_provider *
find_choice(const char *choice)
{
    struct ds names = DS_EMPTY_INITIALIZER;

    if (!choice || !strcmp(choice, "auto")) {
        return NULL;
    }
    for (size_t i = 0; i < n_providers; i++) {
        if (!strcmp(choice, providers[i]->name)) {
            ds_destroy(&names);
            return providers[i];
        }
        ds_put_format(&names, ", \"%s\"", providers[i]->name);
    }
    VLOG_ERR("other_config:vnetenc-aead: \"%s\" is not usable here; usable: "
             "\"auto\"%s; using \"auto\"", choice, ds_cstr(&names));
    ds_destroy(&names);
    return NULL;
}

void
vnetenc_aead_init(const char *choice)
{
    const struct vnetenc_aead_provider *wanted;

    register_providers();
    wanted = find_choice(choice);
    for (int i = 0; i < VNETENC_N_CIPHERS; i++) {
        chosen[i] = (wanted && wanted->supports(i) ? wanted
                     : find_fastest(i));
        VLOG_DBG("%s: provider %s", ciphers[i].name,
                 chosen[i] ? chosen[i]->name : "(none)");
    }
}

int
vnetenc_aead_key_create(enum vnetenc_cipher cipher, const uint8_t *bytes,
                        struct vnetenc_aead_key **keyp)
{
    const struct vnetenc_aead_provider *provider = chosen[cipher];

    *keyp = NULL;
    return (provider
            ? vnetenc_aead_key_create_with(provider, cipher, bytes, keyp)
            : EOPNOTSUPP);
}

int
vnetenc_aead_key_create_with(const struct vnetenc_aead_provider *provider,
                             enum vnetenc_cipher cipher, const uint8_t *bytes,
                             struct vnetenc_aead_key **keyp)
{
    struct vnetenc_aead_key *key;
    void *aux;
    int error;

    *keyp = NULL;
    error = provider->key_create(cipher, bytes, &aux);
    if (error) {
        return error;
    }

    key = xmalloc(sizeof *key);
    key->provider = provider;
    key->cipher = cipher;
    key->aux = aux;
    *keyp = key;
    return 0;
}

void
vnetenc_aead_key_destroy(struct vnetenc_aead_key *key)
{
    if (key) {
        key->provider->key_destroy(key->aux);
        free(key);
    }
}

enum vnetenc_cipher
vnetenc_aead_key_cipher(const struct vnetenc_aead_key *key)
{
    return key->cipher;
}

const char *
vnetenc_aead_key_provider(const struct vnetenc_aead_key *key)
{
    return key->provider->name;
}

/* What a provider forgets to report did not succeed. */
static void
presume_failed(struct vnetenc_aead_op *ops, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        ops[i].result = VNETENC_AEAD_FAILED;
    }
}

void
vnetenc_aead_seal(const struct vnetenc_aead_key *key,
                  struct vnetenc_aead_op *ops, size_t n)
{
    presume_failed(ops, n);
    key->provider->seal(key->aux, ops, n);
}

void
vnetenc_aead_open(const struct vnetenc_aead_key *key,
                  struct vnetenc_aead_op *ops, size_t n)
{
    presume_failed(ops, n);
    key->provider->open(key->aux, ops, n);
}
