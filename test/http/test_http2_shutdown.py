# SPDX-License-Identifier: Apache-2.0
"""The end of HTTP/2 connections: QUIT, reload, and the limits of keep-alive. Nothing is lost."""

import signal
import threading
import time

import pytest

from h2client import (CANCEL, GOAWAY, LARGEST, NO_ERROR, REFUSED_STREAM, WINDOW, H2Client, http2)
from millrace import drop_time
from pinned import CPUS
from settings import seconds
from wire import eventually

BIG = b"b" * (4 << 20)
HTTP = f"""
    server {{ {http2()} root @PREFIX@/html; lingering_timeout 500ms;
              location = /v {{ return 200 one; }} }}
"""
LIMITS = f"""
    lingering_timeout 500ms;
    server {{ {http2()} root @PREFIX@/html; keepalive_requests 3; }}
    server {{ {http2("@PORT1@")} root @PREFIX@/html; keepalive_timeout 1s; send_timeout 20s; }}
    server {{ {http2("@PORT2@")} root @PREFIX@/html; keepalive_time 1s; }}
    server {{ {http2("@PORT3@")} root @PREFIX@/html; keepalive_timeout 0; }}
"""
FILES = {"html/f.txt": "file", "html/big": BIG}
TWO_SILOS = "".join(f"silo cpus={cpu} node=0;\n" for cpu in CPUS)


def refused(port):
    try:
        H2Client(port, begin=False).close()
    except ConnectionRefusedError:
        return True
    return False


def begun(port):
    """A client with most of a large body still to come."""
    client = H2Client(port, settings={WINDOW: 1000})
    client.got(client.start("/big"), 1000)
    return client


# QUIT.

def test_quit_lets_streams_finish(launch):
    server = launch(http=HTTP, files=FILES)
    with begun(server.port) as client:
        server.signal(signal.SIGQUIT)
        client.until(lambda: client.goaways)
        assert client.goaways[-1][1] == NO_ERROR
        assert eventually(lambda: refused(server.port)), "no new connections"
        client.update(1, 1 << 30)
        assert client.response(1).body == BIG
        assert client.end() == NO_ERROR and client.goaways[-1] == (1, NO_ERROR)
    assert server.wait_exit() == 0


@pytest.mark.millrace_only
def test_quit_is_announced_before_it_is_meant(launch):
    """RFC 9113, section 6.8: first a GOAWAY that refuses nothing, as requests are on their way."""
    server = launch(http=HTTP, files=FILES)
    with begun(server.port) as client:
        server.signal(signal.SIGQUIT)
        client.until(lambda: client.goaways)
        assert client.goaways == [(LARGEST, NO_ERROR)]
        number = client.start("/f.txt")
        client.update(1, 1 << 30)
        client.rest()
        last = client.goaways[-1][0]
        assert len(client.goaways) == 2 and client.goaways[-1][1] == NO_ERROR
        assert client.streams[1].ended and client.streams[1].body == BIG
        assert bytes(client.streams[number].body) == b"file" if number <= last else \
            not client.streams[number].head, "served, or told that it was not"
    assert server.wait_exit() == 0


def test_quit_lets_idle_connections_go(launch):
    server = launch(http=HTTP, files=FILES)
    with H2Client(server.port) as idle, H2Client(server.port) as fresh:
        assert idle.request("/f.txt").body == b"file"
        fresh.sync()
        server.signal(signal.SIGQUIT)
        assert idle.end() == NO_ERROR and idle.goaways[-1][0] in (1, LARGEST)
        fresh.end()
    assert server.wait_exit() == 0


@pytest.mark.millrace_only
def test_keepalive_min_timeout_gives_idle_connections_longer(launch):
    """nginx 1.27.4 and later; the machine's is older."""
    http = HTTP.replace("server {", "keepalive_min_timeout 3s; server {", 1)
    server = launch(http=http, files=FILES)
    with H2Client(server.port) as client:
        assert client.request("/f.txt").body == b"file"
        server.signal(signal.SIGQUIT)
        time.sleep(1.5)
        assert not client.goaways and client.request("/f.txt").body == b"file"
        assert client.end() == NO_ERROR
    assert server.wait_exit(10) == 0


