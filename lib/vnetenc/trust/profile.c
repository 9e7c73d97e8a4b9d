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
#include "vnetenc/trust/profile.h"
#include <limits.h>
#include <string.h>
#include "connectivity.h"
#include "openvswitch/vlog.h"
#include "seq.h"
#include "timeval.h"
#include "util.h"
#include "vnetenc/base/limits.h"
#include "vnetenc/trust/cred.h"
#include "vnetenc/trust/file.h"
#include "vnetenc/trust/find.h"
#include "vnetenc/trust/next-key.h"

VLOG_DEFINE_THIS_MODULE(vnetenc_profile);

enum { N_FILES = 4 };

/* The only profile that needs no row.  If others existed without a row, a peer
 * could ask for one that nobody configured, and so evade the CA and the CRL of
 * the configured ones. */
enum { DEFAULT_PROFILE = 0 };

struct entry {
    struct vnetenc_profile profile;
    struct vnetenc_config_profile asked;    /* Copy of the row. */
    struct vnetenc_file_state files[N_FILES];   /* When last read. */
    unsigned int generation;                /* Of trust/find.h, likewise. */
    long long int show_new_at;              /* LLONG_MAX: nothing newer. */
};

static struct entry *entries[VNETENC_N_PROFILES];
static char *directory;

/* The host's own key was replaced, and nobody was told yet. */
static bool own_key_changed;

/* The newest serial number of all profiles.  It is common to them, so that a
 * profile that is deleted and made anew has other credentials than before. */
static unsigned int last_serial;

static void
file_states_get(const struct vnetenc_config_profile *config,
                struct vnetenc_file_state states[N_FILES])
{
    const char *names[N_FILES] = {
        config->certificate, config->private_key, config->ca_cert, config->crl
    };

    for (int i = 0; i < N_FILES; i++) {
        vnetenc_file_state_get(names[i], &states[i]);
    }
}

/* Returns NULL if 'cred' may take the place of 'old', which may be NULL,
 * otherwise the reason, to be freed by the caller. */
static char *
check_change(const struct vnetenc_cred *old, const struct vnetenc_cred *cred)
{
    char *error = vnetenc_cred_check_dates(cred, time_wall());
    char *old_error;

    if (!error) {
        return NULL;
    }
    old_error = old ? vnetenc_cred_check_dates(old, time_wall()) : NULL;
    if (!old || old_error) {
        /* There is nothing better.  CA and CRL must not wait for a valid
         * certificate, and the clock may be wrong. */
        free(error);
        error = NULL;
    }
    free(old_error);
    return error;
}

/* Makes 'error' that of the newest change and takes ownership of it. */
static void
set_error(struct vnetenc_profile *profile, char *error)
{
    if (nullable_string_is_equal(error, profile->error)) {
        free(error);            /* Already logged. */
        return;
    }
    if (error) {
        VLOG_WARN("profile %"PRIu8": %s%s", profile->config.id, error,
                  profile->cred ? "; the former credentials stay in force"
                                : "");
    }
    free(profile->error);
    profile->error = error;
    seq_change(connectivity_seq_get());
}

/* Compares the dates of the certificate in force with the clock. */
static void
check_dates(struct vnetenc_profile *profile)
{
    char *error = (profile->cred
                   ? vnetenc_cred_check_dates(profile->cred, time_wall())
                   : NULL);

    if (nullable_string_is_equal(error, profile->date_error)) {
        free(error);
        return;
    }
    if (error) {
        VLOG_WARN("profile %"PRIu8": %s", profile->config.id, error);
    }
    free(profile->date_error);
    profile->date_error = error;
    seq_change(connectivity_seq_get());
}

/* Says what will soon expire: 30, 7 and 1 days before. */
static void
check_warning(struct vnetenc_profile *profile)
{
    char *warning = (profile->cred
                     ? vnetenc_cred_warning(profile->cred, time_wall())
                     : NULL);

    if (nullable_string_is_equal(warning, profile->warning)) {
        free(warning);
        return;
    }
    if (warning) {
        VLOG_WARN("profile %"PRIu8": %s", profile->config.id, warning);
    }
    free(profile->warning);
    profile->warning = warning;
    seq_change(connectivity_seq_get());
}

