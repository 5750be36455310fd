# SPDX-License-Identifier: Apache-2.0
"""Request bodies over HTTP/2, which are read and dropped: none may hold up the connection."""

import pytest

from h2client import (CANCEL, DATA, END_STREAM, FLOW_CONTROL_ERROR, HEADERS, NO_ERROR, PADDED,
                      PROTOCOL_ERROR, RST_STREAM, WINDOW, H2Client, frame, http2)

HTTP = f"""
    log_format t "$uri $status $request_length";
    server {{
        {http2()}
        root @PREFIX@/html;
        access_log access.log t;
        client_body_timeout 1s;
        location / {{ }}
        location /text {{ return 200 "text"; }}
        location /small {{ client_max_body_size 1000; return 200 "small"; }}
        location /large {{ client_max_body_size 0; return 200 "large"; }}
        location /counted {{ return 200 "counted"; }}
    }}
"""
FILES = {"html/f.txt": "file", "html/big": b"b" * 300_000}
REFUSED = {("status", 400), ("reset", PROTOCOL_ERROR)}


@pytest.fixture
def client(site):
    with H2Client(site.port) as made:
        yield made.sync()


def well(answer, status, body=None):
    """Complete; and a reset that says that no more of the request is wanted is no error."""
    return answer.status == status and answer.ended and answer.reset in (None, NO_ERROR) and \
        body in (None, answer.body)


@pytest.mark.parametrize("size", [0, 1, 1000, 16384, 65535, 65536, 300_000, 1 << 20])
@pytest.mark.parametrize("declared", [True, False])
def test_body_is_dropped(client, size, declared):
    lines = [f"content-length: {size}"] if declared else []
    answer = client.request("/large", *lines, method="POST", body=b"x" * size)
    assert well(answer, 200, b"large")
    assert client.request("/f.txt").body == b"file"


def test_body_for_a_file(client):
    answer = client.request("/f.txt", method="POST", body=b"x" * 1000)
    assert well(answer, 405)
    assert well(client.request("/f.txt", body=b"x" * 1000), 200, b"file")
    assert well(client.request("/absent", method="PUT", body=b"x" * 100_000), 405)


@pytest.mark.parametrize("pad", [0, 1, 100, 255])
def test_padded_body(client, pad):
    for size in (0, 1, 5000, 200_000):
        answer = client.request("/large", method="POST", body=b"x" * size, pad=pad)
        assert well(answer, 200, b"large")


def test_connection_window_comes_back(client):
    """More than the window in bodies that nobody reads, and padding counts (section 6.1)."""
    for number in range(24):
        answer = client.request("/large", method="POST", body=b"x" * 120_000, pad=9 * number)
        assert well(answer, 200)
    assert client.sync().room > 0


def test_bodies_of_many_streams_at_once(client):
    numbers = [client.start("/large", method="POST", end=False) for _ in range(50)]
    for number in reversed(numbers):
        if not client.streams[number].done:
            client.data(number, b"x" * 1000)
    for number in numbers:
        if not client.streams[number].done:
            client.data(number, b"y", end=True)
    for number in numbers:
        assert well(client.response(number), 200, b"large")


def test_body_in_one_byte_frames(client):
    number = client.start("/large", method="POST", end=False)
    for _ in range(300):
        client.data(number, b"x")
    client.data(number, end=True)
    assert well(client.response(number), 200, b"large")


@pytest.mark.parametrize("body", [None, b"x" * 2000])
def test_declared_body_that_is_too_large(client, body):
    size = len(body or b"")
    number = client.start("/small", "content-length: 2000", method="POST", end=False)
    if size:
        client.data(number, body, end=True)
    assert client.response(number).status == 413
    assert client.request("/f.txt").body == b"file"


def test_undeclared_body_that_is_too_large(client):
    """What is dropped unread is not counted by nginx; it may be."""
    answer = client.request("/small", method="POST", body=b"x" * 20_000)
    assert answer.status in (200, 413) and answer.ended
    assert client.request("/f.txt").body == b"file"


def test_declared_body_that_never_begins(client):
    fate = client.fate(client.start("/text", "content-length: 5", method="POST"))
    assert fate in REFUSED
    assert client.request("/f.txt").body == b"file"


@pytest.mark.parametrize("sent", [3, 10])
def test_length_that_is_not_kept_hurts_only_its_stream(client, sent):
    """RFC 9113, section 8.1.1: malformed; but the answer may have been given before."""
    number = client.start("/text", "content-length: 5", method="POST", end=False)
    client.data(number, b"x" * sent, end=True)
    assert client.fate(number) in REFUSED | {("status", 200)}
    assert client.request("/f.txt").body == b"file"


