# SPDX-License-Identifier: Apache-2.0
"""Access logs: formats, escapes, conditions, buffers, names with variables, reopening."""

import gzip
import json
import re
import signal
import time

import pytest

from wire import eventually, raw

HTTP = """
    log_format short '$request|$status|$body_bytes_sent|$bytes_sent';
    log_format esc '$http_x|$arg_a|$http_none';
    log_format json escape=json '{"x":"$http_x","none":"$http_none"}';
    log_format none escape=none '$http_x|$http_none';
    log_format times '$request_time $msec $time_iso8601 $time_local';
    log_format conn '$connection $connection_requests $pipe $remote_addr $remote_port';
    map $status $bad { ~^[45] 1; default 0; }
    server {
        listen 127.0.0.1:@PORT@;
        lingering_timeout 1s;
        root @PREFIX@/html;
        access_log access.log short;
        location /combined/ { access_log combined.log; }
        location /named/ { access_log named.log combined; }
        location /esc { access_log esc.log esc; access_log json.log json; access_log none.log none;
                        return 200 x; }
        location /times { access_log times.log times; return 200 x; }
        location /conn { access_log conn.log conn; return 200 x; }
        location /off { access_log off; return 200 x; }
        location /two { access_log a.log short; access_log b.log short; return 200 x; }
        location /if/ { access_log if.log short if=$bad; }
        location /buf { access_log buf.log short buffer=4k flush=1s; return 200 x; }
        location /size { access_log size.log short buffer=1k; return 200 x; }
        location /var/ { access_log var-$arg_n.log short; return 200 x; }
        location /err/ { error_page 404 /f.txt; }
        location /ret444 { return 444; }
    }
    server { listen 127.0.0.1:@PORT1@; access_log @PREFIX@/logs/own.log short;
             error_log logs/own-error.log info; root @PREFIX@/html; }
"""
FILES = {"html/f.txt": "0123456789", "html/d/x": "", "html/combined/f": "ab",
         "html/named/f": "ab", "html/if/f": "x"}
MAIN = "user root;"  # so that logs with variables in their names can be made


HEAD = "Host: a\r\nConnection: close\r\n"


@pytest.mark.parametrize("request_,line", [
    (f"GET /f.txt HTTP/1.1\r\n{HEAD}\r\n", "GET /f.txt HTTP/1.1|200|10"),
    (f"HEAD /f.txt HTTP/1.1\r\n{HEAD}\r\n", "HEAD /f.txt HTTP/1.1|200|0"),
    (f"GET /f.txt?a=b HTTP/1.1\r\n{HEAD}Range: bytes=0-3\r\n\r\n",
     "GET /f.txt?a=b HTTP/1.1|206|4"),
    (f"GET /f.txt HTTP/1.1\r\n{HEAD}Range: bytes=90-\r\n\r\n", "GET /f.txt HTTP/1.1|416|"),
    (f"GET /f.txt HTTP/1.1\r\n{HEAD}If-None-Match: *\r\n\r\n", "GET /f.txt HTTP/1.1|304|0"),
    (f"GET /f.txt HTTP/1.1\r\n{HEAD}If-Match: \"x\"\r\n\r\n", "GET /f.txt HTTP/1.1|412|"),
    (f"GET /none HTTP/1.1\r\n{HEAD}\r\n", "GET /none HTTP/1.1|404|"),
    (f"GET /d HTTP/1.1\r\n{HEAD}\r\n", "GET /d HTTP/1.1|301|"),
    (f"GET /d/ HTTP/1.1\r\n{HEAD}\r\n", "GET /d/ HTTP/1.1|403|"),
    (f"POST /f.txt HTTP/1.1\r\n{HEAD}Content-Length: 0\r\n\r\n", "POST /f.txt HTTP/1.1|405|"),
    (f"GET /err/x HTTP/1.1\r\n{HEAD}\r\n", "GET /err/x HTTP/1.1|404|10"),
    ("GET /f.txt HTTP/1.0\r\n\r\n", "GET /f.txt HTTP/1.0|200|10"),
    ("GET /f.txt\r\n", "GET /f.txt|200|10"),
    ("GET /f.txt HTTP/1.1\r\n\r\n", "GET /f.txt HTTP/1.1|400|"),
    ("GET /f.txt HTTP/2.5\r\n\r\n", "GET /f.txt HTTP/2.5|505|"),
    ("nonsense\r\n\r\n", "nonsense|400|"),
    (f"GET /ret444 HTTP/1.1\r\n{HEAD}\r\n", "GET /ret444 HTTP/1.1|444|0"),
    (f"GET /../x HTTP/1.1\r\n{HEAD}\r\n", "GET /../x HTTP/1.1|400|"),
    (f"GET /f.txt HTTP/1.1\r\n{HEAD}Content-Length: 9999999\r\n\r\n", "GET /f.txt HTTP/1.1|413|"),
])
def test_line_of_each_kind_of_response(site, request_, line):
    before = len(site.read("access.log").splitlines())
    received = raw(site.port, request_)
    assert eventually(lambda: len(site.read("access.log").splitlines()) > before)
    logged = site.read("access.log").splitlines()[before]
    assert logged.startswith(line), logged
    head, _, body = received.partition(b"\r\n\r\n")
    if "HTTP/" in request_ and "444" not in request_:
        sent = len(body)
        assert logged.endswith(f"|{sent}|{len(received)}"), (logged, received)


