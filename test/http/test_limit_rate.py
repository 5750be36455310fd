# SPDX-License-Identifier: Apache-2.0
"""limit_rate and limit_rate_after: how long a body takes, whatever means the pacing."""

import time

import pytest

from settings import seconds

HTTP = """
    map $arg_slow $rate { 1 1m; default 0; }
    server {
        listen 127.0.0.1:@PORT@;
        root @PREFIX@/html;
        location /slow/ { limit_rate 1m; }
        location /after/ { limit_rate 1m; limit_rate_after 2m; }
        location /var/ { limit_rate $rate; }
        location = /status { stub_status; }
    }
"""
# Loopback segments are large: pacing lets the first ten of 64 KiB go at once.
BODY = b"r" * (3 << 20)
FILES = {f"html/{name}/f": BODY for name in ("slow", "after", "var", "free")}


def duration(site, path):
    start = time.monotonic()
    answer = site.fetch(path)
    assert answer.body == BODY
    return time.monotonic() - start


@pytest.mark.parametrize("path,least,most", [
    ("/slow/f", 1.5, 5), ("/after/f", 0.3, 3.5), ("/var/f?slow=1", 1.5, 5), ("/var/f", 0, 0.8),
    ("/free/f", 0, 0.8),
])
def test_takes_its_time(site, path, least, most):
    assert least <= duration(site, path) <= seconds(most)


def test_limit_is_per_response_not_left_on_the_connection(site):
    with site.client() as client:
        assert client.request("/slow/f", "Range: bytes=0-999999").status == 206
        start = time.monotonic()
        assert client.request("/free/f").body == BODY
        assert time.monotonic() - start < seconds(1)


def test_slow_body_does_not_delay_others(site):
    with site.client() as slow:
        slow.send("GET /slow/f HTTP/1.1\r\nHost: a\r\n\r\n")
        slow.head()
        start = time.monotonic()
        for _ in range(20):
            assert site.fetch("/free/f").body == BODY
        assert time.monotonic() - start < seconds(2)
