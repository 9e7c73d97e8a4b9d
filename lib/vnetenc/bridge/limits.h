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

#ifndef VNETENC_LIMITS_H
#define VNETENC_LIMITS_H 1

/* Numbers of the protocol
 * =======================
 *
 * Every size, limit, count and time that vnetenc uses, with its unit in its
 * name.  Section numbers without a prefix are those of
 * Documentation/PROTOCOL.md. */

#include "util.h"

/* DTLS 1.2 record, RFC 6347 section 4.1, RFC 5288 section 3. */
enum {
    VNETENC_RECORD_HEADER_BYTES = 13,
    VNETENC_EXPLICIT_NONCE_BYTES = 8,   /* AES-GCM only. */
    VNETENC_GCM_SALT_BYTES = 4,         /* Its fixed IV. */
    VNETENC_NONCE_BYTES = 12,
    VNETENC_TAG_BYTES = 16,
    VNETENC_AAD_BYTES = 13,
    VNETENC_MAX_HEAD_BYTES = 21,        /* Header and explicit nonce. */
    VNETENC_MAX_PLAINTEXT_BYTES = 1 << 14,
    VNETENC_MAX_KEY_BYTES = 32,
    VNETENC_MAX_FIXED_IV_BYTES = 12,
};

/* Bytes that sealing adds to a packet, at most. */
enum { VNETENC_OVERHEAD = VNETENC_MAX_HEAD_BYTES + VNETENC_TAG_BYTES };

/* A tunnel payload begins with a Geneve or VXLAN header. */
enum { VNETENC_MIN_PLAINTEXT_BYTES = 8 };

/* Control messages, section 4. */
enum {
    VNETENC_CONTROL_BYTES = 24,
    VNETENC_PROBE_BUSY_MS = 2000,       /* Lane that carries data. */
    VNETENC_PROBE_IDLE_MS = 60000,
    VNETENC_PROBE_TIMEOUT_MS = 200,
    VNETENC_PROBE_TRIES = 3,
    VNETENC_REPLIES_PER_SECOND = 10,    /* Per session. */
    VNETENC_HINT_INTERVAL_MS = 1000,    /* Per peer, sent and obeyed. */
};

/* Sequence numbers and keys, section 3. */
#define VNETENC_FIRST_SEQ UINT64_C(0x10000)
#define VNETENC_REKEY_RECORDS (UINT64_C(1) << 32)
#define VNETENC_REKEY_BYTES (UINT64_C(1) << 38)
#define VNETENC_MAX_FAILED_OPENS (UINT64_C(1) << 36)
#define VNETENC_MAX_SEQ ((UINT64_C(1) << 36) - 1)   /* A peer's, see below. */
enum {
    VNETENC_REKEY_S = 3600,
    VNETENC_REKEY_JITTER_PERCENT = 10,
    VNETENC_HARD_LIMIT_FACTOR = 2,
    VNETENC_CLOSE_DELAY_MS = 1000,      /* New session up: old one closes. */
    VNETENC_LINGER_MS = 3000,           /* Receiver, after close_notify. */
    VNETENC_IDLE_MS = 180000,           /* Receiver, nothing authentic. */
    VNETENC_RESPONDER_KEEP_MS = 15000,  /* Responder's SSL object. */
};

/* The replay window keeps block numbers of 32 sequence numbers in 32 bits. */
enum { VNETENC_WINDOW_RECORDS = 4096 };
BUILD_ASSERT_DECL(VNETENC_MAX_SEQ >> 5 <= UINT32_MAX);
BUILD_ASSERT_DECL(VNETENC_HARD_LIMIT_FACTOR * VNETENC_REKEY_RECORDS
                  + VNETENC_FIRST_SEQ <= VNETENC_MAX_SEQ);

/* Sessions and ports, section 1. */
enum {
    VNETENC_GENEVE_PORT = 6082,
    VNETENC_VXLAN_PORT = 6089,
    VNETENC_MAX_LANES = 16,
    VNETENC_DEFAULT_LANES = 1,
    VNETENC_MAX_SOCKETS = 64,           /* Lane sockets per local address. */
    VNETENC_PORT_REUSE_MS = 60000,      /* Same peer, same lane port. */
    VNETENC_MAX_RX_SESSIONS = 64,       /* Per peer and profile. */
    VNETENC_RX_COUNTS = 4,              /* Threads that count apart, plus 1. */
};

/* Handshake, section 2. */
enum {
    VNETENC_HANDSHAKE_MTU_BYTES = 1200,
    VNETENC_HANDSHAKE_TIMER_MS = 50,
    VNETENC_HANDSHAKE_TIMER_MAX_MS = 2000,
    VNETENC_HANDSHAKE_DEADLINE_MS = 10000,
    VNETENC_RETRY_MS = 200,
    VNETENC_RETRY_MAX_MS = 15000,
    VNETENC_COOKIE_KEY_MS = 120000,
    VNETENC_EARLY_RECORDS = 3,          /* Of epoch 1, before its keys. */
    VNETENC_MAX_HALF_OPEN_PEER = 4,
    VNETENC_MAX_HALF_OPEN = 256,
    VNETENC_MAX_CERT_LIST_BYTES = 16384,
    VNETENC_MAX_DATAGRAM_BYTES = 2048,  /* Of the control path. */
};

