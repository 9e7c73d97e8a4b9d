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
#include "vnetenc/vnetenc.h"

#include "netlink-socket.h"
#include "odp-netlink.h"
#include "openvswitch/vlog.h"
#include "smap.h"
#include "vnetenc/bridge/inbox.h"
#include "vnetenc/control/control.h"
#include "vnetenc/crypto/aead.h"
#include "vnetenc/crypto/secret.h"
#include "vnetenc/kernel/datapath.h"
#include "vnetenc/kernel/ingress.h"
#include "vnetenc/kernel/netns.h"
#include "vnetenc/log/writer.h"

VLOG_DEFINE_THIS_MODULE(vnetenc);

void
vnetenc_init(const struct smap *other_config)
{
    static bool initialized = false;

    if (initialized) {
        return;
    }
    initialized = true;

    vnetenc_secret_no_fork();
    if (!vnetenc_secret_has_libcrypto()) {
        VLOG_WARN("core dumps will hold keys: OpenSSL was in use too early");
    }
    vnetenc_aead_init(smap_get(other_config, "vnetenc-aead"));
    vnetenc_inbox_init();
    vnetenc_tunnels_init(other_config);
    vnetenc_datapath_configure(smap_get(other_config,
                                        "vnetenc-kernel-workers"));
}

void
vnetenc_protect_secrets(void)
{
    vnetenc_secret_take_over();
}

void
vnetenc_prepare(void)
{
    int family = 0;

    if (!nl_lookup_genl_family(OVS_DATAPATH_FAMILY, &family)) {
        vnetenc_netns_open();
    }
}

void
vnetenc_run(const struct smap *other_config, struct vnetenc_config *config)
{
    vnetenc_aead_update(smap_get(other_config, "vnetenc-aead"));
    vnetenc_datapath_set_way_in(smap_get(other_config,
                                         "vnetenc-kernel-inject"));
    vnetenc_control_start();
    vnetenc_control_configure(config);
}

void
vnetenc_exit(void)
{
    /* Datapath threads may still run.  Sessions are freed after these threads
     * have quiesced; the state that vnetenc_init() made is never freed. */
    vnetenc_writer_stop();
    vnetenc_ingress_stop();
    vnetenc_datapath_stop();
    vnetenc_control_stop();
}
