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

#ifndef VNETENC_RTT_H
#define VNETENC_RTT_H 1

/* Round trip of a peer
 * ====================
 *
 * How long an answer of a peer takes, and how long to wait for one, in the
 * manner of RFC 6298 section 2.  A host that is near answers within a
 * millisecond, one behind a satellite after two seconds: timers have a least
 * value for the former, and follow the round trip for the latter.
 *
 * Only replies to probes are samples, because they are authentic and tell
 * which probe they answer (so that RFC 6298 section 3 is met).  Until there is
 * one, the round trips of a handshake stand for it.  They count from the first
 * time that a flight was sent: one that was lost and repeated makes the guess
 * too long, never too short.
 *
 * A round trip counts as VNETENC_RTT_MAX_MS at most, so that nobody who delays
 * answers makes us wait for ever.
 *
 * Thread-safety: pure functions of the caller's data. */

#include <stdbool.h>

/* All zeros while nothing is known. */
struct vnetenc_rtt {
    bool known;                 /* By a guess, at least. */
    bool sampled;
    unsigned int smoothed_us;
    unsigned int variation_us;
};

/* An authentic answer took 'ms' milliseconds. */
void vnetenc_rtt_sample(struct vnetenc_rtt *, long long int ms);

/* An answer took 'ms' milliseconds, as far as it is known.  The least of
 * several guesses counts, and none after a sample. */
void vnetenc_rtt_guess(struct vnetenc_rtt *, long long int ms);

/* How long to wait for an answer: VNETENC_RTO_MAX_MS at most, but 'least_ms'
 * if that is longer or nothing is known. */
unsigned int vnetenc_rtt_timeout(const struct vnetenc_rtt *,
                                 unsigned int least_ms);

/* How long 'n' answers one after the other take, and 'least_ms' at least. */
unsigned int vnetenc_rtt_rounds(const struct vnetenc_rtt *, unsigned int n,
                                unsigned int least_ms);

#endif /* vnetenc/bridge/rtt.h */
