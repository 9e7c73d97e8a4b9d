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

#ifndef VNETENC_AEAD_CRYPTODEV_H
#define VNETENC_AEAD_CRYPTODEV_H 1

/* The device of the provider "cryptodev"
 * ======================================
 *
 * A crypto device of DPDK (crypto/cryptodev.h), one at a time.  Keys stay
 * with the device that they were made with until they are destroyed; one that
 * is neither in use here nor by a key is closed.
 *
 * Thread-safety: main thread. */

#include "vnetenc/crypto/aead-provider.h"

struct ds;

/* Makes the device that 'devargs' names (see crypto/cryptodev-find.h) that of
 * the provider, if it gives the known answers.  Returns NULL, or an error
 * message that the caller must free; then nothing has changed. */
char *vnetenc_aead_cryptodev_set(const char *devargs);

/* The main thread has tried it out: its queue pair is for others now. */
void vnetenc_aead_cryptodev_leave(void);

/* The provider has no device any more. */
void vnetenc_aead_cryptodev_clear(void);

/* Puts what may be chosen, for messages: ', "cryptodev" ...'. */
void vnetenc_aead_cryptodev_list(struct ds *);

#endif /* vnetenc/crypto/aead-cryptodev.h */
