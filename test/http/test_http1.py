# SPDX-License-Identifier: Apache-2.0
"""HTTP/1 on the wire: connections, pipelines, hosts, methods, bodies, limits."""

import re

import pytest

from wire import raw

HTTP = """
    server {
        listen 127.0.0.1:@PORT@;
        root @PREFIX@/html;
        client_header_buffer_size 1k;
        large_client_header_buffers 4 2k;
        client_max_body_size 1k;
        location /post { return 200 "posted $request_method"; }
        location /big { client_max_body_size 0; return 200 big; }
        location /uri { return 200 "$uri|$args|$host|$http_host|$request_uri"; }
        location /hdr { return 200 "$http_x_a|$http_x_b|$http_x_c"; }
        location = /status { stub_status; }
    }
    server {
        listen 127.0.0.1:@PORT1@;
        keepalive_requests 3;
        location / { return 200 ok; }
        location /off { keepalive_timeout 0; return 200 off; }
        location /hint { keepalive_timeout 60 45; return 200 hint; }
        location /safari { keepalive_disable safari; return 200 s; }
        location /nochunk { return 200 x; }
    }
    server {
        listen 127.0.0.1:@PORT2@;
        underscores_in_headers on;
        ignore_invalid_headers off;
        location / { return 200 "$http_x_a"; }
    }
"""
FILES = {"html/f.txt": "file", "html/g.txt": "g" * 5000, "html/d/index.html": "index"}


def test_keep_alive_by_default(site):
    with site.client() as client:
        for _ in range(5):
            answer = client.request("/f.txt")
            assert (answer.body, answer["Connection"]) == (b"file", "keep-alive")
        assert client.is_open()


@pytest.mark.parametrize("value", ["close", "Close", "x, close"])
def test_connection_close(site, value):
    with site.client() as client:
        answer = client.request("/f.txt", f"Connection: {value}")
        assert answer["Connection"] == "close" and client.is_closed()


def test_http10(site):
    with site.client() as client:
        answer = client.request("/f.txt", version="1.0")
        assert (answer.version, answer["Connection"]) == ("1.1", "close")
        assert client.is_closed()
    with site.client() as client:
        answer = client.request("/f.txt", "Connection: keep-alive", version="1.0")
        assert answer["Connection"] == "keep-alive"
        assert client.request("/f.txt", "Connection: keep-alive", version="1.0").body == b"file"


def test_http09_has_no_headers(site):
    assert raw(site.port, "GET /f.txt\r\n") == b"file"


def test_http_2_version_and_nonsense_versions(site):
    def status(version):
        return raw(site.port, f"GET /f.txt {version}\r\nHost: a\r\nConnection: close\r\n\r\n")

    assert b" 505 " in status("HTTP/2.0").split(b"\r\n")[0]
    for version in ("HTTP/1", "HTTP/x.y", "HTTP", "HTTPS/1.1", "http/1.1", "HTTP/1.1 x"):
        assert b"400 Bad Request" in status(version), version
    assert b" 200 " in status("HTTP/1.9").split(b"\r\n")[0]


def test_pipeline_of_mixed_requests(site):
    wanted = [("GET", "/f.txt", 200, 4), ("HEAD", "/g.txt", 200, 0), ("GET", "/none", 404, None),
              ("GET", "/d", 301, None), ("POST", "/post", 200, 11), ("GET", "/g.txt", 200, 5000),
              ("POST", "/f.txt", 405, None), ("GET", "/d/", 200, 5)]
    text = ""
    for method, path, _, _ in wanted:
        body = "Content-Length: 5\r\n\r\nhello" if method == "POST" else "\r\n"
        text += f"{method} {path} HTTP/1.1\r\nHost: a\r\n{body}"
    with site.client() as client:
        client.send(text * 10)
        for method, path, status, length in wanted * 10:
            answer = client.response(method)
            assert answer.status == status, (method, path, answer)
            assert length is None or len(answer.body) == length
        assert client.is_open()


def test_hundreds_pipelined_in_one_write(site):
    with site.client() as client:
        client.send("GET /f.txt HTTP/1.1\r\nHost: a\r\n\r\n" * 400)
        assert [client.response().body for _ in range(400)] == [b"file"] * 400


def test_pipeline_byte_by_byte(site):
    with site.client() as client:
        for byte in b"GET /f.txt HTTP/1.1\r\nHost: a\r\n\r\n" * 3:
            client.send(bytes([byte]))
        assert [client.response().body for _ in range(3)] == [b"file"] * 3


