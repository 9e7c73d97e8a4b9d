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
#include "vnetenc/main/ovsdb.h"
#include <stdlib.h>
#include <string.h>
#include "dirs.h"
#include "openvswitch/dynamic-string.h"
#include "openvswitch/vlog.h"
#include "ovsdb-idl.h"
#include "packets.h"
#include "smap.h"
#include "timeval.h"
#include "util.h"
#include "vnetenc/bridge/marks.h"
#include "vnetenc/main/status.h"
#include "vnetenc/trust/alarms.h"
#include "vnetenc/trust/configuration.h"
#include "vnetenc/trust/cred.h"
#include "vnetenc/trust/failures.h"
#include "vnetenc/trust/peer.h"
#include "vnetenc/trust/profile.h"
#include "vswitch-idl.h"

VLOG_DEFINE_THIS_MODULE(vnetenc_ovsdb);

/* Reading. */

static void
read_peers(const struct ovsdb_idl *idl, struct vnetenc_config *config)
{
    const struct ovsrec_vnetenc_peer *row;
    size_t allocated = 0;

    OVSREC_VNETENC_PEER_FOR_EACH (row, idl) {
        struct vnetenc_config_peer *peer;
        struct in6_addr remote;

        if (!vnetenc_config_address_parse(row->remote_ip, &remote)) {
            continue;           /* write_peers() reports it. */
        }
        if (config->n_peers >= allocated) {
            config->peers = x2nrealloc(config->peers, &allocated,
                                       sizeof *config->peers);
        }
        peer = &config->peers[config->n_peers++];
        memset(peer, 0, sizeof *peer);
        peer->remote = remote;
        peer->name = nullable_xstrdup(row->name);
        vnetenc_config_peer_set_mtu(peer, smap_get(&row->other_config, "mtu"));
        vnetenc_config_peer_set_split(peer, smap_get(&row->other_config,
                                                     "split"));
        vnetenc_config_peer_set_pins(peer, row->fingerprints,
                                     row->n_fingerprints);
        vnetenc_config_peer_set_profiles(peer, row->profiles,
                                         row->n_profiles);
    }
    vnetenc_config_merge_peers(config);
}

static void
read_profile(const struct ovsrec_vnetenc_profile *row,
             struct vnetenc_config_profile *profile)
{
    vnetenc_config_profile_init(profile, row->id);
    profile->has_row = true;
    profile->ciphers = nullable_xstrdup(row->ciphers);
    profile->certificate = nullable_xstrdup(row->certificate);
    profile->private_key = nullable_xstrdup(row->private_key);
    profile->ca_cert = nullable_xstrdup(row->ca_cert);
    profile->crl = nullable_xstrdup(row->crl);
    vnetenc_config_profile_take(profile, &profile->certificates,
                                "certificates", row->certificates,
                                row->n_certificates);
    vnetenc_config_profile_take(profile, &profile->revoked, "revoked",
                                row->revoked, row->n_revoked);
    if (row->n_strength) {
        profile->strength = row->strength[0];
    }
    if (row->n_lanes) {
        profile->n_lanes = row->lanes[0];
    }
    if (row->n_rekey_records) {
        profile->rekey_records = row->rekey_records[0];
    }
    if (row->n_rekey_bytes) {
        profile->rekey_bytes = row->rekey_bytes[0];
    }
    if (row->n_rekey_interval) {
        profile->rekey_s = row->rekey_interval[0];
    }
}

static void
read_vnis(const struct ovsrec_vnetenc_profile *row,
          struct vnetenc_config *config)
{
    config->vnis = xrealloc(config->vnis,
                            (config->n_vnis + row->n_tunnel_keys)
                            * sizeof *config->vnis);
    for (size_t i = 0; i < row->n_tunnel_keys; i++) {
        config->vnis[config->n_vnis++] = (struct vnetenc_vni) {
            .vni = row->tunnel_keys[i],
            .profile = row->id,
        };
    }
}

static void
read_profiles(const struct ovsdb_idl *idl, struct vnetenc_config *config)
{
    const struct ovsrec_vnetenc_profile *row;
    size_t allocated = 0;

    OVSREC_VNETENC_PROFILE_FOR_EACH (row, idl) {
        if (config->n_profiles >= allocated) {
            config->profiles = x2nrealloc(config->profiles, &allocated,
                                          sizeof *config->profiles);
        }
        read_profile(row, &config->profiles[config->n_profiles++]);
        read_vnis(row, config);
    }
}

/* Adds 'iface' to the '*n' marks of '*marks', if it is a tunnel port that may
 * be encrypted. */
