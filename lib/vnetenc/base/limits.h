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
 * This header has every size, limit, count and time that vnetenc uses, with
 * its unit in its name.  All times stand under "Timers" below.  Section
 * numbers without an RFC are those of Documentation/PROTOCOL.md. */

#include "util.h"

/* DTLS 1.2 record, RFC 6347 section 4.1, RFC 5288 section 3. */
enum {
    VNETENC_RECORD_HEADER_BYTES = 13,
    VNETENC_EXPLICIT_NONCE_BYTES = 8,   /* AES-GCM only. */
    VNETENC_GCM_SALT_BYTES = 4,         /* Fixed IV of AES-GCM. */
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
    VNETENC_MESSAGE_BYTES = 24,
    VNETENC_PROBE_TRIES = 3,
    VNETENC_REPLIES_PER_SECOND = 10,    /* Per session. */
};

/* Sequence numbers and keys, section 3. */
#define VNETENC_FIRST_SEQ UINT64_C(0x10000)
#define VNETENC_REKEY_RECORDS (UINT64_C(1) << 32)
#define VNETENC_REKEY_BYTES (UINT64_C(1) << 38)
#define VNETENC_MAX_FAILED_OPENS (UINT64_C(1) << 36)
#define VNETENC_NONCE_GAP (UINT64_C(1) << 34)   /* FIPS: from libssl's. */
#define VNETENC_MAX_SEQ ((UINT64_C(1) << 36) - 1)   /* See the window. */
enum {
    VNETENC_REKEY_JITTER_PERCENT = 10,
    VNETENC_HARD_LIMIT_FACTOR = 2,
};

/* The replay window keeps the number of a block of 32 sequence numbers in 32
 * bits.  Packets of a traffic class that the network delays are overtaken by
 * other records, for instance by 5,000 at 25,000 packets/s and 200 ms. */
enum { VNETENC_WINDOW_RECORDS = 32736 };
BUILD_ASSERT_DECL(VNETENC_MAX_SEQ >> 5 <= UINT32_MAX);

/* Threads that have a range of the numbers of each session that they seal for.
 * A thread takes up to VNETENC_RANGE_RECORDS numbers, and VNETENC_RANGE_BYTES
 * bytes, at once, and uses no number that is further than VNETENC_RANGE_LAG
 * behind the newest one taken.  VNETENC_RANGE_BURST and more numbers at once
 * are not taken from a range, whose rest would often be too short for them.
 * Sessions whose limits are lower than the last two have no ranges. */
enum {
    VNETENC_SLOTS = 20,
    VNETENC_RANGE_RECORDS = 64,
    VNETENC_RANGE_BURST = 16,
    VNETENC_RANGE_LAG = 2048,
    VNETENC_RANGE_BYTES = 1 << 20,
    VNETENC_RANGES_MIN_RECORDS = 1 << 20,
    VNETENC_RANGES_MIN_BYTES = 1 << 28,
};
BUILD_ASSERT_DECL(VNETENC_RANGE_LAG >= VNETENC_SLOTS * VNETENC_RANGE_RECORDS);
BUILD_ASSERT_DECL(VNETENC_RANGE_LAG <= VNETENC_WINDOW_RECORDS / 8);
BUILD_ASSERT_DECL(VNETENC_RANGES_MIN_BYTES
                  >= 8 * VNETENC_SLOTS * VNETENC_RANGE_BYTES);
BUILD_ASSERT_DECL(VNETENC_HARD_LIMIT_FACTOR * VNETENC_REKEY_RECORDS
                  + VNETENC_FIRST_SEQ <= VNETENC_MAX_SEQ);
BUILD_ASSERT_DECL(VNETENC_HARD_LIMIT_FACTOR * VNETENC_REKEY_RECORDS
                  < VNETENC_NONCE_GAP);