def test_pipeline_ends_at_connection_close(site):
    with site.client() as client:
        client.send("GET /f.txt HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
                    "GET /g.txt HTTP/1.1\r\nHost: a\r\n\r\n")
        assert client.response().body == b"file"
        assert client.is_closed()


def test_half_closed_client_gets_all_its_answers(site):
    with site.client() as client:
        client.send("GET /f.txt HTTP/1.1\r\nHost: a\r\n\r\n" * 3)
        client.sock.shutdown(1)
        assert [client.response().body for _ in range(3)] == [b"file"] * 3
        assert client.rest() == b""


def test_empty_lines_before_a_request(site):
    with site.client() as client:
        client.send("\r\n\r\nGET /f.txt HTTP/1.1\r\nHost: a\r\n\r\n")
        assert client.response().body == b"file"
        client.send("\nGET /f.txt HTTP/1.1\r\nHost: a\r\n\r\n")
        assert client.response().body == b"file"


def test_bare_line_feeds_end_lines(site):
    answer = raw(site.port, "GET /f.txt HTTP/1.1\nHost: a\nConnection: close\n\n")
    if b" 400 " not in answer.split(b"\r\n")[0]:
        assert answer.endswith(b"\r\n\r\nfile")


# Bodies.

def test_body_is_read_and_discarded(site):
    with site.client() as client:
        body = b"GET /g.txt HTTP/1.1\r\nHost: evil\r\n\r\n"
        answer = client.request("/post", f"Content-Length: {len(body)}", method="POST", body=body)
        assert answer.body == b"posted POST"
        assert client.request("/f.txt").body == b"file"


@pytest.mark.parametrize("chunks", [
    "5\r\nhello\r\n0\r\n\r\n", "0\r\n\r\n", "05;ext=1\r\nhello\r\n0\r\n\r\n",
    "2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n", "A\r\n0123456789\r\n0\r\n\r\n",
    "5\r\nhello\r\n0\r\nTrailer: x\r\n\r\n"])
def test_chunked_body_is_discarded(site, chunks):
    with site.client() as client:
        answer = client.request("/post", "Transfer-Encoding: chunked", method="POST",
                                body=chunks.encode())
        assert answer.body == b"posted POST"
        assert client.request("/f.txt").body == b"file"


def test_chunked_body_in_pieces(site):
    with site.client() as client:
        client.send("POST /post HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n")
        for byte in b"5\r\nhello\r\n10\r\n0123456789abcdef\r\n0\r\n\r\n":
            client.send(bytes([byte]))
        assert client.response().body == b"posted POST"
        assert client.request("/f.txt").body == b"file"


def test_get_with_a_body(site):
    with site.client() as client:
        answer = client.request("/f.txt", "Content-Length: 5", body=b"hello")
        assert answer.body == b"file"
        assert client.request("/g.txt").status == 200


def test_large_body_is_discarded(site):
    with site.client() as client:
        size = 3 << 20
        answer = client.request("/big", f"Content-Length: {size}", method="POST",
                                body=b"x" * size)
        assert answer.body == b"big"
        assert client.request("/f.txt").body == b"file"


def test_expect_continue(site):
    with site.client() as client:
        client.send("POST /big HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\n"
                    "Content-Length: 5\r\n\r\n")
        first = client.head()
        if first.status == 100:
            client.send("hello")
            assert client.response().body == b"big"
        else:
            # `return` answers without reading; the body must still not become a request.
            assert first.status == 200
            assert client._exactly(3) == b"big"


def test_expect_on_http10_is_not_answered(site):
    answer = raw(site.port, "POST /post HTTP/1.0\r\nExpect: 100-continue\r\n"
                            "Content-Length: 5\r\n\r\nhello")
    assert answer.startswith(b"HTTP/1.1 200 ")


def test_body_too_large_413(site):
    with site.client() as client:
        client.send("POST /f.txt HTTP/1.1\r\nHost: a\r\nContent-Length: 1025\r\n\r\n")
        answer = client.response()
        assert (answer.status, answer["Connection"]) == (413, "close")
    site.wait_log("client intended to send too large body: 1025 bytes")


def test_body_too_large_chunked(site):
    with site.client() as client:
        client.send("POST /f.txt HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
                    "800\r\n" + "x" * 2048 + "\r\n0\r\n\r\n")
        assert client.response().status in (405, 413)


