# SPDX-License-Identifier: Apache-2.0
"""millrace --topology: of this machine, and of machines that are made up as trees of files."""

import json
import os
import re
import subprocess

import pytest

import millrace

pytestmark = pytest.mark.millrace_only


def put(root, path, text):
    file = root / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(f"{text}\n", encoding="ascii")


def link(root, path, target):
    place = root / path
    place.parent.mkdir(parents=True, exist_ok=True)
    place.symlink_to(os.path.relpath(root / target, place.parent.resolve()))


def add_node(root, number, cpus, mib=1024):
    put(root, f"sys/devices/system/node/node{number}/cpulist", cpus)
    put(root, f"sys/devices/system/node/node{number}/meminfo",
        f"Node {number} MemTotal:  {mib * 1024} kB")


def add_interface(root, path, name, index, speed=25000):
    for file, text in (("ifindex", index), ("flags", "0x1003"), ("carrier", 1), ("speed", speed),
                       ("address", f"02:00:00:00:00:{index:02x}"), ("uevent", "")):
        put(root, f"{path}/{file}", text)
    link(root, f"sys/class/net/{name}", path)


def add_nic(root, name, index, node):
    pci = f"sys/devices/pci0000:00/0000:00:{index:02x}.0"
    put(root, f"{pci}/numa_node", node)
    add_interface(root, f"{pci}/net/{name}", name, index)
    link(root, f"{pci}/net/{name}/device", pci)


def add_bond(root, name, index, members):
    path = f"sys/devices/virtual/net/{name}"
    add_interface(root, path, name, index, 50000)
    for file, text in (("mode", "802.3ad 4"), ("xmit_hash_policy", "layer3+4 1"),
                       ("lacp_rate", "fast 1"), ("ad_aggregator", 1),
                       ("slaves", " ".join(members))):
        put(root, f"{path}/bonding/{file}", text)
    for member in members:
        at = f"sys/class/net/{member}"
        link(root, f"{at}/master", path)
        for file, text in (("state", "active"), ("mii_status", "up"), ("ad_aggregator_id", 1)):
            put(root, f"{at}/bonding_slave/{file}", text)


def add_nvme(root, number, node):
    pci = f"sys/devices/pci0000:80/0000:80:{number:02x}.0"
    put(root, f"{pci}/numa_node", node)
    path = f"{pci}/nvme/nvme{number}/nvme{number}n1"
    put(root, f"{path}/dev", f"259:{number}")
    link(root, f"{path}/device", f"{pci}/nvme/nvme{number}")
    link(root, f"sys/block/nvme{number}n1", path)
    link(root, f"sys/dev/block/259:{number}", path)


def add_md(root, disks):
    put(root, "sys/devices/virtual/block/md0/dev", "9:0")
    for disk in disks:
        link(root, f"sys/devices/virtual/block/md0/slaves/{disk}", f"sys/block/{disk}")
    link(root, "sys/block/md0", "sys/devices/virtual/block/md0")
    link(root, "sys/dev/block/9:0", "sys/devices/virtual/block/md0")
    put(root, "proc/self/mountinfo", "25 22 9:0 / /srv/my\\040video rw - xfs /dev/md0 rw")


def add_btrfs(root, disks):
    for disk in disks:
        link(root, f"sys/fs/btrfs/0123-abcd/devices/{disk}", f"sys/block/{disk}")
    put(root, "proc/self/mountinfo",
        f"25 22 0:35 /sub /srv/part rw shared:1 - btrfs /dev/{disks[0]} rw,subvol=/sub\n"
        f"26 22 0:35 / /pool rw - btrfs /dev/{disks[0]} rw\n"
        "27 22 0:36 / /merged rw - overlay overlay rw")


@pytest.fixture(name="two_sockets")
def fixture_two_sockets(tmp_path):
    root = tmp_path / "captured"
    put(root, "sys/devices/system/node/online", "0-1")
    add_node(root, 0, "0-3")
    add_node(root, 1, "4-7")
    add_nic(root, "eth0", 2, 0)
    add_nic(root, "eth1", 3, 1)
    add_bond(root, "bond0", 4, ["eth0", "eth1"])
    add_nvme(root, 0, 0)
    add_nvme(root, 1, 1)
    add_md(root, ["nvme0n1", "nvme1n1"])
    return root


