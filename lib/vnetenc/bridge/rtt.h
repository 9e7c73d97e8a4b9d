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
 * This file estimates how long a peer takes to answer and how long to wait for
 * an answer, in the manner of RFC 6298 section 2.  A near host answers within
 * a millisecond, one behind a satellite after two seconds.  Timers have a
 * minimum for the former and follow the round trip for the latter.
 *
 * Only replies to probes are samples, because they are authentic and name the
 * probe that they answer, as RFC 6298 section 3 demands.  Until there is a
 * sample, the round trips of handshakes are guesses.  They count from the
 * first transmission of a flight: if it was lost and retransmitted, the guess
 * is too long, never too short.
 *
 * A round trip counts as VNETENC_RTT_MAX_MS at most, so that an attacker who
 * delays answers cannot make us wait for ever.
 *
 * Thread-safety: pure functions of the caller's data. */

#include <stdbool.h>

/* All zeros while nothing is known. */
struct vnetenc_rtt {
    bool known;                 /* There was a guess or a sample. */
    bool sampled;
    unsigned int smoothed_us;
    unsigned int variation_us;
};

/* Takes a sample: an authentic answer took 'ms' milliseconds. */
void vnetenc_rtt_sample(struct vnetenc_rtt *, long long int ms);

/* Takes a guess: an answer took at most 'ms' milliseconds.  The least of
 * several guesses counts, and none counts after a sample. */
void vnetenc_rtt_guess(struct vnetenc_rtt *, long long int ms);

/* Returns how many milliseconds to wait for an answer: VNETENC_RTO_MAX_MS at
 * most, but 'least_ms' if that is longer or nothing is known. */
unsigned int vnetenc_rtt_timeout(const struct vnetenc_rtt *,
                                 unsigned int least_ms);

/* Returns how many milliseconds 'n' answers take, one after the other, but at
 * least 'least_ms'. */
unsigned int vnetenc_rtt_rounds(const struct vnetenc_rtt *, unsigned int n,
                                unsigned int least_ms);

#endif /* vnetenc/bridge/rtt.h */
