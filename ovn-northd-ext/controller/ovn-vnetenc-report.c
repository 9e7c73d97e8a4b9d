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

#include "ovn-vnetenc-report.h"

#include <limits.h>

#include "lib/inc-proc-eng.h"
#include "lib/ovn-sb-idl.h"
#include "lib/ovn-vnetenc-demand.h"
#include "lib/vswitch-idl.h"
#include "openvswitch/dynamic-string.h"
#include "openvswitch/poll-loop.h"
#include "openvswitch/vlog.h"
#include "ovn/features.h"
#include "ovn-vnetenc-barrier.h"
#include "ovn-vnetenc-flows.h"
#include "ovn-vnetenc-modes.h"
#include "ovn-vnetenc-owner.h"
#include "ovn-vnetenc-rights.h"
#include "random.h"
#include "smap.h"
#include "sset.h"
#include "timeval.h"

VLOG_DEFINE_THIS_MODULE(ovn_vnetenc_report);

/* Pauses after a report that was refused.  The first are for transactions that
 * failed for another reason. */
enum {
    MIN_PAUSE_MS = 250,
    LOG_PAUSE_MS = 4000,
    MAX_PAUSE_MS = 600000,
};

/* Modes. */

static struct {
    struct smap asked;          /* Of 'generation'. */
    struct smap acked;          /* Acknowledged by Open vSwitch. */
    unsigned int generation;    /* 0: none yet. */
    bool known;                 /* 'acked' is what is in force. */
    bool waiting;               /* For the acknowledgement of 'asked'. */
    struct ovn_vnetenc_barrier barrier;
} report = {
    .asked = SMAP_INITIALIZER(&report.asked),
    .acked = SMAP_INITIALIZER(&report.acked),
};

/* Takes back what has been reported and is no longer so, without waiting for
 * an acknowledgement. */
static void
take_back(void)
{
    const struct smap_node *node;

    SMAP_FOR_EACH_SAFE (node, &report.acked) {
        if (strcmp(smap_get_def(&report.asked, node->key, ""), node->value)) {
            smap_remove_node(&report.acked,
                             CONST_CAST(struct smap_node *, node));
        }
    }
}

/* Adds the modes of datapaths that this chassis uses and that have settled.
 * Their flows were computed, but may not have been sent. */
static void
put_modes(void)
{
    const struct ovn_vnetenc_modes *modes = ovn_vnetenc_flows_modes();
    const struct ovn_vnetenc_dp *dp;

    HMAP_FOR_EACH (dp, node, &modes->dps) {
        if (dp->local && ovn_vnetenc_modes_is_settled(dp)
            && dp->demand.mode != VNETENC_OFF) {
            char key[INT_STRLEN(uint32_t) + 1];

            snprintf(key, sizeof key, "%"PRIu32, dp->key);
            smap_add(&report.asked, key,
                     (ovn_vnetenc_flows_cut_off(dp)
                      ? OVN_VNETENC_REPORT_CUT_OFF
                      : vnetenc_mode_to_string(dp->demand.mode)));
        }
    }
}

static void
follow_modes(void)
{
    if (report.waiting) {
        if (!ovn_vnetenc_barrier_passed(&report.barrier)) {
            return;
        }
        smap_destroy(&report.acked);
        smap_clone(&report.acked, &report.asked);
        report.waiting = false;
        report.known = true;
    }
    if (engine_canceled()
        || report.generation == ovn_vnetenc_flows_generation()) {
        return;
    }
    report.generation = ovn_vnetenc_flows_generation();
    smap_clear(&report.asked);
    put_modes();
    take_back();
    if (!report.known || !smap_equal(&report.asked, &report.acked)) {
        report.waiting = true;
        ovn_vnetenc_barrier_reset(&report.barrier);
        ovn_vnetenc_barrier_passed(&report.barrier);
    }
}

/* Alarms, and the state of credentials. */

static struct {
    struct smap found;          /* In the database of Open vSwitch. */
    struct smap told;           /* As reported. */
    unsigned int seqno;         /* Of that database. */
    unsigned int sb_seqno;      /* Of the southbound database. */
    long long int tell_at;      /* In ms; LLONG_MAX if 'told' is right. */
} alarms = {
    .found = SMAP_INITIALIZER(&alarms.found),
    .told = SMAP_INITIALIZER(&alarms.told),
    .tell_at = LLONG_MAX,
};

/* Adds the alarms of 'peer' to those of its chassis.  A chassis may have more
 * than one address. */
