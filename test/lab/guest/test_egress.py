# SPDX-License-Identifier: Apache-2.0
"""The bond member that a connection's bytes leave by is the one that was foretold, flow by flow."""

import socket

import pytest

import lab
import lacp
from flows import FAMILIES, VLANS, Flow, back, compare, network, note, without  # noqa: F401

pytestmark = [pytest.mark.machine("numa2"), pytest.mark.kernel("6.12", "newest")]
FOUR = pytest.mark.machine("numa4")

FLOWS = 200


@pytest.mark.parametrize("version", FAMILIES)
@pytest.mark.parametrize("policy", ["layer2", "layer2+3", "layer3+4", "encap2+3", "vlan+srcmac"])
def test_every_flow_leaves_by_the_member_foretold(network, policy, version):
    network.policy(policy)
    # All clients that vlan+srcmac can tell apart are the VLANs.
    seen = compare(network.flows(FLOWS, version), at_least_each=FLOWS // 10)
    note(f"{policy} IPv{version}", seen)


@FOUR
def test_every_bit_of_the_hash_counts_with_three_members(network):
    """Two and four members look at its lowest bits alone."""
    left = ["server0", "server1", "server3"]
    try:
        without(network, "server2")
        for policy in ("layer2", "layer2+3", "layer3+4"):
            network.policy(policy)
            for version in FAMILIES:
                # layer2 has five clients to tell apart, which may agree.
                least = 0 if policy == "layer2" else 5
                seen = compare(network.flows(FLOWS // 2, version), least, left)
                note(f"{policy} IPv{version}, three members", seen)
    finally:
        back(network, "server2")


def test_random_hash_is_not_foretold(network):
    network.policy("encap3+4")
    for flow in network.flows(4, 4):
        assert flow.predicted() == "unknown"
        flow.sent_by()


def test_vlan_on_a_vlan(network):
    """Its inner tag hides addresses and ports from layer3+4, so that MAC addresses decide."""
    network.policy("layer3+4")
    for call in (lab.run, network.bundle.clients.run):
        for vlan in VLANS[:2]:
            call("ip", "link", "add", "link", f"v{vlan}", "name", f"q{vlan}", "type", "vlan",
                 "id", 100)
            call("ip", "link", "set", f"q{vlan}", "up")
    for vlan in VLANS[:2]:
        lab.run("ip", "address", "add", f"10.{vlan + 50}.0.1/24", "dev", f"q{vlan}")
        network.bundle.clients.run("ip", "address", "add", f"10.{vlan + 50}.0.2/24", "dev",
                                   f"q{vlan}")
    ends = [(f"10.{vlan + 50}.0.2", f"10.{vlan + 50}.0.1") for vlan in VLANS[:2]]
    try:
        for flow in network.flows(2, 4, ends):
            flow.sent_by()
        network.predictor.load()
        compare(network.flows(40, 4, ends), at_least_each=10)
    finally:
        for vlan in VLANS[:2]:
            lab.run("ip", "link", "delete", f"q{vlan}")
            network.bundle.clients.run("ip", "link", "delete", f"q{vlan}")


def test_bond_below_a_bridge(network):
    """Addresses move to a bridge over the VLAN; the mark still gets to the bond."""
    network.policy("layer3+4")
    lab.run("ip", "link", "add", "br0", "type", "bridge")
    lab.run("ip", "address", "delete", "10.11.0.1/24", "dev", "v11")
    lab.run("ip", "link", "set", "v11", "master", "br0")
    lab.run("ip", "link", "set", "br0", "up")
    lab.run("ip", "address", "add", "10.11.0.1/24", "dev", "br0")
    ends = [("10.11.0.2", "10.11.0.1")]
    network.bundle.clients.run("ip", "neighbour", "flush", "dev", "v11")
    try:
        network.predictor.load()
        compare(network.flows(40, 4, ends), at_least_each=5)
        network.predictor.rules("apply")
        for node in (0, 1):
            for flow in network.flows(8, 4, ends):
                assert flow.mark(node) != 0
                assert flow.sent_by() == f"server{node}"
    finally:
        network.predictor.rules("undo")
        lab.run("ip", "link", "delete", "br0")
        lab.run("ip", "address", "add", "10.11.0.1/24", "dev", "v11")
        network.bundle.clients.run("ip", "neighbour", "flush", "dev", "v11")


def test_next_hop_whose_mac_is_not_known_yet(network):
    network.policy("layer2+3")
    lab.run("ip", "neighbour", "flush", "dev", "v11")
    network.predictor.load()
    assert network.predictor.ask("stale") == "no"
    flow = Flow(network, 4, network.ends[4][1])
    assert flow.predicted() == "unknown"
    assert network.predictor.ask("stale") == "yes"
    network.predictor.load()
    assert flow.predicted() == flow.sent_by()


@pytest.mark.parametrize("version, some, all_of_them, router", [
    (4, "10.64.0.0/30", "10.64.0.0/16", "10.12.0.2"),
    (6, "fd64::/126", "fd64::/64", "fd12::2")])
def test_policy_rules_are_left_to_the_kernel(network, version, some, all_of_them, router):
    """Some of the hosts behind the router are reached by a table of their own, over a VLAN."""
    network.policy("layer2+3")
    ip = ["ip", f"-{version}"]
    lab.run(*ip, "rule", "add", "to", some, "lookup", "77")
    lab.run(*ip, "route", "add", all_of_them, "via", router, "table", "77")
    try:
        network.predictor.load()
        compare(network.flows(40, version, network.ends[version][1 + len(VLANS):]),
                at_least_each=5)
    finally:
        lab.run(*ip, "rule", "delete", "to", some)
        lab.run(*ip, "route", "flush", "table", "77")


@pytest.mark.parametrize("policy", ["layer2+3", "layer3+4"])
def test_ipv4_clients_of_an_ipv6_listener(network, policy):
    """Their addresses are mapped ones, but their packets are IPv4."""
    network.policy(policy)
    plain = network.listeners[4]
    with socket.create_server(("::", 0), family=socket.AF_INET6, dualstack_ipv6=True) as both:
        both.settimeout(30)
        network.listeners[4] = both
        try:
            flow = Flow(network, 4, network.ends[4][0])
            assert flow.ends[2].startswith("::ffff:")
            assert flow.predicted() == flow.sent_by()
            compare(network.flows(40, 4), at_least_each=5)
        finally:
            network.listeners[4] = plain


def test_multipath_route(network):
    """Two routers, which only the kernel can choose between: MAC addresses matter to layer2."""
    network.policy("layer2")
    lab.run("ip", "route", "replace", "10.64.0.0/16", "nexthop", "via", "10.11.0.2", "nexthop",
            "via", "10.12.0.2")
    lab.run("sysctl", "-qw", "net.ipv4.fib_multipath_hash_policy=1")
    try:
        network.predictor.load()
        compare(network.flows(60, 4, network.ends[4][1 + len(VLANS):]), at_least_each=5)
    finally:
        lab.run("sysctl", "-qw", "net.ipv4.fib_multipath_hash_policy=0")
        lab.run("ip", "route", "replace", "10.64.0.0/16", "via", lacp.CLIENT)


def test_nexthop_object(network):
    """A route that names one may not show where it leads."""
    network.policy("layer2+3")
    lab.run("sysctl", "-qw", "net.ipv4.nexthop_compat_mode=0")
    lab.run("ip", "nexthop", "add", "id", "7", "via", "10.12.0.2", "dev", "v12")
    lab.run("ip", "route", "replace", "10.64.0.0/16", "nhid", "7")
    try:
        network.predictor.load()
        compare(network.flows(40, 4, network.ends[4][1 + len(VLANS):]), at_least_each=5)
    finally:
        lab.run("ip", "route", "replace", "10.64.0.0/16", "via", lacp.CLIENT)
        lab.run("ip", "nexthop", "delete", "id", "7")
        lab.run("sysctl", "-qw", "net.ipv4.nexthop_compat_mode=1")


def test_cost_is_noted(network):
    network.policy("layer3+4")
    flow = Flow(network, 4, network.ends[4][0])
    note("cost of a prediction under emulation, ns",
         float(network.predictor.ask("cost", *flow.ends)))
    flow.sent_by()
