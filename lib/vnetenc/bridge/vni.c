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
#include "vnetenc/bridge/vni.h"
#include <stdlib.h>
#include <string.h>
#include "ovs-rcu.h"
#include "util.h"

struct vni_table {
    size_t n;
    struct vnetenc_vni rows[];  /* In order of 'vni'. */
};

static OVSRCU_TYPE(struct vni_table *) table = OVSRCU_INITIALIZER(NULL);
static atomic_bool drop_unlisted;
atomic_bool vnetenc_vni_any_rule;

static int
compare_vnis(const void *a_, const void *b_)
{
    const struct vnetenc_vni *a = a_;
    const struct vnetenc_vni *b = b_;

    return a->vni < b->vni ? -1 : a->vni > b->vni;
}

/* Index of the first row that is not less than 'vni'. */
static size_t
lower_bound(const struct vni_table *t, uint32_t vni)
{
    size_t low = 0;
    size_t high = t->n;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (t->rows[middle].vni < vni) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

static void
update_any_rule(void)
{
    bool drop;

    atomic_read_relaxed(&drop_unlisted, &drop);
    atomic_store_relaxed(&vnetenc_vni_any_rule,
                         drop || ovsrcu_get_protected(struct vni_table *,
                                                      &table));
}

void
vnetenc_vni_set(const struct vnetenc_vni *rows, size_t n)
{
    struct vni_table *old = ovsrcu_get_protected(struct vni_table *, &table);
    struct vni_table *new = NULL;

    if (n) {
        new = xmalloc(sizeof *new + n * sizeof *rows);
        new->n = n;
        memcpy(new->rows, rows, n * sizeof *rows);
        qsort(new->rows, n, sizeof *rows, compare_vnis);
    }
    ovsrcu_set(&table, new);
    update_any_rule();
    ovsrcu_postpone(free, old);
}

void
vnetenc_vni_set_drop_unlisted(bool drop)
{
    atomic_store_relaxed(&drop_unlisted, drop);
    update_any_rule();
}

enum vnetenc_vni_verdict
vnetenc_vni_judge__(uint32_t vni, uint8_t profile)
{
    /* One look at the table: a VNI that it listed a moment ago must not pass
     * as one that nobody lists. */
    const struct vni_table *t = ovsrcu_get(struct vni_table *, &table);
    size_t i = t ? lower_bound(t, vni) : 0;
    bool drop;

    if (t && i < t->n && t->rows[i].vni == vni) {
        for (; i < t->n && t->rows[i].vni == vni; i++) {
            if (t->rows[i].profile == profile) {
                return VNETENC_VNI_PASSES;
            }
        }
        return VNETENC_VNI_OTHER;
    }
    atomic_read_relaxed(&drop_unlisted, &drop);
    return drop ? VNETENC_VNI_UNLISTED : VNETENC_VNI_PASSES;
}
