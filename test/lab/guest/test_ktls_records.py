# SPDX-License-Identifier: Apache-2.0
"""Records that are not data on connections whose keys the kernel has, early data, and sessions."""

import re
import socket
import ssl
import tempfile
import time
from pathlib import Path

import pytest

import ktls
import lab
from ktls import KIB, MIB, connect, content, get, kernel_connections, which
from settings import seconds
from tls_wire import Interactive, s_client
from wire import eventually

SIZES = (KIB, 200 * KIB, MIB, 12 * MIB)
SLOW, LARGE = 200 * KIB, 12 * MIB
PORTS = 2
HTTP = ktls.HTTP + f"""
    server {{ listen 127.0.0.1:@PORT@ ssl; root @PREFIX@/html; {ktls.WHICH}
              location /slow/ {{ limit_rate 150k; alias @PREFIX@/html/; }} }}
    server {{ listen 127.0.0.1:@PORT1@ ssl; root @PREFIX@/html; ssl_early_data on;
              location = /early {{ return 200 "<$ssl_early_data>"; }} {ktls.WHICH} }}
"""
VERSION = pytest.mark.parametrize("version", ["1.2", "1.3"])


def SETUP(server):
    ktls.install(server, SIZES)


def lines(server, pattern):
    return len(re.findall(pattern, server.log()))


def ask(port, text, *flags):
    """s_client, connected and with its request under way."""
    client = Interactive(port, "-crlf", *flags)
    client.wait_for(b"Verify return code")
    return client.send(text)


def handshake(tls, incoming, outgoing, sock):
    while True:
        try:
            tls.do_handshake()
            break
        except ssl.SSLWantReadError:
            sock.sendall(outgoing.read())
            incoming.write(sock.recv(65536))
    sock.sendall(outgoing.read())


def say_goodbye(tls):
    try:
        tls.unwrap()
    except ssl.SSLWantReadError:
        pass  # the server's has not come yet


# The end of a connection.


@VERSION
def test_server_closes_with_close_notify(site, version):
    with kernel_connections(1), connect(site.port, version) as client:
        assert client.request(f"/{KIB}", "Connection: close").body == content(KIB)
        assert client.rest() == b"", "SSLEOFError would say that it is missing"


@VERSION
def test_close_notify_is_answered(site, version):
    with kernel_connections(1), connect(site.port, version) as client:
        assert client.request(f"/{KIB}").status == 200
        client.close_notify()
        assert client.rest() == b"", "and the connection is closed"


def test_close_notify_before_the_first_request(site):
    with kernel_connections(1), connect(site.port, "1.3") as client:
        client.close_notify()
        assert client.rest() == b""


def test_close_notify_behind_a_request_leaves_time_for_the_answer(site):
    """It says that the client sends no more, and nothing of what it reads."""
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    tls = ktls.plain_context("1.3").wrap_bio(incoming, outgoing)
    with kernel_connections(1), site.client() as client:
        handshake(tls, incoming, outgoing, client.sock)
        tls.write(get(SLOW, "/slow/").encode())
        say_goodbye(tls)
        client.send(outgoing.read())
        incoming.write(client.rest())
        # OpenSSL reads no more once it has said goodbye itself, so the records are counted.
        assert incoming.pending > SLOW


# KeyUpdate (RFC 8446, 4.6.3), which a kernel before 6.14 cannot follow.


@pytest.mark.parametrize("letter", ["k", "K"])
def test_key_update_in_mid_transfer(site, letter):
    """k: the client's keys alone; K: and it wants the same of the server. What is under way is
    finished under the old keys, and the connection then ends cleanly."""
    before = lines(site, "client changed its keys")
    with kernel_connections(1), ask(site.port, f"GET /slow/{SLOW} HTTP/1.1\nHost: a\n\n",
                                    "-tls1_3") as client:
        client.wait_for(b"Content-Length")
        client.send(f"{letter}\n")
        client.wait_for(b"KEYUPDATE")
        if lab.kernel_version() >= (6, 14):
            client.send("GET /which HTTP/1.1\nHost: a\nConnection: close\n\n")
        output = client.wait_end()
    assert content(SLOW) in re.sub(rb"KEYUPDATE\n|read R BLOCK\n", b"", output)
    assert output.endswith(b"closed\n"), "close_notify"
    # The next request, which is sealed with the new keys.
    assert (b"kernel TLSv1.3" in output) == (lab.kernel_version() >= (6, 14))
    assert lab.kernel_version() >= (6, 14) or lines(site, "client changed its keys") == before + 1


@pytest.mark.parametrize("letter", ["k", "K"])
def test_key_update_of_an_idle_client(site, letter):
    """The answer is complete; then the connection ends cleanly, or goes on with new keys."""
    with kernel_connections(1), ask(site.port, f"GET /{KIB} HTTP/1.1\nHost: a\n\n",
                                    "-tls1_3") as client:
        client.wait_for(re.escape(content(KIB)))
        client.send(f"{letter}\n")
        client.wait_for(b"KEYUPDATE")
        if lab.kernel_version() >= (6, 14):
            client.send("GET /which HTTP/1.1\nHost: a\nConnection: close\n\n")
            client.wait_for(b"kernel TLSv1.3")
        assert client.wait_end().endswith(b"closed\n"), "close_notify"


