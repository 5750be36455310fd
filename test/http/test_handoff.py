# SPDX-License-Identifier: Apache-2.0
"""Connections go to the silo of the CPU that their packets are processed on.

On loopback that is the CPU of the client, so a client that is pinned chooses. Two silos are written
out, so that this runs on a machine with one node.
"""

import collections
import json
import os
import signal
import subprocess
import threading

import pytest

import millrace
from pinned import CPUS, Pinned
from wire import Client, eventually

pytestmark = [
    pytest.mark.millrace_only,
    pytest.mark.skipif(len(CPUS) < 2, reason="needs two CPUs"),
]

SILOS = f"silo cpus={CPUS[0]};\nsilo cpus={CPUS[1]};\nworker_processes 2;\nsteering off;\n"
HTTP = """
    server { listen 127.0.0.1:@PORT@; root @PREFIX@/html;
             location = /pid { return 200 "$pid"; }
             location = /status { status json; } }
"""
FILES = {"html/f.txt": "file"}


def pids_seen(server, cpu, connections=60):
    """Which silo answers connections from a CPU, and how often."""
    def work():
        seen = collections.Counter()
        for _ in range(connections):
            with Client(server.port) as client:
                seen[int(client.request("/pid").body)] += 1
        return seen
    return Pinned(cpu, work).finish()


def silo_of(server, cpu):
    """The silo process that is bound to a CPU."""
    found = [pid for pid in server.children() if os.sched_getaffinity(pid) == {cpu}]
    assert len(found) == 1
    return found[0]


def test_every_connection_is_served_by_the_silo_of_its_cpu(launch):
    server = launch(HTTP, main=SILOS, files=FILES)
    for cpu in CPUS:
        seen = pids_seen(server, cpu, 200)
        assert seen == {silo_of(server, cpu): 200}


def counters(server):
    return json.loads(server.fetch("/status").body)["total"]


def test_hand_offs_are_counted_where_they_begin_and_where_they_end(launch):
    server = launch(HTTP, main=SILOS, files=FILES)
    for cpu in CPUS:
        pids_seen(server, cpu, 100)
    now = counters(server)
    # Without steering the kernel's hash puts about half of them before the wrong silo.
    assert 50 <= now["handed_over"] == now["taken_over"] <= 150
    assert now["steered"] + now["handed_over"] == now["accepted"] == now["handled"]
    assert now["handoff_refused"] == 0
    assert sum(now["arrived"].values()) == now["accepted"]


def test_steering_spares_the_hand_offs(launch):
    server = launch(HTTP, main=SILOS.replace("steering off", "steering silo"), files=FILES)
    server.wait_log(r"\[notice\].*connections are steered by (eBPF|classic BPF)")
    for cpu in CPUS:
        assert pids_seen(server, cpu, 100) == {silo_of(server, cpu): 100}
    now = counters(server)
    assert now["handed_over"] == 0
    assert now["steered"] == now["accepted"]


def test_without_silos_connections_stay(launch):
    server = launch(HTTP, main="silos none;\nworker_processes 2;\n", files=FILES)
    assert pids_seen(server, CPUS[0]) == {server.children()[0]: 60}


def test_tls_is_handed_over_before_the_handshake(launch, tmp_path):
    key, crt = tmp_path / "key.pem", tmp_path / "crt.pem"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
                    "ec_paramgen_curve:P-256", "-nodes", "-days", "2", "-subj", "/CN=localhost",
                    "-keyout", key, "-out", crt], check=True, capture_output=True, timeout=30)
    server = launch(f"""
        ssl_certificate {crt};
        ssl_certificate_key {key};
        server {{ listen 127.0.0.1:@PORT@ ssl; location = /pid {{ return 200 "$pid"; }} }}
    """, main=SILOS)
    url = f"https://127.0.0.1:{server.port}/pid"
    for cpu in CPUS:
        for _ in range(10):
            done = subprocess.run(["taskset", "-c", str(cpu), "curl", "-sSk", url], check=True,
                                  capture_output=True, timeout=20)
            assert int(done.stdout) == silo_of(server, cpu)


def load(server, stop, failures):
    """Connections of one request each until told to stop; how many were answered."""
    done = 0
    while not stop.is_set():
        try:
            with Client(server.port) as client:
                assert client.request("/f.txt").body == b"file"
            done += 1
        except Exception as error:  # each failure is what the test counts
            failures.append(repr(error))
    return done


@pytest.mark.limit(60)
def test_reloads_lose_no_connection_that_is_on_its_way(launch):
    server = launch(HTTP, main=SILOS, files=FILES)
    stop, failures = threading.Event(), []
    clients = [Pinned(cpu, lambda: load(server, stop, failures)) for cpu in CPUS * 3]
    for _ in range(8):
        generation = set(server.children())
        server.signal(signal.SIGHUP)
        assert eventually(lambda: generation.isdisjoint(server.children()), timeout=20)
    stop.set()
    done = sum(client.finish() for client in clients)
    assert failures == []
    assert done > 100


@pytest.mark.limit(60)
def test_a_silo_that_is_killed_costs_only_its_own_connections(launch):
    server = launch(HTTP, main=SILOS, files=FILES)
    server.check_logs = lambda: None  # the killed silo is an [alert]
    stop, failures = threading.Event(), []
    others = [Pinned(CPUS[1], lambda: load(server, stop, failures)) for _ in range(3)]
    for _ in range(5):
        victim = silo_of(server, CPUS[0])
        os.kill(victim, signal.SIGKILL)
        assert eventually(lambda: victim not in server.children() and
                          len(server.children()) == 2, timeout=10)
        # Its node's clients are answered again, by the new one, within a second.
        assert eventually(lambda: pids_seen(server, CPUS[0], 3) ==
                          {silo_of(server, CPUS[0]): 3}, timeout=1, step=0.05)
    stop.set()
    done = sum(client.finish() for client in others)
    assert done > 50
    # A connection of the surviving silo's clients may have been accepted by the one that died,
    # and stood there before it was handed over: at most one for each kill and client.
    assert len(failures) <= 5 * 3, failures


def test_a_silo_with_full_workers_still_answers(launch):
    server = launch(HTTP, main=SILOS, events="worker_connections 8;", files=FILES)
    def work():
        # A late accept looks at the CPU of the request, so that is sent from the same.
        held = [Client(server.port) for _ in range(6)]
        seen = {int(client.request("/pid").body) for client in held}
        for client in held:
            client.close()
        return seen
    assert Pinned(CPUS[0], work).finish() == {silo_of(server, CPUS[0])}
    assert millrace.is_running(server.process.pid)
