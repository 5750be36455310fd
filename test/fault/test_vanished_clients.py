# SPDX-License-Identifier: Apache-2.0
"""Clients that vanish at any point: thousands of them leave nothing behind."""

import random
import time

import pytest

from millrace import LeakCheck, status_counters
from settings import is_sanitized
from wire import eventually

HTTP = """
    server {
        listen 127.0.0.1:@PORT@;
        root @PREFIX@/html;
        access_log access.log;
        keepalive_timeout 5s;
        client_header_timeout 5s;
        client_body_timeout 5s;
        send_timeout 5s;
        lingering_time 3s;
        lingering_timeout 1s;
        location = /status { stub_status; access_log off; }
        location /copy/ { sendfile off; alias @PREFIX@/html/; }
        location /limited/ { limit_rate 1m; alias @PREFIX@/html/; }
        location /post { return 200 x; }
    }
"""
FILES = {"html/small": b"s" * 100, "html/big": b"b" * (8 << 20)}
REQUEST = "GET {} HTTP/1.1\r\nHost: a\r\nX-Padding: {}\r\n\r\n"
ROUNDS = 3000


def half_a_request(client, dice):
    text = REQUEST.format("/big", "x" * dice.randrange(2000))
    client.send(text[:dice.randrange(len(text))])


def before_the_answer(client, dice):
    client.send(REQUEST.format(dice.choice(["/big", "/small", "/none", "/copy/big"]), "x"))


def in_the_body(client, dice):
    client.send(REQUEST.format(dice.choice(["/big", "/copy/big", "/limited/big"]), "x"))
    client.head()
    client.sock.recv(dice.randrange(1, 200000))


def between_requests(client, dice):
    for _ in range(dice.randrange(1, 4)):
        assert client.request("/small").status == 200


def in_a_pipeline(client, dice):
    client.send(REQUEST.format("/small", "x") * dice.randrange(1, 50) +
                REQUEST.format("/big", "x"))
    client.sock.recv(dice.randrange(1, 5000))


def in_its_own_body(client, dice):
    client.send("POST /post HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\n" +
                "x" * dice.randrange(50000))


def half_closed(client, dice):
    client.send(REQUEST.format("/big", "x"))
    client.sock.shutdown(1)
    client.sock.recv(dice.randrange(1, 5000))


def without_a_word(_client, _dice):
    pass


POINTS = [half_a_request, before_the_answer, in_the_body, between_requests, in_a_pipeline,
          in_its_own_body, half_closed, without_a_word]


def vanish(site, dice, point):
    client = site.client(rcvbuf=dice.choice([None, 4096]))
    try:
        point(client, dice)
    except OSError:
        pass
    dice.choice([client.close, client.reset])()


def quiet_check(site):
    """Counts are taken when nothing but the question itself is going on."""
    assert eventually(lambda: status_counters(site)["active"] == 1, 20)
    return LeakCheck(site)


@pytest.mark.limit(90)
@pytest.mark.parametrize("point", POINTS, ids=lambda p: p.__name__)
def test_vanishing_at_one_point(site, point):
    dice = random.Random(point.__name__)
    vanish(site, dice, point)
    check = quiet_check(site)
    for _ in range(ROUNDS // 20):
        vanish(site, dice, point)
    check.settle(20)


@pytest.mark.limit(120)
def test_thousands_vanish_at_random_points(site):
    dice = random.Random(3)
    for _ in range(200):
        vanish(site, dice, dice.choice(POINTS))
    check, memory = quiet_check(site), site.resident()
    for _ in range(ROUNDS):
        vanish(site, dice, dice.choice(POINTS))
    check.settle(20)
    if not is_sanitized():
        assert site.resident() - memory < 4096, f"{memory} kB became {site.resident()} kB"


def test_everybody_vanishes_at_once(site):
    check = quiet_check(site)
    clients = []
    for number in range(400):
        client = site.client(rcvbuf=4096)
        client.send(REQUEST.format(["/big", "/copy/big", "/limited/big"][number % 3], "x"))
        clients.append(client)
    time.sleep(0.2)
    for client in clients:
        client.reset()
    check.settle(20)
    assert site.fetch("/small").body == b"s" * 100
