# SPDX-License-Identifier: Apache-2.0
"""Kernel TLS over a longer time: clients that vanish, reloads under load, a slow disk, memory."""

import os
import re
import shutil
import signal
import statistics
import threading
import time
from pathlib import Path

import pytest

import ktls
import lab
from ktls import KIB, MIB, connect, content, get, kernel_connections, which
from settings import seconds
from tls_wire import StatusLeak
from wire import eventually

BIG = 4 * MIB
WARM, IDLE = 20, 500
HTTP = ktls.HTTP + f"""
    keepalive_timeout 1h;
    server {{ listen 127.0.0.1:@PORT@ ssl; root @PREFIX@/html; {ktls.WHICH} }}
    server {{ listen 127.0.0.1:@PORT1@; {ktls.STATUS} }}
"""
VERSION = pytest.mark.parametrize("version", ["1.2", "1.3"])


def SETUP(server):
    ktls.install(server, (KIB, BIG))


# Clients that vanish.


@VERSION
@pytest.mark.parametrize("how", ["reset", "fin"])
def test_abort_in_the_middle_leaves_nothing(site, how, version):
    check = StatusLeak(site, site.ports[1])
    with kernel_connections(30, at_least=20):
        for number in range(30):
            client = connect(site.port, version, rcvbuf=32768)
            client.send(get(BIG) * (1 + number % 2))
            if number % 3:
                client.sock.recv([1, 5000, 100_000][number % 3])
            ktls.abort(client, how)
        check.settle()
    with connect(site.port, version) as client:
        assert client.request(f"/{KIB}").body == content(KIB)


@VERSION
def test_abort_when_idle_leaves_nothing(site, version):
    check = StatusLeak(site, site.ports[1])
    with kernel_connections(30, at_least=15):
        for number in range(30):
            client = connect(site.port, version)
            if number % 2:
                client.request(f"/{KIB}")
            ktls.abort(client, ("reset", "fin")[number % 3 == 0])
        check.settle()


# Reloads.


class Visitor(threading.Thread):
    """Requests on connections that are kept until the server says otherwise."""

    def __init__(self, port):
        super().__init__()
        self.port = port
        self.done, self.connections, self.failure = 0, 0, None
        self.stop = threading.Event()

    def run(self):
        try:
            while not self.stop.is_set():
                self.visit()
        except Exception as error:  # whatever it is, the test shows it
            self.failure = repr(error)

    def visit(self):
        with connect(self.port, "1.3") as client:
            self.connections += 1
            for _ in range(50):
                answer = client.request(f"/{128 * KIB}")
                assert answer.body == content(128 * KIB)
                self.done += 1
                if answer.get("Connection") == "close":
                    assert client.rest() == b"", "close_notify and nothing else"
                    return
                if self.stop.is_set():
                    return


def test_reload_under_load_fails_no_request(launch):
    body = {"html/" + str(128 * KIB): content(128 * KIB)}
    server = launch(HTTP, files=ktls.files(**body))
    visitors = [Visitor(server.port) for _ in range(3)]
    with lab.tls_counted() as moved:
        for visitor in visitors:
            visitor.start()
        for _ in range(3):
            before = [visitor.done for visitor in visitors]
            server.reload(HTTP)
            assert eventually(lambda: all(visitor.done > count + 3 for visitor, count
                                          in zip(visitors, before)), timeout=3)
        for visitor in visitors:
            visitor.stop.set()
        for visitor in visitors:
            visitor.join(seconds(10))
    assert not [visitor.failure for visitor in visitors if visitor.failure]
    connections = sum(visitor.connections for visitor in visitors)
    assert moved["TlsTxSw"] >= connections >= 2 * len(visitors), (dict(moved), connections)
    assert moved["TlsRxSw"] >= connections and moved["TlsDecryptError"] == 0
    assert eventually(lambda: ktls.in_the_kernel() == (0, 0)), ktls.in_the_kernel()


# A slow disk.