@pytest.fixture
def small_windows():
    """So that the client is always behind, and the kernel never holds the whole of a large body."""
    setting = Path("/proc/sys/net/ipv4/tcp_rmem")
    before = setting.read_text()
    setting.write_text("4096 8192 8192\n")
    yield
    setting.write_text(before)


def test_nothing_is_lost_to_what_comes_behind_a_key_update(site, small_windows):
    """It cannot be read. Left in a socket that is closed, it was answered by a reset, and 1.4 MiB
    of the answer before it did not arrive."""
    with kernel_connections(1), ask(site.port, f"GET /{LARGE} HTTP/1.1\nHost: a\n\n",
                                    "-tls1_3") as client:
        client.wait_for(b"Content-Length")
        client.send("K\n")
        client.wait_for(b"KEYUPDATE")
        client.send("GET /which HTTP/1.1\nHost: a\nConnection: close\n\n")
        output = client.wait_end()
    output = re.sub(rb"KEYUPDATE\n|read R BLOCK\n", b"", output)
    assert content(LARGE) in output, len(output)


# Renegotiation, and what nobody should send.


def test_renegotiation_is_refused(site):
    with kernel_connections(1), ask(site.port, f"GET /{KIB} HTTP/1.1\nHost: a\n\n",
                                    "-tls1_2") as client:
        client.wait_for(re.escape(content(KIB)))
        client.send("R\n")
        output = client.wait_end()
    assert b"RENEGOTIATING" in output and b"no renegotiation" in output


# With enough behind each of them: the kernel looks at a record once its explicit nonce has come.
GARBAGE = {"no-tls": b"GET / HTTP/1.1\r\n\r\n", "bad-tag": b"\x17\x03\x03\x00\x20" + b"x" * 32,
           "too-long": b"\x17\x03\x03\xff\xff" + b"x" * 32,
           "alert-in-clear": b"\x15\x03\x03\x00\x02\x02\x28" + b"x" * 32}


@pytest.mark.parametrize("data", GARBAGE.values(), ids=GARBAGE)
@VERSION
def test_garbage_ends_the_connection_alone(site, data, version):
    client = connect(site.port, version)
    assert client.request(f"/{KIB}").status == 200
    with socket.socket(fileno=client.sock.detach()) as raw:
        raw.settimeout(seconds(2))
        raw.sendall(data)
        with pytest.raises((ConnectionResetError, EOFError)):
            while raw.recv(65536):
                pass
            raise EOFError
    assert eventually(lambda: ktls.in_the_kernel() == (0, 0)), ktls.in_the_kernel()
    with connect(site.port, version) as other:
        assert other.request(f"/{KIB}").body == content(KIB)


# Sessions, and early data, which OpenSSL reads: the kernel then has what is sent alone.


@VERSION
def test_resumed_session_is_in_the_kernel(site, version):
    made = ktls.context(version)
    with kernel_connections(2):
        with connect(site.port, made=made) as client:
            client.request(f"/{KIB}")  # TLS 1.3 gives its tickets with the first answer
            session = client.sock.session
        with connect(site.port, made=made, session=session) as client:
            assert client.sock.session_reused
            assert which(client)[0] == "kernel"
            assert client.request(f"/{MIB}").body == content(MIB)


def early(site, text):
    """Sends it as early data of a resumed session."""
    with tempfile.TemporaryDirectory() as folder:
        session, data = Path(folder, "session"), Path(folder, "data")
        s_client(site.ports[1], "-tls1_3", "-sess_out", session, path="/early")
        data.write_text(text)
        return s_client(site.ports[1], "-tls1_3", "-sess_in", session, "-early_data", data,
                        request="")


def test_early_get(site):
    with lab.tls_counted() as moved:
        probe = early(site, "GET /early HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
    assert "Early data was accepted" in probe.text and probe.body == "<1>"
    assert moved["TlsTxSw"] >= 1 and moved["TlsDecryptError"] == 0, dict(moved)


def test_early_get_of_a_file(site):
    probe = early(site, f"GET /{SLOW} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
    assert "Early data was accepted" in probe.text
    assert content(SLOW).decode("latin-1") in probe.text


def test_early_transport_is_sent_by_the_kernel(site):
    probe = early(site, "GET /which HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
    assert "Early data was accepted" in probe.text
    assert probe.body.startswith("kernel-send TLSv1.3")


def test_early_post_is_425(site):
    probe = early(site, "POST /early HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n"
                        "Connection: close\r\n\r\n")
    assert "HTTP/1.1 425 " in probe.text


def test_request_behind_the_handshake_is_not_early(site):
    assert s_client(site.ports[1], path="/early").body == "<>"
