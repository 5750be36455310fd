# SPDX-License-Identifier: Apache-2.0
"""HTTP/2 in logs and in limits: each stream is a request of its own there."""

import re
import time

import pytest

from h2client import NO_ERROR, WINDOW, H2Client, http2, shut_down
from millrace import drop_time, status_counters_at
from settings import seconds
from wire import eventually

HTTP = f"""
    log_format line "$request|$status|$body_bytes_sent|$bytes_sent|$server_protocol|$http2";
    log_format request "$connection $connection_requests $request_length $request_time $pipe";
    log_format short "$uri $status $body_bytes_sent $request_completion";
    limit_req_zone $arg_k zone=slow:1m rate=30r/m;
    limit_req_zone $arg_k zone=quick:1m rate=2r/s;
    limit_conn_zone $arg_k zone=conn:1m;
    server {{
        {http2()}
        root @PREFIX@/html;
        access_log line.log line;
        location /request {{ access_log request.log request; return 200 x; }}
        location /short/ {{ access_log short.log short; alias @PREFIX@/html/; }}
        location /ends {{ return 444; }}
        location /hard {{ limit_req zone=slow; try_files /f.txt =404; }}
        location /wait {{ limit_req zone=quick burst=5; try_files /f.txt =404; }}
        location /long {{ limit_req zone=slow burst=5; access_log short.log short;
                          try_files /f.txt =404; }}
        location /conn/ {{ limit_conn conn 1; access_log short.log short;
                           alias @PREFIX@/html/; }}
        location /rate/ {{ limit_rate 200k; alias @PREFIX@/html/; }}
    }}
    server {{ listen 127.0.0.1:@PORT1@; location = /status {{ stub_status; }} }}
"""
BIG = bytes(range(256)) * 1024
FILES = {"html/f.txt": "0123456789", "html/big": BIG}
_key = iter(range(10**6))


@pytest.fixture
def client(site):
    with H2Client(site.port) as made:
        yield made


@pytest.fixture
def key():
    return f"key{next(_key)}"


@pytest.mark.parametrize("path,method,line,body", [
    ("/f.txt", "GET", "GET /f.txt HTTP/2.0|200", 10),
    ("/f.txt?a=%20", "GET", "GET /f.txt?a=%20 HTTP/2.0|200", 10),
    ("/f.txt", "HEAD", "HEAD /f.txt HTTP/2.0|200", 0),
    ("/big", "GET", "GET /big HTTP/2.0|200", len(BIG)),
    ("/absent", "GET", "GET /absent HTTP/2.0|404", None),
    ("/f.txt", "POST", "POST /f.txt HTTP/2.0|405", None),
])
def test_line_of_each_kind_of_answer(client, site, path, method, line, body):
    """nginx counts the frames' headers as sent, for the body too."""
    known = len(site.read("line.log").splitlines())
    answer = client.request(path, method=method)
    assert eventually(lambda: len(site.read("line.log").splitlines()) > known)
    logged = site.read("line.log").splitlines()[known]
    assert logged.startswith(line + "|") and logged.endswith("|HTTP/2.0|h2c"), logged
    length = len(answer.body)
    assert body in (None, length)
    counted, everything = map(int, logged.split("|")[2:4])
    assert length <= counted <= length + 9 * len(answer.sizes)
    assert length < everything <= length + 9 * len(answer.sizes) + 2000


def test_closed_without_an_answer_is_444(client, site):
    client.request("/ends")
    assert site.log_line(r"^GET /ends ", "line.log").startswith("GET /ends HTTP/2.0|444|0|0|")


def test_requests_of_a_connection_are_counted(client, site):
    for _ in range(5):
        client.request("/request")
    site.wait_log(r"(?:.*\n){5}", name="request.log")
    lines = [line.split() for line in site.read("request.log").splitlines()[-5:]]
    assert [line[1] for line in lines] == list("12345")
    assert len({line[0] for line in lines}) == 1
    assert all(float(line[3]) < 1 and line[4] == "." for line in lines)


def test_request_length_is_that_of_the_header_block(client, site):
    """As nginx has it: what was sent for the request, without frame headers at least."""
    for line in ("x: y", f"x: {'~' * 1000}"):
        known = len(site.read("request.log").splitlines())
        client.request("/request", line)
        assert eventually(lambda: len(site.read("request.log").splitlines()) > known)
        counted = int(site.read("request.log").splitlines()[known].split()[2])
        assert client.sent <= counted <= client.sent + 9


