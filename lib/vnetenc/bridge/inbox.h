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

#ifndef VNETENC_INBOX_H
#define VNETENC_INBOX_H 1

/* From the packet path to the control thread
 * ==========================================
 *
 * Events travel in four bounded rings of preallocated slots: one for events of
 * known sessions and of our own senders; one for datagrams of handshakes whose
 * cookie was verified and for reports of unknown sessions; one for
 * ClientHellos, which anybody can forge; and a small one for events that
 * guests cause and that no session depends on.  A full ring drops new events.
 * No ring can fill another.
 *
 * Thread-safety
 * =============
 *
 * Any thread may post, without locks or allocation.  Only the control thread
 * takes and waits. */

#include "vnetenc/base/limits.h"
#include "vnetenc/bridge/path.h"

enum vnetenc_event_type {
    VNETENC_EV_WANT,            /* A packet found no session on 'path'. */
    VNETENC_EV_HELLO,           /* Whole datagram, like a ClientHello. */
    VNETENC_EV_DATAGRAM,        /* Other whole datagram, types 20 to 22. */
    VNETENC_EV_PROBE,           /* Authenticated probe: 'echo'. */
    VNETENC_EV_UNKNOWN,         /* Application data of no known session. */
    VNETENC_EV_TOO_LONG,        /* A guest's packet, see packet/pmtu.h. */
    VNETENC_EV_HELD,            /* A held packet, see packet/hold.h. */
};

struct vnetenc_event {
    enum vnetenc_event_type type;
    struct vnetenc_path_key path;   /* 'profile' only for WANT, PROBE, HELD. */
    ovs_be16 remote_port;       /* Not for WANT, TOO_LONG, HELD. */
    uint64_t echo;              /* PROBE and HELD only. */
    long long int posted_at;    /* HELLO only: time_msec(). */
    uint16_t size;              /* HELLO, DATAGRAM and TOO_LONG only. */
    uint8_t data[VNETENC_MAX_DATAGRAM_BYTES];
};

enum vnetenc_inbox_queue {
    VNETENC_INBOX_KNOWN,
    VNETENC_INBOX_STRANGERS,
    VNETENC_INBOX_HELLOS,
    VNETENC_INBOX_GUESTS,
    VNETENC_N_INBOXES
};

/* Allocates the rings, before any thread posts. */
void vnetenc_inbox_init(void);

/* Posts an event and wakes the control thread.  Copies the key of the path and
 * the 'size' bytes at 'payload'; 'payload' may be NULL if 'size' is 0.
 * Returns false if the ring is full or 'size' is over
 * VNETENC_MAX_DATAGRAM_BYTES.  Any thread. */
bool vnetenc_inbox_post(enum vnetenc_inbox_queue, enum vnetenc_event_type,
                        const struct vnetenc_path_key *, ovs_be16 remote_port,
                        uint64_t echo, const void *payload,
                        size_t size);

/* Takes the oldest event of a queue.  Returns false if there is none.  Control
 * thread. */
bool vnetenc_inbox_take(enum vnetenc_inbox_queue, struct vnetenc_event *);

/* Makes poll_block() return when there is an event to take.  Control
 * thread. */
void vnetenc_inbox_wait(void);

/* Wakes the control thread.  Any thread. */
void vnetenc_inbox_wake(void);

#endif /* vnetenc/bridge/inbox.h */
