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

/* Peers: found while there is a row, each with its own rates. */

#include <config.h>
#undef NDEBUG
#include "vnetenc/bridge/gate.h"

#include "ovs-rcu.h"
#include "packets.h"
#include "util.h"
#include "vnetenc/base/limits.h"
#include "vnetenc-unit.h"

static struct in6_addr
address(const char *s)
{
    struct in6_addr addr;

    ovs_assert(ipv6_parse(s, &addr));
    return addr;
}

static void
test_find(void)
{
    struct in6_addr a = address("::ffff:10.0.0.1");
    struct in6_addr b = address("fd00::1");
    struct in6_addr c = address("FD00:0::1");
    struct vnetenc_gate *pa, *pb;

    CHECK(!vnetenc_gate_find(&a));
    pa = vnetenc_gate_add(&a);
    pb = vnetenc_gate_add(&b);
    CHECK(vnetenc_gate_find(&a) == pa);
    CHECK(vnetenc_gate_find(&b) == pb);
    CHECK(vnetenc_gate_find(&c) == pb);
    vnetenc_gate_remove(pa);
    CHECK(!vnetenc_gate_find(&a));
    CHECK(vnetenc_gate_find(&b) == pb);
    vnetenc_gate_remove(pb);
    CHECK(!vnetenc_gate_find(&b));
}

static void
test_rates(void)
{
    struct in6_addr a = address("fd00::a");
    struct in6_addr b = address("fd00::b");
    struct vnetenc_gate *pa = vnetenc_gate_add(&a);
    struct vnetenc_gate *pb = vnetenc_gate_add(&b);
    unsigned int n = 0;

    /* A burst, then one every 1000 / 64 ms: 15.625. */
    for (int i = 0; i < 1000; i++) {
        n += vnetenc_gate_admit_hello(pa, 0);
    }
    CHECK(n == VNETENC_SOURCE_BURST);
    CHECK(!vnetenc_gate_admit_hello(pa, 15));
    CHECK(vnetenc_gate_admit_hello(pa, 16));
    CHECK(!vnetenc_gate_admit_hello(pa, 31));
    CHECK(vnetenc_gate_admit_hello(pa, 32));
    CHECK(vnetenc_gate_admit_hello(pb, 0));
    n = 0;
    for (int i = 1; i <= 10000; i++) {
        n += vnetenc_gate_admit_hello(pa, 32 + i);
    }
    CHECK(n == 10 * VNETENC_SOURCE_PER_SECOND);

    /* Rest fills the bucket again, but not over its brim. */
    n = 0;
    for (int i = 0; i < 1000; i++) {
        n += vnetenc_gate_admit_hello(pa, 1000000);
    }
    CHECK(n == VNETENC_SOURCE_BURST);

    /* The rates do not touch each other. */
    CHECK(!vnetenc_gate_admit_hello(pa, 1000000));
    CHECK(vnetenc_gate_admit_joined(pa, 1000000));
    CHECK(vnetenc_gate_may_want(pa, 1000000));
    CHECK(!vnetenc_gate_may_want(pa, 1000009));
    CHECK(vnetenc_gate_may_want(pa, 1000010));
    CHECK(vnetenc_gate_may_report(pa, 1000000));
    CHECK(!vnetenc_gate_may_report(pa, 1000999));
    CHECK(vnetenc_gate_may_report(pa, 1001000));
    vnetenc_gate_remove(pa);
    vnetenc_gate_remove(pb);
}

static void
test_loaded(void)
{
    CHECK(!vnetenc_gates_loaded());
    vnetenc_gates_set_loaded();
    CHECK(vnetenc_gates_loaded());
}

int
main(int argc OVS_UNUSED, char *argv[])
{
    set_program_name(argv[0]);
    test_find();
    test_rates();
    test_loaded();
    ovsrcu_quiesce();
    return unit_end();
}
