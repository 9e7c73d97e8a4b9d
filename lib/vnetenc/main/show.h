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

#ifndef VNETENC_SHOW_H
#define VNETENC_SHOW_H 1

/* Commands of ovs-appctl
 * ======================
 *
 *     vnetenc/show [--all] [PEER]     the state of all peers or of one
 *     vnetenc/rekey PEER              new sessions to PEER, now
 *     vnetenc/keylog on|off           see control/keylog.h
 *
 * As JSON, vnetenc/show always has every member.  As text, it begins with the
 * key log and the peers that are not up, and leaves out values that are 0 or
 * the default unless "--all" asks for them.
 *
 * Thread-safety: main thread. */

/* Registers the commands. */
void vnetenc_show_init(void);

#endif /* vnetenc/main/show.h */
