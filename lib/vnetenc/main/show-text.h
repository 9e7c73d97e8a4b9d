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

#ifndef VNETENC_SHOW_TEXT_H
#define VNETENC_SHOW_TEXT_H 1

/* The text of vnetenc/show
 * ========================
 *
 * main/show.c describes the state as JSON, which always has every member.  The
 * functions here turn it into text for a person: the most important first, and
 * without values that are 0 or the default unless 'all' is true.
 *
 * Thread-safety: a function works on the data that its caller passes.  Any
 * thread. */

#include <stdbool.h>

struct json;

/* Returns 'everything' as text, to be freed by the caller. */
char *vnetenc_show_text(const struct json *everything, bool all);

/* Returns the peers of 'everything' alone, to be freed by the caller. */
char *vnetenc_show_text_peers(const struct json *everything, bool all);

#endif /* vnetenc/main/show-text.h */
