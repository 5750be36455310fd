# SPDX-License-Identifier: Apache-2.0
"""Peers that cost more than they pay: each is sent away, and nobody else feels it.

The limits are those of `http2_flood_limits`; what has no limit of its own there is bounded by
nginx's directives. What a case must end with stands beside it.
"""

import re
import struct
import time
from contextlib import contextmanager

import pytest

from h2client import (CONTINUATION, DATA, END_HEADERS, END_STREAM, ENHANCE_YOUR_CALM, HEADERS,
                      LARGEST, NO_ERROR, PING, PREFACE, PRIORITY, PRIORITY_UPDATE, PROTOCOL_ERROR,
                      RST_STREAM, SETTINGS, STREAM_CLOSED, WINDOW, WINDOW_UPDATE, H2Client, frame,
                      http2, priority)
from millrace import drop_time, is_millrace, status_counters_at
from settings import is_sanitized, seconds
from wire import Client, eventually

LIMITS = "http2_flood_limits resets=20 control=30 empty=10 continuations=4 interval=1s;" \
    if is_millrace() else ""
HTTP = f"""
    server {{
        {http2()}
        root @PREFIX@/html;
        location = /text {{ return 200 "text"; }}
    }}
    server {{
        {http2("@PORT1@")}
        root @PREFIX@/html;
        client_header_timeout 1s; client_body_timeout 1s; send_timeout 1s; keepalive_timeout 1s;
        lingering_timeout 1s;
        location = /text {{ return 200 "text"; }}
    }}
    server {{ {http2("@PORT2@")} {LIMITS} root @PREFIX@/html;
              location = /text {{ return 200 "text"; }} }}
    server {{ listen 127.0.0.1:@PORT3@; location = /status {{ stub_status; }} }}
"""
PORTS = 4
FILES = {"html/f.txt": "file", "html/big": b"b" * 300_000, "html/huge": b"h" * (16 << 20)}
OURS = pytest.mark.millrace_only
NUMBER = struct.Struct(">I")
GET = b"\x82\x86\x41\x01a\x84"
SAID = r"\[info\].*(?:flood|too many|too large|too long|limit)"


@contextmanager
def unharmed(site, port=None):
    """Another connection, with a stream under way, is served before, meanwhile and after."""
    with H2Client(port or site.port, settings={WINDOW: 1000}) as other:
        number = other.start("/big")
        other.got(number, 1000)
        yield
        other.update(number, 1 << 20)
        assert other.response(number).body == FILES["html/big"]
        number = other.start("/f.txt")
        assert other.response(number).body == b"file"


def provoke(client, data):
    """Sends all of it, if it may; the code of the GOAWAY at the end."""
    try:
        client.send(data)
    except OSError:
        pass
    return client.end()


def count_said(site):
    return len(re.findall(SAID, site.log()))


# What each attack sends, `count` times.

def heads(client, count, flags=END_STREAM | END_HEADERS, path="/f.txt"):
    for _ in range(count):
        number = client.open()
        client.streams[number].left = True
        yield number, frame(HEADERS, flags, number, client.encoder.encode(client.fields(path)))


def resets(client, count):
    return b"".join(head + frame(RST_STREAM, 0, number, NUMBER.pack(8))
                    for number, head in heads(client, count))


def provoked_resets(client, count):
    """The server is made to reset streams itself (CVE-2025-8671)."""
    return b"".join(head + frame(WINDOW_UPDATE, 0, number, NUMBER.pack(LARGEST))
                    for number, head in heads(client, count, path="/big"))


def pings(client, count):
    return frame(PING, 0, 0, b"\0" * 8) * count


def settings(client, count):
    client.asked += [{}] * count
    return frame(SETTINGS) * count


def settings_of_many(client, count):
    client.asked += [{}]
    return frame(SETTINGS, 0, 0, struct.pack(">HI", WINDOW, 65535) * count)


def empty_data(client, count):
    (number, head), = heads(client, 1, END_HEADERS)
    return head + frame(DATA, 0, number) * count


def continuations(client, count):
    (number, head), = heads(client, 1, END_STREAM)
    return head + frame(CONTINUATION, 0, number, b"\0\1a\1b") * count


def empty_continuations(client, count):
    number = client.open()
    return frame(HEADERS, END_STREAM, number, GET) + frame(CONTINUATION, 0, number) * count


def priorities(client, count):
    return b"".join(frame(PRIORITY, 0, 2 * n + 1, priority(0)) for n in range(count))


def priority_updates(client, count):
    return b"".join(frame(PRIORITY_UPDATE, 0, 0, NUMBER.pack(1) + b"u=%d" % (n % 8))
                    for n in range(count))


def window_updates(client, count):
    """Each opens a byte; what a download needs is paid for by its bytes."""
    return frame(WINDOW_UPDATE, 0, 0, NUMBER.pack(1)) * count


