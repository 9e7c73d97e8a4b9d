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

#ifndef VNETENC_WATCH_H
#define VNETENC_WATCH_H 1

/* The causes of alarms
 * ====================
 *
 * The watch looks at all peers and profiles each VNETENC_WATCH_MS, and raises
 * and clears their alarms (trust/alarms.h).
 *
 * Thread-safety: under vnetenc_control_mutex. */

struct vnetenc_peer;

/* Looks if that is due at 'now', in monotonic ms.  Returns when to call again,
 * at the latest. */
long long int vnetenc_watch_run(long long int now);

/* Clears the alarms of a peer that is removed. */
void vnetenc_watch_end(struct vnetenc_peer *, long long int now);

#endif /* vnetenc/control/watch.h */
