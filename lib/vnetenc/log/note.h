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

#ifndef VNETENC_NOTE_H
#define VNETENC_NOTE_H 1

/* Notes of OpenFlow flows
 * =======================
 *
 * An OpenFlow flow cannot say why it drops a packet.  A flow that drops
 * packets for want of encryption has an action `note' with one of the words
 * below, which the flow log reads; it has no other effect.
 *
 * Thread-safety: pure functions, which work only on their arguments. */

#include <stdbool.h>
#include <stddef.h>

struct ofpact;
struct ofpbuf;

/* NAME, word.  Each word has 14 bytes, so that OpenFlow adds no padding. */
#define VNETENC_NOTES                                                       \
    /* The packet arrived in clear. */                                      \
    VNETENC_NOTE(CLEAR, "vnetenc: clear")                                   \
    /* Open vSwitch cannot encrypt or decrypt the packet.  The packet may   \
     * meet other flows before it is dropped. */                            \
    VNETENC_NOTE(UNABLE, "vnetenc:unable")

enum vnetenc_note {
    VNETENC_NOTE_NONE,
#define VNETENC_NOTE(NAME, WORD) VNETENC_NOTE_##NAME,
    VNETENC_NOTES
#undef VNETENC_NOTE
};

/* Appends the action `note' to 'ofpacts'.  There must be a note. */
void vnetenc_note_put(struct ofpbuf *ofpacts, enum vnetenc_note);

/* Returns the first note of ours among the 'size' bytes of 'ofpacts'. */
enum vnetenc_note vnetenc_note_find(const struct ofpact *ofpacts, size_t size);

#endif /* vnetenc/log/note.h */
