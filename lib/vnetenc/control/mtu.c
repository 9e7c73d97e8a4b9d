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
#include "vnetenc/control/mtu.h"
#include <net/if.h>
#include <string.h>
#include "netdev-provider.h"
#include "ovs-router.h"
#include "packets.h"
#include "random.h"
#include "socket-util.h"
#include "util.h"
#include "vnetenc/base/limits.h"
#include "vnetenc/bridge/marks.h"

/* A handshake must get through before a probe can. */
BUILD_ASSERT_DECL(VNETENC_MIN_MTU >= (VNETENC_HANDSHAKE_MTU_BYTES
                                      + UDP_HEADER_LEN + IPV6_HEADER_LEN));

/* Common MTUs of underlays that are narrower than their first interface: jumbo
 * frames of several makes, Ethernet, PPPoE, tunnels, the minimum of IPv6. */
static const unsigned int common[] = {
    8900, 4000, 1500, 1492, 1450, 1400, 1350, 1280
};

void
vnetenc_mtu_init(struct vnetenc_mtu *mtu)
{
    memset(mtu, 0, sizeof *mtu);
    mtu->echo = random_uint64();
}

/* Restarts the search at the largest length. */
static void
restart(struct vnetenc_mtu *mtu, long long int now)
{
    mtu->size = mtu->device;
    mtu->proved = 0;
    mtu->tries = 0;
    mtu->next = mtu->search_at = now;
}

void
vnetenc_mtu_set_device(struct vnetenc_mtu *mtu, unsigned int device,
                       long long int now)
{
    /* A probe is one record. */
    device = MIN(device, VNETENC_MAX_PLAINTEXT_BYTES);
    if (device && device != mtu->device) {
        mtu->device = device;
        restart(mtu, now);
    }
}

unsigned int
vnetenc_mtu_get(const struct vnetenc_mtu *mtu)
{
    /* The interface's MTU holds until a reply proves another length. */
    return mtu->proved ? mtu->proved : mtu->device;
}

/* Returns the next shorter length after 'size', or 0. */
static unsigned int
shorter(unsigned int size)
{
    for (size_t i = 0; i < ARRAY_SIZE(common); i++) {
        if (common[i] < size) {
            return common[i];
        }
    }
    return 0;
}

unsigned int
vnetenc_mtu_run(struct vnetenc_mtu *mtu, bool alive, bool busy,
                unsigned int timeout_ms, long long int now)
{
    if (busy && mtu->proved && !mtu->tries) {
        mtu->next = MIN(mtu->next, mtu->check_at);
    }
    if (!mtu->size || now < mtu->next) {
        return 0;
    }
    if (!alive) {
        mtu->tries = 0;
        mtu->next = now + VNETENC_PROBE_BUSY_MS;
        return 0;
    }
    if (mtu->tries >= VNETENC_PROBE_TRIES) {
        mtu->tries = 0;
        mtu->size = shorter(mtu->size);
        if (!mtu->size) {
            /* No length was answered: the peer does not answer such probes. */
            mtu->size = mtu->device;
            mtu->next = mtu->search_at = mtu->check_at
                = now + VNETENC_MTU_SILENT_MS;
            return 0;
        }
    }
    if (!mtu->tries && now >= mtu->search_at) {
        /* A length that was too long may have become possible. */
        mtu->size = mtu->device;
        mtu->search_at = now + VNETENC_MTU_AGAIN_MS;
    }
    mtu->tries++;
    mtu->echo++;
    mtu->next = now + timeout_ms;
    return mtu->size;
}

void
vnetenc_mtu_reply(struct vnetenc_mtu *mtu, uint64_t echo, long long int now)
{
    if (mtu->tries && echo == mtu->echo) {
        mtu->proved = mtu->size;
        mtu->tries = 0;
        mtu->check_at = now + VNETENC_PROBE_BUSY_MS;
        mtu->next = MAX(mtu->search_at, mtu->check_at);
    }
}

unsigned int
vnetenc_mtu_of_route(const struct in6_addr *local,
                     const struct in6_addr *remote)
{
    struct in6_addr src = *local, gw;
    char name[IFNAMSIZ];
    struct netdev *netdev;
    int mtu = 0;

    /* Open vSwitch does not know the host's rules for marks. */
    if (!ovs_router_lookup(vnetenc_marks_find(remote), remote, name, &src, &gw)
        && !ovs_router_lookup(0, remote, name, &src, &gw)) {
        return 0;
    }
    netdev = netdev_from_name(name);
    if (netdev) {
        netdev_get_mtu(netdev, &mtu);
        netdev_close(netdev);
    }
    return mtu > 0 ? mtu : 0;
}