/* Sessions and ports, section 1. */
enum {
    VNETENC_CLEAR_GENEVE_PORT = 6081,   /* Of tunnels in clear. */
    VNETENC_CLEAR_VXLAN_PORT = 4789,
    VNETENC_GENEVE_PORT = 6082,
    VNETENC_VXLAN_PORT = 6089,
    VNETENC_KERNEL_FIRST_PORT = 63998,  /* Of devices of kernel/device.h. */
    VNETENC_KERNEL_LAST_PORT = 65023,
    VNETENC_N_PROFILES = 256,
    VNETENC_MAX_LANES = 16,
    VNETENC_DEFAULT_LANES = 1,
    VNETENC_POOL_SOCKETS = 64,          /* Lane sockets per local address, */
    VNETENC_MAX_SOCKETS = 4096,         /* and if one peer has them all. */
    VNETENC_SOCKET_BUFFER_BYTES = 1 << 20,  /* Each socket receives. */
    VNETENC_MAX_RX_SESSIONS = 64,       /* Of a path. */
    VNETENC_RX_COUNTS = 4,              /* Threads with their own, plus 1. */
};

/* Handshake, section 2. */
enum {
    VNETENC_HANDSHAKE_MTU_BYTES = 1200,
    VNETENC_HANDSHAKE_ROUNDS = 4,       /* Round trips, with one to spare. */
    VNETENC_EARLY_RECORDS = 3,          /* Of epoch 1, before its keys, */
    VNETENC_EARLY_SEQS = 32,            /* with numbers below this. */
    VNETENC_MAX_ATTEMPTS_LANE = 2,
    VNETENC_MAX_RESTARTS = 3,           /* Of a lane, in a row. */
    VNETENC_MAX_INITIATIONS = 64,       /* In STUCK_MS, to all peers, */
    VNETENC_MAX_REPETITIONS = 48,       /* of these on lanes that failed. */
    VNETENC_MAX_HALF_OPEN_PEER = 4,
    VNETENC_MAX_HALF_OPEN = 256,
    VNETENC_MAX_CERT_LIST_BYTES = 16384,
    VNETENC_MAX_DATAGRAM_BYTES = 2048,  /* Of the control path. */
};

/* Credentials, cookies and secrets, section 2. */
enum {
    VNETENC_SECURITY_BITS = 112,        /* Unless a profile demands more. */
    VNETENC_MAX_CHAIN_DEPTH = 8,        /* CAs between leaf and anchor. */
    VNETENC_MAX_CRED_FILE_BYTES = 1 << 20,
    VNETENC_MAX_FOUND = 256,            /* Names in the directory of them. */
    VNETENC_FINGERPRINT_BYTES = 32,     /* SHA-256. */
    VNETENC_OWN_FINGERPRINTS = 3,       /* Present, next and former. */
    VNETENC_ACCEPTED = 4,               /* Chains of a peer, by profile. */
    VNETENC_COOKIE_BYTES = 32,          /* HMAC-SHA256. */
    VNETENC_COOKIE_SECRET_BYTES = 32,
    VNETENC_HELLO_RANDOM_BYTES = 32,    /* RFC 5246 section 7.4.1.2. */
    VNETENC_MASTER_SECRET_BYTES = 48,   /* RFC 5246 section 8.1. */
};

/* Before authentication, section 2. */
enum {
    VNETENC_SOURCE_BURST = 64,          /* Verified hellos of a peer, */
                                        /* datagrams of a handshake. */
    VNETENC_SOURCE_PER_SECOND = 64,
    VNETENC_VERIFY_BURST = 1024,        /* HelloVerifyRequests, to all. */
    VNETENC_VERIFY_PER_SECOND = 16384,
    VNETENC_INBOX_SLOTS = 1024,         /* Power of 2. */
    VNETENC_INBOX_GUEST_SLOTS = 256,    /* Power of 2. */
};