@pytest.mark.parametrize("path", ["/large", "/f.txt", "/small"])
def test_expectation_never_blocks(client, path):
    """The client sends its body only when it is told to, or has its answer."""
    number = client.start(path, "expect: 100-continue", "content-length: 10", end=False)
    client.until(lambda: client.streams[number].interim or client.streams[number].done or
                 client.streams[number].head)
    if not client.streams[number].done:
        client.data(number, b"x" * 10, end=True)
    assert well(client.response(number), 200)


@pytest.mark.millrace_only
def test_trailers_of_a_request(client):
    """nginx takes a second HEADERS for a reused number."""
    number = client.start("/large", method="POST", end=False)
    if not client.streams[number].done:
        client.data(number, b"x" * 100)
        block = client.encoder.encode([("x-sum", "1")])
        client.frame(HEADERS, 5, number, block)
    assert well(client.response(number), 200, b"large")
    assert client.request("/f.txt").body == b"file"


def test_answer_does_not_wait_for_the_body(client):
    number = client.start("/f.txt", "content-length: 1000000", method="GET", end=False)
    client.until(lambda: client.streams[number].body)
    client.rst(number, NO_ERROR)
    assert client.request("/f.txt").body == b"file"


def test_body_that_stops_does_not_hold_the_stream_for_ever(client):
    """client_body_timeout is a second; the connection goes on."""
    number = client.start("/f.txt", "content-length: 1000", method="POST", end=False)
    client.data(number, b"x" * 10)
    client.until(lambda: client.streams[number].done)
    assert client.request("/f.txt").body == b"file"


def test_body_for_a_stream_that_was_answered_is_dropped(client):
    """The client may not have seen the end yet (section 5.1, closed)."""
    number = client.start("/f.txt", method="POST", end=False)
    client.response(number)
    for _ in range(20):
        client.data(number, b"late" * 1000)
    client.rst(number, CANCEL)
    assert client.request("/f.txt").body == b"file"
    assert not client.goaways


def test_body_of_a_refused_stream_does_not_leak_the_window(client):
    for _ in range(40):
        number = client.start("/small", "content-length: 100000", method="POST", end=False)
        client.data(number, b"x" * 10_000)
        assert client.response(number).status == 413
        client.until(lambda: client.room >= 10_000)
    assert client.request("/f.txt").body == b"file"


def test_body_together_with_the_request(client):
    """HEADERS, DATA and what follows in one segment."""
    for size in (1, 4000, 16000):
        number, after = client.open(), client.open()
        block = client.encoder.encode(client.fields("/text", method="POST"))
        more = client.encoder.encode(client.fields("/f.txt"))
        client.send(frame(HEADERS, 4, number, block) +
                    frame(DATA, PADDED, number, b"\x03" + b"x" * size + bytes(3)) +
                    frame(DATA, END_STREAM, number) + frame(HEADERS, 5, after, more))
        assert well(client.response(number), 200, b"text")
        assert client.response(after).body == b"file"


def test_upload_while_the_answer_is_blocked(site):
    """The body is taken though not a byte of the answer may be sent."""
    with H2Client(site.port, settings={WINDOW: 0}) as client:
        number = client.start("/big", method="GET", end=False)
        client.until(lambda: client.streams[number].head)
        for _ in range(6):
            client.data(number, b"x" * 10_000)
        client.data(number, end=True)
        client.sync().settings({WINDOW: 1 << 20})
        assert client.response(number).body == FILES["html/big"]


@pytest.mark.millrace_only
def test_more_than_the_connection_window_is_an_error(site):
    """nginx's window is 2^31-1, which cannot be overrun here."""
    with H2Client(site.port) as client:
        room = client.sync().room
        if room > 32 << 20:
            pytest.skip("a window that cannot be overrun in a test")
        number = client.start("/large", method="POST", end=False)
        try:
            for _ in range(room // 16384 + 70):
                client.frame(DATA, 0, number, bytes(16384))
        except OSError:
            pass
        fate = client.fate(number)
        assert fate in {("goaway", FLOW_CONTROL_ERROR), ("reset", FLOW_CONTROL_ERROR),
                        ("status", 200)}, fate


def test_reset_in_the_middle_of_a_body(client, site):
    for _ in range(30):
        number = client.start("/large", "content-length: 1000", method="POST", end=False)
        client.data(number, b"x" * 10)
        client.frame(RST_STREAM, 0, number, b"\0\0\0\x08")
        client.streams[number].left = True
    assert client.request("/f.txt").body == b"file"


def test_request_length_counts_the_body_at_most_once(client, site):
    answer = client.request("/counted", "content-length: 1000", method="POST", body=b"x" * 1000)
    assert answer.status == 200
    counted = int(site.log_line(r"^/counted 200 \d+$").split()[-1])
    assert client.sent <= counted <= client.sent + 1000 + 3 * 9