/* Returns our own certificate in force, if it may go on for a while beside a
 * newer one, or NULL. */
static const uint8_t *
to_keep(const struct entry *entry)
{
    const struct vnetenc_profile *profile = &entry->profile;

    return (profile->cred && profile->config.certificates.n
            && time_msec() < entry->show_new_at
            ? vnetenc_cred_fingerprint(profile->cred) : NULL);
}

/* Loads the credentials of 'entry->asked', if 'own' only if that gives another
 * certificate of our own.  Returns true if they took effect. */
static bool
load__(struct entry *entry, bool own)
{
    const struct vnetenc_config_profile *asked = &entry->asked;
    const struct vnetenc_cred_config config = {
        .profile = asked->id,
        .directory = directory,
        .certificate = asked->certificate,
        .private_key = asked->private_key,
        .ca_cert = asked->ca_cert,
        .crl = asked->crl,
        .ciphers = asked->ciphers,
        .strength = asked->strength,
        .certificates = asked->certificates,
        .revoked = asked->revoked,
        .keep = to_keep(entry),
    };
    struct vnetenc_profile *profile = &entry->profile;
    struct vnetenc_cred *cred = NULL;
    char *error;

    file_states_get(asked, entry->files);
    entry->generation = vnetenc_find_generation();
    error = nullable_xstrdup(asked->error);
    if (!error) {
        error = vnetenc_cred_load(&config, &cred);
    }
    if (!error) {
        error = check_change(profile->cred, cred);
    }
    if (error) {
        set_error(profile, error);
        vnetenc_cred_unref(cred);
        return false;
    }
    set_error(profile, NULL);
    if (own && vnetenc_cred_is_same_own(profile->cred, cred)) {
        vnetenc_cred_unref(cred);
        return false;
    }
    profile->serial = ++last_serial;
    if (!profile->cred || !vnetenc_cred_is_same_own(profile->cred, cred)) {
        profile->own_serial = last_serial;
    }
    vnetenc_cred_unref(profile->cred);
    profile->cred = cred;
    if (!vnetenc_cred_has_newer(cred)) {
        entry->show_new_at = LLONG_MAX;
    } else if (entry->show_new_at == LLONG_MAX) {
        entry->show_new_at = time_msec() + VNETENC_SHOW_NEW_MS;
    }
    vnetenc_config_profile_uninit(&profile->config);
    vnetenc_config_profile_copy(&profile->config, asked);
    check_dates(profile);
    check_warning(profile);
    seq_change(connectivity_seq_get());
    return true;
}

static bool
load(struct entry *entry)
{
    return load__(entry, false);
}

static struct entry *
entry_create(uint8_t id)
{
    struct entry *entry = xzalloc(sizeof *entry);

    entry->show_new_at = LLONG_MAX;
    vnetenc_config_profile_init(&entry->asked, id);
    vnetenc_config_profile_init(&entry->profile.config, id);
    entries[id] = entry;
    return entry;
}

static void
entry_destroy(struct entry *entry)
{
    vnetenc_cred_unref(entry->profile.cred);
    vnetenc_config_profile_uninit(&entry->profile.config);
    vnetenc_config_profile_uninit(&entry->asked);
    free(entry->profile.error);
    free(entry->profile.date_error);
    free(entry->profile.warning);
    free(entry);
}

/* Adds the fingerprints of 'more' that 'set' does not have. */
static void
add_fingerprints(struct vnetenc_config_fingerprints *set,
                 const struct vnetenc_config_fingerprints *more)
{
    set->f = xrealloc(set->f, (set->n + more->n + 1) * sizeof *set->f);
    for (size_t i = 0; i < more->n; i++) {
        if (!vnetenc_config_fingerprints_have(set, more->f[i])) {
            memcpy(set->f[set->n++], more->f[i], sizeof *set->f);
        }
    }
}

/* Revokes what the row says, even if nothing else of the row can be loaded.
 * Then what was revoked before is so still: a fingerprint that cannot be read
 * may be one of these.  Returns true if the credentials in force have
 * changed. */
