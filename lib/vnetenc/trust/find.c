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
#include "vnetenc/trust/find.h"

#include <dirent.h>
#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <openssl/err.h>
#include <openssl/x509_vfy.h>
#include <openssl/x509v3.h>

#include "openvswitch/dynamic-string.h"
#include "openvswitch/ofpbuf.h"
#include "openvswitch/vlog.h"
#include "svec.h"
#include "util.h"
#include "vnetenc/trust/cert.h"
#include "vnetenc/trust/file.h"
#include "vnetenc/trust/pem.h"
#include "vnetenc/trust/ssl.h"

VLOG_DEFINE_THIS_MODULE(vnetenc_find);

enum { PEM, KEY, CRL, N_FILES };

static const char *const endings[N_FILES] = { ".pem", ".key", ".crl" };

/* The files of a name as they are now. */
struct files {
    struct vnetenc_file_state states[N_FILES];
    int errors[N_FILES];        /* Of stat(). */
};

struct entry {
    struct vnetenc_found found;
    struct files files;         /* When last read. */
    bool there;                 /* Used by scan(). */
};

/* vnetenc_find_all() relies on it. */
BUILD_ASSERT_DECL(offsetof(struct entry, found) == 0);

static struct entry **entries;  /* In order of names. */
static size_t n_entries;
static unsigned int generation;
static char *dir_error;

/* One name. */

static void
found_forget(struct vnetenc_found *found)
{
    sk_X509_pop_free(found->certs, X509_free);
    sk_X509_CRL_pop_free(found->crls, X509_CRL_free);
    EVP_PKEY_free(found->key);
    free(found->fingerprints);
    found->certs = NULL;
    found->crls = NULL;
    found->key = NULL;
    found->fingerprints = NULL;
}

static void
entry_destroy(struct entry *entry)
{
    found_forget(&entry->found);
    free(entry->found.name);
    free(entry->found.error);
    free(entry);
}

/* Reads 'path', which must be closed to others if it holds a private key. */
static char *
read_file(const char *path, struct ofpbuf *pem)
{
    char *error = vnetenc_file_read(path, true, pem);
    char *other;

    if (!error) {
        return NULL;
    }
    vnetenc_file_wipe(pem);
    other = vnetenc_file_read(path, false, pem);
    if (other || vnetenc_pem_has_key(pem)) {
        free(other);
        return error;
    }
    free(error);
    return NULL;
}

static char *
load_certs(const char *path, struct vnetenc_found *found)
{
    struct ofpbuf pem;
    char *error = read_file(path, &pem);

    if (!error) {
        error = vnetenc_pem_certs(&pem, &found->certs);
    }
    if (!error) {
        error = vnetenc_pem_key(&pem, &found->key);
    }
    vnetenc_file_wipe(&pem);
    return error;
}

static char *
load_key(const char *path, struct vnetenc_found *found)
{
    struct ofpbuf pem;
    char *error = vnetenc_file_read(path, true, &pem);

    if (!error) {
        error = vnetenc_pem_key(&pem, &found->key);
    }
    if (!error && !found->key) {
        error = xstrdup("holds no private key in PEM");
    }
    vnetenc_file_wipe(&pem);
    return error;
}

static char *
load_crls(const char *path, struct vnetenc_found *found)
{
    struct ofpbuf pem;
    char *error = vnetenc_file_read(path, false, &pem);

    if (!error) {
        error = vnetenc_pem_crls(&pem, &found->crls);
    }
    vnetenc_file_wipe(&pem);
    return error;
}

/* Returns 'error', which it frees, with the name of the file before it. */
static char *
name_file(const char *base, int file, char *error)
{
    char *named = (error
                   ? xasprintf("%s%s: %s", base, endings[file], error)
                   : NULL);

    free(error);
    return named;
}

static char *
check_key(const struct vnetenc_found *found)
{
    return (found->key
            && X509_check_private_key(sk_X509_value(found->certs, 0),
                                      found->key) != 1
            ? xstrdup("the key does not belong to the first certificate")
            : NULL);
}

static void
put_fingerprints(struct vnetenc_found *found)
{
    int n = sk_X509_num(found->certs);

    found->fingerprints = xcalloc(n, sizeof *found->fingerprints);
    for (int i = 0; i < n; i++) {
        if (!vnetenc_cert_fingerprint(sk_X509_value(found->certs, i),
                                      found->fingerprints[i])) {
            memset(found->fingerprints[i], 0, sizeof *found->fingerprints);
        }
    }
}

