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

#ifndef VNETENC_ALARMS_H
#define VNETENC_ALARMS_H 1

/* Alarms
 * ======
 *
 * An alarm is a state of a peer or a profile that somebody should look at.  It
 * rises with its first cause, and is cleared after VNETENC_ALARM_MS without a
 * cause, so that it changes at most twice in that time however often its cause
 * comes and goes.  Each rise and each end is one line of the log, but beyond
 * VNETENC_ALARM_LINES lines in a minute one line has the numbers of the rest.
 *
 * The database, `vnetenc/show' and the log use the names of this list, and so
 * may programs.  REFERENCE.md has a row for each name.
 *
 * Thread-safety: under vnetenc_control_mutex. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* NAME, meaning. */
#define VNETENC_ALARMS                                                      \
    /* Of a peer. */                                                        \
    VNETENC_ALARM(down, "packets want a session, and there is none")        \
    VNETENC_ALARM(fallback, "packets left in clear")                        \
    VNETENC_ALARM(refused, "this host or the peer refused a certificate")   \
    VNETENC_ALARM(forged, "many forged records arrive in its sessions")     \
    /* Of a profile. */                                                     \
    VNETENC_ALARM(expiring, "the certificate will soon expire")             \
    VNETENC_ALARM(expired, "the certificate is not valid now")              \
    VNETENC_ALARM(no_credential, "there is no usable certificate")

enum vnetenc_alarm {
#define VNETENC_ALARM(NAME, MEANING) VNETENC_ALARM_##NAME,
    VNETENC_ALARMS
#undef VNETENC_ALARM
    VNETENC_N_ALARMS
};

/* A set of alarms, or of their causes. */
#define VNETENC_ALARM_BIT(NAME) (UINT32_C(1) << VNETENC_ALARM_##NAME)

/* The alarms of one peer or profile.  All zeros: none has risen. */
struct vnetenc_alarms {
    uint32_t raised;            /* Set of VNETENC_ALARM_BIT(). */
    long long int caused_at[VNETENC_N_ALARMS];  /* Newest cause. */
};

/* Applies the set of 'causes' that hold at 'now', in monotonic ms, and logs
 * what rises and what is cleared.  'whose' names the peer or profile, and
 * 'detail', which may be NULL, says more about the causes.  Returns true if an
 * alarm has risen or was cleared. */
bool vnetenc_alarms_update(struct vnetenc_alarms *, uint32_t causes,
                           const char *whose, const char *detail,
                           long long int now);

/* Clears all alarms, because what they belong to is removed. */
void vnetenc_alarms_end(struct vnetenc_alarms *, const char *whose,
                        long long int now);

/* Logs the numbers of alarms that had no line of their own, if that is due. */
void vnetenc_alarms_run(long long int now);

/* Stores the names of the alarms in 'alarms' that have risen in 'names', and
 * returns their number. */
size_t vnetenc_alarms_names(const struct vnetenc_alarms *,
                            const char *names[VNETENC_N_ALARMS]);

#endif /* vnetenc/trust/alarms.h */
