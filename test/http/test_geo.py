# SPDX-License-Identifier: Apache-2.0
"""geo: a value by the client's address, another variable's, or what trusted proxies forward."""

import random
import resource

import pytest

HTTP = """
    geo $plain { default world; 127.0.0.0/8 loopback; 127.0.0.1 here; ::1 six; }
    geo $deleted { default world; 127.0.0.0/8 loopback; delete 127.0.0.0/8; }
    geo $included { include lines/a.conf; include lines/b.conf; default world; }
    geo $literal { default $host; }
    geo $nothing { 10.0.0.0/8 private; }
    geo $arg_ip $net {
        default none;
        10.0.0.0/8 ten; 10.1.0.0/16 eleven; 10.1.2.0/24 twelve; 010.1.2.3 zeros;
        2001:db8::/32 doc; 2001:db8:0:0:0:0:0:1 one; 255.255.255.255 invalid;
    }
    geo $arg_ip $range {
        ranges;
        default none;
        10.0.0.0-10.255.255.255 ten;
        10.1.0.0-10.1.255.255 eleven;
        10.1.2.0-10.1.2.255 twelve;
        11.0.0.5-11.1.0.4 low;
        12.0.0.0-12.0.0.255 gone;
        delete 12.0.0.0-12.0.0.255;
        0.0.0.0-0.255.255.255 zero;
    }
    geo $arg_ip $cached { default none; 10.0.0.0/8 ten; }
    geo $proxied { default d; proxy 127.0.0.1; 127.0.0.0/8 l; 192.0.2.0/24 t; 2001:db8::/32 s; }
    geo $recursive {
        proxy_recursive; proxy 127.0.0.0/8; proxy 192.0.2.7;
        default d; 127.0.0.0/8 l; 192.0.2.0/24 t; 2001:db8::/32 s;
    }
    geo $arg_ip $forwarded_arg { proxy 10.0.0.0/8; default d; 10.0.0.0/8 ten; 192.0.2.0/24 t; }
    server {
        listen 127.0.0.1:@PORT@;
        listen [::1]:@PORT@;
        listen unix:@PREFIX@/socket;
        location = /own {
            return 200 "$plain $deleted $included $literal <$nothing>";
        }
        location = /arg { return 200 "$net $range"; }
        location = /twice {
            set $before "$cached";
            set $args ip=1.1.1.1;
            return 200 "$before $cached";
        }
        location = /proxy { return 200 "$proxied $recursive $forwarded_arg"; }
    }
"""
FILES = {"lines/a.conf": "127.0.0.0/9 first;", "lines/b.conf": "127.0.0.0/10 second;"}


def body(site, path, *headers, port=None):
    return site.fetch(path, *headers, port=port).body.decode()


def test_clients_address(site):
    assert body(site, "/own") == "here world second $host <>"


@pytest.mark.nginx_since("1.29.8", "wildcards in the include of geo are new")
def test_included_by_wildcard(launch):
    server = launch("""geo $x { include lines/*.conf; default world; }
                       server { listen 127.0.0.1:@PORT@; return 200 "$x"; }""", files=FILES)
    assert body(server, "/") == "second"


def test_clients_ipv6_address(site):
    assert body(site, "/own", port=("::1", site.port)) == "six world world $host <>"


def test_client_on_a_unix_socket(site):
    """It counts as 255.255.255.255."""
    assert body(site, "/own", port=str(site.path("socket"))) == "world world world $host <>"


@pytest.mark.parametrize("address,network,in_range", [
    ("10.0.0.0", "ten", "ten"), ("10.255.255.255", "ten", "ten"), ("10.1.0.0", "eleven", "eleven"),
    ("10.1.2.4", "twelve", "twelve"), ("10.1.2.3", "zeros", "twelve"),
    ("010.001.002.003", "zeros", "twelve"), ("9.255.255.255", "none", "none"),
    ("11.0.0.4", "none", "none"), ("11.0.0.5", "none", "low"), ("11.0.255.255", "none", "low"),
    ("11.1.0.4", "none", "low"), ("11.1.0.5", "none", "none"), ("12.0.0.1", "none", "none"),
    ("0.0.0.0", "none", "zero"), ("1.0.0.0", "none", "none"),
    ("2001:db8::2", "doc", "none"), ("2001:db8::1", "one", "none"), ("::1", "none", "none"),
    ("::ffff:10.1.0.9", "eleven", "eleven"), ("", "invalid", "none"), ("x", "invalid", "none"),
    ("10.0.0.1:80", "invalid", "none"), ("[::1]", "invalid", "none"),
    ("10.0.0", "invalid", "none"), ("10.0.0.256", "invalid", "none"),
    ("10.0.0.1/8", "invalid", "none"), ("255.255.255.255", "invalid", "none")])
