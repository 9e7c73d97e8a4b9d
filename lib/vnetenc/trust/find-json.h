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

#ifndef VNETENC_FIND_JSON_H
#define VNETENC_FIND_JSON_H 1

/* Description of credentials that were found
 * ==========================================
 *
 * Thread-safety: under vnetenc_control_mutex. */

struct json;

/* Returns what trust/find.h has found, for a human reader or a program.  No
 * private key is in it. */
struct json *vnetenc_find_json(void);

#endif /* vnetenc/trust/find-json.h */
