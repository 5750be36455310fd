# SPDX-License-Identifier: Apache-2.0
"""Bodies over TLS: sizes, ranges, pipelining, slow and vanishing clients, KeyUpdate, early data."""

import hashlib
import os
import random
import re
import signal
import socket
import struct
import tempfile
import threading
import time
from pathlib import Path

import pytest

import tls_files
from settings import seconds
from tls_files import certificate
from tls_wire import (Interactive, StatusLeak, TlsClient, context, s_client, tls_fetch, visit_raw)
from wire import eventually

SIZES = (0, 1, 100, 4095, 4096, 16383, 16384, 16385, 65536, 131071, 131073, 262145, 1 << 20,
         (1 << 20) + 1, 5_000_003, 50 << 20)
HTTP = f"""
    ssl_protocols TLSv1.2 TLSv1.3; {certificate("ec")}
    lingering_timeout 1s;
    log_format t "$uri $status $body_bytes_sent $ssl_protocol $ssl_cipher";
    server {{ listen 127.0.0.1:@PORT@ ssl; root @PREFIX@/html; access_log access.log t;
              send_timeout 20s;
              location /slow/ {{ limit_rate 300k; alias @PREFIX@/html/; }}
              location = /early {{ return 200 "<$ssl_early_data>"; }}
              location = /memory {{ return 200 "{'m' * 3000}"; }} }}
    server {{ listen 127.0.0.1:@PORT1@; location = /status {{ stub_status; }} }}
    server {{ listen 127.0.0.1:@PORT2@ ssl; root @PREFIX@/html; ssl_buffer_size 1400; }}
    server {{ listen 127.0.0.1:@PORT3@ ssl; root @PREFIX@/html; ssl_early_data on;
              location = /early {{ return 200 "<$ssl_early_data>"; }} }}
    server {{ listen 127.0.0.1:@PORT4@ ssl; root @PREFIX@/html; send_timeout 1s; }}
"""
PORTS = 5
ALLOW = "shrinks|truncated while"  # of the file that is
VERSION = pytest.mark.parametrize("version", ["1.2", "1.3"])


def content(size):
    return random.Random(size).randbytes(size)


BIG = content(50 << 20)
DIGESTS = {}


def SETUP(server):
    tls_files.install(server)
    for size in SIZES:
        data = BIG if size == len(BIG) else content(size)
        DIGESTS[size] = hashlib.sha256(data).digest()
        server.write(f"html/{size}", data)


def same(body, size):
    return len(body) == size and hashlib.sha256(body).digest() == DIGESTS[size]


@VERSION
@pytest.mark.parametrize("size", SIZES)
def test_body(site, size, version):
    assert same(tls_fetch(site.port, f"/{size}", made=context(version)).body, size)


@VERSION
@pytest.mark.parametrize("cipher", ["AES128-GCM-SHA256", "AES256-GCM-SHA384", "CHACHA20-POLY1305"])
def test_body_with_each_cipher(site, cipher, version):
    made = context(version, ciphers=f"ECDHE-ECDSA-{cipher}" if version == "1.2" else None)
    assert same(tls_fetch(site.port, "/5000003", made=made).body, 5_000_003)


@pytest.mark.parametrize("size", [1, 16385, 1 << 20])
def test_ssl_buffer_size(site, size):
    assert same(tls_fetch(site.ports[2], f"/{size}").body, size)


def test_head(site):
    with TlsClient(site.port) as client:
        for _ in range(3):
            answer = client.request("/1048576", method="HEAD")
            assert answer["Content-Length"] == "1048576" and client.buffer == b""


def test_keep_alive(site):
    with TlsClient(site.port) as client:
        for size in SIZES[:-1] * 3:
            assert same(client.request(f"/{size}").body, size)


@VERSION
def test_pipelining(site, version):
    with TlsClient(site.port, context(version)) as client:
        sizes = [100, 1 << 20, 0, 16384, 131073, 1, 262145] * 4
        client.send("".join(f"GET /{size} HTTP/1.1\r\nHost: a\r\n\r\n" for size in sizes))
        for size in sizes:
            assert same(client.response().body, size)


def test_requests_in_single_bytes(site):
    """Each byte is a record of its own."""
    with TlsClient(site.port) as client:
        for byte in b"GET /100 HTTP/1.1\r\nHost: a\r\n\r\n":
            client.send(bytes([byte]))
        assert same(client.response().body, 100)


