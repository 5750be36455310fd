# SPDX-License-Identifier: Apache-2.0
"""Priorities that meet other things: RFC 7540's tree, frames that are wrong or in parts, time-outs,
and long random plays in which nothing may get lost.
"""

import random
import time

import pytest

from h2client import (PRIORITY, PRIORITY_UPDATE, WINDOW, WITH_PRIORITY, H2Client, frame, http2,
                      priority)

SIZE = 300_000
HTTP = f"""
    send_timeout 2s;
    server {{
        {http2()}
        root @PREFIX@/html;
        sendfile_max_chunk 2m;
        location /slow/ {{ alias @PREFIX@/html/; limit_rate 400k; }}
    }}
"""
FILES = {f"html/{n}": bytes([n]) * SIZE for n in range(1, 10)}
OURS = pytest.mark.millrace_only  # nginx knows RFC 7540's priorities alone


def held(site):
    return H2Client(site.port, settings={WINDOW: 0}, window=1 << 30)


def ask(client, *options):
    numbers = [client.start(f"/{n + 1}", *one.pop("fields", ()), **one)
               for n, one in enumerate(options)]
    for number in numbers:
        client.head(number)
    return numbers


def opened(client, numbers):
    """Lets all go on; the places of the streams in the order in which they came to an end."""
    client.sync().settings({WINDOW: 1 << 30})
    ends = []
    while len(ends) < len(numbers):
        client.until(lambda: any(client.streams[number].done and place not in ends
                                 for place, number in enumerate(numbers)))
        ends += [place for place, number in enumerate(numbers)
                 if client.streams[number].done and place not in ends]
    for n, number in enumerate(numbers):
        assert client.response(number).body == bytes([n + 1]) * SIZE
    return ends


def old(depends=0, weight=16, exclusive=False):
    return {"flags": WITH_PRIORITY, "before": priority(depends, weight, exclusive)}


@OURS
@pytest.mark.parametrize("wishes,order", [
    ([old(weight=1), old(weight=256)], [1, 0]), ([old(weight=256), old(weight=1)], [0, 1]),
    ([old(depends=3), old()], [1, 0]), ([{}, old(depends=1, weight=256)], [0, 1]),
    ([old(), old(exclusive=True), {}], [1, 2, 0]), ([{}, old(weight=17), {}], [1, 0, 2]),
    ([old(weight=2), {}, old(depends=1, weight=256), old(weight=256)], [3, 1, 0, 2]),
])
def test_old_priorities_in_heads(site, wishes, order):
    """As nginx: depth in the tree, then the product of the weights. A stream that is still to come
    is not known, and then counts as none (that is why the third begins with 3 told by a frame)."""
    with held(site) as client:
        if wishes[0].get("before", b"")[:4] == b"\0\0\0\3":
            client.frame(PRIORITY, 0, 3, priority(0))
        assert opened(client, ask(client, *wishes)) == order


@OURS
def test_old_priorities_in_frames(site):
    with held(site) as client:
        numbers = ask(client, {}, {}, {})
        client.frame(PRIORITY, 0, numbers[0], priority(numbers[2]))
        client.frame(PRIORITY, 0, numbers[1], priority(0, 200))
        assert opened(client, numbers) == [1, 2, 0]


@OURS
def test_urgency_ends_old_priorities(site):
    with held(site) as client:
        numbers = ask(client, old(weight=256), old(weight=1), {"fields": ["priority: u=4"]})
        client.priority_update(numbers[1], "u=2")
        client.frame(PRIORITY, 0, numbers[2], priority(0, 256, True))
        assert opened(client, numbers) == [1, 0, 2]


@OURS
def test_signal_orders_what_was_under_way(site):
    with H2Client(site.port, window=100_000) as client:
        numbers = [client.start(f"/{n}") for n in (1, 2, 3)]
        client.until(lambda: client.window == 0)
        client.priority_update(numbers[2], "u=0")
        client.sync().update(0, SIZE)
        assert client.response(numbers[2]).body == FILES["html/3"]
        assert not client.streams[numbers[0]].done and not client.streams[numbers[1]].done
        client.update(0, 2 * SIZE)
        for n, number in enumerate(numbers):
            assert client.response(number).body == bytes([n + 1]) * SIZE


def test_head_that_depends_on_itself(site):
    with H2Client(site.port) as client:
        client.start("/1", **old(depends=1))
        client.until(lambda: client.goaways)
        assert client.goaways[-1][1] == 1


@OURS
@pytest.mark.parametrize("payload,stream,code", [
    (b"", 0, 6), (b"\0\0\0", 0, 6), (b"\0\0\0\0u=1", 0, 1), (b"\0\0\0\2u=1", 0, 1),
    (b"\0\0\0\1u=1", 1, 1),
])
def test_priority_update_that_is_wrong(site, payload, stream, code):
    with H2Client(site.port) as client:
        client.frame(PRIORITY_UPDATE, 0, stream, payload)
        client.until(lambda: client.goaways)
        assert client.goaways[-1][1] == code


