# SPDX-License-Identifier: Apache-2.0
"""The end of a connection whose answer has left the socket no room.

The kernel's TLS says of a record that it is sent when it is sealed, and a close frees what TCP had
no room for: then the client sees the answer end in mid-record.
"""

import signal
import socket
import ssl
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import pytest

import ktls
from ktls import connect, content

SIZES = range(1000, 60000, 2000)
HTTP = ktls.HTTP + """
    server { listen 127.0.0.1:@PORT@ ssl sndbuf=8k; root @PREFIX@/html;
             location /brief/ { alias @PREFIX@/html/; keepalive_timeout 1s; } }
    server { listen 127.0.0.1:@PORT1@ ssl sndbuf=8k; root @PREFIX@/html;
             location /brief/ { alias @PREFIX@/html/; keepalive_timeout 1s; }
             ssl_conf_command Options -KTLS; }
"""


def SETUP(server):
    ktls.install(server, SIZES)


transports = pytest.mark.parametrize("number", [0, 1], ids=["kernel", "userspace"])
versions = pytest.mark.parametrize("version", ["1.2", "1.3"])


@transports
@versions
def test_close_notify_waits_for_room(site, number, version):
    """It was dropped when the socket was full, and the whole answer looked cut off."""
    lost = []
    for size in SIZES:
        with connect(site.ports[number], version, rcvbuf=4096) as client:
            client.send(f"GET /{size} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
            time.sleep(0.02)
            client.head()
            assert client._exactly(size) == content(size)
            try:
                assert client.rest() == b""
            except ssl.SSLEOFError:
                lost.append(size)
    assert not lost


def half_close(client):
    """A FIN, as of a client that has asked for all that it wants."""
    with socket.fromfd(client.sock.fileno(), socket.AF_INET, socket.SOCK_STREAM) as same:
        same.shutdown(socket.SHUT_WR)


def whole(client, size):
    """None, or what was wrong with the answer and its end."""
    try:
        client.head()
        assert client._exactly(size) == content(size)
        assert client.rest() == b""
    except OSError as error:
        return f"{size}: {error!r}"
    return None


@transports
@versions
def test_a_client_that_has_sent_its_fin_gets_all(site, number, version):
    """The connection was closed as soon as close_notify was with the kernel."""
    lost = []
    for size in SIZES:
        with connect(site.ports[number], version, rcvbuf=4096) as client:
            client.send(f"GET /{size} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
            half_close(client)
            time.sleep(0.05)
            lost.append(whole(client, size))
    assert not any(lost), lost


def read_late(site, number, version, path, meanwhile):
    """Clients that read the answer only after the server has had reason to end the connection."""
    with ExitStack() as stack:
        clients = {size: stack.enter_context(connect(site.ports[number], version, rcvbuf=4096))
                   for size in SIZES}
        for size, client in clients.items():
            client.send(f"GET {path}{size} HTTP/1.1\r\nHost: a\r\n\r\n")
        meanwhile()
        # At once: each waits for the server's persist timer, which has backed off to seconds.
        with ThreadPoolExecutor(len(clients)) as pool:
            lost = list(pool.map(whole, clients.values(), clients))
    assert not any(lost), lost


@transports
@versions
def test_keepalive_timeout_leaves_an_answer_whole(site, number, version):
    """An answer is sent, for us, long before a slow client has it."""
    read_late(site, number, version, "/brief/", lambda: time.sleep(3))


@transports
def test_reload_leaves_an_answer_whole(site, number):
    """A connection that is idle for us is closed a second after the reload."""
    def reload():
        time.sleep(0.5)
        site.signal(signal.SIGHUP)
        time.sleep(4)

    read_late(site, number, "1.3", "/", reload)
