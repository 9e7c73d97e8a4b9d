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

#ifndef VNETENC_UNIT_DPDK_H
#define VNETENC_UNIT_DPDK_H 1

/* DPDK in unit programs
 * =====================
 *
 * For what is compiled with DPDK only.  unit_dpdk_log() is to be called first,
 * unit_dpdk_start() once: DPDK with 'extra' arguments, without devices and
 * huge pages. */

#include <rte_mbuf.h>
#include <rte_mempool.h>

#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/lsan_interface.h>
#endif

#include "dp-packet.h"
#include "dpdk.h"
#include "openvswitch/vlog.h"
#include "smap.h"
#include "util.h"

/* What is not freed, and not ours: upstream's log, and what some drivers make
 * for each thread. */
#ifdef __SANITIZE_ADDRESS__
const char *__lsan_default_suppressions(void);
const char *
__lsan_default_suppressions(void)
{
    return "leak:alloc_mb_mgr\n";
}

static inline void
unit_dpdk_log(void)
{
    __lsan_disable();
    vlog_init();
    __lsan_enable();
}
#else
static inline void
unit_dpdk_log(void)
{
}
#endif

static inline void
unit_dpdk_start(const char *extra)
{
    struct smap config = SMAP_INITIALIZER(&config);

    smap_add(&config, "dpdk-init", "true");
    smap_add_format(&config, "dpdk-extra",
                    "--no-huge --legacy-mem --no-pci --no-shconf %s", extra);
    dpdk_init(&config);
    ovs_assert(dpdk_available());
    smap_destroy(&config);
}

static inline void
unit_dpdk_packet_init(struct rte_mempool *pool OVS_UNUSED,
                      void *aux OVS_UNUSED, void *packet,
                      unsigned int i OVS_UNUSED)
{
    dp_packet_init_dpdk(packet);
}

/* A pool of 'n' packets with 'room' octets behind their headroom, as
 * netdev-dpdk makes them but that no thread keeps some for itself. */
static inline struct rte_mempool *
unit_dpdk_pool(const char *name, unsigned int n, uint16_t room)
{
    struct rte_mempool *pool = rte_pktmbuf_pool_create(
        name, n, 0, sizeof(struct dp_packet) - sizeof(struct rte_mbuf),
        room + RTE_PKTMBUF_HEADROOM, SOCKET_ID_ANY);

    ovs_assert(pool);
    rte_mempool_obj_iter(pool, unit_dpdk_packet_init, NULL);
    return pool;
}

/* An empty packet out of 'pool', which must not be empty. */
static inline struct dp_packet *
unit_dpdk_packet(struct rte_mempool *pool)
{
    struct rte_mbuf *m = rte_pktmbuf_alloc(pool);

    ovs_assert(m);
    return CONTAINER_OF(m, struct dp_packet, mbuf);
}

#endif /* vnetenc-unit-dpdk.h */