def test_every_stream_has_a_line(client, site):
    known = len(site.read("short.log").splitlines())
    numbers = [client.start("/short/f.txt") for _ in range(100)]
    for number in numbers:
        client.response(number)
    assert eventually(lambda: len(site.read("short.log").splitlines()) == known + 100)
    lines = site.read("short.log").splitlines()[known:]
    assert all(re.fullmatch(r"/short/f.txt 200 1\d OK", line) for line in lines)


# Streams that their client gives up.

def test_stream_given_up_while_it_waits_is_logged_as_499(site, client, key):
    assert client.request(f"/long?k={key}").status == 200
    number = client.start(f"/long?k={key}")
    client.sync()
    assert not client.streams[number].head
    client.rst(number)
    site.wait_log(r"^/long 499 0 $", name="short.log")
    assert client.request("/f.txt").status == 200


def test_connection_given_up_while_it_waits_is_logged_as_499(site, key):
    known = site.read("short.log").count("499")
    with H2Client(site.port) as client:
        assert client.request(f"/long?k={key}").status == 200
        for _ in range(3):
            client.start(f"/long?k={key}")
        client.sync()
    assert eventually(lambda: site.read("short.log").count("/long 499 0 ") == known + 3)


def test_stream_given_up_in_its_body_is_logged_as_begun(site):
    with H2Client(site.port, settings={WINDOW: 1000}) as client:
        number = client.start("/short/big")
        client.got(number, 1000)
        client.rst(number)
        line = site.log_line(r"^/short/big ", "short.log")
        found = re.fullmatch(r"/short/big (200|499) (\d+) ", line)
        assert found and 1000 <= int(found[2]) <= 1100, line


def test_streams_of_a_connection_that_vanishes_are_logged(site):
    known = site.read("short.log").count("/short/big ")
    before = status_counters_at(site.ports[1])["active"]
    client = H2Client(site.port, settings={WINDOW: 0})
    numbers = [client.start("/short/big") for _ in range(20)]
    for number in numbers:
        client.head(number)
    client.wire.reset()
    assert eventually(lambda: site.read("short.log").count("/short/big ") == known + 20)
    assert eventually(lambda: status_counters_at(site.ports[1])["active"] <= before)


# Limits.

def test_limit_req_counts_streams(client, key):
    numbers = [client.start(f"/hard?k={key}") for _ in range(3)]
    assert sorted(client.response(number).status for number in numbers) == [200, 503, 503]


def test_limit_req_delays_a_stream_and_no_other(client, key):
    start = time.monotonic()
    first, second, third = (client.start(f"/wait?k={key}") for _ in range(3))
    other = client.start("/f.txt")
    assert client.response(first).status == client.response(other).status == 200
    assert not client.streams[second].head
    assert client.response(second).status == 200
    assert not client.streams[third].head
    drop_time(0.5, start)
    client.rst(third)


def test_limit_conn_counts_streams(site, key):
    """As nginx documents: each concurrent request over HTTP/2 is a connection here."""
    with H2Client(site.port, settings={WINDOW: 0}) as client:
        first = client.start(f"/conn/big?k={key}")
        assert client.head(first).status == 200
        refused = client.start(f"/conn/f.txt?k={key}")
        assert client.head(refused).status == 503
        other = client.start(f"/conn/f.txt?k={key}other")
        assert client.head(other).status == 200
        client.rst(first)
        again = client.start(f"/conn/big?k={key}")
        assert client.sync().head(again).status == 200


def test_limit_conn_is_given_back_by_a_vanished_connection(site, key):
    client = H2Client(site.port, settings={WINDOW: 0})
    assert client.head(client.start(f"/conn/big?k={key}")).status == 200
    client.wire.reset()

    def free():
        with H2Client(site.port) as other:
            return other.request(f"/conn/f.txt?k={key}").status == 200

    assert eventually(free)


def test_limit_rate_holds_for_a_stream_and_not_for_its_neighbours(client):
    start = time.monotonic()
    slow = client.start("/rate/big")
    client.head(slow)
    quick = client.start("/short/big")
    assert client.response(quick).body == BIG and not client.streams[slow].done
    assert client.response(slow).body == BIG
    assert 0.7 < time.monotonic() - start < seconds(5)


def test_stub_status_counts_requests_of_streams(client, site):
    before = status_counters_at(site.ports[1])
    for number in [client.start("/f.txt") for _ in range(30)]:
        client.response(number)
    after = status_counters_at(site.ports[1])
    assert after["requests"] - before["requests"] == 31
    assert after["active"] == after["reading"] + after["writing"] + after["waiting"]


def test_client_that_says_goodbye_is_let_go(client, site):
    """What it asked before is answered (RFC 9113, section 6.8)."""
    number = client.start("/big")
    client.goaway(NO_ERROR)
    assert client.response(number).body == BIG
    assert shut_down(client).end() in (None, NO_ERROR)
