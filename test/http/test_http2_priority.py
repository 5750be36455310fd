# SPDX-License-Identifier: Apache-2.0
"""Who is served first: RFC 9218's urgency and incremental; RFC 7540's priorities are tolerated.

Streams are held back by their windows, which one SETTINGS frame then opens for all: the order of
the frames that follow is the server's choice alone.
"""

import pytest

from h2client import (DATA, PRIORITY, PRIORITY_UPDATE, WINDOW, WITH_PRIORITY, H2Client, http2,
                      priority)
from wire import fetch

SIZE = 600_000
HTTP = f"""
    server {{
        {http2()}
        root @PREFIX@/html;
        sendfile_max_chunk 2m;
        location = /text {{ return 200 "text"; }}
        location = /seen {{ return 200 "$http_priority"; }}
    }}
    server {{ listen 127.0.0.1:@PORT1@; root @PREFIX@/html; }}
"""
FILES = {f"html/{n}": bytes([n]) * SIZE for n in range(1, 10)} | {"html/small": b"s" * 1000}
OURS = pytest.mark.millrace_only  # nginx knows RFC 7540's priorities alone


def held(site, settings=None, window=1 << 30):
    return H2Client(site.port, settings={**(settings or {}), WINDOW: 0}, window=window)


def ask(client, *signals):
    """One request for each, with that `priority` field; their numbers."""
    numbers = []
    for n, signal in enumerate(signals):
        numbers.append(client.start(f"/{n + 1}", *([f"priority: {signal}"] if signal else [])))
        client.head(numbers[-1])
    return numbers


def opened(client, numbers):
    """Lets all go on; the streams in the order of their DATA, as their places in `numbers`."""
    client.sync().settings({WINDOW: 1 << 30})
    for n, number in enumerate(numbers):
        assert client.response(number).body == bytes([n + 1]) * SIZE
    return [numbers.index(stream) for stream in client.order()]


def shares(client, numbers):
    """Of each stream, how much of its body had come when the first of them was complete."""
    counts = dict.fromkeys(numbers, 0)
    at = {number: iter(client.streams[number].sizes) for number in numbers}
    for one in client.frames:
        if one.type == DATA and one.stream in counts:
            counts[one.stream] += next(at[one.stream])
            if max(counts.values()) == SIZE:
                break
    return [counts[number] / SIZE for number in numbers]


@OURS
@pytest.mark.parametrize("signals,order", [
    (("u=5", "u=1", "u=3"), [1, 2, 0]), (("u=7", "u=6", "u=0"), [2, 1, 0]),
    (("u=4", "", "u=2"), [2, 1, 0]), (("", "u=0"), [1, 0]),
    (("u=4, i", "u=3"), [1, 0]), (("u=5;x=y", "foo=1, u=1"), [1, 0]),
    (("u=1, u=6", "u=2"), [1, 0]),
])
def test_urgency_is_strict(site, signals, order):
    with held(site) as client:
        assert opened(client, ask(client, *signals)) == order


@OURS
@pytest.mark.parametrize("settings", [{}, {9: 1}], ids=["", "NO_RFC7540_PRIORITIES"])
def test_equals_that_are_not_incremental_come_one_after_the_other(site, settings):
    """In the order of their numbers: RFC 9218, section 10."""
    with held(site, settings) as client:
        assert opened(client, ask(client, "", "", "u=3", "u=3")) == [0, 1, 2, 3]


@OURS
def test_incremental_streams_share(site):
    with held(site) as client:
        numbers = ask(client, "i", "u=3, i", "i=?1")
        opened(client, numbers)
        assert min(shares(client, numbers)) > 0.5, shares(client, numbers)


@OURS
def test_incremental_streams_share_with_those_that_come_later(site):
    with held(site) as client:
        numbers = ask(client, "u=6, i", "u=6, i")
        client.settings({WINDOW: 200_000})
        for number in numbers:
            client.got(number, 200_000)
        numbers.append(client.start("/3", "priority: u=1"))
        client.got(numbers[2], 200_000)
        assert opened(client, numbers)[-1] != 2
        assert min(shares(client, numbers[:2])) > 0.5


@OURS
def test_urgent_ones_overtake(site):
    """A large body is under way when something urgent is asked for."""
    with H2Client(site.port, window=200_000) as client:
        large = client.start("/1", "priority: u=5")
        client.until(lambda: client.window == 0)
        urgent = client.start("/2", "priority: u=0")
        client.head(urgent)
        client.update(0, SIZE)
        assert client.response(urgent).body == FILES["html/2"]
        assert len(client.sync().streams[large].body) == 200_000
        client.update(0, SIZE)
        assert client.response(large).body == FILES["html/1"]


@OURS
def test_urgent_one_that_is_blocked_holds_up_nobody(site):
    with H2Client(site.port, settings={WINDOW: 0}) as client:
        client.head(client.start("/1", "priority: u=0"))
        number = client.start("/2", "priority: u=7")
        client.head(number)
        client.update(number, SIZE)
        assert client.response(number).body == FILES["html/2"]


