# SPDX-License-Identifier: Apache-2.0
"""The machines with several NUMA nodes have what locality needs: memory, NICs, disks, LACP."""

import re
import socket
import subprocess
from pathlib import Path

import pytest

import lab
import lacp

pytestmark = pytest.mark.machine("numa2", "numa4")

SO_INCOMING_NAPI_ID = 56
NODES = 4 if lab.MACHINE == "numa4" else 2
CONNECTIONS = 24


def node_of_nic(name):
    """For virtio the number is on the PCI device, the parent of what net/NAME/device names."""
    return int(Path(f"/sys/class/net/{name}/device/../numa_node").resolve().read_text())


def node_of_disk(serial):
    for controller in Path("/sys/class/nvme").iterdir():
        if (controller / "serial").read_text().strip() == serial:
            return int((controller / "device/numa_node").read_text())
    raise AssertionError(f"no disk {serial}")


def test_each_node_has_cpus_and_memory():
    for node in range(NODES):
        folder = Path(f"/sys/devices/system/node/node{node}")
        assert (folder / "cpulist").read_text().strip() == f"{2 * node}-{2 * node + 1}"
        assert int(re.search(r"MemTotal:\s+(\d+)", (folder / "meminfo").read_text())[1]) > 500_000


def test_each_node_has_a_nic_and_a_disk():
    for node in range(NODES):
        assert node_of_nic(f"server{node}") == node
        assert node_of_disk(f"node{node}") == node
        assert Path(f"/data/node{node}").is_mount()


def test_lacp_negotiates(bundle):
    assert len(bundle.members) == NODES
    assert bundle.negotiated()


CLIENT = f"""
import socket, sys
held = []
for _ in range({CONNECTIONS}):
    held.append(socket.create_connection(("{lacp.SERVER}", int(sys.argv[1])), timeout=20))
sys.stdin.read()
"""


def test_napi_id_tells_the_members_apart(bundle):
    with socket.create_server((lacp.SERVER, 0), backlog=CONNECTIONS) as listener:
        listener.settimeout(20)
        port = listener.getsockname()[1]
        with subprocess.Popen(bundle.clients.command("python3", "-c", CLIENT, port),
                              stdin=subprocess.PIPE) as client:
            seen = {}
            for _ in range(CONNECTIONS):
                connection, _ = listener.accept()
                number = connection.getsockopt(socket.SOL_SOCKET, SO_INCOMING_NAPI_ID)
                seen[number] = seen.get(number, 0) + 1
                connection.close()
            client.stdin.close()
    assert 0 not in seen
    assert len(seen) == NODES, f"NAPI ids and how often: {seen}"


def test_millrace_is_reached_over_the_bond(bundle, launch):
    server = launch(f"server {{ listen {lacp.SERVER}:@PORT@; root @PREFIX@/html; }}",
                    files={"html/x": b"y" * 100_000})
    text = bundle.clients.run("curl", "-sS", "-o", "/dev/null", "-w",
                              "%{http_code} %{size_download}",
                              f"http://{lacp.SERVER}:{server.port}/x")
    assert text == "200 100000"
