# SPDX-License-Identifier: Apache-2.0
"""Crossings per byte of millrace and of nginx, as the checker counts them (crossings.py).

Every measurement goes into /results/crossings.json, from which `make lab-crossings` draws the plot.
nginx's figures are measured and held to nothing; millrace's must stay below the limits.
"""

import json
import os
import time
from pathlib import Path

import pytest

import crossings
import lab
import lacp
import probes
import workload
from workload import KIB

pytestmark = [pytest.mark.machine("numa2", "numa4"), pytest.mark.kernel("6.12", "newest"),
              pytest.mark.limit(60)]

RESULTS = Path("/results/crossings.json")
HOT = 0.02
COLD = 0.05         # beyond what disks chosen at random cost: 0.5 with two nodes, 0.75 with four
RIGHT = 0.999       # of the connections are on the right silo
METER = 0.05        # how far the server's own meter may be from the checker's
CONNECTIONS = 48
WARMING = 4         # files for each connection, twice, to make a hot set hot
COUNTED = 1000      # connections whose silo is looked at

# What puts a response on the node of the interface that it leaves by, and hot content there too.
EGRESS = "silo_by egress;"
LOCAL = f"{EGRESS} silo_replica_memory 64m;"
# What makes them leave where they came in.
MARKED = "egress_mark on; silo_replica_memory 64m;"
AUTO = "worker_processes auto;"
HTTP = """
server {{
    listen {address}:@PORT@ backlog=1024;
    listen {address}:@PORT1@ ssl backlog=1024;
    http2 on;
    {tls}
    root /data;
    sendfile on;
    keepalive_requests 100000;
}}
server {{
    listen 127.0.0.1:@PORT2@;
    location = /status {{ {status} }}
}}
"""
BINARIES = {"nginx": lab.NGINX, "millrace": lab.MILLRACE}
WORKLOADS = ["hot-http", "hot-ktls", "cold-http", "cold-ktls"]
METERED = {"disk": "cross_disk", "read": "cross_read", "write": "cross_write", "nic": "cross_nic"}


def start(launch, name, local=LOCAL):
    """A server as it should be configured for a machine with nodes."""
    ours = name == "millrace"
    main = local if ours else "worker_cpu_affinity auto;"
    text = HTTP.format(address=lacp.SERVER, status="status;" if ours else "stub_status;",
                       tls=workload.TLS if ours else workload.NGINX_TLS)
    return launch(text, main=AUTO + main, events="worker_connections 4096;", binary=BINARIES[name],
                  files=workload.tls_files())


@pytest.fixture(scope="module")
def hot():
    made = workload.Library(8, 256 * KIB, "hot")
    yield made
    made.remove()


@pytest.fixture(scope="module")
def cold():
    made = workload.Library(CONNECTIONS * len(workload.disks()), 256 * KIB, "cold")
    yield made
    made.remove()


@pytest.fixture(scope="module")
def addresses(bundle):
    with bundle.another_hash() as made:
        yield made


def note(account, kind, name):
    """Adds a row to the results."""
    rows = json.loads(RESULTS.read_text()) if RESULTS.exists() else []
    rows.append({"workload": kind, "server": name, "machine": lab.MACHINE, "kernel": lab.KERNEL,
                 **account.as_json()})
    RESULTS.write_text(json.dumps(rows, indent=1))
    print(rows[-1])


def measured(launch, bundle, addresses, name, kind, library, local=LOCAL):
    server = start(launch, name, local)
    http2, tls = kind.endswith("h2"), kind.endswith(("ktls", "h2"))
    port, order = server.ports[int(tls)], {"tls": tls, "http2": http2, "from": addresses}
    workload.drop_caches()
    if kind.startswith("hot"):
        # The server fills the page cache itself, over other connections than those measured. What
        # it does about hot content may take it a moment.
        for seed in (1, 2):
            workload.download(bundle, port, library,
                              library.dealt(CONNECTIONS, WARMING, seed=seed), **order)
            time.sleep(2)
        hands = library.dealt(CONNECTIONS, 2, seed=3)
    else:
        hands = library.dealt_by_disk()
    return workload.measure(bundle, server, library, hands, port=port, **order)


@pytest.mark.named
@pytest.mark.parametrize("kind", WORKLOADS)
def test_nginx_is_measured(launch, bundle, addresses, hot, cold, kind):
    account = measured(launch, bundle, addresses, "nginx", kind,
                       hot if kind.startswith("hot") else cold)
    note(account, kind, "nginx")
    if kind.endswith("ktls"):
        assert account.stops["read"].total >= account.payload
    if kind.startswith("cold"):
        assert account.stops["disk"].total >= account.payload


@pytest.mark.parametrize("kind", WORKLOADS)
def test_millrace_keeps_bytes_on_their_node(launch, bundle, addresses, hot, cold, kind):
    account = measured(launch, bundle, addresses, "millrace", kind,
                       hot if kind.startswith("hot") else cold)
    note(account, kind, "millrace")
    crossed = account.per_byte()
    if kind.startswith("hot"):
        assert sum(crossed.values()) <= HOT, crossed
    else:
        # Disks are chosen at random: that is the one stop that the server cannot choose.
        assert sum(crossed.values()) <= 1 - 1 / len(workload.disks()) + COLD, crossed
        assert sum(crossed.values()) - crossed["disk"] <= HOT, crossed