static void
read_mark(const struct ovsrec_interface *iface, struct vnetenc_mark **marks,
          size_t *n, size_t *allocated)
{
    const char *mark = smap_get(&iface->options, "egress_pkt_mark");
    const char *remote_ip = smap_get(&iface->options, "remote_ip");
    struct in6_addr remote = in6addr_any;

    if (!remote_ip
        || (strcmp(iface->type, "geneve") && strcmp(iface->type, "vxlan"))
        || (strcmp(remote_ip, "flow")
            && !vnetenc_config_address_parse(remote_ip, &remote))) {
        return;
    }
    if (*n >= *allocated) {
        *marks = x2nrealloc(*marks, allocated, sizeof **marks);
    }
    (*marks)[(*n)++] = (struct vnetenc_mark) {
        .remote = remote,
        /* As the tunnel port reads it. */
        .mark = mark ? strtoul(mark, NULL, 10) : 0,
    };
}

/* Returns true if there is a row for the peer at 'remote', or for any peer if
 * that is unspecified. */
static bool
has_peer(const struct ovsdb_idl *idl, const struct in6_addr *remote)
{
    const struct ovsrec_vnetenc_peer *row;

    OVSREC_VNETENC_PEER_FOR_EACH (row, idl) {
        struct in6_addr address;

        if (vnetenc_config_address_parse(row->remote_ip, &address)
            && (!ipv6_addr_is_set(remote)
                || ipv6_addr_equals(&address, remote))) {
            return true;
        }
    }
    return false;
}

void
vnetenc_ovsdb_read_marks(const struct ovsdb_idl *idl)
{
    static struct vlog_rate_limit rl = VLOG_RATE_LIMIT_INIT(1, 1);
    const struct ovsrec_interface *iface;
    const struct in6_addr *ambiguous;
    struct vnetenc_mark *marks = NULL;
    size_t n = 0, allocated = 0;

    OVSREC_INTERFACE_FOR_EACH (iface, idl) {
        read_mark(iface, &marks, &n, &allocated);
    }
    ambiguous = vnetenc_marks_set(marks, n);
    if (ambiguous && has_peer(idl, ambiguous)) {
        struct ds s = DS_EMPTY_INITIALIZER;

        ipv6_format_mapped(ambiguous, &s);
        VLOG_WARN_RL(&rl, "tunnel ports to %s have different values of "
                     "options:egress_pkt_mark, or only some have one: "
                     "handshakes take the lowest, %"PRIu32, ds_cstr(&s),
                     vnetenc_marks_find(ambiguous));
        ds_destroy(&s);
    }
    free(marks);
}

/* Returns whether VNIs that no profile lists are dropped.  A bad value changes
 * nothing; if it is the first one, they are. */
static bool
read_unlisted(const struct ovsrec_open_vswitch *cfg)
{
    static struct vlog_rate_limit rl = VLOG_RATE_LIMIT_INIT(1, 1);
    const char *s = smap_get(&cfg->other_config, "vnetenc-unlisted");
    static bool drop = true;

    if (!vnetenc_config_unlisted_parse(s, &drop)) {
        VLOG_WARN_RL(&rl, "other_config:vnetenc-unlisted: \"%s\" is neither "
                     "\"pass\" nor \"drop\"; \"%s\" stays in force", s,
                     drop ? "drop" : "pass");
    }
    return drop;
}

struct vnetenc_config *
vnetenc_ovsdb_read(const struct ovsdb_idl *idl,
                   const struct ovsrec_open_vswitch *cfg)
{
    struct vnetenc_config *config = xzalloc(sizeof *config);
    const char *directory = smap_get(&cfg->other_config, "vnetenc-directory");

    config->directory = (directory ? xstrdup(directory)
                         : xasprintf("%s/vnetenc", ovs_dbdir()));
    read_peers(idl, config);
    read_profiles(idl, config);
    config->drop_unlisted = read_unlisted(cfg);
    return config;
}

/* Writing. */

static void
write_statistics(const struct ovsrec_vnetenc_peer *row,
                 const struct vnetenc_peer_status *status)
{
    const char *keys[VNETENC_N_PEER_COUNTERS];
    int64_t values[VNETENC_N_PEER_COUNTERS];

    for (size_t i = 0; i < VNETENC_N_PEER_COUNTERS; i++) {
        keys[i] = vnetenc_peer_counter_names[i];
        values[i] = status->counters[i];
    }
    ovsrec_vnetenc_peer_set_statistics(row, keys, values, ARRAY_SIZE(keys));
}

static void
write_peer(const struct ovsrec_vnetenc_peer *row,
           const struct vnetenc_peer_status *status)
{
    const struct vnetenc_peer *peer = status->peer;
    const char *alarms[VNETENC_N_ALARMS];
    size_t n_alarms;

    ovsrec_vnetenc_peer_set_state(row, status->state);
    ovsrec_vnetenc_peer_set_peer_fingerprint(
        row, peer->fingerprint[0] ? peer->fingerprint : NULL);
    ovsrec_vnetenc_peer_set_cipher(row, peer->suite);
    ovsrec_vnetenc_peer_set_last_error(row, vnetenc_peer_error(peer));
    n_alarms = vnetenc_alarms_names(&peer->watch.alarms, alarms);
    ovsrec_vnetenc_peer_set_alarms(row, alarms, n_alarms);
    write_statistics(row, status);
}

