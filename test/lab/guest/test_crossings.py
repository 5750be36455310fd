# SPDX-License-Identifier: Apache-2.0
"""The checker of locality is right: on made-up traces, and on servers whose place is known.

A server that is tied to one node, with its memory on the same node or on the other, has a number of
crossings that can be counted on the fingers.
"""

from types import SimpleNamespace

import pytest

import crossings
import lab
import probes
import workload
from workload import KIB

pytestmark = [pytest.mark.machine("numa2"), pytest.mark.kernel("6.12", "newest")]

PAGES, MEMORY = 0xffffea0000000000, 0xffff888000000000
MACHINE = SimpleNamespace(
    cpus={0: 0, 1: 0, 2: 1, 3: 1}, nics={10: 0, 11: 1}, disks={(259, 0): 0, (259, 1): 1},
    node_of_frame=lambda frame: 0 if frame < 1000 else 1 if frame < 2000 else None)
NEAR, FAR, NOWHERE = 10, 1010, 5000  # frames on node 0, node 1, and outside
HTTP = """
server {{
    listen 10.9.0.1:@PORT@;
    listen 10.9.0.1:@PORT1@ ssl;
    {tls}
    root /data;
    sendfile on;
}}
server {{
    listen 10.9.0.1:@PORT2@;
    root /data;
    sendfile off;
}}
"""
# The server's ports: HTTP by sendfile, kernel TLS, HTTP through the process's own buffers. What
# crosses with all memory on the other node; what CPUs read and write, in bytes per byte.
PORTS = ["sendfile", "ktls", "copy"]
CROSSINGS = {"sendfile": (1, 0, 0, 1), "ktls": (1, 1, 1, 1), "copy": (1, 2, 2, 1)}
TOUCHED = {"sendfile": 0, "ktls": 1, "copy": 2}


class Kernel:
    """The layout of no kernel: pages and memory begin at round numbers."""
    end = 704

    @staticmethod
    def frame_of_page(page):
        return ((page & ~3) - PAGES) // 64

    @staticmethod
    def frame_of_address(address):
        return (address - MEMORY) >> 12


def page(frame):
    return PAGES + 64 * frame


def client(port):
    return {"peer": 1, "port": port}


def packet(port, *pieces, of_file=True):
    fields = {"num": 80, **client(port), "end": Kernel.end, "pieces": len(pieces)}
    for number, (frame, size) in enumerate(pieces):
        fields |= {f"p{number}": page(frame), f"m{number}": int(of_file), f"n{number}": size}
    return "packet", 0, 1, fields


def seal(cpu, sources, targets, tfm=1):
    fields = {"tfm": tfm, "src": 0x1000, "len": sum(size for _, size in sources)}
    for name, pieces, count in (("s", sources, probes.SOURCES), ("d", targets, probes.TARGETS)):
        for number in range(count):
            frame, size = pieces[number] if number < len(pieces) else (None, 0)
            fields |= {f"{name}p{number}": page(frame) if size else 0, f"{name}n{number}": size}
    return "seal", cpu, 1, fields


def account(lines, leave=(), payload=1000, **more):
    sums = {"leave": [({**client(port), "link": link}, count) for port, link, count in leave],
            "arrive": [], "send": []}
    return crossings.Account(probes.Trace(lines, sums), MACHINE, Kernel, {7: 70}, payload,
                             **{"buffers": {}, **more})


def test_a_page_filled_from_the_other_nodes_disk_crossed():
    at = {"inode": 1, "page": 0}
    lines = [("fill", 0, 1, {**at, "device": (259, 0), "frame": NEAR, "order": 0}),
             ("fill", 0, 1, {**at, "device": (259, 1), "frame": NEAR, "order": 2}),
             ("fill", 0, 1, {**at, "device": (8, 1), "frame": FAR, "order": 0})]
    stop = account(lines).stops["disk"]
    assert (stop.total, stop.crossed, stop.unknown) == (5 * 4096, 4 * 4096, 0)


def test_connections_that_leave_by_each_others_interface_do_not_look_balanced():
    """Half of the memory and half of the traffic is on each node, and yet every byte crosses."""
    leave = [(5001, 11, 500), (5002, 10, 500)]
    made = account([packet(5001, (NEAR, 500)), packet(5002, (FAR, 500))], leave)
    assert made.per_byte() == {"disk": 0, "read": 0, "write": 0, "nic": 1}


def test_a_packet_counts_its_pieces_by_their_own_nodes():
    made = account([packet(5001, (NEAR, 750), (FAR, 250))], [(5001, 10, 1000)])
    assert made.per_byte()["nic"] == 0.25


def test_a_connection_that_changed_its_interface_counts_by_shares():
    made = account([packet(5001, (NEAR, 1000))], [(5001, 10, 900), (5001, 11, 100)])
    assert made.per_byte()["nic"] == pytest.approx(0.1)


def test_memory_outside_all_nodes_is_unknown_and_refused():
    made = account([packet(5001, (NOWHERE, 1000))], [(5001, 10, 1000)])
    assert made.stops["nic"].unknown == 1000
    with pytest.raises(AssertionError, match="nic: 1000 bytes unknown"):
        made.agree({"sent": 1000, "read": 0})


def test_bytes_that_no_probe_saw_are_noticed():
    made = account([packet(5001, (NEAR, 900))], [(5001, 10, 900)])
    with pytest.raises(AssertionError):
        made.agree({"sent": 900, "read": 0})


