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

/* Memory for secrets: blocks do not overlap and are cleansed, and a core dump
 * of this process would not hold its keys. */

#include <config.h>
#undef NDEBUG
#include "vnetenc/crypto/secret.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/ec.h>
#include <openssl/evp.h>

#include "random.h"
#include "util.h"
#include "vnetenc/crypto/aead.h"
#include "vnetenc-unit.h"

enum { KEY_BYTES = 32 };

static bool took_over;

static const char smaps_file[] = "/proc/self/smaps";
static const char mem_file[] = "/proc/self/mem";
static const char pattern_file[] = "/proc/sys/kernel/core_pattern";

/* A key that is known here only by its complement, so that it is nowhere in
 * memory but where it is used. */
struct hidden {
    uint8_t complement[KEY_BYTES];
};

static struct hidden
hide(const uint8_t key[KEY_BYTES])
{
    struct hidden h;

    for (size_t i = 0; i < KEY_BYTES; i++) {
        h.complement[i] = ~key[i];
    }
    return h;
}

/* True if the 16 octets at 'p' are those 'ofs' octets into the key. */
static bool
is_part(const uint8_t *p, const struct hidden *h, size_t ofs)
{
    for (size_t i = 0; i < 16; i++) {
        if ((uint8_t) ~p[i] != h->complement[ofs + i]) {
            return false;
        }
    }
    return true;
}

/* How often the first or the second half of a key is in the memory from
 * 'start' to 'end'. */
static unsigned int
count_in(int mem, uint64_t start, uint64_t end, const struct hidden *h)
{
    enum { CHUNK = 1 << 20, OVERLAP = 15 };
    static uint8_t *data;
    unsigned int n = 0;

    if (!data) {
        data = xmalloc(CHUNK);
    }
    for (uint64_t p = start; p < end; p += CHUNK - OVERLAP) {
        ssize_t size = pread(mem, data, MIN(CHUNK, end - p), p);

        for (ssize_t i = 0; i + 16 <= size; i++) {
            n += is_part(data + i, h, 0) || is_part(data + i, h, 16);
        }
        memset(data, 0, CHUNK);         /* No copy stays here. */
        if (size < CHUNK) {
            break;
        }
    }
    return n;
}

/* Counts the key in the memory that a core dump would hold, and in that which
 * it would leave out. */
static void
count_all(const struct hidden *h, unsigned int *dumped, unsigned int *left_out)
{
    FILE *maps = fopen(smaps_file, "r");
    int mem = open(mem_file, O_RDONLY);
    uint64_t start = 0, end = 0;
    bool readable = false;
    char line[512];

    *dumped = *left_out = 0;
    ovs_assert(maps && mem >= 0);
    while (fgets(line, sizeof line, maps)) {
        unsigned long long int from, to;
        char r;

        /* First and end address, permissions. */
        if (sscanf(line, "%llx%*c%llx %c", &from, &to, &r) == 3) {
            start = from;
            end = to;
            readable = r == 'r' && !strstr(line, "[v");
        } else if (!strncmp(line, "VmFlags:", 8) && readable) {
            unsigned int n = count_in(mem, start, end, h);

            *(strstr(line, " dd") ? left_out : dumped) += n;
        }
    }
    fclose(maps);
    close(mem);
}

/* Overwrites what calls have left on the stack: it is gone with the next call
 * in a real program, too. */
static void
scrub_stack(void)
{
    uint8_t octets[64 * 1024];

    OPENSSL_cleanse(octets, sizeof octets);
}

static void
check_key(const struct hidden *h, const char *what)
{
    unsigned int dumped, left_out;

    scrub_stack();
    count_all(h, &dumped, &left_out);
    if (!CHECK(!dumped) || !CHECK(left_out)) {
        printf("%s: %u times in a core dump, %u times elsewhere\n", what,
               dumped, left_out);
    }
}

static void
test_cipher_keys(const struct vnetenc_aead_provider *provider)
{
    for (int i = 0; i < VNETENC_N_CIPHERS; i++) {
        uint8_t bytes[VNETENC_MAX_KEY_BYTES];
        struct hidden h;
        void *key;

        random_bytes(bytes, sizeof bytes);
        h = hide(bytes);
        CHECK(!provider->key_create(i, bytes, &key));
        OPENSSL_cleanse(bytes, sizeof bytes);
        check_key(&h, provider->name);
        provider->key_destroy(key);
    }
}

/* The number that is a host's private key. */
static void
test_private_key(void)
{
    EVP_PKEY *pkey = EVP_EC_gen("P-256");
    uint8_t bytes[KEY_BYTES];
    BIGNUM *bn = NULL;
    struct hidden h;

    CHECK(EVP_PKEY_get_bn_param(pkey, OSSL_PKEY_PARAM_PRIV_KEY, &bn));
    /* As libcrypto has it in memory. */
    CHECK(BN_bn2lebinpad(bn, bytes, sizeof bytes) == sizeof bytes);
    BN_clear_free(bn);
    h = hide(bytes);
    OPENSSL_cleanse(bytes, sizeof bytes);
    check_key(&h, "private key");
    EVP_PKEY_free(pkey);
}

