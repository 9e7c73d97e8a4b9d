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

#ifndef VNETENC_DROPS_H
#define VNETENC_DROPS_H 1

/* Drop reasons
 * ============
 *
 * This list has every reason for which vnetenc drops a packet, and every
 * reason for which a packet leaves in clear against its demand.  The enum, the
 * coverage counters ("vnetenc_" and the name) and the lines of "ovs-appctl
 * vnetenc/show" are made from it.  So is the table of codes in
 * Documentation/REFERENCE.md.
 *
 * Thread-safety: any thread. */

#include <stdbool.h>

/* NAME, text.  Codes of the flow log: those of Azure's, and UNKNOWN. */
#define VNETENC_CODES                                                       \
    VNETENC_CODE(X, "encrypted")                                            \
    VNETENC_CODE(NX, "not encrypted, and nothing demanded it")              \
    VNETENC_CODE(NX_LOCAL_DST, "for a port of the same host")               \
    VNETENC_CODE(NX_FALLBACK, "in clear against a demand")                  \
    VNETENC_CODE(NX_NOT_ACCEPTED, "dropped: no session, or refused")        \
    VNETENC_CODE(NX_SW_NOT_READY, "dropped: not ready yet")                 \
    VNETENC_CODE(NX_HW_NOT_SUPPORTED, "dropped: the datapath cannot encrypt") \
    VNETENC_CODE(NX_NOT_SUPPORTED, "dropped: the tunnel cannot be encrypted") \
    VNETENC_CODE(UNKNOWN, "cannot be told")

enum vnetenc_code {
#define VNETENC_CODE(NAME, TEXT) VNETENC_CODE_##NAME,
    VNETENC_CODES
#undef VNETENC_CODE
    VNETENC_N_CODES
};

/* NAME, code, text.  The code says what the flow log calls a packet with this
 * fate, a name of VNETENC_CODES.  X says that the packet is lost, but others
 * of its flow are encrypted. */