@OURS
def test_priority_update_in_parts(site):
    with held(site) as client:
        numbers = ask(client, {"fields": ["priority: u=1"]}, {"fields": ["priority: u=2"]})
        for byte in frame(PRIORITY_UPDATE, 0, 0, numbers[1].to_bytes(4, "big") + b"u=0, i"):
            client.send(bytes([byte]))
            time.sleep(0.01)
        assert opened(client, numbers) == [1, 0]


@OURS
def test_several_lines_are_one_signal(site):
    with held(site) as client:
        assert opened(client, ask(client, {"fields": ["priority: u=6", "priority: i"]},
                                  {"fields": ["priority: u=5"]})) == [1, 0]


@OURS
def test_stream_that_waits_for_its_turn_is_not_timed_out(site):
    """It waits for twice send_timeout, while the first is read slowly."""
    with H2Client(site.port, window=65535) as client:
        numbers = ask(client, {"fields": ["priority: u=1"]}, {"fields": ["priority: u=5"]})
        for _ in range(8):
            client.until(lambda: client.window == 0)
            time.sleep(0.5)
            client.update(0, 20_000)
        assert not client.sync().goaways
        assert len(client.streams[numbers[1]].body) == 0
        client.update(0, 2 * SIZE)
        for n, number in enumerate(numbers):
            assert client.response(number).body == bytes([n + 1]) * SIZE


@OURS
def test_streams_that_wait_for_a_reader_that_is_gone_are_timed_out(site):
    with H2Client(site.port, window=65535) as client:
        numbers = ask(client, {"fields": ["priority: u=1"]}, {"fields": ["priority: u=5"]})
        begun = time.monotonic()
        client.until(lambda: client.closed or all(client.streams[one].done for one in numbers))
        assert 1 < time.monotonic() - begun < 6


class Play:
    """A client that says at random what it may."""

    def __init__(self, client, kind, rnd):
        self.client, self.kind, self.rnd = client, kind, rnd
        self.live = {}

    def signal(self):
        return f"u={self.rnd.randrange(8)}" + self.rnd.choice(["", ", i"])

    def wish(self, stream):
        depends = self.rnd.choice([0, self.client.next + 2,
                                   self.rnd.randrange(1, self.client.next + 4, 2)])
        return priority(depends if depends != stream else 0, self.rnd.randrange(1, 257),
                        self.rnd.random() < 0.3)

    def begin(self):
        if len(self.live) == 40:
            return
        n = self.rnd.randrange(1, 10)
        path = self.rnd.choice(["/", "/", "/slow/"]) + str(n)
        kind = self.rnd.choice(self.kind)
        if kind == "old":
            started = self.client.start(path, flags=WITH_PRIORITY,
                                        before=self.wish(self.client.next))
        elif kind == "new":
            started = self.client.start(path, f"priority: {self.signal()}")
        else:
            started = self.client.start(path)
        self.live[started] = n

    def change(self):
        stream = self.rnd.choice([*self.live, self.client.next])
        kind = self.rnd.choice(self.kind)
        if kind == "old":
            self.client.frame(PRIORITY, 0, stream, self.wish(stream))
        elif kind == "new":
            self.client.priority_update(stream, self.signal())

    def window(self):
        self.client.settings({WINDOW: self.rnd.choice([0, 100, 20_000, 65_535, 500_000])})
        self.client.update(0, self.rnd.choice([1000, 100_000]))
        for stream in self.live:
            if not self.client.streams[stream].done and self.rnd.random() < 0.2:
                self.client.update(stream, self.rnd.choice([1, 5000, 100_000]))

    def reset(self):
        if self.live and self.rnd.random() < 0.3:
            stream = self.rnd.choice([*self.live])
            del self.live[stream]
            self.client.rst(stream)

    def sync(self):
        self.client.sync()


@OURS
@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("kinds", ["old", "new", "none old", "none new", "none old new"])
def test_nothing_is_lost_whatever_is_said(site, kinds, seed):
    rnd = random.Random(f"{kinds} {seed}")
    with H2Client(site.port, settings={WINDOW: rnd.choice([0, 1000, 65_535])},
                  window=rnd.choice([65_535, 1 << 29])) as client:
        play = Play(client, kinds.split(), rnd)
        for _ in range(120):
            rnd.choice([play.begin, play.begin, play.change, play.change, play.window,
                        play.reset, play.sync])()
        client.settings({WINDOW: 1 << 28})
        client.update(0, 1 << 28)
        for stream, n in play.live.items():
            assert client.response(stream).body == bytes([n]) * SIZE
        assert not client.goaways
