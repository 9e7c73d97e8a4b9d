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

#ifndef VNETENC_CRYPTODEV_FIND_H
#define VNETENC_CRYPTODEV_FIND_H 1

/* DPDK's crypto devices and their capabilities
 * ============================================
 *
 * This file is compiled only in a build with DPDK.
 *
 * Thread-safety: vnetenc_cryptodev_find_xform() may be called by any thread,
 * all other functions by the main thread. */

#include "vnetenc/crypto/aead-provider.h"

struct ds;
struct rte_crypto_sym_xform;

/* Finds the device that 'devargs' names: a name of a device that DPDK has, or
 * devargs with which DPDK can attach it, as in options:dpdk-devargs of a port.
 * NULL stands for the first device of DPDK that can compute one of our
 * ciphers.  Returns NULL and sets '*id', or returns an error message that the
 * caller must free. */
char *vnetenc_cryptodev_find(const char *devargs, uint8_t *id);

/* True if the device 'id' of DPDK can compute the cipher with the sizes of
 * key, nonce, additional data and tag that records have. */
bool vnetenc_cryptodev_find_can(uint8_t id, enum vnetenc_cipher);

/* Fills in DPDK's description of a key, which refers to 'key'.  The nonce of
 * an operation begins 'nonce_ofs' bytes after the operation does. */
void vnetenc_cryptodev_find_xform(enum vnetenc_cipher, const uint8_t *key,
                                  bool seal, uint16_t nonce_ofs,
                                  struct rte_crypto_sym_xform *);

/* Appends the names of usable devices, for messages: ' "a", "b"'. */
void vnetenc_cryptodev_find_list(struct ds *);

#endif /* vnetenc/crypto/cryptodev-find.h */
