# SPDX-License-Identifier: Apache-2.0
"""Variables: each by its value, then map and stub_status."""

import re
import time

import pytest

from millrace import status_counters
from wire import eventually, fetch

NAMES = """arg_a args binary_remote_addr body_bytes_sent bytes_sent connection connection_requests
    connection_time content_length content_type cookie_c document_root document_uri host hostname
    http_x_y is_args limit_rate msec nginx_version pid pipe proxy_protocol_addr query_string
    realpath_root remote_addr remote_port remote_user request request_body request_completion
    request_filename request_id request_length request_method request_time request_uri scheme
    sent_http_x server_addr server_name server_port server_protocol status tcpinfo_rtt
    time_iso8601 time_local uri sent_http_content_type""".split()
HTTP = """
    map_hash_max_size 2048;
    map $arg_k $plain { default def; a A; "b c" BC; '' empty; ~^re(?<rest>.*) "re:$rest";
                        ~*^ci$ nocase; \\default quoted; d $uri; }
    map $arg_h $hosts { hostnames; default none; example.org exact; *.example.org sub;
                        .both.org both; www.* www; }
    map $arg_i $inc { include @PREFIX@/map.inc; default no; }
    map $arg_a:$arg_b $pair { 1:2 yes; default no; }
    map $arg_k $nodef { a A; }
    map $arg_v $vol { volatile; a "$uri"; default "$uri"; }
    map $arg_v $nonvol { a "$uri"; default "$uri"; }
    map $plain $chain { A chained; default unchained; }
    server {
        listen 127.0.0.1:@PORT@;
        listen [::1]:@PORT@;
        server_name vars.example;
        root @PREFIX@/html;
        default_type text/plain;
""" + "".join(f"        location = /v/{n} {{ add_header X sent; return 200 ${n}; }}\n"
              for n in NAMES) + """
        location = /map { return 200 "$plain|$hosts|$inc|$pair|$nodef|$chain"; }
        location = /vol1 { set_dummy; }
        location /sent/ { add_header X-Type "$sent_http_content_type $sent_http_content_length"; }
        location /late/ { add_header X-Status "$status $uri $document_uri"; error_page 404 /f.txt; }
        location = /volatile { add_header X-Before "$vol|$nonvol"; try_files /none /after; }
        location = /after { return 200 "$vol|$nonvol"; }
        location = /status { stub_status; }
        location = /status/vars { return 200 "$connections_active $connections_reading
$connections_writing $connections_waiting"; }
    }
""".replace("", "")
HTTP = HTTP.replace("        location = /vol1 { set_dummy; }\n", "")
FILES = {"html/f.txt": "file", "html/sent/f.txt": "12345", "map.inc": "x X;\ny Y;\n"}


def value(site, name, query="", *headers, **options):
    answer = site.fetch(f"/v/{name}{query}", *headers, **options)
    assert answer.status == 200, answer
    return answer.body.decode("latin-1")


@pytest.mark.parametrize("name,query,headers,expected", [
    ("arg_a", "?a=1&b=2", (), "1"), ("arg_a", "?b=2&A=x", (), "x"), ("arg_a", "?aa=1", (), ""),
    ("arg_a", "?a=%41&a=2", (), "%41"), ("args", "?a=1&b", (), "a=1&b"),
    ("query_string", "?a=1", (), "a=1"), ("is_args", "?a", (), "?"), ("is_args", "", (), ""),
    ("http_x_y", "", ("X-Y: v",), "v"), ("cookie_c", "", ("Cookie: a=1; c=two; d=3",), "two"),
    ("cookie_c", "", ("Cookie: xc=1",), ""), ("content_type", "", ("Content-Type: a/b",), "a/b"),
    ("host", "", (), "localhost"), ("server_name", "", (), "vars.example"),
    ("scheme", "", (), "http"), ("request_method", "", (), "GET"),
    ("request_uri", "?a=%20b", (), "/v/request_uri?a=%20b"), ("uri", "?a", (), "/v/uri"),
    ("document_uri", "", (), "/v/document_uri"), ("server_protocol", "", (), "HTTP/1.1"),
    ("request", "?q", (), "GET /v/request?q HTTP/1.1"), ("remote_addr", "", (), "127.0.0.1"),
    ("binary_remote_addr", "", (), "\x7f\0\0\1"), ("server_addr", "", (), "127.0.0.1"),
    ("server_port", "", (), "@PORT@"), ("document_root", "", (), "@PREFIX@/html"),
    ("realpath_root", "", (), "@PREFIX@/html"),
    ("request_filename", "", (), "@PREFIX@/html/v/request_filename"),
    ("remote_user", "", ("Authorization: Basic dXNlcjpwYXNz",), "user"),
    ("remote_user", "", (), ""), ("pipe", "", (), "."), ("connection_requests", "", (), "1"),
    ("request_completion", "", (), ""), ("proxy_protocol_addr", "", (), ""),
    ("content_length", "", ("Content-Length: 0",), "0"), ("body_bytes_sent", "", (), "0"),
    ("bytes_sent", "", (), "0"), ("sent_http_x", "", (), ""), ("request_body", "", (), ""),
    ("limit_rate", "", (), "0"), ("status", "", (), "@STATUS@"),
])
def test_value(site, name, query, headers, expected):
    got = value(site, name, query, *headers)
    expected = site.expand(expected)
    if expected == "@STATUS@":
        assert got in ("000", "200")
    else:
        assert got == expected


