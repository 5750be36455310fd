# SPDX-License-Identifier: Apache-2.0
"""Running out of descriptors: accepting pauses and resumes, and what was accepted is served."""

import os
import re
import resource
import time
from contextlib import contextmanager
from pathlib import Path

from millrace import is_millrace, status_counters
from wire import Client, eventually

HTTP = """
    server {
        listen 127.0.0.1:@PORT@ backlog=511;
        root @PREFIX@/html;
        keepalive_timeout 30s;
        location = /status { stub_status; }
        location = /text { return 200 text; }
    }
"""
FILES = {"html/f.txt": "file"}
ALLOW = r"\[crit\]|Too many open files|worker_connections|accept4\(\) failed \(9:"


def limit_to(pid, count):
    _, hard = resource.prlimit(pid, resource.RLIMIT_NOFILE)
    resource.prlimit(pid, resource.RLIMIT_NOFILE, (count, hard))


def squeeze(server, spare):
    """Lowers each serving process's limit to its first free number, and a few more."""
    time.sleep(0.3)  # an answer may arrive before its file or the last connection is closed
    for pid in server.children():
        used = {int(path.name) for path in Path(f"/proc/{pid}/fd").iterdir()}
        free = min(set(range(len(used) + 1)) - used)
        limit_to(pid, free + spare)


def relax(server):
    for pid in server.children():
        limit_to(pid, 1000)


def crit_lines(server):
    return re.findall(r"^.*\[crit\].*Too many open files.*$", server.log(), re.M)


def same_user():
    """Limits of another process may be set by its own user, even without capabilities."""
    return "user root;" if os.geteuid() == 0 else ""


def launch_small(launch, limit=None):
    server = launch(http=HTTP, files=FILES, main=f"worker_processes 1; {same_user()}",
                    events="worker_connections 900;", allow=ALLOW, nofile=limit)
    server.fetch("/f.txt")
    return server


def launch_tight(launch, spare):
    """A server that can have `spare` descriptors more than it needs for itself.

    The limit must stand before it starts: an accept that the kernel already has keeps its own.
    """
    probe = launch_small(launch)
    time.sleep(0.3)
    need = max(max(int(path.name) for path in Path(f"/proc/{pid}/fd").iterdir())
               for pid in probe.children()) + 1
    probe._stop()
    return launch_small(launch, need + spare)


@contextmanager
def crowd(server, count):
    clients = [Client(server.port, timeout=15) for _ in range(count)]
    try:
        yield clients
    finally:
        for client in clients:
            client.close()


def test_accepting_pauses_and_resumes(launch):
    server = launch_tight(launch, 20)
    with crowd(server, 60) as clients:
        for client in clients:
            client.send("GET /text HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        # Each answered connection makes room for one that waits; none may be lost.
        for client in clients:
            assert client.response().body == b"text"
            client.close()


def test_kept_connections_fill_the_limit_then_leave(launch):
    server = launch_tight(launch, 20)
    with crowd(server, 60) as clients:
        server.wait_log(r"\[crit\].*\(24: Too many open files\)")
        time.sleep(1.2)
        lines = crit_lines(server)
        assert len(lines) == 1 or not is_millrace(), lines
        for client in clients[:10]:
            assert client.request("/text").body == b"text"
        for client in clients[:40]:
            client.close()
        for client in clients[40:]:
            assert client.request("/text").body == b"text"
            client.close()
    assert eventually(lambda: status_counters(server)["active"] == 1)


def test_nothing_left_for_files(launch):
    """A file that cannot be opened for want of descriptors is an error answer, not a crash."""
    server = launch_small(launch)
    with server.client() as client:
        assert client.request("/f.txt").body == b"file"
        squeeze(server, 0)
        assert client.request("/f.txt").status in (500, 503)
        # The connection of such an answer is closed, and its number is free for the next.
        assert client.is_closed()
    assert server.fetch("/text").body == b"text"
    relax(server)
    assert server.fetch("/f.txt").body == b"file"


def test_accepting_resumes_when_the_limit_is_raised(launch):
    server = launch_tight(launch, 4)
    with crowd(server, 10) as clients:
        server.wait_log(r"\[crit\].*\(24: Too many open files\)")
        relax(server)
        for client in clients:
            assert client.request("/text").body == b"text"


def test_worker_rlimit_nofile_is_set(launch):
    server = launch(http=HTTP, main="worker_rlimit_nofile 1357;", files=FILES)

    def limited(pid):
        limits = Path(f"/proc/{pid}/limits").read_text()
        return re.search(r"^Max open files +1357 +1357 ", limits, re.M)

    assert eventually(lambda: server.children() and all(map(limited, server.children())))


def answered(client):
    try:
        client.sock.settimeout(0.3)
        return client.request("/text").status == 200
    except (OSError, EOFError):
        return False


def test_worker_connections_is_a_limit(launch):
    server = launch(http=HTTP, main="worker_processes 1;", events="worker_connections 20;",
                    files=FILES)
    with crowd(server, 40) as clients:
        served = sum(map(answered, clients))
        assert 5 <= served <= 20, served
        server.wait_log(r"\[(alert|crit|warn)\].*worker_connections")

    def again():
        with Client(server.port, timeout=1) as client:
            return answered(client)

    assert eventually(again)
