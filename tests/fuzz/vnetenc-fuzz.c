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
#undef NDEBUG
#include "fuzz/vnetenc-fuzz.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "openvswitch/vlog.h"
#include "ovs-rcu.h"
#include "random.h"
#include "util.h"

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char *seed_dir;
static unsigned int n_seeds;

uint8_t
fuzz_u8(struct fuzz_input *in)
{
    size_t n = 1;
    const uint8_t *p = fuzz_take(in, &n);

    return n ? *p : 0;
}

uint16_t
fuzz_u16(struct fuzz_input *in)
{
    uint8_t high = fuzz_u8(in);

    return high << 8 | fuzz_u8(in);
}

const uint8_t *
fuzz_take(struct fuzz_input *in, size_t *n)
{
    const uint8_t *p = in->data;

    *n = MIN(*n, in->size);
    in->data += *n;
    in->size -= *n;
    return p;
}

char *
fuzz_string(struct fuzz_input *in)
{
    size_t n = in->size;
    const uint8_t *p = fuzz_take(in, &n);

    return xmemdup0((const char *) p, n);
}

void
fuzz_seed(int first, const void *data, size_t size)
{
    char *name = xasprintf("%s/seed-%u", seed_dir, n_seeds++);
    FILE *f = fopen(name, "wb");

    if (!f || (first >= 0 && putc(first, f) == EOF)
        || fwrite(data, 1, size, f) != size || fclose(f)) {
        ovs_fatal(errno, "%s", name);
    }
    free(name);
}

int
LLVMFuzzerInitialize(int *argc, char ***argv)
{
    set_program_name((*argv)[0]);
    vlog_set_levels(NULL, VLF_ANY_DESTINATION, VLL_OFF);
    random_set_seed(1);         /* An input means the same in every run. */
    fuzz_begin();
    if (*argc == 3 && !strcmp((*argv)[1], "seeds")) {
        seed_dir = (*argv)[2];
        fuzz_make_seeds();
        exit(0);
    }
    return 0;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    fuzz_one((struct fuzz_input) { data, size });
    ovsrcu_quiesce();
    return 0;
}
