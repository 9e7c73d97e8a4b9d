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

#ifndef VNETENC_EXECUTE_H
#define VNETENC_EXECUTE_H 1

/* Packets that the control thread sends through the datapath
 * ==========================================================
 *
 * Thread-safety: under vnetenc_control_mutex. */

#include <stdbool.h>
#include <stddef.h>

struct dp_packet;
struct nlattr;

/* Makes the datapath apply 'actions' to 'packet', which may change and stays
 * the caller's.  Returns false if that failed. */
bool vnetenc_execute(struct dp_packet *packet, const struct nlattr *actions,
                     size_t actions_len);

#endif /* vnetenc/control/execute.h */
