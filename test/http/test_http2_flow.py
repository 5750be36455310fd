# SPDX-License-Identifier: Apache-2.0
"""Flow control: bodies right to the byte through any window, and nothing held for who waits."""

import hashlib
import os
import random
import time

import pytest

from h2client import (DATA, DEFAULT_WINDOW, FRAME_SIZE, WINDOW, WINDOW_UPDATE, H2Client, http2)
from settings import is_sanitized, seconds

HTTP = f"""
    server {{
        {http2()}
        root @PREFIX@/html;
        location = /text {{ return 200 "text"; }}
        location = /empty {{ return 200; }}
        location /cached/ {{ open_file_cache max=1000; alias @PREFIX@/html/; }}
        location /sendfile-off/ {{ sendfile off; alias @PREFIX@/html/; }}
    }}
"""
MANY = 100


def content(size):
    return random.Random(size).randbytes(size)


SIZES = (0, 1, 16383, 16384, 16385, 65535, 65536, 131073, 1_000_003)
BIG = content(6_000_000)
FILES = {f"html/{size}": content(size) for size in SIZES} | {"html/big": BIG} | \
        {f"html/many/{n}": content(n * 997) for n in range(MANY)}
PATHS = pytest.mark.parametrize("folder", ["", "/cached", "/sendfile-off"])


def narrow(site, first=0, **options):
    return H2Client(site.port, settings={WINDOW: first}, **options)


def chill(site, name):
    """Out of the page cache, as far as the kernel obeys."""
    descriptor = os.open(site.path(f"html/{name}"), os.O_RDONLY)
    os.fsync(descriptor)
    os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
    os.close(descriptor)


@PATHS
@pytest.mark.parametrize("size", SIZES)
def test_body(site, folder, size):
    with H2Client(site.port) as client:
        answer = client.request(f"{folder}/{size}")
        assert answer.body == content(size) and answer["content-length"] == str(size)


@PATHS
def test_cold_body(site, folder):
    chill(site, "big")
    with H2Client(site.port) as client:
        assert client.request(f"{folder}/big").body == BIG


def test_cold_bodies_at_once(site):
    for n in range(MANY):
        chill(site, f"many/{n}")
    with H2Client(site.port) as client:
        numbers = [client.start(f"/many/{n}") for n in range(MANY)]
        for n, number in enumerate(numbers):
            assert client.response(number).body == content(n * 997)


def test_default_windows_stop_at_their_ends(site):
    with H2Client(site.port, settings={}, window=0) as client:
        number = client.start("/big")
        client.until(lambda: client.window == 0)
        assert len(client.sync().streams[number].body) == DEFAULT_WINDOW
        client.update(number, 100_000)
        assert len(client.sync().streams[number].body) == DEFAULT_WINDOW
        client.update(0, 50_000)
        client.got(number, DEFAULT_WINDOW + 50_000)
        client.update(0, 1 << 30)
        client.update(number, 1 << 30)
        assert client.response(number).body == BIG


def test_initial_window_of_nothing(site):
    with narrow(site) as client:
        number = client.start("/16385")
        assert client.head(number).status == 200
        assert client.sync().streams[number].sizes == []
        client.update(number, 1)
        client.got(number, 1)
        client.update(number, 1 << 20)
        assert client.response(number).body == content(16385)


def test_what_has_no_body_needs_no_window(site):
    with narrow(site) as client:
        for path, method in (("/0", "GET"), ("/empty", "GET"), ("/big", "HEAD")):
            assert client.request(path, method=method).status == 200
        assert client.request("/1", 'If-Match: "no"', method="HEAD").status == 412


def test_one_byte_at_a_time(site):
    with narrow(site) as client:
        number = client.start("/16383", "range: bytes=100-499")
        for count in range(1, 401):
            client.update(number, 1)
            client.got(number, count)
        answer = client.response(number)
        assert (answer.status, answer.body) == (206, content(16383)[100:500])
        assert [size for size in answer.sizes if size] == [1] * 400


def test_one_byte_at_a_time_on_the_connection(site):
    with H2Client(site.port, window=0) as client:
        plug = client.start("/big")
        client.until(lambda: client.window == 0)
        client.rst(plug)
        number = client.start("/16383", "range: bytes=-200")
        client.head(number)
        for count in range(1, 201):
            client.update(0, 1)
            client.got(number, count)
        assert client.response(number).body == content(16383)[-200:]