def topology(*args, status=0):
    done = subprocess.run([millrace.BINARY, "--topology", *args], capture_output=True, text=True,
                          timeout=20)
    assert done.returncode == status, done.stderr
    return done.stdout if status == 0 else done.stderr


def as_json(prepare, root, main="worker_processes auto;"):
    server = prepare(full=f"{main}\nevents {{ }}\n")
    return json.loads(topology("--json", f"--root={root}", "-c", str(server.path("nginx.conf"))))


def test_this_machine():
    picture = json.loads(topology("--json"))
    assert picture["schema"] == 1 and picture["root"] == ""
    assert picture["workers"] >= 1
    names = {link["name"]: link for link in picture["interfaces"]}
    assert names["lo"]["kind"] == "virtual" and names["lo"]["node"] is None
    with open("/sys/class/net/lo/ifindex", encoding="ascii") as file:
        assert names["lo"]["index"] == int(file.read())
    total = sum(node["memory_bytes"] for node in picture["nodes"])
    with open("/proc/meminfo", encoding="ascii") as file:
        kib = int(re.search(r"MemTotal:\s+(\d+)", file.read())[1])
    assert abs(total - kib * 1024) < 0.05 * total
    text = topology()
    assert re.match(r"node +CPUs +memory +NICs +disks +silos\n0 ", text)
    assert "Steering: " in text


def test_two_sockets_with_a_bond(two_sockets, prepare):
    picture = as_json(prepare, two_sockets)
    assert [(silo["node"], silo["cpus"], silo["workers"], silo["first_worker"])
            for silo in picture["silos"]] == [(0, "0-3", 4, 0), (1, "4-7", 4, 4)]
    links = {link["name"]: link for link in picture["interfaces"]}
    assert links["bond0"]["bond"] == {"mode": "802.3ad", "xmit_hash_policy": "layer3+4",
                                      "lacp_rate": "fast"}
    assert links["bond0"]["physical"] == ["eth0", "eth1"]
    assert links["eth1"]["node"] == 1 and links["eth1"]["master"] == "bond0"
    assert links["eth1"]["transmits"] is True and links["eth1"]["position"] == 1
    assert links["eth0"]["speed_mbps"] == 25000
    assert picture["disks"] == [{"name": "nvme0n1", "node": 0}, {"name": "nvme1n1", "node": 1}]
    assert picture["file_systems"] == [{"path": "/srv/my video", "type": "xfs",
                                        "source": "/dev/md0", "disks": ["nvme0n1", "nvme1n1"]}]
    assert picture["steering"]["kind"] == "ebpf"
    assert picture["log"] == ["silo 0: node 0, CPUs 0-3, 4 workers, NIC eth0",
                              "silo 1: node 1, CPUs 4-7, 4 workers, NIC eth1"]


def test_a_btrfs_lies_on_all_its_disks(two_sockets, prepare):
    add_btrfs(two_sockets, ["nvme1n1", "nvme0n1"])
    picture = as_json(prepare, two_sockets)
    assert picture["file_systems"] == [{"path": "/pool", "type": "btrfs", "source": "/dev/nvme1n1",
                                        "disks": ["nvme0n1", "nvme1n1"]}]


def test_the_table(two_sockets, prepare):
    server = prepare(full="worker_processes auto;\nevents { }\n")
    text = topology("--root", str(two_sockets), "-c", str(server.path("nginx.conf")))
    assert re.search(r"^1 +4-7 +1.0 GiB +eth1 25 Gb/s \(bond0\) +nvme1n1 +"
                     r"silo 1: CPUs 4-7, 4 workers$", text, re.M), text
    assert re.search(r"^/srv/my video +xfs +nvme0n1 \(node 0\), nvme1n1 \(node 1\)$", text, re.M)
    assert re.search(r"^Configuration: \S+/nginx.conf \(silos auto; 8 workers\)$", text, re.M)


