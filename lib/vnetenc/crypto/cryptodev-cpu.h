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

#ifndef VNETENC_CRYPTODEV_CPU_H
#define VNETENC_CRYPTODEV_CPU_H 1

/* Crypto devices that compute at once
 * ===================================
 *
 * With DPDK's synchronous CPU crypto, the caller's CPU does the work before
 * the call returns.  This file is compiled only in a build with DPDK.
 *
 * Thread-safety: any number of threads, also with the same session. */

#include "vnetenc/crypto/aead-provider.h"

/* Seals or opens up to VNETENC_BURST operations under DPDK's 'session' of
 * 'device' and sets all results.  Returns 0, or the errno value of an
 * operation that the device could not do: ENOTSUP if the device has no
 * synchronous CPU crypto.  A forged record is not an error. */
int vnetenc_cryptodev_cpu_run(uint8_t device, void *session, bool seal,
                              struct vnetenc_aead_op *, size_t n);

#endif /* vnetenc/crypto/cryptodev-cpu.h */
