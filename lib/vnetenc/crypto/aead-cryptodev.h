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
 * The provider uses one crypto device of DPDK (crypto/cryptodev.h) at a time.
 * A key stays with the device that it was made with until the key is
 * destroyed.  A device is closed when the provider has another one and no key
 * uses it.
 *
 * Thread-safety: main thread. */

#include "vnetenc/crypto/aead-provider.h"

struct ds;

/* Makes the device that 'devargs' names (see crypto/cryptodev-find.h) the
 * device of the provider, if it gives the known answers.  Returns NULL, or an
 * error message that the caller must free; in that case nothing has
 * changed. */
char *vnetenc_aead_cryptodev_set(const char *devargs);

/* Returns the queue pair that the main thread took to try out the device, for
 * the use of other threads. */
void vnetenc_aead_cryptodev_leave(void);

/* Takes the device away from the provider. */
void vnetenc_aead_cryptodev_clear(void);

/* Appends the accepted values of other_config:vnetenc-aead that name a device,
 * for messages: ', "cryptodev" ...'. */
void vnetenc_aead_cryptodev_list(struct ds *);

#endif /* vnetenc/crypto/aead-cryptodev.h */
