# SPDX-License-Identifier: Apache-2.0
"""What TLS changes in variables, log lines and redirects."""

import pytest

import tls_files
from tls_files import certificate
from tls_wire import TlsClient, context, tls_fetch

LOGGED = "$https|$scheme|$ssl_protocol|$ssl_server_name|$ssl_session_reused|$ssl_client_verify"
COUNTERS = ("tls_handshakes", "tls_resumed", "tls_failed", "tls_connections_kernel",
            "tls_connections_kernel_send", "tls_connections_userspace")
HTTP = f"""
    log_format tls "$uri {LOGGED}";
    server {{
        listen 127.0.0.1:@PORT@ ssl;
        listen 127.0.0.1:@PORT1@;
        root html;
        {certificate("ec")}
        ssl_protocols TLSv1.2 TLSv1.3;
        access_log tls.log tls;
        location = /values {{ return 200 "<{LOGGED}>"; }}
        location = /moved {{ return 301 /x; }}
        location = /bare {{ port_in_redirect off; return 301 /x; }}
        location = /relative {{ absolute_redirect off; return 301 /x; }}
        location = /elsewhere {{ return 301 http://localhost/x; }}
    }}
"""
FILES = {"html/folder/f.txt": "file"}
PORTS = 3
SETUP = tls_files.install
COUNTING = f"""
    server {{
        listen 127.0.0.1:@PORT@ ssl;
        listen 127.0.0.1:@PORT1@;
        {certificate("ec")}
        location = /counters {{ return 200 "{' '.join(f'${name}' for name in COUNTERS)}"; }}
        location = /transport {{ return 200 "<$tls_transport>"; }}
    }}
"""


def test_values_of_a_tls_connection(site):
    answer = tls_fetch(site.port, "/values", made=context("1.3"))
    assert answer.body == b"<on|https|TLSv1.3|localhost|.|NONE>"


def test_values_of_a_plain_connection(site):
    assert site.fetch("/values", port=site.ports[1]).body == b"<|http||||>"


def test_log_line_of_a_tls_connection(site):
    tls_fetch(site.port, "/values?a", made=context("1.2"))
    line = r"^/values on\|https\|TLSv1.2\|localhost\|\.\|NONE$"
    assert site.log_line(line, name="tls.log")


def test_log_line_of_a_client_that_vanished(site):
    """It is written when the connection ends, and still knows the handshake."""
    client = TlsClient(site.port, made=context("1.3"))
    client.send(b"GET /half HTTP/1.1\r\nHost: x\r\n")
    client.vanish()
    assert site.log_line(r"on\|https\|TLSv1.3\|localhost", name="tls.log")


def test_log_line_of_a_plain_connection(site):
    site.fetch("/values", port=site.ports[1])
    assert site.log_line(r"^/values \|http\|-\|-\|-\|-$", name="tls.log")


@pytest.mark.parametrize("path,target", [
    ("/moved", "https://localhost:@PORT@/x"), ("/bare", "https://localhost/x"),
    ("/relative", "/x"), ("/elsewhere", "http://localhost/x"),
    ("/folder", "https://localhost:@PORT@/folder/")])
def test_redirects_stay_on_https(site, path, target):
    assert tls_fetch(site.port, path)["Location"] == site.expand(target)


def test_redirects_of_a_plain_connection_stay_on_http(site):
    answer = site.fetch("/moved", port=site.ports[1])
    assert answer["Location"] == f"http://localhost:{site.ports[1]}/x"


def counters(server):
    values = map(int, server.fetch("/counters", port=server.ports[1]).body.split())
    return dict(zip(COUNTERS, values))


@pytest.mark.millrace_only
def test_counters(launch):
    server = launch(COUNTING, files=tls_files.pki())
    assert set(counters(server).values()) == {0}
    made = context("1.2")
    with TlsClient(server.port, made=made) as client:
        client.request("/transport")
        session = client.sock.session
        client.close_notify()
    with TlsClient(server.port, made=made, session=session) as client:
        assert client.sock.session_reused
        client.close_notify()
    with server.client() as client:
        client.send(b"\x16\x03\x01\x00\x05hello")
        client.rest()
    after = counters(server)
    assert (after["tls_handshakes"], after["tls_resumed"], after["tls_failed"]) == (2, 1, 1)
    assert sum(after[name] for name in COUNTERS[3:]) == 2


@pytest.mark.millrace_only
def test_transport(launch):
    server = launch(COUNTING, files=tls_files.pki())
    assert server.fetch("/transport", port=server.ports[1]).body == b"<>"
    before = counters(server)
    name = tls_fetch(server.port, "/transport").body.decode()[1:-1]
    after = counters(server)
    assert name in ("userspace", "kernel-send", "kernel")
    counted = "tls_connections_" + name.replace("-", "_")
    assert {n for n in COUNTERS[3:] if after[n] != before[n]} == {counted}
