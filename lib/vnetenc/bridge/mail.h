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

#ifndef VNETENC_MAIL_H
#define VNETENC_MAIL_H 1

/* Messages that travel with data
 * ==============================
 *
 * A probe must show whether data arrives, so it must take the same way as
 * data: through the flows of the underlay's bridge, to the MAC address that
 * Open vSwitch knows, not to the one that the kernel knows.  The control
 * thread puts sealed records into the mailbox of a path.  The packet path
 * sends them behind the next packets of the path, with the Ethernet and IP
 * headers of these and with the same actions.  Messages that no packets took
 * along within VNETENC_MAIL_MS are taken back (control/post.h).
 *
 * A message is a sealed record.  Only one thread can take it out of its slot,
 * so it is sent once.
 *
 * Thread-safety
 * =============
 *
 * The control thread puts messages, and any thread takes them. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "openvswitch/types.h"
#include "ovs-atomic.h"

enum { VNETENC_MAIL_SLOTS = 4 };

struct vnetenc_mail {
    ovs_be16 udp_src;
    ovs_be16 udp_dst;
    size_t size;
    uint8_t data[];
};

/* What each packet needs stands first. */
struct vnetenc_mailbox {
    atomic_bool full;           /* A slot may have a message. */
    atomic_bool served;         /* Packets passed since it was reset. */
    bool recent;                /* 'served', as vnetenc_mailbox_age() left it.
                                 * Of the control thread. */
    ATOMIC(struct vnetenc_mail *) slots[VNETENC_MAIL_SLOTS];
};

/* Makes an empty mailbox. */
void vnetenc_mailbox_init(struct vnetenc_mailbox *);

/* Frees the messages in a mailbox, into which no more may be put. */
void vnetenc_mailbox_uninit(struct vnetenc_mailbox *);

/* Puts a message from 'udp_src' to 'udp_dst' with a copy of the 'size' bytes
 * at 'data' into the mailbox.  Returns the message, which the caller must not
 * dereference, or NULL if all slots are taken, or if no packets passed since
 * the last message or the last but one call of vnetenc_mailbox_age().  Control
 * thread. */
const struct vnetenc_mail *vnetenc_mailbox_put(struct vnetenc_mailbox *,
                                               ovs_be16 udp_src,
                                               ovs_be16 udp_dst,
                                               const void *data, size_t size);

/* Lets packets that passed before the previous call count no more, because
 * none may follow them.  Control thread. */
void vnetenc_mailbox_age(struct vnetenc_mailbox *);

/* Takes 'mail' back.  Returns it, or NULL if packets have taken it.  The
 * caller frees it.  Control thread. */
struct vnetenc_mail *vnetenc_mailbox_recall(struct vnetenc_mailbox *,
                                            const struct vnetenc_mail *mail);

/* Takes a message out of slot 'i'.  Returns NULL if there is none.  The caller
 * frees it.  Any thread. */
struct vnetenc_mail *vnetenc_mailbox_take(struct vnetenc_mailbox *, size_t i);

/* Frees a message. */
void vnetenc_mail_free(struct vnetenc_mail *);

/* Notes that packets pass.  Returns true if there may be messages for them to
 * take along.  Any thread. */
static inline bool
vnetenc_mailbox_serve(struct vnetenc_mailbox *box)
{
    bool served, full;

    atomic_read_relaxed(&box->served, &served);
    if (!served) {
        atomic_store_relaxed(&box->served, true);
    }
    atomic_read_relaxed(&box->full, &full);
    return full;
}

#endif /* vnetenc/bridge/mail.h */
