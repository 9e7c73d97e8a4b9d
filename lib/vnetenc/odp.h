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

#ifndef VNETENC_ODP_H
#define VNETENC_ODP_H 1

/* The datapath action
 * ===================
 *
 * OVS_ACTION_ATTR_VNETENC follows the tnl_push action whose packets it seals.
 * The functions here format and parse its text, and build its Netlink
 * attribute:
 *
 *     vnetenc(profile=3,mode=require,dst=6082)
 *
 * 'dst' is the UDP port to which sealed packets go.  There is no 'mode=off',
 * because translation emits no action for it.
 *
 * Thread-safety
 * =============
 *
 * The functions work only on their arguments. */

struct ds;
struct nlattr;
struct ofpbuf;
struct ovs_action_vnetenc;

/* Appends the action to 'odp_actions'. */
void vnetenc_odp_put(struct ofpbuf *odp_actions,
                     const struct ovs_action_vnetenc *);

/* Appends the action as text, which vnetenc_odp_parse() accepts.  An unknown
 * mode, which only a foreign program can have put there, is written as a
 * number, which vnetenc_odp_parse() refuses. */
void vnetenc_odp_format(struct ds *, const struct ovs_action_vnetenc *);

/* Parses the action at the start of a string and appends it to 'odp_actions'.
 * Returns the number of characters parsed, or -EINVAL if they are not a valid
 * vnetenc action. */
int vnetenc_odp_parse(const char *, struct ofpbuf *odp_actions);

#endif /* vnetenc/odp.h */
