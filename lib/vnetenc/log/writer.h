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

#ifndef VNETENC_WRITER_H
#define VNETENC_WRITER_H 1

/* The writer of the flow log
 * ==========================
 *
 * A thread collects the records (log/flows.h) at the end of each interval and
 * writes them to a file 8.5 seconds later, when no packet of the interval
 * waits for a session any more.  It opens the file each time, so a file that
 * was renamed or removed is made again.  It follows no symbolic link.
 *
 * A line is written as a whole or not at all.  A line that cannot be written
 * is lost, but counted, and the next line that can be written says so.  The
 * last 5 % of a file system are left to others, databases for instance, and a
 * file that has max_size gets no more lines until it is rotated.
 *
 * After the log was switched off, the thread goes on with the last settings
 * until there are no records.
 *
 * Thread-safety: the main thread calls all functions. */

#include <stdint.h>

/* Since the process started, except for 'n_records'. */
struct vnetenc_writer_status {
    uint64_t n_records;         /* In the table now. */
    uint64_t n_lines;           /* Written. */
    uint64_t n_packets;         /* In lines that were written or lost. */
    uint64_t n_gap_flows;       /* Whose names are lost. */
    uint64_t n_lost_lines;      /* Could not be written. */
    char *error;                /* Why the last line could not be written, or
                                 * NULL.  The caller must free it. */
};

/* Starts the thread unless it runs.  Call this when there are settings. */
void vnetenc_writer_start(void);

/* Has the thread look at the settings that are in force now. */
void vnetenc_writer_wake(void);

/* Writes all that there is and ends the thread. */
void vnetenc_writer_stop(void);

void vnetenc_writer_get_status(struct vnetenc_writer_status *);

#endif /* vnetenc/log/writer.h */
