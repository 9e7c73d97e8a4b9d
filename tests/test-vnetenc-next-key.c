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

/* The host's next key: made, published beside the present one, used; the
 * former one is published until it is forgotten. */

#include <config.h>
#undef NDEBUG
#include "vnetenc/trust/next-key.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "connectivity.h"
#include "openvswitch/vlog.h"
#include "seq.h"
#include "util.h"
#include "vnetenc/trust/cred.h"
#include "vnetenc/trust/profile.h"
#include "vnetenc-unit.h"
#include "vnetenc-unit-pki.h"

static const char *file, *next_file;

static bool
configure(void)
{
    const struct vnetenc_config config = {
        .directory = CONST_CAST(char *, pki_path("own")),
    };

    return vnetenc_profiles_configure(&config);
}

static void
begin(void)
{
    file = pki_path("own/hypervisor.pem");
    next_file = pki_path("own/hypervisor-next.pem");
    configure();
    vnetenc_profile_get(0);
    CHECK(vnetenc_profile_get(0)->cred);
}

static void
end(void)
{
    vnetenc_profiles_destroy();
    unlink(file);
    unlink(next_file);
}

static void
get_own(uint8_t f[VNETENC_FINGERPRINT_BYTES])
{
    memcpy(f, vnetenc_cred_fingerprint(vnetenc_profile_get(0)->cred),
           VNETENC_FINGERPRINT_BYTES);
}

static bool
is_own(const uint8_t f[VNETENC_FINGERPRINT_BYTES])
{
    return !memcmp(vnetenc_cred_fingerprint(vnetenc_profile_get(0)->cred), f,
                   VNETENC_FINGERPRINT_BYTES);
}

/* Whether peers should pin 'f'. */
static bool
publishes(const uint8_t f[VNETENC_FINGERPRINT_BYTES])
{
    uint8_t all[VNETENC_OWN_FINGERPRINTS][VNETENC_FINGERPRINT_BYTES];
    size_t n = vnetenc_profile_fingerprints(vnetenc_profile_get(0), all);

    for (size_t i = 0; i < n; i++) {
        if (!memcmp(all[i], f, sizeof all[i])) {
            return true;
        }
    }
    return false;
}

static size_t
n_published(void)
{
    uint8_t all[VNETENC_OWN_FINGERPRINTS][VNETENC_FINGERPRINT_BYTES];

    return vnetenc_profile_fingerprints(vnetenc_profile_get(0), all);
}

static bool
done(char *error)
{
    bool ok = !error;

    free(error);
    return ok;
}

static bool
refused(char *error, const char *text)
{
    bool ok = error && strstr(error, text);

    free(error);
    return ok;
}

static void
test_replace(void)
{
    uint8_t a[VNETENC_FINGERPRINT_BYTES], b[VNETENC_FINGERPRINT_BYTES];
    const long long int limit = (1000 + VNETENC_REKEY_S * 1000LL
                                 + VNETENC_HANDSHAKE_DEADLINE_MS);
    unsigned int n_used = vnetenc_next_key_n_used();
    struct stat s;
    uint64_t seq;

    begin();
    get_own(a);
    CHECK(n_published() == 1 && publishes(a));
    CHECK(refused(vnetenc_profiles_use_next_key(0), "there is no next key"));
    CHECK(vnetenc_next_key_n_used() == n_used);

    seq = seq_read(connectivity_seq_get());
    CHECK(done(vnetenc_profiles_make_next_key()));
    CHECK(seq_read(connectivity_seq_get()) != seq);
    CHECK(!stat(next_file, &s) && (s.st_mode & 0777) == 0600);
    memcpy(b, vnetenc_next_key_fingerprint(), sizeof b);
    CHECK(n_published() == 2 && publishes(a) && publishes(b));
    CHECK(is_own(a));
    /* A second command changes nothing. */
    CHECK(done(vnetenc_profiles_make_next_key()));
    CHECK(n_published() == 2 && publishes(b));
    CHECK(!vnetenc_profiles_refresh());
    CHECK(!vnetenc_next_key_may_forget(LLONG_MAX, false));

    /* There is no moment at which one of both is not published. */
    CHECK(done(vnetenc_profiles_use_next_key(1000)));
    CHECK(vnetenc_next_key_n_used() == n_used + 1);
    CHECK(is_own(b));
    CHECK(n_published() == 2 && publishes(a) && publishes(b));
    CHECK(stat(next_file, &s));
    CHECK(!vnetenc_next_key_fingerprint());
    /* The control thread learns of it, once. */
    CHECK(vnetenc_profiles_refresh());
    CHECK(!vnetenc_profiles_refresh());
    CHECK(n_published() == 2 && publishes(a) && publishes(b));

    /* Not again while peers may depend on the former. */
    CHECK(done(vnetenc_profiles_make_next_key()));
    CHECK(n_published() == 3);
    CHECK(refused(vnetenc_profiles_use_next_key(2000), "former key"));
    CHECK(is_own(b));
    CHECK(done(vnetenc_profiles_drop_next_key()));
    CHECK(n_published() == 2);
    CHECK(refused(vnetenc_profiles_drop_next_key(), next_file));

    /* Handshakes that began before may still run. */
    CHECK(!vnetenc_next_key_may_forget(
        1000 + VNETENC_HANDSHAKE_DEADLINE_MS - 1, false));
    CHECK(vnetenc_next_key_may_forget(1000 + VNETENC_HANDSHAKE_DEADLINE_MS,
                                      false));
    /* A session that needs it buys it the time in which peers replace theirs,
     * and no more. */
    CHECK(!vnetenc_next_key_may_forget(limit - 1, true));
    CHECK(vnetenc_next_key_may_forget(limit, true));
    vnetenc_next_key_forget();
    CHECK(n_published() == 1 && publishes(b) && !publishes(a));
    CHECK(!vnetenc_next_key_may_forget(LLONG_MAX, false));

    /* And after a restart. */
    vnetenc_profiles_destroy();
    begin();
    CHECK(is_own(b) && n_published() == 1);
    end();
}

