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
#include "vnetenc/crypto/aead-provider.h"
#include <errno.h>
#include "openvswitch/vlog.h"

/* The provider "ipsec-mb"
 * =======================
 *
 * The provider uses Intel's Multi-Buffer Crypto library.  On a CPU with VAES
 * and VPCLMULQDQ, its AES-GCM needs a third of the cycles of libcrypto.  The
 * library is loaded when ovs-vswitchd starts, so the program does not depend
 * on it.  If the library is missing then, or its header at build time, the
 * provider is left out.
 *
 * The provider uses only the library manager's table of functions, which is
 * constant after its creation.  These functions keep their state in a context
 * on the caller's stack. */

VLOG_DEFINE_THIS_MODULE(vnetenc_ipsec_mb);

#if defined(__has_include)
#if __has_include(<intel-ipsec-mb.h>)
#define HAVE_IPSEC_MB 1
#endif
#endif

#ifdef HAVE_IPSEC_MB

#include <dlfcn.h>
#include <intel-ipsec-mb.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <string.h>
#include "util.h"
#include "vnetenc/crypto/secret.h"

/* The manager's table differs between major versions, so only the version
 * whose header was compiled in can be used.  The number of the shared library
 * is the major version. */
#define MAJOR_OF(VERSION) ((VERSION) >> 16)
enum { MAJOR = MAJOR_OF(IMB_VERSION_NUM) };

static IMB_MGR *mgr;            /* Constant after init. */

/* The library requires keys at multiples of 64 bytes. */
struct mb_key {
    union {
        struct gcm_key_data gcm;
        uint8_t chacha[VNETENC_MAX_KEY_BYTES];
    };
    enum vnetenc_cipher cipher;
};
BUILD_ASSERT_DECL(CACHE_LINE_SIZE % 64 == 0);
BUILD_ASSERT_DECL(offsetof(struct mb_key, gcm) == 0);

/* State of a call, which must be cleansed after it: keystream, Poly1305 keys,
 * and the right tag of a record that may have been forged. */
struct mb_context {
    uint8_t tag[VNETENC_TAG_BYTES];
    union {
        struct gcm_context_data gcm;
        struct chacha20_poly1305_context_data chacha;
    };
};

/* Does one operation.  'tag' is computed in both directions. */
typedef void mb_crypt_func(const struct mb_key *, struct mb_context *,
                           const struct vnetenc_aead_op *, uint8_t *tag);

#define DEFINE_GCM(NAME, FUNCTION)                                      \
    static void                                                         \
    NAME(const struct mb_key *key, struct mb_context *ctx,               \
         const struct vnetenc_aead_op *op, uint8_t *tag)                \
    {                                                                   \
        mgr->FUNCTION(&key->gcm, &ctx->gcm, op->text, op->text,         \
                      op->size, op->nonce, op->aad, sizeof op->aad,     \
                      tag, VNETENC_TAG_BYTES);                          \
    }

DEFINE_GCM(seal_aes256, gcm256_enc)
DEFINE_GCM(open_aes256, gcm256_dec)
DEFINE_GCM(seal_aes128, gcm128_enc)
DEFINE_GCM(open_aes128, gcm128_dec)

#define DEFINE_CHACHA(NAME, FUNCTION)                                   \
    static void                                                         \
    NAME(const struct mb_key *key, struct mb_context *ctx,               \
         const struct vnetenc_aead_op *op, uint8_t *tag)                \
    {                                                                   \
        mgr->chacha20_poly1305_init(key->chacha, &ctx->chacha,          \
                                    op->nonce, op->aad,                 \
                                    sizeof op->aad);                    \
        mgr->FUNCTION(key->chacha, &ctx->chacha, op->text, op->text,    \
                      op->size);                                        \
        mgr->chacha20_poly1305_finalize(&ctx->chacha, tag,              \
                                        VNETENC_TAG_BYTES);             \
    }

DEFINE_CHACHA(seal_chacha, chacha20_poly1305_enc_update)
DEFINE_CHACHA(open_chacha, chacha20_poly1305_dec_update)

static mb_crypt_func *const seal_funcs[VNETENC_N_CIPHERS] = {
    [VNETENC_AES256_GCM] = seal_aes256,
    [VNETENC_AES128_GCM] = seal_aes128,
    [VNETENC_CHACHA20_POLY1305] = seal_chacha,
};

static mb_crypt_func *const open_funcs[VNETENC_N_CIPHERS] = {
    [VNETENC_AES256_GCM] = open_aes256,
    [VNETENC_AES128_GCM] = open_aes128,
    [VNETENC_CHACHA20_POLY1305] = open_chacha,
};

/* Erases from 'ctx' all that operations with 'key' put there.  This happens
 * for every packet, so explicit_bzero() is used: OPENSSL_cleanse() guarantees
 * the same, but erases only 8 bytes at a time. */
static void
cleanse(const struct mb_key *key, struct mb_context *ctx)
{
    explicit_bzero(ctx, key->cipher == VNETENC_CHACHA20_POLY1305
                        ? OFFSETOFEND(struct mb_context, chacha)
                        : OFFSETOFEND(struct mb_context, gcm));
}

static void
mb_seal(void *key_, struct vnetenc_aead_op *ops, size_t n)
{
    const struct mb_key *key = key_;
    mb_crypt_func *seal = seal_funcs[key->cipher];
    struct mb_context ctx OVS_ALIGNED_VAR(CACHE_LINE_SIZE);

    for (size_t i = 0; i < n; i++) {
        seal(key, &ctx, &ops[i], ops[i].tag);
        ops[i].result = VNETENC_AEAD_OK;
    }
    cleanse(key, &ctx);
}

