# Unit programs of vnetenc.

noinst_PROGRAMS += tests/test-vnetenc-record
tests_test_vnetenc_record_SOURCES = tests/test-vnetenc-record.c tests/vnetenc-unit.h
tests_test_vnetenc_record_LDADD = lib/libopenvswitch.la $(SSL_LIBS)

noinst_PROGRAMS += tests/test-vnetenc-replay
tests_test_vnetenc_replay_SOURCES = tests/test-vnetenc-replay.c tests/vnetenc-unit.h tests/vnetenc-unit-race.h
tests_test_vnetenc_replay_LDADD = lib/libopenvswitch.la $(SSL_LIBS)

noinst_PROGRAMS += tests/test-vnetenc-aead
tests_test_vnetenc_aead_SOURCES = tests/test-vnetenc-aead.c tests/vnetenc-unit.h
tests_test_vnetenc_aead_LDADD = lib/libopenvswitch.la $(SSL_LIBS)

noinst_PROGRAMS += tests/test-vnetenc-fips
tests_test_vnetenc_fips_SOURCES = tests/test-vnetenc-fips.c tests/vnetenc-unit.h
tests_test_vnetenc_fips_LDADD = lib/libopenvswitch.la $(SSL_LIBS)

noinst_PROGRAMS += tests/test-vnetenc-ipsec-mb
tests_test_vnetenc_ipsec_mb_SOURCES = tests/test-vnetenc-ipsec-mb.c tests/vnetenc-unit.h
tests_test_vnetenc_ipsec_mb_LDADD = lib/libopenvswitch.la $(SSL_LIBS)

noinst_PROGRAMS += tests/test-vnetenc-secret
tests_test_vnetenc_secret_SOURCES = tests/test-vnetenc-secret.c tests/vnetenc-unit.h
tests_test_vnetenc_secret_LDADD = lib/libopenvswitch.la $(SSL_LIBS)

noinst_PROGRAMS += tests/test-vnetenc-cryptodev
tests_test_vnetenc_cryptodev_SOURCES = tests/test-vnetenc-cryptodev.c tests/vnetenc-unit.h tests/vnetenc-unit-dpdk.h tests/vnetenc-unit-packets.c tests/vnetenc-unit-packets.h
tests_test_vnetenc_cryptodev_LDFLAGS = $(AM_LDFLAGS) $(DPDK_vswitchd_LDFLAGS)
tests_test_vnetenc_cryptodev_LDADD = lib/libopenvswitch.la $(SSL_LIBS)

# The same, with sanitizers in what it tests: built with DPDK only, see
# utilities/vnetenc-build.
EXTRA_PROGRAMS += tests/test-vnetenc-cryptodev-asan
tests_test_vnetenc_cryptodev_asan_SOURCES = \
	$(tests_test_vnetenc_cryptodev_SOURCES) \
	lib/vnetenc/crypto/aead-answers.c \
	lib/vnetenc/crypto/aead-cryptodev.c \
	lib/vnetenc/crypto/aead-fips.c \
	lib/vnetenc/crypto/aead-ipsec-mb.c \
	lib/vnetenc/crypto/aead-openssl.c \
	lib/vnetenc/crypto/aead.c \
	lib/vnetenc/crypto/cryptodev-cpu.c \
	lib/vnetenc/crypto/cryptodev-find.c \
	lib/vnetenc/crypto/cryptodev-queue.c \
	lib/vnetenc/crypto/cryptodev.c \
	lib/vnetenc/packet/seal.c
tests_test_vnetenc_cryptodev_asan_CFLAGS = $(AM_CFLAGS) $(SANITIZE_CFLAGS)
tests_test_vnetenc_cryptodev_asan_LDFLAGS = $(tests_test_vnetenc_cryptodev_LDFLAGS)
tests_test_vnetenc_cryptodev_asan_LDADD = lib/libopenvswitch.la $(SSL_LIBS)

noinst_PROGRAMS += tests/test-vnetenc-outcome
tests_test_vnetenc_outcome_SOURCES = tests/test-vnetenc-outcome.c tests/vnetenc-unit.h
tests_test_vnetenc_outcome_LDADD = lib/libopenvswitch.la $(SSL_LIBS)

noinst_PROGRAMS += tests/test-vnetenc-flows
tests_test_vnetenc_flows_SOURCES = tests/test-vnetenc-flows.c tests/vnetenc-unit.h
tests_test_vnetenc_flows_LDADD = lib/libopenvswitch.la $(SSL_LIBS)

noinst_PROGRAMS += tests/test-vnetenc-writer
tests_test_vnetenc_writer_SOURCES = tests/test-vnetenc-writer.c tests/vnetenc-unit.h
tests_test_vnetenc_writer_LDADD = lib/libopenvswitch.la $(SSL_LIBS)

