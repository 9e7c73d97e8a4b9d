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

/* Profiles: defaults without a row, changes for the better and for the worse,
 * files that change under us. */

#include <config.h>
#undef NDEBUG
#include "vnetenc/trust/profile.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "connectivity.h"
#include "openvswitch/vlog.h"
#include "seq.h"
#include "util.h"
#include "vnetenc/base/limits.h"
#include "vnetenc/trust/cred.h"
#include "vnetenc-unit.h"
#include "vnetenc-unit-pki.h"

static struct pki_id id, other;

/* One profile, as a row has it. */
static struct vnetenc_config_profile row;

static bool
configure_rows(const char *directory, size_t n_rows)
{
    const struct vnetenc_config config = {
        .directory = CONST_CAST(char *, directory),
        .profiles = &row,
        .n_profiles = n_rows,
    };

    return vnetenc_profiles_configure(&config);
}

static bool
configure(void)
{
    return configure_rows(pki_path("own"), 1);
}

static void
begin(void)
{
    pki_write(pki_path("id.pem"), 0644, NULL, id.cert, NULL);
    pki_write(pki_path("id.key"), 0600, id.key, NULL);
    pki_write(pki_path("other.pem"), 0644, NULL, other.cert, NULL);
    pki_write(pki_path("other.key"), 0600, other.key, NULL);
    vnetenc_config_profile_init(&row, 5);
    row.has_row = true;
    row.certificate = CONST_CAST(char *, pki_path("id.pem"));
    row.private_key = CONST_CAST(char *, pki_path("id.key"));
}

static void
end(void)
{
    vnetenc_profiles_destroy();
    CHECK(!vnetenc_profile_peek(5));
}

/* What is in force for 'profile' is the certificate of 'want'. */
static bool
uses(uint8_t profile, const struct pki_id *want)
{
    const struct vnetenc_cred *cred = vnetenc_profile_get(profile)->cred;
    uint8_t pin[VNETENC_FINGERPRINT_BYTES];

    pki_pin(want, pin);
    return (cred && vnetenc_cred_profile(cred) == profile
            && !memcmp(vnetenc_cred_fingerprint(cred), pin, sizeof pin));
}

static unsigned int
serial(void)
{
    return vnetenc_profile_get(5)->serial;
}

static const char *
bad(void)
{
    return vnetenc_profile_get(5)->error;
}

/* What the operator reads. */
static const char *
said(void)
{
    return vnetenc_profile_error(vnetenc_profile_get(5));
}

/* The wall clock, which runs 'wall_offset_s' beside that of the machine. */
static long int wall_offset_s;

int
clock_gettime(clockid_t clock, struct timespec *ts)
{
    int retval = syscall(SYS_clock_gettime, clock, ts);

    if (clock == CLOCK_REALTIME) {
        ts->tv_sec += wall_offset_s;
    }
    return retval;
}

/* Makes 'path' have a time of change that it never had. */
static void
touch(const char *path)
{
    static time_t when = 1000;
    const struct timespec times[2] = {
        { .tv_nsec = UTIME_OMIT }, { .tv_sec = ++when }
    };

    ovs_assert(!utimensat(AT_FDCWD, path, times, 0));
}

/* Profile 0, and no other, exists without a row. */
static void
test_defaults(void)
{
    const struct vnetenc_profile *p;
    struct vnetenc_config_profile defaults;

    begin();
    CHECK(!vnetenc_profile_peek(0));
    CHECK(!configure_rows(pki_path("own"), 0));
    CHECK(!vnetenc_profile_peek(0));

    p = vnetenc_profile_get(0);
    CHECK(p == vnetenc_profile_peek(0));
    CHECK(p == vnetenc_profile_get(0));
    CHECK(!p->error);
    CHECK(p->cred && vnetenc_cred_is_self_made(p->cred));
    CHECK(vnetenc_cred_profile(p->cred) == 0);
    vnetenc_config_profile_init(&defaults, 0);
    CHECK(p->config.id == 0 && !p->config.has_row);
    CHECK(p->config.n_lanes == defaults.n_lanes);
    CHECK(p->config.rekey_records == defaults.rekey_records);
    CHECK(p->config.rekey_bytes == defaults.rekey_bytes);
    CHECK(p->config.rekey_s == defaults.rekey_s);

    for (int i = 1; i <= UINT8_MAX; i++) {
        p = vnetenc_profile_get(i);
        CHECK(!p->cred);
        CHECK(p->config.id == i && p->config.n_lanes == 1);
        CHECK(!vnetenc_profile_peek(i));
    }
    CHECK(!vnetenc_profiles_refresh());

    /* A row that asks for nothing gets the same key. */
    row.certificate = row.private_key = NULL;
    CHECK(configure());
    CHECK(!memcmp(vnetenc_cred_fingerprint(vnetenc_profile_get(0)->cred),
                  vnetenc_cred_fingerprint(vnetenc_profile_get(5)->cred),
                  VNETENC_FINGERPRINT_BYTES));
    CHECK(vnetenc_cred_profile(vnetenc_profile_get(5)->cred) == 5);
    end();
}

