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

#ifndef VNETENC_SUM_H
#define VNETENC_SUM_H 1

/* Internet checksums
 * ==================
 *
 * Sums of RFC 1071, several times as fast as upstream's csum(), which adds two
 * bytes at a time.  The bytes are summed in the host's byte order, and a
 * folded sum goes into a packet as it is.
 *
 *     sum = vnetenc_sum_add(pseudo_header, data, size);
 *     checksum = ~vnetenc_sum_fold(sum);
 *
 * Thread-safety: pure functions of the caller's data. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Adds the 'n' bytes at 'data' to 'sum', which is 0, a result of this
 * function, or the sum of a few such results and 16-bit words.  Unless 'n' is
 * even, nothing may be added after these bytes. */
uint64_t vnetenc_sum_add(uint64_t sum, const void *data, size_t n);

/* Returns the sum of the pseudo header for 'size' bytes of TCP behind the IP
 * header at 'l3', which may be unaligned. */
uint64_t vnetenc_sum_tcp_pseudo(const void *l3, bool ipv6, size_t size);

/* Returns the sum as 16 bits.  It is UINT16_MAX if the bytes contain their own
 * correct checksum. */
uint16_t vnetenc_sum_fold(uint64_t sum);

#endif /* vnetenc/packet/sum.h */