noinst_PROGRAMS += tests/test-vnetenc-hold
tests_test_vnetenc_hold_SOURCES = tests/test-vnetenc-hold.c tests/vnetenc-unit.h tests/vnetenc-unit-packets.c tests/vnetenc-unit-packets.h
tests_test_vnetenc_hold_LDADD = lib/libopenvswitch.la $(SSL_LIBS)

noinst_PROGRAMS += tests/test-vnetenc-inbox
tests_test_vnetenc_inbox_SOURCES = tests/test-vnetenc-inbox.c tests/vnetenc-unit.h
tests_test_vnetenc_inbox_LDADD = lib/libopenvswitch.la $(SSL_LIBS)

noinst_PROGRAMS += tests/test-vnetenc-lanes
tests_test_vnetenc_lanes_SOURCES = tests/test-vnetenc-lanes.c tests/vnetenc-unit.h
tests_test_vnetenc_lanes_LDADD = lib/libopenvswitch.la $(SSL_LIBS)

noinst_PROGRAMS += tests/test-vnetenc-path
tests_test_vnetenc_path_SOURCES = tests/test-vnetenc-path.c tests/vnetenc-unit.h
tests_test_vnetenc_path_LDADD = lib/libopenvswitch.la $(SSL_LIBS)

noinst_PROGRAMS += tests/test-vnetenc-rtt
tests_test_vnetenc_rtt_SOURCES = tests/test-vnetenc-rtt.c tests/vnetenc-unit.h
tests_test_vnetenc_rtt_LDADD = lib/libopenvswitch.la $(SSL_LIBS)

noinst_PROGRAMS += tests/test-vnetenc-rx
tests_test_vnetenc_rx_SOURCES = tests/test-vnetenc-rx.c tests/vnetenc-unit.h
tests_test_vnetenc_rx_LDADD = lib/libopenvswitch.la $(SSL_LIBS)

noinst_PROGRAMS += tests/test-vnetenc-tx
tests_test_vnetenc_tx_SOURCES = tests/test-vnetenc-tx.c tests/vnetenc-unit.h tests/vnetenc-unit-race.h
tests_test_vnetenc_tx_LDADD = lib/libopenvswitch.la $(SSL_LIBS)

noinst_PROGRAMS += tests/test-vnetenc-gate
tests_test_vnetenc_gate_SOURCES = tests/test-vnetenc-gate.c tests/vnetenc-unit.h
tests_test_vnetenc_gate_LDADD = lib/libopenvswitch.la $(SSL_LIBS)

noinst_PROGRAMS += tests/test-vnetenc-marks
tests_test_vnetenc_marks_SOURCES = tests/test-vnetenc-marks.c tests/vnetenc-unit-loopback.c tests/vnetenc-unit-loopback.h tests/vnetenc-unit-shell.h tests/vnetenc-unit.h
tests_test_vnetenc_marks_LDADD = lib/libopenvswitch.la $(SSL_LIBS)

noinst_PROGRAMS += tests/test-vnetenc-vni
tests_test_vnetenc_vni_SOURCES = tests/test-vnetenc-vni.c tests/vnetenc-unit.h
tests_test_vnetenc_vni_LDADD = lib/libopenvswitch.la $(SSL_LIBS)

noinst_PROGRAMS += tests/test-vnetenc-seal
tests_test_vnetenc_seal_SOURCES = tests/test-vnetenc-seal.c tests/vnetenc-unit.h tests/vnetenc-unit-packets.c tests/vnetenc-unit-packets.h
tests_test_vnetenc_seal_LDADD = lib/libopenvswitch.la $(SSL_LIBS)

noinst_PROGRAMS += tests/test-vnetenc-deferred
tests_test_vnetenc_deferred_SOURCES = tests/test-vnetenc-deferred.c tests/vnetenc-unit.h tests/vnetenc-unit-packets.c tests/vnetenc-unit-packets.h
tests_test_vnetenc_deferred_LDADD = lib/libopenvswitch.la $(SSL_LIBS)

noinst_PROGRAMS += tests/test-vnetenc-unsealed
tests_test_vnetenc_unsealed_SOURCES = tests/test-vnetenc-unsealed.c lib/netdev.c tests/vnetenc-unit.h tests/vnetenc-unit-packets.c tests/vnetenc-unit-packets.h
tests_test_vnetenc_unsealed_CPPFLAGS = $(AM_CPPFLAGS) -DNDEBUG
tests_test_vnetenc_unsealed_LDADD = lib/libopenvswitch.la $(SSL_LIBS)

