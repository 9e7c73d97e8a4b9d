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

#ifndef OVN_VNETENC_REPORT_H
#define OVN_VNETENC_REPORT_H 1

/* This chassis reports what is in force
 * =====================================
 *
 * The column 'encryption' of this chassis' own row of Chassis_Private says
 * which modes are in force here and which sessions have alarms.  ovn-northd
 * makes the status of logical switches from it.
 *
 * A mode is reported once it has settled (ovn-vnetenc-modes.h) and Open
 * vSwitch has acknowledged its flows.  Alarms are reported after a random
 * delay of up to OVN_VNETENC_REPORT_DELAY_MS, so that a host that dies in a
 * large cluster does not make all others write at once.  The state of
 * credentials, which follows from this host alone, is reported at once.  A
 * southbound database without the column gets no report.
 *
 * Thread-safety: main thread only. */

struct ovsdb_idl;
struct ovsdb_idl_txn;
struct sbrec_chassis_private;

enum {
    OVN_VNETENC_REPORT_DELAY_MS = 10000,
    OVN_VNETENC_REPORT_MAX_ALARMS = 16,     /* The others are only counted. */
};

/* Writes the report of 'chassis', this chassis' own row or NULL, if it has
 * changed.  'sb_txn' is NULL while the southbound database cannot be written.
 * Call in each round of the main loop, after the flows were sent. */
void ovn_vnetenc_report_run(const struct ovsdb_idl *ovs_idl,
                            struct ovsdb_idl *sb_idl,
                            const struct ovsdb_idl_txn *sb_txn,
                            const struct sbrec_chassis_private *chassis);

/* Frees all memory.  Call at exit. */
void ovn_vnetenc_report_destroy(void);

#endif /* controller/ovn-vnetenc-report.h */