def test_large_request_heads(site):
    with TlsClient(site.port) as client:
        for size in (1000, 7000, 1000):
            assert same(client.request("/100", "X: " + "x" * size).body, 100)
        assert client.request("/100", *["X: " + "x" * 7000] * 3).status == 200


@pytest.mark.parametrize("size", [5_000_003, 50 << 20])
def test_ranges(site, size):
    data, rng = BIG if size == len(BIG) else content(size), random.Random(3)
    with TlsClient(site.port) as client:
        for _ in range(25):
            first = rng.randrange(size)
            last = min(size - 1, first + rng.choice([0, 1, 1000, 16384, 300_000, 2_000_000]))
            answer = client.request(f"/{size}", f"Range: bytes={first}-{last}")
            assert answer.status == 206
            assert answer["Content-Range"] == f"bytes {first}-{last}/{size}"
            assert answer.body == data[first:last + 1]


def test_multipart_ranges(site):
    data = content(5_000_003)
    spans = [(0, 0), (1000, 200_000), (16384, 16384), (4_000_000, 4_999_999)]
    wanted = ",".join(f"{first}-{last}" for first, last in spans)
    with TlsClient(site.port) as client:
        for _ in range(2):
            answer = client.request("/5000003", f"Range: bytes={wanted}")
            boundary = re.fullmatch(r"multipart/byteranges; boundary=(\S+)",
                                    answer["Content-Type"])[1]
            parts = answer.body.split(f"\r\n--{boundary}".encode())
            assert parts[0] == b"" and parts[-1] == b"--\r\n" and len(parts) == len(spans) + 2
            for part, (first, last) in zip(parts[1:], spans):
                assert part.partition(b"\r\n\r\n")[2] == data[first:last + 1]


def test_memory_body(site):
    assert tls_fetch(site.port, "/memory").body == b"m" * 3000


# Slow and many clients.


@VERSION
def test_slow_reader(site, version):
    """A small window: every kind of partial send happens."""
    with TlsClient(site.port, context(version), rcvbuf=4096) as client:
        client.send("GET /5000003 HTTP/1.1\r\nHost: a\r\n\r\nGET /100 HTTP/1.1\r\nHost: a\r\n\r\n")
        head, digest, got = client.head(), hashlib.sha256(client.buffer), len(client.buffer)
        while got < 5_000_003:
            data = client.sock.recv(min(3001, 5_000_003 - got))
            digest.update(data)
            got += len(data)
            if got % 97 == 0:
                time.sleep(0.01)
        assert head.status == 200 and digest.digest() == DIGESTS[5_000_003]
        client.buffer = b""
        assert same(client.response().body, 100)


def test_reader_that_pauses(site):
    with TlsClient(site.port, rcvbuf=4096) as client:
        client.send(f"GET /{50 << 20} HTTP/1.1\r\nHost: a\r\n\r\n")
        client.head()
        rest = len(BIG) - len(client.buffer)
        parts = [client.buffer]
        client.buffer = b""
        time.sleep(1)
        parts.append(client._exactly(rest))
        assert same(b"".join(parts), len(BIG))


def test_reader_that_stops_is_dropped_after_send_timeout(site):
    with TlsClient(site.ports[4], rcvbuf=4096) as client:
        client.send(f"GET /{50 << 20} HTTP/1.1\r\nHost: a\r\n\r\n")
        client.head()
        site.wait_log(r"\[info\].*client timed out.*while sending response to client")


def test_limit_rate(site):
    start = time.monotonic()
    with TlsClient(site.port) as client:
        assert same(client.request("/slow/1048576").body, 1 << 20)
    assert 2 < time.monotonic() - start < seconds(8)