noinst_PROGRAMS += tests/test-vnetenc-open
tests_test_vnetenc_open_SOURCES = tests/test-vnetenc-open.c tests/vnetenc-unit.h tests/vnetenc-unit-packets.c tests/vnetenc-unit-packets.h
tests_test_vnetenc_open_LDADD = lib/libopenvswitch.la $(SSL_LIBS)

noinst_PROGRAMS += tests/test-vnetenc-split
tests_test_vnetenc_split_SOURCES = tests/test-vnetenc-split.c tests/vnetenc-unit.h tests/vnetenc-unit-packets.c tests/vnetenc-unit-packets.h tests/vnetenc-unit-race.h
tests_test_vnetenc_split_LDADD = lib/libopenvswitch.la $(SSL_LIBS)

noinst_PROGRAMS += tests/test-vnetenc-pool
tests_test_vnetenc_pool_SOURCES = tests/test-vnetenc-pool.c tests/vnetenc-unit.h
tests_test_vnetenc_pool_LDADD = lib/libopenvswitch.la $(SSL_LIBS)

noinst_PROGRAMS += tests/test-vnetenc-sum
tests_test_vnetenc_sum_SOURCES = tests/test-vnetenc-sum.c tests/vnetenc-unit.h
tests_test_vnetenc_sum_LDADD = lib/libopenvswitch.la $(SSL_LIBS)

noinst_PROGRAMS += tests/test-vnetenc-join
tests_test_vnetenc_join_SOURCES = tests/test-vnetenc-join.c tests/vnetenc-unit.h tests/vnetenc-unit-packets.c tests/vnetenc-unit-packets.h tests/vnetenc-unit-race.h
tests_test_vnetenc_join_LDADD = lib/libopenvswitch.la $(SSL_LIBS)

noinst_PROGRAMS += tests/test-vnetenc-memory
tests_test_vnetenc_memory_SOURCES = tests/test-vnetenc-memory.c tests/vnetenc-unit.h tests/vnetenc-unit-dpdk.h tests/vnetenc-unit-packets.c tests/vnetenc-unit-packets.h
tests_test_vnetenc_memory_LDFLAGS = $(AM_LDFLAGS) $(DPDK_vswitchd_LDFLAGS)
tests_test_vnetenc_memory_LDADD = lib/libopenvswitch.la $(SSL_LIBS)

# As above: built with DPDK only.
EXTRA_PROGRAMS += tests/test-vnetenc-memory-asan
tests_test_vnetenc_memory_asan_SOURCES = \
	$(tests_test_vnetenc_memory_SOURCES) \
	lib/vnetenc/packet/half.c \
	lib/vnetenc/packet/join.c \
	lib/vnetenc/packet/open.c \
	lib/vnetenc/packet/outer.c \
	lib/vnetenc/packet/seal.c \
	lib/vnetenc/packet/split.c
tests_test_vnetenc_memory_asan_CFLAGS = $(AM_CFLAGS) $(SANITIZE_CFLAGS)
tests_test_vnetenc_memory_asan_LDFLAGS = $(tests_test_vnetenc_memory_LDFLAGS)
tests_test_vnetenc_memory_asan_LDADD = lib/libopenvswitch.la $(SSL_LIBS)

noinst_PROGRAMS += tests/test-vnetenc-execute
tests_test_vnetenc_execute_SOURCES = tests/test-vnetenc-execute.c tests/vnetenc-unit.h
tests_test_vnetenc_execute_LDADD = lib/libopenvswitch.la $(SSL_LIBS)

noinst_PROGRAMS += tests/test-vnetenc-too-long
tests_test_vnetenc_too_long_SOURCES = tests/test-vnetenc-too-long.c tests/vnetenc-unit.h
tests_test_vnetenc_too_long_LDADD = lib/libopenvswitch.la $(SSL_LIBS)

noinst_PROGRAMS += tests/test-vnetenc-netns
tests_test_vnetenc_netns_SOURCES = tests/test-vnetenc-netns.c tests/vnetenc-unit.h
tests_test_vnetenc_netns_LDADD = lib/libopenvswitch.la $(SSL_LIBS)
noinst_PROGRAMS += tests/test-vnetenc-egress
tests_test_vnetenc_egress_SOURCES = tests/test-vnetenc-egress.c tests/vnetenc-unit-loopback.c tests/vnetenc-unit-loopback.h tests/vnetenc-unit.h tests/vnetenc-unit-shell.h tests/vnetenc-unit-packets.c tests/vnetenc-unit-packets.h
tests_test_vnetenc_egress_LDADD = lib/libopenvswitch.la $(SSL_LIBS)

noinst_PROGRAMS += tests/test-vnetenc-worker
tests_test_vnetenc_worker_SOURCES = tests/test-vnetenc-worker.c tests/vnetenc-unit.h
tests_test_vnetenc_worker_LDADD = lib/libopenvswitch.la $(SSL_LIBS)

