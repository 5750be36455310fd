# SPDX-License-Identifier: Apache-2.0
"""Frames that are not as RFC 9113 wants them, and what the answer to each must be."""

import struct
from contextlib import suppress

import pytest

from h2client import (ACK, COMPRESSION_ERROR, CONTINUATION, DATA, DEFAULT_WINDOW, ENABLE_PUSH,
                      END_HEADERS, END_STREAM, ENHANCE_YOUR_CALM, FLOW_CONTROL_ERROR, FRAME_SIZE,
                      FRAME_SIZE_ERROR, GOAWAY, HEADERS, LARGEST, LIST_SIZE, MAX_STREAMS, NO_ERROR,
                      PADDED, PING, PREFACE, PRIORITY, PRIORITY_UPDATE, PROTOCOL_ERROR,
                      PUSH_PROMISE, REFUSED_STREAM, RST_STREAM, SETTINGS, STREAM_CLOSED,
                      WINDOW, WINDOW_UPDATE, WITH_PRIORITY, H2Client, frame, http2, priority,
                      shut_down)
from millrace import is_millrace
from wire import Client, fetch, raw

HTTP = f"""
    server {{
        {http2()}
        http2_max_concurrent_streams 10;
        root @PREFIX@/html;
        lingering_close off;
        large_client_header_buffers 4 8k;
        location = /text {{ return 200 "text"; }}
        location = /v {{ return 200 "$server_protocol|$http2|"; }}
    }}
    server {{ {http2("@PORT1@")} http2_max_concurrent_streams 1; root @PREFIX@/html; }}
    server {{ {http2("@PORT2@")} return 200 "default"; }}
"""
if not is_millrace():
    HTTP = HTTP.replace("        http2_max_concurrent_streams 10;\n", "", 1)
FILES = {"html/f.txt": "file", "html/big": b"b" * 300_000}
NUMBER = struct.Struct(">I")


@pytest.fixture
def client(site):
    with H2Client(site.port) as made:
        yield made


def blocked(site):
    """A client with streams 1, open on both sides, and 3, half-closed by it.

    The window of the connection is used up, those of the streams are not.
    """
    client = H2Client(site.port, settings={WINDOW: 1 << 30}, window=0)
    client.head(client.start("/big", end=False))
    client.head(client.start("/big"))
    client.until(lambda: client.window == 0)
    return client


# The beginning.

def test_settings_of_the_server(site):
    with H2Client(site.ports[2]) as client:
        client.sync()
        assert client.frames[0].type == SETTINGS and not client.frames[0].flags
        assert client.theirs[MAX_STREAMS] == 128
        assert 16384 <= client.theirs[FRAME_SIZE] <= (1 << 24) - 1
        assert [f.flags for f in client.frames if f.type == SETTINGS] == [0, ACK]


def test_preface_in_single_bytes(site):
    with H2Client(site.port, begin=False) as client:
        block = client.encoder.encode(client.fields("/text"))
        client.asked.append({})
        for byte in PREFACE + frame(SETTINGS) + frame(HEADERS, 5, client.open(), block):
            client.send(bytes([byte]))
        assert client.response(1).body == b"text"


def test_preface_and_requests_in_one_segment(site):
    with H2Client(site.port, begin=False) as client:
        blocks = [client.encoder.encode(client.fields("/text")) for _ in range(5)]
        client.asked.append({})
        client.send(PREFACE + frame(SETTINGS) + b"".join(
            frame(HEADERS, 5, client.open(), block) for block in blocks))
        assert [client.response(n).body for n in (1, 3, 5, 7, 9)] == [b"text"] * 5


@pytest.mark.nginx_since("1.25.1", "either protocol on a port is new")
def test_http_1_on_the_same_port(site):
    answer = fetch(site.port, "/v")
    assert (answer.version, answer.body) == ("1.1", b"HTTP/1.1||")
    with Client(site.port) as client:
        for byte in b"GET /v HTTP/1.1\r\nHost: a\r\n\r\n":
            client.send(bytes([byte]))
        assert client.response().body == b"HTTP/1.1||"
    for text in (b"P", b"PR", b"PRI / HTTP/1.1\r\nHost"):
        with Client(site.port) as client:
            assert shut_down(client.send(text)).rest() == b""
    assert b"HTTP/1.1||" in raw(site.port, b"PRI /v HTTP/1.1\r\nHost: a\r\n"
                                           b"Connection: close\r\n\r\n")


