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
#include "vnetenc/crypto/suite.h"
#include "util.h"

/* RFC 5289 section 3.2, RFC 7905 section 2. */
static const struct vnetenc_suite suites[] = {
    { 0xc02c, "ECDHE-ECDSA-AES256-GCM-SHA384", VNETENC_AES256_GCM, "SHA384" },
    { 0xc030, "ECDHE-RSA-AES256-GCM-SHA384", VNETENC_AES256_GCM, "SHA384" },
    { 0xc02b, "ECDHE-ECDSA-AES128-GCM-SHA256", VNETENC_AES128_GCM, "SHA256" },
    { 0xc02f, "ECDHE-RSA-AES128-GCM-SHA256", VNETENC_AES128_GCM, "SHA256" },
    { 0xcca9, "ECDHE-ECDSA-CHACHA20-POLY1305", VNETENC_CHACHA20_POLY1305,
      "SHA256" },
    { 0xcca8, "ECDHE-RSA-CHACHA20-POLY1305", VNETENC_CHACHA20_POLY1305,
      "SHA256" },
};

const struct vnetenc_suite *
vnetenc_suite_find(uint16_t id)
{
    for (size_t i = 0; i < ARRAY_SIZE(suites); i++) {
        if (suites[i].id == id) {
            return &suites[i];
        }
    }
    return NULL;
}

const struct vnetenc_suite *
vnetenc_suite_get(enum vnetenc_cipher cipher, size_t n)
{
    for (size_t i = 0; i < ARRAY_SIZE(suites); i++) {
        if (suites[i].cipher == cipher && !n--) {
            return &suites[i];
        }
    }
    return NULL;
}
