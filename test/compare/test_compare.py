# SPDX-License-Identifier: Apache-2.0
"""Sends the same bytes to nginx and to the server under test: the answers must be the same.

Compared are status line, headers with their order, body, and the access log's line. Not compared:
Date, the Server header's and error pages' product and version, boundaries of multipart answers,
and what only says how the connection goes on. A difference is a failure unless EXPECTED names
it with a reason.
"""

import os
import re
import shutil
from pathlib import Path

import pytest

import millrace
from cases import all_requests
from wire import Client, eventually

NGINX = os.environ.get("NGINX_BINARY") or shutil.which("nginx", path="/usr/sbin:/usr/bin:/sbin")
CONF = Path(__file__).with_name("compare.conf")
STAMP = 1234567890
FILES = {name: "0123456789" for name in (
    "html/a.txt", "html/noext", "html/dir/index.html", "html/hls/x.m3u8", "html/hls/x.ts",
    "html/hls/x.m4s", "html/hls/x.mpd", "html/exp/f.txt", "html/expmax/f.txt", "html/cors/f.txt",
    "html/expepoch/f.txt", "html/try/a.txt", "html/try/dir/index.html", "html/fallback.txt",
    "html/internal/f.txt", "html/e404.html", "html/err/dir/x", "html/noetag/f.txt",
    "html/noranges/f.txt", "html/oneranges/f.txt", "html/copy/f.txt", "html/re/x.ts",
    "html/re/x.txt", "html/abs/dir/index.html", "html/tokens/f.txt", "html/ka0/f.txt",
    "html/sp ace.txt", "html/\u00fc.txt", "html/nodir/x", "other/o.txt", "other/sub/index.html")}
FILES["html/empty.txt"] = ""

# Differences by design or by release: a pattern of the case's name, and the reason.
STRICT = "millrace refuses what llhttp's strict mode refuses"
RFC = "RFC 9112 section 6.3: a request whose last coding is not one chunked is 400"
NEWER = "nginx 1.22 behaves differently from the release that millrace follows"
EXPECTED = [
    (r"^header Host: second", NEWER + ": two Host lines are 400 since 1.23"),
    (r"^header Cookie: c=1..Cookie", NEWER + ": Cookie lines are joined since 1.23"),
    (r"^header X-Y: 1..X-Y: 2", NEWER + ": equal lines are joined since 1.23"),
    (r"^body Content-Length:  ''", STRICT),
    (r"^framing ' GET", STRICT),
    (r"^body Transfer-Encoding: (gzip|identity|chunked, chunked)", RFC),
    (r"^header X-Y: \t", "RFC 9110 section 5.5: white space around a value is not part of it"),
    (r"^condition If-Modified-Since: @DATE@; length", "RFC 9110: what is no date is ignored"),
    (r"^header Expect: 100-continue", "RFC 9110: 100 may be omitted when there is no body"),
    (r"^host ('a:b'|'\\xfc|'\u00fc)", NEWER + ": hosts are checked more strictly since 1.29"),
]


def normal(raw):
    """An answer without what may differ."""
    raw = re.sub(rb"<center>(nginx|millrace)(/[^<]+)?</center>",
                 lambda m: b"<center>p" + (b"/v" if m[2] else b"") + b"</center>", raw)
    following = re.search(rb"HTTP/1\.1 \d{3} ", raw[1:])
    if following:
        end = following.start() + 1
        return normal(raw[:end]) + normal(raw[end:])
    head, mark, body = raw.partition(b"\r\n\r\n")
    if not mark or not head.startswith(b"HTTP/"):
        return raw
    lines = head.decode("latin-1").split("\r\n")
    lines = [line for line in lines if not re.match(r"(?i)date: |connection: |keep-alive: ", line)]
    text = "\n".join(re.sub(r"^Server: (nginx|millrace)(/\S+)?$",
                            lambda m: "Server: product" + ("/version" if m[2] else ""), line)
                     for line in lines).encode("latin-1")
    text = re.sub(rb"\nExpires: \w{3}, (?!01 Jan 1970|31 Dec 2037)[^\n]*", b"\nExpires: later",
                  text)
    if b"<center>p" in body or (body == b"" and not re.match(rb"HTTP/1.1 2", text)):
        text = re.sub(rb"Content-Length: \d+", b"Content-Length: page", text)
    boundary = re.search(rb"boundary=(\d+)", text)
    if boundary:
        text = text.replace(boundary[1], b"0" * 20)
        body = body.replace(boundary[1].zfill(20), b"0" * 20)
    return text + b"\n\n" + body


class Pair:
    """nginx and the server under test with the same configuration and the same files."""

    def __init__(self):
        text = CONF.read_text()
        self.servers = [millrace.Server(text, files=FILES, binary=binary)
                        for binary in (NGINX, millrace.BINARY)]
        for server in self.servers:
            for path in server.prefix.rglob("*"):
                os.utime(path, (STAMP, STAMP))
            server.start()

    def ask(self, server, text):
        text = text.replace("@ETAG@", f'"{STAMP:x}-a"')
        text = text.replace("@DATE@", "Fri, 13 Feb 2009 23:31:30 GMT")
        with Client(server.port, timeout=5) as client:
            client.send(text)
            received = client.rest()
        for mine, common in ((str(server.port), "PORT"), (str(server.prefix), "PREFIX")):
            received = received.replace(mine.encode(), common.encode())
        return received

    def lines(self, server):
        return server.read("access.log").splitlines()

    def log_of(self, server, text):
        before = len(self.lines(server))
        received = self.ask(server, text)
        answers = max(1, len(re.findall(rb"HTTP/1\.1 \d{3} ", received)))
        eventually(lambda: len(self.lines(server)) >= before + answers, timeout=1)
        return received, self.lines(server)[before:]


@pytest.fixture(scope="module")
def pair():
    if not NGINX:
        pytest.skip("nginx is not installed")
    both = Pair()
    try:
        yield both
    finally:
        for server in both.servers:
            server.finish()


def difference(pair, text):
    try:
        (nginx, nginx_log), (ours, ours_log) = [pair.log_of(s, text) for s in pair.servers]
    except (TimeoutError, ConnectionResetError) as error:
        return f"no whole answer: {error!r}"
    if normal(nginx) != normal(ours):
        return f"nginx:\n{normal(nginx)[:1500]!r}\n\nours:\n{normal(ours)[:1500]!r}"
    # Lengths of error pages differ by the product's name, so only request and status count there.
    fields = [[line.split("|")[:2] for line in log] for log in (nginx_log, ours_log)]
    if fields[0] != fields[1]:
        return f"log lines: nginx {nginx_log}, ours {ours_log}"
    return None


CASES = all_requests()


@pytest.mark.parametrize("name,text", CASES, ids=[name[:60] for name, _ in CASES])
def test_same_answer(pair, name, text):
    reasons = [why for pattern, why in EXPECTED if re.search(pattern, name, re.S)]
    found = difference(pair, text)
    if found and reasons:
        pytest.xfail(reasons[0])
    assert not found, f"{text[:300]!r}\n{found}"
