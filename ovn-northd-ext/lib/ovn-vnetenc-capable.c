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

#include "ovn-vnetenc-capable.h"

#include "lib/ovn-sb-idl.h"
#include "openvswitch/dynamic-string.h"
#include "ovn-vnetenc-demand.h"
#include "smap.h"
#include "util.h"

/* Returns the interface types of 'chassis' without our entry, which the caller
 * must free.  Sets '*announced' to true if our entry was among them. */
static char *
other_iface_types(const struct sbrec_chassis *chassis, bool *announced)
{
    char *list = xstrdup(smap_get_def(&chassis->other_config, "iface-types",
                                      ""));
    struct ds others = DS_EMPTY_INITIALIZER;
    char *type, *save_ptr = NULL;

    *announced = false;
    for (type = strtok_r(list, ",", &save_ptr); type;
         type = strtok_r(NULL, ",", &save_ptr)) {
        if (!strcmp(type, OVN_VNETENC_IFACE_TYPE)) {
            *announced = true;
        } else {
            ds_put_format(&others, "%s,", type);
        }
    }
    ds_chomp(&others, ',');
    free(list);
    return ds_steal_cstr(&others);
}

static void
put_ours(struct ds *types)
{
    ds_put_format(types, "%s" OVN_VNETENC_IFACE_TYPE,
                  types->length ? "," : "");
}

bool
ovn_vnetenc_chassis_is_announced(const struct sbrec_chassis *chassis)
{
    bool announced;

    free(other_iface_types(chassis, &announced));
    return announced;
}

void
ovn_vnetenc_put_iface_types(const struct sbrec_chassis *chassis,
                            bool announced, struct ds *types)
{
    bool was_announced;
    char *others = other_iface_types(chassis, &was_announced);

    ds_put_cstr(types, others);
    if (announced) {
        put_ours(types);
    }
    free(others);
}

void
ovn_vnetenc_keep_iface_type(const struct sbrec_chassis *chassis,
                            struct ds *types)
{
    if (ovn_vnetenc_chassis_is_announced(chassis)) {
        put_ours(types);
    }
}

static bool
may_be_believed(const struct sbrec_chassis *chassis)
{
    return (smap_get_bool(&chassis->other_config, "is-remote", false)
            || ovn_vnetenc_chassis_is_announced(chassis));
}

bool
ovn_vnetenc_has_usual_port(const struct sbrec_encap *encap)
{
    const char *port = smap_get(&encap->options, "dst_port");

    return !port || !strcmp(port, strcmp(encap->type, "vxlan")
                                  ? "6081" : "4789");
}

bool
ovn_vnetenc_is_capable(const struct sbrec_chassis *chassis,
                       const struct sbrec_encap *encap)
{
    return (!strcmp(smap_get_def(&encap->options, OVN_VNETENC_ENCAP_CAPABLE,
                                 ""), "1")
            && ovn_vnetenc_has_usual_port(encap)
            && may_be_believed(chassis));
}

void
ovn_vnetenc_ic_options(const struct sbrec_chassis *chassis,
                       const struct sbrec_encap *encap, struct smap *options)
{
    smap_clone(options, &encap->options);
    if (!may_be_believed(chassis)) {
        smap_remove(options, OVN_VNETENC_ENCAP_CAPABLE);
        smap_remove(options, OVN_VNETENC_ENCAP_FINGERPRINTS);
    }
}

bool
ovn_vnetenc_ic_options_equal(const struct sbrec_chassis *chassis,
                             const struct sbrec_encap *encap,
                             const struct smap *options)
{
    struct smap visible;

    ovn_vnetenc_ic_options(chassis, encap, &visible);
    bool equal = smap_equal(&visible, options);
    smap_destroy(&visible);
    return equal;
}
