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

#ifndef VNETENC_MAIN_NEXT_KEY_H
#define VNETENC_MAIN_NEXT_KEY_H 1

/* The command vnetenc/next-key
 * ============================
 *
 * This command replaces the host's own key (trust/next-key.h).
 *
 * Thread-safety: main thread. */

/* Registers the command. */
void vnetenc_next_key_command_init(void);

#endif /* vnetenc/main/next-key.h */