@pytest.mark.nginx_since("1.25.1", "either protocol on a port is new")
@pytest.mark.parametrize("text", [b"x" * 16 + b"\r\n\r\n", b"PRI * HTTP/2.0\r\n\r\n" + b"x" * 8,
                                  b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\x00"])
def test_bad_preface_is_a_bad_request(site, text):
    answer = raw(site.port, text)
    assert b" 400 " in answer.split(b"\r\n")[0] or answer[3:4] == bytes([GOAWAY])


@pytest.mark.nginx_since("1.25.1", "either protocol on a port is new")
def test_upgrade_is_not_offered(site):
    answer = fetch(site.port, "/v", "Upgrade: h2c", "HTTP2-Settings: AAMAAABkAAQAAP__")
    assert (answer.status, answer.body) == (200, b"HTTP/1.1||") and "upgrade" not in answer


@pytest.mark.millrace_only
def test_first_frame_must_be_settings(site):
    with H2Client(site.port, begin=False) as client:
        client.send(PREFACE).ping()
        assert client.end() == PROTOCOL_ERROR


@pytest.mark.nginx_since("1.25.1", "http2 is not a directive of older ones")
def test_http2_is_off_unless_said(launch):
    server = launch(http="server { listen 127.0.0.1:@PORT@; return 200 x; }"
                         "server { listen 127.0.0.1:@PORT1@; http2 off; return 200 x; }"
                         "server { listen 127.0.0.1:@PORT2@ http2; return 200 x; }")
    for port in server.ports[:2]:
        answer = raw(port, PREFACE + frame(SETTINGS))
        assert answer.startswith(b"HTTP/1.1 400 ") or answer.startswith(b"HTTP/1.1 505 ")
    with H2Client(server.ports[2]) as client:
        assert client.request("/").body == b"x"


# Frames that are as they should be, though odd.

def test_ping(client):
    client.ping(b"SEE-THIS").ping(b"\0" * 8)
    client.until(lambda: len(client.pongs) == 2)
    assert client.pongs == [b"SEE-THIS", b"\0" * 8]


def test_what_is_unknown_is_ignored(client):
    client.frame(0x42, 0xff, 0, b"payload").frame(0xfe, 0, 7, b"").frame(0x20, 0, 0, bytes(16384))
    client.frame(SETTINGS, 0, 0, struct.pack(">HIHI", 0x4242, 7, 0xffff, 0))
    client.asked.append({})
    client.frame(PING, 0xfe, 0x80000000, b"reserved")
    client.until(lambda: client.pongs)
    assert client.request("/text").body == b"text"


def test_settings_that_are_allowed(client):
    for values in ({}, {FRAME_SIZE: (1 << 24) - 1}, {FRAME_SIZE: 16384}, {WINDOW: LARGEST},
                   {WINDOW: 0}, {ENABLE_PUSH: 0}, {ENABLE_PUSH: 1}, {MAX_STREAMS: 0},
                   {LIST_SIZE: 100}, {1: 0}, {1: LARGEST}, {WINDOW: DEFAULT_WINDOW}):
        client.settings(values)
        client.sync()
    assert not client.asked, "all are acknowledged"
    assert client.request("/text").body == b"text"


def test_the_last_of_equal_settings_counts(site):
    with H2Client(site.port, settings={}, window=1 << 20) as client:
        client.frame(SETTINGS, 0, 0, struct.pack(">HIHI", WINDOW, 42, WINDOW, 70000))
        client.asked.append({WINDOW: 70000})
        number = client.start("/big")
        assert len(client.got(number, 70000)) == 70000


def test_late_frames_for_a_stream_that_is_closed(client):
    """Its end may not have been seen: RFC 9113, section 5.1."""
    number = client.start("/text")
    client.response(number)
    client.rst(number)
    client.frame(WINDOW_UPDATE, 0, number, NUMBER.pack(100))
    client.frame(PRIORITY, 0, number, priority(0))
    assert client.request("/text").body == b"text"


def test_numbers_may_leap(client):
    assert client.response(client.start("/text", number=101)).body == b"text"
    assert client.response(client.start("/text", number=LARGEST)).body == b"text"


def test_rst_stream_of_a_stream_ends_it(site):
    with blocked(site) as client:
        client.rst(1)
        client.rst(3)
        client.sync().update(0, 1 << 20)
        assert len(client.sync().streams[1].body) + len(client.streams[3].body) == DEFAULT_WINDOW
        assert client.request("/big").body == FILES["html/big"]


def test_streams_beyond_a_limit_that_is_not_known_yet_are_refused(site):
    """Sent before the server's SETTINGS were acknowledged; the table of fields stays in step."""
    with H2Client(site.ports[1], settings={WINDOW: 0}) as client:
        fields = [*client.fields("/big"), ("x-kept", "in the table")]
        first, *others = (client.start(fields=fields) for _ in range(4))
        for number in others:
            assert client.fate(number) == ("reset", REFUSED_STREAM)
        assert client.theirs[MAX_STREAMS] == 1 and client.head(first).status == 200
        client.settings({WINDOW: 1 << 20})
        assert client.response(first).status == 200
        assert client.response(client.start(fields=fields)).body == FILES["html/big"]


def test_streams_beyond_the_limit(site):
    """Refused as by nginx, or the end of a connection that does not keep to what it has agreed."""
    with H2Client(site.ports[1], settings={WINDOW: 0}) as client:
        assert client.sync().head(client.start("/big")).status == 200
        fate = client.fate(client.start("/f.txt"))
        assert fate in {("reset", REFUSED_STREAM), ("goaway", PROTOCOL_ERROR)}
        if fate[0] == "reset":
            client.settings({WINDOW: 1 << 20})
            assert client.response(1).body == FILES["html/big"]


# Connection errors. Each is bytes, the codes allowed, and whether nginx is as strict.

def error(*parts, code=PROTOCOL_ERROR, own=False):
    codes = code if isinstance(code, tuple) else (code,)
    return pytest.param(b"".join(parts), codes, marks=[pytest.mark.millrace_only] if own else [])


def setting(number, value):
    return frame(SETTINGS, 0, 0, struct.pack(">HI", number, value))


GOOD = b"\x82\x86\x41\x01a\x84"  # GET http / of a
EITHER = (PROTOCOL_ERROR, FRAME_SIZE_ERROR)
CLOSED = (PROTOCOL_ERROR, STREAM_CLOSED)
ERRORS = {
    "DATA on the connection": error(frame(DATA, 0, 0, b"x")),
    "DATA on an idle stream": error(frame(DATA, 0, 5, b"x"), own=True),
    "padding longer than DATA": error(frame(HEADERS, 4, 1, GOOD),
                                      frame(DATA, PADDED, 1, b"\x09x")),
    "no room for the padding": error(frame(HEADERS, 4, 1, GOOD), frame(DATA, PADDED, 1),
                                     code=EITHER),
    "HEADERS on the connection": error(frame(HEADERS, 5, 0, GOOD)),
    "HEADERS on an even stream": error(frame(HEADERS, 5, 2, GOOD)),
    "padding longer than HEADERS": error(frame(HEADERS, 5 | PADDED, 1, b"\xff" + GOOD),
                                         code=EITHER),
    "HEADERS too short for a priority": error(frame(HEADERS, 5 | WITH_PRIORITY, 1, b"\0\0"),
                                              code=EITHER),
    "HEADERS that depend on themselves": error(
        frame(HEADERS, 5 | WITH_PRIORITY, 1, priority(1) + GOOD)),
    "a number again": error(frame(HEADERS, 5, 1, GOOD) * 2, code=CLOSED),
    "a number that is lower": error(frame(HEADERS, 5, 7, GOOD), frame(HEADERS, 5, 5, GOOD),
                                    code=CLOSED),
    "frame too large": error(frame(DATA, 0, 1, bytes(16385)), code=FRAME_SIZE_ERROR, own=True),
    "unknown frame too large": error(frame(0x42, 0, 0, bytes(16385)), code=FRAME_SIZE_ERROR,
                                     own=True),
    "RST_STREAM on the connection": error(frame(RST_STREAM, 0, 0, NUMBER.pack(8))),
    "RST_STREAM on an idle stream": error(frame(RST_STREAM, 0, 9, NUMBER.pack(8)), own=True),
    "RST_STREAM of 3 bytes": error(frame(RST_STREAM, 0, 1, b"abc"), code=FRAME_SIZE_ERROR),
    "RST_STREAM of 5 bytes": error(frame(RST_STREAM, 0, 1, b"abcde"), code=FRAME_SIZE_ERROR),
    "SETTINGS on a stream": error(frame(SETTINGS, 0, 1)),
    "SETTINGS of 5 bytes": error(frame(SETTINGS, 0, 0, b"abcde"), code=FRAME_SIZE_ERROR),
    "SETTINGS, ACK with payload": error(frame(SETTINGS, ACK, 0, bytes(6)), code=FRAME_SIZE_ERROR),
    "ENABLE_PUSH of 2": error(setting(ENABLE_PUSH, 2)),
    "window too large": error(setting(WINDOW, 1 << 31), code=FLOW_CONTROL_ERROR),
    "frame size too small": error(setting(FRAME_SIZE, 16383)),
    "frame size too large": error(setting(FRAME_SIZE, 1 << 24)),
    "PUSH_PROMISE": error(frame(PUSH_PROMISE, 4, 1, NUMBER.pack(2) + GOOD)),
    "PING on a stream": error(frame(PING, 0, 1, bytes(8))),
    "PING of 7 bytes": error(frame(PING, 0, 0, bytes(7)), code=FRAME_SIZE_ERROR),
    "PING of 9 bytes": error(frame(PING, 0, 0, bytes(9)), code=FRAME_SIZE_ERROR),
    "GOAWAY on a stream": error(frame(GOAWAY, 0, 1, bytes(8))),
    "GOAWAY of 7 bytes": error(frame(GOAWAY, 0, 0, bytes(7)), code=FRAME_SIZE_ERROR),
    "WINDOW_UPDATE of 3 bytes": error(frame(WINDOW_UPDATE, 0, 0, b"abc"), code=FRAME_SIZE_ERROR),
    "WINDOW_UPDATE of nothing": error(frame(WINDOW_UPDATE, 0, 0, bytes(4))),
    "WINDOW_UPDATE beyond all": error(frame(WINDOW_UPDATE, 0, 0, NUMBER.pack(LARGEST)),
                                      code=FLOW_CONTROL_ERROR),
    "WINDOW_UPDATE on an idle stream": error(frame(WINDOW_UPDATE, 0, 9, NUMBER.pack(1)), own=True),
    "CONTINUATION of nothing": error(frame(CONTINUATION, 4, 1, GOOD)),
    "CONTINUATION of a closed stream": error(frame(HEADERS, 5, 1, GOOD),
                                             frame(CONTINUATION, 4, 1, GOOD)),
    "CONTINUATION of another stream": error(frame(HEADERS, 1, 1, GOOD[:2]),
                                            frame(CONTINUATION, 4, 3, GOOD[2:])),
    "PING in a header block": error(frame(HEADERS, 1, 1, GOOD[:2]), frame(PING, 0, 0, bytes(8))),
    "DATA in a header block": error(frame(HEADERS, 0, 1, GOOD[:2]), frame(DATA, 1, 1, b"x")),
    "unknown in a header block": error(frame(HEADERS, 1, 1, GOOD[:2]), frame(0x42, 0, 0, b"x")),
    "HEADERS in a header block": error(frame(HEADERS, 1, 1, GOOD[:2]), frame(HEADERS, 5, 3, GOOD)),
    "an index that is not": error(frame(HEADERS, 5, 1, GOOD + b"\xff\x80\x01"),
                                  code=COMPRESSION_ERROR),
    "index 0": error(frame(HEADERS, 5, 1, GOOD + b"\x80"), code=COMPRESSION_ERROR),
    "a number without end": error(frame(HEADERS, 5, 1, GOOD + b"\xff" * 12),
                                  code=COMPRESSION_ERROR),
    "a table larger than allowed": error(frame(HEADERS, 5, 1, b"\x3f\xe2\x3f" + GOOD),
                                         code=COMPRESSION_ERROR),
    "a table size in the block": error(frame(HEADERS, 5, 1, GOOD + b"\x20"),
                                       code=COMPRESSION_ERROR, own=True),
    "a block that breaks off": error(frame(HEADERS, 5, 1, GOOD + b"\x00\x05ab"),
                                     code=(COMPRESSION_ERROR, FRAME_SIZE_ERROR)),
    "bad Huffman code": error(frame(HEADERS, 5, 1, GOOD + b"\x00\x84\xff\xff\xff\xff\x01a"),
                              code=COMPRESSION_ERROR),
    "PRIORITY_UPDATE on a stream": error(frame(PRIORITY_UPDATE, 0, 1, NUMBER.pack(1) + b"u=1"),
                                         own=True),
    "PRIORITY_UPDATE of 3 bytes": error(frame(PRIORITY_UPDATE, 0, 0, b"abc"), own=True,
                                        code=FRAME_SIZE_ERROR),
}


@pytest.mark.parametrize("data,codes", ERRORS.values(), ids=ERRORS)
def test_connection_error(site, data, codes):
    with H2Client(site.port) as bystander, H2Client(site.port) as client:
        for number in range(1, 10):
            client.open(number)
        client.send(data)
        assert client.end() in codes, client.goaways
        assert bystander.request("/text").body == b"text"


@pytest.mark.parametrize("data,code", [
    (frame(PRIORITY, 0, 0, priority(1)), PROTOCOL_ERROR),
    (frame(PRIORITY, 0, 1, b"abcd"), FRAME_SIZE_ERROR),
    (frame(PRIORITY_UPDATE, 0, 0, NUMBER.pack(0) + b"u=1"), PROTOCOL_ERROR)])
def test_bad_priorities_are_errors_or_ignored(client, data, code):
    """Errors, say the RFCs; nghttp2 may not look into frames that it has no use for."""
    client.open()
    client.send(data)
    try:
        assert client.sync().request("/text").body == b"text"
    except (EOFError, OSError):
        assert client.goaways[-1][1] == code


@pytest.mark.parametrize("data,codes", [ERRORS["PING of 7 bytes"].values,
                                        ERRORS["an index that is not"].values])
def test_connection_error_in_single_bytes(site, data, codes):
    with H2Client(site.port) as client:
        client.open()
        try:
            for byte in data:
                client.send(bytes([byte]))
        except OSError:
            pass
        assert client.end() in codes


def test_last_stream_of_a_connection_error(client):
    for _ in range(3):
        client.request("/text")
    client.frame(PING, 0, 0, b"")
    client.end()
    assert client.goaways[-1] == (5, FRAME_SIZE_ERROR)


def test_no_settings_are_acknowledged_that_are_an_error(client):
    client.sync()
    known = sum(f.type == SETTINGS for f in client.frames)
    client.send(setting(FRAME_SIZE, 42))
    assert client.end() == PROTOCOL_ERROR
    assert sum(f.type == SETTINGS for f in client.frames) == known


# Stream errors, which some may make connection errors (RFC 9113, section 5.4.2).

@pytest.mark.parametrize("payload,stream,code", [
    (frame(WINDOW_UPDATE, 0, 1, NUMBER.pack(LARGEST)), 1, FLOW_CONTROL_ERROR),
    (frame(WINDOW_UPDATE, 0, 3, NUMBER.pack(LARGEST)), 3, FLOW_CONTROL_ERROR),
    (frame(WINDOW_UPDATE, 0, 1, bytes(4)), 1, PROTOCOL_ERROR),
    (frame(DATA, 0, 3, b"x"), 3, STREAM_CLOSED),
    (frame(PRIORITY, 0, 1, priority(1)), 1, PROTOCOL_ERROR),
], ids=["window beyond all", "window beyond all, half-closed", "window of nothing",
        "DATA on a half-closed stream", "dependency on itself"])
def test_stream_error(site, payload, stream, code):
    with blocked(site) as client:
        client.send(payload)
        assert client.fate(stream) in {("reset", code), ("goaway", code)} or \
            client.goaways[-1][1] == code
        if not client.goaways:
            assert client.sync().request("/text", method="HEAD").status == 200


def test_window_grown_beyond_all_by_settings(site):
    """A connection error by RFC 9113, section 6.9.2; nginx resets the stream."""
    with blocked(site) as client:
        client.update(1, 1 << 30)
        client.settings({WINDOW: LARGEST})
        assert client.fate(1)[1] == FLOW_CONTROL_ERROR


def test_random_frames_never_hurt(site):
    import random
    source = random.Random(9113)
    for _ in range(60):
        with H2Client(site.port, timeout=8) as client:
            try:
                for _ in range(20):
                    client.frame(source.randrange(12), source.randrange(256),
                                 source.choice([0, 1, 1, 2, 3, LARGEST]),
                                 source.randbytes(source.choice([0, 4, 5, 6, 8, 30])))
                client.sock.shutdown(1)
                while client.sock.recv(65536):
                    pass
            except OSError:
                pass
    with H2Client(site.port) as client:
        assert client.request("/text").body == b"text"


def test_goaway_of_the_client_is_no_error(client):
    client.goaway()
    client.goaway(ENHANCE_YOUR_CALM)
    with suppress(OSError):  # the server may have closed by then
        shut_down(client)
    assert client.end() in (None, NO_ERROR)


def test_frame_that_breaks_off_with_the_connection(site):
    for data in (b"\0", frame(HEADERS, 5, 1, GOOD)[:12], frame(DATA, 0, 1, b"abc")[:10]):
        with H2Client(site.port) as client:
            client.send(data)
            shut_down(client).rest()


def test_end_stream_is_not_repeated(client):
    number = client.start("/text")
    assert client.response(number).sizes[-1] in (0, 4)
    assert client.frames[-1].flags & END_STREAM and not client.frames[-1].flags & END_HEADERS
