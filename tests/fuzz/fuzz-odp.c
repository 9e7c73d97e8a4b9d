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

/* The datapath action: its text and its Netlink attribute.
 *
 *     what 1 | what stands between "vnetenc(" and ")"      (what even)
 *     what 1 | the contents of the attribute               (what odd)
 */

#include <config.h>
#undef NDEBUG
#include "fuzz/vnetenc-fuzz.h"

#include <stdlib.h>
#include <string.h>

#include "netlink.h"
#include "odp-netlink.h"
#include "odp-util.h"
#include "openvswitch/dynamic-string.h"
#include "openvswitch/ofpbuf.h"
#include "util.h"
#include "vnetenc/mode.h"

void
fuzz_begin(void)
{
}

/* Text of 'actions' that reads as them again, unless they are refused. */
static void
check(const struct ofpbuf *actions, bool must_read)
{
    struct ds s = DS_EMPTY_INITIALIZER;
    struct ofpbuf again;

    format_odp_actions(&s, actions->data, actions->size, NULL);
    ofpbuf_init(&again, 0);
    if (!odp_actions_from_string(ds_cstr(&s), NULL, &again)) {
        ovs_assert(again.size == actions->size
                   && !memcmp(again.data, actions->data, again.size));
    } else {
        ovs_assert(!must_read);
    }
    ofpbuf_uninit(&again);
    ds_destroy(&s);
}

static void
one_text(struct fuzz_input in)
{
    char *arg = fuzz_string(&in);

    /* One action: the others are upstream's. */
    if (!strpbrk(arg, "()")) {
        char *text = xasprintf("vnetenc(%s)", arg);
        struct ofpbuf actions;

        ofpbuf_init(&actions, 0);
        if (!odp_actions_from_string(text, NULL, &actions)) {
            const struct ovs_action_vnetenc *a
                = nl_attr_get_unspec(actions.data, sizeof *a);

            ovs_assert(a->mode == VNETENC_PREFER
                       || a->mode == VNETENC_REQUIRE);
            ovs_assert(a->tp_dst);
            check(&actions, true);
        }
        ofpbuf_uninit(&actions);
        free(text);
    }
    free(arg);
}

static void
one_attribute(struct fuzz_input in)
{
    struct ofpbuf actions;

    ofpbuf_init(&actions, 0);
    nl_msg_put_unspec(&actions, OVS_ACTION_ATTR_VNETENC, in.data,
                      MIN(in.size, 64));
    check(&actions, false);
    ofpbuf_uninit(&actions);
}

void
fuzz_one(struct fuzz_input in)
{
    if (fuzz_u8(&in) & 1) {
        one_attribute(in);
    } else {
        one_text(in);
    }
}

void
fuzz_make_seeds(void)
{
    static const char *const texts[] = {
        "", "profile=0,mode=require,dst=6082", "profile=255,mode=prefer,dst=1",
        "profile=256,mode=require,dst=6082", "profile=0,mode=off,dst=6082",
        "profile=0,mode=require,dst=0",
    };
    struct ovs_action_vnetenc a;

    for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
        fuzz_seed(0, texts[i], strlen(texts[i]));
    }
    for (uint8_t mode = 0; mode < 4; mode++) {
        memset(&a, 0, sizeof a);
        a.tp_dst = htons(6082);
        a.mode = mode;
        fuzz_seed(1, &a, sizeof a);
    }
}
