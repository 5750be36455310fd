# SPDX-License-Identifier: Apache-2.0
"""The clients that people use: curl, nghttp, h2load; in the clear and over TLS, and what is
agreed there: ALPN, SNI, versions, and records that are full."""

import re
import shutil
import ssl
import subprocess

import pytest

import tls_files
from h2client import (END_STREAM, FRAME_SIZE, HEADERS, NO_ERROR, WINDOW, H2Client, h2_context,
                      http2)
from settings import seconds
from tls_files import certificate
from tls_wire import TlsClient, context, tls_fetch
from wire import fetch

SIZES = (0, 1, 16384, 100_000, 3_000_000)
HTTP = f"""
    {certificate("ec")} ssl_protocols TLSv1.2 TLSv1.3;
    keepalive_requests 1000000;
    lingering_timeout 1s;
    server {{ {http2(options="ssl")} server_name localhost; root @PREFIX@/html;
              location = /v {{ return 200 "$http2|$scheme|$https|$ssl_protocol|$server_protocol"; }}
              location /upload {{ client_max_body_size 0; return 200 taken; }} }}
    server {{ {http2("@PORT1@")} server_name localhost; root @PREFIX@/html;
              location /upload {{ client_max_body_size 0; return 200 taken; }} }}
    server {{ listen 127.0.0.1:@PORT2@; listen 127.0.0.1:@PORT3@ ssl; root @PREFIX@/html;
              location = /v {{ return 200 "$http2|$server_protocol"; }} }}
    server {{ {http2("@PORT4@", "ssl")} root @PREFIX@/html; keepalive_requests 1; }}
"""
PORTS = 5
FILES = {f"html/{size}": bytes(i * 31 % 251 for i in range(size)) for size in SIZES}
FILES["html/f.txt"] = "file"
VERSION = pytest.mark.parametrize("version", ["1.2", "1.3"])
SECURE = pytest.mark.parametrize("secure", [False, True], ids=["clear", "TLS"])


def SETUP(server):
    tls_files.install(server)


def url(site, secure, path):
    return f"https://localhost:{site.port}{path}" if secure else \
        f"http://localhost:{site.ports[1]}{path}"


def run(*command, data=None):
    if not shutil.which(command[0]):
        pytest.skip(f"no {command[0]} here")
    done = subprocess.run(command, capture_output=True, input=data, timeout=seconds(25))
    assert done.returncode == 0, (done.stdout[-1000:], done.stderr[-1000:])
    return done.stdout


def curl(site, secure, *args, version="--http2-prior-knowledge", data=None):
    return run("curl", "-s", "-S", "-m", "20", "--ipv4",
               *([] if not secure else ["--cacert", str(site.path("ca.pem"))]),
               "--http2" if secure else version, *args, data=data)


# curl.

@SECURE
def test_curl(site, secure):
    for size in SIZES:
        body = curl(site, secure, "-w", "%{http_version}", url(site, secure, f"/{size}"))
        assert body == FILES[f"html/{size}"] + b"2"


def test_curl_with_many_at_once(site):
    """Over TLS: curl 7.88 cannot do it with prior knowledge."""
    args = [word for size in SIZES * 6
            for word in ("-o", "/dev/null", url(site, True, f"/{size}"))]
    said = curl(site, True, "--parallel", "-w",
                "%{http_version} %{http_code} %{size_download}\n", *args).decode().split("\n")
    assert sorted(said[:-1]) == sorted(f"2 200 {size}" for size in SIZES * 6)


@SECURE
def test_curl_ranges_conditions_and_heads(site, secure):
    where = url(site, secure, "/100000")
    expected = FILES["html/100000"]
    assert curl(site, secure, "-r", "500-1499", where) == expected[500:1500]
    head = curl(site, secure, "-I", where).decode()
    assert head.startswith("HTTP/2 200") and "content-length: 100000" in head
    etag = re.search(r'etag: (".*?")', head)[1]
    assert curl(site, secure, "-o", "/dev/null", "-w", "%{http_code}", "-H",
                f"If-None-Match: {etag}", where) == b"304"


@pytest.mark.millrace_only
@SECURE
def test_curl_uploads(site, secure):
    """curl 7.88 takes nginx's RST_STREAM(NO_ERROR) for an error: the body must be taken whole."""
    where = url(site, secure, "/upload")
    assert curl(site, secure, "--data-binary", "@-", where, data=b"x" * 200_000) == b"taken"
    assert curl(site, secure, "-T", "-", "-H", "Expect:", where, data=b"x" * 2_000_000) == b"taken"


