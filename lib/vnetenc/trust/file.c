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
#include "vnetenc/trust/file.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <unistd.h>

#include <openssl/crypto.h>

#include "openvswitch/ofpbuf.h"
#include "random.h"
#include "socket-util.h"
#include "util.h"
#include "vnetenc/base/limits.h"

static char *
error_text(int error)
{
    return xstrdup(ovs_strerror(error));
}

void
vnetenc_file_wipe(struct ofpbuf *contents)
{
    if (contents->base) {
        OPENSSL_cleanse(contents->base, contents->allocated);
    }
    ofpbuf_uninit(contents);
}

static bool
is_ours(const struct stat *s)
{
    return !s->st_uid || s->st_uid == geteuid();
}

/* Checks the file behind 'fd'.  It uses the descriptor, so that the file that
 * was checked is the file that will be read. */
static char *
check_file(int fd, bool secret, size_t *size)
{
    struct stat s;

    if (fstat(fd, &s)) {
        return error_text(errno);
    }
    if (!S_ISREG(s.st_mode)) {
        return xstrdup("not a regular file");
    }
    if (s.st_size > VNETENC_MAX_CRED_FILE_BYTES) {
        return xasprintf("larger than %d octets", VNETENC_MAX_CRED_FILE_BYTES);
    }
    if (secret && !is_ours(&s)) {
        return xstrdup("belongs to another user");
    }
    if (secret && s.st_mode & (S_IRWXG | S_IRWXO)) {
        return xasprintf("mode %04o lets others in, must be 0600",
                         (unsigned int) s.st_mode & 07777);
    }
    *size = s.st_size;
    return NULL;
}

/* Reads 'fd' and closes it. */
static char *
read_fd(int fd, bool secret, struct ofpbuf *contents)
{
    size_t size, n_read;
    char *why = check_file(fd, secret, &size);

    if (!why) {
        int error;

        /* The buffer gets all its room at once, because growing it would leave
         * copies in memory. */
        ofpbuf_init(contents, size + 1);
        error = read_fully(fd, ofpbuf_put_uninit(contents, size), size,
                           &n_read);
        if (error) {
            why = (error == EOF ? xstrdup("became shorter while being read")
                   : error_text(error));
            vnetenc_file_wipe(contents);
        }
    }
    if (why) {
        ofpbuf_init(contents, 0);
    }
    close(fd);
    return why;
}

char *
vnetenc_file_read(const char *path, bool secret, struct ofpbuf *contents)
{
    /* O_NONBLOCK: a FIFO must not block the control thread. */
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);

    if (fd < 0) {
        ofpbuf_init(contents, 0);
        return error_text(errno);
    }
    return read_fd(fd, secret, contents);
}

int
vnetenc_file_state_get(const char *path, struct vnetenc_file_state *state)
{
    struct stat s;

    memset(state, 0, sizeof *state);
    if (!path) {
        return ENOENT;
    } else if (stat(path, &s)) {
        return errno;
    }
    state->dev = s.st_dev;
    state->ino = s.st_ino;
    state->size = s.st_size;
    state->mtime = s.st_mtim;
    return 0;
}

static char *
check_dir(const struct stat *s)
{
    if (!S_ISDIR(s->st_mode)) {
        return xstrdup("not a directory");
    } else if (!is_ours(s)) {
        return xstrdup("belongs to another user");
    } else if (s->st_mode & (S_IWGRP | S_IWOTH)) {
        return xasprintf("mode %04o lets others write, must be 0700",
                         (unsigned int) s->st_mode & 07777);
    }
    return NULL;
}

char *
vnetenc_file_dir_check(const char *path)
{
    struct stat s;

    if (stat(path, &s)) {
        return errno == ENOENT ? NULL : error_text(errno);
    }
    return check_dir(&s);
}

char *
vnetenc_file_dir_open(const char *path, int *fd)
{
    struct stat s;
    char *why = NULL;

    *fd = -1;
    if (mkdir(path, S_IRWXU) && errno != EEXIST) {
        return error_text(errno);
    }
    *fd = open(path, O_RDONLY | O_CLOEXEC | O_DIRECTORY | O_NOFOLLOW);
    if (*fd < 0 || fstat(*fd, &s)) {
        why = error_text(errno);
    } else {
        why = check_dir(&s);
    }
    if (why && *fd >= 0) {
        close(*fd);
        *fd = -1;
    }
    return why;
}

char *
vnetenc_file_dir_read(int dir, const char *name, struct ofpbuf *contents,
                      bool *exists)
{
    int fd = openat(dir, name,
                    O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOFOLLOW);

    *exists = fd >= 0 || errno != ENOENT;
    if (fd < 0) {
        ofpbuf_init(contents, 0);
        return *exists ? error_text(errno) : NULL;
    }
    return read_fd(fd, true, contents);
}

static char *
write_file(int fd, const struct ofpbuf *contents)
{
    size_t n_written;
    int error = write_fully(fd, contents->data, contents->size, &n_written);

    if (!error && fsync(fd)) {
        error = errno;
    }
    return error ? error_text(error) : NULL;
}

/* Writes under another name first.  link(), unlike rename(), does not replace
 * an existing file. */
char *
vnetenc_file_dir_create(int dir, const char *name,
                        const struct ofpbuf *contents)
{
    char *tmp = xasprintf("%s.%08"PRIx32".tmp", name, random_uint32());
    char *why = NULL;
    int fd;

    fd = openat(dir, tmp,
                O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
                S_IRUSR | S_IWUSR);
    if (fd < 0) {
        why = error_text(errno);
        goto exit;
    }
    why = write_file(fd, contents);
    close(fd);
    if (!why && linkat(dir, tmp, dir, name, 0) && errno != EEXIST) {
        why = error_text(errno);
    }
    unlinkat(dir, tmp, 0);
    if (!why) {
        fsync(dir);
    }

exit:
    free(tmp);
    return why;
}
