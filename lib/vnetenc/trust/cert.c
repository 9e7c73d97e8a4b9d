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
#include "vnetenc/trust/cert.h"

#include <string.h>
#include <strings.h>
#include <time.h>

#include <openssl/asn1.h>
#include <openssl/evp.h>

#include "openvswitch/ofpbuf.h"
#include "util.h"

struct vnetenc_cert_chain {
    uint8_t (*fingerprints)[VNETENC_FINGERPRINT_BYTES]; /* Leaf first. */
    size_t n;
    uint8_t digest[VNETENC_FINGERPRINT_BYTES];  /* Of 'der'. */
    struct ofpbuf der;          /* Concatenated certificates, leaf first. */
};

static const char fingerprint_prefix[] = "sha256:";

char *
vnetenc_cert_fingerprint_parse(const char *s,
                               uint8_t out[VNETENC_FINGERPRINT_BYTES])
{
    const size_t prefix_len = sizeof fingerprint_prefix - 1;
    const char *p = s + prefix_len;

    if (strncasecmp(s, fingerprint_prefix, prefix_len)) {
        goto error;
    }
    for (size_t i = 0; i < VNETENC_FINGERPRINT_BYTES; i++) {
        int high, low;

        if (i && *p == ':') {
            p++;
        }
        high = hexit_value(*p);
        low = high < 0 ? -1 : hexit_value(p[1]);
        if (low < 0) {
            goto error;
        }
        out[i] = high << 4 | low;
        p += 2;
    }
    if (!*p) {
        return NULL;
    }

error:
    return xasprintf("\"%s\" is not a fingerprint: \"sha256:\" and 64 "
                     "hexadecimal digits (with or without colons between "
                     "octets) are", s);
}

void
vnetenc_cert_fingerprint_format(
    const uint8_t fingerprint[VNETENC_FINGERPRINT_BYTES],
    char out[VNETENC_FINGERPRINT_TEXT_BYTES])
{
    char *p = out + sizeof fingerprint_prefix - 1;

    memcpy(out, fingerprint_prefix, sizeof fingerprint_prefix);
    for (size_t i = 0; i < VNETENC_FINGERPRINT_BYTES; i++) {
        p += snprintf(p, 3, "%02x", fingerprint[i]);
    }
}

bool
vnetenc_cert_fingerprint(const X509 *cert,
                         uint8_t out[VNETENC_FINGERPRINT_BYTES])
{
    unsigned int size = 0;

    return (X509_digest(cert, EVP_sha256(), out, &size)
            && size == VNETENC_FINGERPRINT_BYTES);
}

void
vnetenc_cert_date_format(const ASN1_TIME *date,
                         char out[VNETENC_DATE_TEXT_BYTES])
{
    struct tm tm;

    if (!ASN1_TIME_to_tm(date, &tm)
        || !strftime(out, VNETENC_DATE_TEXT_BYTES, "%Y-%m-%dT%H:%M:%SZ",
                     &tm)) {
        ovs_strlcpy(out, "unreadable", VNETENC_DATE_TEXT_BYTES);
    }
}

void
vnetenc_cert_not_after_format(const X509 *cert,
                              char out[VNETENC_DATE_TEXT_BYTES])
{
    vnetenc_cert_date_format(X509_get0_notAfter(cert), out);
}

char *
vnetenc_cert_check_dates(const X509 *cert, time_t now)
{
    const ASN1_TIME *dates[] = {
        X509_get0_notBefore(cert), X509_get0_notAfter(cert)
    };

    for (int i = 0; i < 2; i++) {
        int cmp = ASN1_TIME_cmp_time_t(dates[i], now);

        if (cmp == -2 || cmp == (i ? -1 : 1)) {
            char text[VNETENC_DATE_TEXT_BYTES];

            vnetenc_cert_date_format(dates[i], text);
            return xasprintf(i ? "expired on %s" : "not valid before %s",
                             text);
        }
    }
    return NULL;
}

/* Returns the seconds from 'from', or from now if it is NULL, to 'to', or
 * LLONG_MAX if a date is unreadable. */
static long long int
seconds_between(const ASN1_TIME *from, const ASN1_TIME *to)
{
    int days, seconds;

    return (ASN1_TIME_diff(&days, &seconds, from, to)
            ? days * 24LL * 60 * 60 + seconds
            : LLONG_MAX);
}

/* Returns the seconds from 'now' to 'to', or LLONG_MAX. */
static long long int
seconds_left(const ASN1_TIME *to, time_t now)
{
    ASN1_TIME *from = ASN1_TIME_set(NULL, now);
    long long int left = from ? seconds_between(from, to) : LLONG_MAX;

    ASN1_TIME_free(from);
    return left;
}

