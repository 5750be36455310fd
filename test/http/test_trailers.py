# SPDX-License-Identifier: Apache-2.0
"""add_trailer over HTTP/1.1: when there are trailers, and the chunked body that carries them."""

import hashlib
import random
import time

import pytest

import tls_files
from tls_files import certificate
from tls_wire import TlsClient, context, tls_fetch
from wire import Client, raw

SIZES = (0, 1, 15, 16, 4096, 16384, 131071, 131072, 131073, 1 << 20, 20 << 20)
PLACES = f"""
    root @PREFIX@/html;
    add_trailer X-Var $uri;
    add_trailer X-Always "$status" always;
    add_trailer X-Empty "";
    location / {{ }}
    location = /memory {{ return 200 memory; }}
    location = /nothing {{ return 200 ""; }}
    location = /204 {{ return 204; }}
    location = /moved {{ return 302 /there; }}
    location = /denied {{ deny all; }}
    location = /own {{ add_trailer X-Own 1; return 200 own; }}
    location = /off {{ chunked_transfer_encoding off; return 200 off; }}
    location = /if {{ if ($arg_a) {{ add_trailer X-Arg $arg_a; return 200 if; }} return 200 else; }}
    location = /sent {{
        add_header X-Header h;
        add_trailer X-A 1;
        add_trailer X-A 2;
        add_trailer X-B "$sent_trailer_x_a";
        add_trailer X-C "$sent_http_x_header $sent_http_transfer_encoding";
        add_trailer X-D "<$sent_http_content_length>";
        return 200 sent;
    }}
    location = /gzip.txt {{ gzip on; gzip_types *; gzip_min_length 1; }}
    location /page/ {{ error_page 404 /memory; }}
"""
HTTP = f"""
    default_type text/plain; ssl_protocols TLSv1.2 TLSv1.3;
    log_format t "$uri $status $body_bytes_sent $sent_trailer_x_var";
    server {{ listen 127.0.0.1:@PORT@; access_log access.log t; {PLACES} }}
    server {{ listen 127.0.0.1:@PORT1@ ssl; {certificate("ec")} {PLACES} }}
"""


def content(size):
    return random.Random(size).randbytes(size)


def SETUP(server):
    tls_files.install(server)
    server.write("html/gzip.txt", "compressible " * 100)
    for size in SIZES:
        server.write(f"html/{size}", content(size))


def get(site, path, *headers, **options):
    """On a connection that has to be good for a second request."""
    with Client(site.port) as client:
        answer = client.request(path, *headers, trailers=True, **options)
        assert client.request("/off").body == b"off"
        return answer


def both(path, status=200):
    return [("X-Var", path), ("X-Always", str(status))]


@pytest.mark.parametrize("size", SIZES)
def test_files_of_each_size(site, size):
    answer = get(site, f"/{size}")
    assert answer["Transfer-Encoding"] == "chunked" and "Content-Length" not in answer
    assert answer.body == content(size)
    assert answer.trailers == both(f"/{size}")


@pytest.mark.parametrize("version", ["1.2", "1.3"])
@pytest.mark.parametrize("size", SIZES)
def test_files_of_each_size_over_tls(site, size, version):
    answer = tls_fetch(site.ports[1], f"/{size}", made=context(version), trailers=True)
    assert answer.body == content(size) and answer.trailers == both(f"/{size}")


def test_a_slow_reader_gets_the_whole_body_and_the_trailers(site):
    with Client(site.port, rcvbuf=8192) as client:
        client.send("GET /20971520 HTTP/1.1\r\nHost: a\r\n\r\n")
        time.sleep(0.3)
        answer = client.response(trailers=True)
    assert hashlib.sha256(answer.body).digest() == hashlib.sha256(content(20 << 20)).digest()
    assert answer.trailers == both("/20971520")


