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

#ifndef VNETENC_UNIT_LOOPBACK_H
#define VNETENC_UNIT_LOOPBACK_H 1

/* Loopback of one's own
 * =====================
 *
 * Unit programs that use kernel sockets bind fixed ports of 127.0.0.0/8 and
 * ::1.  As root they do so in a network namespace of their own, so that they
 * meet nobody; otherwise on the machine's loopback. */

#include <stdbool.h>

/* Returns true if it is a namespace of one's own. */
bool unit_loopback_init(void);

#endif /* vnetenc-unit-loopback.h */