def test_a_cpuset_that_excludes_a_node(two_sockets, prepare):
    put(two_sockets, "proc/self/status", "Cpus_allowed_list:\t0-2")
    picture = as_json(prepare, two_sockets)
    assert [silo["node"] for silo in picture["silos"]] == [0] and picture["workers"] == 3
    assert picture["steering"]["kind"] == "hash"
    assert "node 1 is outside the cpuset: no silo there" in picture["log"]


def test_a_node_without_cpus_and_one_without_nic(two_sockets, prepare):
    put(two_sockets, "sys/devices/system/node/online", "0-3")
    add_node(two_sockets, 2, "", 4096)
    add_node(two_sockets, 3, "8-9")
    picture = as_json(prepare, two_sockets)
    assert [silo["node"] for silo in picture["silos"]] == [0, 1, 3]
    assert "node 2 has no CPUs: no silo there" in picture["log"]
    assert any(line.startswith("node 3 has CPUs but no NIC") for line in picture["log"])


def test_the_configuration_decides(two_sockets, prepare):
    picture = as_json(prepare, two_sockets, "worker_processes 3; silos none;")
    assert len(picture["silos"]) == 1 and picture["silos"][0]["node"] is None
    assert picture["workers"] == 3 and picture["silos_by"] == "none"
    picture = as_json(prepare, two_sockets,
                      "worker_processes auto; silo cpus=0-1 node=0; silo cpus=4 node=1;")
    assert [silo["cpus"] for silo in picture["silos"]] == ["0-1", "4"]
    assert picture["silos_by"] == "given"
    assert "node 1: no silo uses its CPUs 5-7" in picture["log"]


@pytest.mark.parametrize("second,message", [
    ("silo cpus=3-4;", "CPU 3 is given twice"),
    ("silo cpus=4,99;", "CPU 99 is not there"),
    ("silo cpus=4 node=5;", "node 5 is not there"),
])
def test_a_wrong_silo_is_named_with_its_own_line(two_sockets, prepare, second, message):
    server = prepare(full=f"silo cpus=0-3 node=0;\n{second}\nevents {{ }}\n")
    path = server.path("nginx.conf")
    text = topology(f"--root={two_sockets}", "-c", str(path), status=1)
    assert f"millrace: [emerg] {message} in {path}:2\n" in text


@pytest.mark.parametrize("main,message", [
    ("silo cpus=0;\nsilo cpus=0;", "CPU 0 is given twice in {}:2"),
    ("silo cpus=0;\n\nsilo cpus=1023;", "CPU 1023 is not there in {}:3"),
    ("silo cpus=0 node=77;", "node 77 is not there in {}:1"),
])
def test_a_start_refuses_wrong_silos_with_file_and_line(prepare, main, message):
    server = prepare(full=f"{main}\nevents {{ }}\n")
    done = server.run("-t")
    assert done.returncode == 1
    assert "[emerg] " + message.format(server.path("nginx.conf")) in done.stderr


def test_what_cannot_be_read(tmp_path, prepare):
    assert "[emerg] reading the machine from" in topology(f"--root={tmp_path}", status=1)
    missing = str(tmp_path / "missing.conf")
    assert "missing.conf" in topology("-c", missing, status=1)
    server = prepare(full="nonsense;\n")
    assert 'unknown directive "nonsense"' in topology("-c", str(server.path("nginx.conf")),
                                                      status=1)


@pytest.mark.parametrize("args,message", [
    (["--topology", "-t"], 'option "-t" cannot go with "--topology"'),
    (["--json"], 'option "--json" goes with another command'),
    (["--topology", "--root"], 'option "--root" requires directory name'),
    (["--topologie"], 'invalid option: "--topologie"'),
])
def test_options_that_do_not_fit(args, message):
    done = subprocess.run([millrace.BINARY, *args], capture_output=True, text=True, timeout=20)
    assert done.returncode == 1 and message in done.stderr


def test_a_full_disk_is_an_error():
    with open("/dev/full", "w", encoding="ascii") as full:
        done = subprocess.run([millrace.BINARY, "--topology"], stdout=full, timeout=20,
                              stderr=subprocess.PIPE, text=True)
    assert done.returncode == 1 and "could not be written" in done.stderr
