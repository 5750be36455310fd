# SPDX-License-Identifier: Apache-2.0
"""HTTP/2 asks the same core: every answer is compared with the one over HTTP/1.1."""

import gzip
import re

import pytest

from h2client import (CONTINUATION, END_HEADERS, END_STREAM, ENHANCE_YOUR_CALM, HEADERS,
                      PROTOCOL_ERROR, WINDOW, H2Client, http2)
from wire import Client

HTTP = f"""
    types {{ text/html html; text/plain txt; video/mp4 mp4; text/css css; }}
    port_in_redirect off;
    lingering_timeout 500ms;
    server {{
        {http2()}
        listen 127.0.0.1:@PORT1@;
        root @PREFIX@/html;
        add_header X-Of "$host|$request_method|$uri|$is_args$args";
        location /always {{ add_header X-Always yes always; return 404 gone; }}
        location /gzip/ {{ gzip on; gzip_min_length 10; gzip_types *; gzip_vary on; }}
        location /auto/ {{ autoindex on; autoindex_format json; }}
        location /plain/ {{ autoindex on; }}
        location /try/ {{ try_files $uri /f.txt; }}
        location /named/ {{ try_files $uri @other; }}
        location @other {{ return 200 "named $uri"; }}
        location /rewrite/ {{ rewrite ^/rewrite/(.*)$ /$1 last; }}
        location /redirect/ {{ rewrite ^/redirect/(.*)$ /$1 redirect; }}
        location = /moved {{ return 301 /f.txt; }}
        location = /moved-away {{ return 302 http://other.example/x; }}
        location = /text {{ return 200 "some text"; }}
        location = /empty {{ return 200; }}
        location = /nothing {{ return 204; }}
        location = /teapot {{ return 418; }}
        location /denied/ {{ deny all; }}
        location /inside/ {{ internal; }}
        location /pages/ {{ error_page 404 /f.txt; error_page 403 =200 /text; }}
        location /elsewhere/ {{ error_page 404 =302 http://other.example/; }}
        location /expires/ {{ expires 1h; alias @PREFIX@/html/; }}
        location /charset/ {{ charset utf-8; alias @PREFIX@/html/; }}
        location /one-range/ {{ max_ranges 1; alias @PREFIX@/html/; }}
        location /no-range/ {{ max_ranges 0; alias @PREFIX@/html/; }}
        location /no-etag/ {{ etag off; alias @PREFIX@/html/; }}
        location /bytes/ {{ alias @PREFIX@/html/; default_type text/x; types {{ }} }}
        location /chunk/ {{ http2_chunk_size 4k; alias @PREFIX@/html/; }}
        location = /chunk-1 {{ http2_chunk_size 1; return 200 body; }}
        location /trailer/ {{ add_trailer X-Var $host; add_trailer X-None ""; root @PREFIX@; }}
        location /small/ {{ client_max_body_size 100; alias @PREFIX@/html/; }}
        location = /ends {{ return 444; }}
    }}
"""
BIG = bytes(range(256)) * 1200
FILES = {"html/f.txt": "0123456789" * 30, "html/zero.txt": "", "html/big.mp4": BIG,
         "html/d/index.html": "<p>index", "html/gzip/a.css": "p { color: red } " * 100,
         "html/auto/a": "a", "html/auto/b c": "bc", "html/plain/<x>": "", "html/denied/x": "x",
         "html/inside/x": "x", "html/pages/x/y": "", "html/try/t": "try", "html/a b%.txt": "odd",
         "trailer/t.txt": "SEE-THIS", "trailer/zero": "", "html/none/x": ""}
TOO_LARGE = {("status", 400), ("status", 414), ("status", 431), ("reset", PROTOCOL_ERROR),
             ("reset", ENHANCE_YOUR_CALM), ("goaway", ENHANCE_YOUR_CALM)}
