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

#ifndef VNETENC_UNIT_SHELL_H
#define VNETENC_UNIT_SHELL_H 1

/* Commands of the shell, for unit programs that set up devices. */

#include <stdbool.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>
#include "util.h"

/* Runs a command.  Returns true if it succeeded. */
static inline OVS_PRINTF_FORMAT(1, 2) bool
unit_shell(const char *format, ...)
{
    va_list args;
    char *command;
    int status = 0;
    pid_t pid;

    va_start(args, format);
    command = xvasprintf(format, args);
    va_end(args);
    pid = fork();
    if (!pid) {
        execlp("sh", "sh", "-c", command, (char *) NULL);
        _exit(127);
    }
    ovs_assert(pid > 0 && waitpid(pid, &status, 0) == pid);
    free(command);
    return !status;
}

#endif /* vnetenc-unit-shell.h */
