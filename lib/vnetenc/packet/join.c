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
#include "util.h"
#include "vnetenc/packet/half.h"

/* A half that waits for the other.  Whoever has the pointer owns it. */
struct vnetenc_waiting {
    uint64_t key;               /* Number of the back half's record. */
    long long int since;
    bool back;
    size_t size;                /* Of 'plain'. */
    uint8_t plain[];            /* From the Geneve header on. */
};

/* Held by all sessions. */
static atomic_uint64_t total_bytes = 0;

/* Time. */

/* What time_msec() said at the first call in a tick of the kernel's clock. */
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

/* Memory. */

static uint64_t
cost(size_t plain_size)
{
    return sizeof(struct vnetenc_waiting) + plain_size;
}

static void
release(struct vnetenc_join *join, uint64_t n)
{
    uint64_t orig;

    atomic_sub_relaxed(&join->n_bytes, n, &orig);
    atomic_sub_relaxed(&total_bytes, n, &orig);
}

/* Asks for 'n' octets.  A session gets them as long as it holds no more than
 * is left for all. */
static bool
reserve(struct vnetenc_join *join, uint64_t n)
{
    uint64_t own, all;

    atomic_add_relaxed(&join->n_bytes, n, &own);
    atomic_add_relaxed(&total_bytes, n, &all);
    if (own + n + all + n <= VNETENC_JOIN_BYTES) {
        return true;
    }
    release(join, n);
    return false;
}

static struct vnetenc_waiting *
take(struct vnetenc_join_slot *slot)
{
    return atomic_exchange_explicit(&slot->waiting, NULL,
                                    memory_order_acq_rel);
}

/* Puts 'waiting' into 'slot'.  Returns false if that is not empty. */
static bool
put(struct vnetenc_join_slot *slot, struct vnetenc_waiting *waiting)
{
    struct vnetenc_waiting *expected = NULL;

    atomic_store_relaxed(&slot->since, waiting->since);
    return atomic_compare_exchange_strong_explicit(&slot->waiting, &expected,
                                                   waiting,
                                                   memory_order_acq_rel,
                                                   memory_order_relaxed);
}

static void
discard(struct vnetenc_join *join, struct vnetenc_waiting *waiting)
{
    release(join, cost(waiting->size));
    free(waiting);
}

static bool
is_late(const struct vnetenc_waiting *waiting, long long int now)
{
    return now >= waiting->since + VNETENC_JOIN_MS;
}

/* Gives up 'waiting', which has to go for 'reason' unless it is late. */
static void
give_up(struct vnetenc_join *join, struct vnetenc_waiting *waiting,
        enum vnetenc_drop reason, long long int now)
{
    vnetenc_count(is_late(waiting, now) ? VNETENC_DROP_rx_half_late : reason,
                  1);
    discard(join, waiting);
}

/* Makes room for 'n' octets in 'join', where what is behind 'slot' is the
 * oldest.  Returns false if there is none to be had. */
static bool
make_room(struct vnetenc_join *join, struct vnetenc_join_slot *slot,
          uint64_t n, long long int now)
{
    size_t first = slot - join->slots;

    for (size_t i = 1; i < VNETENC_JOIN_SLOTS; i++) {
        struct vnetenc_waiting *old;

        old = take(&join->slots[(first + i) % VNETENC_JOIN_SLOTS]);
        if (old) {
            give_up(join, old, VNETENC_DROP_rx_half_memory, now);
            if (reserve(join, n)) {
                return true;
            }
        }
    }
    return false;
}

static struct vnetenc_waiting *
make_waiting(struct vnetenc_join *join, struct vnetenc_join_slot *slot,
             const uint8_t *plain, size_t size, uint64_t key, bool back,
             long long int now)
{
    struct vnetenc_waiting *waiting;

    if (!reserve(join, cost(size))
        && !make_room(join, slot, cost(size), now)) {
        return NULL;
    }
    waiting = xmalloc(sizeof *waiting + size);
    waiting->key = key;
    waiting->since = now;
    waiting->back = back;
    waiting->size = size;
    memcpy(waiting->plain, plain, size);
    return waiting;
}

/* Finds the other half of the one at 'plain'.  If there is none, that one
 * waits, if it may.  Never waits for another thread: each turn of the loop but
 * the last takes away what another one put there. */
static enum vnetenc_drop
meet(struct vnetenc_join *join, const uint8_t *plain, size_t size,
     uint64_t seq, bool back, long long int now,
     struct vnetenc_waiting **partner)
{
    uint64_t key = back ? seq : seq - 1;
    struct vnetenc_join_slot *slot
        = &join->slots[(key >> 1) % VNETENC_JOIN_SLOTS];
    struct vnetenc_waiting *mine = NULL;

