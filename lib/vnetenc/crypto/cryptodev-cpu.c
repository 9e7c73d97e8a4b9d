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
#define ALLOW_EXPERIMENTAL_API  /* For synchronous CPU crypto. */
#include "vnetenc/crypto/cryptodev-cpu.h"
#include <errno.h>
#include <rte_cryptodev.h>
#include "util.h"

int
vnetenc_cryptodev_cpu_run(uint8_t device, void *session, bool seal,
                          struct vnetenc_aead_op *ops, size_t n)
{
    struct rte_crypto_va_iova_ptr nonces[VNETENC_BURST];
    struct rte_crypto_va_iova_ptr tags[VNETENC_BURST];
    struct rte_crypto_va_iova_ptr aads[VNETENC_BURST];
    struct rte_crypto_vec texts[VNETENC_BURST];
    struct rte_crypto_sgl lists[VNETENC_BURST];
    int32_t status[VNETENC_BURST];
    struct rte_crypto_sym_vec all = {
        .num = n, .src_sgl = lists, .iv = nonces, .digest = tags, .aad = aads,
        .status = status,
    };
    const union rte_crypto_sym_ofs whole = { .raw = 0 };
    int error = 0;

    ovs_assert(n <= VNETENC_BURST);
    for (size_t i = 0; i < n; i++) {
        nonces[i] = (struct rte_crypto_va_iova_ptr) { ops[i].nonce, 0 };
        tags[i] = (struct rte_crypto_va_iova_ptr) { ops[i].tag, 0 };
        aads[i] = (struct rte_crypto_va_iova_ptr) { ops[i].aad, 0 };
        texts[i] = (struct rte_crypto_vec) {
            ops[i].text, 0, ops[i].size, ops[i].size
        };
        lists[i] = (struct rte_crypto_sgl) { &texts[i], 1 };
        status[i] = EINPROGRESS;
    }
    rte_cryptodev_sym_cpu_crypto_process(device, session, whole, &all);
    for (size_t i = 0; i < n; i++) {
        if (!status[i]) {
            ops[i].result = VNETENC_AEAD_OK;
        } else if (status[i] == EBADMSG && !seal) {
            ops[i].result = VNETENC_AEAD_BAD;
        } else {
            ops[i].result = VNETENC_AEAD_FAILED;
            error = status[i];
        }
    }
    return error;
}

#else /* !DPDK_NETDEV */
/* An empty translation unit is not standard C. */
extern int vnetenc_cryptodev_cpu_not_built;
#endif