@pytest.mark.parametrize("name,pattern", [
    ("connection", r"\d+"), ("connection_time", r"\d+\.\d{3}"), ("hostname", r"\S+"),
    ("msec", r"\d{10}\.\d{3}"), ("nginx_version", r"\d+\.\d+\.\d+"), ("pid", r"\d+"),
    ("remote_port", r"\d+"), ("request_id", r"[0-9a-f]{32}"), ("request_length", r"\d+"),
    ("request_time", r"\d\.\d{3}"), ("tcpinfo_rtt", r"\d+"),
    ("time_iso8601", r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d[+-]\d\d:\d\d"),
    ("time_local", r"\d\d/[A-Z][a-z]{2}/\d{4}:\d\d:\d\d:\d\d [+-]\d{4}"),
])
def test_shape(site, name, pattern):
    assert re.fullmatch(pattern, value(site, name))


def test_pid_is_one_of_ours(site):
    assert int(value(site, "pid")) in site.processes()


def test_request_id_is_new_each_time(site):
    assert len({value(site, "request_id") for _ in range(50)}) == 50


def test_request_length_counts_all_bytes(site):
    with site.client() as client:
        text = "GET /v/request_length HTTP/1.1\r\nHost: a\r\nX: y\r\n\r\n"
        client.send(text)
        assert client.response().body == str(len(text)).encode()


def test_ipv6_variables(site):
    address = ("::1", site.port)
    assert fetch(address, "/v/remote_addr").body == b"::1"
    assert fetch(address, "/v/server_addr").body == b"::1"
    assert fetch(address, "/v/binary_remote_addr").body == bytes(15) + b"\1"


def test_connection_counts(site):
    with site.client() as client:
        first = [client.request("/v/connection").body for _ in range(2)]
        assert first[0] == first[1]
        assert client.request("/v/connection_requests").body == b"3"
        time.sleep(0.2)
        assert float(client.request("/v/connection_time").body) >= 0.15


def test_sent_headers_in_headers(site):
    assert site.fetch("/sent/f.txt")["X-Type"] == "text/plain 5"


def test_uri_changes_with_internal_redirects(site):
    answer = site.fetch("/late/x")
    assert answer.status == 404 and answer.body == b"file"


@pytest.mark.parametrize("query,index,expected", [
    ("k=a", 0, "A"), ("k=A", 0, "A"), ("k=zzz", 0, "def"), ("", 0, "empty"), ("k=rexx", 0, "re:xx"),
    ("k=Rexx", 0, "def"), ("k=CI", 0, "nocase"), ("k=default", 0, "quoted"), ("k=d", 0, "/map"),
    ("h=example.org", 1, "exact"), ("h=a.b.example.org", 1, "sub"), ("h=both.org", 1, "both"),
    ("h=x.both.org", 1, "both"), ("h=www.any.net", 1, "www"), ("h=other", 1, "none"),
    ("h=EXAMPLE.org", 1, "exact"), ("i=x", 2, "X"), ("i=y", 2, "Y"), ("i=z", 2, "no"),
    ("a=1&b=2", 3, "yes"), ("a=1&b=3", 3, "no"), ("k=zzz", 4, ""), ("k=a", 4, "A"),
    ("k=a", 5, "chained"), ("k=b", 5, "unchained"),
])
def test_map(site, query, index, expected):
    assert site.fetch(f"/map?{query}").body.decode().split("|")[index] == expected


# stub_status.

def test_stub_status_text(site):
    answer = site.fetch("/status")
    assert answer["Content-Type"] == "text/plain"
    counters = status_counters(site)
    assert counters["active"] == 1 and counters["writing"] == 1 and counters["reading"] == 0


def test_stub_status_counts(site):
    first = status_counters(site)
    with site.client() as idle, site.client() as reading:
        idle.request("/f.txt")
        idle.request("/f.txt")
        reading.send("GET / HT")
        assert eventually(lambda: status_counters(site)["reading"] == 1)
        now = status_counters(site)
        assert (now["active"], now["waiting"], now["writing"]) == (3, 1, 1)
        assert now["accepts"] == now["handled"] > first["accepts"]
    assert eventually(lambda: status_counters(site)["active"] == 1)
    with site.client() as client:
        before = status_counters(site)
        for _ in range(10):
            client.request("/f.txt")
        after = status_counters(site)
        assert after["requests"] - before["requests"] == 11


def test_stub_status_methods(site):
    assert site.fetch("/status", method="HEAD").body == b""
    assert site.fetch("/status", method="POST", body=b"").status in (200, 405)


def test_stub_status_variables(site):
    text = site.fetch("/status/vars").body.split()
    assert [int(x) for x in text][0] >= 1 and len(text) == 4
