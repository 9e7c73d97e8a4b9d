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
#include "vnetenc/log/writer.h"
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>
#include "openvswitch/poll-loop.h"
#include "openvswitch/vlog.h"
#include "ovs-atomic.h"
#include "ovs-rcu.h"
#include "ovs-thread.h"
#include "seq.h"
#include "socket-util.h"
#include "timeval.h"
#include "util.h"
#include "vnetenc/base/limits.h"
#include "vnetenc/log/flow.h"
#include "vnetenc/log/flows.h"
#include "vnetenc/log/line.h"
#include "vnetenc/log/settings.h"
#include "vnetenc/log/totals.h"

VLOG_DEFINE_THIS_MODULE(vnetenc_log);

enum {
    /* How long a packet may wait for a session, or longer. */
    PATIENCE_MS = MAX(VNETENC_PREFER_FIRST_MS,
                      VNETENC_HANDSHAKE_ROUNDS * VNETENC_RTT_MAX_MS) + 500,
    /* A file system with less free space than this is left to others. */
    RESERVE_PERCENT = 5,
    /* Lines after which that, and the size of the file, are looked at
     * again. */
    RESERVE_LINES = 256,
};

/* Reasons why no line is written, as errno values that writing itself does not
 * return here. */
enum { NO_RESERVE = EDQUOT, TOO_LARGE = E2BIG };

/* What was collected at the end of an interval. */
struct batch {
    struct vnetenc_flows_sum *sums;     /* NULL: nothing was. */
    size_t n;
    struct vnetenc_line_interval interval;
    long long int start;        /* Of the interval, in time_msec(). */
    long long int due;          /* In milliseconds of time_msec(). */
};

/* Writer thread. */
struct writer {
    struct vnetenc_settings *settings;  /* In force, or the last ones. */
    bool on;                    /* 'settings' are in force. */
    long long int start;        /* Of the interval, in time_msec(). */
    long long int start_wall;
    struct batch batch;
};

static struct vnetenc_line_lost lost;   /* Writer thread. */

static struct seq *wake;        /* NULL until the first start. */
static pthread_t thread;        /* Main thread. */
static bool running;            /* Main thread. */
static atomic_bool exiting = false;

static atomic_uint64_t n_lines = 0;
static atomic_uint64_t n_packets = 0;
static atomic_uint64_t n_gap_flows = 0;
static atomic_uint64_t n_lost_lines = 0;

static struct ovs_mutex mutex = OVS_MUTEX_INITIALIZER;
static char *last_error OVS_GUARDED_BY(mutex) = NULL;

static void
count(atomic_uint64_t *counter, uint64_t n)
{
    uint64_t orig;

    atomic_add_relaxed(counter, n, &orig);
}

/* Takes over 'error', which is NULL if there is none any more. */
static void
set_error(char *error)
{
    static struct vlog_rate_limit rl = VLOG_RATE_LIMIT_INIT(1, 5);

    ovs_mutex_lock(&mutex);
    if (error && !nullable_string_is_equal(error, last_error)) {
        VLOG_WARN_RL(&rl, "flow log: %s", error);
    }
    free(last_error);
    last_error = error;
    ovs_mutex_unlock(&mutex);
}

/* Writing. */

/* Writes all of 'text' or nothing.  Returns 0 or an errno value. */
static int
write_whole(int fd, const char *text)
{
    size_t size = strlen(text), done;
    struct stat before;
    int error;

    if (fstat(fd, &before)) {
        return errno;
    }
    error = write_fully(fd, text, size, &done);
    if (error && done && ftruncate(fd, before.st_size)) {
        /* Half a line is left: it must not be the beginning of the next. */
        ovs_ignore(write(fd, "\n", 1) < 0);
    }
    return error;
}

static void
count_lost(const struct batch *b, const struct vnetenc_flows_sum *sum)
{
    if (!lost.n_lines) {
        lost.interval.start = b->interval.start;
    }
    lost.interval.end = b->interval.end;
    lost.n_lines++;
    lost.n_packets += sum->n_packets;
    lost.n_bytes += sum->n_bytes;
    count(&n_lost_lines, 1);
}