@pytest.fixture
def disks():
    """html on the slow and on the fast disk; nothing of it is in the page cache."""
    folders = [Path("/data/slow/html"), Path("/data/fast/html")]
    names = [["0", "1", "2"], ["quick"]]
    for folder, files in zip(folders, names):
        folder.mkdir()
        for name in files:
            folder.joinpath(name).write_bytes(content(2 * MIB) if name != "quick"
                                              else content(100 * KIB))
    os.sync()
    Path("/proc/sys/vm/drop_caches").write_text("3")
    yield
    for folder in folders:
        shutil.rmtree(folder)


def latencies(client, count=None, while_=lambda: True):
    took = []
    while while_() and (count is None or len(took) < count):
        start = time.monotonic()
        assert client.request("/quick").body == content(100 * KIB)
        took.append(time.monotonic() - start)
    return took


def test_slow_disk_stalls_nobody_else(launch, disks):
    server = launch(f"""{ktls.HTTP} server {{ listen 127.0.0.1:@PORT@ ssl; root /data/fast/html;
                        location /slow/ {{ alias /data/slow/html/; }} }}""",
                    main="worker_processes 1;", files=ktls.files())
    results = []

    def read_slowly(name):
        with connect(server.port, "1.3", timeout=25) as client:
            results.append(client.request(f"/slow/{name}").body == content(2 * MIB))

    with kernel_connections(4), connect(server.port, "1.3") as client:
        alone = statistics.median(latencies(client, 30))
        start = time.monotonic()
        threads = [threading.Thread(target=read_slowly, args=(str(n),)) for n in range(3)]
        for thread in threads:
            thread.start()
        beside = latencies(client, while_=lambda: any(thread.is_alive() for thread in threads))
        for thread in threads:
            thread.join()
    assert results == [True] * 3
    assert time.monotonic() - start > 1.5, "the disk was not slow"
    beside.sort()
    figures = (f"alone {alone * 1e3:.1f} ms, beside: median {statistics.median(beside) * 1e3:.1f}, "
               f"99% {beside[len(beside) * 99 // 100] * 1e3:.1f}, "
               f"longest {beside[-1] * 1e3:.1f} ms")
    Path("/results/slow-disk").write_text(f"{figures}\n")
    # One MiB of that disk takes half a second, and the six of them would be all there is. The
    # longest one of all is the emulation's own, when its host is busy.
    assert len(beside) > 50 and beside[len(beside) * 9 // 10] < 0.1 + 5 * alone, figures
    assert beside[len(beside) * 99 // 100] < 0.5, figures


# Memory.


def private(pid):
    """Bytes of memory that a process has written, and has to itself."""
    text = Path(f"/proc/{pid}/smaps_rollup").read_text()
    return sum(int(kib) for kib in re.findall(r"^Private_Dirty:\s+(\d+) kB", text, re.M)) * 1024


@pytest.mark.limit(60)
def test_idle_connection_costs_less_than_a_kilobyte(launch):
    """Both directions are in the kernel: OpenSSL's object has gone, and no buffer is held."""
    server = launch(HTTP, main="worker_processes 1;", events="worker_connections 2048;",
                    files=ktls.files(**{f"html/{KIB}": content(KIB)}))
    silo, = server.children()
    made, clients = ktls.context("1.3"), []

    def open_more(count):
        for _ in range(count):
            # Resumed, but for the first: the client's half of a handshake costs time here too.
            session = clients[0].sock.session if clients else None
            clients.append(connect(server.port, made=made, session=session))
            assert clients[-1].request(f"/{KIB}").status == 200

    with kernel_connections(WARM + IDLE):
        open_more(WARM)
        before = private(silo)
        open_more(IDLE)
        each = (private(silo) - before) / IDLE
        assert ktls.in_the_kernel() == (WARM + IDLE, WARM + IDLE)
        for client in clients:
            ktls.abort(client, "reset")
    text = f"{each:.0f} bytes of private memory for each of {IDLE} idle connections\n"
    Path("/results/idle-memory").write_text(text)
    assert each <= KIB, text