/* One context serves all keys: the functions set all of it that they read. */
static void
mb_seal_each(void *const keys[], struct vnetenc_aead_op *ops, size_t n)
{
    struct mb_context ctx OVS_ALIGNED_VAR(CACHE_LINE_SIZE);

    for (size_t i = 0; i < n; i++) {
        const struct mb_key *key = keys[i];

        seal_funcs[key->cipher](key, &ctx, &ops[i], ops[i].tag);
        ops[i].result = VNETENC_AEAD_OK;
    }
    explicit_bzero(&ctx, sizeof ctx);
}

/* The functions read all round keys and, from the end, the more powers of the
 * hash key the longer a record is. */
static void
mb_fetch(const void *key)
{
    enum {
        HEAD = 4 * CACHE_LINE_SIZE,
        TAIL = offsetof(struct mb_key, cipher) - 3 * CACHE_LINE_SIZE,
    };
    const char *p = key;

    for (size_t i = 0; i < HEAD; i += CACHE_LINE_SIZE) {
        OVS_PREFETCH(p + i);
    }
    for (size_t i = TAIL; i < sizeof(struct mb_key); i += CACHE_LINE_SIZE) {
        OVS_PREFETCH(p + i);
    }
}

static void
mb_open(void *key_, struct vnetenc_aead_op *ops, size_t n)
{
    const struct mb_key *key = key_;
    mb_crypt_func *open = open_funcs[key->cipher];
    struct mb_context ctx OVS_ALIGNED_VAR(CACHE_LINE_SIZE);

    for (size_t i = 0; i < n; i++) {
        open(key, &ctx, &ops[i], ctx.tag);
        ops[i].result = (CRYPTO_memcmp(ctx.tag, ops[i].tag, sizeof ctx.tag)
                         ? VNETENC_AEAD_BAD : VNETENC_AEAD_OK);
    }
    cleanse(key, &ctx);
}

static int
mb_key_create(enum vnetenc_cipher cipher, const uint8_t *bytes, void **keyp)
{
    struct mb_key *key = vnetenc_secret_alloc(sizeof *key);

    key->cipher = cipher;
    switch (cipher) {
    case VNETENC_AES256_GCM:
        mgr->gcm256_pre(bytes, &key->gcm);
        break;
    case VNETENC_AES128_GCM:
        mgr->gcm128_pre(bytes, &key->gcm);
        break;
    case VNETENC_CHACHA20_POLY1305:
        memcpy(key->chacha, bytes, sizeof key->chacha);
        break;
    case VNETENC_N_CIPHERS:
    default:
        OVS_NOT_REACHED();
    }
    *keyp = key;
    return 0;
}

static void
mb_key_destroy(void *key)
{
    vnetenc_secret_free(key);
}

static bool
mb_supports(enum vnetenc_cipher cipher OVS_UNUSED)
{
    return true;
}

/* Makes the manager of the library 'handle', loaded from 'name'.  Returns 0
 * or a positive errno value. */
static int
mb_start(void *handle, const char *name)
{
    unsigned (*version)(void) = dlsym(handle, "imb_get_version");
    IMB_MGR *(*alloc)(uint64_t) = dlsym(handle, "alloc_mb_mgr");
    void (*init)(IMB_MGR *, IMB_ARCH *) = dlsym(handle, "init_mb_mgr_auto");
    IMB_ARCH arch;

    if (!version || !alloc || !init) {
        VLOG_WARN("%s lacks functions of libipsec-mb: not used", name);
        return EPROTO;
    }
    if (MAJOR_OF(version()) != MAJOR) {
        VLOG_WARN("%s is version %u of libipsec-mb, and this was built for "
                  "version %d: not used", name, MAJOR_OF(version()), MAJOR);
        return EPROTO;
    }
    mgr = alloc(0);
    if (!mgr) {
        return ENOMEM;
    }
    init(mgr, &arch);
    if (!(mgr->features & IMB_FEATURE_AESNI)) {
        /* The library would emulate AES, slowly.  The manager is not freed; it
         * is small. */
        mgr = NULL;
        return EOPNOTSUPP;
    }
    return 0;
}

/* Loads the library and makes its manager.  Returns 0 or a positive errno
 * value. */
static int
mb_load(void)
{
    char *name = xasprintf("libIPSec_MB.so.%d", MAJOR);
    void *handle = dlopen(name, RTLD_NOW | RTLD_LOCAL);
    int error = ENOENT;

    if (!handle) {
        VLOG_INFO("%s cannot be loaded: this was built for version %d of "
                  "libipsec-mb", name, MAJOR);
    } else {
        error = mb_start(handle, name);
        if (error && error != EOPNOTSUPP) {
            dlclose(handle);
        }
    }
    free(name);
    return error;
}

static int
mb_init(void)
{
    if (EVP_default_properties_is_fips_enabled(NULL)) {
        return EPERM;
    }
    return mgr ? 0 : mb_load();
}

const struct vnetenc_aead_provider vnetenc_aead_ipsec_mb = {
    .name = "ipsec-mb",
    .init = mb_init,
    .supports = mb_supports,
    .key_create = mb_key_create,
    .key_destroy = mb_key_destroy,
    .seal = mb_seal,
    .open = mb_open,
    .seal_each = mb_seal_each,
    .fetch = mb_fetch,
};

#else /* !HAVE_IPSEC_MB */

static int
mb_init(void)
{
    VLOG_DBG("built without intel-ipsec-mb.h");
    return ENOENT;
}

const struct vnetenc_aead_provider vnetenc_aead_ipsec_mb = {
    .name = "ipsec-mb",
    .init = mb_init,
};

#endif