def test_a_sealed_record_reads_and_writes():
    lines = [seal(0, [(NEAR, 600), (FAR, 400)], [(NEAR, 1016)]),
             seal(2, [(FAR, 1000)], [(NEAR, 1016)])]
    made = account(lines, payload=2000)
    assert made.per_byte() == {"disk": 0, "read": 0.2, "write": 0.5, "nic": 0}


def test_an_algorithm_inside_another_is_not_counted_twice():
    record = [(FAR, 1000)], [(NEAR, 1016)]
    lines = [seal(0, *record, tfm=1), seal(0, *record, tfm=2)] * 3
    made = account(lines, payload=3000)
    assert made.stops["read"].total == 3000
    assert made.per_byte()["read"] == 1


KIND = {"ITER_UBUF": 0, "ITER_IOVEC": 1, "ITER_PIPE": 3}


def buffer(kind, *segments, skip=0):
    fields = {"kind": KIND[kind], "skip": skip, "base": segments[0][0]}
    for number in range(probes.SEGMENTS):
        address, count = segments[number] if number < len(segments) else (0, 0)
        fields |= {f"a{number}": address, f"c{number}": count}
    return fields


def call(begin, end, cpu, result, thread=7, **fields):
    return [(begin, cpu, thread, fields), (end, cpu, thread, {"result": result})]


@pytest.fixture
def kinds(monkeypatch):
    types = SimpleNamespace(values=lambda _: KIND)
    monkeypatch.setattr(crossings.btf, "kernel", lambda: types)


READ = {"device": 8, "inode": 5, "position": 4000}


def test_a_file_is_read_from_its_pages_into_a_buffer(kinds):
    lines = call("read", "got", 0, 1000, **READ, **buffer("ITER_UBUF", (0x5000, 2000)))
    made = account(lines, buffers={(70, 0x5000): 1}, pages={(8, 5): {0: 0, 1: 1}})
    assert made.per_byte() == {"disk": 0, "read": 0.904, "write": 1, "nic": 0}


def test_what_goes_into_a_pipe_or_belongs_to_another_process_is_not_copied(kinds):
    lines = call("read", "got", 0, 1000, **READ, **buffer("ITER_PIPE", (0x5000, 2000))) + \
        call("read", "got", 0, 1000, thread=8, **READ, **buffer("ITER_UBUF", (0x5000, 2000)))
    made = account(lines, buffers={(70, 0x5000): 1}, pages={(8, 5): {0: 1, 1: 1}})
    assert made.stops["read"].total == 0


def test_only_what_the_kernel_took_of_a_send_was_copied(kinds):
    lines = call("give", "gave", 2, 600, **client(5001),
                 **buffer("ITER_IOVEC", (0x5010, 300), (0x7000, 2000), skip=200)) + \
        call("give", "gave", 2, -11, **client(5001),
             **buffer("ITER_UBUF", (0x7000, 2000))) + \
        [packet(5001, (FAR, 150), (NEAR, 450), of_file=False)]
    made = account(lines, leave=[(5001, 10, 600)], payload=600,
                   buffers={(70, 0x5000): 0, (70, 0x7000): 1})
    assert made.stops["read"].total == made.stops["write"].total == 600
    assert made.per_byte() == pytest.approx({"disk": 0, "read": 1 / 6, "write": 0.75, "nic": 0.25})


def test_zones_of_memory_belong_to_nodes():
    text = """Node 0, zone      DMA
  pages free     3840
        spanned  4095
        present  3998
  start_pfn:           1
Node 0, zone   Movable
        spanned  0
  start_pfn:           0
Node 1, zone   Normal
        spanned  100
  node_unreclaimable:  0
  start_pfn:           1048576
"""
    assert crossings.memory_ranges(text) == [(1, 4096, 0), (1048576, 1048676, 1)]


# The same with real servers.

@pytest.fixture(scope="module")
def one_member(bundle):
    """The bundle with its first member alone."""
    for number in range(1, len(bundle.members)):
        bundle.lose(number)
    yield bundle
    for number in range(1, len(bundle.members)):
        bundle.bring_back(number)
    bundle.wait()


@pytest.fixture(scope="module")
def library():
    """Files on node 0's disk."""
    made = workload.Library(8, 512 * KIB, "self", on=["node0"])
    yield made
    made.remove()


def tied(launch, memory):
    """nginx on node 0's CPUs, with all its memory on a node."""
    return launch(HTTP.format(tls=workload.NGINX_TLS), main="worker_processes 1;",
                  binary=lab.NGINX, files=workload.tls_files(),
                  wrapper=("numactl", "--cpunodebind=0", f"--membind={memory}"))


def run(launch, bundle, library, memory, way):
    server = tied(launch, memory)
    workload.drop_caches()
    made = workload.measure(bundle, server, library, library.dealt(4, 2), tls=way == "ktls",
                            port=server.ports[PORTS.index(way)])
    print(made.as_json())
    for name in ("read", "write"):
        assert made.stops[name].total / made.payload == pytest.approx(TOUCHED[way], abs=0.03)
    assert made.stops["disk"].total == made.payload
    return tuple(made.per_byte().values())


@pytest.mark.parametrize("way", PORTS)
def test_all_on_one_node_crosses_nowhere(launch, one_member, library, way):
    assert max(run(launch, one_member, library, 0, way)) <= 0.01


@pytest.mark.parametrize("way", PORTS)
def test_all_memory_on_the_other_node_crosses_everywhere(launch, one_member, library, way):
    assert run(launch, one_member, library, 1, way) == pytest.approx(CROSSINGS[way], abs=0.03)