static void
test_change(void)
{
    unsigned int before;

    begin();
    CHECK(configure());
    CHECK(uses(5, &id));
    CHECK(vnetenc_profile_peek(5)->config.has_row);
    CHECK(!strcmp(vnetenc_profile_peek(5)->config.certificate,
                  row.certificate));
    before = serial();

    /* No change. */
    CHECK(!configure());
    CHECK(serial() == before);

    /* Numbers are no credentials. */
    row.n_lanes = 7;
    row.rekey_records = 100;
    row.rekey_bytes = 1000;
    row.rekey_s = 60;
    CHECK(!configure());
    CHECK(serial() == before);
    CHECK(vnetenc_profile_get(5)->config.n_lanes == 7);
    CHECK(vnetenc_profile_get(5)->config.rekey_records == 100);
    CHECK(vnetenc_profile_get(5)->config.rekey_bytes == 1000);
    CHECK(vnetenc_profile_get(5)->config.rekey_s == 60);

    row.certificate = CONST_CAST(char *, pki_path("other.pem"));
    row.private_key = CONST_CAST(char *, pki_path("other.key"));
    CHECK(configure());
    CHECK(serial() != before);
    CHECK(uses(5, &other));
    before = serial();

    row.ciphers = CONST_CAST(char *, "aes128-gcm");
    CHECK(configure());
    CHECK(serial() != before);
    CHECK(!strcmp(vnetenc_cred_ciphers(vnetenc_profile_get(5)->cred),
                  "aes128-gcm"));

    /* The row goes, and with it the profile. */
    CHECK(configure_rows(pki_path("own"), 0));
    CHECK(!vnetenc_profile_peek(5));
    CHECK(!vnetenc_profile_get(5)->cred);
    CHECK(vnetenc_profile_get(5)->config.n_lanes == 1);
    CHECK(!configure_rows(pki_path("own"), 0));

    /* But for profile 0. */
    row.id = 0;
    CHECK(configure());
    CHECK(vnetenc_profile_get(0)->config.has_row);
    CHECK(!vnetenc_cred_is_self_made(vnetenc_profile_get(0)->cred));
    CHECK(configure_rows(pki_path("own"), 0));
    CHECK(!vnetenc_profile_get(0)->config.has_row);
    CHECK(vnetenc_cred_is_self_made(vnetenc_profile_get(0)->cred));
    end();
}

/* What peers see of the credentials, which is why sessions are replaced: our
 * own certificate, its chain, the ciphers.  Not what peers are judged by. */
static void
test_own(void)
{
    struct pki_id ca = pki_make(&(struct pki_spec) { .ca = true });
    unsigned int own, judged;

    begin();
    CHECK(configure());
    own = vnetenc_profile_get(5)->own_serial;
    judged = serial();

    pki_write(pki_path("ca.pem"), 0644, NULL, ca.cert, NULL);
    row.ca_cert = CONST_CAST(char *, pki_path("ca.pem"));
    CHECK(configure());
    CHECK(serial() != judged);
    judged = serial();
    touch(pki_path("id.pem"));
    CHECK(vnetenc_profiles_refresh());
    CHECK(serial() != judged);
    CHECK(vnetenc_profile_get(5)->own_serial == own);

    pki_write(pki_path("id.pem"), 0644, NULL, id.cert, ca.cert, NULL);
    touch(pki_path("id.pem"));
    CHECK(vnetenc_profiles_refresh());
    CHECK(vnetenc_profile_get(5)->own_serial != own);
    own = vnetenc_profile_get(5)->own_serial;
    pki_write(pki_path("id.pem"), 0644, NULL, id.cert, other.cert, NULL);
    touch(pki_path("id.pem"));
    CHECK(vnetenc_profiles_refresh());
    CHECK(vnetenc_profile_get(5)->own_serial != own);
    own = vnetenc_profile_get(5)->own_serial;

    row.ciphers = CONST_CAST(char *, "aes128-gcm");
    CHECK(configure());
    CHECK(vnetenc_profile_get(5)->own_serial != own);
    own = vnetenc_profile_get(5)->own_serial;
    row.certificate = CONST_CAST(char *, pki_path("other.pem"));
    row.private_key = CONST_CAST(char *, pki_path("other.key"));
    CHECK(configure());
    CHECK(vnetenc_profile_get(5)->own_serial != own);
    pki_free(&ca);
    end();
}