def test_http2_keeps_bytes_on_their_node(launch, bundle, addresses, hot):
    """Hot files on several streams at once, over kernel TLS."""
    account = measured(launch, bundle, addresses, "millrace", "hot-h2", hot)
    crossed = account.per_byte()
    print(crossed, account.as_json())
    assert account.stops["read"].total >= account.payload, "the kernel sealed it"
    assert sum(crossed.values()) <= HOT, crossed


@pytest.fixture
def egress_rules(bundle):
    lab.run(lab.MILLRACE, "--egress-rules", "--apply")
    yield
    lab.run(lab.MILLRACE, "--egress-rules", "--undo")


@pytest.mark.parametrize("kind", ["hot-http", "hot-ktls"])
def test_marked_bytes_leave_where_their_connection_came_in(launch, bundle, addresses, hot,
                                                           egress_rules, kind):
    account = measured(launch, bundle, addresses, "millrace", kind, hot, MARKED)
    crossed = account.per_byte()
    print(crossed, f"{account.coincide():.3f} leave as they came")
    assert sum(crossed.values()) <= HOT, crossed
    assert account.coincide() >= RIGHT


@pytest.mark.parametrize("by", ["arrival", "egress"])
def test_connections_are_on_the_right_silo(launch, bundle, addresses, by):
    library = workload.Library(1, 100, "tiny")
    server = start(launch, "millrace", f"silo_by {by};")
    threads = crossings.threads_of(server)
    with probes.Watch(server.port, workload.layout()) as watch:
        rows = workload.download(bundle, server.port, library, [library.urls()] * COUNTED,
                                 **{"from": addresses})
    account = crossings.Account(watch.trace, crossings.Machine(bundle.members, workload.disks()),
                                workload.layout(), threads, sum(row["bytes"] for row in rows))
    count, right = account.placed(by, workload.nodes_of_processes(server))
    print(f"{right} of {count} by {by}; {account.coincide():.3f} leave as they came")
    assert count >= COUNTED
    assert right >= RIGHT * count, f"{right} of {count}"


def meter(server):
    """The sum over the silos of the server's own counters of crossings."""
    silos = json.loads(server.fetch("/status", port=server.ports[2]).body)["silos"]
    return {name: sum(silo["counters"][name] for silo in silos)
            for name in ("bytes_placed", *METERED.values())}


def fill_from(node, library):
    """Reads every file by a process of one node, so that its page cache is there."""
    workload.drop_caches()
    lab.run("numactl", f"--cpunodebind={node}", f"--membind={node}", "sha256sum",
            *library.paths())


@pytest.mark.parametrize("tls,http2", [(False, False), (True, False), (True, True)],
                         ids=["http", "ktls", "h2"])
def test_the_meter_agrees_with_the_checker(launch, bundle, addresses, hot, tls, http2):
    """All content lies on one node, where half of the connections are served and half are not, and
    there are no copies of it. Where it lies the server has learned before."""
    server = start(launch, "millrace", EGRESS)
    port, order = server.ports[int(tls)], {"tls": tls, "http2": http2, "from": addresses}
    fill_from(0, hot)
    workload.download(bundle, port, hot, hot.dealt(CONNECTIONS, 2, seed=4), **order)
    time.sleep(2)
    before = meter(server)
    account = workload.measure(bundle, server, hot, hot.dealt(CONNECTIONS, 2, seed=5),
                               port=port, **order)
    after = meter(server)
    said = {name: after[name] - before[name] for name in after}
    print(said, account.as_json())
    assert said["bytes_placed"] == pytest.approx(account.payload, rel=METER)
    for stop, name in METERED.items():
        # Next to nothing is agreed on without being equal.
        assert said[name] == pytest.approx(account.stops[stop].crossed, rel=METER,
                                           abs=0.005 * account.payload), (stop, said)
    crossed = account.per_byte()
    assert crossed["read" if tls else "nic"] > 0.2, f"nothing to compare: {crossed}"


def test_memory_of_a_silo_is_on_its_node(launch, bundle, addresses):
    """By /proc/PID/numa_maps: what the workers have of their own, after some work."""
    library = workload.Library(4, 64 * KIB, "maps")
    server = start(launch, "millrace")
    workload.download(bundle, server.port, library, library.dealt(CONNECTIONS, 2),
                      **{"from": addresses})
    for pid, node in workload.nodes_of_processes(server).items():
        if pid == server.pid or node is None:
            continue
        near, far = anonymous_pages(pid, node)
        print(f"silo {pid} on node {node}: {near} pages there, {far} elsewhere")
        assert near > 0
        # What the master had before it forked stays where it was, shared, until it is written.
        assert far <= anonymous_before_fork(server.pid), (near, far)


def anonymous_pages(pid, node):
    near = far = 0
    for line in Path(f"/proc/{pid}/numa_maps").read_text().splitlines():
        words = dict(word.split("=", 1) for word in line.split()[2:] if "=" in word)
        if "anon" not in words:
            continue
        for name, value in words.items():
            if name[0] == "N" and name[1:].isdigit():
                count = int(value)
                near, far = (near + count, far) if int(name[1:]) == node else (near, far + count)
    return near, far


def anonymous_before_fork(pid):
    return sum(anonymous_pages(pid, 0))


@pytest.mark.named
def test_the_results_are_complete():
    """Last in this file: the plot has what it needs."""
    rows = json.loads(RESULTS.read_text())
    assert {(row["workload"], row["server"]) for row in rows} == \
        {(kind, name) for kind in WORKLOADS for name in BINARIES}
    assert os.path.getsize(RESULTS) > 0
