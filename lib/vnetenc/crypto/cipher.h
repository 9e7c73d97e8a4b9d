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

#ifndef VNETENC_CIPHER_H
#define VNETENC_CIPHER_H 1

/* Ciphers
 * =======
 *
 * A cipher is a row of a constant table, which has its names and the sizes of
 * its key and of the parts of its nonce.
 *
 * Thread-safety: pure functions. */

#include <stdbool.h>
#include <stdint.h>

/* RFC 5289, RFC 7905. */
enum vnetenc_cipher {
    VNETENC_AES256_GCM,
    VNETENC_AES128_GCM,
    VNETENC_CHACHA20_POLY1305,
    VNETENC_N_CIPHERS
};

struct vnetenc_cipher_info {
    const char *name;           /* As in VNetEnc_Profile:ciphers. */
    const char *evp_name;       /* OpenSSL's name of the AEAD. */
    uint8_t key_bytes;
    uint8_t fixed_iv_bytes;     /* From the key block: 4 (GCM), 12 (ChaCha). */
    uint8_t explicit_bytes;     /* In each record: 8 (GCM), 0 (ChaCha). */
};

/* Returns the row of a cipher. */
const struct vnetenc_cipher_info *vnetenc_cipher_info(enum vnetenc_cipher);

/* Sets '*cipher' to the cipher with that 'name'.  Returns false if there is
 * none. */
bool vnetenc_cipher_from_string(const char *name, enum vnetenc_cipher *);

/* Lists all ciphers, best first.  On a CPU without AES instructions (see
 * vnetenc_cipher_cpu_has_aes()) AES comes last: there it is slow, and its
 * tables leak the key to a process that can measure times on the same CPU. */
void vnetenc_cipher_default_order(bool cpu_has_aes,
                                  enum vnetenc_cipher[VNETENC_N_CIPHERS]);

/* True if the CPU has AES instructions, or is of a kind for which this file
 * has no test. */
bool vnetenc_cipher_cpu_has_aes(void);

#endif /* vnetenc/crypto/cipher.h */
