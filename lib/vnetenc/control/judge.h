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

#ifndef VNETENC_JUDGE_H
#define VNETENC_JUDGE_H 1

/* Judgement of sessions that are up
 * =================================
 *
 * When the row of a peer or the credentials of a profile change, the sessions
 * that this concerns are judged anew: each session knows by which version of
 * both it was accepted (trust/peer.h).
 *
 *   - Pins and ciphers are compared at once, for all sessions: that takes no
 *     certificate.  A session that lost its pin ends in the same turn of the
 *     control thread.
 *
 *   - All else follows in slices: certificates that a CA and its CRLs judge,
 *     and sessions that are replaced because our own certificate or our
 *     ciphers have changed.  A slice ends after VNETENC_JUDGE_BURST of these
 *     in each direction, and others may have the mutex between two slices.
 *     Each slice begins where the last one ended, so files that change all the
 *     time keep no session from being judged.
 *
 * Thread-safety: under vnetenc_control_mutex. */

/* Call this after a change that may concern the judgement of sessions. */
void vnetenc_judge(long long int now);

/* Call this after a configuration was applied.  If peers may speak under other
 * profiles than before, ends their sessions under the others, and begins
 * sessions with peers that were refused and are members now, so that these
 * need not wait for their next attempt.  No session is judged anew by this. */
void vnetenc_judge_members(long long int now);

/* Does the next slice.  Returns when to call again. */
long long int vnetenc_judge_run(long long int now);

#endif /* vnetenc/control/judge.h */
