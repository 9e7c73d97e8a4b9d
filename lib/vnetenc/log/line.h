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

#ifndef VNETENC_LINE_H
#define VNETENC_LINE_H 1

/* Lines of the flow log
 * =====================
 *
 * Each line is one JSON object, with its members in alphabetical order.
 *
 * Thread-safety: pure functions. */

#include <stdint.h>

struct vnetenc_flow_verdict;
struct vnetenc_flows_sum;
struct vnetenc_settings;

/* In milliseconds of time_wall_msec(). */
struct vnetenc_line_interval {
    long long int start;
    long long int end;
};

/* What could not be written. */
struct vnetenc_line_lost {
    uint64_t n_lines;
    uint64_t n_packets;
    uint64_t n_bytes;
    struct vnetenc_line_interval interval;
};

/* Returns the line for a sum, or NULL for the end of a flow whose packets were
 * dropped, which is not worth a line.  The caller must free the line, which
 * ends with a newline. */
char *vnetenc_line_format(const struct vnetenc_flows_sum *,
                          const struct vnetenc_flow_verdict *,
                          const struct vnetenc_settings *,
                          const struct vnetenc_line_interval *);

/* Returns the line for what is lost, in the same way. */
char *vnetenc_line_format_lost(const struct vnetenc_line_lost *,
                               const struct vnetenc_settings *);

#endif /* vnetenc/log/line.h */