/* Writes 'line', and before it, in the same go, what is lost, if anything. */
static int
write_line(const struct writer *w, int fd, const char *line)
{
    char *lost_line, *both;
    int error;

    if (!lost.n_lines) {
        return write_whole(fd, line);
    }
    lost_line = vnetenc_line_format_lost(&lost, w->settings);
    both = xasprintf("%s%s", lost_line, line);
    error = write_whole(fd, both);
    if (!error) {
        memset(&lost, 0, sizeof lost);
        count(&n_lines, 1);
    }
    free(both);
    free(lost_line);
    return error;
}

/* Returns 0, NO_RESERVE if the log would take the last free space of a file
 * system, or TOO_LARGE if the file has the size that it may have. */
static int
look_at_room(const struct writer *w, int fd)
{
    struct statvfs fs;
    struct stat file;

    if (fstat(fd, &file) || !S_ISREG(file.st_mode)) {
        return 0;
    }
    if (file.st_size >= (uint64_t) w->settings->max_size_mib << 20) {
        return TOO_LARGE;
    }
    return (!fstatvfs(fd, &fs)
            && fs.f_bavail < (uint64_t) fs.f_blocks * RESERVE_PERCENT / 100
            ? NO_RESERVE : 0);
}

/* Opens the file.  Returns a negative errno value if that fails, -ELOOP for a
 * symbolic link: others may write in the directory, and the link could lead to
 * a file of ours. */
static int
open_file(const struct writer *w)
{
    int fd = open(w->settings->file, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC
                  | O_NOCTTY | O_NOFOLLOW | O_NONBLOCK, 0640);

    return fd < 0 ? -errno : fd;
}

/* Writes the line for 'sum', if there is one.  'error' is 0, or the errno
 * value for which it cannot be written.  Returns an errno value. */
static int
write_sum(const struct writer *w, int fd, int error,
          const struct vnetenc_flows_sum *sum)
{
    const struct batch *b = &w->batch;
    struct vnetenc_flow_verdict verdict
        = vnetenc_flow_judge(&sum->key, MIN(b->start, sum->since));
    char *line = vnetenc_line_format(sum, &verdict, w->settings, &b->interval);

    count(&n_packets, sum->n_packets);
    if (sum->n_packets) {
        vnetenc_totals_add(
            vnetenc_settings_find_name(w->settings, sum->key.metadata),
            sum->is_gap ? "" : vnetenc_flow_direction(&sum->key),
            verdict.code, sum->n_packets, sum->n_bytes);
    }
    if (sum->is_gap) {
        count(&n_gap_flows, sum->n_flows);
    }
    if (line) {
        error = error ? error : write_line(w, fd, line);
        if (error) {
            count_lost(b, sum);
        } else {
            count(&n_lines, 1);
        }
        free(line);
    }
    return error;
}

/* Writes the lines of a batch.  Returns 0, or the errno value for which a line
 * could not be written, as look_at_room() has them. */
static int
write_lines(const struct writer *w)
{
    const struct batch *b = &w->batch;
    int fd = open_file(w);
    int obstacle = fd < 0 ? -fd : 0;
    int failed = 0;

    for (size_t i = 0; i < b->n; i++) {
        int error;

        if (fd >= 0 && i % RESERVE_LINES == 0) {
            obstacle = look_at_room(w, fd);
        }
        error = write_sum(w, fd, obstacle, &b->sums[i]);
        failed = error ? error : failed;
    }
    if (fd >= 0) {
        close(fd);
    }
    return failed;
}

static void
write_batch(struct writer *w)
{
    struct batch *b = &w->batch;
    int error;

    /* Nothing here is protected by RCU, and a large table takes time. */
    ovsrcu_quiesce_start();
    error = write_lines(w);
    ovsrcu_quiesce_end();
    if (error == TOO_LARGE) {
        set_error(xasprintf("file: \"%s\" cannot be written: it has reached "
                            "max_size, %u MiB, and must be rotated",
                            w->settings->file, w->settings->max_size_mib));
    } else if (error == NO_RESERVE) {
        set_error(xasprintf("file: \"%s\" cannot be written: less than %d %% "
                            "of its file system is free", w->settings->file,
                            RESERVE_PERCENT));
    } else if (error == ELOOP) {
        set_error(xasprintf("file: \"%s\" cannot be written: it must not be a "
                            "symbolic link", w->settings->file));
    } else if (error) {
        set_error(xasprintf("file: \"%s\" cannot be written: %s",
                            w->settings->file, ovs_strerror(error)));
    } else if (b->n) {
        set_error(NULL);
    }
    free(b->sums);
    memset(b, 0, sizeof *b);
}

