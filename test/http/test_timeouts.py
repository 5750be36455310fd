# SPDX-License-Identifier: Apache-2.0
"""Slow clients: the three timeouts, what they log, and how the connection ends."""

import socket
import time

import pytest

from millrace import drop_time, is_millrace, status_counters
from settings import seconds
from wire import eventually

HTTP = """
    log_format t "$uri $status $body_bytes_sent";
    server {
        listen 127.0.0.1:@PORT@ sndbuf=32k;
        lingering_timeout 1s;
        root @PREFIX@/html;
        access_log access.log t;
        client_header_timeout 1s;
        client_body_timeout 1s;
        send_timeout 1s;
        keepalive_timeout 1s;
        location /reset/ { reset_timedout_connection on; }
        location /slowbody { return 200 x; }
        location /bodytimeout { lingering_timeout 30s; return 200 x; }
        location = /status { stub_status; }
    }
    server { listen 127.0.0.1:@PORT1@; keepalive_timeout 60s; keepalive_time 1s;
             location / { return 200 x; } }
    server { listen 127.0.0.1:@PORT2@; lingering_close always; lingering_time 2s;
             lingering_timeout 1s; location / { return 200 x; } }
"""
FILES = {"html/f.txt": "file", "html/big": b"b" * (16 << 20), "html/reset/big": b"r" * (16 << 20)}


def test_idle_new_connection_is_closed(site):
    start = time.monotonic()
    with site.client() as client:
        assert client.rest() == b""
    drop_time(1, start)


def test_slow_headers_get_closed(site):
    start = time.monotonic()
    with site.client() as client:
        client.send("GET / HTTP/1.1\r\nHost: a\r\n")
        answer = client.rest()
    drop_time(1, start)
    assert answer == b"" or answer.startswith(b"HTTP/1.1 408 ")


def test_dripping_headers_do_not_prolong_the_timeout(site):
    start = time.monotonic()
    with site.client() as client:
        try:
            for _ in range(60):
                client.send("X")
                time.sleep(0.1)
        except OSError:
            pass
    drop_time(1, start)


def test_slow_headers_are_logged_as_408(site):
    with site.client() as client:
        client.send("GET /slowheaders HTTP/1.1\r\nHost: a\r\n")
        client.rest()
    site.log_line(r"^/slowheaders 408 0$")
    site.wait_log(r"\[info\].*client timed out.*while reading client request headers")


@pytest.mark.millrace_only
def test_client_body_timeout_bounds_a_body_that_is_dropped(site):
    """nginx waits for lingering_timeout alone."""
    start = time.monotonic()
    with site.client() as client:
        client.send("POST /bodytimeout HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\nxy")
        assert client.response().body == b"x"
        assert client.rest() == b""
    drop_time(1, start)


def test_slow_body(site):
    with site.client() as client:
        client.send("POST /f.txt HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\nxx")
        start = time.monotonic()
        answer = client.response()
        assert answer.status == 405
        try:
            client.rest()
        except ConnectionResetError:
            pass
        drop_time(1, start)


def test_keepalive_timeout(site):
    with site.client() as client:
        client.request("/f.txt")
        start = time.monotonic()
        assert client.rest() == b""
        drop_time(1, start)


def test_keepalive_timeout_restarts_with_each_request(site):
    with site.client() as client:
        for _ in range(4):
            assert client.request("/f.txt").status == 200
            time.sleep(0.5)


@pytest.mark.nginx_since("1.19.10", "keepalive_time is new")
def test_keepalive_time(site):
    with site.client(site.ports[1]) as client:
        assert client.request("/")["Connection"] == "keep-alive"
        time.sleep(1.3)
        assert client.request("/")["Connection"] == "close"


def slow_reader(site, path):
    client = site.client(rcvbuf=4096)
    client.send(f"GET {path} HTTP/1.1\r\nHost: a\r\n\r\n")
    client.head()
    return client


def gone(site):
    return eventually(lambda: status_counters(site)["active"] == 1, timeout=6)


def test_slow_reader_is_dropped(site):
    assert gone(site)
    start = time.monotonic()
    with slow_reader(site, "/big"):
        assert status_counters(site)["active"] == 2
        assert gone(site)
        drop_time(1, start)
    site.wait_log(r"\[info\].*client timed out.*while sending response to client")


def test_reader_that_takes_a_little_is_not_dropped(site):
    with slow_reader(site, "/big") as client:
        for _ in range(20):
            client._exactly(64 << 10)
            time.sleep(0.15)
        assert len(client.sock.recv(1000)) > 0


def test_reset_timedout_connection(site):
    with slow_reader(site, "/reset/big") as client:
        assert gone(site)
        with pytest.raises(ConnectionResetError):
            client.rest()


def test_without_reset_what_was_sent_arrives(site):
    with slow_reader(site, "/big") as client:
        assert gone(site)
        assert 0 < len(client.rest()) < 16 << 20


def test_lingering_close_always(site):
    with site.client(site.ports[2]) as client:
        client.send("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        assert client.response().body == b"x"
        client.sock.settimeout(seconds(3))
        for _ in range(5):
            client.send("late data")
            time.sleep(0.1)
        assert client.rest() == b""


def test_many_slow_clients_cost_little_memory(site):
    """A slow client may hold no more than about a buffer."""
    assert gone(site)
    before = site.resident()
    clients = []
    for _ in range(300):
        client = socket.create_connection(("127.0.0.1", site.port))
        client.sendall(b"GET /" + b"x" * 500)
        clients.append(client)
    time.sleep(0.3)
    growth = site.resident() - before
    for client in clients:
        client.close()
    limit = 300 * 16 + 4096
    assert growth < limit * (8 if is_millrace() and seconds(1) > 1 else 1), f"{growth} kB"
    assert gone(site)
