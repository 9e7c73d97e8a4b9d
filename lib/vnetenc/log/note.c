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
#include "vnetenc/log/note.h"
#include <stdint.h>
#include <string.h>
#include "openvswitch/ofp-actions.h"
#include "openvswitch/ofpbuf.h"
#include "util.h"

enum { NOTE_BYTES = 14 };

static const char words[][NOTE_BYTES + 1] = {
    [VNETENC_NOTE_NONE] = "",
#define VNETENC_NOTE(NAME, WORD) [VNETENC_NOTE_##NAME] = WORD,
    VNETENC_NOTES
#undef VNETENC_NOTE
};
#define VNETENC_NOTE(NAME, WORD)                                    \
    BUILD_ASSERT_DECL(sizeof WORD == NOTE_BYTES + 1);
VNETENC_NOTES
#undef VNETENC_NOTE

void
vnetenc_note_put(struct ofpbuf *ofpacts, enum vnetenc_note what)
{
    size_t start = ofpacts->size;
    struct ofpact_note *note;

    ofpact_put_NOTE(ofpacts);
    ofpbuf_put(ofpacts, words[what], NOTE_BYTES);
    note = ofpbuf_at_assert(ofpacts, start, sizeof *note);
    ofpacts->header = note;
    note->length = NOTE_BYTES;
    ofpact_finish_NOTE(ofpacts, &note);
}

enum vnetenc_note
vnetenc_note_find(const struct ofpact *ofpacts, size_t size)
{
    const struct ofpact *a;

    OFPACT_FOR_EACH (a, ofpacts, size) {
        const struct ofpact_note *note;

        if (a->type != OFPACT_NOTE) {
            continue;
        }
        note = ofpact_get_NOTE(a);
        for (size_t i = 1; i < ARRAY_SIZE(words); i++) {
            if (note->length == NOTE_BYTES
                && !memcmp(note->data, words[i], NOTE_BYTES)) {
                return i;
            }
        }
    }
    return VNETENC_NOTE_NONE;
}