NEVER = "Tue, 15 Nov 1994 12:45:26 GMT"
CASES = [
    "/f.txt", "/zero.txt", "/big.mp4", "/d", "/d/", "/d/?a=b", "/none/", "/absent", "/absent/",
    "/f.txt?x=1&y=%20", "/f.txt?", "/a%20b%25.txt", "/%66.txt", "//f.txt", "/d/../f.txt",
    "/d/%2e%2e/f.txt", "/f.txt%00", "/%zz", "/f.txt#part", "/.", "/../f.txt", "/f.txt/",
    "/f.txt/x", "/text", "/empty", "/nothing", "/teapot", "/always", "/moved", "/moved-away",
    "/denied/x", "/inside/x", "/pages/absent", "/pages/x/", "/elsewhere/absent", "/try/t",
    "/try/absent", "/named/absent", "/rewrite/f.txt", "/redirect/f.txt?q", "/auto/", "/plain/",
    "/expires/f.txt", "/charset/f.txt", "/bytes/f.txt", "/no-etag/f.txt", "/gzip/a.css",
    "/" + "long" * 300,
    ("/gzip/a.css", "Accept-Encoding: gzip"), ("/gzip/a.css", "Accept-Encoding: identity"),
    ("/f.txt", "Range: bytes=0-9"), ("/f.txt", "Range: bytes=-5"),
    ("/f.txt", "Range: bytes=290-"), ("/f.txt", "Range: bytes=0-1,5-6,290-999"),
    ("/f.txt", "Range: bytes=300-"), ("/f.txt", "Range: bytes=9-1"), ("/f.txt", "Range: lines=1"),
    ("/zero.txt", "Range: bytes=0-0"), ("/big.mp4", "Range: bytes=65530-200000"),
    ("/big.mp4", "Range: bytes=0-70000,100000-300000"),
    ("/one-range/f.txt", "Range: bytes=0-1,4-5"), ("/no-range/f.txt", "Range: bytes=0-1"),
    ("/f.txt", "Range: bytes=0-9", f"If-Range: {NEVER}"),
    ("/f.txt", f"If-Modified-Since: {NEVER}"), ("/f.txt", f"If-Unmodified-Since: {NEVER}"),
    ("/f.txt", "If-None-Match: *"), ("/f.txt", 'If-None-Match: "x"'), ("/f.txt", 'If-Match: "x"'),
    ("/f.txt", "If-Match: *"), ("/absent", "If-None-Match: *"),
]


def over_1(site, path, *headers, method="GET"):
    with Client(site.ports[1]) as client:
        return client.request(path, *headers, method=method)


@pytest.fixture(scope="module")
def kept(site):
    clients = []
    yield clients
    for client in clients:
        client.close()


@pytest.fixture
def client(site, kept):
    """One connection for all comparisons: streams must not influence each other."""
    if not kept or not kept[-1].usable:
        kept.append(H2Client(site.port, settings={WINDOW: 1 << 20}))
    return kept[-1]


def comparable(answer):
    """What must be equal: no fields of the connection, no chosen boundaries, no clock."""
    hidden = {"connection", "keep-alive", "transfer-encoding", "date", "expires"}
    mask = re.compile(r"\b\d{20}\b")
    fields = sorted((name.lower(), mask.sub("-", value)) for name, value in answer.headers
                    if name.lower() not in hidden)
    body = answer.body
    if "gzip" in (answer.get("content-encoding") or ""):
        body = gzip.decompress(body)
    body = re.sub(rb"\b\d{20}\b", b"-", body)
    return answer.status, "date" in answer, "expires" in answer, fields, body


@pytest.mark.parametrize("case", CASES, ids=str)
def test_answer_is_that_of_http_1(site, client, case):
    path, *headers = [case] if isinstance(case, str) else case
    expected, found = over_1(site, path, *headers), client.request(path, *headers)
    assert comparable(found) == comparable(expected)
    assert found.ended and found.reset is None


@pytest.mark.parametrize("path", ["/f.txt", "/zero.txt", "/big.mp4", "/d", "/absent", "/text",
                                  "/empty", "/nothing", "/gzip/a.css", "/moved", "/auto/"])
def test_head_is_that_of_http_1_and_has_no_data(site, client, path):
    expected, found = (over_1(site, path, method="HEAD"),
                       client.request(path, method="HEAD"))
    assert comparable(found) == comparable(expected)
    assert found.sizes == [] and found.ended


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "PATCH", "TRACE", "X-Y"])
@pytest.mark.parametrize("path", ["/f.txt", "/text", "/absent", "/d/"])
def test_other_methods(site, client, method, path):
    expected, found = over_1(site, path, method=method), client.request(path, method=method)
    assert found.status == expected.status and found.body == expected.body


def test_conditional_requests_with_what_was_given(client):
    first = client.request("/f.txt")
    etag, modified = first["etag"], first["last-modified"]
    for header in (f"If-None-Match: {etag}", f"If-Modified-Since: {modified}"):
        answer = client.request("/f.txt", header)
        assert (answer.status, answer.body, answer.sizes) == (304, b"", [])
        assert answer["etag"] == etag and "content-type" not in answer
    assert client.request("/f.txt", f"If-Match: {etag}").status == 200
    answer = client.request("/f.txt", f"If-Range: {etag}", "Range: bytes=1-2")
    assert (answer.status, answer.body) == (206, b"12")


