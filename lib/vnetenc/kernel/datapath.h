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

#ifndef VNETENC_DATAPATH_H
#define VNETENC_DATAPATH_H 1

/* Starting and stopping workers
 * =============================
 *
 * Workers start when a kernel datapath is opened and N (kernel/netns.h) is up,
 * and run until ovs-vswitchd ends.
 *
 * Thread-safety: main thread. */

/* Sets the number of workers from other_config:vnetenc-kernel-workers; NULL
 * stands for the default.  Has no effect once workers run. */
void vnetenc_datapath_configure(const char *n_workers);

/* Sets the way into the kernel (kernel/inject.h) from
 * other_config:vnetenc-kernel-inject; NULL stands for the best way.  Takes
 * effect at once. */
void vnetenc_datapath_set_way_in(const char *wanted);

/* Starts the workers and has them read the queues of N, which must be up.  A
 * second call does nothing. */
void vnetenc_datapath_start(void);

/* Stops the workers, if they run. */
void vnetenc_datapath_stop(void);

#endif /* vnetenc/kernel/datapath.h */