/* The change 'option', 'value' is refused with a text that has 'cause'; what
 * was good stays. */
static void
check_bad_change(char **option, const char *value, const char *cause)
{
    const char *good = *option;
    unsigned int before = serial();

    *option = CONST_CAST(char *, value);
    row.n_lanes++;
    CHECK(!configure());
    CHECK(uses(5, &id));
    CHECK(serial() == before);
    CHECK_HAS(bad(), value);
    CHECK_HAS(bad(), cause);
    CHECK(!strcmp(vnetenc_profile_get(5)->config.certificate,
                  pki_path("id.pem")));
    CHECK(!vnetenc_profile_get(5)->config.ca_cert);
    CHECK(vnetenc_profile_get(5)->config.n_lanes == row.n_lanes);

    /* It is still so when asked again, and when looked at again. */
    CHECK(!configure());
    CHECK(!vnetenc_profiles_refresh());
    CHECK_HAS(bad(), value);
    CHECK(uses(5, &id));

    *option = CONST_CAST(char *, good);
    configure();
    CHECK(!bad());
    CHECK(uses(5, &id));
}

static void
test_bad_change(void)
{
    begin();
    CHECK(configure());
    check_bad_change(&row.certificate, pki_path("nothing.pem"), "No such");
    check_bad_change(&row.private_key, pki_path("other.key"), "key");
    check_bad_change(&row.ca_cert, pki_path("nothing.pem"), "No such");
    check_bad_change(&row.crl, pki_path("nothing.crl"), "ca_cert");
    check_bad_change(&row.ciphers, "RC4", "ciphers");
    end();
}

/* A row that was never good. */
static void
test_never_good(void)
{
    begin();
    row.certificate = CONST_CAST(char *, pki_path("late.pem"));
    row.private_key = CONST_CAST(char *, pki_path("late.key"));
    row.n_lanes = 3;
    CHECK(!configure());
    CHECK(!vnetenc_profile_get(5)->cred);
    CHECK_HAS(bad(), "late.pem");
    CHECK(vnetenc_profile_get(5)->config.n_lanes == 3);
    CHECK(!vnetenc_profiles_refresh());

    /* The first of its files makes it no better... */
    pki_write(pki_path("late.pem"), 0644, NULL, id.cert, NULL);
    CHECK(!vnetenc_profiles_refresh());
    CHECK(!vnetenc_profile_get(5)->cred);
    CHECK_HAS(bad(), "late.key");

    /* ...the second one does. */
    pki_write(pki_path("late.key"), 0600, id.key, NULL);
    CHECK(vnetenc_profiles_refresh());
    CHECK(uses(5, &id));
    CHECK(!bad());
    CHECK(!vnetenc_profiles_refresh());
    end();
}

static void
test_files(void)
{
    struct pki_id ca = pki_make(&(struct pki_spec) { .ca = true });
    char *const files[] = {
        CONST_CAST(char *, pki_path("id.pem")),
        CONST_CAST(char *, pki_path("id.key")),
        CONST_CAST(char *, pki_path("ca.pem")),
        CONST_CAST(char *, pki_path("ca.crl")),
    };
    unsigned int before;

    begin();
    pki_write(files[2], 0644, NULL, ca.cert, NULL);
    pki_write_crl(files[3], &ca, NULL, 3600);
    row.ca_cert = files[2];
    row.crl = files[3];
    CHECK(configure());
    before = serial();
    CHECK(!vnetenc_profiles_refresh());
    CHECK(serial() == before);

    /* Each of the four is looked at. */
    for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
        touch(files[i]);
        CHECK(vnetenc_profiles_refresh());
        CHECK(serial() == ++before);
        CHECK(!vnetenc_profiles_refresh());
    }

    /* A pair that is being replaced, file by file. */
    pki_write(files[0], 0644, NULL, other.cert, NULL);
    touch(files[0]);
    CHECK(!vnetenc_profiles_refresh());
    CHECK(uses(5, &id));
    CHECK_HAS(bad(), "id.key");
    pki_write(files[1], 0600, other.key, NULL);
    touch(files[1]);
    CHECK(vnetenc_profiles_refresh());
    CHECK(uses(5, &other));
    CHECK(!bad());
    CHECK(serial() == before + 1);

    /* A file that goes. */
    ovs_assert(!unlink(files[3]));
    CHECK(!vnetenc_profiles_refresh());
    CHECK(uses(5, &other));
    CHECK_HAS(bad(), "ca.crl");
    CHECK(vnetenc_cred_has_crl(vnetenc_profile_get(5)->cred));
    end();
    pki_free(&ca);
}