    do {
        *partner = take(slot);
        if (*partner) {
            if ((*partner)->key == key && (*partner)->back != back
                && !is_late(*partner, now)) {
                if (mine) {
                    discard(join, mine);
                }
                return VNETENC_KEEP;
            }
            give_up(join, *partner, VNETENC_DROP_rx_half_full, now);
            *partner = NULL;
        }
        if (!mine) {
            mine = make_waiting(join, slot, plain, size, key, back, now);
            if (!mine) {
                return VNETENC_DROP_rx_half_memory;
            }
        }
    } while (!put(slot, mine));
    return VNETENC_KEEP;
}

/* Making whole. */

/* Gives 'packet' other memory, with that much room.  Returns false if there is
 * none, or its memory cannot be replaced. */
static bool
resize(struct dp_packet *packet, size_t headroom, size_t tailroom)
{
    if (packet->source == DPBUF_MALLOC || packet->source == DPBUF_STUB) {
        dp_packet_resize(packet, headroom, tailroom);
        return true;
    }
#ifdef DPDK_NETDEV
    if (packet->source == DPBUF_DPDK) {
        /* As dp_packet_resize() does, which would end the process where DPDK
         * has no memory left. */
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

/* Makes 'packet' have 'head' octets of room in front and 'tail' behind, moving
 * its octets where there is room on the other side.  Returns false if its
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

/* Takes the mark out of 'packet', whose Geneve header is at 'ofs'. */
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

/* 'packet' is the front half, 'back' what is missing. */
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

/* 'packet' is the back half, 'front' what is missing, 'geneve' the header that
 * counts, both of them of a whole.  'head' octets of headers remain in
 * front. */
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

/* Completes 'packet', which is 'half', by 'partner'. */
static enum vnetenc_drop
complete(struct dp_packet *packet, size_t ofs, const struct vnetenc_half *half,
         const struct vnetenc_waiting *partner)
{
    const uint8_t *plain = (uint8_t *) dp_packet_data(packet) + ofs;
    const uint8_t *rest = partner->plain + half->head;
    size_t size = half->total - half->size;

    /* The other was parsed, too: equal headers have equal lengths. */
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
vnetenc_join(struct vnetenc_join *join, struct dp_packet *packet, size_t ofs,
             uint64_t seq, long long int now, bool *deliver)
{
    const uint8_t *plain = (uint8_t *) dp_packet_data(packet) + ofs;
    size_t size = dp_packet_size(packet) - ofs;
    struct vnetenc_waiting *partner;
    struct vnetenc_half half;
    enum vnetenc_drop drop;

    *deliver = false;
    if (!vnetenc_half_parse(plain, size, &half)) {
        return VNETENC_DROP_rx_half_bad;
    }
    drop = meet(join, plain, size, seq, half.back, now, &partner);
    if (drop || !partner) {
        return drop;
    }
    drop = complete(packet, ofs, &half, partner);
    discard(join, partner);
    *deliver = !drop;
    return drop;
}

/* Life. */

void
vnetenc_join_init(struct vnetenc_join *join)
{
    for (size_t i = 0; i < VNETENC_JOIN_SLOTS; i++) {
        atomic_init(&join->slots[i].waiting, NULL);
        atomic_init(&join->slots[i].since, 0);
    }
    atomic_init(&join->n_bytes, 0);
}

void
vnetenc_join_destroy(struct vnetenc_join *join)
{
    for (size_t i = 0; i < VNETENC_JOIN_SLOTS; i++) {
        struct vnetenc_waiting *waiting = take(&join->slots[i]);

        if (waiting) {
            vnetenc_count(VNETENC_DROP_rx_half_late, 1);
            discard(join, waiting);
        }
    }
}

/* What a slot's 'since' says may be of something newer or older than what is
 * there by now, so it only says where to look. */
static void
sweep_slot(struct vnetenc_join *join, struct vnetenc_join_slot *slot,
           long long int now)
{
    struct vnetenc_waiting *waiting;
    long long int since;

    atomic_read_relaxed(&slot->since, &since);
    if (now < since + VNETENC_JOIN_MS) {
        return;
    }
    waiting = take(slot);
    if (waiting && (is_late(waiting, now) || !put(slot, waiting))) {
        give_up(join, waiting, VNETENC_DROP_rx_half_full, now);
    }
}

void
vnetenc_join_sweep(struct vnetenc_join *join, long long int now)
{
    uint64_t n_bytes;

    atomic_read_relaxed(&join->n_bytes, &n_bytes);
    for (size_t i = 0; n_bytes && i < VNETENC_JOIN_SLOTS; i++) {
        sweep_slot(join, &join->slots[i], now);
    }
}

uint64_t
vnetenc_join_n_bytes(void)
{
    uint64_t n;

    atomic_read_relaxed(&total_bytes, &n);
    return n;
}
