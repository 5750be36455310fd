# SPDX-License-Identifier: Apache-2.0
"""What may be asked over HTTP/2: pseudo header fields, Host and :authority, cookies, bad fields."""

import pytest

from h2client import (CONTINUATION, END_HEADERS, END_STREAM, HEADERS, PADDED, PROTOCOL_ERROR,
                      WITH_PRIORITY, H2Client, http2, priority)

HTTP = f"""
    client_header_buffer_size 2k;
    server {{
        {http2()}
        server_name first;
        location / {{ return 200 "$host|$http_host|$server_name"; }}
        location = /cookie {{ return 200 "$http_cookie|$cookie_a|$cookie_c"; }}
        location = /x {{ return 200 "$http_x_foo|$http_referer"; }}
        location = /te {{ return 200 "$http_te"; }}
        location = /line {{
            return 200 "$request|$request_method|$scheme|$server_protocol|$http2"; }}
        location = /uri {{ return 200 "$request_uri|$uri|$args|$query_string|$is_args"; }}
    }}
    server {{ {http2()} server_name second *.wild.example;
              location / {{ return 200 "$host|$http_host|$server_name"; }} }}
    server {{ {http2("@PORT1@")} underscores_in_headers on; ignore_invalid_headers off;
              return 200 "$http_x_y"; }}
    server {{ {http2("@PORT2@")} return 200 "$http_x_y"; }}
"""
REFUSED = {("status", 400), ("reset", PROTOCOL_ERROR)}
GET = [(":method", "GET"), (":scheme", "http"), (":path", "/"), (":authority", "first")]


@pytest.fixture
def client(site):
    with H2Client(site.port) as made:
        yield made


def without(*names):
    return [pair for pair in GET if pair[0] not in names]


def given(name, value):
    return [(n, value if n == name else v) for n, v in GET]


def first_then(*more):
    return GET + list(more)


# Host and :authority.

@pytest.mark.parametrize("sent,host", [
    ("l", "l"), ("L", "l"), ("abcd-ef.g02.xyz:", "abcd-ef.g02.xyz"), ("1.2.3.4:", "1.2.3.4"),
    ("www.abcd-ef.g02.xyz", "www.abcd-ef.g02.xyz"), ("a.xyz:8080", "a.xyz"), ("a.xyz.", "a.xyz"),
    ("a.xyz.:88", "a.xyz"), ("AbC-d93.0.34ZhGt-s.nk.Ru:1", "abc-d93.0.34zhgt-s.nk.ru"),
    ("[abcd::ef98:0:7654:321]:80", "[abcd::ef98:0:7654:321]"),
    ("[::ffff:12.30.67.89]", "[::ffff:12.30.67.89]"), ("[vF.a:b]", "[vf.a:b]"),
])
@pytest.mark.parametrize("by", [
    ":authority", "host",
    pytest.param("both", marks=pytest.mark.nginx_since("1.29.4", "not both"))])
def test_host_is_taken_from_either(client, sent, host, by):
    fields = [] if by == "host" else [(":authority", sent)]
    fields += [] if by == ":authority" else [("host", sent)]
    answer = client.request(fields=without(":authority") + fields)
    assert answer.status == 200 and answer.body.decode().split("|")[0] == host


@pytest.mark.parametrize("sent", ["", ".", "..a", "a..b", "a/b", "a b", "a\x02",
                                  "[a/b]", "a\x7f"])
@pytest.mark.parametrize("by", [":authority", "host"])
def test_bad_host_is_refused(client, sent, by):
    number = client.start(fields=without(":authority") + [(by, sent)])
    assert client.fate(number) in REFUSED


@pytest.mark.nginx_since("1.29.4", "stricter about hosts")
@pytest.mark.parametrize("sent", ["a.:1.2", "1.2.3.4:98777", "1.2.3.4:9000:80", "[a::b].", "[a::b",
                                  "extra[a::b]", "[a::b].:98"])
@pytest.mark.parametrize("by", [":authority", "host"])
def test_bad_host_of_newer_rules_is_refused(client, sent, by):
    number = client.start(fields=without(":authority") + [(by, sent)])
    assert client.fate(number) in REFUSED


