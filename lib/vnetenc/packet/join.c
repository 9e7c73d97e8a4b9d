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
#include "vnetenc/packet/join.h"
#include <string.h>
#include <time.h>
#include "dp-packet.h"
#include "netdev-dpdk.h"
#include "ovs-thread.h"
#include "timeval.h"
#include "vnetenc/bridge/halves.h"
#include "vnetenc/base/limits.h"
#include "vnetenc/packet/half.h"

/* Time. */

/* The result of time_msec() at the first call in a tick of the kernel's
 * clock. */
struct last_time {
    struct timespec tick;
    long long int msec;
};

DEFINE_STATIC_PER_THREAD_DATA(struct last_time, last_time, { { 0, 0 }, 0 });

long long int
vnetenc_join_time(void)
{
    struct last_time *last = last_time_get();
    struct timespec tick;

    clock_gettime(CLOCK_MONOTONIC_COARSE, &tick);
    if (tick.tv_nsec != last->tick.tv_nsec
        || tick.tv_sec != last->tick.tv_sec) {
        last->tick = tick;
        last->msec = time_msec();
    }
    return last->msec;
}

/* Joining. */

/* Gives 'packet' other memory, with that much room.  Returns false if there is
 * no memory or that of 'packet' cannot be replaced. */
static bool
resize(struct dp_packet *packet, size_t headroom, size_t tailroom)
{
    if (packet->source == DPBUF_MALLOC || packet->source == DPBUF_STUB) {
        dp_packet_resize(packet, headroom, tailroom);
        return true;
    }
#ifdef DPDK_NETDEV
    if (packet->source == DPBUF_DPDK) {
        /* Do the same as dp_packet_resize(), which would end the process if
         * DPDK has no memory left. */
        size_t size = headroom + dp_packet_size(packet) + tailroom;
        uint32_t n = netdev_dpdk_extbuf_size(size);
        uint8_t *buf = n <= UINT16_MAX ? netdev_dpdk_extbuf_allocate(n) : NULL;

        if (!buf) {
            return false;
        }
        memcpy(buf + headroom, dp_packet_data(packet), dp_packet_size(packet));
        netdev_dpdk_extbuf_replace(packet, buf, n);
        dp_packet_set_data(packet, buf + headroom);
        return true;
    }
#endif
    return false;
}

/* Makes 'head' bytes of room in front of 'packet' and 'tail' behind it, by
 * moving its bytes if there is room on the other side.  Returns false if its
 * memory is too small and cannot grow. */
static bool
make_gap(struct dp_packet *packet, size_t head, size_t tail)
{
    size_t headroom = dp_packet_headroom(packet);
    size_t tailroom = dp_packet_tailroom(packet);

    if (headroom >= head && tailroom >= tail) {
        return true;
    } else if (headroom + tailroom >= head + tail) {
        dp_packet_shift(packet, headroom < head ? (int) (head - headroom)
                                                : -(int) (tail - tailroom));
        return true;
    }
    return resize(packet, MAX(head, headroom), MAX(tail, tailroom));
}

/* Removes the mark from 'packet', whose Geneve header is at 'ofs'. */
static void
unmark(struct dp_packet *packet, size_t ofs)
{
    uint8_t *data = dp_packet_data(packet);
    uint8_t mark[VNETENC_MARK_BYTES];

    memcpy(mark, data + ofs + VNETENC_GENEVE_BYTES, sizeof mark);
    memmove(data + VNETENC_MARK_BYTES, data, ofs + VNETENC_GENEVE_BYTES);
    dp_packet_pull(packet, VNETENC_MARK_BYTES);
    vnetenc_half_unmark((uint8_t *) dp_packet_data(packet) + ofs, mark);
}

/* Completes 'packet', a front half, with the 'size' bytes of inner frame at
 * 'back'.  Returns false if 'packet' cannot grow. */
static bool
append_back(struct dp_packet *packet, size_t ofs, const uint8_t *back,
            size_t size)
{
    unmark(packet, ofs);
    if (!make_gap(packet, 0, size)) {
        return false;
    }
    memcpy(dp_packet_put_uninit(packet, size), back, size);
    return true;
}

/* Completes 'packet', a back half, with the 'size' bytes of inner frame at
 * 'front'.  The headers of the whole have 'head' bytes, and 'geneve', the
 * Geneve header of the front half, has the protocol type of the whole.
 * Returns false if 'packet' cannot grow. */
static bool
insert_front(struct dp_packet *packet, size_t ofs, size_t head,
             const uint8_t *geneve, const uint8_t *front, size_t size)
{
    enum { PROTOCOL_OFS = 2, PROTOCOL_BYTES = 2 };
    uint8_t *data;

    unmark(packet, ofs);
    if (!make_gap(packet, size, 0)) {
        return false;
    }
    data = dp_packet_push_uninit(packet, size);
    memmove(data, data + size, head);
    memcpy(data + head, front, size);
    memcpy(data + ofs + PROTOCOL_OFS, geneve + PROTOCOL_OFS, PROTOCOL_BYTES);
    return true;
}

/* Completes 'packet', which is 'half', with 'partner'. */
static enum vnetenc_drop
complete(struct dp_packet *packet, size_t ofs, const struct vnetenc_half *half,
         const struct vnetenc_halves_entry *partner)
{
    const uint8_t *plain = (uint8_t *) dp_packet_data(packet) + ofs;
    const uint8_t *rest = partner->plain + half->head;
    size_t size = half->total - half->size;

    /* The partner was parsed when it arrived, so equal headers have equal
     * lengths. */
    if (partner->size != half->head + size
        || half->head - VNETENC_MARK_BYTES + half->total
           > VNETENC_MAX_PLAINTEXT_BYTES
        || (half->back
            ? !vnetenc_half_match(partner->plain, plain, half->head)
            : !vnetenc_half_match(plain, partner->plain, half->head))) {
        return VNETENC_DROP_rx_half_other;
    }
    return ((half->back
             ? insert_front(packet, ofs, ofs + half->head - VNETENC_MARK_BYTES,
                            partner->plain, rest, size)
             : append_back(packet, ofs, rest, size))
            ? VNETENC_KEEP : VNETENC_DROP_rx_half_room);
}

enum vnetenc_drop
vnetenc_join(struct vnetenc_halves *halves, struct dp_packet *packet,
             size_t ofs, uint64_t seq, long long int now, bool *deliver)
{
    const uint8_t *plain = (uint8_t *) dp_packet_data(packet) + ofs;
    size_t size = dp_packet_size(packet) - ofs;
    struct vnetenc_halves_entry *partner;
    struct vnetenc_half half;
    enum vnetenc_drop drop;

    *deliver = false;
    if (!vnetenc_half_parse(plain, size, &half)) {
        return VNETENC_DROP_rx_half_bad;
    }
    drop = vnetenc_halves_meet(halves, plain, size, seq, half.back, now,
                               &partner);
    if (drop || !partner) {
        return drop;
    }
    drop = complete(packet, ofs, &half, partner);
    vnetenc_halves_discard(halves, partner);
    *deliver = !drop;
    return drop;
}
