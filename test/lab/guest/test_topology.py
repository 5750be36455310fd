# SPDX-License-Identifier: Apache-2.0
"""millrace --topology on machines with nodes: what it says is what was plugged in."""

import json
import os
import stat
import subprocess
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

import lab
import lacp
import millrace
import workload
from wire import eventually
from workload import KIB

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


@contextmanager
def loop_device(node):
    """A loop device of a file on the disk of a node."""
    file = Path(f"/data/node{node}/loop image")
    with open(file, "wb") as made:
        made.truncate(256 << 20)
    device = lab.run("losetup", "--find", "--show", file).strip()
    try:
        yield device
    finally:
        lab.run("losetup", "--detach", device)
        file.unlink()


@contextmanager
def mounted(device, path):
    Path(path).mkdir(parents=True, exist_ok=True)
    lab.run("mount", device, path)
    try:
        yield path
    finally:
        lab.run("umount", path)


def nodes_of(path):
    """The nodes of the disks that a file system lies on."""
    picture = topology()
    node_of = {disk["name"]: disk["node"] for disk in picture["disks"]}
    return [sorted(node_of[disk] for disk in mount["disks"])
            for mount in picture["file_systems"] if mount["path"] == path]


def test_a_loop_device_lies_where_its_file_is():
    lab.run("modprobe", "loop")
    with loop_device(1) as device:
        lab.run("mkfs.ext4", "-q", device)
        with mounted(device, "/data/on loop") as path:
            assert nodes_of(path) == [[1]]


def test_btrfs_lies_on_all_its_devices():
    lab.run("modprobe", "-a", "loop", "btrfs")
    with ExitStack() as stack:
        devices = [stack.enter_context(loop_device(node)) for node in range(2)]
        lab.run("mkfs.btrfs", "-q", "-f", "-d", "single", "-m", "raid1", *devices)
        path = stack.enter_context(mounted(devices[1], "/data/btrfs"))
        assert nodes_of(path) == [[0, 1]]


def test_btrfs_by_a_name_of_its_own():
    """The mount's source is then no name that sysfs has, and there is another btrfs."""
    lab.run("modprobe", "-a", "loop", "btrfs")
    name = Path("/dev/by another name")
    with ExitStack() as stack:
        devices = [stack.enter_context(loop_device(node)) for node in range(2)]
        for device in devices:
            lab.run("mkfs.btrfs", "-q", "-f", device)
        os.mknod(name, stat.S_IFBLK | 0o600, os.stat(devices[1]).st_rdev)
        stack.callback(name.unlink)
        paths = [stack.enter_context(mounted(device, f"/data/btrfs{number}"))
                 for number, device in enumerate((devices[0], name))]
        assert "/dev/by\\040another\\040name" in Path("/proc/self/mountinfo").read_text()
        assert [nodes_of(path) for path in paths] == [[[0]], [[1]]]


@pytest.fixture(name="subvolume")
def fixture_subvolume():
    """Files in a subvolume of a btrfs on the disk of node 1, none of them in memory."""
    lab.run("modprobe", "-a", "loop", "btrfs")
    with loop_device(1) as device:
        lab.run("mkfs.btrfs", "-q", "-f", device)
        with mounted(device, "/data/btrfs") as path:
            lab.run("btrfs", "subvolume", "create", f"{path}/{workload.FOLDER}")
            library = workload.Library(24, 256 * KIB, "sub", on=["btrfs"])
            workload.drop_caches()
            yield library


def test_the_meter_knows_the_disk_below_a_subvolume(bundle, subvolume, launch):
    """Its device is in no list of mounts. Half of the connections are served on node 0."""
    server = launch(f"server {{ listen {lacp.SERVER}:@PORT@; root /data; }}"
                    "server { listen 127.0.0.1:@PORT1@; location = /status { status; } }",
                    main="worker_processes auto;")
    workload.download(bundle, server.port, subvolume, subvolume.dealt(24, 1))
    total = json.loads(server.fetch("/status", port=server.ports[1]).body)["total"]
    assert 0 < total["cross_disk"] < total["bytes_placed"], total


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