#define VNETENC_DROPS                                                       \
    /* Sealing. */                                                          \
    VNETENC_DROP(tx_not_ready, NX_SW_NOT_READY,                             \
                 "VNetEnc_Peer rows not read yet")                          \
    VNETENC_DROP(tx_bad_packet, X, "pushed packet is not IP and UDP")       \
    VNETENC_DROP(tx_no_peer, NX_NOT_ACCEPTED,                               \
                 "no VNetEnc_Peer row for the remote address")              \
    VNETENC_DROP(tx_no_session, NX_NOT_ACCEPTED,                            \
                 "no session with the peer yet")                            \
    VNETENC_DROP(tx_prefer_wait, NX_SW_NOT_READY,                           \
                 "prefer: handshake still young")                           \
    VNETENC_DROP(tx_key_limit, NX_NOT_ACCEPTED,                             \
                 "key reached its hard limit")                              \
    VNETENC_DROP(tx_too_long, X, "payload over 16384 bytes")                \
    VNETENC_DROP(tx_unlisted, NX_NOT_ACCEPTED,                              \
                 "VNI belongs to no profile")                               \
    VNETENC_DROP(tx_vni, NX_NOT_ACCEPTED, "VNI belongs to another profile") \
    VNETENC_DROP(tx_gso, X, "TSO packet without inner TCP payload")         \
    VNETENC_DROP(tx_slow_tso, X, "TSO packet on the slow path")             \
    VNETENC_DROP(tx_no_room, X, "slow path packet cannot grow")             \
    VNETENC_DROP(tx_checksum, X, "inner checksum could not be completed")   \
    VNETENC_DROP(tx_mtu, X, "too long for the underlay, not split")         \
    VNETENC_DROP(tx_slow_mtu, X,                                            \
                 "too long for the underlay, on the slow path")             \
    VNETENC_DROP(tx_aead, X, "cipher failed")                               \
    VNETENC_DROP(tx_tunnel, NX_NOT_SUPPORTED,                               \
                 "tunnel with another type or dst_port")                    \
    VNETENC_DROP(tx_datapath, NX_HW_NOT_SUPPORTED,                          \
                 "datapath or bond that cannot encrypt")                    \
    VNETENC_DROP(tx_device, NX_SW_NOT_READY,                                \
                 "kernel datapath has no device for it yet")                \
    /* Out of the kernel's datapath. */                                     \
    VNETENC_DROP(tx_kernel_queue, X,                                        \
                 "packets came faster than workers read")                   \
    VNETENC_DROP(tx_kernel_cut, X, "frame of the kernel over 65535 bytes")  \
    VNETENC_DROP(tx_kernel_bad, X,                                          \
                 "frame of the kernel is not UDP of a tunnel")              \
    VNETENC_DROP(tx_kernel_fragment, X,                                     \
                 "frame of the kernel is a fragment")                       \
    VNETENC_DROP(tx_kernel_port, X, "frame of the kernel names no demand")  \
    VNETENC_DROP(tx_kernel_super, X,                                        \
                 "super-packet that cannot be segmented")                   \
    VNETENC_DROP(tx_kernel_source, X, "no local address towards the peer")  \
    VNETENC_DROP(tx_socket_full, X, "send buffer of the lane socket full")  \
    VNETENC_DROP(tx_socket, X,                                              \
                 "lane socket or underlay refused the record")              \
    /* Opening, before the sender is known. */                              \
    VNETENC_DROP(rx_short, NX_NOT_ACCEPTED,                                 \
                 "datagram shorter than a record")                          \
    VNETENC_DROP(rx_bad_type, NX_NOT_ACCEPTED, "not a DTLS record type")    \
    VNETENC_DROP(rx_bad_version, NX_NOT_ACCEPTED, "not DTLS 1.2")           \
    VNETENC_DROP(rx_bad_epoch, NX_NOT_ACCEPTED, "epoch is not 1")           \
    VNETENC_DROP(rx_bad_length, NX_NOT_ACCEPTED, "not exactly one record")  \
    VNETENC_DROP(rx_bad_sequence, NX_NOT_ACCEPTED,                          \
                 "sequence number out of range")                            \
    VNETENC_DROP(rx_unknown_source, NX_NOT_ACCEPTED,                        \
                 "handshake from an unknown address")                       \
    VNETENC_DROP(rx_no_handshake, NX_NOT_ACCEPTED,                          \
                 "handshake datagram of no handshake")                      \
    VNETENC_DROP(rx_rate, NX_NOT_ACCEPTED,                                  \
                 "handshake datagrams over their rate")                     \
    VNETENC_DROP(rx_queue_full, NX_NOT_ACCEPTED, "control queue full")      \
    VNETENC_DROP(rx_too_long, NX_NOT_ACCEPTED,                              \
                 "control datagram over 2048 bytes")                        \
    VNETENC_DROP(rx_no_session, NX_NOT_ACCEPTED,                            \
                 "record of no known session")                              \
    VNETENC_DROP(rx_replay, NX_NOT_ACCEPTED, "sequence number seen before") \
    VNETENC_DROP(rx_window, NX_NOT_ACCEPTED,                                \
                 "sequence number left of the window")                      \
    VNETENC_DROP(rx_auth, NX_NOT_ACCEPTED, "authentication failed")         \
    VNETENC_DROP(rx_aead, NX_NOT_ACCEPTED, "cipher failed")                 \
    VNETENC_DROP(rx_auth_limit, NX_NOT_ACCEPTED,                            \
                 "session had too many forgeries")                          \
    VNETENC_DROP(rx_socket_full, NX_NOT_ACCEPTED,                           \
                 "socket of the DTLS port full")                            \
    /* Opening, after the sender is known. */                               \
    VNETENC_DROP(rx_payload, NX_NOT_ACCEPTED,                               \
                 "plaintext shorter than a tunnel header")                  \
    VNETENC_DROP(rx_vni, NX_NOT_ACCEPTED, "VNI belongs to another profile") \
    VNETENC_DROP(rx_unlisted, NX_NOT_ACCEPTED,                              \
                 "VNI belongs to no profile")                               \
    VNETENC_DROP(rx_control_unknown, NX_NOT_ACCEPTED,                       \
                 "control message of unknown type")                         \
    VNETENC_DROP(rx_reply_rate, NX_NOT_ACCEPTED,                            \
                 "probe over the session's reply rate")                     \
    VNETENC_DROP(rx_half_bad, NX_NOT_ACCEPTED,                              \
                 "half of a packet, malformed")                             \
    VNETENC_DROP(rx_half_other, NX_NOT_ACCEPTED,                            \
                 "halves that do not belong together")                      \
    VNETENC_DROP(rx_half_late, NX_NOT_ACCEPTED,                             \
                 "half whose other half did not come")                      \
    VNETENC_DROP(rx_half_full, NX_NOT_ACCEPTED,                             \
                 "half pushed out by newer ones")                           \
    VNETENC_DROP(rx_half_memory, NX_NOT_ACCEPTED,                           \
                 "half, while too many bytes wait")                         \
    VNETENC_DROP(rx_half_room, NX_NOT_ACCEPTED,                             \
                 "packet cannot grow by its other half")                    \
    VNETENC_DROP(rx_tap_full, NX_NOT_ACCEPTED,                              \
                 "queue into the kernel full")                              \
    VNETENC_DROP(rx_tap_error, NX_NOT_ACCEPTED, "refused by the kernel")    \
    /* Control thread. */                                                   \
    VNETENC_DROP(ctl_hello_fragment, UNKNOWN, "fragmented ClientHello")     \
    VNETENC_DROP(ctl_verify_rate, UNKNOWN,                                  \
                 "hellos without a cookie over their rate")                 \
    VNETENC_DROP(ctl_hello_late, UNKNOWN,                                   \
                 "ClientHello that waited too long")                        \
    VNETENC_DROP(ctl_hello_rate, UNKNOWN,                                   \
                 "handshakes over the peer's rate")                         \
    VNETENC_DROP(ctl_half_open, UNKNOWN, "too many half-open handshakes")   \
    VNETENC_DROP(ctl_socket_full, UNKNOWN, "kernel socket full")            \
    VNETENC_DROP(ctl_unexpected, UNKNOWN,                                   \
                 "control datagram of no known handshake")                  \
    VNETENC_DROP(ctl_app_data, UNKNOWN, "application data to a lane port")  \
    VNETENC_DROP(ctl_early, UNKNOWN,                                        \
                 "handshake record before there are keys for it")           \
    VNETENC_DROP(ctl_failed, UNKNOWN, "handshake failed")

