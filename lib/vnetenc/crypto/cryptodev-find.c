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

#ifdef DPDK_NETDEV
#include "vnetenc/crypto/cryptodev-find.h"
#include <rte_cryptodev.h>
#include <rte_dev.h>
#include <string.h>
#include "dpdk.h"
#include "openvswitch/dynamic-string.h"
#include "openvswitch/vlog.h"
#include "util.h"

VLOG_DEFINE_THIS_MODULE(vnetenc_cryptodev_find);

/* Ciphers. */

static enum rte_crypto_aead_algorithm
get_algorithm(enum vnetenc_cipher cipher)
{
    switch (cipher) {
    case VNETENC_AES256_GCM:
    case VNETENC_AES128_GCM:
        return RTE_CRYPTO_AEAD_AES_GCM;
    case VNETENC_CHACHA20_POLY1305:
        return RTE_CRYPTO_AEAD_CHACHA20_POLY1305;
    case VNETENC_N_CIPHERS:
    default:
        OVS_NOT_REACHED();
    }
}

bool
vnetenc_cryptodev_find_can(uint8_t id, enum vnetenc_cipher cipher)
{
    const struct rte_cryptodev_sym_capability_idx idx = {
        .type = RTE_CRYPTO_SYM_XFORM_AEAD,
        .algo.aead = get_algorithm(cipher),
    };
    const struct rte_cryptodev_symmetric_capability *capability;
    struct rte_cryptodev_info info;

    rte_cryptodev_info_get(id, &info);
    if (!info.capabilities) {
        /* DPDK itself does not check for NULL. */
        return false;
    }
    capability = rte_cryptodev_sym_capability_get(id, &idx);
    return capability && !rte_cryptodev_sym_capability_check_aead(
        capability, vnetenc_cipher_info(cipher)->key_bytes,
        VNETENC_TAG_BYTES, VNETENC_AAD_BYTES, VNETENC_NONCE_BYTES);
}

static bool
can_do_any(uint8_t id)
{
    for (int i = 0; i < VNETENC_N_CIPHERS; i++) {
        if (vnetenc_cryptodev_find_can(id, i)) {
            return true;
        }
    }
    return false;
}

void
vnetenc_cryptodev_find_xform(enum vnetenc_cipher cipher, const uint8_t *key,
                             bool seal, uint16_t nonce_ofs,
                             struct rte_crypto_sym_xform *xform)
{
    *xform = (struct rte_crypto_sym_xform) {
        .type = RTE_CRYPTO_SYM_XFORM_AEAD,
        .aead = {
            .op = (seal ? RTE_CRYPTO_AEAD_OP_ENCRYPT
                   : RTE_CRYPTO_AEAD_OP_DECRYPT),
            .algo = get_algorithm(cipher),
            .key = { key, vnetenc_cipher_info(cipher)->key_bytes },
            .iv = { nonce_ofs, VNETENC_NONCE_BYTES },
            .digest_length = VNETENC_TAG_BYTES,
            .aad_length = VNETENC_AAD_BYTES,
        },
    };
}

/* Finding. */

static bool
has_name(uint8_t id, const char *name)
{
    struct rte_cryptodev_info info;

    rte_cryptodev_info_get(id, &info);
    return (!strcmp(rte_cryptodev_name_get(id), name)
            || (info.device && !strcmp(rte_dev_name(info.device), name)));
}

/* Returns the id of the device called 'name' or, if 'name' is NULL, of the
 * first usable device.  Returns -1 if there is none. */
static int
find_id(const char *name)
{
    for (int id = 0; id < RTE_CRYPTO_MAX_DEVS; id++) {
        if (rte_cryptodev_is_valid_dev(id)
            && (name ? has_name(id, name) : can_do_any(id))) {
            return id;
        }
    }
    return -1;
}

char *
vnetenc_cryptodev_find(const char *devargs, uint8_t *idp)
{
    char *name = (devargs ? xmemdup0(devargs, strcspn(devargs, ","))
                  : NULL);
    int id = find_id(name);

    if (id < 0 && devargs && !rte_dev_probe(devargs)) {
        VLOG_INFO("device \"%s\" was attached", devargs);
        id = find_id(name);
    }
    free(name);
    if (id < 0) {
        return (devargs
                ? xasprintf("DPDK has no crypto device \"%s\"", devargs)
                : xstrdup("DPDK has no crypto device that can do one of the "
                          "ciphers"));
    } else if (!can_do_any(id)) {
        return xasprintf("\"%s\" can do none of the ciphers", devargs);
    }
    *idp = id;
    return NULL;
}

void
vnetenc_cryptodev_find_list(struct ds *s)
{
    const char *separator = " ";

    for (int id = 0; dpdk_available() && id < RTE_CRYPTO_MAX_DEVS; id++) {
        if (rte_cryptodev_is_valid_dev(id) && can_do_any(id)) {
            ds_put_format(s, "%s\"%s\"", separator,
                          rte_cryptodev_name_get(id));
            separator = ", ";
        }
    }
}

#else /* !DPDK_NETDEV */
/* An empty translation unit is not standard C. */
extern int vnetenc_cryptodev_find_not_built;
#endif
