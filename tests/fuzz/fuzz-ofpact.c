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

/* The OpenFlow action: text and wire, both ways.
 *
 *     what 1 | what stands between "vnetenc(" and ")"      (what even)
 *     what 1 | an action behind its type, length, vendor and subtype
 *                                                          (what odd)
 *
 * An action that is accepted comes out of the other form as it went in. */

#include <config.h>
#undef NDEBUG
#include "fuzz/vnetenc-fuzz.h"

#include <stdlib.h>
#include <string.h>

#include "openvswitch/dynamic-string.h"
#include "openvswitch/ofp-actions.h"
#include "openvswitch/ofpbuf.h"
#include "util.h"
#include "vnetenc/mode.h"

enum { HEADER_BYTES = 10, MAX_BYTES = 256 };

void
fuzz_begin(void)
{
}

/* Reads actions as text.  Returns false if they are refused. */
static bool
parse(const char *text, struct ofpbuf *ofpacts)
{
    enum ofputil_protocol protocols;
    struct ofpact_parse_params pp = {
        .ofpacts = ofpacts,
        .usable_protocols = &protocols,
    };
    char *error = ofpacts_parse_actions(text, &pp);

    ovs_assert(!error || *error);
    free(error);
    return !error;
}

/* Reads the 'size' octets of actions at 'wire'. */
static bool
decode(const void *wire, size_t size, struct ofpbuf *ofpacts)
{
    struct ofpbuf openflow = ofpbuf_const_initializer(wire, size);

    return !ofpacts_pull_openflow_actions(&openflow, size, OFP13_VERSION,
                                          NULL, NULL, ofpacts);
}

/* What is in 'ofpacts' survives both forms. */
static void
check(const struct ofpbuf *ofpacts)
{
    const struct ofpact_vnetenc *vnetenc = ofpacts->data;
    struct ofpbuf again, wire;
    struct ds s = DS_EMPTY_INITIALIZER;
    struct ofpact_format_params fp = { .s = &s };

    ovs_assert(vnetenc->ofpact.type == OFPACT_VNETENC);
    ovs_assert(vnetenc->mode <= VNETENC_REQUIRE);

    ofpbuf_init(&again, 0);
    ofpacts_format(ofpacts->data, ofpacts->size, &fp);
    ovs_assert(parse(ds_cstr(&s), &again));
    ovs_assert(ofpacts_equal(again.data, again.size,
                             ofpacts->data, ofpacts->size));
    ds_destroy(&s);

    ofpbuf_clear(&again);
    ofpbuf_init(&wire, 0);
    ofpacts_put_openflow_actions(ofpacts->data, ofpacts->size, &wire,
                                 OFP13_VERSION);
    ovs_assert(decode(wire.data, wire.size, &again));
    ovs_assert(ofpacts_equal(again.data, again.size,
                             ofpacts->data, ofpacts->size));
    ofpbuf_uninit(&wire);
    ofpbuf_uninit(&again);
}

static void
one_text(struct fuzz_input in)
{
    char *arg = fuzz_string(&in);

    /* One action: the others are upstream's. */
    if (!strpbrk(arg, "()")) {
        char *text = xasprintf("vnetenc(%s)", arg);
        struct ofpbuf ofpacts;

        ofpbuf_init(&ofpacts, 0);
        if (parse(text, &ofpacts)) {
            check(&ofpacts);
        }
        ofpbuf_uninit(&ofpacts);
        free(text);
    }
    free(arg);
}

static void
one_wire(struct fuzz_input in)
{
    size_t n = MIN(in.size, MAX_BYTES);
    size_t size = ROUND_UP(HEADER_BYTES + n, 8);
    uint8_t *wire = xzalloc(size);
    struct ofpbuf ofpacts;

    memcpy(wire, (uint8_t[]) { 0xff, 0xff, size >> 8, size, 0, 0, 0x23, 0x20,
                               0, 0xc0 }, HEADER_BYTES);
    if (n) {
        memcpy(wire + HEADER_BYTES, in.data, n);
    }
    ofpbuf_init(&ofpacts, 0);
    if (decode(wire, size, &ofpacts)) {
        ovs_assert(size == 16);
        check(&ofpacts);
    }
    ofpbuf_uninit(&ofpacts);
    free(wire);
}

void
fuzz_one(struct fuzz_input in)
{
    if (fuzz_u8(&in) & 1) {
        one_wire(in);
    } else {
        one_text(in);
    }
}

void
fuzz_make_seeds(void)
{
    static const char *const texts[] = {
        "", "mode=require", "mode=prefer,profile=3", "profile=255,mode=off",
        "mode=require,mode=off", "profile=256", "key=value",
    };

    for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
        fuzz_seed(0, texts[i], strlen(texts[i]));
    }
    for (uint8_t mode = 0; mode < 4; mode++) {
        const uint8_t rest[] = { mode, 7, 0, 0, 0, 0 };

        fuzz_seed(1, rest, sizeof rest);
    }
}