def test_another_variables_address(site, address, network, in_range):
    assert body(site, f"/arg?ip={address}") == f"{network} {in_range}"


def test_a_variable_without_value_is_no_address(site):
    assert body(site, "/arg") == "invalid none"


def test_a_value_is_kept_for_the_request(site):
    assert body(site, "/twice?ip=10.0.0.1") == "ten ten"


@pytest.mark.nginx_since("1.29.3", "volatile in geo is new")
def test_volatile_is_looked_up_again(launch):
    server = launch("""geo $arg_ip $x { volatile; default none; 10.0.0.0/8 ten; }
                       server {
                           listen 127.0.0.1:@PORT@;
                           set $before $x;
                           set $args ip=1.1.1.1;
                           return 200 "$before $x";
                       }""")
    assert body(server, "/?ip=10.0.0.1") == "ten none"


@pytest.mark.parametrize("forwarded,one,all_", [
    ([], "l", "l"), (["192.0.2.1"], "t", "t"), (["10.0.0.1"], "d", "d"), (["bad"], "l", "l"),
    (["10.0.0.1, 192.0.2.1"], "t", "t"), (["192.0.2.1, 127.0.0.1"], "l", "t"),
    (["192.0.2.1,10.0.0.1 , "], "d", "d"), (["10.0.0.1, 192.0.2.7, 127.0.0.5"], "l", "d"),
    (["bad, 192.0.2.7"], "t", "t"), (["10.0.0.1, bad, 127.0.0.2"], "l", "l"),
    (["192.0.2.1:80"], "t", "t"), (["[2001:db8::1]:80"], "s", "s"), (["2001:db8::1"], "s", "s"),
    (["192.0.2.1:0"], "l", "l"), (["192.0.2.1:99999"], "l", "l"),
    (["[2001:db8::1]x"], "l", "l"), (["192.0.2.1", "127.0.0.1"], "l", "t"),
    (["10.0.0.1", "192.0.2.1"], "t", "t"), (["192.0.2.1", "bad"], "l", "l"),
    (["::ffff:192.0.2.9"], "t", "t")])
def test_forwarded_addresses(site, forwarded, one, all_):
    lines = [f"X-Forwarded-For: {value}" for value in forwarded]
    assert body(site, "/proxy", *lines) == f"{one} {all_} d"


@pytest.mark.nginx_since("1.27.3", "brackets without a port are new")
def test_forwarded_address_in_brackets_without_a_port(site):
    assert body(site, "/proxy", "X-Forwarded-For: [2001:db8::1]") == "s s d"


def test_only_a_trusted_address_is_replaced(site):
    assert body(site, "/proxy", "X-Forwarded-For: 192.0.2.1", port=("::1", site.port)) == "d d d"
    assert body(site, "/proxy", "X-Forwarded-For: 192.0.2.1",
                port=str(site.path("socket"))) == "d d d"


def test_another_variables_address_may_be_a_proxys(site):
    assert body(site, "/proxy?ip=10.0.0.1", "X-Forwarded-For: 192.0.2.1").endswith(" t")
    assert body(site, "/proxy?ip=11.0.0.1", "X-Forwarded-For: 192.0.2.1").endswith(" d")
    assert body(site, "/proxy?ip=x", "X-Forwarded-For: 192.0.2.1").endswith(" d")


