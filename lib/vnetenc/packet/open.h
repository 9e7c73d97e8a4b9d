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

#ifndef VNETENC_OPEN_H
#define VNETENC_OPEN_H 1

/* Opening
 * =======
 *
 * vnetenc_open() works on one received packet:
 *
 *     parse:   exactly one record, or something for the control thread
 *     find:    the session, by addresses and ports
 *     check:   the sequence number, without moving the window
 *     open:    the cipher
 *     ---- from here on the sender is known ----
 *     commit:  the sequence number, once
 *     judge:   control message, VNI
 *     deliver: the plaintext takes the record's place
 *     join:    a half waits for the other, or completes it
 *
 * vnetenc_open_record() opens for the control thread: alerts, probes and
 * their replies.
 *
 * Thread-safety: any thread, no locks. */

#include <stddef.h>
#include <stdint.h>
#include "compiler.h"
#include "vnetenc/base/drops.h"

struct dp_packet;
struct dp_packet_batch;
struct udp_header;
struct vnetenc_rx;

/* Begins to fetch the sessions of the first VNETENC_BURST packets of a batch,
 * each of which is about to be given to vnetenc_open(), so that it waits for
 * the memory of all of them together.  Does nothing else, whatever the packets
 * contain: it drops and changes none of them, and no session. */
void vnetenc_open_fetch(const struct dp_packet_batch *);

/* Opens the record in a packet that arrived on a DTLS port.  Returns the outer
 * UDP header of the packet, whose payload is then plaintext, or NULL if the
 * caller must drop the packet. */
struct udp_header *vnetenc_open(struct dp_packet *)
    OVS_WARN_UNUSED_RESULT;

/* Opens, in place, the record of 'type' that consists of the 'size' bytes at
 * 'record', and commits its number.  Returns VNETENC_KEEP and stores where the
 * plaintext is, or returns the reason to drop the record, which the caller
 * counts. */
enum vnetenc_drop vnetenc_open_record(struct vnetenc_rx *, uint8_t *record,
                                      size_t size, uint8_t type,
                                      uint8_t **plain, size_t *plain_size)
    OVS_WARN_UNUSED_RESULT;

#endif /* vnetenc/packet/open.h */