def unknown(client, count):
    types = [n for n in range(CONTINUATION + 1, 256) if n != PRIORITY_UPDATE]
    return b"".join(frame(types[n % len(types)], n % 256, n) for n in range(count))


FLOODS = {"resets": (resets, 300), "PING": (pings, 1200), "SETTINGS": (settings, 1200),
          "empty DATA": (empty_data, 150),
          "CONTINUATION": (continuations, 12), "empty CONTINUATION": (empty_continuations, 12),
          "PRIORITY": (priorities, 1200), "PRIORITY_UPDATE": (priority_updates, 1200),
          "WINDOW_UPDATE": (window_updates, 1200), "unknown": (unknown, 1200)}


@OURS
@pytest.mark.parametrize("name", FLOODS)
def test_flood_beyond_the_defaults(site, name):
    build, count = FLOODS[name]
    before = count_said(site)
    with unharmed(site), H2Client(site.port, window=0) as client:
        assert provoke(client.sync(), build(client, count)) == ENHANCE_YOUR_CALM
    assert eventually(lambda: count_said(site) > before), site.log()[-500:]


@OURS
@pytest.mark.parametrize("name", FLOODS)
def test_flood_of_ten_times_as_much_that_reads_nothing(site, name):
    """What would be answered is not piled up."""
    build, count = FLOODS[name]
    with unharmed(site), H2Client(site.port, window=0, rcvbuf=4096) as client:
        assert provoke(client.sync(), build(client, count * 10)) in (ENHANCE_YOUR_CALM, None)


@OURS
def test_resets_that_the_server_is_made_to_send(site):
    """In parts, as nghttp2 knows a stream as open until its RST_STREAM is on its way."""
    before = count_said(site)
    with unharmed(site), H2Client(site.port, window=0) as client:
        client.until(lambda: client.greeted)
        with pytest.raises((EOFError, OSError)):
            for _ in range(10):
                client.send(provoked_resets(client, 40))
                client.sync()
        assert client.end() == ENHANCE_YOUR_CALM
    assert eventually(lambda: count_said(site) > before)


@OURS
@pytest.mark.parametrize("name,under,over", [
    ("resets", 15, 40), ("PING", 20, 60), ("SETTINGS", 20, 60), ("empty DATA", 8, 20),
    ("CONTINUATION", 3, 6), ("PRIORITY_UPDATE", 20, 60), ("unknown", 20, 60)])
def test_limits_can_be_set(site, name, under, over):
    build = FLOODS[name][0]
    with unharmed(site, site.ports[2]):
        with H2Client(site.ports[2]) as client:
            client.send(build(client, under))
            if name == "CONTINUATION":
                client.frame(CONTINUATION, END_HEADERS, 1)
                client.head(1)
            assert client.sync().request("/text").body == b"text"
        with H2Client(site.ports[2]) as client:
            assert provoke(client.sync(), build(client, over)) == ENHANCE_YOUR_CALM


@OURS
def test_limits_are_for_an_interval(site):
    """A client that resets now and then is a browser whose user is impatient."""
    with H2Client(site.ports[2]) as client:
        for _ in range(2):
            client.send(resets(client, 15))
            assert client.sync().request("/text").body == b"text"
            time.sleep(1.2)
        assert provoke(client, resets(client, 60)) == ENHANCE_YOUR_CALM


@OURS
@pytest.mark.parametrize("name,count", [("resets", 150), ("PING", 500), ("SETTINGS", 400),
                                        ("empty DATA", 50), ("PRIORITY", 90), ("unknown", 900)])
def test_what_a_busy_client_does_is_no_flood(site, name, count):
    with H2Client(site.port) as client:
        client.send(FLOODS[name][0](client, count))
        assert client.sync().request("/text").body == b"text"


@OURS
@pytest.mark.parametrize("text,said", [
    ("resets=0", "invalid"), ("resets=x", "invalid"), ("pigs=1", "invalid"),
    ("interval=0", "invalid"), ("interval=x", "invalid"), ("resets=-1", "invalid"),
    ("", "invalid number of arguments")])
def test_limits_that_cannot_be(prepare, text, said):
    server = prepare(http=f"server {{ {http2()} http2_flood_limits {text}; }}")
    done = server.run("-t")
    assert done.returncode == 1 and said in done.stderr, done.stderr


@OURS
def test_reset_streams_are_not_worked_on(site):
    """As many as may be at once, again and again: each must be free when it is reset."""
    with H2Client(site.port, settings={WINDOW: 0}) as client:
        for _ in range(3):
            numbers = [client.start("/huge") for _ in range(60)]
            for number in numbers:
                client.rst(number)
            client.sync()
        assert client.request("/text", method="HEAD").status == 200