def test_combined(site):
    site.fetch("/combined/f", "User-Agent: agent/1 \"x\"", "Referer: http://r/")
    assert re.fullmatch(
        r'127\.0\.0\.1 - - \[\d\d/[A-Z][a-z]{2}/\d{4}:\d\d:\d\d:\d\d [+-]\d{4}\] '
        r'"GET /combined/f HTTP/1\.1" 200 2 "http://r/" "agent/1 \\x22x\\x22"',
        site.log_line(name="combined.log"))
    site.fetch("/named/f")
    assert site.log_line(name="named.log").endswith('"GET /named/f HTTP/1.1" 200 2 "-" "-"')


def test_escapes(site):
    raw(site.port, b'GET /esc?a=%41" HTTP/1.1\r\nX: a"b\\c\td\xc3\xa9\r\n'
                   b"Host: a\r\nConnection: close\r\n\r\n")
    assert site.log_line(name="esc.log") == \
        r"a\x22b\x5Cc\x09d\xC3\xA9|%41\x22|-"
    line = site.log_line(name="json.log")
    assert line == '{"x":"a\\"b\\\\c\\td\u00e9","none":""}'
    json.loads(line, strict=False)
    assert site.log_line(name="none.log") == 'a"b\\c\td\u00e9|'


def test_times(site):
    site.fetch("/times")
    line = site.log_line(name="times.log")
    found = re.fullmatch(r"(\d+\.\d{3}) (\d+\.\d{3}) (\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d[+-]\d\d:\d\d) "
                         r"(\d\d/\w{3}/\d{4}:\d\d:\d\d:\d\d [+-]\d{4})", line)
    assert found, line
    assert float(found[1]) < 5 and abs(float(found[2]) - time.time()) < 10


def test_request_time_counts_from_the_first_byte(site):
    with site.client() as client:
        client.send("GET /times HTTP/1.1\r\n")
        time.sleep(0.5)
        client.send("Host: a\r\n\r\n")
        client.response()
    assert eventually(lambda: float(site.log_line(name="times.log").split()[0]) >= 0.4)


def test_connection_variables(site):
    with site.client() as client:
        port = client.sock.getsockname()[1]
        client.request("/conn")
        client.send("GET /conn HTTP/1.1\r\nHost: a\r\n\r\n" * 2)
        client.response(), client.response()
        assert eventually(lambda: len(site.read("conn.log").splitlines()) >= 3)
        lines = [line.split() for line in site.read("conn.log").splitlines()[-3:]]
    assert [line[1] for line in lines] == ["1", "2", "3"]
    assert len({line[0] for line in lines}) == 1
    # Whether the first of two counts as pipelined depends on how they arrive; the second does
    # only when more is behind it.
    assert [line[2] for line in lines] in ([".", ".", "."], [".", "p", "."], [".", ".", "p"])
    assert {(line[3], line[4]) for line in lines} == {("127.0.0.1", str(port))}


def test_off_and_two(site):
    before = site.read("access.log")
    site.fetch("/off")
    site.fetch("/two")
    assert site.log_line(name="a.log") == site.log_line(name="b.log")
    assert site.read("access.log") == before


def test_condition(site):
    site.fetch("/if/f")
    site.fetch("/if/none")
    assert site.log_line(name="if.log").startswith("GET /if/none HTTP/1.1|404|")
    assert "/if/f " not in site.read("if.log")


def test_buffer_is_flushed_by_time(site):
    site.fetch("/buf")
    assert site.read("buf.log") == ""
    assert site.log_line(name="buf.log", timeout=3).startswith("GET /buf HTTP/1.1|200|1|")


def test_buffer_is_flushed_when_full_in_whole_lines(site):
    with site.client() as client:
        for _ in range(200):
            client.request("/size")
    text = site.read("size.log")
    assert text.count("\n") > 100
    assert set(line.split("|")[0] for line in text.splitlines()) == {"GET /size HTTP/1.1"}


def test_variable_path(site):
    for name in ("one", "two", "one"):
        site.fetch(f"/var/?n={name}")
    assert eventually(lambda: len(site.read("var-one.log").splitlines()) == 2)
    assert site.read("var-two.log").count("\n") == 1


def test_server_has_its_own_logs(site):
    site.fetch("/none", port=site.ports[1])
    site.wait_log("GET /none", name="logs/own.log")
    site.wait_log(r"\[error\].*No such file.*GET /none", name="logs/own-error.log")


def test_error_line_format(site):
    site.fetch("/none-format", "Referer: http://r/")
    site.wait_log(r'^\d{4}/\d\d/\d\d \d\d:\d\d:\d\d \[error\] \d+#\d+: \*\d+ open\(\) '
                  r'"\S+/html/none-format" failed \(2: No such file or directory\), '
                  r'client: 127\.0\.0\.1, server: , request: "GET /none-format HTTP/1\.1", '
                  r'host: "localhost", referrer: "http://r/"$')


