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
#include "vnetenc/control/post.h"
#include <limits.h>
#include "openvswitch/list.h"
#include "util.h"
#include "vnetenc/base/limits.h"
#include "vnetenc/bridge/mail.h"
#include "vnetenc/bridge/path.h"
#include "vnetenc/control/socket.h"

/* A message in a mailbox. */
struct posted {
    struct ovs_list node;       /* In 'all', oldest first. */
    struct vnetenc_path_key path;
    const struct vnetenc_mail *mail;    /* May be gone; not dereferenced. */
    struct vnetenc_socket *socket;
    long long int due;
};

static struct ovs_list all = OVS_LIST_INITIALIZER(&all);

/* Forgets a former message that is gone and had the same address as 'mail':
 * otherwise 'mail' would be taken back in its place. */
static void
forget(const struct vnetenc_mail *mail)
{
    struct posted *posted;

    LIST_FOR_EACH_SAFE (posted, node, &all) {
        if (posted->mail == mail) {
            ovs_list_remove(&posted->node);
            free(posted);
        }
    }
}

void
vnetenc_post(const struct vnetenc_path_key *key, struct vnetenc_socket *socket,
             ovs_be16 port, const void *data, size_t size, long long int now)
{
    struct vnetenc_path *path = vnetenc_path_find(key);
    const struct vnetenc_mail *mail = NULL;
    struct posted *posted;

    if (path && vnetenc_lanes_up(&path->lanes)) {
        mail = vnetenc_mailbox_put(&path->mailbox, vnetenc_socket_port(socket),
                                   port, data, size);
    }
    if (!mail) {
        vnetenc_socket_send(socket, &key->remote, port, data, size);
        return;
    }
    forget(mail);
    posted = xmalloc(sizeof *posted);
    posted->path = *key;
    posted->mail = mail;
    posted->socket = socket;
    posted->due = now + VNETENC_MAIL_MS;
    ovs_list_push_back(&all, &posted->node);
}

long long int
vnetenc_post_run(long long int now)
{
    struct posted *posted;

    LIST_FOR_EACH_SAFE (posted, node, &all) {
        struct vnetenc_path *path;
        struct vnetenc_mail *mail;

        if (now < posted->due) {
            return posted->due;
        }
        path = vnetenc_path_find(&posted->path);
        mail = path ? vnetenc_mailbox_recall(&path->mailbox, posted->mail)
                    : NULL;
        if (mail) {
            vnetenc_socket_send(posted->socket, &posted->path.remote,
                                mail->udp_dst, mail->data, mail->size);
            vnetenc_mail_free(mail);
        }
        ovs_list_remove(&posted->node);
        free(posted);
    }
    return LLONG_MAX;
}

void
vnetenc_post_end(void)
{
    struct posted *posted;

    LIST_FOR_EACH_POP (posted, node, &all) {
        free(posted);
    }
}
