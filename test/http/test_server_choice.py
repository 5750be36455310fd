# SPDX-License-Identifier: Apache-2.0
"""Which server block answers: names, wildcards, expressions, addresses."""

import pytest

from wire import fetch

HTTP = """
    server { listen 127.0.0.1:@PORT@; server_name first; return 200 "first $server_name"; }
    server { listen 127.0.0.1:@PORT@; server_name exact.example.org UPPER.example.org;
             return 200 "exact $server_name"; }
    server { listen 127.0.0.1:@PORT@; server_name *.example.org; return 200 leading; }
    server { listen 127.0.0.1:@PORT@; server_name *.sub.example.org; return 200 longer; }
    server { listen 127.0.0.1:@PORT@; server_name www.example.*; return 200 trailing; }
    server { listen 127.0.0.1:@PORT@; server_name .both.example; return 200 both; }
    server { listen 127.0.0.1:@PORT@; server_name ~^(?<who>\\w+)\\.re\\.example$;
             return 200 "re $who"; }
    server { listen 127.0.0.1:@PORT@; server_name ~^ab?\\.re\\.example$; return 200 late; }
    server { listen 127.0.0.1:@PORT@; server_name ""; return 200 empty; }

    server { listen 127.0.0.1:@PORT1@; server_name a; return 200 a; }
    server { listen 127.0.0.1:@PORT1@ default_server; server_name b; return 200 "b $server_port"; }
    server { listen 127.0.0.1:@PORT1@; listen 127.0.0.1:@PORT@; server_name c;
             return 200 "c $server_port"; }
    server { listen [::1]:@PORT1@; return 200 "six $server_addr $remote_addr"; }
    server { listen unix:@PREFIX@/sock; return 200 "unix $server_addr $remote_addr"; }
    server { listen 127.0.0.1:@PORT2@-@PORT4@; return 200 "range $server_port"; }
"""
PORTS = 5


@pytest.mark.parametrize("host,body", [
    ("first", "first first"), ("unknown", "first first"),
    ("exact.example.org", "exact exact.example.org"),
    ("EXACT.example.ORG", "exact exact.example.org"),
    ("upper.example.org", "exact exact.example.org"),
    ("exact.example.org.", "exact exact.example.org"),
    ("exact.example.org:8080", "exact exact.example.org"),
    ("other.example.org", "leading"), ("a.b.example.org", "leading"),
    ("x.sub.example.org", "longer"), ("example.org", "first first"),
    ("www.example.com", "trailing"), ("www.example.co.uk", "trailing"),
    ("www.example.org", "leading"),
    ("both.example", "both"), ("x.both.example", "both"),
    ("abc.re.example", "re abc"), ("ab.re.example", "re ab"),
    ("c", "c @PORT@"),
])
def test_name(site, host, body):
    assert site.fetch("/", host=host).body.decode() == site.expand(body)


def test_without_host_the_empty_name_answers(site):
    assert site.fetch("/", host=None, version="1.0").body == b"empty"


@pytest.mark.parametrize("host,body", [
    ("a", "a"), ("b", "b @PORT1@"), ("none", "b @PORT1@"), ("c", "c @PORT1@"),
    ("first", "b @PORT1@"),
])
def test_default_server_is_per_address(site, host, body):
    assert site.fetch("/", host=host, port=site.ports[1]).body.decode() == site.expand(body)


def test_ipv6(site):
    assert fetch(("::1", site.ports[1]), "/", host="[::1]").body == b"six ::1 ::1"


def test_unix_socket(site):
    path = str(site.path("sock"))
    assert fetch(path, "/").body.decode() == f"unix unix:{path} unix:"


def test_unix_socket_is_removed_at_the_end(launch):
    server = launch(http="server { listen unix:@PREFIX@/s; return 200 ok; }")
    assert fetch(str(server.path("s")), "/").body == b"ok"
    server._stop()
    assert not server.path("s").exists()


def test_port_range(site):
    for port in site.ports[2:]:
        assert site.fetch("/", port=port).body == b"range %d" % port


def test_absolute_form_wins_over_host(site):
    answer = site.fetch("http://exact.example.org/", host="first")
    assert answer.body == b"exact exact.example.org"


def test_name_decides_per_request_on_one_connection(site):
    with site.client() as client:
        assert client.request("/", host="exact.example.org").body == b"exact exact.example.org"
        assert client.request("/", host="both.example").body == b"both"


def test_listen_parameters_are_accepted(launch):
    server = launch(http="""
        server { listen 127.0.0.1:@PORT@ default_server backlog=64 reuseport rcvbuf=64k sndbuf=64k
                 deferred so_keepalive=10s:5s:3; return 200 ok; }
        server { listen [::1]:@PORT1@ ipv6only=on so_keepalive=on fastopen=16; return 200 ok6; }
    """)
    assert server.fetch("/").body == b"ok"
    assert fetch(("::1", server.ports[1]), "/").body == b"ok6"


def test_wildcard_address_and_a_specific_one(launch):
    server = launch(http="""
        server { listen @PORT@; return 200 "any $server_addr"; }
        server { listen 127.0.0.2:@PORT@; return 200 two; }
        server { listen [::]:@PORT@; return 200 "any6"; }
    """)
    assert server.fetch("/").body == b"any 127.0.0.1"
    assert fetch(("127.0.0.2", server.port), "/").body == b"two"
    assert fetch(("127.0.0.3", server.port), "/").body == b"any 127.0.0.3"
    assert fetch(("::1", server.port), "/").body == b"any6"


def test_listen_without_address_forms(launch):
    server = launch(http="server { listen *:@PORT@; return 200 star; }"
                         "server { listen localhost:@PORT1@; return 200 name; }")
    assert server.fetch("/").body == b"star"
    assert server.fetch("/", port=server.ports[1]).body == b"name"