def test_entries_of_settings_are_bounded(site):
    """nginx takes them; nghttp2 has a limit."""
    with H2Client(site.port) as client:
        try:
            client.send(settings_of_many(client, 2700))
            assert client.sync().request("/text").body == b"text"
        except (EOFError, OSError):
            assert client.goaways and client.goaways[-1][1] == ENHANCE_YOUR_CALM


# Heads.

def bomb(client, times, size=3900):
    """One large field into the table, and then its index again and again."""
    number = client.open()
    block = GET + b"\x40\x01b\x7f" + _integer(size - 127) + b"x" * size + b"\xbe" * times
    data, first = b"", block[:16384]
    data += frame(HEADERS, END_STREAM | (END_HEADERS if len(block) <= 16384 else 0), number, first)
    for at in range(16384, len(block), 16384):
        last = END_HEADERS if at + 16384 >= len(block) else 0
        data += frame(CONTINUATION, last, number, block[at:at + 16384])
    return number, data


def _integer(value):
    out = b""
    while value >= 128:
        out += bytes([value % 128 | 128])
        value //= 128
    return out + bytes([value])


@pytest.mark.parametrize("times", [20, 1000, 12_000, 60_000])
def test_header_list_bomb(site, times):
    """A head of 4 KiB a byte: ENHANCE_YOUR_CALM as nginx, or an answer that it is too large."""
    before, lines = site.resident(), count_said(site)
    with unharmed(site), H2Client(site.port) as client:
        number, data = bomb(client, times)
        try:
            client.send(data)
        except OSError:
            pass
        fate = client.fate(number)
        assert fate in {("goaway", ENHANCE_YOUR_CALM), ("reset", ENHANCE_YOUR_CALM),
                        ("status", 400), ("status", 431)}, fate
    assert eventually(lambda: count_said(site) > lines)
    assert site.resident() - before < (20_000 if is_sanitized() else 2000)


@pytest.mark.nginx_since("1.29.8", "max_headers is new")
def test_bomb_of_many_small_fields(site):
    with unharmed(site), H2Client(site.port) as client:
        number = client.open()
        client.frame(HEADERS, END_STREAM | END_HEADERS, number,
                     GET + b"\x40\x01b\x00" + b"\xbe" * 16000)
        fate = client.fate(number)
        assert fate in {("goaway", ENHANCE_YOUR_CALM), ("reset", ENHANCE_YOUR_CALM),
                        ("status", 400), ("status", 431)}, fate


def test_table_is_in_step_after_a_head_that_was_too_large(site):
    with H2Client(site.port) as client:
        fields = [*client.fields("/text"), ("x-new", "n" * 100), ("x-large", "~" * 3000)] + \
            [("x-large", "~" * 3000)] * 20
        fate = client.fate(client.start(fields=fields))
        if fate[0] == "goaway":
            assert fate[1] == ENHANCE_YOUR_CALM
        else:
            assert fate in {("status", 400), ("status", 431), ("reset", ENHANCE_YOUR_CALM)}
            assert client.request("/text", "x-new: " + "n" * 100).body == b"text"


# Streams.

@pytest.mark.parametrize("numbers,codes", [
    ((3, 1), {PROTOCOL_ERROR, STREAM_CLOSED}), ((1, 1), {PROTOCOL_ERROR, STREAM_CLOSED}),
    ((2,), {PROTOCOL_ERROR}), ((0,), {PROTOCOL_ERROR}),
], ids=["decreasing", "again", "even", "zero"])
def test_numbers_of_streams(site, numbers, codes):
    with unharmed(site), H2Client(site.port) as client:
        for at, number in enumerate(numbers):
            client.open(number)
            client.frame(HEADERS, END_STREAM | END_HEADERS, number, GET)
            if at + 1 < len(numbers):
                client.response(number)
        assert client.end() in codes


def test_dependency_on_itself(site):
    with unharmed(site), H2Client(site.port) as client:
        number = client.open()
        client.frame(HEADERS, END_STREAM | END_HEADERS | 0x20, number, priority(number) + GET)
        assert client.fate(number) in {("goaway", PROTOCOL_ERROR), ("reset", PROTOCOL_ERROR)}


def test_dependency_loops(site):
    with unharmed(site), H2Client(site.port) as client:
        for n in range(40):
            client.frame(PRIORITY, 0, 2 * n + 1, priority(2 * ((n + 1) % 40) + 1, 1 + n, n % 2))
        assert client.sync().request("/text").body == b"text"


def test_more_refused_streams_than_a_client_may_send(site):
    """Beyond http2_max_concurrent_streams: refused, and at last sent away."""
    with unharmed(site), H2Client(site.port, settings={WINDOW: 0}) as client:
        data = b"".join(head for _, head in heads(client, 700, path="/big"))
        try:
            client.send(data)
            client.sync()
            refused = [s for s in client.streams.values() if s.reset == 7]
            assert len(refused) >= 700 - 128
        except (EOFError, OSError):
            assert client.goaways and \
                client.goaways[-1][1] in (NO_ERROR, PROTOCOL_ERROR, ENHANCE_YOUR_CALM)


