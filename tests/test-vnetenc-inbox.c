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

/* Inbox: order, bounds, many posters, and the doorbell.
 *
 * Keywords: threads. */

#include <config.h>
#undef NDEBUG
#include "vnetenc/bridge/inbox.h"

#include <stdlib.h>
#include <unistd.h>

#include "openvswitch/poll-loop.h"
#include "ovs-thread.h"
#include "timeval.h"
#include "util.h"
#include "vnetenc-unit.h"

static struct vnetenc_path_key path;

static bool
post_number(enum vnetenc_inbox_queue queue, uint32_t number)
{
    return vnetenc_inbox_post(queue, VNETENC_EV_DATAGRAM, &path, htons(1234),
                              0, &number, sizeof number);
}

/* Number of the next event of 'queue', or -1. */
static int64_t
take_number(enum vnetenc_inbox_queue queue)
{
    static struct vnetenc_event event;
    uint32_t number;

    if (!vnetenc_inbox_take(queue, &event)) {
        return -1;
    }
    ovs_assert(event.size == sizeof number);
    memcpy(&number, event.data, sizeof number);
    return number;
}

static void
test_event(void)
{
    static struct vnetenc_event event;
    static uint8_t data[VNETENC_MAX_DATAGRAM_BYTES + 1];
    const uint64_t echo = UINT64_C(0x0123456789abcdef);

    for (size_t i = 0; i < sizeof data; i++) {
        data[i] = i * 31;
    }
    CHECK(!vnetenc_inbox_take(VNETENC_INBOX_KNOWN, &event));

    CHECK(vnetenc_inbox_post(VNETENC_INBOX_KNOWN, VNETENC_EV_PROBE, &path,
                             htons(40000), echo, NULL, 0));
    CHECK(!vnetenc_inbox_take(VNETENC_INBOX_STRANGERS, &event));
    CHECK(vnetenc_inbox_take(VNETENC_INBOX_KNOWN, &event));
    CHECK(event.type == VNETENC_EV_PROBE);
    CHECK(!memcmp(&event.path, &path, sizeof path));
    CHECK(event.remote_port == htons(40000));
    CHECK(event.echo == echo);
    CHECK(event.size == 0);

    /* Largest datagram, and one octet more. */
    CHECK(vnetenc_inbox_post(VNETENC_INBOX_STRANGERS, VNETENC_EV_DATAGRAM,
                             &path, htons(1), 0, data, sizeof data - 1));
    CHECK(!vnetenc_inbox_post(VNETENC_INBOX_STRANGERS, VNETENC_EV_DATAGRAM,
                              &path, htons(1), 0, data, sizeof data));
    CHECK(vnetenc_inbox_take(VNETENC_INBOX_STRANGERS, &event));
    CHECK(event.size == sizeof data - 1);
    CHECK(!memcmp(event.data, data, sizeof data - 1));
    CHECK(!vnetenc_inbox_take(VNETENC_INBOX_STRANGERS, &event));
}

/* A full ring refuses what is new and keeps what is old; the other rings do
 * not notice. */
static void
test_full(void)
{
    unsigned int n_wrong = 0;

    for (unsigned int round = 0; round < 3; round++) {
        for (unsigned int i = 0; i < VNETENC_INBOX_SLOTS; i++) {
            n_wrong += !post_number(VNETENC_INBOX_STRANGERS, i);
        }
        CHECK(!post_number(VNETENC_INBOX_STRANGERS, 9999));
        CHECK(post_number(VNETENC_INBOX_KNOWN, 1));
        CHECK(take_number(VNETENC_INBOX_KNOWN) == 1);
        for (unsigned int i = 0; i < VNETENC_INBOX_GUEST_SLOTS; i++) {
            n_wrong += !post_number(VNETENC_INBOX_GUESTS, i);
        }
        CHECK(!post_number(VNETENC_INBOX_GUESTS, 9999));
        CHECK(post_number(VNETENC_INBOX_KNOWN, 2));
        CHECK(take_number(VNETENC_INBOX_KNOWN) == 2);
        for (unsigned int i = 0; i < VNETENC_INBOX_GUEST_SLOTS; i++) {
            n_wrong += take_number(VNETENC_INBOX_GUESTS) != i;
        }

        CHECK(take_number(VNETENC_INBOX_STRANGERS) == 0);
        CHECK(post_number(VNETENC_INBOX_STRANGERS, VNETENC_INBOX_SLOTS));
        CHECK(!post_number(VNETENC_INBOX_STRANGERS, 9999));
        for (unsigned int i = 1; i <= VNETENC_INBOX_SLOTS; i++) {
            n_wrong += take_number(VNETENC_INBOX_STRANGERS) != i;
        }
        CHECK(take_number(VNETENC_INBOX_STRANGERS) == -1);

        /* Next round begins elsewhere in the ring. */
        for (unsigned int i = 0; i < 300; i++) {
            n_wrong += !post_number(VNETENC_INBOX_STRANGERS, i);
            n_wrong += take_number(VNETENC_INBOX_STRANGERS) != i;
        }
    }
    CHECK(n_wrong == 0);
}

