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
#include "vnetenc/trust/next-key.h"

#include <string.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/x509.h>
#include "openvswitch/ofpbuf.h"
#include "openvswitch/vlog.h"
#include "timeval.h"
#include "util.h"
#include "vnetenc/trust/cert.h"
#include "vnetenc/trust/file.h"
#include "vnetenc/trust/pem.h"
#include "vnetenc/trust/selfcert.h"
#include "vnetenc/trust/strength.h"

VLOG_DEFINE_THIS_MODULE(vnetenc_next_key);

struct fingerprint {
    bool valid;
    uint8_t f[VNETENC_FINGERPRINT_BYTES];
};

static struct fingerprint next, former;
static char *next_error;
static struct vnetenc_file_state next_state;
static long long int used_at;
static unsigned int n_used;

/* Checks a pair as peers and profiles will.  Returns NULL and sets '*f' if it
 * can be used, otherwise the cause. */
static char *
check_pair(const struct ofpbuf *pem, struct fingerprint *f)
{
    STACK_OF(X509) *certs;
    EVP_PKEY *key = NULL;
    X509 *cert;
    char *why = vnetenc_pem_certs(pem, &certs);

    if (!why) {
        why = vnetenc_pem_key(pem, &key);
    }
    if (!why && !key) {
        why = xstrdup("holds no private key in PEM");
    }
    if (!why) {
        cert = sk_X509_value(certs, 0);
        why = (X509_check_private_key(cert, key) != 1
               ? xstrdup("the key does not belong to the certificate")
               : vnetenc_strength_check(VNETENC_SECURITY_BITS, cert));
        if (!why) {
            why = vnetenc_cert_check_dates(cert, time_wall());
        }
        if (!why && !vnetenc_cert_fingerprint(cert, f->f)) {
            why = xstrdup("cannot compute the fingerprint");
        }
    }
    f->valid = !why;
    EVP_PKEY_free(key);
    sk_X509_pop_free(certs, X509_free);
    ERR_clear_error();
    return why;
}

/* Reads the next pair and checks it.  Returns NULL and sets '*f', which is
 * invalid if there is no such file, or returns an error. */
static char *
load(const char *directory, bool make, struct fingerprint *f)
{
    struct ofpbuf pem;
    char *error = vnetenc_selfcert_load_next(directory, make, &pem);

    memset(f, 0, sizeof *f);
    if (!error && pem.size) {
        char *why = check_pair(&pem, f);

        if (why) {
            error = xasprintf("%s/%s: %s", directory,
                              VNETENC_SELFCERT_NEXT_FILE, why);
            free(why);
        }
    }
    vnetenc_file_wipe(&pem);
    return error;
}

static void
file_state_get(const char *directory, struct vnetenc_file_state *state)
{
    char *path = xasprintf("%s/%s", directory, VNETENC_SELFCERT_NEXT_FILE);

    vnetenc_file_state_get(path, state);
    free(path);
}

/* Takes 'f' and 'error', which it owns, as what was read.  Returns true if the
 * fingerprint has changed. */
static bool
set_next(const char *directory, const struct fingerprint *f, char *error)
{
    bool changed = (next.valid != f->valid
                    || memcmp(next.f, f->f, sizeof next.f));

    if (error && !nullable_string_is_equal(error, next_error)) {
        VLOG_WARN("%s", error);
    }
    free(next_error);
    next_error = error;
    next = *f;
    file_state_get(directory, &next_state);
    return changed;
}

bool
vnetenc_next_key_run(const char *directory)
{
    struct vnetenc_file_state state;
    struct fingerprint f;
    char *error;

    file_state_get(directory, &state);
    if (!memcmp(&state, &next_state, sizeof state) && !next_error) {
        return false;
    }
    error = load(directory, false, &f);
    return set_next(directory, &f, error);
}

const uint8_t *
vnetenc_next_key_fingerprint(void)
{
    return next.valid ? next.f : NULL;
}

const char *
vnetenc_next_key_error(void)
{
    return next_error;
}

const uint8_t *
vnetenc_next_key_former(void)
{
    return former.valid ? former.f : NULL;
}

char *
vnetenc_next_key_make(const char *directory)
{
    struct fingerprint f;
    char *error = load(directory, true, &f);

    set_next(directory, &f, nullable_xstrdup(error));
    return error;
}

char *
vnetenc_next_key_drop(const char *directory)
{
    char *error = vnetenc_selfcert_drop_next(directory);

    vnetenc_next_key_run(directory);
    return error;
}

char *
vnetenc_next_key_use(const char *directory,
                     const uint8_t present[VNETENC_FINGERPRINT_BYTES],
                     long long int now)
{
    struct fingerprint f;
    char *error;

    if (former.valid) {
        return xstrdup("the former key was replaced a short while ago, and "
                       "peers have sessions that depend on it");
    }
    error = load(directory, false, &f);
    set_next(directory, &f, nullable_xstrdup(error));
    if (error) {
        return error;
    } else if (!f.valid) {
        return xasprintf("%s/%s: there is no next key", directory,
                         VNETENC_SELFCERT_NEXT_FILE);
    }
    error = vnetenc_selfcert_use_next(directory);
    if (!error) {
        if (present) {
            former.valid = true;
            memcpy(former.f, present, sizeof former.f);
        }
        used_at = now;
        n_used++;
        vnetenc_next_key_run(directory);
    }
    return error;
}

unsigned int
vnetenc_next_key_n_used(void)
{
    return n_used;
}

bool
vnetenc_next_key_may_forget(long long int now, bool needed)
{
    long long int age_ms = (needed ? VNETENC_REKEY_S * 1000LL : 0)
                           + VNETENC_HANDSHAKE_DEADLINE_MS;

    return former.valid && now >= used_at + age_ms;
}

void
vnetenc_next_key_forget(void)
{
    former.valid = false;
}

void
vnetenc_next_key_end(void)
{
    memset(&next, 0, sizeof next);
    memset(&former, 0, sizeof former);
    memset(&next_state, 0, sizeof next_state);
    free(next_error);
    next_error = NULL;
}
