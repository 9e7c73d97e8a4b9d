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
#include "vnetenc/trust/alarms.h"
#include <string.h>
#include "openvswitch/vlog.h"
#include "util.h"
#include "vnetenc/base/limits.h"

VLOG_DEFINE_THIS_MODULE(vnetenc_alarm);

static const char *const names[VNETENC_N_ALARMS] = {
#define VNETENC_ALARM(NAME, MEANING) [VNETENC_ALARM_##NAME] = #NAME,
    VNETENC_ALARMS
#undef VNETENC_ALARM
};

static const char *const meanings[VNETENC_N_ALARMS] = {
#define VNETENC_ALARM(NAME, MEANING) [VNETENC_ALARM_##NAME] = MEANING,
    VNETENC_ALARMS
#undef VNETENC_ALARM
};

/* Log. */

static struct {
    long long int until;
    unsigned int n_lines;       /* Printed. */
    unsigned int n_raised;      /* Without a line. */
    unsigned int n_cleared;     /* Likewise. */
} minute;

void
vnetenc_alarms_run(long long int now)
{
    if (now < minute.until) {
        return;
    }
    if (minute.n_raised || minute.n_cleared) {
        VLOG_WARN("within a minute, %u more alarms were raised and %u more "
                  "cleared: see vnetenc/show", minute.n_raised,
                  minute.n_cleared);
    }
    memset(&minute, 0, sizeof minute);
    minute.until = now + VNETENC_ALARM_LOG_MS;
}

/* Returns true if one more line may be printed. */
static bool
may_log(long long int now)
{
    vnetenc_alarms_run(now);
    if (minute.n_lines >= VNETENC_ALARM_LINES) {
        return false;
    }
    minute.n_lines++;
    return true;
}

static void
log_raised(enum vnetenc_alarm alarm, const char *whose, const char *detail,
           long long int now)
{
    if (may_log(now)) {
        VLOG_WARN("alarm %s: %s: %s%s%s", names[alarm], whose,
                  meanings[alarm], detail ? ": " : "", detail ? detail : "");
    } else {
        minute.n_raised++;
    }
}

static void
log_cleared(enum vnetenc_alarm alarm, const char *whose, long long int now)
{
    if (may_log(now)) {
        VLOG_INFO("alarm %s: %s: cleared", names[alarm], whose);
    } else {
        minute.n_cleared++;
    }
}

/* Alarms. */

bool
vnetenc_alarms_update(struct vnetenc_alarms *alarms, uint32_t causes,
                      const char *whose, const char *detail,
                      long long int now)
{
    bool changed = false;

    for (unsigned int i = 0; i < VNETENC_N_ALARMS; i++) {
        uint32_t bit = UINT32_C(1) << i;

        if (causes & bit) {
            alarms->caused_at[i] = now;
            if (!(alarms->raised & bit)) {
                alarms->raised |= bit;
                log_raised(i, whose, detail, now);
                changed = true;
            }
        } else if (alarms->raised & bit
                   && now >= alarms->caused_at[i] + VNETENC_ALARM_MS) {
            alarms->raised &= ~bit;
            log_cleared(i, whose, now);
            changed = true;
        }
    }
    return changed;
}

void
vnetenc_alarms_end(struct vnetenc_alarms *alarms, const char *whose,
                   long long int now)
{
    for (unsigned int i = 0; i < VNETENC_N_ALARMS; i++) {
        if (alarms->raised & (UINT32_C(1) << i)) {
            log_cleared(i, whose, now);
        }
    }
    alarms->raised = 0;
}

size_t
vnetenc_alarms_names(const struct vnetenc_alarms *alarms,
                     const char *out[VNETENC_N_ALARMS])
{
    size_t n = 0;

    for (unsigned int i = 0; i < VNETENC_N_ALARMS; i++) {
        if (alarms->raised & (UINT32_C(1) << i)) {
            out[n++] = names[i];
        }
    }
    return n;
}