static void
put_alarms(const struct ovsrec_vnetenc_peer *peer)
{
    char *key = xasprintf(OVN_VNETENC_REPORT_ALARM "%s",
                          peer->name ? peer->name : peer->remote_ip);
    struct sset codes = SSET_INITIALIZER(&codes);

    sset_from_delimited_string(&codes, smap_get_def(&alarms.found, key, ""),
                               ",");
    sset_add_array(&codes, peer->alarms, peer->n_alarms);

    const char **array = sset_sort(&codes);
    struct ds s = DS_EMPTY_INITIALIZER;
    for (size_t i = 0; i < sset_count(&codes); i++) {
        ds_put_format(&s, "%s%s", i ? "," : "", array[i]);
    }
    smap_replace(&alarms.found, key, ds_cstr(&s));
    ds_destroy(&s);
    free(array);
    sset_destroy(&codes);
    free(key);
}

/* Leaves at most OVN_VNETENC_REPORT_MAX_ALARMS chassis in 'found', and adds
 * the number of all. */
static void
count_alarms(void)
{
    const struct smap_node **nodes = smap_sort(&alarms.found);
    size_t n = smap_count(&alarms.found);

    for (size_t i = OVN_VNETENC_REPORT_MAX_ALARMS; i < n; i++) {
        smap_remove_node(&alarms.found,
                         CONST_CAST(struct smap_node *, nodes[i]));
    }
    free(nodes);
    if (n) {
        smap_add_format(&alarms.found, OVN_VNETENC_REPORT_N_ALARMS,
                        "%"PRIuSIZE, n);
    }
}

/* Adds for which of the certificates that the row lists the host has a key, as
 * the first 8 digits of each, after "ca:" if it is a CA.  One that is listed
 * alone needs no report. */
static void
put_usable(const struct ovsrec_vnetenc_profile *row)
{
    const struct smap_node **nodes = smap_sort(&row->usable);
    size_t n = smap_count(&row->usable);
    struct ds s = DS_EMPTY_INITIALIZER;

    for (size_t i = 0; i < n; i++) {
        const char *digits = strchr(nodes[i]->key, ':');

        ds_put_format(&s, "%s%s%.8s", i ? " " : "",
                      strcmp(nodes[i]->value, "ca") ? "" : "ca:",
                      digits ? digits + 1 : "");
    }
    if (n && row->n_certificates > 1) {
        char *key = xasprintf(OVN_VNETENC_REPORT_USABLE "%"PRId64, row->id);

        smap_add(&alarms.found, key, ds_cstr(&s));
        free(key);
    }
    ds_destroy(&s);
    free(nodes);
}

/* Adds the state of the row that was made for a credential, or stands in its
 * way. */
static void
put_credential(const struct ovsrec_vnetenc_profile *row)
{
    char *key = xasprintf(OVN_VNETENC_REPORT_CREDENTIAL "%"PRId64, row->id);

    if (!ovn_vnetenc_owner_is_credential(&row->external_ids)) {
        smap_add(&alarms.found, key, "local");
    } else if (row->error) {
        smap_add_format(&alarms.found, key, "error: %s", row->error);
    } else if (row->warning) {
        smap_add_format(&alarms.found, key, "warning: %s", row->warning);
    } else {
        /* Without a fingerprint, ovs-vswitchd has not loaded it. */
        smap_add(&alarms.found, key, row->fingerprint ? "ok" : "waits");
    }
    free(key);
}

static void
find_credentials(const struct ovsdb_idl *ovs_idl, struct ovsdb_idl *sb_idl)
{
    const struct ovsrec_vnetenc_profile *row;

    if (!ovs_feature_is_supported(OVS_VNETENC_CREDENTIALS_SUPPORT)
        || !sbrec_server_has_encryption_credential_table(sb_idl)) {
        return;
    }
    smap_add(&alarms.found, OVN_VNETENC_REPORT_CREDENTIALS, "true");
    OVSREC_VNETENC_PROFILE_FOR_EACH (row, ovs_idl) {
        if (ovn_vnetenc_owner_is_credential(&row->external_ids)
            || ovn_vnetenc_rights_credential(sb_idl, row->id)) {
            put_credential(row);
            put_usable(row);
        }
    }
}

static void
find_alarms(const struct ovsdb_idl *ovs_idl, struct ovsdb_idl *sb_idl)
{
    const struct ovsrec_vnetenc_peer *peer;

    smap_clear(&alarms.found);
    OVSREC_VNETENC_PEER_FOR_EACH (peer, ovs_idl) {
        if (peer->n_alarms) {
            put_alarms(peer);
        }
    }
    count_alarms();
    find_credentials(ovs_idl, sb_idl);
}

static bool
has_prefix(const struct smap_node *node, const char *prefix)
{
    return !strncmp(node->key, prefix, strlen(prefix));
}