int
vnetenc_cert_days_left(const ASN1_TIME *from, const ASN1_TIME *to, time_t now)
{
    static const int days[] = { 1, 7, 30 };
    long long int life = seconds_between(from, to);
    long long int left = seconds_left(to, now);

    for (size_t i = 0; i < ARRAY_SIZE(days) && left >= 0; i++) {
        if (left < MIN(life / 4, days[i] * 24LL * 60 * 60)) {
            return days[i];
        }
    }
    return 0;
}

int
vnetenc_cert_crl_days_left(const X509_STORE *store, time_t now,
                           char date[VNETENC_DATE_TEXT_BYTES])
{
    STACK_OF(X509_OBJECT) *objects
        = store ? X509_STORE_get0_objects(store) : NULL;
    int least = 0;

    for (int i = 0; objects && i < sk_X509_OBJECT_num(objects); i++) {
        X509_CRL *crl = X509_OBJECT_get0_X509_CRL(
            sk_X509_OBJECT_value(objects, i));
        int days = 0;

        if (crl && X509_CRL_get0_nextUpdate(crl)) {
            days = vnetenc_cert_days_left(X509_CRL_get0_lastUpdate(crl),
                                          X509_CRL_get0_nextUpdate(crl), now);
        }
        if (days && (!least || days < least)) {
            least = days;
            vnetenc_cert_date_format(X509_CRL_get0_nextUpdate(crl), date);
        }
    }
    return least;
}

bool
vnetenc_cert_expires_soon(const X509 *cert, time_t now)
{
    long long int life = seconds_between(X509_get0_notBefore(cert),
                                         X509_get0_notAfter(cert));

    return (seconds_left(X509_get0_notAfter(cert), now)
            < MIN(life / 4, VNETENC_EXPIRING_S));
}

/* Chains. */

static bool
put_cert(struct vnetenc_cert_chain *c, const X509 *cert)
{
    int size = i2d_X509(cert, NULL);
    unsigned char *p;

    if (size <= 0
        || !vnetenc_cert_fingerprint(cert, c->fingerprints[c->n++])) {
        return false;
    }
    p = ofpbuf_put_uninit(&c->der, size);
    return i2d_X509(cert, &p) == size;
}

struct vnetenc_cert_chain *
vnetenc_cert_chain_create(X509 *leaf, const STACK_OF(X509) *chain)
{
    struct vnetenc_cert_chain *c = xzalloc(sizeof *c);
    bool ok;

    ofpbuf_init(&c->der, 0);
    c->fingerprints = xcalloc(1 + (chain ? sk_X509_num(chain) : 0),
                              sizeof *c->fingerprints);
    ok = put_cert(c, leaf);
    for (int i = 0; ok && i < sk_X509_num(chain); i++) {
        X509 *cert = sk_X509_value(chain, i);

        if (X509_cmp(cert, leaf)) {
            ok = put_cert(c, cert);
        }
    }
    if (!ok || !EVP_Digest(c->der.data, c->der.size, c->digest, NULL,
                           EVP_sha256(), NULL)) {
        vnetenc_cert_chain_destroy(c);
        return NULL;
    }
    ofpbuf_trim(&c->der);
    return c;
}

void
vnetenc_cert_chain_destroy(struct vnetenc_cert_chain *c)
{
    if (c) {
        ofpbuf_uninit(&c->der);
        free(c->fingerprints);
        free(c);
    }
}

const uint8_t *
vnetenc_cert_chain_fingerprint(const struct vnetenc_cert_chain *c)
{
    return c->fingerprints[0];
}

const uint8_t *
vnetenc_cert_chain_nth(const struct vnetenc_cert_chain *c, int i)
{
    return c->fingerprints[i];
}

int
vnetenc_cert_chain_find(const struct vnetenc_cert_chain *c,
                        const uint8_t (*f)[VNETENC_FINGERPRINT_BYTES],
                        size_t n)
{
    for (size_t i = 0; i < c->n; i++) {
        for (size_t j = 0; j < n; j++) {
            if (!memcmp(c->fingerprints[i], f[j], sizeof *f)) {
                return i;
            }
        }
    }
    return -1;
}

const uint8_t *
vnetenc_cert_chain_digest(const struct vnetenc_cert_chain *c)
{
    return c->digest;
}

STACK_OF(X509) *
vnetenc_cert_chain_certs(const struct vnetenc_cert_chain *c)
{
    STACK_OF(X509) *certs = sk_X509_new_null();
    const unsigned char *p = c->der.data;
    const unsigned char *end = p + c->der.size;
    X509 *cert;

    while (p < end && (cert = d2i_X509(NULL, &p, end - p))) {
        if (!sk_X509_push(certs, cert)) {
            out_of_memory();
        }
    }
    return certs;
}