noinst_PROGRAMS += tests/test-vnetenc-device
tests_test_vnetenc_device_SOURCES = tests/test-vnetenc-device.c tests/vnetenc-unit.h
tests_test_vnetenc_device_LDADD = lib/libopenvswitch.la $(SSL_LIBS)

noinst_PROGRAMS += tests/test-vnetenc-mtu
tests_test_vnetenc_mtu_SOURCES = tests/test-vnetenc-mtu.c tests/vnetenc-unit.h tests/vnetenc-unit-packets.c tests/vnetenc-unit-packets.h
tests_test_vnetenc_mtu_LDADD = lib/libopenvswitch.la $(SSL_LIBS)

noinst_PROGRAMS += tests/test-vnetenc-api
tests_test_vnetenc_api_SOURCES = tests/test-vnetenc-api.c tests/vnetenc-unit.h
tests_test_vnetenc_api_LDADD = lib/libopenvswitch.la $(SSL_LIBS)

noinst_PROGRAMS += tests/test-vnetenc-coalesce
tests_test_vnetenc_coalesce_SOURCES = tests/test-vnetenc-coalesce.c tests/vnetenc-unit.h tests/vnetenc-unit-tcp.c tests/vnetenc-unit-tcp.h
tests_test_vnetenc_coalesce_LDADD = lib/libopenvswitch.la $(SSL_LIBS)

noinst_PROGRAMS += tests/test-vnetenc-ingress
tests_test_vnetenc_ingress_SOURCES = tests/test-vnetenc-ingress.c tests/vnetenc-unit.h tests/vnetenc-unit-shell.h tests/vnetenc-unit-packets.c tests/vnetenc-unit-packets.h
tests_test_vnetenc_ingress_LDADD = lib/libopenvswitch.la $(SSL_LIBS)

noinst_PROGRAMS += tests/test-vnetenc-inject
tests_test_vnetenc_inject_SOURCES = tests/test-vnetenc-inject.c tests/vnetenc-unit.h tests/vnetenc-unit-shell.h tests/vnetenc-unit-tcp.c tests/vnetenc-unit-tcp.h
tests_test_vnetenc_inject_LDADD = lib/libopenvswitch.la $(SSL_LIBS)

noinst_PROGRAMS += tests/test-vnetenc-cred
tests_test_vnetenc_cred_SOURCES = tests/test-vnetenc-cred.c tests/vnetenc-unit.h tests/vnetenc-unit-pki.c tests/vnetenc-unit-pki.h
tests_test_vnetenc_cred_LDADD = lib/libopenvswitch.la $(SSL_LIBS)

noinst_PROGRAMS += tests/test-vnetenc-find
tests_test_vnetenc_find_SOURCES = tests/test-vnetenc-find.c tests/vnetenc-unit.h tests/vnetenc-unit-pki.c tests/vnetenc-unit-pki.h
tests_test_vnetenc_find_LDADD = lib/libopenvswitch.la $(SSL_LIBS)

noinst_PROGRAMS += tests/test-vnetenc-dgram
tests_test_vnetenc_dgram_SOURCES = tests/test-vnetenc-dgram.c tests/vnetenc-unit.h
tests_test_vnetenc_dgram_LDADD = lib/libopenvswitch.la $(SSL_LIBS)

noinst_PROGRAMS += tests/test-vnetenc-handshake
tests_test_vnetenc_handshake_SOURCES = tests/test-vnetenc-handshake.c tests/vnetenc-unit.h tests/vnetenc-unit-pki.c tests/vnetenc-unit-pki.h tests/vnetenc-unit-net.c tests/vnetenc-unit-net.h
tests_test_vnetenc_handshake_LDADD = lib/libopenvswitch.la $(SSL_LIBS)

noinst_PROGRAMS += tests/test-vnetenc-keys
tests_test_vnetenc_keys_SOURCES = tests/test-vnetenc-keys.c tests/vnetenc-unit.h
tests_test_vnetenc_keys_LDADD = lib/libopenvswitch.la $(SSL_LIBS)

noinst_PROGRAMS += tests/test-vnetenc-listener
tests_test_vnetenc_listener_SOURCES = tests/test-vnetenc-listener.c tests/vnetenc-unit.h tests/vnetenc-unit-pki.c tests/vnetenc-unit-pki.h tests/vnetenc-unit-net.c tests/vnetenc-unit-net.h
tests_test_vnetenc_listener_LDADD = lib/libopenvswitch.la $(SSL_LIBS)

noinst_PROGRAMS += tests/test-vnetenc-refusals
tests_test_vnetenc_refusals_SOURCES = tests/test-vnetenc-refusals.c tests/vnetenc-unit.h tests/vnetenc-unit-pki.c tests/vnetenc-unit-pki.h tests/vnetenc-unit-net.c tests/vnetenc-unit-net.h
tests_test_vnetenc_refusals_LDADD = lib/libopenvswitch.la $(SSL_LIBS)

