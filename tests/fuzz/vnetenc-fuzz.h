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

#ifndef VNETENC_FUZZ_H
#define VNETENC_FUZZ_H 1

/* Fuzz targets
 * ============
 *
 * Each file fuzz-*.c is a program with libFuzzer, and with the address and
 * undefined behaviour sanitizers in all of our code.  What it is given is
 * anything; what must hold all the same, it asserts.
 *
 *     fuzz-record seeds DIR       writes the inputs to start from into DIR
 *     fuzz-record DIR             goes on from what is in DIR, for ever
 *     fuzz-record FILE            one input, as a failed run left it
 *
 * An input is read from its front: how, each target says itself. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "compiler.h"

/* What is left of an input. */
struct fuzz_input {
    const uint8_t *data;
    size_t size;
};

/* An octet or two of the input; 0 where there are none left. */
uint8_t fuzz_u8(struct fuzz_input *);
uint16_t fuzz_u16(struct fuzz_input *);

/* The next 'n' octets, or as many as are left, and then 'n' is that. */
const uint8_t *fuzz_take(struct fuzz_input *, size_t *n);

/* All that is left as a string, which the caller must free. */
char *fuzz_string(struct fuzz_input *);

/* Each target has these three. */
void fuzz_begin(void);          /* Once. */
void fuzz_one(struct fuzz_input);
void fuzz_make_seeds(void);     /* Calls fuzz_seed(). */

/* Writes a seed: an octet, unless it is negative, and 'size' at 'data'. */
void fuzz_seed(int first, const void *data, size_t size);

#endif /* vnetenc-fuzz.h */
