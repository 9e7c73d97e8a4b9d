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
 * vnetenc/show" are made from it.
 *
 * Thread-safety: any thread. */

#include <stdbool.h>

/* NAME, text. */
#define VNETENC_DROPS                                                       \
    /* Sealing. */                                                          \
    VNETENC_DROP(tx_not_ready, "VNetEnc_Peer rows not read yet")            \
    VNETENC_DROP(tx_bad_packet, "pushed packet is not IP and UDP")          \
    VNETENC_DROP(tx_no_peer, "no VNetEnc_Peer row for the remote address")  \
    VNETENC_DROP(tx_no_session, "no session with the peer yet")             \
    VNETENC_DROP(tx_prefer_wait, "prefer: handshake still young")           \
    VNETENC_DROP(tx_key_limit, "key reached its hard limit")                \
    VNETENC_DROP(tx_too_long, "payload over 16384 bytes")                   \
    VNETENC_DROP(tx_gso, "TSO packet without inner TCP payload")            \
    VNETENC_DROP(tx_slow_tso, "TSO packet on the slow path")                \
    VNETENC_DROP(tx_no_room, "slow path packet cannot grow")                \
    VNETENC_DROP(tx_checksum, "inner checksum could not be completed")      \
    VNETENC_DROP(tx_mtu, "too long for the underlay, not split")            \
    VNETENC_DROP(tx_slow_mtu, "too long for the underlay, on the slow path") \
    VNETENC_DROP(tx_aead, "cipher failed")                                  \
    VNETENC_DROP(tx_tunnel, "tunnel with another type or dst_port")         \
    VNETENC_DROP(tx_datapath, "datapath or bond that cannot encrypt")       \
    VNETENC_DROP(tx_device, "kernel datapath has no device for it yet")     \
    /* Out of the kernel's datapath. */                                     \
    VNETENC_DROP(tx_kernel_queue, "packets came faster than workers read")  \
    VNETENC_DROP(tx_kernel_cut, "frame of the kernel over 65535 bytes")     \
    VNETENC_DROP(tx_kernel_bad, "frame of the kernel is not UDP of a tunnel") \
    VNETENC_DROP(tx_kernel_fragment, "frame of the kernel is a fragment")   \
    VNETENC_DROP(tx_kernel_port, "frame of the kernel names no demand")     \
    VNETENC_DROP(tx_kernel_super, "super-packet that cannot be segmented")  \
    VNETENC_DROP(tx_kernel_source, "no local address towards the peer")     \
    VNETENC_DROP(tx_socket_full, "send buffer of the lane socket full")     \
    VNETENC_DROP(tx_socket, "lane socket or underlay refused the record")   \
    /* Opening, before the sender is known. */                              \
    VNETENC_DROP(rx_short, "datagram shorter than a record")                \
    VNETENC_DROP(rx_bad_type, "not a DTLS record type")                     \
    VNETENC_DROP(rx_bad_version, "not DTLS 1.2")                            \
    VNETENC_DROP(rx_bad_epoch, "epoch is not 1")                            \
    VNETENC_DROP(rx_bad_length, "not exactly one record")                   \
    VNETENC_DROP(rx_bad_sequence, "sequence number out of range")           \
    VNETENC_DROP(rx_unknown_source, "handshake from an unknown address")    \
    VNETENC_DROP(rx_no_handshake, "handshake datagram of no handshake")     \
    VNETENC_DROP(rx_rate, "handshake datagrams over their rate")            \
    VNETENC_DROP(rx_queue_full, "control queue full")                       \
    VNETENC_DROP(rx_too_long, "control datagram over 2048 bytes")           \
    VNETENC_DROP(rx_no_session, "record of no known session")               \
    VNETENC_DROP(rx_replay, "sequence number seen before")                  \
    VNETENC_DROP(rx_window, "sequence number left of the window")           \
    VNETENC_DROP(rx_auth, "authentication failed")                          \
    VNETENC_DROP(rx_aead, "cipher failed")                                  \
    VNETENC_DROP(rx_auth_limit, "session had too many forgeries")           \
    VNETENC_DROP(rx_socket_full, "socket of the DTLS port full")            \
    /* Opening, after the sender is known. */                               \
    VNETENC_DROP(rx_payload, "plaintext shorter than a tunnel header")      \
    VNETENC_DROP(rx_vni, "VNI belongs to another profile")                  \
    VNETENC_DROP(rx_control_unknown, "control message of unknown type")     \
    VNETENC_DROP(rx_reply_rate, "probe over the session's reply rate")      \
    VNETENC_DROP(rx_half_bad, "half of a packet, malformed")                \
    VNETENC_DROP(rx_half_other, "halves that do not belong together")       \
    VNETENC_DROP(rx_half_late, "half whose other half did not come")        \
    VNETENC_DROP(rx_half_full, "half pushed out by newer ones")             \
    VNETENC_DROP(rx_half_memory, "half, while too many bytes wait")         \
    VNETENC_DROP(rx_half_room, "packet cannot grow by its other half")      \
    VNETENC_DROP(rx_tap_full, "queue into the kernel full")                 \
    VNETENC_DROP(rx_tap_error, "refused by the kernel")                     \
    /* Control thread. */                                                   \
    VNETENC_DROP(ctl_hello_fragment, "fragmented ClientHello")              \
    VNETENC_DROP(ctl_verify_rate, "hellos without a cookie over their rate") \
    VNETENC_DROP(ctl_hello_late, "ClientHello that waited too long")        \
    VNETENC_DROP(ctl_hello_rate, "handshakes over the peer's rate")         \
    VNETENC_DROP(ctl_half_open, "too many half-open handshakes")            \
    VNETENC_DROP(ctl_socket_full, "kernel socket full")                     \
    VNETENC_DROP(ctl_unexpected, "control datagram of no known handshake")  \
    VNETENC_DROP(ctl_app_data, "application data to a lane port")           \
    VNETENC_DROP(ctl_early, "handshake record before there are keys for it") \
    VNETENC_DROP(ctl_failed, "handshake failed")

/* Reasons why packets are not dropped, but leave in clear: under mode
 * `prefer`, or through a tunnel that a demand of the same packet did not
 * reach. */
#define VNETENC_FALLBACKS                                                   \
    VNETENC_DROP(clear_no_peer, "prefer: clear, peer cannot encrypt")       \
    VNETENC_DROP(clear_no_session, "prefer: clear, no session came up")     \
    VNETENC_DROP(clear_lost, "prefer: clear, session lost")                 \
    VNETENC_DROP(clear_tunnel, "prefer: clear, other type or dst_port")     \
    VNETENC_DROP(clear_datapath, "prefer: clear, datapath or bond cannot")  \
    VNETENC_DROP(clear_unused, "clear, and demanded in vain")

enum vnetenc_drop {
    VNETENC_KEEP = 0,                   /* Not a reason: all is well. */
#define VNETENC_DROP(NAME, TEXT) VNETENC_DROP_##NAME,
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

/* Returns the number of packets counted under a reason since the process
 * started, or 0 for a value that is no reason.  Any thread. */
unsigned long long int vnetenc_drop_total(enum vnetenc_drop);

#endif /* vnetenc/bridge/drops.h */