/* Returns why 'file' of NAME, which need not be there, cannot be had or left
 * out, or NULL.  'had' says that there was one before. */
static char *
check_optional(const char *name, const struct files *files, int file, bool had)
{
    int error = files->errors[file];

    return (error && error != ENOENT ? xstrdup(ovs_strerror(error))
            : error && had
            ? xasprintf("is gone; it is needed until %s.pem goes as well",
                        name)
            : NULL);
}

/* Reads the files of 'base', a path without ending, into 'found'.  'old' was
 * read before: the CRLs of a CA do not end before the CA. */
static char *
load(const char *base, const struct files *files,
     const struct vnetenc_found *old, struct vnetenc_found *found)
{
    const char *name = strrchr(base, '/') + 1;
    char *paths[N_FILES];
    char *error;

    for (int i = 0; i < N_FILES; i++) {
        paths[i] = xasprintf("%s%s", base, endings[i]);
    }
    error = name_file(name, PEM, load_certs(paths[PEM], found));
    if (!error && !found->key) {
        error = check_optional(name, files, KEY, false);
        if (!error && !files->errors[KEY]) {
            error = load_key(paths[KEY], found);
        }
        error = name_file(name, KEY, error);
    }
    if (!error) {
        error = name_file(name, PEM, check_key(found));
    }
    if (!error) {
        error = check_optional(name, files, CRL,
                               old->crls || old->lacks_crl);
        if (!error && !files->errors[CRL]) {
            error = load_crls(paths[CRL], found);
        }
        error = name_file(name, CRL, error);
        found->lacks_crl = error != NULL;
    }
    for (int i = 0; i < N_FILES; i++) {
        free(paths[i]);
    }
    ERR_clear_error();
    return error;
}

/* Reads the files of 'entry' again if they changed or could not be read. */
static void
entry_run(struct entry *entry, const char *base)
{
    struct vnetenc_found *found = &entry->found;
    struct files now;
    struct vnetenc_found new;
    char *error;

    memset(&now, 0, sizeof now);
    for (int i = 0; i < N_FILES; i++) {
        char *path = xasprintf("%s%s", base, endings[i]);

        now.errors[i] = vnetenc_file_state_get(path, &now.states[i]);
        free(path);
    }
    if (!memcmp(&now, &entry->files, sizeof now) && !found->error) {
        return;
    }
    memset(&new, 0, sizeof new);
    error = load(base, &now, found, &new);
    if (error && nullable_string_is_equal(error, found->error)) {
        found_forget(&new);
        free(error);
        return;
    }
    memcpy(&entry->files, &now, sizeof now);
    free(found->error);
    found->error = error;
    generation++;
    if (error) {
        VLOG_WARN("credentials: %s%s", error,
                  found->certs ? "; its former content stays in force" : "");
    }
    if (error && (found->certs || !new.lacks_crl)) {
        found_forget(&new);
    } else {
        found_forget(found);
        found->certs = new.certs;
        found->key = new.key;
        found->crls = new.crls;
        found->lacks_crl = new.lacks_crl;
        put_fingerprints(found);
    }
}

/* The directory. */

static void
set_dir_error(char *error)
{
    if (nullable_string_is_equal(error, dir_error)) {
        free(error);
        return;
    }
    if (error) {
        VLOG_WARN("%s", error);
    }
    free(dir_error);
    dir_error = error;
    generation++;
}

static struct entry *
find_entry(const char *name)
{
    for (size_t i = 0; i < n_entries; i++) {
        if (!strcmp(entries[i]->found.name, name)) {
            return entries[i];
        }
    }
    return NULL;
}

/* Returns the name of the entry of 'base'.pem, which the caller frees. */
static char *
entry_name(const char *base)
{
    return xasprintf("%s/%s.pem", VNETENC_FIND_DIRECTORY, base);
}

static bool
is_known(const char *base)
{
    char *name = entry_name(base);
    bool known = find_entry(name) != NULL;

    free(name);
    return known;
}

/* Removes from 'names' all but VNETENC_MAX_FOUND: none that was read before,
 * then the last ones.  Returns an error, or NULL if they are no more. */