/* Packets that wait for the first session of a path, section 5. */
enum {
    VNETENC_HOLD_BURST = 128,           /* For a peer. */
    VNETENC_HOLD_PER_SECOND = 64,
    VNETENC_HOLD_BYTES = 4 << 20,       /* For all. */
    VNETENC_EXECUTE_BYTES = 8 << 20,    /* Sealed, not yet sent on. */
};

/* Packets in two halves, section 8. */
enum {
    VNETENC_JOIN_SLOTS = 64,            /* Waiting halves of a session. */
    VNETENC_JOIN_BYTES = 16 << 20,      /* Of halves of all sessions. */
    VNETENC_LONG_BYTES = 1200,          /* Shorter ones need no known MTU. */
    VNETENC_MIN_MTU = 1280,             /* Of the underlay, for handshakes. */
    VNETENC_PMTU_BURST = 20,            /* ICMP messages to a port. */
    VNETENC_PMTU_PER_SECOND = 100,
    VNETENC_PMTU_ALL_PER_SECOND = 1000, /* To all ports together. */
    VNETENC_PMTU_PORTS = 256,           /* Told apart. */
};

/* Sockets on DTLS ports that workers read. */
enum {
    VNETENC_INGRESS_DATAGRAMS = 8,      /* Received at once, joined or not. */
    VNETENC_INGRESS_SOCKET_BYTES = 4 << 20,
};

/* Packets that enter the kernel as one.  UDP_GRO joins at most 64, and a
 * super-packet of a guest has fewer segments. */
enum {
    VNETENC_COALESCE_PACKETS = 64,
    VNETENC_COALESCE_RUNS = 8,          /* TCP connections at a time. */
};