noinst_PROGRAMS += tests/test-vnetenc-trust
tests_test_vnetenc_trust_SOURCES = tests/test-vnetenc-trust.c tests/vnetenc-unit.h tests/vnetenc-unit-pki.c tests/vnetenc-unit-pki.h
tests_test_vnetenc_trust_LDADD = lib/libopenvswitch.la $(SSL_LIBS)

noinst_PROGRAMS += tests/test-vnetenc-lifetime
tests_test_vnetenc_lifetime_SOURCES = tests/test-vnetenc-lifetime.c tests/vnetenc-unit.h
tests_test_vnetenc_lifetime_LDADD = lib/libopenvswitch.la $(SSL_LIBS)

noinst_PROGRAMS += tests/test-vnetenc-message
tests_test_vnetenc_message_SOURCES = tests/test-vnetenc-message.c tests/vnetenc-unit.h
tests_test_vnetenc_message_LDADD = lib/libopenvswitch.la $(SSL_LIBS)

noinst_PROGRAMS += tests/test-vnetenc-config
tests_test_vnetenc_config_SOURCES = tests/test-vnetenc-config.c tests/vnetenc-unit.h
tests_test_vnetenc_config_LDADD = lib/libopenvswitch.la $(SSL_LIBS)

noinst_PROGRAMS += tests/test-vnetenc-profile
tests_test_vnetenc_profile_SOURCES = tests/test-vnetenc-profile.c tests/vnetenc-unit.h tests/vnetenc-unit-pki.c tests/vnetenc-unit-pki.h
tests_test_vnetenc_profile_LDADD = lib/libopenvswitch.la $(SSL_LIBS)

noinst_PROGRAMS += tests/test-vnetenc-next-key
tests_test_vnetenc_next_key_SOURCES = tests/test-vnetenc-next-key.c tests/vnetenc-unit.h tests/vnetenc-unit-pki.c tests/vnetenc-unit-pki.h
tests_test_vnetenc_next_key_LDADD = lib/libopenvswitch.la $(SSL_LIBS)

noinst_PROGRAMS += tests/test-vnetenc-peer
tests_test_vnetenc_peer_SOURCES = tests/test-vnetenc-peer.c tests/vnetenc-unit.h tests/vnetenc-unit-pki.c tests/vnetenc-unit-pki.h
tests_test_vnetenc_peer_LDADD = lib/libopenvswitch.la $(SSL_LIBS)

noinst_PROGRAMS += tests/test-vnetenc-socket
tests_test_vnetenc_socket_SOURCES = tests/test-vnetenc-socket.c tests/vnetenc-unit.h tests/vnetenc-unit-loopback.c tests/vnetenc-unit-loopback.h tests/vnetenc-unit-shell.h
tests_test_vnetenc_socket_LDADD = lib/libopenvswitch.la $(SSL_LIBS)

noinst_PROGRAMS += tests/test-vnetenc-sessions
tests_test_vnetenc_sessions_SOURCES = tests/test-vnetenc-sessions.c tests/vnetenc-unit.h tests/vnetenc-unit-control.c tests/vnetenc-unit-control.h tests/vnetenc-unit-loopback.c tests/vnetenc-unit-loopback.h tests/vnetenc-unit-net.c tests/vnetenc-unit-net.h tests/vnetenc-unit-pki.c tests/vnetenc-unit-pki.h
tests_test_vnetenc_sessions_LDADD = lib/libopenvswitch.la $(SSL_LIBS)

noinst_PROGRAMS += tests/test-vnetenc-incoming
tests_test_vnetenc_incoming_SOURCES = tests/test-vnetenc-incoming.c tests/vnetenc-unit.h tests/vnetenc-unit-control.c tests/vnetenc-unit-control.h tests/vnetenc-unit-loopback.c tests/vnetenc-unit-loopback.h tests/vnetenc-unit-net.c tests/vnetenc-unit-net.h tests/vnetenc-unit-pki.c tests/vnetenc-unit-pki.h
tests_test_vnetenc_incoming_LDADD = lib/libopenvswitch.la $(SSL_LIBS)

noinst_PROGRAMS += tests/test-vnetenc-alarms
tests_test_vnetenc_alarms_SOURCES = tests/test-vnetenc-alarms.c tests/vnetenc-unit.h tests/vnetenc-unit-control.c tests/vnetenc-unit-control.h tests/vnetenc-unit-loopback.c tests/vnetenc-unit-loopback.h tests/vnetenc-unit-net.c tests/vnetenc-unit-net.h tests/vnetenc-unit-pki.c tests/vnetenc-unit-pki.h
tests_test_vnetenc_alarms_LDADD = lib/libopenvswitch.la $(SSL_LIBS)