static char *
drop_beyond(const char *directory, struct svec *names)
{
    size_t room = VNETENC_MAX_FOUND, n_all = names->n;
    char *error = NULL;

    if (n_all <= VNETENC_MAX_FOUND) {
        return NULL;
    }
    for (size_t i = 0; i < n_all; i++) {
        room -= is_known(names->names[i]);
    }
    names->n = 0;
    for (size_t i = 0; i < n_all; i++) {
        char *base = names->names[i];
        bool known = is_known(base);

        if (known || room) {
            room -= !known;
            names->names[names->n++] = base;
            continue;
        }
        if (!error) {
            error = xasprintf("%s: has %"PRIuSIZE" files *.pem, of which %d "
                              "are read; %s.pem is not", directory, n_all,
                              VNETENC_MAX_FOUND, base);
        }
        free(base);
    }
    return error;
}

/* Adds the names of files that end with ".pem", without the ending, to
 * 'names', in order.  Returns why none or not all can be read, or NULL. */
static char *
list_names(const char *directory, struct svec *names)
{
    char *error = vnetenc_file_dir_check(directory);
    DIR *dir = error ? NULL : opendir(directory);
    struct dirent *d;

    if (!dir) {
        char *text = NULL;

        /* There need be none. */
        if (error || errno != ENOENT) {
            text = xasprintf("%s: %s", directory,
                             error ? error : ovs_strerror(errno));
        }
        free(error);
        return text;
    }
    while ((errno = 0, d = readdir(dir))) {
        size_t n = strlen(d->d_name);

        if (n > 4 && d->d_name[0] != '.'
            && !strcmp(d->d_name + n - 4, endings[PEM])) {
            svec_add_nocopy(names, xmemdup0(d->d_name, n - 4));
        }
    }
    if (errno) {
        error = xasprintf("%s: %s", directory, ovs_strerror(errno));
        svec_clear(names);
    }
    closedir(dir);
    svec_sort(names);
    return error ? error : drop_beyond(directory, names);
}

static struct entry *
take_entry(const char *name)
{
    struct entry *entry = find_entry(name);

    if (!entry) {
        entry = xzalloc(sizeof *entry);
        entry->found.name = xstrdup(name);
    }
    entry->there = true;
    return entry;
}

static void
forget_others(void)
{
    for (size_t i = 0; i < n_entries; i++) {
        if (!entries[i]->there) {
            VLOG_INFO("%s is gone%s", entries[i]->found.name,
                      entries[i]->found.crls ? ", and its CRLs with it" : "");
            entry_destroy(entries[i]);
            generation++;
        }
    }
    free(entries);
    entries = NULL;
    n_entries = 0;
}

void
vnetenc_find_run(const char *directory)
{
    char *path = xasprintf("%s/%s", directory, VNETENC_FIND_DIRECTORY);
    struct svec names = SVEC_EMPTY_INITIALIZER;
    char *error = list_names(path, &names);
    struct entry **new;
    size_t n = names.n;

    if (error && !n) {
        /* What was found before stays. */
        set_dir_error(error);
        svec_destroy(&names);
        free(path);
        return;
    }
    set_dir_error(error);
    new = xcalloc(n, sizeof *new);
    for (size_t i = 0; i < n_entries; i++) {
        entries[i]->there = false;
    }
    for (size_t i = 0; i < n; i++) {
        char *base = xasprintf("%s/%s", path, names.names[i]);
        char *name = entry_name(names.names[i]);

        new[i] = take_entry(name);
        entry_run(new[i], base);
        free(name);
        free(base);
    }
    forget_others();
    entries = new;
    n_entries = n;
    svec_destroy(&names);
    free(path);
}

unsigned int
vnetenc_find_generation(void)
{
    return generation;
}

const struct vnetenc_found *const *
vnetenc_find_all(size_t *n)
{
    *n = n_entries;
    return (const struct vnetenc_found *const *) entries;
}

const char *
vnetenc_find_error(void)
{
    return dir_error;
}

bool
vnetenc_find_has_any(const struct vnetenc_config_fingerprints *set)
{
    for (size_t i = 0; set->n && i < n_entries; i++) {
        const struct vnetenc_found *found = &entries[i]->found;

        for (int j = 0; j < sk_X509_num(found->certs); j++) {
            if (vnetenc_config_fingerprints_have(set,
                                                 found->fingerprints[j])) {
                return true;
            }
        }
    }
    return false;
}

