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
#undef NDEBUG
#include "vnetenc-unit-loopback.h"

#include <net/if.h>
#include <sched.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "util.h"

bool
unit_loopback_init(void)
{
    struct ifreq ifr;
    int fd;

    if (unshare(CLONE_NEWNET)) {
        return false;
    }
    memset(&ifr, 0, sizeof ifr);
    ovs_strlcpy(ifr.ifr_name, "lo", sizeof ifr.ifr_name);
    ifr.ifr_flags = IFF_UP;
    fd = socket(AF_INET, SOCK_DGRAM, 0);
    ovs_assert(fd >= 0 && !ioctl(fd, SIOCSIFFLAGS, &ifr));
    close(fd);
    return true;
}