noinst_PROGRAMS += tests/test-vnetenc-judge
tests_test_vnetenc_judge_SOURCES = tests/test-vnetenc-judge.c tests/vnetenc-unit.h tests/vnetenc-unit-control.c tests/vnetenc-unit-control.h tests/vnetenc-unit-loopback.c tests/vnetenc-unit-loopback.h tests/vnetenc-unit-net.c tests/vnetenc-unit-net.h tests/vnetenc-unit-pki.c tests/vnetenc-unit-pki.h
tests_test_vnetenc_judge_LDADD = lib/libopenvswitch.la $(SSL_LIBS)

# Benchmark, see tests/bench-vnetenc.c.
noinst_PROGRAMS += tests/bench-vnetenc
tests_bench_vnetenc_SOURCES = tests/bench-vnetenc.c tests/vnetenc-unit-packets.c tests/vnetenc-unit-packets.h
tests_bench_vnetenc_LDADD = lib/libopenvswitch.la $(SSL_LIBS)

# The peers of the benchmark of a large mesh, see tests/bench-peers.c.
noinst_PROGRAMS += tests/bench-peers
tests_bench_peers_SOURCES = tests/bench-peers.c
tests_bench_peers_LDADD = lib/libopenvswitch.la $(SSL_LIBS)

# One end of the benchmark of the kernel datapath, see tests/bench-kernel.c.
noinst_PROGRAMS += tests/bench-kernel
tests_bench_kernel_SOURCES = tests/bench-kernel.c
tests_bench_kernel_LDADD = lib/libopenvswitch.la $(SSL_LIBS)

# Fuzz targets, see tests/fuzz/vnetenc-fuzz.h: all of our code, and the two
# files of upstream's that hold the text and the wire form of our actions, with
# libFuzzer's instrumentation.  Made with clang only, see
# utilities/vnetenc-build.
EXTRA_LTLIBRARIES = tests/libvnetenc-fuzz.la tests/libvnetenc-tsan.la
tests_libvnetenc_fuzz_la_SOURCES = \
	$(vnetenc_sources) \
	lib/odp-util.c \
	lib/ofp-actions.c \
	tests/fuzz/vnetenc-fuzz.c \
	tests/fuzz/vnetenc-fuzz.h
tests_libvnetenc_fuzz_la_CPPFLAGS = $(AM_CPPFLAGS) -I $(top_srcdir)/tests
tests_libvnetenc_fuzz_la_CFLAGS = $(AM_CFLAGS) $(FUZZ_CFLAGS)

fuzz_cppflags = $(tests_libvnetenc_fuzz_la_CPPFLAGS)
fuzz_cflags = $(tests_libvnetenc_fuzz_la_CFLAGS)
fuzz_ldflags = $(AM_LDFLAGS) $(FUZZ_CFLAGS) -fsanitize=fuzzer
fuzz_ldadd = tests/libvnetenc-fuzz.la lib/libopenvswitch.la $(SSL_LIBS)

EXTRA_PROGRAMS += tests/fuzz/fuzz-coalesce
tests_fuzz_fuzz_coalesce_SOURCES = tests/fuzz/fuzz-coalesce.c tests/vnetenc-unit-tcp.c tests/vnetenc-unit-tcp.h
tests_fuzz_fuzz_coalesce_CPPFLAGS = $(fuzz_cppflags)
tests_fuzz_fuzz_coalesce_CFLAGS = $(fuzz_cflags)
tests_fuzz_fuzz_coalesce_LDFLAGS = $(fuzz_ldflags)
tests_fuzz_fuzz_coalesce_LDADD = $(fuzz_ldadd)

EXTRA_PROGRAMS += tests/fuzz/fuzz-config
tests_fuzz_fuzz_config_SOURCES = tests/fuzz/fuzz-config.c
tests_fuzz_fuzz_config_CPPFLAGS = $(fuzz_cppflags)
tests_fuzz_fuzz_config_CFLAGS = $(fuzz_cflags)
tests_fuzz_fuzz_config_LDFLAGS = $(fuzz_ldflags)
tests_fuzz_fuzz_config_LDADD = $(fuzz_ldadd)

EXTRA_PROGRAMS += tests/fuzz/fuzz-frame
tests_fuzz_fuzz_frame_SOURCES = tests/fuzz/fuzz-frame.c tests/vnetenc-unit-packets.c tests/vnetenc-unit-packets.h
tests_fuzz_fuzz_frame_CPPFLAGS = $(fuzz_cppflags)
tests_fuzz_fuzz_frame_CFLAGS = $(fuzz_cflags)
tests_fuzz_fuzz_frame_LDFLAGS = $(fuzz_ldflags)
tests_fuzz_fuzz_frame_LDADD = $(fuzz_ldadd)