@pytest.mark.nginx_since("1.25.1", "either protocol on a port is new")
def test_curl_that_offers_an_upgrade_stays_with_http_1(site):
    where = url(site, False, "/f.txt")
    assert curl(site, False, "-w", "%{http_version}", where, version="--http2") == b"file1.1"


# nghttp and h2load.

@SECURE
def test_nghttp(site, secure):
    out = run("nghttp", "-nv", "--no-dep", *[url(site, secure, f"/{size}") for size in SIZES])
    text = out.decode(errors="replace")
    assert len(re.findall(r":status: 200", text)) == len(SIZES)
    assert "GOAWAY" in text and "PROTOCOL_ERROR" not in text


@SECURE
def test_nghttp_with_small_windows_and_frames(site, secure):
    """2^14 for the streams and 2^15 for the connection; padding; a body that is sent."""
    out = run("nghttp", "-w", "14", "-W", "15", "-b", "100",
              url(site, secure, "/3000000"))
    assert out == FILES["html/3000000"]
    out = run("nghttp", "-d", "/etc/services", "-b", "50", url(site, secure, "/upload"))
    assert out == b"taken"


def h2load(*args):
    text = run("h2load", *args).decode()
    found = re.search(r"requests: (\d+) total, \d+ started, (\d+) done, (\d+) succeeded, (\d+) "
                      r"failed, (\d+) errored, (\d+) timeout", text)
    codes = re.search(r"status codes: (\d+) 2xx", text)
    return [int(found[n]) for n in range(1, 7)], int(codes[1])


@SECURE
@pytest.mark.parametrize("size,count", [(1, 4000), (16384, 2000), (3_000_000, 60)])
def test_h2load_with_100_streams(site, secure, size, count):
    got = h2load("-n", str(count), "-c", "2", "-m", "100", url(site, secure, f"/{size}"))
    assert got == ([count, count, count, 0, 0, 0], count)


def test_h2load_with_small_windows(site):
    got = h2load("-n", "60", "-c", "3", "-m", "20", "-w", "12", "-W", "14",
                 url(site, False, "/100000"))
    assert got == ([60, 60, 60, 0, 0, 0], 60)


def test_h2load_with_many_connections(site):
    got = h2load("-n", "2000", "-c", "100", "-m", "10", url(site, False, "/1"))
    assert got == ([2000, 2000, 2000, 0, 0, 0], 2000)


# TLS.

@VERSION
@pytest.mark.parametrize("size", SIZES)
def test_body_over_tls(site, version, size):
    with H2Client(site.port, h2_context(version=version)) as client:
        assert client.request(f"/{size}").body == FILES[f"html/{size}"]


@VERSION
def test_variables_over_tls(site, version):
    with H2Client(site.port, h2_context(version=version)) as client:
        assert client.request("/v").body == \
            f"h2|https|on|TLSv{version}|HTTP/2.0".encode()


def chosen(port, *protocols, name="localhost"):
    with TlsClient(port, context(alpn=list(protocols) or None), name) as client:
        return client.sock.selected_alpn_protocol()


def test_alpn(site):
    assert chosen(site.port, "h2") == chosen(site.port, "h2", "http/1.1") == "h2"
    assert chosen(site.port, "http/1.1", "h2") == "h2", "the server's order, as nginx"
    assert chosen(site.port, "http/1.1") == "http/1.1"
    assert chosen(site.port) is None
    assert chosen(site.ports[3], "h2", "http/1.1") == "http/1.1"


def test_http_1_over_tls_beside_it(site):
    for made in (context(), context(alpn=["http/1.1"])):
        answer = tls_fetch(site.port, "/v", made=made)
        assert answer.version == "1.1" and answer.body.startswith(b"|https|on|")
    assert tls_fetch(site.ports[3], "/v").body == fetch(site.ports[2], "/v").body == b"|HTTP/1.1"


