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

#ifndef VNETENC_SOCKADDR_H
#define VNETENC_SOCKADDR_H 1

/* Socket addresses of tunnel addresses
 * ====================================
 *
 * IPv4 addresses are IPv4-mapped everywhere except in socket calls.
 * Upstream's ss_get_address() and ss_get_port() do the reverse.
 *
 * Thread-safety: pure functions. */

#include <netinet/in.h>
#include <sys/socket.h>
#include "openvswitch/types.h"

/* Sets '*ss' to 'address' and 'port'.  Returns the size of the socket
 * address. */
socklen_t vnetenc_sockaddr_init(struct sockaddr_storage *ss,
                                const struct in6_addr *address, ovs_be16 port);

#endif /* vnetenc/bridge/sockaddr.h */
