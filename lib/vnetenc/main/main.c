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

/* Calls from vswitchd/bridge.c
 * ============================
 *
 * vnetenc.h has the prototypes.
 *
 * Thread-safety: main thread. */

#include <config.h>
#include <string.h>
#include "ovsdb-idl.h"
#include "smap.h"
#include "util.h"
#include "vnetenc/control/control.h"
#include "vnetenc/kernel/ingress.h"
#include "vnetenc/kernel/underlay.h"
#include "vnetenc/kernel/vport.h"
#include "vnetenc/kernel/worker.h"
#include "vnetenc/main/credentials.h"
#include "vnetenc/main/flow-log.h"
#include "vnetenc/main/next-key.h"
#include "vnetenc/main/ovsdb.h"
#include "vnetenc/main/show.h"
#include "vnetenc/main/test-keys.h"
#include "vnetenc/port.h"
#include "vnetenc/trust/configuration.h"
#include "vnetenc/vnetenc.h"
#include "vswitch-idl.h"

void
vnetenc_main_init(struct ovsdb_idl *idl)
{
    vnetenc_ovsdb_init(idl);
    vnetenc_flow_log_init(idl);
    vnetenc_show_init();
    vnetenc_credentials_init();
    vnetenc_next_key_command_init();
    vnetenc_test_keys_init();
}

/* Follows the underlay of the kernel datapath, and has workers read the DTLS
 * ports on which its records arrive. */
static void
run_kernel(void)
{
    const struct vnetenc_readers_port *ports;
    size_t n;

    vnetenc_underlay_run();
    vnetenc_underlay_wait();
    if (vnetenc_worker_n()) {
        ports = vnetenc_underlay_ports(&n);
        vnetenc_ingress_run(ports, n);
        vnetenc_ingress_wait();
    }
}

static void
set_peers(const struct vnetenc_config *config)
{
    struct in6_addr *remotes = xcalloc(config->n_peers, sizeof *remotes);

    for (size_t i = 0; i < config->n_peers; i++) {
        remotes[i] = config->peers[i].remote;
    }
    vnetenc_underlay_set_peers(remotes, config->n_peers);
    if (config->n_peers) {
        vnetenc_vport_expect();
    }
    free(remotes);
}

/* Returns the dst_port of 'row', 0 if it has none. */
static ovs_be16
dst_port_of(const struct ovsrec_interface *row)
{
    return htons(smap_get_uint(&row->options, "dst_port", 0));
}

/* Returns true if records for tunnels of 'row' can arrive. */
static bool
can_carry_records(const struct ovsrec_interface *row)
{
    return ((!strcmp(row->type, "geneve") || !strcmp(row->type, "vxlan"))
            && (!dst_port_of(row)
                || vnetenc_tunnel_dtls_port(row->type, dst_port_of(row))));
}

/* Gives up encryption if a plain tunnel has a DTLS port as its dst_port, so
 * that the plain tunnel keeps working, unless there was a tunnel port before
 * whose records arrive at a DTLS port. */
static void
give_way_to_plain_tunnels(const struct ovsdb_idl *idl)
{
    static bool in_use = false;
    const struct ovsrec_interface *row;

    if (in_use) {
        return;
    }
    OVSREC_INTERFACE_FOR_EACH (row, idl) {
        if ((!strcmp(row->type, "geneve") || !strcmp(row->type, "vxlan"))
            && vnetenc_tunnel_is_dtls(dst_port_of(row))) {
            vnetenc_tunnels_give_up(row->name, dst_port_of(row));
        }
        in_use |= can_carry_records(row);
    }
}

void
vnetenc_main_run(struct ovsdb_idl *idl, const struct ovsrec_open_vswitch *cfg)
{
    static bool started = false;
    static unsigned int seqno;
    struct vnetenc_config *config;

    run_kernel();
    if (started && seqno == ovsdb_idl_get_seqno(idl)) {
        return;
    }
    started = true;
    seqno = ovsdb_idl_get_seqno(idl);
    vnetenc_init(&cfg->other_config);
    give_way_to_plain_tunnels(idl);
    vnetenc_ovsdb_read_marks(idl);
    config = vnetenc_ovsdb_read(idl, cfg);
    set_peers(config);
    vnetenc_run(&cfg->other_config, config);
    vnetenc_flow_log_run(idl, cfg);
}

void
vnetenc_main_status(struct ovsdb_idl *idl)
{
    vnetenc_control_lock();
    vnetenc_ovsdb_write(idl);
    vnetenc_control_unlock();
    vnetenc_flow_log_write(idl);
}

void
vnetenc_main_port_status(const struct ovsrec_interface *row,
                         const struct netdev *netdev)
{
    char *error = vnetenc_port_get_error(netdev, &row->options);

    ovsrec_interface_set_error(row, error);
    free(error);
}
