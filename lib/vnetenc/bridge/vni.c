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
atomic_bool vnetenc_vni_drop_unlisted = ATOMIC_VAR_INIT(false);

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
    ovsrcu_postpone(free, old);
}

void
vnetenc_vni_set_drop_unlisted(bool drop)
{
    atomic_store_relaxed(&vnetenc_vni_drop_unlisted, drop);
}

/* Returns the index of the first row of 'vni', or 't->n' if there is none. */
static size_t
find(const struct vni_table *t, uint32_t vni)
{
    size_t i = lower_bound(t, vni);

    return i < t->n && t->rows[i].vni != vni ? t->n : i;
}

bool
vnetenc_vni_is_listed(uint32_t vni)
{
    const struct vni_table *t = ovsrcu_get(struct vni_table *, &table);

    return t && find(t, vni) < t->n;
}

bool
vnetenc_vni_allowed(uint32_t vni, uint8_t profile)
{
    const struct vni_table *t = ovsrcu_get(struct vni_table *, &table);
    size_t i;

    if (!t) {
        return true;
    }
    i = find(t, vni);
    if (i >= t->n) {
        return true;
    }
    for (; i < t->n && t->rows[i].vni == vni; i++) {
        if (t->rows[i].profile == profile) {
            return true;
        }
    }
    return false;
}