/* Returns true if 'ca' has issued 'cert', and is another one. */
static bool
has_issued(X509 *ca, X509 *cert)
{
    return (X509_check_issued(ca, cert) == X509_V_OK
            && X509_cmp(ca, cert)
            && X509_verify(cert, X509_get0_pubkey(ca)) == 1);
}

/* A certificate that is known, whichever files have it. */
struct known {
    X509 *cert;
    const uint8_t *fingerprint;
    bool reached;               /* It is in the chain that is searched. */
};

static int
compare_known(const void *a_, const void *b_)
{
    const struct known *a = a_;
    const struct known *b = b_;

    return memcmp(a->fingerprint, b->fingerprint, VNETENC_FINGERPRINT_BYTES);
}

/* Returns the certificates that are known, each once, which the caller must
 * free, and their number in '*n'. */
static struct known *
collect_known(size_t *n)
{
    struct known *known;
    size_t n_all = 0, n_kept = 0;

    for (size_t i = 0; i < n_entries; i++) {
        n_all += sk_X509_num(entries[i]->found.certs);
    }
    known = xcalloc(n_all + 1, sizeof *known);
    n_all = 0;
    for (size_t i = 0; i < n_entries; i++) {
        const struct vnetenc_found *found = &entries[i]->found;

        for (int j = 0; j < sk_X509_num(found->certs); j++) {
            known[n_all].cert = sk_X509_value(found->certs, j);
            known[n_all++].fingerprint = found->fingerprints[j];
        }
    }
    qsort(known, n_all, sizeof *known, compare_known);
    for (size_t i = 0; i < n_all; i++) {
        if (!n_kept || compare_known(&known[n_kept - 1], &known[i])) {
            known[n_kept++] = known[i];
        }
    }
    *n = n_kept;
    return known;
}

/* Goes up from 'cert'.  CAs that were renewed with their keys issued each
 * other, so there may be circles: each certificate is reached once. */
static const uint8_t *
find_issuer(X509 *cert, const struct vnetenc_config_fingerprints *set)
{
    size_t n_known, n_queued = 0, next = 0;
    struct known *known = collect_known(&n_known);
    X509 **queue = xmalloc((n_known + 1) * sizeof *queue);
    const uint8_t *issuer = NULL;

    for (queue[n_queued++] = cert; !issuer && next < n_queued; next++) {
        for (size_t i = 0; !issuer && i < n_known; i++) {
            struct known *ca = &known[i];

            if (!ca->reached && has_issued(ca->cert, queue[next])) {
                ca->reached = true;
                queue[n_queued++] = ca->cert;
                if (vnetenc_config_fingerprints_have(set, ca->fingerprint)) {
                    issuer = ca->fingerprint;
                }
            }
        }
    }
    free(queue);
    free(known);
    return issuer;
}

const uint8_t *
vnetenc_find_issuer(X509 *cert, const struct vnetenc_config_fingerprints *set)
{
    const uint8_t *issuer = NULL;

    if (vnetenc_find_has_any(set)) {
        issuer = find_issuer(cert, set);
        ERR_clear_error();
    }
    return issuer;
}

/* What a profile accepts. */
struct accepted {
    const struct vnetenc_config_fingerprints *listed, *revoked;
    X509_STORE *store;
    bool has_ca, has_crl;
};

/* Returns true if the 'i'th certificate of 'found' is a CA that is listed. */
static bool
is_listed_ca(const struct accepted *a, const struct vnetenc_found *found,
             int i)
{
    const uint8_t *f = found->fingerprints[i];

    return (vnetenc_config_fingerprints_have(a->listed, f)
            && !vnetenc_config_fingerprints_have(a->revoked, f)
            && X509_check_ca(sk_X509_value(found->certs, i)) == 1);
}

/* Returns true if 'found' has a listed CA: that of 'crl', or any if it is
 * NULL. */
static bool
has_listed_ca(const struct accepted *a, const struct vnetenc_found *found,
              const X509_CRL *crl)
{
    for (int i = 0; i < sk_X509_num(found->certs); i++) {
        X509 *cert = sk_X509_value(found->certs, i);

        if (is_listed_ca(a, found, i)
            && (!crl || !X509_NAME_cmp(X509_CRL_get_issuer(crl),
                                       X509_get_subject_name(cert)))) {
            return true;
        }
    }
    return false;
}

/* Returns true if 'crl', which lies beside no listed CA, is that of one. */
static bool
is_crl_of_listed(const struct accepted *a, const X509_CRL *crl)
{
    for (size_t i = 0; i < n_entries; i++) {
        if (has_listed_ca(a, &entries[i]->found, crl)) {
            return true;
        }
    }
    return false;
}