@pytest.mark.parametrize("lines,message", [
    ("10.0.0.1/8 a;", "low address bits of 10.0.0.1/8 are meaningless"),
    ("proxy 10.0.0.1/8;", "low address bits of 10.0.0.1/8 are meaningless"),
    ("10.0.0.0/8 a; 10.0.0.0/8 b;",
     'duplicate network "10.0.0.0/8", value: "b", old value: "a"'),
    ("default a; default b;", 'duplicate network "default", value: "b", old value: "a"'),
    ("delete 10.0.0.0/8;", 'no network "10.0.0.0/8" to delete'),
    ("ranges; default a; default b;",
     'duplicate default geo range value: "b", old value: "a"'),
    ("ranges; 1.1.1.1-1.1.1.2 a; 1.1.1.1-1.1.1.2 b;",
     'duplicate range "1.1.1.1-1.1.1.2", value: "b", old value: "a"'),
    ("ranges; delete 1.1.1.1-1.1.1.2;", 'no address range "1.1.1.1-1.1.1.2" to delete')])
def test_warnings(prepare, lines, message):
    server = prepare(f"geo $x {{ {lines} }} server {{ listen 127.0.0.1:@PORT@; }}")
    done = server.run("-t")
    assert done.returncode == 0, done.stderr
    assert "[warn] " in done.stderr and f"{message} in {server.path('nginx.conf')}:" in done.stderr


@pytest.mark.parametrize("lines,message", [
    ("x;", "invalid number of the geo parameters"), ("10.0.0.0/33 x;", 'invalid network "10.0.0.0/33"'),
    ("10.0.0.0/8 { }", 'unexpected "{"'), ("proxy x;", 'invalid network "x"'),
    ("default a; ranges;", 'the "ranges" directive must be the first directive inside "geo" block'),
    ("ranges; 1.1.1.1 x;", 'invalid range "1.1.1.1"'),
    ("ranges; 1.1.1.1-255.255.255.255 x;", 'invalid range "1.1.1.1-255.255.255.255"'),
    ("ranges; 1.1.1.1-1.1.1.9 x; 1.1.1.5-1.1.1.15 y;",
     'range "1.1.1.5-1.1.1.15" overlaps "1.1.1.1-1.1.1.9"')])
def test_refusals(prepare, lines, message):
    server = prepare(f"geo $x {{ {lines} }} server {{ listen 127.0.0.1:@PORT@; }}")
    done = server.run("-t")
    assert done.returncode == 1
    assert f"{message} in {server.path('nginx.conf')}:" in done.stderr, done.stderr


def _random_networks(rng, count):
    """Text of lines and a function that says by plain search what they give."""
    networks = {}
    for i in range(count):
        bits = rng.randint(8, 28)
        networks[rng.getrandbits(bits) << (32 - bits), bits] = str(i)
    text = "".join(f"{dotted(base)}/{bits} {value};\n" for (base, bits), value in networks.items())

    def find(address):
        for bits in range(32, -1, -1):
            base = address >> (32 - bits) << (32 - bits)
            if (base, bits) in networks:
                return networks[base, bits]
        return "none"
    return text, find


def dotted(number):
    return ".".join(str(number >> shift & 255) for shift in (24, 16, 8, 0))


@pytest.mark.limit(60)
def test_tens_of_thousands_of_networks(launch):
    """They are read in about the time that the lines take, and found as by plain search."""
    rng = random.Random(1)
    text, find = _random_networks(rng, 50000)
    ranges = "".join(f"{dotted(n << 14)}-{dotted((n << 14) + 9000)} r{n};\n"
                     for n in rng.sample(range(1 << 18), 50000))
    http = """geo $arg_ip $net { default none; include nets.conf; }
              geo $arg_ip $range { ranges; default none; include ranges.conf; }
              server { listen 127.0.0.1:@PORT@; return 200 "$net $range"; }"""
    server = launch(http, files={"nets.conf": text, "ranges.conf": ranges})
    known = {f"r{line.split()[1][1:-1]}" for line in ranges.splitlines()}
    with server.client() as client:
        for _ in range(500):
            address = rng.getrandbits(32)
            block = f"r{address >> 14}"
            in_range = block if block in known and address & 0x3fff <= 9000 else "none"
            answer = client.request(f"/?ip={dotted(address)}")
            assert answer.body.decode() == f"{find(address)} {in_range}", dotted(address)
    before = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime
    assert server.run("-t").returncode == 0
    assert resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime - before < 5