@pytest.mark.parametrize("fields", [
    without(":authority"), first_then(("host", "second")), first_then(("host", "first:80")),
    first_then((":authority", "first")), without(":authority") + 2 * [("host", "first")],
    without(":authority") + [("host", "first"), ("host", "second")],
], ids=["missing", "differing", "differing port", "authority twice", "host twice", "two hosts"])
def test_missing_or_contradicting_hosts_are_refused(client, fields):
    assert client.fate(client.start(fields=fields)) in REFUSED
    assert client.request().status == 200


@pytest.mark.parametrize("name,server", [("first", "first"), ("SECOND", "second"),
                                         ("second:99", "second"), ("x.wild.example.", "second"),
                                         ("unknown", "first")])
def test_server_is_chosen_by_authority(client, name, server):
    answer = client.request(authority=name)
    assert answer.body.decode().split("|")[2] == server
    answer = client.request(fields=without(":authority") + [("host", name)])
    assert answer.body.decode().split("|")[2] == server


def test_streams_of_one_connection_ask_different_servers(client):
    numbers = {client.start(authority=name): name for name in ("first", "second", "first") * 5}
    for number, name in numbers.items():
        assert client.response(number).body.decode().split("|")[2] == name


def test_http_host_is_what_was_sent(client):
    assert client.request(authority="First:80").body == b"first|First:80|first"


# Cookies and other fields.

def test_cookies_in_several_fields_are_joined(client):
    answer = client.request("/cookie", "cookie: a=b", "cookie: c=d", "cookie: e=f; g=h")
    assert answer.body == b"a=b; c=d; e=f; g=h|b|d"
    assert client.request("/cookie", "cookie: a=b").body == b"a=b|b|"
    assert client.request("/cookie").body == b"||"


def test_variables_of_the_request(client):
    assert client.request("/line").body == b"GET /line HTTP/2.0|GET|http|HTTP/2.0|h2c"
    assert client.request("/uri?a=b%20c").body == b"/uri?a=b%20c|/uri|a=b%20c|a=b%20c|?"


def test_te_trailers_is_the_only_te(client):
    assert client.request("/te", "te: trailers").body == b"trailers"


@pytest.mark.parametrize("sizes", [
    [3], [1] * 7, [2, 4, 1, 5], [1, 0, 0],
    pytest.param([0, 3], marks=pytest.mark.millrace_only)], ids=str)  # nginx: FRAME_SIZE_ERROR
def test_header_block_in_continuations(client, sizes):
    number = client.open()
    block = client.encoder.encode(given(":path", "/x") + [("x-foo", "Bar~"), ("referer", "foo")])
    client.frame(HEADERS, END_STREAM, number, block[:sizes[0]])
    at = sizes[0]
    for size in sizes[1:]:
        client.frame(CONTINUATION, 0, number, block[at:at + size])
        at += size
    client.frame(CONTINUATION, END_HEADERS, number, block[at:])
    assert client.response(number).body == b"Bar~|foo"


def test_padding_and_priority_around_a_header_block(client):
    number = client.start("/x", "x-foo: a", flags=PADDED, before=b"\x2a", after=bytes(42))
    assert client.response(number).body == b"a|"
    number = client.start("/x", "x-foo: b", flags=WITH_PRIORITY, before=priority(0, 256, True))
    assert client.response(number).body == b"b|"
    number = client.start("/x", "x-foo: c", flags=PADDED | WITH_PRIORITY,
                          before=b"\x09" + priority(1), after=bytes(9))
    assert client.response(number).body == b"c|"


@pytest.mark.parametrize("huffman", [True, False])
def test_all_ways_to_code_a_field(client, huffman):
    """Indexed, with incremental indexing, without, never indexed; then again from the table."""
    for value in ("abc", "~{}|", "a" * 500):
        for sensitive in (True, False, False):
            fields = GET[:2] + [(":path", "/x"), GET[3], ("x-foo", value, sensitive)]
            number = client.open()
            client.frame(HEADERS, END_STREAM | END_HEADERS, number,
                         client.encoder.encode(fields, huffman=huffman))
            assert client.response(number).body.decode() == f"{value}|"