static void
write_peers(struct ovsdb_idl *idl)
{
    const struct ovsrec_vnetenc_peer *row;
    struct vnetenc_status status;

    vnetenc_status_init(&status, time_msec());
    OVSREC_VNETENC_PEER_FOR_EACH (row, idl) {
        const struct vnetenc_peer_status *peer;
        struct in6_addr remote;

        if (!vnetenc_config_address_parse(row->remote_ip, &remote)) {
            char *error = vnetenc_failure_text(
                VNETENC_FAILURE_bad_value, "remote_ip: \"%s\" is not an IPv4 "
                "or IPv6 address", row->remote_ip);

            ovsrec_vnetenc_peer_set_last_error(row, error);
            free(error);
            continue;
        }
        peer = vnetenc_status_find_peer(&status, &remote);
        if (peer) {
            write_peer(row, peer);
        }
    }
    vnetenc_status_uninit(&status);
}

static void
write_fingerprints(const struct ovsrec_vnetenc_profile *row,
                   const struct vnetenc_profile *profile)
{
    uint8_t f[VNETENC_OWN_FINGERPRINTS][VNETENC_FINGERPRINT_BYTES];
    char texts[VNETENC_OWN_FINGERPRINTS][VNETENC_FINGERPRINT_TEXT_BYTES];
    const char *values[VNETENC_OWN_FINGERPRINTS];
    size_t n = vnetenc_profile_fingerprints(profile, f);

    for (size_t i = 0; i < n; i++) {
        vnetenc_cert_fingerprint_format(f[i], texts[i]);
        values[i] = texts[i];
    }
    ovsrec_vnetenc_profile_set_fingerprints(row, values, n);
}

static void
write_usable(const struct ovsrec_vnetenc_profile *row,
             const struct vnetenc_profile *profile)
{
    struct smap usable = SMAP_INITIALIZER(&usable);

    if (profile->cred) {
        vnetenc_cred_usable(profile->cred, time_wall(), &usable);
    }
    ovsrec_vnetenc_profile_set_usable(row, &usable);
    smap_destroy(&usable);
}

static void
write_profile(const struct ovsrec_vnetenc_profile *row)
{
    const struct vnetenc_profile *profile = vnetenc_profile_peek(row->id);
    const char *alarms[VNETENC_N_ALARMS];
    size_t n_alarms;

    if (!profile) {
        return;                 /* Not yet in force. */
    }
    n_alarms = vnetenc_alarms_names(&profile->alarms, alarms);
    ovsrec_vnetenc_profile_set_alarms(row, alarms, n_alarms);
    if (profile->cred) {
        char text[VNETENC_FINGERPRINT_TEXT_BYTES];

        vnetenc_cert_fingerprint_format(
            vnetenc_cred_fingerprint(profile->cred), text);
        ovsrec_vnetenc_profile_set_fingerprint(row, text);
        write_fingerprints(row, profile);
        ovsrec_vnetenc_profile_set_not_after(
            row, vnetenc_cred_not_after(profile->cred));
    } else {
        ovsrec_vnetenc_profile_set_fingerprint(row, NULL);
        ovsrec_vnetenc_profile_set_fingerprints(row, NULL, 0);
        ovsrec_vnetenc_profile_set_not_after(row, NULL);
    }
    write_usable(row, profile);
    ovsrec_vnetenc_profile_set_error(row, vnetenc_profile_error(profile));
    ovsrec_vnetenc_profile_set_warning(row, profile->warning);
}

void
vnetenc_ovsdb_write(struct ovsdb_idl *idl)
{
    const struct ovsrec_vnetenc_profile *row;

    write_peers(idl);
    OVSREC_VNETENC_PROFILE_FOR_EACH (row, idl) {
        write_profile(row);
    }
}

void
vnetenc_ovsdb_init(struct ovsdb_idl *idl)
{
    const struct ovsdb_idl_column *const status[] = {
        &ovsrec_vnetenc_peer_col_state,
        &ovsrec_vnetenc_peer_col_peer_fingerprint,
        &ovsrec_vnetenc_peer_col_cipher,
        &ovsrec_vnetenc_peer_col_last_error,
        &ovsrec_vnetenc_peer_col_alarms,
        &ovsrec_vnetenc_peer_col_statistics,
        &ovsrec_vnetenc_profile_col_fingerprint,
        &ovsrec_vnetenc_profile_col_fingerprints,
        &ovsrec_vnetenc_profile_col_not_after,
        &ovsrec_vnetenc_profile_col_usable,
        &ovsrec_vnetenc_profile_col_error,
        &ovsrec_vnetenc_profile_col_warning,
        &ovsrec_vnetenc_profile_col_alarms,
    };

    for (size_t i = 0; i < ARRAY_SIZE(status); i++) {
        ovsdb_idl_omit_alert(idl, status[i]);
    }
}
