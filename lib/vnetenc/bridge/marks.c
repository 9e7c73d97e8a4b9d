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
#include "vnetenc/bridge/marks.h"
#include <stdlib.h>
#include <string.h>
#include "ovs-rcu.h"
#include "util.h"

struct mark_table {
    size_t n;
    struct vnetenc_mark rows[];     /* In order of 'remote'. */
};

static OVSRCU_TYPE(struct mark_table *) table = OVSRCU_INITIALIZER(NULL);

static int
compare_remotes(const void *a_, const void *b_)
{
    const struct vnetenc_mark *a = a_;
    const struct vnetenc_mark *b = b_;

    return memcmp(&a->remote, &b->remote, sizeof a->remote);
}

/* Among rows of an address, no mark comes last. */
static int
compare_marks(const void *a_, const void *b_)
{
    const struct vnetenc_mark *a = a_;
    const struct vnetenc_mark *b = b_;
    int cmp = compare_remotes(a, b);
    uint32_t a_rank = a->mark - 1, b_rank = b->mark - 1;

    return cmp ? cmp : a_rank < b_rank ? -1 : a_rank > b_rank;
}

static bool
has_mark(const struct vnetenc_mark *rows, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (rows[i].mark) {
            return true;
        }
    }
    return false;
}

/* Keeps the first row of each address.  Returns a row of an address whose rows
 * differed, or NULL. */
static const struct vnetenc_mark *
remove_others(struct mark_table *t)
{
    const struct vnetenc_mark *ambiguous = NULL;
    size_t n = 0;

    for (size_t i = 0; i < t->n; i++) {
        if (!n || compare_remotes(&t->rows[n - 1], &t->rows[i])) {
            t->rows[n++] = t->rows[i];
        } else if (t->rows[n - 1].mark != t->rows[i].mark) {
            ambiguous = &t->rows[n - 1];
        }
    }
    t->n = n;
    return ambiguous;
}

const struct in6_addr *
vnetenc_marks_set(const struct vnetenc_mark *rows, size_t n)
{
    struct mark_table *old = ovsrcu_get_protected(struct mark_table *, &table);
    const struct vnetenc_mark *ambiguous = NULL;
    struct mark_table *new = NULL;

    if (has_mark(rows, n)) {
        new = xmalloc(sizeof *new + n * sizeof *rows);
        new->n = n;
        memcpy(new->rows, rows, n * sizeof *rows);
        qsort(new->rows, n, sizeof *rows, compare_marks);
        ambiguous = remove_others(new);
    }
    ovsrcu_set(&table, new);
    ovsrcu_postpone(free, old);
    return ambiguous ? &ambiguous->remote : NULL;
}

uint32_t
vnetenc_marks_find(const struct in6_addr *remote)
{
    const struct mark_table *t = ovsrcu_get(struct mark_table *, &table);
    struct vnetenc_mark key = { .remote = *remote };
    const struct vnetenc_mark *row;

    if (!t) {
        return 0;
    }
    row = bsearch(&key, t->rows, t->n, sizeof key, compare_remotes);
    if (!row) {
        key.remote = in6addr_any;
        row = bsearch(&key, t->rows, t->n, sizeof key, compare_remotes);
    }
    return row ? row->mark : 0;
}
