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
#include "vnetenc/trust/usable.h"

#include <stdlib.h>
#include <string.h>

#include <openssl/x509.h>

#include "smap.h"
#include "util.h"
#include "vnetenc/trust/cert.h"
#include "vnetenc/trust/configuration.h"
#include "vnetenc/trust/find.h"

/* A certificate of the host, and the listed one by which it is accepted. */
struct vnetenc_usable_pair {
    X509 *own;
    uint8_t listed[VNETENC_FINGERPRINT_BYTES];
    bool is_ca;
};

static void
add_pair(struct vnetenc_usable *usable, const struct vnetenc_found *own,
         const uint8_t listed[VNETENC_FINGERPRINT_BYTES], X509_STORE *ca)
{
    bool same = !memcmp(own->fingerprints[0], listed,
                        VNETENC_FINGERPRINT_BYTES);

    if (same || vnetenc_found_chains_to(own, ca)) {
        struct vnetenc_usable_pair *pair = &usable->pairs[usable->n++];

        pair->own = sk_X509_value(own->certs, 0);
        X509_up_ref(pair->own);
        memcpy(pair->listed, listed, VNETENC_FINGERPRINT_BYTES);
        pair->is_ca = !same;
    }
}

void
vnetenc_usable_init(struct vnetenc_usable *usable,
                    const struct vnetenc_config_fingerprints *listed,
                    const struct vnetenc_config_fingerprints *revoked,
                    const struct vnetenc_found *const *own, size_t n)
{
    *usable = (struct vnetenc_usable) { .n = 0 };
    if (listed->n < 2) {
        return;
    }
    usable->pairs = xcalloc(listed->n * n + 1, sizeof *usable->pairs);
    for (size_t i = 0; i < listed->n; i++) {
        const struct vnetenc_config_fingerprints one = {
            .f = &listed->f[i], .n = 1
        };
        X509_STORE *ca;
        bool has_crl;

        /* An error is one of the whole profile.  A CA that is revoked is not
         * found; nothing of 'own' has one in its chain. */
        free(vnetenc_find_cas(&one, revoked, &ca, &has_crl));
        for (size_t j = 0; j < n; j++) {
            add_pair(usable, own[j], listed->f[i], ca);
        }
        X509_STORE_free(ca);
    }
}

void
vnetenc_usable_uninit(struct vnetenc_usable *usable)
{
    for (size_t i = 0; i < usable->n; i++) {
        X509_free(usable->pairs[i].own);
    }
    free(usable->pairs);
}

void
vnetenc_usable_get(const struct vnetenc_usable *usable, time_t now,
                   struct smap *found)
{
    for (size_t i = 0; i < usable->n; i++) {
        const struct vnetenc_usable_pair *pair = &usable->pairs[i];
        char *why = vnetenc_cert_check_dates(pair->own, now);
        char text[VNETENC_FINGERPRINT_TEXT_BYTES];

        vnetenc_cert_fingerprint_format(pair->listed, text);
        if (!why && !pair->is_ca) {
            smap_replace(found, text, "host");
        } else if (!why && !smap_get(found, text)) {
            smap_add(found, text, "ca");
        }
        free(why);
    }
}