/* Credentials and what stands before them, section 2. */
enum {
    VNETENC_SECURITY_LEVEL = 2,         /* OpenSSL's: 112 bits. */
    VNETENC_MAX_CHAIN_DEPTH = 8,        /* CAs between leaf and anchor. */
    VNETENC_MAX_CRED_FILE_BYTES = 1 << 20,
    VNETENC_SELF_MADE_EARLY_S = 86400,  /* Valid before it was made. */
    VNETENC_FINGERPRINT_BYTES = 32,     /* SHA-256. */
    VNETENC_COOKIE_BYTES = 32,          /* HMAC-SHA256. */
    VNETENC_COOKIE_SECRET_BYTES = 32,
    VNETENC_HELLO_RANDOM_BYTES = 32,    /* RFC 5246 section 7.4.1.2. */
    VNETENC_MASTER_SECRET_BYTES = 48,   /* RFC 5246 section 8.1. */
};

/* Before authentication, section 2. */
enum {
    VNETENC_SOURCE_BURST = 64,          /* Handshake datagrams of a source. */
    VNETENC_SOURCE_PER_SECOND = 64,
    VNETENC_WANT_INTERVAL_MS = 10,      /* WANT events of a peer. */
    VNETENC_WANT_AGAIN_MS = 1000,       /* Those of a path that has lanes. */
    VNETENC_INBOX_SLOTS = 1024,         /* Power of 2. */
    VNETENC_INBOX_GUEST_SLOTS = 256,    /* Power of 2. */
};

/* Packets that wait for the first session of a path, section 5. */
enum {
    VNETENC_HOLD_MS = 500,
    VNETENC_HOLD_BURST = 128,           /* For a peer. */
    VNETENC_HOLD_PER_SECOND = 64,
    VNETENC_HOLD_BYTES = 4 << 20,       /* For all. */
};

/* Packets in two halves, section 8. */
enum {
    VNETENC_JOIN_SLOTS = 64,            /* Waiting halves of a session. */
    VNETENC_JOIN_BYTES = 16 << 20,      /* Those of all sessions. */
    VNETENC_JOIN_MS = 100,
    VNETENC_JOIN_SWEEP_MS = 100,        /* While halves wait. */
    VNETENC_MIN_MTU = 1280,             /* Of the underlay, for handshakes. */
    VNETENC_PMTU_BURST = 20,            /* ICMP messages to a port. */
    VNETENC_PMTU_PER_SECOND = 100,
    VNETENC_PMTU_ALL_PER_SECOND = 1000, /* To all ports together. */
    VNETENC_PMTU_PORTS = 256,           /* Told apart. */
    VNETENC_MTU_LOOK_MS = 1000,
    VNETENC_MTU_PROBE_MS = 500,
    VNETENC_MTU_AGAIN_MS = 60000,
    VNETENC_MTU_SILENT_MS = 600000,     /* No probe was ever answered. */
};

/* Modes, section 5. */
enum {
    VNETENC_PREFER_FIRST_MS = 1000,
    VNETENC_PREFER_LOST_MS = 3000,
};

/* Timers of the control thread.  It looks
 *
 *   - at the counters of every session each VNETENC_TICK_MS, or
 *     VNETENC_SHORT_TICK_MS where a probe is not answered yet or limits are
 *     below VNETENC_SHORT_TICK_RECORDS or _BYTES;
 *
 *   - at credential files each VNETENC_REFRESH_MS.
 *
 * It begins another handshake beside one that takes longer than
 * VNETENC_STUCK_MS, whose peer may have started anew in the middle, up to
 * VNETENC_MAX_ATTEMPTS_LANE at once; a responder gives one up that takes
 * longer if there is no room for the next.
 *
 * It makes no session for a path that no packet wanted for VNETENC_WANTED_MS,
 * and forgets the path after VNETENC_FORGET_MS without a session.  A session
 * that its peer gives up within VNETENC_SHORT_LIFE_MS counts as a failed
 * attempt.  The error of a peer changes by handshakes that anybody could have
 * begun at most each VNETENC_FAILURE_MS. */
enum {
    VNETENC_TICK_MS = 250,
    VNETENC_SHORT_TICK_MS = 20,
    VNETENC_SHORT_TICK_RECORDS = 1 << 24,
    VNETENC_SHORT_TICK_BYTES = 1 << 30,
    VNETENC_REFRESH_MS = 2000,
    VNETENC_STUCK_MS = 1500,
    VNETENC_MAX_ATTEMPTS_LANE = 2,
    VNETENC_WANTED_MS = 60000,
    VNETENC_FORGET_MS = 300000,
    VNETENC_SHORT_LIFE_MS = 10000,
    VNETENC_FAILURE_MS = 5000,
};

/* Events that the control thread takes before timers and sockets have their
 * turn.  A ClientHello with a good cookie costs a tenth of a millisecond. */
enum {
    VNETENC_KNOWN_BURST = 256,
    VNETENC_STRANGER_BURST = 32,
    VNETENC_GUEST_BURST = 64,
};

/* Batches.  A batch is unbounded; it is worked off in bursts of this size. */
enum { VNETENC_BURST = 32 };

/* A crypto device has this long for a burst.  Meanwhile the thread waits. */
enum { VNETENC_DEVICE_MS = 50 };

#endif /* vnetenc/bridge/limits.h */
