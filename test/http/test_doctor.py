# SPDX-License-Identifier: Apache-2.0
"""millrace --doctor, on hosts that are folders, and on this one without changing anything."""

import json
import os
import stat
import subprocess
from pathlib import Path

import pytest

import millrace

pytestmark = pytest.mark.millrace_only

SETTINGS = {
    "proc/sys/net/core/somaxconn": "4096\n",
    "proc/sys/net/ipv4/tcp_sack": "1\n",
    "proc/sys/net/ipv4/tcp_wmem": "4096\t16384\t4194304\n",
    "proc/sys/kernel/numa_balancing": "0\n",
    "proc/sys/kernel/random/boot_id": "01234567-89ab-cdef-0123-456789abcdef\n",
    "proc/net/tls_stat": "TlsCurrTxSw 0\n",
    "proc/1/comm": "systemd\n",
}


class Host:
    """Two nodes with two CPUs each and an interface on the second one."""

    def __init__(self, root):
        self.root = root
        for node in (0, 1):
            self.put(f"sys/devices/system/node/node{node}/cpulist", f"{2 * node}-{2 * node + 1}\n")
        self.put("sys/devices/system/node/online", "0-1\n")
        self.put("sys/devices/system/cpu/online", "0-3\n")
        for name, value in SETTINGS.items():
            self.put(name, value)
        self.interface("eth0", irqs={40: "2\n", 41: "3\n"})
        (root / "var/lib").mkdir(parents=True)

    def put(self, name, value):
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(value)

    def get(self, name):
        return (self.root / name).read_text()

    def interface(self, name, irqs):
        device = "sys/devices/pci0000:80/0000:81:00.0"
        net = f"{device}/net/{name}"
        for file, value in {"ifindex": "2\n", "flags": "0x1003\n", "carrier": "1\n",
                            "speed": "100000\n", "address": "02:00:00:00:00:01\n",
                            "type": "1\n", "operstate": "up\n", "uevent": f"INTERFACE={name}\n",
                            "queues/rx-0/rps_cpus": "0\n",
                            "queues/rx-1/rps_cpus": "0\n"}.items():
            self.put(f"{net}/{file}", value)
        self.put(f"{device}/numa_node", "1\n")
        (self.root / net / "device").symlink_to("../..")
        (self.root / "sys/class/net").mkdir(parents=True)
        (self.root / f"sys/class/net/{name}").symlink_to(f"../../../{net}")
        for irq, cpus in irqs.items():
            self.put(f"{device}/msi_irqs/{irq}", "msix\n")
            self.put(f"sys/kernel/irq/{irq}/actions", f"{name}-TxRx-{irq - 40}\n")
            self.put(f"proc/irq/{irq}/smp_affinity_list", cpus)

    @property
    def undo(self):
        return self.root / "var/lib/millrace/doctor.undo"

    def doctor(self, *args):
        return doctor(f"--root={self.root}", *args)


def doctor(*args):
    done = subprocess.run([millrace.BINARY, "--doctor", *args], capture_output=True, text=True,
                          timeout=millrace.seconds(20))
    return done.returncode, done.stdout, done.stderr


def findings(text):
    return {row["id"]: row for row in json.loads(text)["findings"]}


@pytest.fixture
def host(tmp_path):
    return Host(tmp_path)


def test_a_good_host(host):
    status, text, errors = host.doctor("--json")
    report = json.loads(text)
    assert (status, report["findings"], errors) == (0, [], "")
    assert {"irq-node", "tcp-wmem", "ktls"} <= set(report["good"])


def test_findings_say_what_why_and_how(host):
    host.put("proc/irq/41/smp_affinity_list", "0-3\n")
    host.put("proc/sys/net/ipv4/tcp_sack", "0\n")
    status, text, _ = host.doctor()
    assert status == 1
    assert "problem: irq-node, eth0 (node 1): 1 of 2 queue interrupts may go to CPUs" in text
    assert "echo 3 > /proc/irq/41/smp_affinity_list\n" in text
    assert "echo 0-3 > /proc/irq/41/smp_affinity_list\n" in text
    assert "sysctl -w net.ipv4.tcp_sack=1\n" in text
    assert host.get("proc/sys/net/ipv4/tcp_sack") == "0\n"


def test_apply_and_undo_bring_every_byte_back(host):
    spoilt = {"proc/irq/41/smp_affinity_list": "0-3\n",
              "proc/sys/net/ipv4/tcp_wmem": "4096\t16384\t65536\n",
              "proc/sys/net/core/somaxconn": "128\n"}
    for name, value in spoilt.items():
        host.put(name, value)
    status, text, errors = host.doctor("--apply")
    assert (status, errors) == (0, ""), text
    assert host.get("proc/irq/41/smp_affinity_list") == "3\n"
    assert host.get("proc/sys/net/ipv4/tcp_wmem") == "4096 16384 16777216\n"
    assert stat.S_IMODE(host.undo.stat().st_mode) == 0o600
    assert host.doctor()[0] == 0
    status, _, errors = host.doctor("--undo")
    assert (status, errors) == (0, "")
    for name, value in spoilt.items():
        assert host.get(name) == value
    assert not host.undo.exists()
    assert host.doctor("--undo")[:2] == (0, "nothing to take back\n")


def test_json_tells_what_was_applied(host):
    host.put("proc/sys/net/core/somaxconn", "128\n")
    host.put("proc/7/comm", "irqbalance\n")
    status, text, _ = host.doctor("--apply", "--json")
    rows = findings(text)
    assert status == 1
    assert rows["tcp-backlog"]["changes"] == [{"apply": "sysctl -w net.core.somaxconn=4096",
                                               "undo": "sysctl -w net.core.somaxconn=128",
                                               "state": "done"}]
    change = rows["irqbalance"]["changes"][0]
    assert change["state"] == "failed" and "not for a tree" in change["error"]


def test_a_hostile_undo_file_is_refused(host):
    host.put("etc/passwd", "root\n")
    host.put("var/lib/millrace/doctor.undo",
             "millrace-doctor-undo 1\nboot -\nwrite /proc/sys/net/core/somaxconn 1\\x0a\n"
             "write /etc/passwd x\\x0a\n")
    host.undo.chmod(0o600)
    status, _, errors = host.doctor("--undo")
    assert status == 2 and "doctor.undo:4: not a line that the doctor wrote" in errors
    assert host.get("proc/sys/net/core/somaxconn") == "4096\n"
    assert host.get("etc/passwd") == "root\n"


def test_a_folder_that_is_no_host(tmp_path):
    assert doctor(f"--root={tmp_path}")[0] == 2


def test_this_machine_is_looked_at_and_left_alone():
    files = [path for path in Path("/proc/sys/net/core").iterdir() if os.access(path, os.R_OK)]

    def values():
        return {path: path.read_text() for path in files if path.name != "netdev_rss_key"}

    before = values()
    status, text, _ = doctor("--json")
    report = json.loads(text)
    assert status == (1 if report["findings"] else 0)
    assert "tcp-backlog" in report["good"] or "tcp-backlog" in findings(text)
    if "tcp-backlog" in report["good"]:
        assert int(Path("/proc/sys/net/core/somaxconn").read_text()) >= 4096
    assert values() == before
