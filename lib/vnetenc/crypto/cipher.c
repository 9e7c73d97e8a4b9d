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
#include "vnetenc/crypto/cipher.h"

#include <string.h>
#if defined(__aarch64__) && defined(__linux__)
#include <sys/auxv.h>
#endif

#include "util.h"

static const struct vnetenc_cipher_info ciphers[VNETENC_N_CIPHERS] = {
    [VNETENC_AES256_GCM] = { "aes256-gcm", "AES-256-GCM", 32, 4, 8 },
    [VNETENC_AES128_GCM] = { "aes128-gcm", "AES-128-GCM", 16, 4, 8 },
    [VNETENC_CHACHA20_POLY1305] = { "chacha20-poly1305", "ChaCha20-Poly1305",
                                    32, 12, 0 },
};

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

void
vnetenc_cipher_default_order(bool cpu_has_aes,
                             enum vnetenc_cipher order[VNETENC_N_CIPHERS])
{
    size_t n = 0;

    if (!cpu_has_aes) {
        order[n++] = VNETENC_CHACHA20_POLY1305;
    }
    order[n++] = VNETENC_AES256_GCM;
    order[n++] = VNETENC_AES128_GCM;
    if (cpu_has_aes) {
        order[n++] = VNETENC_CHACHA20_POLY1305;
    }
    ovs_assert(n == VNETENC_N_CIPHERS);
}

bool
vnetenc_cipher_cpu_has_aes(void)
{
#if defined(__x86_64__) || defined(__i386__)
    return __builtin_cpu_supports("aes");
#elif defined(__aarch64__) && defined(HWCAP_AES)
    return getauxval(AT_HWCAP) & HWCAP_AES;
#else
    return true;
#endif
}