EXTRA_PROGRAMS += tests/fuzz/fuzz-half
tests_fuzz_fuzz_half_SOURCES = tests/fuzz/fuzz-half.c tests/vnetenc-unit-packets.c tests/vnetenc-unit-packets.h
tests_fuzz_fuzz_half_CPPFLAGS = $(fuzz_cppflags)
tests_fuzz_fuzz_half_CFLAGS = $(fuzz_cflags)
tests_fuzz_fuzz_half_LDFLAGS = $(fuzz_ldflags)
tests_fuzz_fuzz_half_LDADD = $(fuzz_ldadd)

EXTRA_PROGRAMS += tests/fuzz/fuzz-handshake
tests_fuzz_fuzz_handshake_SOURCES = tests/fuzz/fuzz-handshake.c tests/vnetenc-unit-net.c tests/vnetenc-unit-net.h tests/vnetenc-unit-pki.c tests/vnetenc-unit-pki.h
tests_fuzz_fuzz_handshake_CPPFLAGS = $(fuzz_cppflags)
tests_fuzz_fuzz_handshake_CFLAGS = $(fuzz_cflags)
tests_fuzz_fuzz_handshake_LDFLAGS = $(fuzz_ldflags)
tests_fuzz_fuzz_handshake_LDADD = $(fuzz_ldadd)

EXTRA_PROGRAMS += tests/fuzz/fuzz-hello
tests_fuzz_fuzz_hello_SOURCES = tests/fuzz/fuzz-hello.c tests/vnetenc-unit-net.c tests/vnetenc-unit-net.h tests/vnetenc-unit-pki.c tests/vnetenc-unit-pki.h
tests_fuzz_fuzz_hello_CPPFLAGS = $(fuzz_cppflags)
tests_fuzz_fuzz_hello_CFLAGS = $(fuzz_cflags)
tests_fuzz_fuzz_hello_LDFLAGS = $(fuzz_ldflags)
tests_fuzz_fuzz_hello_LDADD = $(fuzz_ldadd)

EXTRA_PROGRAMS += tests/fuzz/fuzz-message
tests_fuzz_fuzz_message_SOURCES = tests/fuzz/fuzz-message.c
tests_fuzz_fuzz_message_CPPFLAGS = $(fuzz_cppflags)
tests_fuzz_fuzz_message_CFLAGS = $(fuzz_cflags)
tests_fuzz_fuzz_message_LDFLAGS = $(fuzz_ldflags)
tests_fuzz_fuzz_message_LDADD = $(fuzz_ldadd)

EXTRA_PROGRAMS += tests/fuzz/fuzz-odp
tests_fuzz_fuzz_odp_SOURCES = tests/fuzz/fuzz-odp.c
tests_fuzz_fuzz_odp_CPPFLAGS = $(fuzz_cppflags)
tests_fuzz_fuzz_odp_CFLAGS = $(fuzz_cflags)
tests_fuzz_fuzz_odp_LDFLAGS = $(fuzz_ldflags)
tests_fuzz_fuzz_odp_LDADD = $(fuzz_ldadd)

EXTRA_PROGRAMS += tests/fuzz/fuzz-ofpact
tests_fuzz_fuzz_ofpact_SOURCES = tests/fuzz/fuzz-ofpact.c
tests_fuzz_fuzz_ofpact_CPPFLAGS = $(fuzz_cppflags)
tests_fuzz_fuzz_ofpact_CFLAGS = $(fuzz_cflags)
tests_fuzz_fuzz_ofpact_LDFLAGS = $(fuzz_ldflags)
tests_fuzz_fuzz_ofpact_LDADD = $(fuzz_ldadd)

EXTRA_PROGRAMS += tests/fuzz/fuzz-record
tests_fuzz_fuzz_record_SOURCES = tests/fuzz/fuzz-record.c tests/vnetenc-unit-packets.c tests/vnetenc-unit-packets.h
tests_fuzz_fuzz_record_CPPFLAGS = $(fuzz_cppflags)
tests_fuzz_fuzz_record_CFLAGS = $(fuzz_cflags)
tests_fuzz_fuzz_record_LDFLAGS = $(fuzz_ldflags)
tests_fuzz_fuzz_record_LDADD = $(fuzz_ldadd)

# Unit programs with threads, and all that these share, with clang's thread
# sanitizer: as above.
tests_libvnetenc_tsan_la_SOURCES = \
	$(vnetenc_sources) \
	lib/ccmap.c \
	lib/cmap.c \
	lib/guarded-list.c \
	lib/latch-unix.c \
	lib/mpsc-queue.c \
	lib/ovs-rcu.c \
	lib/ovs-thread.c \
	lib/seq.c \
	lib/timeval.c \
	tests/vnetenc-unit-packets.c \
	tests/vnetenc-unit-packets.h