@pytest.mark.parametrize("step", [7, 1000, 16383, 16384, 16385, 100_001])
def test_window_in_steps(site, step):
    with narrow(site) as client:
        number = client.start("/131073")
        client.head(number)
        for have in range(0, min(131073, 200 * step), step):
            client.update(number, step)
            client.got(number, min(131073, have + step))
        client.update(number, 131073)
        assert client.response(number).body == content(131073)


def test_windows_that_come_together(site):
    with narrow(site) as client:
        number = client.start("/65535")
        client.head(number)
        client.send(b"".join(b"\0\0\4\x08\0" + number.to_bytes(4, "big") + b"\0\0\1\0"
                             for _ in range(256)))
        client.streams[number].window += 65536
        assert client.response(number).body == content(65535)


def test_settings_grow_the_window_in_mid_body(site):
    with narrow(site, 1000) as client:
        numbers = [client.start("/131073"), client.start("/big"), client.start("/16385")]
        for number in numbers:
            client.got(number, 1000)
        for size in (1001, 20_000, 20_000, 70_000):
            client.settings({WINDOW: size})
            for number in numbers:
                client.got(number, min(size, 16385))
        client.settings({WINDOW: 1 << 30})
        for number, body in zip(numbers, (content(131073), BIG, content(16385))):
            assert client.response(number).body == body


def test_settings_make_the_window_negative(site):
    """RFC 9113, section 6.9.2: nothing may be sent until it is positive again."""
    with H2Client(site.port, settings={}) as client:
        number = client.start("/131073")
        client.got(number, DEFAULT_WINDOW)
        client.settings({WINDOW: 42})
        client.update(number, 1024)
        client.sync().update(number, DEFAULT_WINDOW - 42 - 1024)
        assert len(client.sync().streams[number].body) == DEFAULT_WINDOW
        client.update(number, 1)
        client.got(number, DEFAULT_WINDOW + 1)
        assert len(client.sync().streams[number].body) == DEFAULT_WINDOW + 1
        client.settings({WINDOW: 1 << 20})
        assert client.response(number).body == content(131073)


def test_one_of_many_blocked_streams_goes_on(site):
    with narrow(site) as client:
        numbers = [client.start(f"/many/{n}") for n in range(MANY)]
        for number in numbers:
            assert client.head(number).status == 200
        for n in (57, 3, 99):
            client.update(numbers[n], 1 << 20)
            assert client.response(numbers[n]).body == content(n * 997)
        client.sync()
        assert sum(bool(client.streams[number].body) for number in numbers) == 3
        client.settings({WINDOW: 1 << 20})
        for n, number in enumerate(numbers):
            assert client.response(number).body == content(n * 997)


def test_blocked_streams_do_not_hold_up_a_new_one(site):
    with narrow(site) as client:
        for _ in range(50):
            client.head(client.start("/big"))
        number = client.start("/text")
        client.head(number)
        client.update(number, 100)
        assert client.response(number).body == b"text"


def test_blocked_connection_goes_on_with_all(site):
    with H2Client(site.port, window=0) as client:
        numbers = [client.start(f"/many/{n}") for n in range(MANY)]
        client.until(lambda: client.window == 0)
        while not all(client.streams[number].done for number in numbers):
            client.update(0, 200_000)
            client.until(lambda: client.window == 0 or
                         all(client.streams[number].done for number in numbers))
        for n, number in enumerate(numbers):
            assert client.response(number).body == content(n * 997)


def test_window_of_the_connection_is_given_back_by_reset_streams(site):
    """What was not sent for a stream that is reset is there for others."""
    with H2Client(site.port, window=1 << 20) as client:
        for _ in range(20):
            number = client.start("/big")
            client.got(number, 1000)
            client.rst(number)
            client.sync()
            if client.window < 20_000:
                client.update(0, 1 << 20)
        client.update(0, 1 << 20)
        assert client.request("/131073").body == content(131073)


def test_ranges_through_windows(site):
    with narrow(site, 999) as client:
        number = client.start("/big", "range: bytes=65530-200000")
        several = client.start("/big", "range: bytes=0-99999,300000-400000,-1000")
        for stream, length in ((number, 134_471), (several, 200_000)):
            client.got(stream, 999)
            while len(client.streams[stream].body) < length:
                client.update(stream, 33_333)
                have = len(client.streams[stream].body) + 33_333
                client.until(lambda: len(client.streams[stream].body) >= min(have, length))
            client.update(stream, 1 << 20)
        assert client.response(number).body == BIG[65530:200_001]
        body = client.response(several).body
        for start, end in ((0, 100_000), (300_000, 400_001), (len(BIG) - 1000, len(BIG))):
            assert BIG[start:end] in body


