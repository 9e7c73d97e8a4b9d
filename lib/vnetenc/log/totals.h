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

#ifndef VNETENC_TOTALS_H
#define VNETENC_TOTALS_H 1

/* Totals of the flow log
 * ======================
 *
 * The packets and bytes of all lines since the process started, those included
 * that could not be written, by network, direction and code.  They never fall.
 *
 * There are at most VNETENC_TOTALS_NETWORK_ROWS rows with the name of a
 * network.  Further networks share rows without a name, as those do that have
 * none.
 *
 * Thread-safety: any thread. */

#include <stdint.h>
#include "vnetenc/base/drops.h"

enum { VNETENC_TOTALS_NETWORK_ROWS = 1000 };

/* Adds packets and bytes.  'network' is a name or NULL; 'direction' is a
 * static string, "" if it is not known. */
void vnetenc_totals_add(const char *network, const char *direction,
                        enum vnetenc_code, uint64_t n_packets,
                        uint64_t n_bytes);

/* Returns the rows as an array of JSON objects, which the caller must
 * destroy. */
struct json *vnetenc_totals_to_json(void);

#endif /* vnetenc/log/totals.h */