@VERSION
def test_many_connections(site, version):
    """They share what a worker keeps for all: nothing may be mixed up."""
    sizes = [size for size in SIZES if size <= 1 << 20]
    failures = []

    def run(number):
        rng = random.Random(number)
        try:
            with TlsClient(site.port, context(version), timeout=25) as client:
                for _ in range(12):
                    size = rng.choice(sizes)
                    if not same(client.request(f"/{size}").body, size):
                        failures.append(f"{number}: {size}")
        except Exception as error:  # every one is what the test counts
            failures.append(f"{number}: {error!r}")

    threads = [threading.Thread(target=run, args=(number,)) for number in range(60)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(seconds(25))
    assert not failures, failures[:5]


def test_idle_connections_then_requests(site):
    clients = [TlsClient(site.port) for _ in range(100)]
    for client in clients:
        assert same(client.request("/100").body, 100)
    time.sleep(0.3)
    for client in reversed(clients):
        assert same(client.request("/16385").body, 16385)
        client.close()


# Clients that vanish.


def abort(client, how):
    if how == "reset":
        raw = socket.socket(fileno=client.sock.detach())
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        raw.close()
    elif how == "fin":
        client.vanish()
    else:
        client.close()


@VERSION
@pytest.mark.parametrize("how", ["reset", "fin", "close"])
def test_abort_in_the_middle(site, how, version):
    check = StatusLeak(site, site.ports[1])
    made = context(version)
    for number in range(40):
        client = TlsClient(site.port, made, rcvbuf=4096)
        client.send(f"GET /{50 << 20} HTTP/1.1\r\nHost: a\r\n\r\n" * (1 + number % 2))
        if number % 3:
            client.sock.recv([1, 5000, 200_000][number % 3])
        abort(client, how)
    check.settle()
    assert same(tls_fetch(site.port, "/1048577").body, (1 << 20) + 1)


@VERSION
def test_abort_when_idle(site, version):
    check = StatusLeak(site, site.ports[1])
    for number in range(40):
        client = TlsClient(site.port, context(version))
        if number % 2:
            client.request("/100")
        abort(client, ("reset", "fin", "close")[number % 3])
    check.settle()


def test_close_notify_in_mid_transfer(site):
    """The client has said that it sends no more; what it does with ours is its business."""
    check = StatusLeak(site, site.ports[1])
    for _ in range(10):
        client = TlsClient(site.port, rcvbuf=4096)
        client.send(f"GET /{50 << 20} HTTP/1.1\r\nHost: a\r\n\r\n")
        client.head()
        client.sock.settimeout(0.05)
        try:
            client.sock.unwrap()
        except OSError:
            pass
        client.close()
    check.settle()


def test_resident_memory_does_not_grow(site):
    for round_ in range(3):
        for _ in range(60):
            client = TlsClient(site.port, rcvbuf=4096)
            client.send("GET /5000003 HTTP/1.1\r\nHost: a\r\n\r\n")
            client.sock.recv(1000)
            abort(client, "reset")
        if round_ == 0:
            before = site.resident()
    assert site.resident() < before * 1.3 + 4096


@pytest.mark.parametrize("data", [b"GET / HTTP/1.1\r\n", b"\x17\x03\x03\x00\x20" + b"x" * 32,
                                  b"\x15\x03\x03\x00\x02\x02\x28", b"\x16\x03\x03\xff\xff",
                                  b"\x14\x03\x03\x00\x01\x01" * 50])
@VERSION
def test_garbage_in_an_established_connection(site, data, version):
    check = StatusLeak(site, site.ports[1])
    client = TlsClient(site.port, context(version))
    client.request("/100")
    raw = socket.socket(fileno=client.sock.detach())
    raw.settimeout(seconds(5))
    raw.sendall(data)
    raw.shutdown(socket.SHUT_WR)
    while raw.recv(65536):
        pass
    raw.close()
    check.settle()


def test_file_truncated_in_mid_transfer(site):
    """The promise of Content-Length cannot be kept: the connection ends, others go on."""
    site.write("html/shrinks", BIG)
    with TlsClient(site.port, rcvbuf=4096) as client:
        client.send("GET /shrinks HTTP/1.1\r\nHost: a\r\n\r\n")
        client.head()
        with open(site.path("html/shrinks"), "r+b") as file:
            file.truncate(1 << 20)
        with pytest.raises((EOFError, OSError)):
            client._exactly(len(BIG))
    assert same(tls_fetch(site.port, "/100").body, 100)
    site.wait_log(r"\[alert\].*(truncated|pread|sendfile)")


# Records that are not data, after the handshake.


REQUEST = "GET /100 HTTP/1.1\r\nHost: a\r\n\r\n"


@pytest.mark.parametrize("letter", ["k", "K"])
def test_key_update(site, letter):
    """k: the client's keys alone; K: and it wants the same of the server."""
    with Interactive(site.port, "-tls1_3", "-crlf") as client:
        client.wait_for(b"Verify return code")
        for count in range(1, 4):
            client.send("GET /memory HTTP/1.1\nHost: a\n\n")
            client.wait_for(rb"(HTTP/1.1 200 OK.*m{3000}.*){%d}" % count)
            client.send(f"{letter}\n")
            client.wait_for(rb"(KEYUPDATE.*){%d}" % count)
        client.send("GET /memory HTTP/1.1\nHost: a\nConnection: close\n\n")
        client.wait_for(b"(HTTP/1.1 200 OK.*m{3000}.*){4}")
        assert client.wait_end()


def bodies(output):
    """What came behind the heads, without the words that s_client says in between."""
    output = re.sub(rb"KEYUPDATE\n|read R BLOCK\n", b"", output)
    return output.partition(b"Accept-Ranges: bytes\r\n\r\n")[2]


@pytest.mark.parametrize("letter", ["k", "K"])
def test_key_update_in_mid_transfer(site, letter):
    """Data of the old and of the new key follow each other in one body."""
    with Interactive(site.port, "-tls1_3", "-crlf") as client:
        client.wait_for(b"Verify return code")
        client.send("GET /slow/1048576 HTTP/1.1\nHost: a\n\n")
        client.wait_for(b"Content-Length: 1048576")
        for count in range(1, 5):
            # s_client takes a line for a command only when it reads it by itself.
            client.send(f"{letter}\n")
            client.wait_for(rb"(KEYUPDATE.*){%d}" % count)
        client.send("GET /memory HTTP/1.1\nHost: a\nConnection: close\n\n")
        output = client.wait_end(15)
    assert output.count(b"KEYUPDATE") >= 3  # s_client may take two letters together
    assert content(1 << 20) in bodies(output) and b"m" * 3000 in output


def test_key_update_behind_the_last_request_loses_nothing(site):
    """The server knows that it will close: what still comes must not turn that into a reset."""
    with Interactive(site.port, "-tls1_3", "-crlf") as client:
        client.wait_for(b"Verify return code")
        client.send("GET /slow/1048576 HTTP/1.1\nHost: a\nConnection: close\n\n")
        client.wait_for(b"Content-Length: 1048576")
        client.send("k\n")
        output = client.wait_end(15)
    assert content(1 << 20) in bodies(output)


def test_renegotiation_is_refused(site):
    with Interactive(site.port, "-tls1_2", "-crlf") as client:
        client.wait_for(b"Verify return code")
        client.send("R\n")
        output = client.wait_end()
    assert b"RENEGOTIATING" in output and b"no renegotiation" in output
    assert same(tls_fetch(site.port, "/100").body, 100)


# Early data (RFC 8446, 2.3; RFC 8470).


def early(site, text):
    """Sends it as early data of a resumed session."""
    with tempfile.TemporaryDirectory() as folder:
        session, data = Path(folder, "session"), Path(folder, "data")
        s_client(site.ports[3], "-tls1_3", "-sess_out", session)
        data.write_text(text)
        return s_client(site.ports[3], "-tls1_3", "-sess_in", session, "-early_data", data,
                        request="")


def test_early_get(site):
    probe = early(site, "GET /early HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
    assert "Early data was accepted" in probe.text
    assert probe.body == "<1>"


@pytest.mark.millrace_only
@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE"])
def test_early_unsafe_methods_are_425(site, method):
    """They could be replayed. nginx leaves it to the application."""
    probe = early(site, f"{method} /early HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n"
                        "Connection: close\r\n\r\n")
    assert "HTTP/1.1 425 " in probe.text


def test_request_after_the_handshake_is_not_early(site):
    assert s_client(site.ports[3], path="/early").body == "<>"


def test_early_data_where_it_is_off(site):
    with tempfile.TemporaryDirectory() as folder:
        session = Path(folder, "session")
        s_client(site.port, "-tls1_3", "-sess_out", session)
        text = tls_files.openssl("/", "sess_id", "-in", session, "-noout", "-text").decode()
        assert "Max Early Data: 0" in text


def test_file_as_answer_to_early_data(site):
    probe = early(site, "GET /16385 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
    assert "Early data was accepted" in probe.text and "HTTP/1.1 200 OK" in probe.text


# Certificates anew, and the log.


def reload_http(name):
    return f"ssl_protocols TLSv1.2 TLSv1.3; {certificate(name)} " \
           "server { listen 127.0.0.1:@PORT@ ssl; root @PREFIX@/html; }"


def replace(server, name, data):
    """A file of another second: as in nginx, one of the same second passes for unchanged."""
    path = server.write(name, data)
    os.utime(path, (time.time() + 5, time.time() + 5))


def peer(server):
    with TlsClient(server.port) as client:
        return client.peer


def test_new_certificate_on_reload(launch):
    files = tls_files.pki()
    server = launch(http=reload_http("x"), files={**files, "x.pem": files["ec.pem"],
                                                  "x.key": files["ec.key"]})
    assert peer(server) == "localhost"
    replace(server, "x.pem", files["new.pem"])
    replace(server, "x.key", files["new.key"])
    assert peer(server) == "localhost", "not before the reload"
    server.reload(http=reload_http("x"))
    assert peer(server) == "new.example.com"


@pytest.mark.parametrize("broken,message", [
    ({"x.pem": b"nonsense"}, r'cannot load certificate "\S+/x.pem": PEM_read_bio_X509_AUX\(\)'),
    ({"x.key": "new.key"}, r'SSL_CTX_use_PrivateKey\("\S+/x.key"\) failed'),
    ({"x.pem": None}, r'cannot load certificate "\S+/x.pem": BIO_new_file\(\) failed')])
def test_broken_certificate_on_reload_keeps_the_old(launch, broken, message):
    files = tls_files.pki()
    server = launch(http=reload_http("x"), allow="x.pem|x.key",
                    files={**files, "x.pem": files["ec.pem"], "x.key": files["ec.key"]})
    before = server.children()
    for name, new in broken.items():
        if new is None:
            server.path(name).unlink()
        else:
            replace(server, name, files[new] if isinstance(new, str) else new)
    server.signal(signal.SIGHUP)
    server.wait_log(r"\[emerg\].*" + message)
    assert peer(server) == "localhost" and server.children() == before


def test_transfer_survives_a_reload(launch):
    files = tls_files.pki()
    server = launch(http=reload_http("ec"), files={**files, "html/big": BIG})
    with TlsClient(server.port, rcvbuf=4096) as client:
        client.send("GET /big HTTP/1.1\r\nHost: a\r\n\r\n")
        client.head()
        server.configure(http=reload_http("new"))
        server.signal(signal.SIGHUP)
        assert eventually(lambda: peer(server) == "new.example.com")
        assert client._exactly(len(BIG)) == BIG


def test_log_variables(site):
    tls_fetch(site.port, "/4095", made=context("1.2"))
    site.log_line(r"^/4095 200 4095 TLSv1.2 ECDHE-ECDSA-\S+$")
    tls_fetch(site.port, "/4096", made=context("1.3"))
    site.log_line(r"^/4096 200 4096 TLSv1.3 TLS_\S+$")


@pytest.mark.millrace_only
def test_transport_variable(launch):
    """Userspace, unless this machine's kernel has TLS."""
    server = launch(http=f"""{certificate("ec")} log_format t "<$tls_transport>";
        server {{ listen 127.0.0.1:@PORT@ ssl; ssl_conf_command Options -KTLS;
                  access_log 0.log t; return 200 x; }}
        server {{ listen 127.0.0.1:@PORT1@ ssl; access_log 1.log t; return 200 x; }}
        server {{ listen 127.0.0.1:@PORT2@; access_log 2.log t; return 200 x; }}""",
                    files=tls_files.pki())
    tls_fetch(server.port, "/")
    tls_fetch(server.ports[1], "/")
    server.fetch("/", port=server.ports[2])
    kernel = "tls" in Path("/proc/sys/net/ipv4/tcp_available_ulp").read_text().split()
    assert server.log_line(name="0.log") == "<userspace>"
    server.log_line("^<kernel(-send)?>$" if kernel else "^<userspace>$", name="1.log")
    assert server.log_line(name="2.log") == "<->"


def test_session_resumption_then_transfer(site):
    made = context("1.3")
    session = visit_raw(site.port, made)[1]
    with TlsClient(site.port, made, session=session) as client:
        assert client.sock.session_reused
        assert same(client.request("/1048577").body, (1 << 20) + 1)


def test_peer_that_speaks_first_and_reads_last(site):
    """Both directions full at once: neither side may wait for the other for ever."""
    with TlsClient(site.port, timeout=25) as client:
        request = f"GET /131073 HTTP/1.1\r\nHost: a\r\nX: {'x' * 3000}\r\n\r\n".encode()
        sender = threading.Thread(target=client.sock.sendall, args=(request * 40,))
        sender.start()
        time.sleep(0.5)
        for _ in range(40):
            assert same(client.response().body, 131073)
        sender.join(seconds(10))