def test_reader_that_takes_nothing(site):
    """Windows without end, and a socket that nobody reads: send_timeout."""
    def alone():
        return eventually(lambda: status_counters_at(site.ports[3])["active"] == 1, 8)

    assert alone()
    start = time.monotonic()
    with H2Client(site.ports[1], rcvbuf=4096) as client:
        client.head(client.start("/huge"))
        assert status_counters_at(site.ports[3])["active"] == 2 and alone()
        drop_time(1, start)
    if is_millrace():
        site.wait_log(r"\[info\].*timed out.*while sending")


# Those that wait. All begin at once; a second is the limit of each.

def _partly(data):
    def begin(site):
        client = Client(site.ports[1])
        return client.send(data)
    return begin


def _in_part(data):
    def begin(site):
        client = H2Client(site.ports[1]).sync()  # or its acknowledgement would come in between
        client.open()
        return client.send(data)
    return begin


def _window(site):
    client = H2Client(site.ports[1], settings={WINDOW: 100})
    client.got(client.start("/big"), 100)
    return client


def _connection_window(site):
    client = H2Client(site.ports[1], window=0)
    client.start("/big")
    client.until(lambda: client.window == 0)
    return client


STALLED = {
    "preface": _partly(PREFACE[:10]), "nothing": _partly(b""),
    "frame": _in_part(b"\0\0\4"), "head": _in_part(frame(HEADERS, 5, 1, GET)[:12]),
    "head without end": _in_part(frame(HEADERS, 1, 1, GET)), "window": _window,
    "connection window": _connection_window,
}


def _waits(client):
    client.sock.settimeout(0.01)
    try:
        if isinstance(client, Client):
            client.rest()  # nginx sends its SETTINGS unasked
        else:
            client.until(lambda: client.streams[1].done or client.goaways)
        return False
    except TimeoutError:
        return True
    finally:
        client.sock.settimeout(seconds(10))


@pytest.fixture(scope="module")
def stalled(site):
    clients = {name: (begin(site), time.monotonic()) for name, begin in STALLED.items()}
    time.sleep(0.4)
    assert all(map(_waits, (client for client, _ in clients.values()))), "not before its time"
    yield clients
    for client, _ in clients.values():
        client.close()


@pytest.mark.parametrize("name", ["preface", "nothing"])
def test_connection_without_a_preface(stalled, name):
    client, since = stalled[name]
    client.rest()
    assert time.monotonic() - since < seconds(6)


@pytest.mark.parametrize("name", ["frame", "head", "head without end", "window",
                                  "connection window"])
def test_stream_that_stalls(stalled, site, name):
    """client_header_timeout or send_timeout ends the stream or the connection."""
    client, since = stalled[name]
    kind, code = client.fate(1)
    assert (kind, code) == ("end", None) and name == "frame" or \
        code in (PROTOCOL_ERROR, ENHANCE_YOUR_CALM, NO_ERROR, 2, 8), (kind, code)
    assert 0.8 < time.monotonic() - since < seconds(8)
    site.wait_log(r"\[info\].*(?:client timed out|timed out)")


def test_dripping_head_does_not_prolong_the_timeout(site):
    with H2Client(site.ports[1]) as client:
        client.sync().open()
        start = time.monotonic()
        data = frame(HEADERS, END_STREAM | END_HEADERS, 1, GET + b"\0\1a\x7f\x01" + b"b" * 128)
        try:
            for byte in data[:60]:
                client.send(bytes([byte]))
                client.sock.settimeout(0.05)
                try:
                    client.until(lambda: client.streams[1].done or client.goaways)
                    break
                except TimeoutError:
                    pass
        except (EOFError, OSError):
            pass
    drop_time(1, start)


def test_idle_connection_is_told_to_go(site):
    start = time.monotonic()
    with H2Client(site.ports[1]) as client:
        assert client.request("/text").body == b"text"
        assert client.end() == NO_ERROR
    drop_time(1, start)


@OURS
@pytest.mark.skipif(is_sanitized(), reason="memory is not that of the release")
def test_memory_does_not_grow_with_attacks(site):
    def attack_all():
        for build, count in FLOODS.values():
            with H2Client(site.port, window=0) as client:
                provoke(client.sync(), build(client, count))
        for times in (20, 12_000):
            with H2Client(site.port) as client:
                number, data = bomb(client, times)
                try:
                    client.send(data)
                except OSError:
                    pass
                client.fate(number)

    attack_all()
    before = site.resident()
    for _ in range(4):
        attack_all()
    assert site.resident() - before < 2000, "kB for forty attacks"