/* Timers
 * ======
 *
 * The names below lack their prefix.
 *
 * Initiator:
 *
 *   - An attempt retransmits an unanswered flight after HANDSHAKE_TIMER_MS,
 *     then after twice as long each time, up to RTO_MAX_MS (RFC 6347 section
 *     4.2.4).  It fails HANDSHAKE_DEADLINE_MS after it began.
 *
 *   - An attempt that was answered and then receives nothing for STUCK_MS may
 *     be stuck, because its peer has restarted: a second attempt begins beside
 *     it.  A second attempt also begins beside one that was refused, by the
 *     peer or by somebody who forged the peer's address.
 *
 *   - After a failed attempt, the next begins after RETRY_MS, then after twice
 *     as long each time, up to RETRY_MAX_MS.  A session that its peer gives up
 *     within SHORT_LIFE_MS counts as a failed attempt.  An attempt that a
 *     forged datagram may have ended is repeated at once, up to MAX_RESTARTS
 *     times in a row.  While the peer says that it does not know the profile,
 *     or this host under it, the pause is MEMBER_RETRY_MS for MEMBER_MS.
 *
 *   - On lanes without a session, at most MAX_INITIATIONS handshakes begin
 *     within STUCK_MS, over all peers, because overloaded hosts would answer
 *     more of them too late.  At most MAX_REPETITIONS of these are on lanes
 *     that failed before.
 *
 *   - A session is replaced REKEY_S after it began, and the old one closes
 *     CLOSE_DELAY_MS after the new one is up.
 *
 *   - A session is probed each PROBE_BUSY_MS while it carries data, otherwise
 *     each PROBE_IDLE_MS, and again after PROBE_TIMEOUT_MS without a reply.  A
 *     hint causes a probe at most each HINT_INTERVAL_MS, and a peer is sent at
 *     most one hint in the same time.
 *
 *   - A probe, or the answer to one, waits up to MAIL_MS for data to travel
 *     with, if data was sent since the last one and within the last TICK_MS,
 *     or up to twice that.
 *
 *   - A path without a session gets none if no packet has wanted it for
 *     WANTED_MS, and is forgotten after FORGET_MS.  Packets may want a session
 *     at most each WANT_INTERVAL_MS with a peer, and at most each
 *     WANT_AGAIN_MS on a path that has lanes.
 *
 *   - A lane port is not used again with the same peer before PORT_REUSE_MS
 *     have passed, unless the peer has used every socket of a full pool.
 *
 *   - Packets of mode `prefer` are dropped for PREFER_FIRST_MS on a new path,
 *     and for PREFER_LOST_MS after the loss of the last session; after that
 *     they leave in clear.  Packets without a session are held for HOLD_MS, or
 *     for PREFER_FIRST_MS while a peer of which nothing is known has not
 *     answered at all.
 *
 *   - The MTU of the interface, the local address and the socket for
 *     handshakes of the peer are checked each LOOK_MS.  A probe of the
 *     underlay's MTU is repeated after MTU_PROBE_MS.  The search begins again
 *     after MTU_AGAIN_MS, or after MTU_SILENT_MS if no probe was answered.
 *     While packets of more than LONG_BYTES are sent, the length that was
 *     found is probed each PROBE_BUSY_MS.
 *
 * Responder:
 *
 *   - A handshake that takes longer than STUCK_MS makes room for another one
 *     of the same peer.
 *
 *   - A ClientHello that has waited for HELLO_WAIT_MS is dropped: its client
 *     has repeated it, or begins again.
 *
 *   - The object of libssl, which can retransmit the last flight, is kept
 *     until the first record arrives, but for at most RESPONDER_KEEP_MS.
 *
 *   - A session is forgotten LINGER_MS after its close_notify, or after
 *     IDLE_MS without an authentic record.
 *
 *   - The key of cookies changes each COOKIE_KEY_MS.
 *
 *   - A failed handshake, which anybody can cause, changes the error of a peer
 *     at most each FAILURE_MS.  An error that does not come again for ERROR_MS
 *     is forgotten if the peer has a session.
 *
 *   - A half of a packet waits for its partner for JOIN_MS.  Each
 *     JOIN_SWEEP_MS, halves that have waited longer are freed.
 *
 * Both:
 *
 *   - Timers follow the round trip (bridge/rtt.h), which counts as RTT_MAX_MS
 *     at most.  HANDSHAKE_TIMER_MS, STUCK_MS, RETRY_MS, PROBE_TIMEOUT_MS and
 *     MTU_PROBE_MS are their minimum: they last as long as the retransmission
 *     timeout of RFC 6298 section 2 if that is longer, up to RTO_MAX_MS.
 *     PREFER_FIRST_MS, PREFER_LOST_MS and HOLD_MS last as long as
 *     HANDSHAKE_ROUNDS round trips, if that is longer.
 *
 *   - Counters are compared with limits each TICK_MS, or each SHORT_TICK_MS
 *     while a probe is unanswered or if limits are below SHORT_TICK_RECORDS or
 *     SHORT_TICK_BYTES.
 *
 *   - Changes of sessions reach the database at most each ANNOUNCE_MS.
 *
 *   - Alarms (trust/alarms.h) are looked at each WATCH_MS.  Peer `down':
 *     DOWN_MS without a session.  Peer `forged': more than FORGED_PER_LOOK
 *     forged records at each look for FORGED_MS.  Profile `expiring':
 *     EXPIRING_S before its certificate expires, or a quarter of its life if
 *     that is less.
 *
 *   - An alarm is cleared ALARM_MS after its newest cause.  At most
 *     ALARM_LINES lines are logged in ALARM_LOG_MS.
 *
 *   - Files with credentials are checked each REFRESH_MS.  A certificate that
 *     is found by content and takes the place of another good one is shown
 *     SHOW_NEW_MS later, when peers have read that they may accept it.  While
 *     a key log is open, a warning is logged each KEYLOG_WARN_MS.
 *
 *   - A crypto device has DEVICE_MS to complete a burst, for which the thread
 *     waits.
 *
 * Kernel datapath:
 *
 *   - A DTLS port that workers cannot bind is tried again after
 *     INGRESS_RETRY_MS: the control thread may be about to share it.  A port
 *     of the datapath that could not be made is tried again after
 *     KERNEL_RETRY_MS, and each KERNEL_CHECK_MS all ports are checked.
 *
 *   - The MTUs of routes to peers follow those of paths each KERNEL_LOOK_MS.
 *     A worker caches for SOURCE_MS which source address the host's routes
 *     choose. */
