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

#ifndef VNETENC_HANDSHAKE_H
#define VNETENC_HANDSHAKE_H 1

/* One DTLS 1.2 handshake
 * ======================
 *
 * Initiator (DTLS client) or responder (DTLS server), without socket, thread
 * or clock of its own: datagrams and monotonic milliseconds go in, datagrams,
 * a deadline and finally a result come out.  libssl does the work; this file
 * sees to it that only a handshake as PROTOCOL.md demands it ends as DONE.
 *
 * Usage
 * =====
 *
 *     h = vnetenc_handshake_initiate(...), or by vnetenc_listener_input()
 *     repeat:
 *         send all of vnetenc_handshake_pop_output(h)
 *         wait for a datagram    -> vnetenc_handshake_input(h, ...)
 *           or for the deadline  -> vnetenc_handshake_tick(h, now)
 *     until vnetenc_handshake_state(h) != VNETENC_HANDSHAKE_RUNNING
 *
 *     FAILED: send what is left to send (an alert), log the reason, destroy.
 *
 *     DONE: vnetenc_handshake_take_keys(), publish them, and only then send
 *     what is left to send.  The order is enforced: between DONE and
 *     vnetenc_handshake_take_keys() there is no output.
 *
 * One owner per write key
 * =======================
 *
 * As long as libssl may write under the new keys, nobody else may.
 *
 *   - Initiator: libssl's object is gone when the state is DONE.  Take, then
 *     seal.
 *
 *   - Responder: only libssl can repeat a last flight that got lost.  Keep
 *     the handshake, feed it the datagrams of its 4-tuple that are no
 *     ClientHello of another attempt (vnetenc_handshake_owns_hello()), send
 *     its output.  Destroy it at the first authenticated record of the
 *     client, at the latest at its deadline, 15 s after DONE; only then may
 *     the server's key seal, and only if vnetenc_handshake_nonces_ok() was
 *     still true right before.
 *
 * Thread-safety: none.  Control thread only. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <netinet/in.h>
#include "compiler.h"
#include "vnetenc/control/cookie.h"
#include "vnetenc/trust/lookup.h"

struct ofpbuf;
struct vnetenc_cert_chain;
struct vnetenc_cred;
struct vnetenc_handshake;
struct vnetenc_keys;
struct vnetenc_trust;

enum vnetenc_handshake_state {
    VNETENC_HANDSHAKE_RUNNING,
    VNETENC_HANDSHAKE_DONE,
    VNETENC_HANDSHAKE_FAILED
};

/* Starts a handshake with the peer at 'remote_ip' for 'profile'.  Never NULL:
 * without credentials the handshake has failed already.  'lookup' is copied;
 * what it refers to must outlive the handshake. */
struct vnetenc_handshake *vnetenc_handshake_initiate(
    const struct vnetenc_lookup *lookup, const struct in6_addr *remote_ip,
    uint8_t profile, long long int now_ms);

/* Answers a ClientHello whose cookie was found good.  For the listener. */
struct vnetenc_handshake *vnetenc_handshake_respond(
    const struct vnetenc_lookup *lookup, const struct vnetenc_endpoints *,
    const void *client_hello, size_t size, long long int now_ms);

/* Ends the handshake, whatever its state, and cleanses what is secret. */
void vnetenc_handshake_destroy(struct vnetenc_handshake *);

/* Feeds one datagram from the peer.  Does nothing if FAILED. */
void vnetenc_handshake_input(struct vnetenc_handshake *, const void *data,
                             size_t size, long long int now_ms);

/* Call at vnetenc_handshake_deadline_ms(), or at any other time. */
void vnetenc_handshake_tick(struct vnetenc_handshake *, long long int now_ms);

/* When to call vnetenc_handshake_tick(), or, DONE, when to destroy the
 * handshake at the latest.  LLONG_MAX for never. */
long long int vnetenc_handshake_deadline_ms(const struct vnetenc_handshake *);

/* True if an alert in clear came, which the peer may have sent or anybody in
 * its name: the handshake goes on, but it is as well to try another. */
bool vnetenc_handshake_was_refused(const struct vnetenc_handshake *);

/* True if it FAILED because libssl could not make sense of what it read.
 * Before the keys are known, anybody who knows both ports can bring that
 * about. */
bool vnetenc_handshake_was_disturbed(const struct vnetenc_handshake *);

/* Makes a RUNNING one FAILED, because another takes its place. */
void vnetenc_handshake_abandon(struct vnetenc_handshake *);

/* The next datagram to send, or NULL.  Caller frees it. */
struct ofpbuf *vnetenc_handshake_pop_output(struct vnetenc_handshake *);

/* How far the handshake is.  It never returns to RUNNING. */
enum vnetenc_handshake_state vnetenc_handshake_state(
    const struct vnetenc_handshake *);

/* Why the handshake FAILED, else "". */
const char *vnetenc_handshake_reason(const struct vnetenc_handshake *);

/* True if 'data' is the ClientHello that a responder answers already, so that
 * it is a repetition and starts nothing. */
bool vnetenc_handshake_owns_hello(const struct vnetenc_handshake *,
                                  const void *data, size_t size);

/* DONE only, and once: hands out the record keys, which the caller cleanses
 * with vnetenc_keys_wipe(), and lets the last flight go. */
void vnetenc_handshake_take_keys(struct vnetenc_handshake *,
                                 struct vnetenc_keys *);

/* DONE only, and once: the peer's certificate.  Caller destroys it. */
struct vnetenc_cert_chain *vnetenc_handshake_take_peer(
    struct vnetenc_handshake *);

/* OpenSSL's name of the cipher suite, from DONE on.  Belongs to libssl. */
const char *vnetenc_handshake_suite(const struct vnetenc_handshake *);

/* The profile: an initiator's from the start, a responder's from DONE on. */
uint8_t vnetenc_handshake_profile(const struct vnetenc_handshake *);

/* True if libssl wrote no record whose nonce our record code could use, too.
 * False makes a RUNNING handshake FAILED by itself; a responder that is DONE
 * must be asked again right before it is destroyed. */
bool vnetenc_handshake_nonces_ok(const struct vnetenc_handshake *);

/* Where every secret of every handshake is written from now on, in the NSS
 * key log format, a line without its end at a time; NULL for nowhere. */
void vnetenc_handshake_set_keylog(void (*)(const char *line));

/* For unit tests. */
struct vnetenc_dgram *vnetenc_handshake_dgram(struct vnetenc_handshake *);

#endif /* vnetenc/control/handshake.h */
