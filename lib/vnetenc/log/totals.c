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
#include "vnetenc/log/totals.h"
#include "openvswitch/json.h"
#include "openvswitch/shash.h"
#include "ovs-thread.h"
#include "util.h"

struct total {
    char *network;
    const char *direction;
    enum vnetenc_code code;
    uint64_t n_packets;
    uint64_t n_bytes;
};

static struct ovs_mutex mutex = OVS_MUTEX_INITIALIZER;
static struct shash totals OVS_GUARDED_BY(mutex) = SHASH_INITIALIZER(&totals);

static char *
make_key(const char *network, const char *direction, enum vnetenc_code code)
{
    return xasprintf("%d %s %s", code, direction, network);
}

/* Returns the row, which is made if there is none and there may be one. */
static struct total *
need(const char *network, const char *direction, enum vnetenc_code code)
    OVS_REQUIRES(mutex)
{
    char *key = make_key(network, direction, code);
    struct total *total = shash_find_data(&totals, key);

    if (!total && (!network[0]
                   || shash_count(&totals) < VNETENC_TOTALS_NETWORK_ROWS)) {
        total = xzalloc(sizeof *total);
        total->network = xstrdup(network);
        total->direction = direction;
        total->code = code;
        shash_add(&totals, key, total);
    }
    free(key);
    return total;
}

void
vnetenc_totals_add(const char *network, const char *direction,
                   enum vnetenc_code code, uint64_t n_packets,
                   uint64_t n_bytes)
{
    struct total *total;

    ovs_mutex_lock(&mutex);
    total = need(network ? network : "", direction, code);
    if (!total) {
        total = need("", direction, code);
    }
    total->n_packets += n_packets;
    total->n_bytes += n_bytes;
    ovs_mutex_unlock(&mutex);
}

struct json *
vnetenc_totals_to_json(void)
{
    struct json *array = json_array_create_empty();
    struct shash_node *node;

    ovs_mutex_lock(&mutex);
    SHASH_FOR_EACH (node, &totals) {
        const struct total *total = node->data;
        struct json *row = json_object_create();

        json_object_put_string(row, "switch", total->network);
        json_object_put_string(row, "dir", total->direction);
        json_object_put_string(row, "encryption",
                               vnetenc_drop_code_name(total->code));
        json_object_put(row, "packets",
                        json_integer_create(total->n_packets));
        json_object_put(row, "bytes", json_integer_create(total->n_bytes));
        json_array_add(array, row);
    }
    ovs_mutex_unlock(&mutex);
    return array;
}