static bool
take_revoked(struct entry *entry)
{
    struct vnetenc_profile *profile = &entry->profile;
    struct vnetenc_config_fingerprints revoked;
    bool changed = false;

    if (!profile->cred || !profile->error) {
        return false;
    }
    vnetenc_config_fingerprints_copy(&revoked,
                                     vnetenc_cred_revoked(profile->cred));
    add_fingerprints(&revoked, &entry->asked.revoked);
    if (revoked.n != vnetenc_cred_revoked(profile->cred)->n) {
        vnetenc_cred_set_revoked(profile->cred, &revoked);
        profile->serial = ++last_serial;
        changed = true;
    }
    free(revoked.f);
    return changed;
}

/* Takes the numbers of the row, which the schema keeps in range and which need
 * no loading. */
static void
take_numbers(struct entry *entry)
{
    struct vnetenc_config_profile *dst = &entry->profile.config;
    const struct vnetenc_config_profile *src = &entry->asked;

    dst->has_row = src->has_row;
    dst->n_lanes = src->n_lanes;
    dst->rekey_records = src->rekey_records;
    dst->rekey_bytes = src->rekey_bytes;
    dst->rekey_s = src->rekey_s;
}

/* Returns true if the files that trust/find.h finds matter to the profile. */
static bool
needs_found(const struct vnetenc_config_profile *config)
{
    return config->certificates.n || config->revoked.n;
}

static bool
configure_one(const struct vnetenc_config_profile *config)
{
    struct entry *entry = entries[config->id];
    bool other = !entry;

    if (!entry) {
        entry = entry_create(config->id);
    } else {
        other = !vnetenc_config_profile_same_cred(&entry->asked, config);
        vnetenc_config_profile_uninit(&entry->asked);
    }
    vnetenc_config_profile_copy(&entry->asked, config);
    other = other && load(entry);
    other |= take_revoked(entry);
    take_numbers(entry);
    return other;
}

bool
vnetenc_profiles_configure(const struct vnetenc_config *config)
{
    bool seen[VNETENC_N_PROFILES] = { false };
    bool any = false;

    if (!directory) {
        directory = xstrdup(config->directory);
        vnetenc_next_key_run(directory);
    }
    for (size_t i = 0; i < config->n_profiles; i++) {
        if (needs_found(&config->profiles[i])) {
            vnetenc_find_run(directory);
            break;
        }
    }
    for (size_t i = 0; i < config->n_profiles; i++) {
        const struct vnetenc_config_profile *p = &config->profiles[i];

        seen[p->id] = true;
        any |= configure_one(p);
    }
    for (int id = 0; id < VNETENC_N_PROFILES; id++) {
        if (entries[id] && !seen[id] && entries[id]->asked.has_row) {
            entry_destroy(entries[id]);
            entries[id] = NULL;
            any = true;
        }
    }
    return any;
}

/* Returns true if what is found by content has changed, or may be shown
 * now. */
static bool
is_stale(const struct entry *entry)
{
    return (entry->generation != vnetenc_find_generation()
            || time_msec() >= entry->show_new_at);
}

bool
vnetenc_profiles_refresh(void)
{
    bool any = own_key_changed;

    own_key_changed = false;
    if (directory) {
        vnetenc_find_run(directory);
        if (vnetenc_next_key_run(directory)) {
            seq_change(connectivity_seq_get());
        }
    }
    for (int id = 0; id < VNETENC_N_PROFILES; id++) {
        struct entry *entry = entries[id];
        struct vnetenc_file_state now[N_FILES];

        if (!entry) {
            continue;
        }
        file_states_get(&entry->asked, now);
        if (memcmp(now, entry->files, sizeof now)) {
            VLOG_INFO("profile %d: credential files changed", id);
            any |= load(entry);
        } else if (needs_found(&entry->asked) && is_stale(entry)) {
            any |= load(entry);
        } else if (entry->profile.error) {
            /* A load that failed before may succeed now, for example because a
             * file has become readable. */
            any |= load(entry);
        } else if (entry->asked.certificates.n && entry->profile.date_error) {
            /* Another certificate may be valid. */
            any |= load__(entry, true);
        }
        check_dates(&entry->profile);
        check_warning(&entry->profile);
    }
    return any;
}