def test_response_fields(client):
    answer = client.request("/f.txt")
    assert answer.body == b"0123456789" * 30 and answer["content-length"] == "300"
    assert re.match(r"millrace|nginx", answer["server"]) and answer["date"].endswith(" GMT")
    assert answer["x-of"] == "localhost|GET|/f.txt|"
    assert [name for name, _ in answer.headers] == [name.lower() for name, _ in answer.headers]


def test_status_line_has_no_counterpart(client):
    """RFC 9113, section 8.3.2: `:status` alone, first."""
    number = client.start("/absent")
    client.response(number)
    assert [n for n, _ in client.streams[number].head if n[0] == ":"] == [":status"]


def test_port_is_in_redirects(launch):
    server = launch(http=f"server {{ {http2()} location / {{ return 301 /x; }} }}")
    with H2Client(server.port) as client:
        port = f":{server.port}"
        assert client.request("/")["location"] == f"http://localhost{port}/x"
        assert client.request("/", authority="A.b:1")["location"] == f"http://a.b{port}/x"


@pytest.mark.parametrize("path,sizes", [("/chunk-1", [1, 1, 1, 1]), ("/chunk/f.txt", [300])])
def test_http2_chunk_size_divides_bodies(client, path, sizes):
    assert [size for size in client.request(path).sizes if size] == sizes


def test_http2_chunk_size_bounds_frames_of_files(client):
    answer = client.request("/chunk/big.mp4")
    assert answer.body == BIG and max(answer.sizes) == 4096


def test_trailers_end_the_stream(client):
    answer = client.request("/trailer/t.txt")
    assert (answer.body, answer.trailers) == (b"SEE-THIS", [("x-var", "localhost")])
    assert "x-var" not in answer and answer.ended


def test_trailers_without_a_body(client):
    answer = client.request("/trailer/zero")
    assert (answer.body, answer.trailers) == (b"", [("x-var", "localhost")])
    assert client.request("/trailer/t.txt", method="HEAD").ended


def test_long_trailers_are_continued(launch):
    lines = "add_trailer X-Long $arg_h;" * 5
    server = launch(http=f"large_client_header_buffers 4 16k; server {{ {http2()} {lines} "
                         "root @PREFIX@/html; }", files={"html/f": "f"})
    with H2Client(server.port) as client:
        value = "\x7e" * 7000
        answer = client.request(f"/f?h={value}")
        assert answer.body == b"f" and answer.trailers == [("x-long", value)] * 5


def test_long_response_fields_are_continued(launch):
    server = launch(http=f"server {{ {http2()} add_header X-Long {'~' * 3000}; "
                         f"{'add_header X-Long $http_x;' * 4} return 200 x; }}")
    with H2Client(server.port) as client:
        answer = client.request("/", f"x: {'~' * 3000}")
        assert answer.body == b"x" and [len(value) for value in answer.all("x-long")] == [3000] * 5


def test_return_444_ends_the_stream_and_not_the_connection(site):
    with H2Client(site.port) as client:
        answer = client.request("/ends")
        assert answer.status == 0 and answer.reset is not None
        assert client.request("/text").body == b"some text"


@pytest.mark.parametrize("length", [8000, 30000])
def test_long_target(site, length):
    """nginx has no 414 over HTTP/2: the buffers' limit is one for the whole of a head."""
    with H2Client(site.port) as client:
        fate = client.fate(client.start("/text" + "x" * length))
        assert fate in {("status", 404), *TOO_LARGE}


def test_too_long_head_is_not_served(site):
    with H2Client(site.port) as client:
        number = client.open()
        block = client.encoder.encode(client.fields("/text", f"x-long: {'~' * 40000}"))
        client.frame(HEADERS, END_STREAM, number, block[:16384])
        for at in range(16384, len(block), 16384):
            last = END_HEADERS if at + 16384 >= len(block) else 0
            client.frame(CONTINUATION, last, number, block[at:at + 16384])
        assert client.fate(number) in TOO_LARGE


@pytest.mark.nginx_since("1.29.8", "max_headers is new")
def test_max_headers(launch):
    server = launch(http=f"server {{ {http2()} max_headers 5; return 200 x; }}")
    with H2Client(server.port) as client:
        assert client.request("/", *["x-y: z"] * 4).status == 200
        answer = client.request("/", *["x-y: z"] * 9)
        assert answer.status == 400
        assert client.request("/").status == 200
