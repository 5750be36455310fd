# SPDX-License-Identifier: Apache-2.0
"""Bodies over kernel TLS: versions and ciphers, sizes, ranges, pipelining, slow readers."""

import re
import ssl
import time

import pytest

import ktls
from ktls import KIB, MIB, connect, content, get, kernel_connections, which
from settings import seconds

SIZES = (0, 1, KIB, 10 * KIB, 128 * KIB - 1, 128 * KIB, 128 * KIB + 1, MIB)
LARGE = 20 * MIB
PORTS = 5
SUITES = ("TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384", "TLS_CHACHA20_POLY1305_SHA256")


def server_for(number, suite):
    return f"""server {{ listen 127.0.0.1:@PORT{number}@ ssl; root @PREFIX@/html; {ktls.WHICH}
                         ssl_conf_command Ciphersuites {suite};
                         access_log access.log t;
                         location /slow/ {{ limit_rate 300k; alias @PREFIX@/html/; }}
                         location = /memory {{ return 200 "{'m' * 3000}"; }} }}"""


HTTP = ktls.HTTP + """
    log_format t "$uri $status $body_bytes_sent $tls_transport $ssl_protocol";
    """ + "".join(server_for(number, suite) for number, suite in enumerate(SUITES)) + """
    server { listen 127.0.0.1:@PORT4@ ssl; root @PREFIX@/html; sendfile_max_chunk 20k;
             ssl_conf_command Ciphersuites TLS_AES_128_GCM_SHA256; }
"""
ALLOW = "shrinks|truncated while"
VERSION = pytest.mark.parametrize("version", ["1.2", "1.3"])


def SETUP(server):
    ktls.install(server, SIZES + (LARGE,))


def check_sizes(client, sizes):
    for size in sizes:
        assert client.request(f"/{size}").body == content(size), size


@pytest.mark.parametrize("number", range(len(SUITES)), ids=SUITES)
def test_tls_1_3_cipher_in_both_directions(site, number):
    with kernel_connections(1), connect(site.ports[number], "1.3") as client:
        assert which(client) == ["kernel", "TLSv1.3", SUITES[number]]
        check_sizes(client, SIZES)


@pytest.mark.parametrize("name", ["AES128-GCM-SHA256", "AES256-GCM-SHA384", "CHACHA20-POLY1305"])
def test_tls_1_2_cipher_in_both_directions(site, name):
    made = ktls.context("1.2", f"ECDHE-ECDSA-{name}")
    with kernel_connections(1), connect(site.port, made=made) as client:
        assert which(client) == ["kernel", "TLSv1.2", f"ECDHE-ECDSA-{name}"]
        check_sizes(client, SIZES)


def test_large_body(site):
    with kernel_connections(1), connect(site.port, "1.3", timeout=25) as client:
        assert client.request(f"/{LARGE}").body == content(LARGE)
    line = site.log_line(rf"^/{LARGE} ")
    assert line == f"/{LARGE} 200 {LARGE} kernel TLSv1.3"


def test_head_has_no_body(site):
    with connect(site.port, "1.3") as client:
        for _ in range(3):
            answer = client.request(f"/{MIB}", method="HEAD")
            assert answer["Content-Length"] == str(MIB) and client.buffer == b""


@VERSION
def test_ranges(site, version):
    data = content(MIB)
    with kernel_connections(1), connect(site.port, version) as client:
        for first, last in [(0, 0), (1, 16384), (16383, 16384), (MIB - 1, MIB - 1),
                            (100_000, 100_000 + 128 * KIB), (4096, MIB - 2)]:
            answer = client.request(f"/{MIB}", f"Range: bytes={first}-{last}")
            assert answer.status == 206 and answer.body == data[first:last + 1], (first, last)


def test_multipart_ranges(site):
    """Memory and file follow each other in one body, MSG_MORE between them."""
    data, spans = content(MIB), [(0, 0), (1000, 200_000), (16384, 16384), (400_000, 1_000_000)]
    wanted = ",".join(f"{first}-{last}" for first, last in spans)
    with kernel_connections(1), connect(site.port, "1.3") as client:
        for _ in range(2):
            answer = client.request(f"/{MIB}", f"Range: bytes={wanted}")
            boundary = re.search(r"boundary=(\S+)", answer["Content-Type"])[1]
            parts = answer.body.split(f"\r\n--{boundary}".encode())
            bodies = [part.partition(b"\r\n\r\n")[2] for part in parts[1:-1]]
            assert bodies == [data[first:last + 1] for first, last in spans]


@VERSION
def test_pipelining(site, version):
    sizes = [KIB, MIB, 0, 10 * KIB, 128 * KIB + 1, 1, 128 * KIB - 1] * 2
    with kernel_connections(1), connect(site.port, version) as client:
        client.send("".join(map(get, sizes)) + get("memory"))
        for size in sizes:
            assert client.response().body == content(size), size
        assert client.response().body == b"m" * 3000


def test_request_in_records_of_one_byte(site):
    with kernel_connections(1), connect(site.port, "1.3") as client:
        for byte in get(KIB).encode():
            client.send(bytes([byte]))
        assert client.response().body == content(KIB)


def read_slowly(client, step):
    """One response, in small reads with pauses: the server meets a full socket many times."""
    head, got = client.head(), client.buffer
    client.buffer = b""
    wanted = int(head["Content-Length"])
    while len(got) < wanted:
        got += client.sock.recv(min(step, wanted - len(got)))
        time.sleep(0.002)
    return got


@VERSION
def test_slow_reader_with_a_small_window(site, version):
    with kernel_connections(1), connect(site.port, version, rcvbuf=4096) as client:
        client.send(get(MIB) + get(KIB) + get(128 * KIB))
        assert read_slowly(client, 7001) == content(MIB)
        assert client.response().body == content(KIB)
        assert read_slowly(client, 5001) == content(128 * KIB)


def test_slow_reader_with_small_chunks(site):
    """sendfile_max_chunk ends each turn amid a record, which must stay open or be finished."""
    with kernel_connections(1), connect(site.ports[4], "1.3", rcvbuf=8192) as client:
        client.send(get(MIB))
        assert read_slowly(client, 9001) == content(MIB)


def test_reader_that_pauses(site):
    with kernel_connections(1), connect(site.port, "1.3", rcvbuf=4096) as client:
        client.send(get(MIB))
        client.head()
        time.sleep(0.5)
        assert client._exactly(MIB) == content(MIB)


def test_limit_rate(site):
    start = time.monotonic()
    with kernel_connections(1), connect(site.port, "1.3") as client:
        assert client.request(f"/slow/{MIB}").body == content(MIB)
    assert 2 < time.monotonic() - start < seconds(8)


def test_truncated_file_ends_the_connection_without_close_notify(site):
    """What was promised cannot be kept, and a clean end would say that it was."""
    site.write("html/shrinks", content(LARGE))
    with kernel_connections(1), connect(site.port, "1.3", rcvbuf=4096) as client:
        client.send(get("shrinks"))
        client.head()
        with open(site.path("html/shrinks"), "r+b") as file:
            file.truncate(MIB)
        with pytest.raises((ssl.SSLEOFError, ConnectionResetError)):
            client.rest()
    site.wait_log(r"\[alert\].*truncated")
    with connect(site.port) as client:
        assert client.request(f"/{KIB}").body == content(KIB)