enum {
    /* Initiator. */
    VNETENC_HANDSHAKE_TIMER_MS = 50,
    VNETENC_HANDSHAKE_DEADLINE_MS = 10000,
    VNETENC_STUCK_MS = 1500,
    VNETENC_RETRY_MS = 200,
    VNETENC_RETRY_MAX_MS = 15000,
    VNETENC_MEMBER_RETRY_MS = 500,
    VNETENC_MEMBER_MS = 30000,
    VNETENC_SHORT_LIFE_MS = 10000,
    VNETENC_REKEY_S = 3600,
    VNETENC_CLOSE_DELAY_MS = 1000,
    VNETENC_PROBE_BUSY_MS = 2000,
    VNETENC_PROBE_IDLE_MS = 60000,
    VNETENC_PROBE_TIMEOUT_MS = 200,
    VNETENC_MAIL_MS = 100,
    VNETENC_HINT_INTERVAL_MS = 1000,
    VNETENC_WANTED_MS = 60000,
    VNETENC_FORGET_MS = 300000,
    VNETENC_WANT_INTERVAL_MS = 10,
    VNETENC_WANT_AGAIN_MS = 1000,
    VNETENC_PORT_REUSE_MS = 60000,
    VNETENC_PREFER_FIRST_MS = 2500,
    VNETENC_PREFER_LOST_MS = 3000,
    VNETENC_HOLD_MS = 500,
    VNETENC_LOOK_MS = 1000,
    VNETENC_MTU_PROBE_MS = 500,
    VNETENC_MTU_AGAIN_MS = 60000,
    VNETENC_MTU_SILENT_MS = 600000,

    /* Responder. */
    VNETENC_HELLO_WAIT_MS = 500,
    VNETENC_RESPONDER_KEEP_MS = 15000,
    VNETENC_LINGER_MS = 3000,
    VNETENC_IDLE_MS = 180000,
    VNETENC_COOKIE_KEY_MS = 120000,
    VNETENC_FAILURE_MS = 5000,
    VNETENC_ERROR_MS = 60000,
    VNETENC_JOIN_MS = 100,
    VNETENC_JOIN_SWEEP_MS = 100,

    /* Both. */
    VNETENC_RTT_MAX_MS = 2000,
    VNETENC_RTO_MAX_MS = 3000,
    VNETENC_TICK_MS = 250,
    VNETENC_SHORT_TICK_MS = 20,
    VNETENC_ANNOUNCE_MS = 1000,
    VNETENC_WATCH_MS = 1000,
    VNETENC_DOWN_MS = 10000,
    VNETENC_FORGED_PER_LOOK = 10,
    VNETENC_FORGED_MS = 60000,
    VNETENC_EXPIRING_S = 30 * 24 * 60 * 60,
    VNETENC_ALARM_MS = 60000,
    VNETENC_ALARM_LINES = 20,
    VNETENC_ALARM_LOG_MS = 60000,
    VNETENC_REFRESH_MS = 2000,
    VNETENC_SHOW_NEW_MS = 10000,
    VNETENC_KEYLOG_WARN_MS = 600000,
    VNETENC_DEVICE_MS = 50,

    /* Kernel datapath. */
    VNETENC_INGRESS_RETRY_MS = 100,
    VNETENC_KERNEL_RETRY_MS = 1000,
    VNETENC_KERNEL_CHECK_MS = 5000,
    VNETENC_KERNEL_LOOK_MS = 1000,
    VNETENC_SOURCE_MS = 1000,
};

