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
#include "vnetenc/crypto/aead-cryptodev.h"
#include <errno.h>
#include "util.h"

#ifdef DPDK_NETDEV

#include <openssl/evp.h>
#include "dpdk.h"
#include "openvswitch/dynamic-string.h"
#include "openvswitch/vlog.h"
#include "ovs-thread.h"
#include "vnetenc/crypto/cryptodev-find.h"
#include "vnetenc/crypto/cryptodev.h"

VLOG_DEFINE_THIS_MODULE(vnetenc_aead_cryptodev);

/* Guards 'current'; never taken per packet. */
static struct ovs_mutex mutex = OVS_MUTEX_INITIALIZER;
static struct vnetenc_cryptodev *current OVS_GUARDED_BY(mutex);

/* A device that has not given the known answers yet.  Main thread. */
static struct vnetenc_cryptodev *candidate;

/* A session of DPDK has one direction; a key may be used in both. */
struct dev_key {
    struct vnetenc_cryptodev_session *seal, *open;
    struct vnetenc_cryptodev *dev;      /* Kept open by the sessions. */
};

/* Keys. */

static void
dev_key_destroy(void *key_)
{
    struct dev_key *key = key_;

    if (key) {
        vnetenc_cryptodev_session_destroy(key->seal);
        vnetenc_cryptodev_session_destroy(key->open);
        free(key);
    }
}

static int
make_key(struct vnetenc_cryptodev *dev, enum vnetenc_cipher cipher,
         const uint8_t *bytes, void **keyp)
{
    struct dev_key *key;
    int error;

    *keyp = NULL;
    if (!dev || !vnetenc_cryptodev_supports(dev, cipher)) {
        return EOPNOTSUPP;
    }
    key = xzalloc(sizeof *key);
    key->dev = dev;
    error = vnetenc_cryptodev_session_create(dev, cipher, bytes, true,
                                             &key->seal);
    if (!error) {
        error = vnetenc_cryptodev_session_create(dev, cipher, bytes, false,
                                                 &key->open);
    }
    if (error) {
        dev_key_destroy(key);
        return error;
    }
    *keyp = key;
    return 0;
}

static int
dev_key_create(enum vnetenc_cipher cipher, const uint8_t *bytes, void **keyp)
{
    int error;

    ovs_mutex_lock(&mutex);
    error = make_key(current, cipher, bytes, keyp);
    ovs_mutex_unlock(&mutex);
    return error;
}

static bool
dev_supports(enum vnetenc_cipher cipher)
{
    bool supports;

    ovs_mutex_lock(&mutex);
    supports = current && vnetenc_cryptodev_supports(current, cipher);
    ovs_mutex_unlock(&mutex);
    return supports;
}

/* Per packet. */

static void
dev_seal(void *key_, struct vnetenc_aead_op *ops, size_t n)
{
    struct dev_key *key = key_;

    vnetenc_cryptodev_run(key->seal, ops, n);
}

static void
dev_open(void *key_, struct vnetenc_aead_op *ops, size_t n)
{
    struct dev_key *key = key_;

    vnetenc_cryptodev_run(key->open, ops, n);
}

static bool
dev_works(const void *key_)
{
    const struct dev_key *key = key_;

    return vnetenc_cryptodev_works(key->dev);
}

/* Choice of the device. */

/* Fails if there is no device, because there is nothing to register then. */
static int
dev_init(void)
{
    bool ready;

    ovs_mutex_lock(&mutex);
    ready = current && vnetenc_cryptodev_works(current);
    ovs_mutex_unlock(&mutex);
    return ready ? 0 : ENOENT;
}

static int
candidate_key_create(enum vnetenc_cipher cipher, const uint8_t *bytes,
                     void **keyp)
{
    return make_key(candidate, cipher, bytes, keyp);
}

static bool
candidate_supports(enum vnetenc_cipher cipher)
{
    return vnetenc_cryptodev_supports(candidate, cipher);
}

/* Checks that 'dev' gives the known answers.  No other provider can give them
 * in its place: an operation that the device does not do stays undone.
 * Returns NULL, or an error message that the caller must free. */
static char *
examine(struct vnetenc_cryptodev *dev)
{
    static const struct vnetenc_aead_provider provider = {
        .name = "cryptodev",
        .supports = candidate_supports,
        .key_create = candidate_key_create,
        .key_destroy = dev_key_destroy,
        .seal = dev_seal,
        .open = dev_open,
        .works = dev_works,
    };
    const char *failed;

    candidate = dev;
    failed = vnetenc_aead_provider_self_test(&provider);
    candidate = NULL;
    return (failed
            ? xasprintf("\"%s\" gave a wrong answer, or none, for %s",
                        vnetenc_cryptodev_name(dev), failed)
            : NULL);
}

static void
set_current(struct vnetenc_cryptodev *dev)
{
    struct vnetenc_cryptodev *old;

    ovs_mutex_lock(&mutex);
    old = current;
    current = dev;
    ovs_mutex_unlock(&mutex);
    vnetenc_cryptodev_unref(old);
}

char *
vnetenc_aead_cryptodev_set(const char *devargs)
{
    struct vnetenc_cryptodev *dev;
    char *error;

    if (EVP_default_properties_is_fips_enabled(NULL)) {
        return xstrdup("OpenSSL's fips property is on");
    }
    if (dev_init()) {
        /* A device that has failed can be opened again when nothing refers to
         * it any more. */
        set_current(NULL);
    }
    error = vnetenc_cryptodev_open(devargs, &dev);
    if (error) {
        return error;
    }
    error = examine(dev);
    if (error) {
        vnetenc_cryptodev_leave(dev);
        vnetenc_cryptodev_unref(dev);
        return error;
    }
    set_current(dev);
    return NULL;
}

void
vnetenc_aead_cryptodev_leave(void)
{
    ovs_mutex_lock(&mutex);
    if (current) {
        vnetenc_cryptodev_leave(current);
    }
    ovs_mutex_unlock(&mutex);
}

void
vnetenc_aead_cryptodev_clear(void)
{
    set_current(NULL);
}

void
vnetenc_aead_cryptodev_list(struct ds *s)
{
    struct ds names = DS_EMPTY_INITIALIZER;

    vnetenc_cryptodev_find_list(&names);
    if (names.length) {
        ds_put_format(s, ", \"cryptodev\", \"cryptodev:DEVICE\" with one of "
                      "DPDK's devices%s or one that it can attach",
                      ds_cstr(&names));
    } else if (dpdk_available()) {
        ds_put_cstr(s, ", \"cryptodev:DEVICE\" with one that DPDK can attach");
    }
    ds_destroy(&names);
}

const struct vnetenc_aead_provider vnetenc_aead_cryptodev = {
    .name = "cryptodev",
    .init = dev_init,
    .supports = dev_supports,
    .key_create = dev_key_create,
    .key_destroy = dev_key_destroy,
    .seal = dev_seal,
    .open = dev_open,
    .works = dev_works,
};

#else /* !DPDK_NETDEV */

static int
dev_init(void)
{
    return ENOENT;
}

const struct vnetenc_aead_provider vnetenc_aead_cryptodev = {
    .name = "cryptodev",
    .init = dev_init,
};

char *
vnetenc_aead_cryptodev_set(const char *devargs OVS_UNUSED)
{
    return xstrdup("this ovs-vswitchd was built without DPDK");
}

void
vnetenc_aead_cryptodev_leave(void)
{
}

void
vnetenc_aead_cryptodev_clear(void)
{
}

void
vnetenc_aead_cryptodev_list(struct ds *s OVS_UNUSED)
{
}

#endif