def test_reopen_after_rename(launch):
    server = launch(http="log_format s $uri; server { listen 127.0.0.1:@PORT@; "
                         "access_log a.log s; return 200 x; }")
    server.fetch("/1")
    server.wait_log("/1", name="a.log")
    server.path("a.log").rename(server.path("a.log.1"))
    server.path("error.log").rename(server.path("error.log.1"))
    server.fetch("/2")
    assert eventually(lambda: "/2" in server.read("a.log.1"))
    server.signal(signal.SIGUSR1)
    assert eventually(lambda: server.path("a.log").exists())
    for _ in range(20):
        server.fetch("/3")
        time.sleep(0.05)
    assert eventually(lambda: "/3" in server.read("a.log"))
    assert server.read("a.log.1").splitlines()[:2] == ["/1", "/2"]
    assert server.path("error.log").exists()


def test_reopen_loses_and_doubles_nothing(launch):
    server = launch(http="log_format s $arg_n; server { listen 127.0.0.1:@PORT@; "
                         "access_log a.log s buffer=2k; return 200 x; }")
    with server.client() as client:
        for number in range(1000):
            client.request(f"/?n={number}")
            if number % 200 == 100:
                server.path("a.log").rename(server.path(f"a.log.{number}"))
                server.signal(signal.SIGUSR1)
                assert eventually(lambda: server.path("a.log").exists())
    server._stop()
    lines = [line for path in server.prefix.glob("a.log*") for line in path.read_text().split()]
    assert sorted(map(int, lines)) == list(range(1000))


def test_quit_flushes_buffers(launch):
    server = launch(http="log_format s $uri; server { listen 127.0.0.1:@PORT@; "
                         "access_log a.log s buffer=64k flush=60s; return 200 x; }")
    server.fetch("/buffered")
    assert server.read("a.log") == ""
    server._stop()
    assert server.read("a.log") == "/buffered\n"


@pytest.mark.parametrize("level,shown", [("error", True), ("crit", False)])
def test_error_log_level(launch, level, shown):
    server = launch(full=f"""pid nginx.pid; error_log e.log {level}; events {{ }}
        http {{ access_log off; server {{ listen 127.0.0.1:@PORT@; root @PREFIX@/html; }} }}""")
    server.fetch("/none")
    time.sleep(0.3)
    assert ("No such file" in server.read("e.log")) == shown


def test_error_log_to_stderr(launch):
    server = launch(full="""pid nginx.pid; error_log stderr; events { }
        http { access_log off; server { listen 127.0.0.1:@PORT@; root @PREFIX@/html; } }""")
    server.fetch("/none")
    server.wait_log("No such file", name="stderr")


def gunzipped(server, name):
    data = server.path(name).read_bytes() if server.path(name).exists() else b""
    return gzip.decompress(data).decode() if data else ""


def test_compressed_log_is_readable_at_every_flush(launch):
    server = launch(http="log_format s $uri; server { listen 127.0.0.1:@PORT@; "
                         "access_log a.gz s gzip=9 buffer=64k flush=100ms; return 200 x; }")
    for number in range(3):
        server.fetch(f"/{number}")
        assert eventually(lambda: f"/{number}\n" in gunzipped(server, "a.gz"))
    assert server.path("a.gz").read_bytes()[:3] == b"\x1f\x8b\x08"
    server.fetch("/last")
    server._stop()
    assert gunzipped(server, "a.gz") == "/0\n/1\n/2\n/last\n"


def test_compressed_log_loses_nothing_under_load(launch):
    server = launch(http="log_format s $arg_n; server { listen 127.0.0.1:@PORT@; "
                         "access_log a.gz s gzip buffer=1k; return 200 x; }")
    with server.client() as client:
        for number in range(1000):
            client.request(f"/?n={number}")
    server._stop()
    assert gunzipped(server, "a.gz").split() == [str(n) for n in range(1000)]


def test_cached_log_path_keeps_the_renamed_file(launch):
    server = launch(main="user root;", http="""log_format s $uri;
        server { listen 127.0.0.1:@PORT@;
                 location /cached { open_log_file_cache max=2 min_uses=2 valid=1m;
                                    access_log logs/c-$arg_n s; return 200 x; } }""")
    for uri in ("/cached1", "/cached2"):
        server.fetch(f"{uri}?n=a")
        assert eventually(lambda: uri in server.read("logs/c-a"))
    server.path("logs/c-a").rename(server.path("logs/moved"))
    server.fetch("/cached3?n=a")
    assert eventually(lambda: server.read("logs/moved") == "/cached1\n/cached2\n/cached3\n")


def test_error_line_is_there_when_the_answer_is(launch):
    server = launch(http=HTTP, files=FILES)
    for number in range(100):
        assert server.fetch(f"/not-there-{number}").status == 404
        assert f"not-there-{number}\" failed" in server.read("error.log")