def test_the_bytes_on_the_wire(site):
    data = raw(site.port, "GET /memory HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
    assert data.endswith(b"\r\n\r\n6\r\nmemory\r\n0\r\nX-Var: /memory\r\nX-Always: 200\r\n\r\n")
    data = raw(site.port, "GET /nothing HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
    assert data.endswith(b"\r\n\r\n0\r\nX-Var: /nothing\r\nX-Always: 200\r\n\r\n")


def test_the_header_stands_where_nginx_has_it(site):
    names = [name for name, _ in get(site, "/16").headers]
    assert names == ["Server", "Date", "Content-Type", "Last-Modified", "Transfer-Encoding",
                     "Connection", "ETag", "Accept-Ranges"]


def test_pipelined_answers_stay_apart(site):
    with Client(site.port) as client:
        client.send("".join(f"GET /{path} HTTP/1.1\r\nHost: a\r\n\r\n"
                            for path in ("131073", "nothing", "16", "memory", "131073")))
        answers = [client.response(trailers=True) for _ in range(5)]
    assert [len(answer.body) for answer in answers] == [131073, 0, 16, 6, 131073]
    assert all(len(answer.trailers) == 2 for answer in answers)


@pytest.mark.parametrize("path,status", [("/none", 404), ("/denied", 403)])
def test_errors_have_the_always_ones_alone(site, path, status):
    answer = get(site, path)
    assert answer.status == status and answer.trailers == [("X-Always", str(status))]


def test_a_redirect_has_all(site):
    assert get(site, "/moved").trailers == both("/moved", 302)


def test_an_error_page_has_its_own_location_s(site):
    answer = get(site, "/page/none")
    assert answer.status == 404 and answer.body == b"memory"
    assert answer.trailers == [("X-Always", "404")]


def test_ranges(site):
    answer = get(site, "/4096", "Range: bytes=10-19")
    assert answer.status == 206 and answer["Content-Range"] == "bytes 10-19/4096"
    assert answer.body == content(4096)[10:20] and answer.trailers == both("/4096", 206)
    answer = get(site, "/4096", "Range: bytes=0-9,20-29")
    assert answer.body.count(content(4096)[20:30]) == 1 and answer.trailers == both("/4096", 206)
    answer = get(site, "/4096", "Range: bytes=5000-")
    assert answer.status == 416 and answer["Content-Range"] == "bytes */4096"
    assert answer.trailers == [("X-Always", "416")]


def test_not_modified_and_no_content_and_head(site):
    etag = get(site, "/16")["ETag"]
    answer = get(site, "/16", f"If-None-Match: {etag}")
    assert answer.status == 304 and "Transfer-Encoding" not in answer
    answer = get(site, "/204")
    assert answer.status == 204 and "Transfer-Encoding" not in answer
    answer = get(site, "/16", method="HEAD")
    assert answer["Content-Length"] == "16" and "Transfer-Encoding" not in answer


def test_http_1_0_gets_none(site):
    data = raw(site.port, "GET /memory HTTP/1.0\r\nHost: a\r\n\r\n")
    assert data.endswith(b"\r\n\r\nmemory") and b"Content-Length: 6\r\n" in data
    assert b"chunked" not in data and b"X-Always" not in data


def test_http_0_9_gets_none(site):
    assert raw(site.port, "GET /memory\r\n") == b"memory"


def test_chunks_can_be_switched_off(site):
    answer = get(site, "/off")
    assert answer["Content-Length"] == "3" and answer.trailers == []


def test_a_location_that_says_one_has_that_alone(site):
    assert get(site, "/own").trailers == [("X-Own", "1")]


def test_in_if(site):
    assert get(site, "/if?a=b").trailers == [("X-Arg", "b")]
    assert get(site, "/if").trailers == both("/if")


@pytest.mark.nginx_since("1.23.0", "fields of one name are one value")
def test_what_was_sent_before_can_be_named(site):
    assert get(site, "/sent").trailers == [("X-A", "1"), ("X-A", "2"), ("X-B", "1, 2"),
                                           ("X-C", "h chunked"), ("X-D", "<>")]


def test_compressed(site):
    answer = get(site, "/gzip.txt", "Accept-Encoding: gzip")
    assert answer["Content-Encoding"] == "gzip" and answer.body.startswith(b"\x1f\x8b")
    assert answer.trailers == both("/gzip.txt")


def test_the_log_counts_the_frame(site):
    raw(site.port, "GET /15 HTTP/1.1\r\nHost: a\r\nConnection: close\r\nX: log\r\n\r\n")
    frame = len("f\r\n" + "\r\n0\r\nX-Var: /15\r\nX-Always: 200\r\n\r\n")
    site.log_line(rf"^/15 200 {15 + frame} /15$")


def test_over_tls_on_one_connection(site):
    with TlsClient(site.ports[1]) as client:
        for path in ("/1048576", "/nothing", "/15", "/131073"):
            answer = client.request(path, trailers=True)
            assert answer.trailers == both(path)
