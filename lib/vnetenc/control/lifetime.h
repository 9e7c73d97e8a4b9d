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

#ifndef VNETENC_LIFETIME_H
#define VNETENC_LIFETIME_H 1

/* How long a key may be used, and whether its peer is still there
 * ===============================================================
 *
 * Two small clocks of the sender of a session, both pure functions of the
 * times and counters that they are given.
 *
 * Lifetime (PROTOCOL.md section 3): a key is replaced at a number of records,
 * of octets, or at an age, each less a random part so that not all keys of a
 * host end at once; at VNETENC_HARD_LIMIT_FACTOR times the full value it
 * seals nothing more.
 *
 * Probe (section 4): a lane is probed every VNETENC_PROBE_BUSY_MS while it
 * carries data, else every VNETENC_PROBE_IDLE_MS, and at once on a hint.
 * VNETENC_PROBE_TRIES unanswered probes mean that the peer is lost.
 *
 * Thread-safety: none of its own. */

#include <stdbool.h>
#include <stdint.h>

struct vnetenc_profile_config;

struct vnetenc_lifetime {
    uint64_t rekey_seq;         /* Next sequence number: replace. */
    uint64_t rekey_bytes;
    long long int rekey_at;
    uint64_t end_seq;           /* Seal nothing more. */
    uint64_t end_bytes;
    long long int end_at;
};

/* The lifetime of a key that is new at 'now' (monotonic milliseconds) under a
 * profile's limits. */
void vnetenc_lifetime_init(struct vnetenc_lifetime *,
                           const struct vnetenc_profile_config *,
                           long long int now);

/* True if the key is to be replaced: after 'next_seq' and 'n_bytes' of
 * plaintext, or for its age. */
bool vnetenc_lifetime_is_over(const struct vnetenc_lifetime *,
                              uint64_t next_seq, uint64_t n_bytes,
                              long long int now);

/* True if the key is too old to seal anything. */
bool vnetenc_lifetime_is_dead(const struct vnetenc_lifetime *,
                              long long int now);

struct vnetenc_probe {
    long long int sent_at;      /* Newest probe. */
    unsigned int tries;         /* Unanswered ones. */
    uint64_t echo;              /* Of the newest. */
    uint64_t seq;               /* Behind the newest: later ones are data. */
    bool hurry;                 /* A hint was given. */
    long long int hinted_at;
    bool lost;
    long long int lost_at;
};

enum vnetenc_probe_action {
    VNETENC_PROBE_NOTHING,
    VNETENC_PROBE_SEND,         /* A probe with 'echo', then call
                                 * vnetenc_probe_sent(). */
    VNETENC_PROBE_LOST,         /* Reported once. */
};

/* A session that is new, whose handshake stands for a probe. */
void vnetenc_probe_init(struct vnetenc_probe *, long long int now);

/* Returns the action that is due.  'next_seq' tells whether data was sealed
 * since the last probe. */
enum vnetenc_probe_action vnetenc_probe_run(struct vnetenc_probe *,
                                            uint64_t next_seq,
                                            long long int now);

/* Call after a probe was sealed, with the sequence number behind it. */
void vnetenc_probe_sent(struct vnetenc_probe *, uint64_t next_seq,
                        long long int now);

/* A hint came.  Returns false if it is one too many. */
bool vnetenc_probe_hint(struct vnetenc_probe *, long long int now);

/* An authenticated reply came. */
void vnetenc_probe_reply(struct vnetenc_probe *, uint64_t echo);

/* Authenticated word that the peer gave the session up. */
void vnetenc_probe_give_up(struct vnetenc_probe *, long long int now);

#endif /* vnetenc/control/lifetime.h */
