# SPDX-License-Identifier: Apache-2.0
"""millrace --topology on machines with nodes: what it says is what was plugged in."""

import json
import subprocess

import pytest

import lab
import lacp
import millrace
from wire import eventually

pytestmark = pytest.mark.machine("numa2", "numa4")

NODES = 4 if lab.MACHINE == "numa4" else 2
VLAN, BRIDGE = f"{lacp.BOND}.100", "br0"


def topology(*args):
    done = subprocess.run([millrace.BINARY, "--topology", "--json", *args], capture_output=True,
                          text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def links():
    return {link["name"]: link for link in topology()["interfaces"]}


def test_nodes_and_silos():
    picture = topology()
    assert [(node["node"], node["cpus"]) for node in picture["nodes"]] == \
        [(node, f"{2 * node}-{2 * node + 1}") for node in range(NODES)]
    assert all(node["memory_bytes"] > 500_000_000 for node in picture["nodes"])
    assert [(silo["node"], silo["cpus"], silo["workers"]) for silo in picture["silos"]] == \
        [(node, f"{2 * node}-{2 * node + 1}", 2) for node in range(NODES)]
    assert picture["steering"]["kind"] == "ebpf"
    napi = lab.kernel_version() >= (6, 8)
    assert picture["steering"]["after_accept"] == ("napi" if napi else "cpu")
    for node, line in enumerate(picture["log"][:NODES]):
        assert line.startswith(f"silo {node}: node {node}, CPUs {2 * node}-{2 * node + 1}, "
                               "2 workers, NIC"), line
        assert f" server{node}" in line


def test_file_systems_lie_on_the_disks_of_their_nodes():
    picture = topology()
    node_of = {disk["name"]: disk["node"] for disk in picture["disks"]}
    found = {mount["path"]: mount["disks"] for mount in picture["file_systems"]}
    for node in range(NODES):
        assert [node_of[disk] for disk in found[f"/data/node{node}"]] == [node], picture


def test_a_bond_with_a_vlan_and_a_bridge(bundle):
    lab.run("modprobe", "8021q")
    lab.run("modprobe", "bridge")
    lab.run("ip", "link", "add", "link", lacp.BOND, "name", VLAN, "type", "vlan", "id", "100")
    lab.run("ip", "link", "add", BRIDGE, "type", "bridge")
    try:
        lab.run("ip", "link", "set", VLAN, "master", BRIDGE)
        seen = links()
    finally:
        lab.run("ip", "link", "delete", BRIDGE)
        lab.run("ip", "link", "delete", VLAN)
    assert seen[lacp.BOND]["bond"] == {"mode": "802.3ad", "xmit_hash_policy": "layer3+4",
                                       "lacp_rate": "fast"}
    assert sorted(seen[lacp.BOND]["physical"]) == bundle.members
    for node, member in enumerate(bundle.members):
        assert seen[member]["kind"] == "physical" and seen[member]["node"] == node
        assert seen[member]["master"] == lacp.BOND and seen[member]["transmits"] is True
        assert seen[member]["position"] == seen[lacp.BOND]["physical"].index(member)
    assert seen[VLAN]["kind"] == "vlan" and seen[VLAN]["vlan"] == 100
    assert seen[VLAN]["lower"] == lacp.BOND and seen[VLAN]["master"] == BRIDGE
    for above in (VLAN, BRIDGE):
        assert seen[above]["physical"] == seen[lacp.BOND]["physical"]


def test_a_member_that_goes_down_and_comes_back(bundle):
    member = bundle.members[-1]
    lab.run("ip", "link", "set", member, "down")
    try:
        assert eventually(lambda: not links()[member]["transmits"], timeout=20)
        seen = links()
        assert not seen[member]["up"]
        assert all(seen[other]["transmits"] for other in bundle.members[:-1])
    finally:
        lab.run("ip", "link", "set", member, "up")
    bundle.wait()
    assert eventually(lambda: links()[member]["transmits"], timeout=20)