/* Many posters, one taker that sleeps when there is nothing: each event
 * arrives once, in its poster's order, and no sleep lasts. */

enum { N_POSTERS = 4, N_EVENTS = 50000 };

static void *
post_many(void *poster_)
{
    unsigned int poster = *(unsigned int *) poster_;

    for (unsigned int i = 0; i < N_EVENTS; i++) {
        while (!post_number(VNETENC_INBOX_KNOWN, poster << 24 | i)) {
            sched_yield();
        }
        if (i % 1000 == 0) {
            usleep(500);
        }
    }
    return NULL;
}

static void
test_posters(void)
{
    unsigned int next[N_POSTERS] = { 0 };
    unsigned int n_wrong = 0, n_taken = 0, n_sleeps = 0, n_timeouts = 0;
    unsigned int posters[N_POSTERS];
    pthread_t threads[N_POSTERS];

    for (unsigned int i = 0; i < N_POSTERS; i++) {
        posters[i] = i;
        threads[i] = ovs_thread_create("post", post_many, &posters[i]);
    }
    while (n_taken < N_POSTERS * N_EVENTS) {
        int64_t number = take_number(VNETENC_INBOX_KNOWN);

        if (number >= 0) {
            unsigned int poster = number >> 24;

            n_wrong += poster >= N_POSTERS
                       || next[poster]++ != (number & 0xffffff);
            n_taken++;
        } else {
            long long int start = time_msec();

            vnetenc_inbox_wait();
            poll_timer_wait(5000);
            poll_block();
            n_sleeps++;
            n_timeouts += time_msec() - start >= 5000;
            if (n_timeouts > 3) {
                break;
            }
        }
    }
    for (unsigned int i = 0; i < N_POSTERS; i++) {
        xpthread_join(threads[i], NULL);
    }
    CHECK(n_wrong == 0);
    CHECK(n_taken == N_POSTERS * N_EVENTS);
    CHECK(n_sleeps > 0);
    CHECK(n_timeouts == 0);
    CHECK(take_number(VNETENC_INBOX_KNOWN) == -1);
}

/* True if nothing ends the next wait for 'ms'. */
static bool
sleeps(int ms)
{
    long long int start = time_msec();

    vnetenc_inbox_wait();
    poll_timer_wait(ms);
    poll_block();
    return time_msec() - start >= ms - 10;
}

static void *
wake_later(void *aux OVS_UNUSED)
{
    usleep(50000);
    vnetenc_inbox_wake();
    return NULL;
}

static void
test_doorbell(void)
{
    pthread_t thread;

    /* Drain what earlier tests left of rings. */
    sleeps(10);
    sleeps(10);

    CHECK(sleeps(100));

    /* An event that is there already. */
    CHECK(post_number(VNETENC_INBOX_STRANGERS, 1));
    CHECK(!sleeps(5000));
    CHECK(take_number(VNETENC_INBOX_STRANGERS) == 1);

    /* A wake before the wait is not lost. */
    vnetenc_inbox_wake();
    CHECK(!sleeps(5000));
    CHECK(sleeps(100));

    /* A wake during it. */
    thread = ovs_thread_create("wake", wake_later, NULL);
    CHECK(!sleeps(5000));
    xpthread_join(thread, NULL);
}

int
main(int argc OVS_UNUSED, char *argv[])
{
    set_program_name(argv[0]);
    path.local.s6_addr[15] = 1;
    path.remote.s6_addr[15] = 2;
    path.dtls_port = htons(6082);
    path.profile = 7;
    vnetenc_inbox_init();
    test_event();
    test_full();
    test_posters();
    test_doorbell();
    return unit_end();
}
