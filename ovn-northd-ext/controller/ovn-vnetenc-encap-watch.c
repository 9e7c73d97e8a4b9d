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

#include "ovn-vnetenc-encap-watch.h"

#include "lib/ovn-sb-idl.h"
#include "lib/ovn-vnetenc-demand.h"
#include "openvswitch/hmap.h"
#include "ovsdb-idl.h"
#include "smap.h"
#include "uuid.h"

/* The options of a row that are not ours. */
struct watched {
    struct hmap_node node;      /* In 'rows', by 'uuid'. */
    struct uuid uuid;
    struct smap options;
};

static struct hmap rows = HMAP_INITIALIZER(&rows);

static const struct watched *
find(const struct uuid *uuid)
{
    const struct watched *row;

    HMAP_FOR_EACH_WITH_HASH (row, node, uuid_hash(uuid), &rows) {
        if (uuid_equals(&row->uuid, uuid)) {
            return row;
        }
    }
    return NULL;
}

static void
clear(struct hmap *in)
{
    struct watched *row;

    HMAP_FOR_EACH_POP (row, node, in) {
        smap_destroy(&row->options);
        free(row);
    }
}

void
ovn_vnetenc_encap_watch_init(struct ovsdb_idl *ovnsb_idl)
{
    /* No function removes only the tracking of a column. */
    ovsdb_idl_omit_alert(ovnsb_idl, &sbrec_encap_col_options);
    ovsdb_idl_add_column(ovnsb_idl, &sbrec_encap_col_options);
}

bool
ovn_vnetenc_encap_watch_run(const struct ovsdb_idl *ovnsb_idl)
{
    static unsigned int seqno;
    struct hmap now = HMAP_INITIALIZER(&now);
    const struct sbrec_encap *encap;
    bool changed = false;

    if (seqno == ovsdb_idl_get_seqno(ovnsb_idl)) {
        return false;
    }
    seqno = ovsdb_idl_get_seqno(ovnsb_idl);

    SBREC_ENCAP_FOR_EACH (encap, ovnsb_idl) {
        struct watched *row = xmalloc(sizeof *row);

        row->uuid = encap->header_.uuid;
        smap_clone(&row->options, &encap->options);
        smap_remove(&row->options, OVN_VNETENC_ENCAP_CAPABLE);
        smap_remove(&row->options, OVN_VNETENC_ENCAP_FINGERPRINTS);

        /* The IDL tracks rows that appear or disappear. */
        const struct watched *before = find(&row->uuid);
        changed |= before && !smap_equal(&before->options, &row->options);
        hmap_insert(&now, &row->node, uuid_hash(&row->uuid));
    }
    hmap_swap(&rows, &now);
    clear(&now);
    hmap_destroy(&now);
    return changed;
}

void
ovn_vnetenc_encap_watch_destroy(void)
{
    clear(&rows);
    hmap_destroy(&rows);
}