/* Looks, and returns true if profile 5 has the alarm of 'bit'.  Each look is
 * so late that former alarms are cleared. */
static bool
has_alarm(uint32_t bit)
{
    static long long int now = 1;

    now += 2 * VNETENC_ALARM_MS;
    vnetenc_profiles_watch(now);
    return (vnetenc_profile_get(5)->alarms.raised & bit) != 0;
}

/* The own certificate does not have the right dates: peers refuse it. */
static void
test_dates(void)
{
    struct pki_id late = pki_make(&(struct pki_spec) {
        .from_s = 7200, .to_s = 14400 });
    struct pki_id ca = pki_make(&(struct pki_spec) { .ca = true });

    begin();
    pki_write(pki_path("late.pem"), 0644, NULL, late.cert, NULL);
    pki_write(pki_path("late.key"), 0600, late.key, NULL);
    pki_write(pki_path("ca.pem"), 0644, NULL, ca.cert, NULL);
    CHECK(configure());
    CHECK(!said());

    /* It does not replace a better one... */
    row.certificate = CONST_CAST(char *, pki_path("late.pem"));
    row.private_key = CONST_CAST(char *, pki_path("late.key"));
    CHECK(!configure());
    CHECK(uses(5, &id));
    CHECK_HAS(said(), "late.pem: not valid before ");
    CHECK_HAS(said(), "peers accept one that is valid now");

    /* ...before its day comes. */
    wall_offset_s = 3 * 3600;
    CHECK(vnetenc_profiles_refresh());
    CHECK(uses(5, &late));
    CHECK(!said());

    CHECK(has_alarm(VNETENC_ALARM_BIT(expiring)) == false);

    /* The last quarter of its two hours. */
    wall_offset_s = 4 * 3600 - 30 * 60 + 60;
    CHECK(has_alarm(VNETENC_ALARM_BIT(expiring)));

    /* One that runs out stays, and this is said. */
    wall_offset_s = 5 * 3600;
    CHECK(!vnetenc_profiles_refresh());
    CHECK(uses(5, &late));
    CHECK_HAS(said(), "late.pem: expired on ");
    CHECK(!bad());
    CHECK(has_alarm(VNETENC_ALARM_BIT(expired)));

    /* It keeps nothing else from being changed. */
    row.ca_cert = CONST_CAST(char *, pki_path("ca.pem"));
    CHECK(configure());
    CHECK(vnetenc_cred_ca(vnetenc_profile_get(5)->cred));
    CHECK_HAS(said(), "late.pem: expired on ");

    /* The first of all is taken in any case: it may be the clock. */
    vnetenc_profiles_destroy();
    CHECK(configure());
    CHECK(uses(5, &late));
    CHECK_HAS(said(), "late.pem: expired on ");
    wall_offset_s = 3 * 3600;
    CHECK(!vnetenc_profiles_refresh());
    CHECK(!said());

    wall_offset_s = 0;
    end();
    pki_free(&late);
    pki_free(&ca);
}

/* An own certificate that was found has expired: another one is looked for,
 * and nothing changes while there is none. */