/* What count_all() finds where a key is not kept as it should be. */
static void
test_search(void)
{
    uint8_t *bytes = xmalloc(KEY_BYTES);
    unsigned int dumped, left_out;
    struct hidden h;

    random_bytes(bytes, KEY_BYTES);
    h = hide(bytes);
    count_all(&h, &dumped, &left_out);
    CHECK(dumped >= 2 && !left_out);
    free(bytes);
}

/* A core dump of a child that has the keys of this process. */
static void
test_core(void)
{
    const struct rlimit all = { RLIM_INFINITY, RLIM_INFINITY };
    uint8_t *in_heap = xmalloc(KEY_BYTES);
    uint8_t *secret = vnetenc_secret_alloc(KEY_BYTES);
    struct hidden hidden, found;
    char pattern[64] = "";
    char *with_pid;
    pid_t pid;
    FILE *f;

    random_bytes(in_heap, KEY_BYTES);
    found = hide(in_heap);
    random_bytes(secret, KEY_BYTES);
    hidden = hide(secret);

    f = fopen(pattern_file, "r");
    ovs_assert(f && fgets(pattern, sizeof pattern, f));
    fclose(f);
    if (strcmp(pattern, "core\n")) {
        printf("core dump of a child: not tested, core_pattern is %s",
               pattern);
        goto exit;
    }

    pid = fork();
    if (!pid) {
        setrlimit(RLIMIT_CORE, &all);
        signal(SIGABRT, SIG_DFL);
        ovs_abort(0, "a core dump is wanted");
    }
    CHECK(waitpid(pid, NULL, 0) == pid);
    with_pid = xasprintf("core.%d", (int) pid);
    if (!rename(with_pid, "core") || !access("core", R_OK)) {
        int core = open("core", O_RDONLY);

        CHECK(count_in(core, 0, lseek(core, 0, SEEK_END), &found) >= 2);
        CHECK(!count_in(core, 0, lseek(core, 0, SEEK_END), &hidden));
        close(core);
        unlink("core");
    } else {
        printf("core dump of a child: not tested, none was written\n");
    }
    free(with_pid);

exit:
    free(in_heap);
    vnetenc_secret_free(secret);
}

static bool
is_filled(const uint8_t *p, size_t size, uint8_t value)
{
    for (size_t i = 0; i < size; i++) {
        if (p[i] != value) {
            return false;
        }
    }
    return true;
}

/* Blocks of all sizes, each filled with a value of its own. */
static void
test_blocks(void)
{
    enum { N = 500, MAX = 100 * 1000 };
    static struct {
        uint8_t *p;
        size_t size;
    } blocks[N];
    bool ok = true;

    for (int i = 0; i < 20000; i++) {
        int j = random_range(N);
        uint8_t value = j;
        size_t size = random_range(1 << random_range(17));

        size = MIN(size, MAX);
        ok = ok && is_filled(blocks[j].p, blocks[j].size, value);
        if (blocks[j].p && size && random_range(2)) {
            size_t kept = MIN(size, blocks[j].size);

            blocks[j].p = OPENSSL_realloc(blocks[j].p, size);
            ok = ok && is_filled(blocks[j].p, kept, value);
        } else {
            OPENSSL_free(blocks[j].p);
            blocks[j].p = OPENSSL_malloc(size);
        }
        ok = ok && (!size || blocks[j].p)
             && (uintptr_t) blocks[j].p % 16 == 0;
        blocks[j].size = size;
        if (size) {
            memset(blocks[j].p, value, size);
        }
    }
    CHECK(ok);
    for (int j = 0; j < N; j++) {
        OPENSSL_free(blocks[j].p);
    }

    ok = true;
    for (size_t size = 0; size < 40000; size += 1 + size / 16) {
        uint8_t *p = vnetenc_secret_alloc(size);

        ok = (ok && (uintptr_t) p % 64 == 0 && is_filled(p, size, 0));
        memset(p, 0xff, size);
        vnetenc_secret_free(p);
    }
    CHECK(ok);
    vnetenc_secret_free(NULL);
}

/* A child that reads what it must not have ends by a signal. */
static void
test_fork(void)
{
    volatile uint8_t *p = vnetenc_secret_alloc(100);
    volatile uint8_t *later;
    int status;
    pid_t pid;

    vnetenc_secret_no_fork();
    later = vnetenc_secret_alloc(100 * 1000);
    for (int i = 0; i < 2; i++) {
        pid = fork();
        if (!pid) {
            _exit(i ? *p : *later);
        }
        CHECK(waitpid(pid, &status, 0) == pid);
        CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV);
    }
    vnetenc_secret_free((void *) p);
    vnetenc_secret_free((void *) later);
}

int
main(int argc OVS_UNUSED, char *argv[])
{
    took_over = vnetenc_secret_take_over();
    set_program_name(argv[0]);
    test_blocks();
    if (!took_over) {
        /* The sanitizers' memory is theirs. */
        printf("core dumps, forks: not tested with a sanitizer\n");
        return unit_end();
    }
    CHECK(vnetenc_secret_has_libcrypto());
    test_search();
    CHECK(!vnetenc_aead_openssl.init());
    test_cipher_keys(&vnetenc_aead_openssl);
    if (!vnetenc_aead_ipsec_mb.init()) {
        test_cipher_keys(&vnetenc_aead_ipsec_mb);
    } else {
        printf("provider ipsec-mb: not tested, not usable here\n");
    }
    test_private_key();
    test_core();
    test_fork();
    return unit_end();
}
