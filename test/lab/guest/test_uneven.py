# SPDX-License-Identifier: Apache-2.0
"""Machines whose nodes are not alike, and parts of machines: the server starts, uses what there is,
serves, and says at its start what is odd.

The machine uneven: node 0 has three CPUs, node 1 has one, node 2 has a CPU and a disk but no NIC,
node 3 has memory alone.
"""

import re
from pathlib import Path

import pytest

import crossings
import lacp
import workload
from wire import eventually
from workload import KIB

HTTP = """
server {{ listen {address}:@PORT@; root /data; }}
server {{ listen 127.0.0.1:@PORT1@; root @PREFIX@/html; }}
"""
CONTROL = Path("/sys/fs/cgroup")
uneven = pytest.mark.machine("uneven")
two = pytest.mark.machine("numa2")


def silos(server):
    """(node, CPUs) of each silo, in order."""
    cpus = crossings.cpu_nodes()
    return sorted((crossings.node_of_process(pid, cpus), allowed(pid))
                  for pid in server.children())


def allowed(pid):
    return re.search(r"Cpus_allowed_list:\s+(\S+)", Path(f"/proc/{pid}/status").read_text())[1]


def workers(server):
    """How many worker threads each silo has, in the order of silos()."""
    cpus = crossings.cpu_nodes()
    return [count for _, _, count in sorted(
        (crossings.node_of_process(pid, cpus), allowed(pid),
         sum((task / "comm").read_text().startswith("worker")
             for task in Path(f"/proc/{pid}/task").iterdir())) for pid in server.children())]


def local(launch, main="", **options):
    """A server on loopback alone."""
    return launch("server { listen 127.0.0.1:@PORT@; root @PREFIX@/html; }",
                  main=f"worker_processes auto; {main}",
                  files={"html/x": b"x" * 300_000}, **options)


def serves(server):
    """Many connections, so that every listener has its turn."""
    for _ in range(40):
        assert len(server.fetch("/x").body) == 300_000


def says(server, *patterns):
    """Each is on a line of the start-up log."""
    for pattern in patterns:
        assert re.search(pattern, server.log(), re.I | re.M), f"no {pattern!r} in {server.log()}"


@uneven
def test_workers_follow_the_cpus(launch):
    server = local(launch)
    serves(server)
    assert silos(server) == [(0, "0-2"), (1, "3"), (2, "4")]
    assert workers(server) == [3, 1, 1]


@uneven
def test_odd_nodes_are_named_at_the_start(launch):
    says(local(launch), r"\[notice\].*node 3 has no CPUs",
         r"\[notice\].*node 2 has CPUs but no NIC")


@uneven
def test_every_node_serves_over_the_bundle(bundle, launch):
    server = launch(HTTP.format(address=lacp.SERVER), main="worker_processes auto;")
    library = workload.Library(6, 200 * KIB, "uneven")
    rows = workload.download(bundle, server.port, library, library.dealt(24, 2))
    library.remove()
    assert sum(row["bytes"] for row in rows) == 48 * 200 * KIB


@uneven
def test_a_silo_on_a_node_without_cpus_may_be_written_out(launch):
    """Memory alone can still be asked for: CPUs of one node with the memory of another."""
    server = local(launch, main="silo cpus=0-2 node=3; silo cpus=3 node=1;")
    serves(server)
    assert silos(server) == [(0, "0-2"), (1, "3")]


@two
def test_affinity_without_a_node_leaves_it_out(launch):
    server = local(launch, wrapper=("taskset", "-c", "0,1"))
    serves(server)
    assert silos(server) == [(0, "0-1")]
    says(server, r"\[notice\].*node 1 is outside the cpuset")


@pytest.fixture
def cpuset():
    """cpuset("0-1") is the start of a command in a control group that may use those CPUs alone."""
    group = CONTROL / "part"
    (CONTROL / "cgroup.subtree_control").write_text("+cpuset")
    group.mkdir()

    def wrapper(cpus):
        (group / "cpuset.cpus").write_text(cpus)
        return "sh", "-c", f'echo $$ >{group}/cgroup.procs && exec "$@"', "sh"

    yield wrapper
    assert eventually(lambda: not (group / "cgroup.procs").read_text(), timeout=5)
    group.rmdir()


@two
def test_a_cpuset_without_a_node_leaves_it_out(cpuset, launch):
    server = local(launch, wrapper=cpuset("2-3"))
    serves(server)
    assert silos(server) == [(1, "2-3")]
    says(server, r"\[notice\].*node 0 is outside the cpuset")


@two
def test_a_cpuset_across_nodes_keeps_both(cpuset, launch):
    server = local(launch, wrapper=cpuset("1-2"))
    serves(server)
    assert silos(server) == [(0, "1"), (1, "2")]


@pytest.mark.machine("small")
def test_one_node_has_one_silo_and_nothing_odd(launch):
    server = local(launch)
    serves(server)
    assert len(silos(server)) == 1
    assert not re.search(r"\[warn\]|has no CPUs|has no NIC|cpuset", server.log()), server.log()


@two
@pytest.mark.parametrize("line,reason", [
    ("silo cpus=0-1 node=0; \nsilo cpus=1-2 node=1;", "1"),
    ("silo cpus=0-1 node=0; \nsilo cpus=2,64 node=1;", "64"),
    ("silo cpus=0-1 node=0; \nsilo cpus=2-3 node=7;", "7"),
], ids=["a CPU twice", "a CPU that is not there", "an unknown node"])
def test_a_wrong_silo_line_is_refused_with_its_place(prepare, line, reason):
    server = prepare(full=f"pid nginx.pid;\n{line}\nevents {{ }}\n")
    done = server.run("-t")
    assert done.returncode == 1
    assert re.search(rf"\[emerg\].*\b{reason}\b.*nginx\.conf:3$", done.stderr, re.M), done.stderr