/* Adds the listed CAs of 'found', and the CRLs that are beside a listed CA or
 * of one, to the store. */
static char *
add_cas(struct accepted *a, const struct vnetenc_found *found)
{
    bool any = has_listed_ca(a, found, NULL);
    bool ok = true;

    if (any && found->lacks_crl) {
        return xasprintf("certificates: a CA of %s is listed, but its CRLs "
                         "cannot be read: %s", found->name, found->error);
    }
    for (int i = 0; i < sk_X509_num(found->certs); i++) {
        if (is_listed_ca(a, found, i)) {
            ok &= X509_STORE_add_cert(a->store,
                                      sk_X509_value(found->certs, i)) == 1;
            a->has_ca = true;
        }
    }
    for (int i = 0; i < sk_X509_CRL_num(found->crls); i++) {
        X509_CRL *crl = sk_X509_CRL_value(found->crls, i);

        if (any || is_crl_of_listed(a, crl)) {
            ok &= X509_STORE_add_crl(a->store, crl) == 1;
            a->has_crl = true;
        }
    }
    return (ok ? NULL : xasprintf("certificates %s: %s", found->name,
                                  vnetenc_ssl_error()));
}

char *
vnetenc_find_cas(const struct vnetenc_config_fingerprints *listed,
                 const struct vnetenc_config_fingerprints *revoked,
                 X509_STORE **store, bool *has_crl)
{
    struct accepted a = {
        .listed = listed, .revoked = revoked, .store = X509_STORE_new(),
    };
    char *error = a.store ? NULL : xstrdup(vnetenc_ssl_error());

    for (size_t i = 0; !error && i < n_entries; i++) {
        error = add_cas(&a, &entries[i]->found);
    }
    if (error || !a.has_ca) {
        X509_STORE_free(a.store);
        a.store = NULL;
    }
    *store = a.store;
    *has_crl = a.has_crl;
    return error;
}

bool
vnetenc_found_chains_to(const struct vnetenc_found *found, X509_STORE *cas)
{
    X509_STORE_CTX *ctx = cas ? X509_STORE_CTX_new() : NULL;
    bool ok;

    ok = (ctx && X509_STORE_CTX_init(ctx, cas,
                                     sk_X509_value(found->certs, 0),
                                     found->certs));
    if (ok) {
        X509_STORE_CTX_set_flags(ctx, X509_V_FLAG_PARTIAL_CHAIN
                                 | X509_V_FLAG_NO_CHECK_TIME);
        ok = X509_verify_cert(ctx) == 1;
    }
    X509_STORE_CTX_free(ctx);
    ERR_clear_error();
    return ok;
}

bool
vnetenc_found_is_valid(const struct vnetenc_found *found, time_t now)
{
    char *error = vnetenc_cert_check_dates(sk_X509_value(found->certs, 0),
                                           now);

    free(error);
    return !error;
}

bool
vnetenc_found_is_better(const struct vnetenc_found *a,
                        const struct vnetenc_found *b, time_t now)
{
    bool a_valid = vnetenc_found_is_valid(a, now);
    bool b_valid = vnetenc_found_is_valid(b, now);

    return (a_valid != b_valid ? a_valid
            : ASN1_TIME_compare(
                X509_get0_notBefore(sk_X509_value(a->certs, 0)),
                X509_get0_notBefore(sk_X509_value(b->certs, 0))) > 0);
}

char *
vnetenc_find_none(void)
{
    struct ds s = DS_EMPTY_INITIALIZER;
    ds_put_format(&s, "certificates: no file of %"PRIuSIZE" in directory %s "
                  "has a private key and a certificate that is listed or "
                  "issued by a listed CA, and not revoked", n_entries,
                  VNETENC_FIND_DIRECTORY);
    if (dir_error) {
        ds_put_format(&s, "; %s", dir_error);
    }
    for (size_t i = 0; i < n_entries; i++) {
        if (entries[i]->found.error) {
            ds_put_format(&s, "; %s", entries[i]->found.error);
        }
    }
    return ds_steal_cstr(&s);
}

void
vnetenc_find_end(void)
{
    for (size_t i = 0; i < n_entries; i++) {
        entries[i]->there = false;
    }
    forget_others();
    set_dir_error(NULL);
}
