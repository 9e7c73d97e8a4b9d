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

#include <config.h>
#include "vnetenc/bridge/mail.h"
#include <string.h>
#include "util.h"

void
vnetenc_mailbox_init(struct vnetenc_mailbox *box)
{
    for (size_t i = 0; i < VNETENC_MAIL_SLOTS; i++) {
        atomic_init(&box->slots[i], NULL);
    }
    atomic_init(&box->full, false);
    atomic_init(&box->served, false);
    box->recent = false;
}

void
vnetenc_mailbox_uninit(struct vnetenc_mailbox *box)
{
    for (size_t i = 0; i < VNETENC_MAIL_SLOTS; i++) {
        free(vnetenc_mailbox_take(box, i));
    }
}

void
vnetenc_mail_free(struct vnetenc_mail *mail)
{
    free(mail);
}

const struct vnetenc_mail *
vnetenc_mailbox_put(struct vnetenc_mailbox *box, ovs_be16 udp_src,
                    ovs_be16 udp_dst, const void *data, size_t size)
{
    struct vnetenc_mail *mail;
    bool served;

    atomic_read_relaxed(&box->served, &served);
    if (!served && !box->recent) {
        return NULL;
    }
    mail = xmalloc(sizeof *mail + size);
    mail->udp_src = udp_src;
    mail->udp_dst = udp_dst;
    mail->size = size;
    memcpy(mail->data, data, size);
    for (size_t i = 0; i < VNETENC_MAIL_SLOTS; i++) {
        struct vnetenc_mail *none = NULL;

        if (atomic_compare_exchange_strong_explicit(
                &box->slots[i], &none, mail, memory_order_release,
                memory_order_relaxed)) {
            atomic_store_relaxed(&box->served, false);
            atomic_store_relaxed(&box->full, true);
            box->recent = false;
            return mail;
        }
    }
    free(mail);
    return NULL;
}

void
vnetenc_mailbox_age(struct vnetenc_mailbox *box)
{
    atomic_read_relaxed(&box->served, &box->recent);
    if (box->recent) {
        atomic_store_relaxed(&box->served, false);
    }
}

struct vnetenc_mail *
vnetenc_mailbox_recall(struct vnetenc_mailbox *box,
                       const struct vnetenc_mail *mail)
{
    for (size_t i = 0; i < VNETENC_MAIL_SLOTS; i++) {
        struct vnetenc_mail *expected = CONST_CAST(struct vnetenc_mail *,
                                                   mail);

        if (atomic_compare_exchange_strong_explicit(
                &box->slots[i], &expected, NULL, memory_order_acquire,
                memory_order_relaxed)) {
            return CONST_CAST(struct vnetenc_mail *, mail);
        }
    }
    return NULL;
}

struct vnetenc_mail *
vnetenc_mailbox_take(struct vnetenc_mailbox *box, size_t i)
{
    struct vnetenc_mail *mail;

    if (!i) {
        atomic_store_relaxed(&box->full, false);
    }
    atomic_read_explicit(&box->slots[i], &mail, memory_order_acquire);
    return (mail
            && atomic_compare_exchange_strong_explicit(
                &box->slots[i], &mail, NULL, memory_order_acquire,
                memory_order_relaxed)
            ? mail : NULL);
}
