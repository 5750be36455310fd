# SPDX-License-Identifier: Apache-2.0
"""millrace --doctor on a real kernel: what is spoilt is found, mended, and spoilt again by undo."""

import json
import subprocess
from pathlib import Path

import pytest

import lab
import lacp
import millrace

pytestmark = pytest.mark.machine("numa2")

BALANCING = Path("/proc/sys/kernel/numa_balancing")
POLICY = Path(f"/sys/class/net/{lacp.BOND}/bonding/xmit_hash_policy")
UNDO = Path("/var/lib/millrace/doctor.undo")


def doctor(*args):
    done = subprocess.run([millrace.BINARY, "--doctor", *args], capture_output=True, text=True,
                          timeout=120)
    assert done.returncode in (0, 1), done.stdout + done.stderr
    return done.stdout


def findings():
    rows = json.loads(doctor("--json"))["findings"]
    return {(row["id"], row["where"].split()[0]): row for row in rows}


def affinity(interface):
    """The affinity files of an interface's queues."""
    folder = Path(f"/sys/class/net/{interface}/device/../msi_irqs").resolve()
    found = []
    for irq in sorted(int(path.name) for path in folder.iterdir()):
        actions = Path(f"/sys/kernel/irq/{irq}/actions").read_text()
        if "input" in actions or "output" in actions:
            found.append(Path(f"/proc/irq/{irq}/smp_affinity_list"))
    assert found
    return found


def has_gro(interface):
    return "generic-receive-offload: on" in lab.run("ethtool", "-k", interface)


@pytest.fixture
def spoilt(bundle):
    """The second node's interface works on the first one's CPUs, and more of the kind."""
    files = affinity("server1")
    before = {path: path.read_text() for path in files}
    for path in files:
        path.write_text("0-1")
    BALANCING.write_text("1")
    POLICY.write_text("layer2")
    lab.run("ethtool", "-K", "server0", "rx-gro", "off")
    yield files
    for path, value in before.items():
        path.write_text(value)
    BALANCING.write_text("0")
    POLICY.write_text("layer3+4")
    lab.run("ethtool", "-K", "server0", "rx-gro", "on")


def test_what_is_spoilt_is_found_mended_and_brought_back(spoilt):
    expected = {("irq-node", "server1"), ("numa-balancing", "kernel"), ("bond-hash", lacp.BOND),
                ("offload", "server0")}
    watched = [*spoilt, BALANCING, POLICY, *Path("/sys/class/net").glob("*/queues/rx-*/rps_cpus")]

    def values():
        return {path: path.read_text() for path in watched}

    before = values()
    found = findings()
    assert expected <= set(found), found
    print(doctor("--apply"))
    assert UNDO.stat().st_mode & 0o7777 == 0o600
    left = findings()
    assert not expected & set(left), left
    assert not [row for row in left.values() if row["changes"]], left
    for path in spoilt:
        assert int(path.read_text()) in (2, 3)
    assert BALANCING.read_text() == "0\n"
    assert POLICY.read_text().startswith("layer3+4 ")
    assert has_gro("server0")
    print(doctor("--undo"))
    assert values() == before
    assert not has_gro("server0")
    assert not UNDO.exists()


def test_a_good_bond_is_good(bundle):
    BALANCING.write_text("0")
    good = json.loads(doctor("--json"))["good"]
    assert {"bond-mode", "bond-hash", "bond-lacp-rate", "bond-miimon", "bond-members"} <= set(good)
