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
 * This is an initiator (DTLS client) or a responder (DTLS server) without a
 * socket, a thread or a clock: datagrams and monotonic milliseconds go in;
 * datagrams, a deadline and finally a result come out.  libssl does the work;
 * this file makes sure that only a handshake that PROTOCOL.md allows ends as
 * DONE.
 *
 * Usage
 * =====
 *
 *     h = vnetenc_handshake_initiate(...) or vnetenc_listener_accept(...)
 *     repeat:
 *         send all of vnetenc_handshake_pop_output(h)
 *         wait for a datagram    -> vnetenc_handshake_input(h, ...)
 *           or for the deadline  -> vnetenc_handshake_tick(h, now)
 *     until vnetenc_handshake_state(h) != VNETENC_HANDSHAKE_RUNNING
 *
 *     FAILED: send the remaining output (an alert), log the reason, destroy.
 *
 *     DONE: vnetenc_handshake_take_keys(), publish the keys, and only then
 *     send the remaining output.  The order is enforced: between DONE and
 *     vnetenc_handshake_take_keys() there is no output.
 *
 * One owner per write key
 * =======================
 *
 * As long as libssl may write under the new keys, nothing else may.
 *
 *   - Initiator: libssl's object is gone when the state is DONE.  Take the
 *     keys, then seal.
 *
 *   - Responder: only libssl can retransmit a last flight that was lost.  Keep
 *     the handshake, feed it the datagrams of its 4-tuple except a ClientHello
 *     of another attempt (vnetenc_handshake_owns_hello()), and send its
 *     output.  Destroy it at the first authenticated record of the client, or
 *     at its deadline, 15 s after DONE; only then may the server's key seal,
 *     and only if vnetenc_handshake_nonces_ok() was still true immediately
 *     before.
 *
 * Thread-safety: none.  Control thread only. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <netinet/in.h>
#include "compiler.h"
#include "vnetenc/control/cookie.h"
#include "vnetenc/control/dgram.h"
#include "vnetenc/trust/lookup.h"

struct ofpbuf;
struct vnetenc_cert_chain;
struct vnetenc_cred;
struct vnetenc_handshake;
struct vnetenc_keys;
struct vnetenc_rtt;
struct vnetenc_trust;

enum vnetenc_handshake_state {
    VNETENC_HANDSHAKE_RUNNING,
    VNETENC_HANDSHAKE_DONE,
    VNETENC_HANDSHAKE_FAILED
};

/* Starts a handshake with the peer at 'remote_ip' for 'profile'.  Never
 * returns NULL: without credentials the handshake has already FAILED.
 * 'lookup' is copied; the objects that it refers to must outlive the
 * handshake. */
struct vnetenc_handshake *vnetenc_handshake_initiate(
    const struct vnetenc_lookup *lookup, const struct in6_addr *remote_ip,
    uint8_t profile, long long int now_ms);

/* Answers a ClientHello with a good cookie.  For the listener. */
struct vnetenc_handshake *vnetenc_handshake_respond(
    const struct vnetenc_lookup *lookup, const struct vnetenc_endpoints *,
    const void *client_hello, size_t size, long long int now_ms);

/* Ends the handshake in any state and cleanses its secrets. */
void vnetenc_handshake_destroy(struct vnetenc_handshake *);

/* Feeds one datagram from the peer.  Does nothing if FAILED. */
void vnetenc_handshake_input(struct vnetenc_handshake *, const void *data,
                             size_t size, long long int now_ms);

/* Runs the timers.  Call this at vnetenc_handshake_deadline_ms(); an earlier
 * call does no harm. */
void vnetenc_handshake_tick(struct vnetenc_handshake *, long long int now_ms);

/* Returns when to call vnetenc_handshake_tick() or, if DONE, when to destroy
 * the handshake at the latest.  LLONG_MAX means never. */
long long int vnetenc_handshake_deadline_ms(const struct vnetenc_handshake *);

