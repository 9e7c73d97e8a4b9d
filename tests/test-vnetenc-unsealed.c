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

/* No build sends a packet that is not sealed, though it must be.  This program
 * has a netdev_send() of its own, compiled with NDEBUG. */

#include <config.h>
#ifndef NDEBUG
#error "this program tests what is left of lib/netdev.c with NDEBUG"
#endif
#include "vnetenc/packet/seal.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "dp-packet.h"
#include "dummy.h"
#include "netdev.h"
#include "util.h"
#include "vnetenc-unit-packets.h"
#include "vnetenc-unit.h"

/* Sends 'n' packets, of which that at 'unsealed' is deferred, in a process of
 * its own.  Returns how the process ended, as waitpid() does. */
static int
send_packets(size_t n, size_t unsealed)
{
    const struct rlimit no_core = { 0, 0 };
    int status = -1;
    pid_t pid;

    fflush(NULL);
    pid = fork();
    if (!pid) {
        struct dp_packet_batch batch;
        struct netdev *netdev;

        setrlimit(RLIMIT_CORE, &no_core);
        if (netdev_open("device", "dummy", &netdev)) {
            _exit(2);
        }
        dp_packet_batch_init(&batch);
        for (size_t i = 0; i < n; i++) {
            struct dp_packet *packet = unit_pushed(100, false);

            if (i == unsealed) {
                packet->offloads |= DP_PACKET_OL_VNETENC;
            }
            dp_packet_batch_add(&batch, packet);
        }
        _exit(netdev_send(netdev, 0, &batch, false) ? 3 : 0);
    }
    while (pid > 0 && waitpid(pid, &status, 0) < 0 && errno == EINTR) {
        continue;
    }
    return status;
}

static bool
is_aborted(int status)
{
    return WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT;
}

int
main(int argc OVS_UNUSED, char *argv[])
{
    set_program_name(argv[0]);
    netdev_dummy_register(DUMMY_OVERRIDE_NONE);

    CHECK(send_packets(3, SIZE_MAX) == 0);
    CHECK(is_aborted(send_packets(1, 0)));
    CHECK(is_aborted(send_packets(40, 0)));
    CHECK(is_aborted(send_packets(40, 39)));
    return unit_end();
}
