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

#ifndef VNETENC_UNIT_H
#define VNETENC_UNIT_H 1

/* Unit programs
 * =============
 *
 * A unit program is a main() that calls CHECK() on every claim and returns
 * unit_end(), which prints "N passed, N failed" and is 0 if nothing failed. */

#include <stdio.h>
#include <string.h>

static unsigned int unit_passed, unit_failed;

#define CHECK(CONDITION)                                                    \
    unit_check(CONDITION, #CONDITION, __FILE__, __LINE__)

/* Text 'ACTUAL' contains 'EXPECTED'. */
#define CHECK_HAS(ACTUAL, EXPECTED)                                         \
    unit_check_has(ACTUAL, EXPECTED, __FILE__, __LINE__)

static inline bool
unit_check(bool ok, const char *condition, const char *file, int line)
{
    if (ok) {
        unit_passed++;
    } else {
        unit_failed++;
        printf("%s:%d: not true: %s\n", file, line, condition);
    }
    return ok;
}

static inline void
unit_check_has(const char *actual, const char *expected, const char *file,
               int line)
{
    if (actual && strstr(actual, expected)) {
        unit_passed++;
    } else {
        unit_failed++;
        printf("%s:%d: \"%s\" does not contain \"%s\"\n", file, line,
               actual ? actual : "(null)", expected);
    }
}

static inline int
unit_end(void)
{
    printf("%u passed, %u failed\n", unit_passed, unit_failed);
    return unit_failed || !unit_passed;
}

#endif /* vnetenc-unit.h */
