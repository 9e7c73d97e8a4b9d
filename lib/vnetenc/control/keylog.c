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
#include "vnetenc/control/keylog.h"
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>
#include "dirs.h"
#include "openvswitch/vlog.h"
#include "util.h"
#include "vnetenc/base/limits.h"
#include "vnetenc/control/handshake.h"

VLOG_DEFINE_THIS_MODULE(vnetenc_keylog);

static char *file_name;         /* NULL: off. */
static int fd;
static long long int next_warning;

/* Writes a line in one system call, so that a reader sees only whole lines. */
static void
write_line(const char *line)
{
    const struct iovec iov[] = {
        { CONST_CAST(char *, line), strlen(line) },
        { CONST_CAST(char *, "\n"), 1 },
    };

    ssize_t n = writev(fd, iov, ARRAY_SIZE(iov));

    if (n != iov[0].iov_len + iov[1].iov_len) {
        VLOG_WARN("%s: %s; key log is off", file_name,
                  n < 0 ? ovs_strerror(errno) : "no space");
        vnetenc_keylog_off();
    }
}

char *
vnetenc_keylog_on(void)
{
    char *name;

    if (file_name) {
        return NULL;
    }
    name = xasprintf("%s/vnetenc-keylog.txt", ovs_rundir());
    fd = open(name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
              0600);
    if (fd < 0) {
        char *error = (errno == EEXIST
                       ? xasprintf("%s exists; move it away first", name)
                       : xasprintf("cannot create %s: %s", name,
                                   ovs_strerror(errno)));
        free(name);
        return error;
    }
    file_name = name;
    next_warning = LLONG_MIN;
    vnetenc_handshake_set_keylog(write_line);
    return NULL;
}

void
vnetenc_keylog_off(void)
{
    if (file_name) {
        vnetenc_handshake_set_keylog(NULL);
        close(fd);
        free(file_name);
        file_name = NULL;
        VLOG_INFO("key log is off");
    }
}

const char *
vnetenc_keylog_file(void)
{
    return file_name;
}

long long int
vnetenc_keylog_run(long long int now)
{
    if (!file_name) {
        return LLONG_MAX;
    }
    if (now >= next_warning) {
        VLOG_WARN("key log is on: anybody who reads %s can decrypt all "
                  "sessions made since; \"ovs-appctl vnetenc/keylog off\" "
                  "ends it", file_name);
        next_warning = now + VNETENC_KEYLOG_WARN_MS;
    }
    return next_warning;
}