/* Limits below which a session is checked each VNETENC_SHORT_TICK_MS. */
enum {
    VNETENC_SHORT_TICK_RECORDS = 1 << 24,
    VNETENC_SHORT_TICK_BYTES = 1 << 30,
};

/* The most events that the control thread takes before it turns to timers and
 * sockets.  A ClientHello without a valid cookie costs 0.01 ms.  One that
 * begins a handshake costs 0.3 ms, so only few may do so before the control
 * thread turns to running handshakes again. */
enum {
    VNETENC_KNOWN_BURST = 256,
    VNETENC_STRANGER_BURST = 256,
    VNETENC_HELLO_BURST = 256,
    VNETENC_BEGIN_BURST = 8,            /* Handshakes that these begin. */
    VNETENC_JUDGE_BURST = 16,           /* Of control/judge.h. */
    VNETENC_GUEST_BURST = 64,
    VNETENC_RECEIVE_BURST = 16,         /* Datagrams of one socket. */
};

/* Kernel datapath. */
enum {
    VNETENC_KERNEL_QUEUES = 16,         /* In each direction, at most. */
    VNETENC_KERNEL_QUEUE_BYTES = 4 << 20,   /* Of a packet socket. */
    VNETENC_KERNEL_DRAIN = 65536,       /* Packets left by a crash. */
    VNETENC_KERNEL_MAX_LOCALS = 64,     /* Local addresses of tunnels. */
    VNETENC_KERNEL_BURST = 16,          /* Frames of a queue. */
    VNETENC_KERNEL_GROUPS = 8,          /* Paths with a group at a time, and */
    VNETENC_KERNEL_FLUSH_BYTES = 1 << 16,   /* bytes in a full group. */
    VNETENC_KERNEL_SEGMENTS = 256,      /* Of a super-packet, at most. */
    VNETENC_KERNEL_SMALL_BYTES = 2048,  /* Room for a frame without copying. */
    VNETENC_SOURCE_SLOTS = 64,          /* Peers whose source address a worker
                                         * caches. */
    VNETENC_LANE_SEND_BYTES = 4 << 20,  /* Send buffer of a lane socket. */
    VNETENC_CLEAR_SOCKETS = 16,         /* For packets in clear, of each
                                         * kind. */
    VNETENC_SEND_MESSAGES = 16,         /* Messages of one sendmmsg(), and */
    VNETENC_SEND_RECORDS = 128,         /* records in them. */
    VNETENC_SEND_SEGMENTS = 64,         /* Records of one message, and */
    VNETENC_SEND_BYTES = 65400,         /* its bytes: limits of the kernel. */
    VNETENC_MAX_WORKERS = 16,
    VNETENC_DEFAULT_WORKERS = 8,        /* At most; else as many as cores. */
    VNETENC_WORKER_EVENTS = 16,         /* Descriptors that are taken at once,
                                         * before the worker quiesces. */
};

/* Packets that a worker keeps for its next ones. */
enum {
    VNETENC_POOL_HEADROOM = 64,         /* In front of */
    VNETENC_POOL_BYTES = VNETENC_KERNEL_SMALL_BYTES + VNETENC_OVERHEAD,
    VNETENC_POOL_PACKETS = 256,         /* Of that size, and */
    VNETENC_POOL_SUPER_PACKETS = 32,    /* of 64 kB. */
};

/* Batches.  A batch is unbounded; it is processed in bursts of this size.  A
 * batch of at most VNETENC_DEFER_PACKETS is sealed with others, in the output
 * batch of its port. */
enum { VNETENC_BURST = 32 };
enum { VNETENC_DEFER_PACKETS = 4 };

/* A thread that seals with a key of the provider "fips", which another thread
 * has, yields so many times, then sleeps so many times, a second at least in
 * all, and then drops its burst. */
enum {
    VNETENC_TURN_YIELDS = 1000,
    VNETENC_TURN_SLEEPS = 10000,
    VNETENC_TURN_SLEEP_NS = 100000,
};

#endif /* vnetenc/base/limits.h */