@OURS
@pytest.mark.parametrize("signal", ["u=9", "u=-1", "u", "u=1.5", "u=a", "i=1", "???", "u=3,", ";",
                                    "u=" + "1" * 50])
def test_signal_that_cannot_be_read_counts_as_none(site, signal):
    with held(site) as client:
        assert opened(client, ask(client, "u=4", signal, "u=2")) == [2, 1, 0]


@OURS
def test_priority_update_changes_the_order(site):
    with held(site) as client:
        numbers = ask(client, "u=1", "u=2", "u=3")
        client.priority_update(numbers[2], "u=0")
        client.priority_update(numbers[0], "u=6")
        assert opened(client, numbers) == [2, 1, 0]


@OURS
def test_priority_update_is_the_whole_of_a_signal(site):
    """Parameters that it leaves out are the defaults again: RFC 9218, section 7."""
    with held(site) as client:
        numbers = ask(client, "u=1", "u=2")
        client.priority_update(numbers[0], "")
        assert opened(client, numbers) == [1, 0]


@OURS
def test_priority_update_may_come_before_its_request(site):
    """And then it wins over the field (RFC 9218, section 7)."""
    with held(site) as client:
        client.sync()
        for number, signal in ((1, "u=6"), (3, "u=1")):
            client.priority_update(number, signal)
        assert opened(client, ask(client, "", "u=5")) == [1, 0]


@OURS
def test_priority_update_in_mid_body(site):
    with H2Client(site.port, window=200_000) as client:
        first = client.start("/1", "priority: u=1")
        client.until(lambda: client.window == 0)
        second = client.start("/2", "priority: u=2")
        client.head(second)
        client.priority_update(first, "u=5")
        client.sync().update(0, SIZE)
        assert client.response(second).body == FILES["html/2"]
        assert not client.streams[first].done
        client.update(0, SIZE)
        assert client.response(first).body == FILES["html/1"]


def test_priority_update_of_what_is_gone_is_ignored(site):
    with H2Client(site.port) as client:
        number = client.start("/text")
        client.response(number)
        for text in ("u=1", "i", "???", "x" * 100):
            client.priority_update(number, text)
        assert client.request("/text").body == b"text"


def test_field_reaches_variables(site):
    with H2Client(site.port) as client:
        assert client.request("/seen", "priority: u=1, i").body == b"u=1, i"


def test_field_means_nothing_over_http_1(site):
    assert fetch(site.ports[1], "/small", "Priority: u=0").status == 200


# RFC 7540.

def test_without_any_signal_nobody_starves(site):
    with H2Client(site.port, window=1 << 20) as client:
        numbers = [client.start(f"/{n}") for n in range(1, 10)]
        while not all(client.streams[number].done for number in numbers):
            client.until(lambda: client.window == 0 or
                         all(client.streams[number].done for number in numbers))
            client.update(0, 1 << 20)
        for n, number in enumerate(numbers):
            assert client.response(number).body == bytes([n + 1]) * SIZE


def test_old_priorities_are_tolerated(site):
    """Dependencies on streams that are idle, open, closed; loops; all weights."""
    with held(site) as client:
        numbers = [client.start(f"/{n}", flags=WITH_PRIORITY,
                                before=priority(depends, weight, exclusive))
                   for n, depends, weight, exclusive in
                   ((1, 0, 1, False), (2, 1, 256, True), (3, 9, 16, False), (4, 3, 100, True))]
        for number in numbers:
            client.head(number)
        for stream, depends in ((1, 3), (3, 1), (5, 7), (7, 5), (5, 3), (99, 1), (101, 99)):
            client.frame(PRIORITY, 0, stream, priority(depends, stream, stream % 4 == 1))
        client.sync().settings({WINDOW: 1 << 30})
        for n, number in enumerate(numbers):
            assert client.response(number).body == bytes([n + 1]) * SIZE


def test_old_priorities_of_idle_streams_open_nothing(site):
    with H2Client(site.port) as client:
        for stream in range(201, 241, 2):
            client.frame(PRIORITY, 0, stream, priority(0, 256))
        assert client.request("/text").body == b"text"
        client.frame(PRIORITY, 0, 1, priority(203))
        assert client.request("/text").body == b"text"


@OURS
def test_old_priorities_do_not_touch_the_new(site):
    with held(site, {9: 1}) as client:
        numbers = ask(client, "u=5", "u=1")
        client.frame(PRIORITY, 0, numbers[0], priority(0, 256))
        client.frame(PRIORITY, 0, numbers[1], priority(numbers[0], 1))
        assert opened(client, numbers) == [1, 0]


@OURS
def test_many_priority_updates_of_idle_streams_are_bounded(site):
    """RFC 9218, section 7.1: no more than the streams that may be; the rest may be an error."""
    with H2Client(site.port) as client:
        for stream in range(1, 2001, 2):
            client.frame(PRIORITY_UPDATE, 0, 0, stream.to_bytes(4, "big") + b"u=1")
        try:
            assert client.request("/text").body == b"text"
        except (EOFError, OSError):
            assert client.goaways[-1][1] in (1, 11)