static void
test_expired(void)
{
    struct pki_id bad[2];
    uint8_t pins[2][VNETENC_FINGERPRINT_BYTES];
    unsigned int before;
    uint64_t seq;

    begin();
    ovs_assert(!mkdir(pki_path("own/credentials"), 0700));
    for (int i = 0; i < 2; i++) {
        bad[i] = pki_make(&(struct pki_spec) {
            .from_s = i ? 7200 : -7200, .to_s = i ? 14400 : 3600 });
        pki_pin(&bad[i], pins[i]);
        pki_write(pki_path(i ? "own/credentials/b.pem"
                           : "own/credentials/a.pem"),
                  0600, bad[i].key, bad[i].cert, NULL);
    }
    row.certificate = row.private_key = NULL;
    row.certificates.f = pins;
    row.certificates.n = 2;
    CHECK(configure());
    CHECK(uses(5, &bad[0]));

    /* Neither is valid.  The later one may be, if the clock is wrong. */
    wall_offset_s = 5400;
    vnetenc_profiles_refresh();
    CHECK(vnetenc_profiles_refresh());
    CHECK(uses(5, &bad[1]));
    CHECK_HAS(said(), "b.pem: not valid before ");
    before = serial();
    seq = seq_read(connectivity_seq_get());
    CHECK(!vnetenc_profiles_refresh());
    CHECK(serial() == before);
    CHECK(seq_read(connectivity_seq_get()) == seq);

    /* The clock is set right. */
    wall_offset_s = 0;
    CHECK(vnetenc_profiles_refresh());
    CHECK(uses(5, &bad[0]));
    CHECK(!said());

    row.certificates.n = 0;
    row.certificates.f = NULL;
    pki_free(&bad[0]);
    pki_free(&bad[1]);
    end();
}

/* Whoever waits for a change of status hears of it at once. */
static void
test_status(void)
{
    uint64_t seq;

    begin();
    seq = seq_read(connectivity_seq_get());
    CHECK(configure());
    CHECK(seq_read(connectivity_seq_get()) != seq);

    row.ciphers = CONST_CAST(char *, "RC4");
    seq = seq_read(connectivity_seq_get());
    CHECK(!configure());
    CHECK(said());
    CHECK(seq_read(connectivity_seq_get()) != seq);

    seq = seq_read(connectivity_seq_get());
    CHECK(!vnetenc_profiles_refresh());
    CHECK(seq_read(connectivity_seq_get()) == seq);

    row.ciphers = NULL;
    CHECK(configure());
    CHECK(!said());
    CHECK(seq_read(connectivity_seq_get()) != seq);

    wall_offset_s = 3 * 3600;
    seq = seq_read(connectivity_seq_get());
    CHECK(!vnetenc_profiles_refresh());
    CHECK(said());
    CHECK(seq_read(connectivity_seq_get()) != seq);
    wall_offset_s = 0;
    end();
}

/* A profile that is made anew is another one: sessions of the former are not
 * taken for its own. */
static void
test_serial_of_new_row(void)
{
    unsigned int before;

    begin();
    CHECK(configure());
    before = serial();
    vnetenc_profiles_destroy();
    CHECK(configure());
    CHECK(serial() != before);
    end();
}

/* The folder for the own key cannot be made until its parent is there. */
static void
test_directory(void)
{
    const char *parent = pki_path("parent");
    const char *own = pki_path("parent/own");

    begin();
    CHECK(!configure_rows(own, 0));
    CHECK(!vnetenc_profile_get(0)->cred);
    CHECK_HAS(vnetenc_profile_get(0)->error, own);
    CHECK(!vnetenc_profiles_refresh());
    CHECK(!vnetenc_profile_get(0)->cred);
    CHECK_HAS(vnetenc_profile_get(0)->error, own);

    ovs_assert(!mkdir(parent, 0700));
    CHECK(vnetenc_profiles_refresh());
    CHECK(vnetenc_cred_is_self_made(vnetenc_profile_get(0)->cred));
    CHECK(!vnetenc_profile_get(0)->error);
    CHECK(!vnetenc_profiles_refresh());
    end();
}

/* Asked for before there is any configuration. */
static void
test_early(void)
{
    begin();
    CHECK(!vnetenc_profile_get(0)->cred);
    CHECK(vnetenc_profile_get(0)->error);
    CHECK(!configure_rows(pki_path("own"), 0));
    CHECK(vnetenc_profiles_refresh());
    CHECK(vnetenc_profile_get(0)->cred);
    CHECK(!vnetenc_profile_get(0)->error);
    end();
}

int
main(int argc OVS_UNUSED, char *argv[])
{
    set_program_name(argv[0]);
    vlog_set_levels(NULL, VLF_ANY_DESTINATION, VLL_OFF);
    id = pki_make(&(struct pki_spec) { .san = NULL });
    other = pki_make(&(struct pki_spec) { .san = NULL });
    test_defaults();
    test_change();
    test_own();
    test_bad_change();
    test_never_good();
    test_files();
    test_dates();
    test_expired();
    test_status();
    test_serial_of_new_row();
    test_directory();
    test_early();
    pki_free(&id);
    pki_free(&other);
    pki_cleanup();
    return unit_end();
}