def test_close_lingers_so_that_the_answer_arrives(site):
    """A client that is still sending its refused body must get the 413, not a reset."""
    with site.client() as client:
        client.send("POST /f.txt HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999\r\n\r\n")
        for _ in range(20):
            client.send(b"x" * 10000)
        assert client.response().status == 413


# Methods.

@pytest.mark.parametrize("method,status", [
    ("POST", 405), ("PUT", 405), ("DELETE", 405), ("OPTIONS", 405), ("PATCH", 405),
    ("TRACE", 405), ("PROPFIND", 405), ("MKCOL", 405), ("CONNECT", 405), ("FOO", 405),
    ("FOO-BAR_2", 405), ("get", 400), ("G ET", 400), ("G@T", 400), ("", 400),
])
def test_method(site, method, status):
    answer = raw(site.port, f"{method} /f.txt HTTP/1.1\r\nHost: a\r\nConnection: close\r\n"
                            "Content-Length: 0\r\n\r\n")
    line = answer.split(b"\r\n")[0].decode()
    if method in ("CONNECT", "FOO-BAR_2", "FOO"):
        assert line.split()[1] in ("400", "405"), line
    else:
        assert line.split()[1] == str(status), line


# Hosts and targets.

def test_host_is_required_in_http11(site):
    assert site.fetch("/f.txt", host=None).status == 400
    site.wait_log("client sent HTTP/1.1 request without \"Host\" header")


@pytest.mark.parametrize("host,seen", [
    ("a", "a|a"), ("A.Example", "a.example|A.Example"), ("a.", "a|a."), ("a:80", "a|a:80"),
    ("[::1]:80", "[::1]|[::1]:80"), ("1.2.3.4", "1.2.3.4|1.2.3.4"),
    ("a_b", "a_b|a_b"),
])
def test_host_value(site, host, seen):
    assert site.fetch("/uri", host=host).body.decode() == f"/uri||{seen}|/uri"


@pytest.mark.parametrize("host", ["a/b", "a..b", "../x", "a b", "a\x00b"])
def test_bad_host(site, host):
    assert raw(site.port, f"GET /uri HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n"
               ).startswith(b"HTTP/1.1 400 ")


@pytest.mark.nginx_since("1.23.0", "older ones took the last Host")
def test_two_hosts(site):
    assert site.fetch("/uri", "Host: b", host="a").status == 400


@pytest.mark.parametrize("target,seen", [
    ("/uri?a=b&c", "/uri|a=b&c|a|a|/uri?a=b&c"), ("/uri?", "/uri||a|a|/uri?"),
    ("/uri/%41?x=%42", "/uri/A|x=%42|a|a|/uri/%41?x=%42"),
    ("http://other/uri?x", "/uri|x|other|a|/uri?x"),
    ("http://other:81/uri", "/uri||other|a|/uri"),
    ("HTTP://OTHER/uri", "/uri||other|a|/uri"),
    ("/uri;p=1", "/uri;p=1||a|a|/uri;p=1"), ("/uri??", "/uri|?|a|a|/uri??"),
])
def test_target(site, target, seen):
    assert site.fetch(target, host="a").body.decode() == seen


@pytest.mark.parametrize("target", ["uri", "*", "http:/x", "http://", "ht tp://a/", "//a b",
                                    "/\x00", "http://a:b:c/"])