def test_preface_without_alpn_is_not_believed(site):
    """Over TLS the protocol is what ALPN says."""
    with TlsClient(site.port, context(alpn=["http/1.1"])) as client:
        client.send("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
        assert b" 400 " in client.rest().split(b"\r\n")[0]


@pytest.mark.nginx_since("1.25.1", "http2 is not a directive of older ones")
def test_http2_of_servers_of_one_address(launch):
    """As nginx: the server that SNI names offers it or not; :authority may name another."""
    text = "".join(f"server {{ listen 127.0.0.1:@PORT@ ssl; server_name {name}; {certificate('ec')}"
                   f" http2 {value}; return 200 {name}; }}"
                   for name, value in (("localhost", "on"), ("with", "on"), ("without", "off")))
    server = launch(http=text, files=tls_files.pki())
    assert chosen(server.port, "h2", "http/1.1", name="with") == "h2"
    assert chosen(server.port, "h2", "http/1.1", name="without") == "http/1.1"
    with H2Client(server.port, h2_context()) as client:
        assert client.request("/", authority="with").body == b"with"
        assert client.request("/", authority="without").status == 421
        assert client.request("/", authority="localhost").body == b"localhost"


@VERSION
def test_end_is_said_over_tls(site, version):
    """The answer, GOAWAY, close_notify; without the last the client raises SSLEOFError."""
    with H2Client(site.ports[4], h2_context(version=version)) as client:
        assert client.request("/100000").body == FILES["html/100000"]
        assert client.end() == NO_ERROR


@VERSION
def test_many_streams_over_tls(site, version):
    with H2Client(site.port, h2_context(version=version), settings={WINDOW: 1000}) as client:
        numbers = {client.start(f"/{size}"): size for size in SIZES * 16}
        for number, size in numbers.items():
            client.got(number, min(1000, size))
        client.settings({WINDOW: 1 << 30})
        for number, size in numbers.items():
            assert client.response(number).body == FILES[f"html/{size}"]


class Records:
    """TLS over a socket by hand, to see how long the records are that the server makes."""

    def __init__(self, sock, made):
        self.sock, self.sizes, self.raw = sock, [], b""
        self.incoming, self.outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls = made.wrap_bio(self.incoming, self.outgoing, server_hostname="localhost")
        self._until(self.tls.do_handshake)
        self.settimeout, self.close = sock.settimeout, sock.close

    def _until(self, step):
        while True:
            try:
                value = step()
                self.sock.sendall(self.outgoing.read())
                return value
            except ssl.SSLWantReadError:
                self.sock.sendall(self.outgoing.read())
                data = self.sock.recv(65536)
                self._count(data)
                self.incoming.write(data) if data else self.incoming.write_eof()

    def _count(self, data):
        self.raw += data
        while len(self.raw) >= 5 and len(self.raw) >= 5 + int.from_bytes(self.raw[3:5], "big"):
            size = int.from_bytes(self.raw[3:5], "big")
            if self.raw[0] == 23:
                self.sizes.append(size)
            self.raw = self.raw[5 + size:]

    def recv(self, size):
        try:
            return self._until(lambda: self.tls.read(size))
        except ssl.SSLEOFError:
            return b""

    def sendall(self, data):
        self.tls.write(data)
        self.sock.sendall(self.outgoing.read())


@pytest.mark.millrace_only
@VERSION
@pytest.mark.parametrize("settings", [{}, {FRAME_SIZE: 65536}], ids=["16 KiB", "64 KiB"])
def test_records_are_full(site, version, settings):
    """Headers of frames and file data share records: nothing small between large ones."""
    made = h2_context(version=version)
    with H2Client(site.port, sock=lambda sock: Records(sock, made),
                  settings={WINDOW: 1 << 30, **settings}) as client:
        assert client.request("/f.txt").body == b"file"
        before = len(client.sock.sizes)
        assert client.request("/3000000").body == FILES["html/3000000"]
        sizes = client.sock.sizes[before:]
    small = [size for size in sizes if size < 16384]
    assert len(sizes) <= 3_000_000 / 16384 * 1.05 + 4 and len(small) <= len(sizes) / 20 + 4, sizes


def test_early_end_of_a_tls_client_is_survived(site):
    for _ in range(10):
        client = H2Client(site.port, h2_context(), settings={WINDOW: 100})
        client.start("/3000000")
        client.wire.vanish()
    with H2Client(site.port, h2_context()) as client:
        assert client.request("/f.txt").body == b"file"


def test_preface_in_pieces_over_tls(site):
    with H2Client(site.port, h2_context(), begin=False) as client:
        block = client.encoder.encode(client.fields("/f.txt"))
        client.asked.append({})
        data = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\0\0\0\4\0\0\0\0\0" + \
            len(block).to_bytes(3, "big") + bytes([HEADERS, END_STREAM | 4]) + b"\0\0\0\1" + block
        client.open()
        for byte in data:
            client.send(bytes([byte]))
        assert client.response(1).body == b"file"
        assert not client.goaways or client.goaways[-1][1] == NO_ERROR
