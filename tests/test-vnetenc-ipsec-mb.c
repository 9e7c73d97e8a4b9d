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


/* The provider "ipsec-mb" before it is used: which library it takes, and what
 * it does without a fitting one. */

#include <config.h>
#undef NDEBUG
#include <dlfcn.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "vnetenc-unit.h"

static void *fake_dlopen(const char *name, int flags);
static void *fake_dlsym(void *handle, const char *name);
static int fake_dlclose(void *handle);

#define dlopen fake_dlopen
#define dlsym fake_dlsym
#define dlclose fake_dlclose
#include "vnetenc/crypto/aead-ipsec-mb.c"
#undef dlopen
#undef dlsym
#undef dlclose

#ifdef HAVE_IPSEC_MB

static char asked_for[64];      /* What was to be loaded. */
static bool is_there;           /* Is there such a file? */
static int n_open;
static unsigned int version;
static bool has_version;
static bool has_manager;        /* The two other functions, too. */

static void *
fake_dlopen(const char *name, int flags OVS_UNUSED)
{
    ovs_strzcpy(asked_for, name, sizeof asked_for);
    n_open += is_there;
    return is_there ? &is_there : NULL;
}

static int
fake_dlclose(void *handle)
{
    ovs_assert(handle == &is_there);
    n_open--;
    return 0;
}

static unsigned int
fake_version(void)
{
    return version;
}

static IMB_MGR *
fake_alloc(uint64_t flags OVS_UNUSED)
{
    return xzalloc(sizeof(IMB_MGR));
}

/* As on a CPU with the instructions it needs. */
static void
fake_init(IMB_MGR *m, IMB_ARCH *arch OVS_UNUSED)
{
    m->features = IMB_FEATURE_AESNI;
}

static void *
fake_dlsym(void *handle, const char *name)
{
    ovs_assert(handle == &is_there);
    if (!strcmp(name, "imb_get_version")) {
        return has_version ? (void *) fake_version : NULL;
    } else if (!strcmp(name, "alloc_mb_mgr")) {
        return has_manager ? (void *) fake_alloc : NULL;
    } else if (!strcmp(name, "init_mb_mgr_auto")) {
        return has_manager ? (void *) fake_init : NULL;
    }
    return NULL;
}

static void
test_library(void)
{
    static const struct {
        bool is_there;
        bool has_version;
        unsigned int version;
        bool has_manager;
        int error;
    } rows[] = {
        { false, true, IMB_VERSION_NUM, true, ENOENT },
        { true, true, IMB_VERSION_NUM + 0x10000, true, EPROTO },
        { true, true, IMB_VERSION_NUM - 0x10000, true, EPROTO },
        { true, false, 0, true, EPROTO },
        { true, true, IMB_VERSION_NUM, false, EPROTO },
        { true, true, IMB_VERSION_NUM, true, 0 },
        { true, true, IMB_VERSION_NUM | 0xffff, true, 0 },
    };
    char *want = xasprintf("libIPSec_MB.so.%c", IMB_VERSION_STR[0]);

    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        is_there = rows[i].is_there;
        has_version = rows[i].has_version;
        version = rows[i].version;
        has_manager = rows[i].has_manager;
        n_open = 0;
        CHECK(vnetenc_aead_ipsec_mb.init() == rows[i].error);
        CHECK(!strcmp(asked_for, want));
        CHECK(n_open == !rows[i].error);
        CHECK(!mgr == !!rows[i].error);
        free(mgr);
        mgr = NULL;
    }
    free(want);
}

#else /* !HAVE_IPSEC_MB */

static void
test_library(void)
{
    CHECK(vnetenc_aead_ipsec_mb.init() == ENOENT);
}

#endif

int
main(int argc OVS_UNUSED, char *argv[])
{
    set_program_name(argv[0]);
    test_library();
    return unit_end();
}