def test_requests_after_the_last_goaway_are_not_served(launch):
    """They are above its number, so that they may be sent again elsewhere."""
    server = launch(http=HTTP, files=FILES)
    with begun(server.port) as client:
        server.signal(signal.SIGQUIT)
        client.until(lambda: client.goaways and client.goaways[-1][0] < LARGEST)
        number = client.start("/f.txt")
        client.update(1, 1 << 30)
        client.rest()
        assert number > client.goaways[-1][0] and not client.streams[number].head
        assert client.streams[number].reset in (None, REFUSED_STREAM)
        assert client.streams[1].body == BIG
    assert server.wait_exit() == 0


def test_client_may_reset_what_runs_while_it_drains(launch):
    server = launch(http=HTTP, files=FILES)
    with begun(server.port) as client:
        server.signal(signal.SIGQUIT)
        client.until(lambda: client.goaways)
        client.rst(1, CANCEL)
        assert client.end() == NO_ERROR
    assert server.wait_exit() == 0


def test_worker_shutdown_timeout_ends_what_is_blocked(launch):
    server = launch(main="worker_shutdown_timeout 1s;", http=HTTP, files=FILES)
    with begun(server.port) as client:
        start = time.monotonic()
        server.signal(signal.SIGQUIT)
        assert server.wait_exit() == 0
        assert 0.8 <= time.monotonic() - start <= seconds(4)
        client.rest()
        assert not client.streams[1].ended


def test_term_is_at_once(launch):
    server = launch(http=HTTP, files=FILES)
    with begun(server.port) as client:
        start = time.monotonic()
        server.signal(signal.SIGTERM)
        assert server.wait_exit() == 0 and time.monotonic() - start < seconds(2)
        client.rest()
        assert not client.streams[1].ended


def test_body_of_a_request_does_not_keep_a_drain(launch):
    """It was answered; that its client says no more holds up nobody for long."""
    server = launch(main="worker_shutdown_timeout 2s;", http=HTTP, files=FILES)
    with H2Client(server.port) as client:
        client.response(client.start("/f.txt", method="POST", end=False))
        server.signal(signal.SIGQUIT)
        assert server.wait_exit() == 0


# Reload.

def test_reload_moves_new_connections_and_keeps_the_old(launch):
    server = launch(http=HTTP, files=FILES)
    with begun(server.port) as client:
        server.configure(http=HTTP.replace("200 one", "200 two"))
        server.signal(signal.SIGHUP)
        client.until(lambda: client.goaways)

        def version():
            with H2Client(server.port) as other:
                return other.request("/v").body

        assert eventually(lambda: version() == b"two")
        client.update(1, 1 << 30)
        assert client.response(1).body == BIG
        assert client.end() == NO_ERROR


class Load(threading.Thread):
    """Connections with eight streams at a time; counts what is answered, and what is lost.

    A stream above the number of the last GOAWAY, or refused, was never begun: it is asked again.
    """

    def __init__(self, port):
        super().__init__(daemon=True)
        self.port, self.stopping = port, False
        self.done, self.again, self.lost = 0, 0, []

    def run(self):
        while not self.stopping:
            try:
                with H2Client(self.port) as client:
                    self._use(client)
            except Exception as error:  # what the test counts
                self.lost.append(repr(error))

    def _use(self, client):
        while not self.stopping and not client.goaways and not client.closed:
            numbers = [client.start("/f.txt") for _ in range(8)]
            try:
                for number in numbers:
                    client.until(lambda: client.streams[number].done)
            except (EOFError, OSError):
                pass
            for number in numbers:
                self._count(client, number)

    def _count(self, client, number):
        stream = client.streams[number]
        if stream.ended and stream.body == b"file":
            self.done += 1
        elif client.goaways and number > client.goaways[-1][0] or stream.reset == REFUSED_STREAM:
            self.again += 1
        else:
            self.lost.append((number, stream.reset, bytes(stream.body), client.goaways))

    def finish(self):
        self.stopping = True
        self.join(seconds(10))
        return self