tests_libvnetenc_tsan_la_CFLAGS = $(AM_CFLAGS) $(TSAN_CFLAGS)

tsan_cflags = $(tests_libvnetenc_tsan_la_CFLAGS)
tsan_ldflags = $(AM_LDFLAGS) $(TSAN_CFLAGS)
tsan_ldadd = tests/libvnetenc-tsan.la lib/libopenvswitch.la $(SSL_LIBS)

EXTRA_PROGRAMS += tests/test-vnetenc-inbox-tsan
tests_test_vnetenc_inbox_tsan_SOURCES = tests/test-vnetenc-inbox.c
tests_test_vnetenc_inbox_tsan_CFLAGS = $(tsan_cflags)
tests_test_vnetenc_inbox_tsan_LDFLAGS = $(tsan_ldflags)
tests_test_vnetenc_inbox_tsan_LDADD = $(tsan_ldadd)

EXTRA_PROGRAMS += tests/test-vnetenc-join-tsan
tests_test_vnetenc_join_tsan_SOURCES = tests/test-vnetenc-join.c
tests_test_vnetenc_join_tsan_CFLAGS = $(tsan_cflags)
tests_test_vnetenc_join_tsan_LDFLAGS = $(tsan_ldflags)
tests_test_vnetenc_join_tsan_LDADD = $(tsan_ldadd)

EXTRA_PROGRAMS += tests/test-vnetenc-lanes-tsan
tests_test_vnetenc_lanes_tsan_SOURCES = tests/test-vnetenc-lanes.c
tests_test_vnetenc_lanes_tsan_CFLAGS = $(tsan_cflags)
tests_test_vnetenc_lanes_tsan_LDFLAGS = $(tsan_ldflags)
tests_test_vnetenc_lanes_tsan_LDADD = $(tsan_ldadd)

EXTRA_PROGRAMS += tests/test-vnetenc-open-tsan
tests_test_vnetenc_open_tsan_SOURCES = tests/test-vnetenc-open.c
tests_test_vnetenc_open_tsan_CFLAGS = $(tsan_cflags)
tests_test_vnetenc_open_tsan_LDFLAGS = $(tsan_ldflags)
tests_test_vnetenc_open_tsan_LDADD = $(tsan_ldadd)

EXTRA_PROGRAMS += tests/test-vnetenc-replay-tsan
tests_test_vnetenc_replay_tsan_SOURCES = tests/test-vnetenc-replay.c
tests_test_vnetenc_replay_tsan_CFLAGS = $(tsan_cflags)
tests_test_vnetenc_replay_tsan_LDFLAGS = $(tsan_ldflags)
tests_test_vnetenc_replay_tsan_LDADD = $(tsan_ldadd)

EXTRA_PROGRAMS += tests/test-vnetenc-rx-tsan
tests_test_vnetenc_rx_tsan_SOURCES = tests/test-vnetenc-rx.c
tests_test_vnetenc_rx_tsan_CFLAGS = $(tsan_cflags)
tests_test_vnetenc_rx_tsan_LDFLAGS = $(tsan_ldflags)
tests_test_vnetenc_rx_tsan_LDADD = $(tsan_ldadd)

EXTRA_PROGRAMS += tests/test-vnetenc-tx-tsan
tests_test_vnetenc_tx_tsan_SOURCES = tests/test-vnetenc-tx.c
tests_test_vnetenc_tx_tsan_CFLAGS = $(tsan_cflags)
tests_test_vnetenc_tx_tsan_LDFLAGS = $(tsan_ldflags)
tests_test_vnetenc_tx_tsan_LDADD = $(tsan_ldadd)

EXTRA_PROGRAMS += tests/test-vnetenc-split-tsan
tests_test_vnetenc_split_tsan_SOURCES = tests/test-vnetenc-split.c
tests_test_vnetenc_split_tsan_CFLAGS = $(tsan_cflags)
tests_test_vnetenc_split_tsan_LDFLAGS = $(tsan_ldflags)
tests_test_vnetenc_split_tsan_LDADD = $(tsan_ldadd)

EXTRA_PROGRAMS += tests/test-vnetenc-worker-tsan
tests_test_vnetenc_worker_tsan_SOURCES = tests/test-vnetenc-worker.c
tests_test_vnetenc_worker_tsan_CFLAGS = $(tsan_cflags)
tests_test_vnetenc_worker_tsan_LDFLAGS = $(tsan_ldflags)
tests_test_vnetenc_worker_tsan_LDADD = $(tsan_ldadd)
