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

/* Workers: descriptors come and go while they are read, and none is used after
 * it went.
 *
 * Keywords: kernel. */

#include <config.h>
#undef NDEBUG
#include "vnetenc/kernel/worker.h"
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>
#include "coverage.h"
#include "ovs-rcu.h"
#include "ovs-thread.h"
#include "util.h"
#include "vnetenc/base/limits.h"
#include "vnetenc-unit.h"

COVERAGE_DEFINE(unit_read);

static struct atomic_count n_gone = ATOMIC_COUNT_INIT(0);

/* One end of a socket pair that a worker reads. */
struct reader {
    int ours, theirs;
    bool broken;
    atomic_uint n_read;
    uint32_t canary;
};

enum { ALIVE = 0xa11e, GONE = 0xdead };

static bool
reader_run(struct vnetenc_worker *worker, int fd, void *reader_)
{
    struct reader *r = reader_;
    unsigned int old;
    char byte;

    ovs_assert(r->canary == ALIVE && fd == r->theirs);
    if (read(fd, &byte, 1) == 1) {
        vnetenc_worker_count(worker, VNETENC_WORKER_out_packets, 1);
        COVERAGE_INC(unit_read);
        atomic_add(&r->n_read, 1u, &old);
    }
    sched_yield();
    ovs_assert(r->canary == ALIVE);
    return !r->broken;
}

static void
reader_gone(void *reader_)
{
    struct reader *r = reader_;

    r->canary = GONE;
    close(r->ours);
    close(r->theirs);
    free(r);
    atomic_count_inc(&n_gone);
}

static struct reader *
reader_create(void)
{
    struct reader *r = xzalloc(sizeof *r);
    int fds[2];

    ovs_assert(!socketpair(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0, fds));
    r->ours = fds[0];
    r->theirs = fds[1];
    r->canary = ALIVE;
    atomic_init(&r->n_read, 0);
    return r;
}

static unsigned int
reader_n(struct reader *r)
{
    unsigned int n;

    atomic_read(&r->n_read, &n);
    return n;
}

static void
wait_for(struct reader *r, unsigned int n)
{
    while (reader_n(r) < n) {
        ovsrcu_quiesce();
        sched_yield();
    }
}

static void
send_bytes(struct reader *r, unsigned int n)
{
    while (n) {
        if (send(r->ours, "x", 1, 0) == 1) {
            n--;
        } else {
            ovs_assert(errno == EAGAIN);
            sched_yield();
        }
    }
}

/* Waits until 'n' readers have gone, of all that ever were. */
static void
wait_gone(unsigned int n)
{
    while (atomic_count_get(&n_gone) < n) {
        ovsrcu_quiesce();
        sched_yield();
    }
}

static void
test_number(void)
{
    CHECK(vnetenc_worker_number(NULL, 1) == 1);
    CHECK(vnetenc_worker_number(NULL, 0) == 1);
    CHECK(vnetenc_worker_number(NULL, 4) == 4);
    CHECK(vnetenc_worker_number(NULL, 1000) == VNETENC_DEFAULT_WORKERS);
    CHECK(vnetenc_worker_number("16", 1) == 16);
    CHECK(vnetenc_worker_number("1", 4) == 1);
    CHECK(vnetenc_worker_number("0", 4) == 4);
    CHECK(vnetenc_worker_number("17", 4) == 4);
    CHECK(vnetenc_worker_number("-1", 4) == 4);
    CHECK(vnetenc_worker_number("2x", 4) == 4);
    CHECK(vnetenc_worker_number("", 4) == 4);
}

/* Each worker reads its own descriptors, all that comes, and counts alone. */
static void
test_read(void)
{
    struct vnetenc_worker_source *sources[2];
    struct reader *readers[2];

    CHECK(vnetenc_worker_n() == 0);
    vnetenc_worker_start(2);
    CHECK(vnetenc_worker_n() == 2);
    for (int i = 0; i < 2; i++) {
        readers[i] = reader_create();
        sources[i] = vnetenc_worker_add_fd(vnetenc_worker_get(i),
                                           readers[i]->theirs, reader_run,
                                           reader_gone, readers[i]);
    }
    send_bytes(readers[0], 300);
    send_bytes(readers[1], 500);
    wait_for(readers[0], 300);
    wait_for(readers[1], 500);
    CHECK(vnetenc_worker_total(vnetenc_worker_get(0),
                               VNETENC_WORKER_out_packets) == 300);
    CHECK(vnetenc_worker_total(vnetenc_worker_get(1),
                               VNETENC_WORKER_out_packets) == 500);

    /* They hand in their coverage counters before they sleep for long. */
    while (counter_unit_read.total < 800) {
        ovsrcu_quiesce();
        xnanosleep(10 * 1000 * 1000);
    }
    CHECK(counter_unit_read.total == 800);
    vnetenc_worker_remove_fd(sources[0]);
    vnetenc_worker_stop();      /* Removes the other. */
    CHECK(vnetenc_worker_n() == 0);
    wait_gone(2);
}

/* A descriptor that its function gives up is not read again, and does not keep
 * the worker busy; others are. */
static void
test_broken(void)
{
    struct reader *broken = reader_create();
    struct reader *other = reader_create();
    struct vnetenc_worker *worker;

    vnetenc_worker_start(1);
    worker = vnetenc_worker_get(0);
    broken->broken = true;
    send_bytes(broken, 5);
    vnetenc_worker_add_fd(worker, broken->theirs, reader_run, reader_gone,
                          broken);
    wait_for(broken, 1);
    vnetenc_worker_add_fd(worker, other->theirs, reader_run, reader_gone,
                          other);
    send_bytes(other, 5);
    wait_for(other, 5);
    CHECK(reader_n(broken) == 1);
    vnetenc_worker_stop();
    wait_gone(4);
}

/* Descriptors come and go under traffic: reader_run() asserts that none is
 * used after it went. */
static void
test_churn(void)
{
    unsigned int before = atomic_count_get(&n_gone);
    enum { ROUNDS = 2000 };

    vnetenc_worker_start(2);
    for (int i = 0; i < ROUNDS; i++) {
        struct reader *r = reader_create();
        struct vnetenc_worker_source *s
            = vnetenc_worker_add_fd(vnetenc_worker_get(i % 2), r->theirs,
                                    reader_run, reader_gone, r);

        send_bytes(r, 3);
        if (i % 3) {
            wait_for(r, i % 3);
        }
        vnetenc_worker_remove_fd(s);
        ovsrcu_quiesce();
    }
    wait_gone(before + ROUNDS);
    CHECK(atomic_count_get(&n_gone) == before + ROUNDS);
    vnetenc_worker_stop();
}

int
main(int argc OVS_UNUSED, char *argv[])
{
    set_program_name(argv[0]);
    test_number();
    test_read();
    test_broken();
    test_churn();
    return unit_end();
}
