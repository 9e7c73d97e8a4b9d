# Copyright (c) 2026 The vnetenc authors.
# SPDX-License-Identifier: Apache-2.0
"""The host's own key is replaced under traffic."""

from concurrent.futures import ThreadPoolExecutor

from lab import pings, tcp_transfer
from runspace import wait_until


def next_key(hv, verb=None):
    """{"present", "next", "former": fingerprint or "none"}."""
    text = hv.appctl("vnetenc/next-key", *([verb] if verb else []))
    return dict(line.split(": ", 1) for line in text.splitlines())


def pins(hv, of):
    return set(hv.vsctl("get", "VNetEnc_Peer", of.ip, "fingerprints")
               .strip("[]").replace('"', "").split(", "))


def test_next_key(make_cloud):
    """With OVN, two hosts replace their keys at once.  No packet is lost, none
    is in clear (the cloud's judge), and the former keys are worth nothing when
    the last session that needs them is gone."""
    cloud = make_cloud(n=3)
    hv1, hv2, hv3 = cloud.hvs
    vms = [cloud.add_vm(n, n) for n in (1, 2, 3)]
    cloud.set_mode("require")
    running = []
    for a in vms:
        for b in vms:
            if a is not b:
                cloud.encrypted(a, b)
                running.append(a.ping_start(b.ip, 10000, 0.02))
    old = {hv: next_key(hv)["present"] for hv in (hv1, hv2)}

    for hv in (hv1, hv2):
        assert next_key(hv, "make")["present"] == old[hv]
    new = {hv: next_key(hv)["next"] for hv in (hv1, hv2)}
    wait_until(lambda: pins(hv3, hv1) == {old[hv1], new[hv1]}
               and pins(hv3, hv2) == {old[hv2], new[hv2]},
               "the next keys are published")
    cloud.central.sync()                    # All chassis have them.

    with ThreadPoolExecutor() as pool:
        list(pool.map(lambda hv: next_key(hv, "use"), (hv1, hv2)))
    for hv in (hv1, hv2):
        assert next_key(hv) == {"present": new[hv], "next": "none",
                                "former": old[hv]}
        # Sessions that this host begins have the new one by themselves.
        wait_until(lambda hv=hv: hv3.peer(hv.ip, "peer_fingerprint")
                   and new[hv] in hv3.show("--all"), "it is shown")
    assert len(tcp_transfer(vms[0], vms[1], b"x" * 200000)) == 200000
    # Those that peers begin depend on the former one until a rekey.
    assert pins(hv3, hv1) == {old[hv1], new[hv1]}
    for hv, others in ((hv1, (hv2, hv3)), (hv2, (hv1, hv3)),
                       (hv3, (hv1, hv2))):
        for other in others:
            hv.appctl("vnetenc/rekey", other.ip)
    for hv in (hv1, hv2):
        wait_until(lambda hv=hv: next_key(hv)["former"] == "none",
                   "no session needs the former key", timeout=40)
        for other in {hv1, hv2, hv3} - {hv}:
            wait_until(lambda hv=hv, other=other: pins(other, hv)
                       == {new[hv]}, "the former key is withdrawn")
    cloud.central.sync()
    assert len(tcp_transfer(vms[1], vms[2], b"x" * 200000)) == 200000
    assert not sum(pings(process, stop=True).lost for process in running)