/* The next key survives a restart; the former one need not. */
static void
test_restart(void)
{
    uint8_t a[VNETENC_FINGERPRINT_BYTES], b[VNETENC_FINGERPRINT_BYTES];

    begin();
    get_own(a);
    CHECK(done(vnetenc_profiles_make_next_key()));
    memcpy(b, vnetenc_next_key_fingerprint(), sizeof b);
    vnetenc_profiles_destroy();
    begin();
    CHECK(is_own(a) && n_published() == 2 && publishes(b));
    CHECK(done(vnetenc_profiles_use_next_key(0)));
    vnetenc_profiles_destroy();
    begin();
    CHECK(is_own(b) && n_published() == 1);
    end();
}

/* Files that somebody else made, well and badly, and removed. */
static void
test_files(void)
{
    struct pki_id good = pki_make(&(struct pki_spec) { .san = NULL });
    struct pki_id other = pki_make(&(struct pki_spec) { .san = NULL });
    struct pki_id old = pki_make(&(struct pki_spec) { .from_s = -7200,
                                                      .to_s = -3600 });
    uint8_t a[VNETENC_FINGERPRINT_BYTES], pin[VNETENC_FINGERPRINT_BYTES];

    begin();
    get_own(a);
    pki_pin(&good, pin);
    pki_write(next_file, 0644, good.key, good.cert, NULL);
    vnetenc_profiles_refresh();
    CHECK_HAS(vnetenc_next_key_error(), "0600");
    CHECK(n_published() == 1);
    CHECK(refused(vnetenc_profiles_use_next_key(0), "0600"));
    CHECK(refused(vnetenc_profiles_make_next_key(), "0600"));

    unlink(next_file);
    pki_write(next_file, 0600, other.key, good.cert, NULL);
    vnetenc_profiles_refresh();
    CHECK_HAS(vnetenc_next_key_error(), "does not belong");
    CHECK(refused(vnetenc_profiles_use_next_key(0), "does not belong"));

    unlink(next_file);
    pki_write(next_file, 0600, NULL, good.cert, NULL);
    CHECK(refused(vnetenc_profiles_use_next_key(0), "no private key"));

    unlink(next_file);
    pki_write(next_file, 0600, old.key, old.cert, NULL);
    CHECK(refused(vnetenc_profiles_use_next_key(0), "expired on"));
    CHECK(is_own(a) && n_published() == 1);

    unlink(next_file);
    pki_write(next_file, 0600, good.key, good.cert, NULL);
    vnetenc_profiles_refresh();
    CHECK(!vnetenc_next_key_error());
    CHECK(n_published() == 2 && publishes(pin));

    unlink(next_file);
    vnetenc_profiles_refresh();
    CHECK(n_published() == 1 && !vnetenc_next_key_error());
    CHECK(is_own(a));
    end();
    pki_free(&good);
    pki_free(&other);
    pki_free(&old);
}

/* A profile with a certificate of its own publishes that alone. */
static void
test_other_profile(void)
{
    struct pki_id id = pki_make(&(struct pki_spec) { .san = NULL });
    struct vnetenc_config_profile row;
    const struct vnetenc_config config = {
        .directory = CONST_CAST(char *, pki_path("own")),
        .profiles = &row,
        .n_profiles = 1,
    };

    pki_write(pki_path("id.pem"), 0644, NULL, id.cert, NULL);
    pki_write(pki_path("id.key"), 0600, id.key, NULL);
    vnetenc_config_profile_init(&row, 0);
    row.has_row = true;
    row.certificate = CONST_CAST(char *, pki_path("id.pem"));
    row.private_key = CONST_CAST(char *, pki_path("id.key"));
    CHECK(vnetenc_profiles_configure(&config));
    CHECK(done(vnetenc_profiles_make_next_key()));
    CHECK(n_published() == 1);
    CHECK(!vnetenc_profiles_own_fingerprint());
    CHECK(done(vnetenc_profiles_use_next_key(0)));
    CHECK(!vnetenc_next_key_former());
    CHECK(n_published() == 1);
    end();
    pki_free(&id);
}

static void
test_early(void)
{
    CHECK(refused(vnetenc_profiles_make_next_key(), "no configuration"));
    CHECK(refused(vnetenc_profiles_use_next_key(0), "no configuration"));
    CHECK(refused(vnetenc_profiles_drop_next_key(), "no configuration"));
}

int
main(int argc OVS_UNUSED, char *argv[])
{
    set_program_name(argv[0]);
    vlog_set_levels(NULL, VLF_ANY_DESTINATION, VLL_OFF);
    pki_dir();
    test_early();
    test_replace();
    test_restart();
    test_files();
    test_other_profile();
    pki_cleanup();
    return unit_end();
}