/* Intervals. */

static void
collect(struct writer *w, long long int now)
{
    struct batch *b = &w->batch;

    b->sums = vnetenc_flows_collect(&b->n);
    b->interval.start = w->start_wall;
    b->interval.end = time_wall_msec();
    b->start = w->start;
    b->due = now + PATIENCE_MS;
    w->start = now;
    w->start_wall = b->interval.end;
}

static void
follow_settings(struct writer *w, long long int now)
{
    struct vnetenc_settings *s = vnetenc_settings_get_ref();

    if (s == w->settings) {
        vnetenc_settings_unref(s);
        w->on = s != NULL;
    } else if (!s) {
        w->on = false;
    } else {
        if (!w->settings) {
            w->start = now;
            w->start_wall = time_wall_msec();
        }
        vnetenc_settings_unref(w->settings);
        w->settings = s;
        w->on = true;
    }
}

/* Returns when the interval ends.  While the log is off, records end as soon
 * as flows are translated again. */
static long long int
interval_end(const struct writer *w)
{
    return w->start + (w->on ? w->settings->interval_s * 1000LL : 1000);
}

static long long int
run(struct writer *w, bool exits)
{
    long long int now = time_msec();

    follow_settings(w, now);
    if (!w->settings) {
        return LLONG_MAX;
    }
    if (w->batch.sums && (exits || now >= w->batch.due)) {
        write_batch(w);
    }
    if (!w->batch.sums && (exits || now >= interval_end(w))) {
        collect(w, now);
        if (exits) {
            write_batch(w);
        }
    }
    if (!w->on && !w->batch.sums && !vnetenc_flows_count()) {
        vnetenc_settings_unref(w->settings);
        w->settings = NULL;
        return LLONG_MAX;
    }
    return w->batch.sums ? w->batch.due : interval_end(w);
}

static void *
main_loop(void *unused OVS_UNUSED)
{
    struct writer w;
    bool exits;

    memset(&w, 0, sizeof w);
    do {
        uint64_t seqno = seq_read(wake);
        long long int next;

        atomic_read(&exiting, &exits);
        next = run(&w, exits);
        if (!exits) {
            seq_wait(wake, seqno);
            if (next != LLONG_MAX) {
                poll_timer_wait_until(next);
            }
            poll_block();
        }
    } while (!exits);
    vnetenc_settings_unref(w.settings);
    return NULL;
}

/* Main thread. */

void
vnetenc_writer_start(void)
{
    if (!running) {
        if (!wake) {
            wake = seq_create();
        }
        atomic_store(&exiting, false);
        thread = ovs_thread_create("vnetenc_log", main_loop, NULL);
        running = true;
    }
}

void
vnetenc_writer_wake(void)
{
    if (running) {
        seq_change(wake);
    }
}

void
vnetenc_writer_stop(void)
{
    if (running) {
        atomic_store(&exiting, true);
        seq_change(wake);
        xpthread_join(thread, NULL);
        running = false;
    }
}

void
vnetenc_writer_get_status(struct vnetenc_writer_status *status)
{
    status->n_records = vnetenc_flows_count();
    atomic_read_relaxed(&n_lines, &status->n_lines);
    atomic_read_relaxed(&n_packets, &status->n_packets);
    atomic_read_relaxed(&n_gap_flows, &status->n_gap_flows);
    atomic_read_relaxed(&n_lost_lines, &status->n_lost_lines);
    ovs_mutex_lock(&mutex);
    status->error = nullable_xstrdup(last_error);
    ovs_mutex_unlock(&mutex);
}