@pytest.mark.parametrize("main", [
    "", pytest.param(TWO_SILOS, marks=pytest.mark.millrace_only)], ids=["", "two silos"])
def test_reload_under_load_loses_nothing(launch, main):
    server = launch(main=main, http=HTTP, files=FILES)
    loads = [Load(server.port) for _ in range(3)]
    for load in loads:
        load.start()
    for number in range(3):
        server.reload(main=main, http=HTTP.replace("200 one", f"200 v{number}"))
    for load in loads:
        load.finish()
    lost = [text for load in loads for text in load.lost]
    assert sum(load.done for load in loads) > 100 and not lost, lost[:5]


def test_quit_under_load_loses_nothing(launch):
    server = launch(http=HTTP, files=FILES)
    loads = [Load(server.port) for _ in range(3)]
    for load in loads:
        load.start()
    assert eventually(lambda: all(load.done > 50 for load in loads))
    server.signal(signal.SIGQUIT)
    assert server.wait_exit() == 0
    lost = [text for load in loads for text in load.finish().lost
            if "ConnectionRefused" not in str(text)]
    assert not lost, lost[:5]


# Keep-alive.

@pytest.fixture
def limited(launch):
    return launch(http=LIMITS, files=FILES, ports_wanted=4)


def test_keepalive_requests(limited):
    with H2Client(limited.port) as client:
        for _ in range(2):
            assert client.request("/f.txt").body == b"file"
            assert not client.sync().goaways
        assert client.request("/f.txt").body == b"file"
        assert client.end() == NO_ERROR
        assert client.goaways[-1] == (5, NO_ERROR)


def test_keepalive_requests_with_streams_at_once(limited):
    """Those beyond the number are not served, and those below it are to their ends."""
    with H2Client(limited.port, settings={WINDOW: 1 << 20}) as client:
        numbers = [client.start("/big") for _ in range(6)]
        for number in numbers[:3]:
            client.got(number, 1 << 20)
            client.update(number, 1 << 30)
        for number in numbers[:3]:
            assert client.response(number).body == BIG
        client.rest()
        last = client.goaways[-1][0]
        for number in numbers[3:]:
            assert number > last or client.streams[number].reset == REFUSED_STREAM or \
                client.streams[number].head, "told, or served"


def test_keepalive_timeout(limited):
    with H2Client(limited.ports[1]) as client:
        client.request("/f.txt")
        start = time.monotonic()
        assert client.end() == NO_ERROR
        drop_time(1, start)


def test_keepalive_timeout_is_not_for_connections_at_work(limited):
    with begun(limited.ports[1]) as client:
        client.sock.settimeout(1.4)
        with pytest.raises(TimeoutError):
            client.until(lambda: client.goaways or client.closed)
        client.sock.settimeout(seconds(10))
        client.update(1, 1 << 30)
        assert client.response(1).body == BIG


def test_keepalive_time(limited):
    with H2Client(limited.ports[2]) as client:
        assert client.request("/f.txt").body == b"file"
        assert not client.sync().goaways
        time.sleep(1.2)
        number = client.start("/f.txt")
        assert client.response(number).body == b"file"
        assert client.end() == NO_ERROR and client.goaways[-1][0] == number


def test_no_keepalive(limited):
    with H2Client(limited.ports[3]) as client:
        assert client.request("/f.txt").body == b"file"
        assert client.end() == NO_ERROR and client.goaways[-1] == (1, NO_ERROR)


def test_large_answer_before_the_end_arrives_whole(limited):
    """The last answer, then GOAWAY and the end: what the client still says must not destroy it."""
    with H2Client(limited.ports[3], rcvbuf=65536) as client:
        number = client.start("/big")
        client.head(number)
        for _ in range(20):
            client.ping()
        assert client.response(number).body == BIG
        client.end()
        assert [f for f in client.frames if f.type == GOAWAY]