/* Reports the state of credentials at once, but for a row that ovs-vswitchd
 * has yet to load: that is over in a moment, or waits as alarms do. */
static void
tell_credentials(void)
{
    const struct smap_node *node;

    SMAP_FOR_EACH (node, &alarms.found) {
        if ((has_prefix(node, OVN_VNETENC_REPORT_CREDENTIAL)
             && strcmp(node->value, "waits"))
            || has_prefix(node, OVN_VNETENC_REPORT_USABLE)
            || !strcmp(node->key, OVN_VNETENC_REPORT_CREDENTIALS)) {
            smap_replace(&alarms.told, node->key, node->value);
        }
    }
}

static void
follow_alarms(const struct ovsdb_idl *ovs_idl, struct ovsdb_idl *sb_idl)
{
    if (alarms.seqno != ovsdb_idl_get_seqno(ovs_idl)
        || alarms.sb_seqno != ovsdb_idl_get_seqno(sb_idl)) {
        alarms.seqno = ovsdb_idl_get_seqno(ovs_idl);
        alarms.sb_seqno = ovsdb_idl_get_seqno(sb_idl);
        find_alarms(ovs_idl, sb_idl);
        tell_credentials();
        if (smap_equal(&alarms.found, &alarms.told)) {
            alarms.tell_at = LLONG_MAX;
        } else if (alarms.tell_at == LLONG_MAX) {
            alarms.tell_at = (time_msec()
                              + random_range(OVN_VNETENC_REPORT_DELAY_MS));
        }
    }
    if (time_msec() >= alarms.tell_at) {
        smap_destroy(&alarms.told);
        smap_clone(&alarms.told, &alarms.found);
        alarms.tell_at = LLONG_MAX;
    } else if (alarms.tell_at != LLONG_MAX) {
        poll_timer_wait_until(alarms.tell_at);
    }
}

/* The report. */

/* A southbound database whose ovn-northd is older does not let a chassis write
 * the column, and refuses all that is in the same transaction.  What is
 * refused is therefore not written again for a while, so that the rest of a
 * chassis' work suffers seldom. */
static struct {
    bool tried;                 /* Written in an earlier transaction. */
    unsigned int pause_ms;      /* Newest pause, or 0. */
    long long int next;         /* In ms; not before. */
} writing;

/* Returns true if a report that is not in the database may be written.  Call
 * only while no transaction is being committed. */
static bool
may_write(void)
{
    static struct vlog_rate_limit rl = VLOG_RATE_LIMIT_INIT(1, 1);

    if (writing.tried) {
        writing.tried = false;
        writing.pause_ms = MIN(MAX(2 * writing.pause_ms, MIN_PAUSE_MS),
                               MAX_PAUSE_MS);
        writing.next = time_msec() + writing.pause_ms;
        if (writing.pause_ms >= LOG_PAUSE_MS) {
            VLOG_WARN_RL(&rl, "the southbound database does not take the "
                         "column encryption of Chassis_Private: ovn-northd "
                         "may be older than this ovn-controller");
        }
    }
    if (time_msec() < writing.next) {
        poll_timer_wait_until(writing.next);
        return false;
    }
    writing.tried = true;
    return true;
}

static void
write_report(const struct sbrec_chassis_private *chassis)
{
    const struct smap_node *node;
    struct smap all;

    smap_clone(&all, &report.acked);
    SMAP_FOR_EACH (node, &alarms.told) {
        smap_add(&all, node->key, node->value);
    }
    if (smap_equal(&all, &chassis->encryption)) {
        writing.tried = false;
        writing.pause_ms = 0;
        writing.next = 0;
    } else if (may_write()) {
        sbrec_chassis_private_set_encryption(chassis, &all);
    }
    smap_destroy(&all);
}

void
ovn_vnetenc_report_run(const struct ovsdb_idl *ovs_idl,
                       struct ovsdb_idl *sb_idl,
                       const struct ovsdb_idl_txn *sb_txn,
                       const struct sbrec_chassis_private *chassis)
{
    follow_modes();
    follow_alarms(ovs_idl, sb_idl);
    /* Before the first acknowledgement, Open vSwitch still has the flows of
     * which a former ovn-controller has reported. */
    if (report.known && sb_txn && chassis
        && sbrec_server_has_chassis_private_table_col_encryption(sb_idl)) {
        write_report(chassis);
    }
}

void
ovn_vnetenc_report_destroy(void)
{
    smap_destroy(&report.asked);
    smap_destroy(&report.acked);
    smap_destroy(&alarms.found);
    smap_destroy(&alarms.told);
}