def test_bad_target(site, target):
    answer = raw(site.port, f"GET {target} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
    assert answer.split(b"\r\n")[0].split()[1:2] in ([b"400"], [b"404"])
    assert answer.startswith(b"HTTP/1.1 400 ") or target in ("//a b", "http://a:b:c/")


# Limits.

def test_request_line_too_long_414(site):
    with site.client() as client:
        client.send(f"GET /{'x' * 3000} HTTP/1.1\r\nHost: a\r\n\r\n")
        answer = client.response()
        assert (answer.status, answer["Connection"]) == (414, "close")
        assert client.is_closed(within=8)
    site.wait_log("client sent too long URI")


def test_long_line_within_the_large_buffers(site):
    assert site.fetch(f"/uri?{'x' * 1500}").status == 200
    assert site.fetch("/hdr", f"X-A: {'y' * 1500}").body == b"y" * 1500 + b"||"


def test_header_line_too_long_400(site):
    answer = raw(site.port, f"GET / HTTP/1.1\r\nHost: a\r\nX-A: {'x' * 3000}\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert b"Request Header Or Cookie Too Large" in answer
    site.wait_log("client sent too long header line")


def test_too_many_header_bytes_400(site):
    lines = "".join(f"X-{i}: {'x' * 1500}\r\n" for i in range(8))
    answer = raw(site.port, f"GET / HTTP/1.1\r\nHost: a\r\n{lines}\r\n")
    assert answer.startswith(b"HTTP/1.1 400 ")
    site.wait_log("client sent too (large request|long header line)")


def test_header_values_are_trimmed(site):
    answer = site.fetch("/hdr", "X-A:   a b\t ", "x-B:b", "X-c:")
    assert answer.body in (b"a b|b|", b"a b\t|b|")


def test_underscores_and_invalid_names(site):
    assert site.fetch("/hdr", "X_A: hidden").body == b"||"
    assert site.fetch("/", "X_A: shown", port=site.ports[2]).body == b"shown"


def test_invalid_name_is_ignored_and_logged(site):
    assert site.fetch("/hdr", "X@B: x", "X-A: y").status in (200, 400)
    answer = raw(site.ports[2], "GET / HTTP/1.1\r\nHost: a\r\nX@B: x\r\nConnection: close\r\n\r\n")
    assert answer.startswith((b"HTTP/1.1 200 ", b"HTTP/1.1 400 "))


# Keep-alive settings.

def test_keepalive_requests(site):
    with site.client(site.ports[1]) as client:
        kinds = [client.request("/")["Connection"] for _ in range(3)]
        assert kinds == ["keep-alive", "keep-alive", "close"] and client.is_closed()


def test_keepalive_timeout_zero(site):
    with site.client(site.ports[1]) as client:
        assert client.request("/off")["Connection"] == "close" and client.is_closed()


def test_keepalive_header_hint(site):
    assert "Keep-Alive" not in site.client(site.ports[1]).request("/")
    with site.client(site.ports[1]) as client:
        assert client.request("/hint")["Keep-Alive"] == "timeout=45"


def test_keepalive_disable(site):
    safari = ("User-Agent: Mozilla/5.0 (Macintosh; Intel Mac OS X 10_6_8) AppleWebKit/534.59 "
              "(KHTML, like Gecko) Version/5.1.9 Safari/534.59.8")
    msie = "User-Agent: Mozilla/4.0 (compatible; MSIE 6.0; Windows NT 5.1)"

    def kind(path, agent, **options):
        with site.client(site.ports[1]) as client:
            return client.request(path, agent, **options)["Connection"]

    post = {"method": "POST", "body": b"x"}
    assert kind("/safari", safari) == "close"
    assert kind("/", safari) == "keep-alive"
    assert kind("/", msie + "\r\nContent-Length: 1", **post) == "close"
    assert kind("/", msie) == "keep-alive"


@pytest.mark.nginx_since("1.29.7", "max_headers is new")
def test_max_headers(launch):
    server = launch(http="server { listen 127.0.0.1:@PORT@; max_headers 5; "
                         "location / { return 200 ok; } }")
    assert server.fetch("/", *[f"X-{i}: x" for i in range(3)]).status == 200
    many = server.fetch("/", *[f"X-{i}: x" for i in range(9)])
    assert (many.status, many["Connection"]) == (400, "close")


def test_status_line_reasons(launch):
    codes = {200: "OK", 201: "Created", 202: "Accepted", 206: "Partial Content",
             400: "Bad Request", 401: "Unauthorized", 403: "Forbidden", 404: "Not Found",
             405: "Not Allowed", 409: "Conflict", 410: "Gone",
             411: "Length Required", 412: "Precondition Failed", 413: "Request Entity Too Large",
             414: "Request-URI Too Large", 415: "Unsupported Media Type",
             421: "Misdirected Request",
             429: "Too Many Requests", 500: "Internal Server Error", 501: "Not Implemented",
             503: "Service Temporarily Unavailable", 507: "Insufficient Storage"}
    places = "".join(f"location /{c} {{ return {c} x; }}" for c in codes)
    server = launch(http=f"server {{ listen 127.0.0.1:@PORT@; {places} }}")
    for code, reason in codes.items():
        assert server.fetch(f"/{code}").status_line == f"HTTP/1.1 {code} {reason}"
    assert not re.search("crit", server.log())