@pytest.mark.parametrize("size", [16384, 16385, 65536, 1 << 20, (1 << 24) - 1])
def test_frames_of_the_size_that_the_client_allows(site, size):
    with H2Client(site.port, settings={WINDOW: 1 << 30, FRAME_SIZE: size}) as client:
        answer = client.request("/big")
        assert answer.body == BIG and max(answer.sizes) <= size


def test_frame_size_that_changes_in_mid_body(site):
    with narrow(site, 100_000) as client:
        number = client.start("/big")
        client.got(number, 100_000)
        client.settings({FRAME_SIZE: 65536, WINDOW: 3_000_000})
        client.got(number, 3_000_000)
        client.settings({FRAME_SIZE: 16384})
        client.sync().settings({WINDOW: 1 << 30})
        assert client.response(number).body == BIG


@pytest.mark.millrace_only
def test_frames_are_full(site):
    """Headers between small pieces are what makes others slow; nginx has chunks of 8 KiB."""
    with H2Client(site.port) as client:
        sizes = client.request("/big").sizes
        assert len(sizes) <= len(BIG) / 16000 + 8, sizes[:20]


def test_many_files_at_once(site):
    with H2Client(site.port) as client:
        numbers = [client.start(f"/many/{n}") for n in range(MANY)]
        for n, number in enumerate(numbers):
            assert client.response(number).body == content(n * 997)


def test_all_streams_many_times_over(site):
    """Streams that come and go while others last."""
    with narrow(site, 30_000) as client:
        long = [client.start("/big"), client.start("/131073")]
        for turn in range(10):
            for number in long:
                client.update(number, 10_000)
            for number in [client.start("/1") for _ in range(30)]:
                assert client.response(number).body == content(1)
        for number in long:
            client.update(number, 1 << 30)
        assert client.response(long[0]).body == BIG
        assert client.response(long[1]).body == content(131073)


def test_vanished_clients_with_blocked_streams(site):
    for _ in range(20):
        client = narrow(site, 100)
        for _ in range(20):
            client.start("/big")
        client.got(1, 100)
        client.wire.reset()
    with H2Client(site.port) as client:
        assert client.request("/1").body == content(1)


def test_file_that_shrinks_ends_its_stream_alone(launch):
    server = launch(http=f"server {{ {http2()} root @PREFIX@/html; }}",
                    allow="shrinks|truncated|read only",
                    files={"html/f": BIG, "html/other": content(131073)})
    with H2Client(server.port, settings={WINDOW: 100_000}) as client:
        number = client.start("/f")
        client.got(number, 100_000)
        other = client.start("/other")
        client.got(other, 100_000)
        os.truncate(server.path("html/f"), 150_000)
        for stream in (number, other):
            client.update(stream, 1 << 30)
        assert client.response(other).body == content(131073)
        kind, value = client.fate(number)
        assert kind == "reset" and value or kind == "goaway", (kind, value)


@pytest.mark.millrace_only
@pytest.mark.skipif(is_sanitized(), reason="memory is not that of the release")
def test_blocked_streams_hold_little_memory(site):
    """100 of them are packed into less than 64 KiB of ours (a unit test counts that); here nghttp2's
    part is seen as well. Before they were, it was 590 kB a connection."""
    clients = []

    def block(count):
        for _ in range(count):
            client = narrow(site, 1000)
            clients.append(client)
            for number in [client.start("/big") for _ in range(100)]:
                client.got(number, 1000)
        time.sleep(seconds(2.3))

    block(5)
    before = site.resident()
    for _ in range(3):
        block(5)
    grown = site.resident() - before
    for client in clients:
        client.close()
    assert grown <= 15 * 128 + 1024, f"{grown} kB"


def test_updates_of_the_window_are_no_flood(site):
    """A download with an update for each frame, as clients make them."""
    with H2Client(site.port, settings={}, window=0) as client:
        number = client.start("/big")
        digest, taken = hashlib.sha256(), 0
        while not client.streams[number].done:
            found = client.read()
            if found and found.type == DATA and found.payload:
                digest.update(found.payload)
                taken += len(found.payload)
                client.update(0, len(found.payload))
                if not client.streams[number].done:
                    client.frame(WINDOW_UPDATE, 0, number,
                                 len(found.payload).to_bytes(4, "big"))
                    client.streams[number].window += len(found.payload)
        assert taken == len(BIG) and digest.digest() == hashlib.sha256(BIG).digest()