/* Returns true if the peer has answered the ClientHello by more than a
 * HelloVerifyRequest, which costs it next to nothing. */
bool vnetenc_handshake_was_answered(const struct vnetenc_handshake *);

/* Returns true if an alert in clear came, which the peer or anybody in its
 * name may have sent.  The handshake goes on, but another attempt may begin
 * beside it. */
bool vnetenc_handshake_was_refused(const struct vnetenc_handshake *);

/* Returns true if the peer says, unverified, that the profile is not for this
 * host: the peer has no credentials for it, or this host is no member. */
bool vnetenc_handshake_is_unrecognized(const struct vnetenc_handshake *);

/* Returns true if the handshake FAILED because the peer is no member of
 * vnetenc_handshake_profile(). */
bool vnetenc_handshake_refused_member(const struct vnetenc_handshake *);

/* Returns true if the handshake FAILED because libssl rejected its input.
 * Before the keys are known, anybody who knows both ports can cause that. */
bool vnetenc_handshake_was_disturbed(const struct vnetenc_handshake *);

/* Makes a RUNNING handshake FAILED because another one takes its place. */
void vnetenc_handshake_abandon(struct vnetenc_handshake *);

/* Removes and returns the next datagram to send, or NULL.  The caller frees
 * it. */
struct ofpbuf *vnetenc_handshake_pop_output(struct vnetenc_handshake *);

/* Returns the state, which never returns to RUNNING. */
enum vnetenc_handshake_state vnetenc_handshake_state(
    const struct vnetenc_handshake *);

/* Returns the reason why the handshake FAILED, otherwise "". */
const char *vnetenc_handshake_reason(const struct vnetenc_handshake *);

/* Returns true if 'data' repeats the ClientHello that a responder already
 * answers, and therefore starts nothing. */
bool vnetenc_handshake_owns_hello(const struct vnetenc_handshake *,
                                  const void *data, size_t size);

/* Hands out the record keys, which the caller cleanses with
 * vnetenc_keys_wipe(), and releases the last flight.  DONE only, and once. */
void vnetenc_handshake_take_keys(struct vnetenc_handshake *,
                                 struct vnetenc_keys *);

/* Returns the peer's certificate, which the caller destroys.  DONE only, and
 * once. */
struct vnetenc_cert_chain *vnetenc_handshake_take_peer(
    struct vnetenc_handshake *);

/* Returns OpenSSL's name of the cipher suite, which belongs to libssl, or ""
 * before DONE. */
const char *vnetenc_handshake_suite(const struct vnetenc_handshake *);

/* Returns the profile, which an initiator knows from the start and a responder
 * from DONE on. */
uint8_t vnetenc_handshake_profile(const struct vnetenc_handshake *);

/* Returns true if libssl wrote no record with a nonce that our record code
 * could use as well.  If false, a RUNNING handshake does not become DONE; a
 * responder that is DONE must be asked again immediately before it is
 * destroyed. */
bool vnetenc_handshake_nonces_ok(const struct vnetenc_handshake *);

/* Returns the explicit nonces that libssl used, which count if the provider of
 * our keys makes its nonces itself: compare them with
 * vnetenc_dgram_nonces_apart() when libssl's object was freed, or immediately
 * before, and before our first record. */
struct vnetenc_dgram_nonces vnetenc_handshake_nonces(
    const struct vnetenc_handshake *);

/* Makes every handshake from now on pass its secrets to the function, one line
 * of the NSS key log format at a time, without its newline.  NULL switches
 * that off. */
void vnetenc_handshake_set_keylog(void (*)(const char *line));

/* Returns how long the peer takes to answer flights, which is not
 * authenticated before DONE. */
const struct vnetenc_rtt *vnetenc_handshake_rtt(
    const struct vnetenc_handshake *);

/* For unit tests. */
struct vnetenc_dgram *vnetenc_handshake_dgram(struct vnetenc_handshake *);

#endif /* vnetenc/control/handshake.h */