def test_table_of_the_client_may_shrink_and_grow(client):
    for size in (0, 100, 4096, 0, 4096):
        client.encoder.header_table_size = size
        for _ in range(2):
            assert client.request("/x", "x-foo: same").body == b"same|"


def test_table_size_of_the_client_binds_the_server(site):
    with H2Client(site.port, settings={1: 0}) as client:
        client.decoder.max_allowed_table_size = 0
        client.decoder.header_table_size = 0
        client.sync()
        assert client.request("/x").status == client.request("/x").status == 200


# What is malformed (RFC 9113, sections 8.1.1 to 8.3).

MALFORMED = {
    "no method": without(":method"), "no scheme": without(":scheme"), "no path": without(":path"),
    "nothing": [("x-y", "z")], "method twice": GET + [(":method", "GET")],
    "path twice": GET + [(":path", "/")], "scheme twice": GET + [(":scheme", "http")],
    "unknown pseudo": GET + [(":x", "y")], "status": GET + [(":status", "200")],
    "pseudo after fields": without(":path") + [("x", "y"), (":path", "/")],
    "empty path": given(":path", ""), "relative path": given(":path", "x"),
    "path with space": given(":path", "/a b"), "path with control": given(":path", "/\x01"),
    "empty method": given(":method", ""), "method with space": given(":method", "G T"),
    "empty scheme": given(":scheme", ""), "bad scheme": given(":scheme", "1:/"),
    "uppercase name": GET + [("X-Foo", "a")], "uppercase in name": GET + [("x-Foo", "a")],
    "value with LF": GET + [("x-foo", "a\nb: c")], "value with CR": GET + [("x-foo", "a\rb")],
    "value with NUL": GET + [("x-foo", "a\0b")], "name with colon": GET + [("x:y", "a")],
    "name with LF": GET + [("x\ny", "a")], "name with NUL": GET + [("x\0y", "a")],
    "empty name": GET + [("", "a")],
}
SINCE = {"pseudo after fields": pytest.mark.nginx_since("1.29.0", "older ones take it")}
LENIENT = {"name with colon"}  # nginx drops what only a proxy could be deceived by


@pytest.mark.parametrize("case", [pytest.param(name, marks=SINCE.get(name, ()))
                                  for name in MALFORMED])
def test_malformed_request_is_refused(client, case):
    fate = client.fate(client.start(fields=MALFORMED[case]))
    if case == "empty name" and fate == ("goaway", PROTOCOL_ERROR):
        return
    assert fate in REFUSED or case in LENIENT and fate == ("status", 200)
    assert client.request(authority="first").status == 200, "the connection goes on"


@pytest.mark.nginx_since("1.31.0", "older ones ignore them")
@pytest.mark.parametrize("line", ["connection: close", "connection: keep-alive", "keep-alive: 1",
                                  "transfer-encoding: chunked", "upgrade: h2c", "te: gzip",
                                  "te: trailers, deflate"])
def test_fields_of_a_connection_are_refused(client, line):
    assert client.fate(client.start("/", line)) in REFUSED
    assert client.request().status == 200


def test_connect_is_refused(client):
    allowed = REFUSED | {("status", 405)}
    assert client.fate(client.start(method="CONNECT")) in allowed
    fields = [(":method", "CONNECT"), (":authority", "a:1")]
    assert client.fate(client.start(fields=fields)) in allowed
    extended = [(":method", "CONNECT"), (":protocol", "websocket"), *GET[1:]]
    assert client.fate(client.start(fields=extended)) in allowed
    assert client.request().status == 200


def test_trace_is_refused(client):
    assert client.request(method="TRACE").status == 405


def test_fields_with_underscores(site):
    for port, expected in ((site.ports[1], b"z"), (site.ports[2], b"")):
        with H2Client(port) as client:
            assert client.request("/", "x_y: z").body == expected


def test_content_length_must_be_a_number(client):
    for value in ("x", "-1", "1 1", "99999999999999999999", "0x1"):
        number = client.start("/", f"content-length: {value}", method="POST")
        assert client.fate(number) in REFUSED
    assert client.request().status == 200