const uint8_t *
vnetenc_profiles_own_fingerprint(void)
{
    for (int id = 0; id < VNETENC_N_PROFILES; id++) {
        const struct vnetenc_cred *cred = (entries[id]
                                           ? entries[id]->profile.cred : NULL);

        if (cred && vnetenc_cred_is_self_made(cred)) {
            return vnetenc_cred_fingerprint(cred);
        }
    }
    return NULL;
}

char *
vnetenc_profiles_use_next_key(long long int now)
{
    char *error;

    if (!directory) {
        return xstrdup("there is no configuration yet");
    }
    error = vnetenc_next_key_use(directory, vnetenc_profiles_own_fingerprint(),
                                 now);
    if (error) {
        return error;
    }
    for (int id = 0; id < VNETENC_N_PROFILES; id++) {
        struct entry *entry = entries[id];

        if (entry && entry->profile.cred
            && vnetenc_cred_is_self_made(entry->profile.cred)) {
            own_key_changed |= load(entry);
        }
    }
    seq_change(connectivity_seq_get());
    return NULL;
}

char *
vnetenc_profiles_make_next_key(void)
{
    char *error = (directory ? vnetenc_next_key_make(directory)
                   : xstrdup("there is no configuration yet"));

    seq_change(connectivity_seq_get());
    return error;
}

char *
vnetenc_profiles_drop_next_key(void)
{
    char *error = (directory ? vnetenc_next_key_drop(directory)
                   : xstrdup("there is no configuration yet"));

    seq_change(connectivity_seq_get());
    return error;
}

static bool
watch(struct vnetenc_profile *profile, long long int now)
{
    char *whose = xasprintf("profile %"PRIu8, profile->config.id);
    uint32_t causes = 0;
    bool changed;

    if (!profile->cred) {
        causes |= VNETENC_ALARM_BIT(no_credential);
    } else if (profile->date_error) {
        causes |= VNETENC_ALARM_BIT(expired);
    } else if (vnetenc_cred_expires_soon(profile->cred, time_wall())) {
        causes |= VNETENC_ALARM_BIT(expiring);
    }
    changed = vnetenc_alarms_update(&profile->alarms, causes, whose,
                                    vnetenc_profile_error(profile), now);
    free(whose);
    return changed;
}

bool
vnetenc_profiles_watch(long long int now)
{
    bool changed = false;

    for (int id = 0; id < VNETENC_N_PROFILES; id++) {
        if (entries[id]) {
            changed |= watch(&entries[id]->profile, now);
        }
    }
    return changed;
}

void
vnetenc_profiles_destroy(void)
{
    for (int id = 0; id < VNETENC_N_PROFILES; id++) {
        if (entries[id]) {
            entry_destroy(entries[id]);
            entries[id] = NULL;
        }
    }
    vnetenc_find_end();
    vnetenc_next_key_end();
    own_key_changed = false;
    free(directory);
    directory = NULL;
}

const char *
vnetenc_profile_error(const struct vnetenc_profile *profile)
{
    return profile->error ? profile->error : profile->date_error;
}

size_t
vnetenc_profile_fingerprints(
    const struct vnetenc_profile *profile,
    uint8_t f[VNETENC_OWN_FINGERPRINTS][VNETENC_FINGERPRINT_BYTES])
{
    const uint8_t *all[VNETENC_OWN_FINGERPRINTS] = { NULL };
    size_t n = 0;

    if (profile->cred) {
        all[0] = vnetenc_cred_fingerprint(profile->cred);
        if (vnetenc_cred_is_self_made(profile->cred)) {
            all[1] = vnetenc_next_key_fingerprint();
            all[2] = vnetenc_next_key_former();
        }
    }
    for (size_t i = 0; i < ARRAY_SIZE(all); i++) {
        if (all[i]) {
            memcpy(f[n++], all[i], VNETENC_FINGERPRINT_BYTES);
        }
    }
    return n;
}

const struct vnetenc_profile *
vnetenc_profile_get(uint8_t id)
{
    static struct vnetenc_profile none;

    if (!entries[id] && id == DEFAULT_PROFILE) {
        load(entry_create(id));
    }
    if (!entries[id]) {
        vnetenc_config_profile_init(&none.config, id);
        return &none;
    }
    return &entries[id]->profile;
}

const struct vnetenc_profile *
vnetenc_profile_peek(uint8_t id)
{
    return entries[id] ? &entries[id]->profile : NULL;
}