/* Reasons why packets are not dropped, but leave in clear: under mode
 * `prefer`, or through a tunnel that a demand of the same packet did not
 * reach. */
#define VNETENC_FALLBACKS                                                   \
    VNETENC_DROP(clear_no_peer, NX_FALLBACK,                                \
                 "prefer: clear, peer cannot encrypt")                      \
    VNETENC_DROP(clear_no_session, NX_FALLBACK,                             \
                 "prefer: clear, no session came up")                       \
    VNETENC_DROP(clear_lost, NX_FALLBACK, "prefer: clear, session lost")    \
    VNETENC_DROP(clear_tunnel, NX_FALLBACK,                                 \
                 "prefer: clear, other type or dst_port")                   \
    VNETENC_DROP(clear_datapath, NX_FALLBACK,                               \
                 "prefer: clear, datapath or bond cannot")                  \
    VNETENC_DROP(clear_unused, NX_FALLBACK, "clear, and demanded in vain")

enum vnetenc_drop {
    VNETENC_KEEP = 0,                   /* Not a reason: all is well. */
#define VNETENC_DROP(NAME, CODE, TEXT) VNETENC_DROP_##NAME,
    VNETENC_DROPS
    VNETENC_FALLBACKS
#undef VNETENC_DROP
    VNETENC_N_DROPS
};

/* True for the reasons of VNETENC_FALLBACKS. */
static inline bool
vnetenc_drop_is_fallback(enum vnetenc_drop reason)
{
    return (reason >= VNETENC_DROP_clear_no_peer
            && reason < VNETENC_N_DROPS);
}

/* Counts 'n_packets' packets under a reason, which must not be VNETENC_KEEP.
 * For packets of a path, call vnetenc_path_count() instead.  Any thread. */
void vnetenc_drop_count(enum vnetenc_drop, unsigned int n_packets);

/* Returns the name of a reason, "keep" for VNETENC_KEEP, or "unknown" for a
 * value that is no reason.  Pure function. */
const char *vnetenc_drop_name(enum vnetenc_drop);

/* Returns the text of a reason for a human reader.  Pure function. */
const char *vnetenc_drop_text(enum vnetenc_drop);

/* Returns the code of a reason, VNETENC_CODE_X for VNETENC_KEEP.  Pure
 * function. */
enum vnetenc_code vnetenc_drop_code(enum vnetenc_drop);

/* Returns the name of a code.  Pure function. */
const char *vnetenc_drop_code_name(enum vnetenc_code);

/* Returns the number of packets counted under a reason since the process
 * started, or 0 for a value that is no reason.  Any thread. */
unsigned long long int vnetenc_drop_total(enum vnetenc_drop);

#endif /* vnetenc/base/drops.h */
