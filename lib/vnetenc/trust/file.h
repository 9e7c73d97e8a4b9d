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

#ifndef VNETENC_FILE_H
#define VNETENC_FILE_H 1

/* Files with credentials
 * ======================
 *
 * Files are read up to a bound and, if secret, only if nobody else could have
 * read or written them.  They are made so that a reader sees a whole file or
 * none, and are readable only by their owner.
 *
 * Thread-safety: none.  Control thread only. */

#include <stdbool.h>
#include <sys/stat.h>
#include <sys/types.h>
#include "compiler.h"

struct ofpbuf;

/* Reads 'path' into '*contents'.  A 'secret' file must belong to us or to
 * root, and its mode must deny access to everyone but its owner.  Returns NULL
 * if successful, otherwise the cause (without 'path'), to be freed, with
 * '*contents' empty. */
char *vnetenc_file_read(const char *path, bool secret,
                        struct ofpbuf *contents)
    OVS_WARN_UNUSED_RESULT;

/* Shows whether a file was replaced or written to.  All zeros: no file. */
struct vnetenc_file_state {
    dev_t dev;
    ino_t ino;
    off_t size;
    struct timespec mtime;
};

/* Sets '*state' to that of the file 'path', which may be NULL.  Fills its
 * padding, so that states can be compared as bytes.  Returns 0 if successful,
 * otherwise the error number of stat(). */
int vnetenc_file_state_get(const char *path,
                           struct vnetenc_file_state *state);

/* Returns NULL if 'path' is a directory of ours or of root to which nobody
 * else may write, or does not exist, otherwise the cause, to be freed. */
char *vnetenc_file_dir_check(const char *path)
    OVS_WARN_UNUSED_RESULT;

/* Opens 'path', a directory for secret files, and makes it if it is missing.
 * It must belong to us or to root, and nobody else may write to it.  Returns
 * NULL and sets '*fd' if successful, otherwise the cause, to be freed. */
char *vnetenc_file_dir_open(const char *path, int *fd)
    OVS_WARN_UNUSED_RESULT;

/* Reads the secret file 'name' of directory 'dir', which must not be a
 * symbolic link.  Returns NULL with '*exists' false if there is no such
 * file. */
char *vnetenc_file_dir_read(int dir, const char *name, struct ofpbuf *contents,
                            bool *exists)
    OVS_WARN_UNUSED_RESULT;

/* Makes the secret file 'name' in directory 'dir'.  A file of that name that
 * was made in the meantime is kept, which is no error. */
char *vnetenc_file_dir_create(int dir, const char *name,
                              const struct ofpbuf *contents)
    OVS_WARN_UNUSED_RESULT;

/* Cleanses and uninitializes 'contents'. */
void vnetenc_file_wipe(struct ofpbuf *contents);

#endif /* vnetenc/trust/file.h */
