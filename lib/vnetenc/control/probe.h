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

#ifndef VNETENC_PROBE_H
#define VNETENC_PROBE_H 1

/* Probes that show whether the peer still has a session
 * =====================================================
 *
 * PROTOCOL.md section 4: the sender of a session probes it every
 * VNETENC_PROBE_BUSY_MS while it carries data, otherwise every
 * VNETENC_PROBE_IDLE_MS, and at once after a hint.  After VNETENC_PROBE_TRIES
 * unanswered probes the session is lost.
 *
 * Thread-safety: pure functions of the caller's data. */

#include <stdbool.h>
#include <stdint.h>

enum { VNETENC_PROBE_SLOTS = 4 };   /* Power of 2, as 'echo' overflows. */

struct vnetenc_probe {
    long long int sent_at;      /* Newest probe. */
    long long int sent[VNETENC_PROBE_SLOTS];    /* Probes, by 'echo'. */
    unsigned int tries;         /* Unanswered probes. */
    uint64_t echo;              /* That of the next probe. */
    uint64_t n_records;         /* Up to and with the newest probe. */
    bool hurry;                 /* A hint came; probe at once. */
    long long int hinted_at;
    bool lost;
    long long int lost_at;
    bool closed;                /* Lost for good. */
};

enum vnetenc_probe_action {
    VNETENC_PROBE_NOTHING,
    VNETENC_PROBE_SEND,         /* Send a probe with 'echo', then call
                                 * vnetenc_probe_sent(). */
    VNETENC_PROBE_LOST,         /* Reported once. */
};

/* Initializes the state of a new session, whose handshake counts as a
 * probe. */
void vnetenc_probe_init(struct vnetenc_probe *, long long int now);

/* Returns the action that is due.  'n_records', the number of records so far,
 * shows whether data was sealed since the last probe.  A probe counts as
 * unanswered after 'timeout_ms'. */
enum vnetenc_probe_action vnetenc_probe_run(struct vnetenc_probe *,
                                            uint64_t n_records,
                                            unsigned int timeout_ms,
                                            long long int now);

/* Notes that a probe was sealed.  'n_records' is the number of records so
 * far, with it. */
void vnetenc_probe_sent(struct vnetenc_probe *, uint64_t n_records,
                        long long int now);

/* Takes a hint.  Returns false if it is ignored: a probe is under way already,
 * or the last hint came less than VNETENC_HINT_INTERVAL_MS ago. */
bool vnetenc_probe_hint(struct vnetenc_probe *, long long int now);

/* Takes an authenticated reply with 'echo'.  Returns how many milliseconds it
 * took, or -1 if it answers no probe that waits for an answer. */
long long int vnetenc_probe_reply(struct vnetenc_probe *, uint64_t echo,
                                  long long int now);

/* Notes that the session is lost, because probes stayed unanswered. */
void vnetenc_probe_give_up(struct vnetenc_probe *, long long int now);

/* Notes that the peer has ended the session with a sealed alert.  The peer may
 * still answer probes for a while, but the session stays lost. */
void vnetenc_probe_close(struct vnetenc_probe *, long long int now);

#endif /* vnetenc/control/probe.h */
