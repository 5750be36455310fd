# SPDX-License-Identifier: Apache-2.0
"""Handshakes: what is agreed upon, what is refused, and hostile or slow clients."""

import random
import socket
import ssl
import subprocess
import time

import pytest

import tls_files
from millrace import drop_time
from settings import seconds
from tls_files import certificate
from tls_wire import StatusLeak, TlsClient, client_hello, context, s_client, tls_fetch
from wire import Client, raw

BOTH = certificate("rsa") + certificate("ec")
AES128, AES256 = "ECDHE-RSA-AES128-GCM-SHA256", "ECDHE-RSA-AES256-GCM-SHA384"
HTTP = f"""
    lingering_timeout 1s;
    ssl_protocols TLSv1.2 TLSv1.3;
    server {{
        listen 127.0.0.1:@PORT@ ssl; {BOTH}
        client_header_timeout 1s;
        location / {{ return 200 "$ssl_protocol $ssl_cipher"; }}
        location /alpn {{ return 200 "<$ssl_alpn_protocol>"; }}
        location /curve {{ return 200 "<$ssl_curve>"; }}
        location /https {{ return 200 "$https $scheme $ssl_server_name"; }}
    }}
    server {{ listen 127.0.0.1:@PORT1@; location = /status {{ stub_status; }} }}
    server {{ listen 127.0.0.1:@PORT2@ ssl; {BOTH} ssl_ecdh_curve secp384r1;
              ssl_ciphers ECDHE-RSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES128-GCM-SHA256;
              location / {{ return 200 "$ssl_curve"; }} }}
    server {{ listen 127.0.0.1:@PORT3@ ssl; {certificate("rsa")} ssl_protocols TLSv1.2;
              ssl_ciphers {AES256}:{AES128}:DHE-RSA-AES128-GCM-SHA256;
              ssl_prefer_server_ciphers on; ssl_dhparam @PREFIX@/params.dh;
              location / {{ return 200 "$ssl_cipher"; }} }}
    server {{ listen 127.0.0.1:@PORT4@ ssl; {certificate("rsa")} ssl_protocols TLSv1.2;
              ssl_ciphers {AES256}:{AES128}; location / {{ return 200 "$ssl_cipher"; }} }}
    server {{ listen 127.0.0.1:@PORT5@ ssl; {certificate("ec")} ssl_protocols TLSv1.3;
              error_page 497 =302 https://$host:@PORT5@$request_uri;
              ssl_conf_command Ciphersuites TLS_CHACHA20_POLY1305_SHA256;
              location / {{ return 200 "$ssl_cipher"; }} }}
    server {{ listen 127.0.0.1:@PORT6@ ssl; ssl_reject_handshake on; }}
    server {{ listen 127.0.0.1:@PORT7@ ssl; {certificate("chain").replace("chain.key", "leaf.key")}
              location / {{ return 200 chain; }} }}
    server {{ listen 127.0.0.1:@PORT8@ ssl; ssl_certificate @PREFIX@/rsa.pem;
              ssl_certificate_key @PREFIX@/secret.key; ssl_password_file @PREFIX@/passwords.txt;
              location / {{ return 200 secret; }} }}
"""
PORTS = 9
SETUP = tls_files.install

RSA_SIGALGS, EC_SIGALGS = "RSA-PSS+SHA256:RSA+SHA256", "ECDSA+SHA256"
SUITES = ("TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384", "TLS_CHACHA20_POLY1305_SHA256")


@pytest.mark.parametrize("kind", ["RSA", "ECDSA"])
@pytest.mark.parametrize("cipher", ["AES128-GCM-SHA256", "AES256-GCM-SHA384", "CHACHA20-POLY1305"])
def test_tls12(site, kind, cipher):
    probe = s_client(site.port, "-tls1_2", "-cipher", f"ECDHE-{kind}-{cipher}")
    assert probe.body == f"TLSv1.2 ECDHE-{kind}-{cipher}"
    assert probe.get("Server public key is (.*) bit") == {"RSA": "2048", "ECDSA": "256"}[kind]


@pytest.mark.parametrize("sigalgs,kind", [(RSA_SIGALGS, "RSA-PSS"), (EC_SIGALGS, "ECDSA")])
@pytest.mark.parametrize("suite", SUITES)
def test_tls13(site, suite, sigalgs, kind):
    probe = s_client(site.port, "-tls1_3", "-ciphersuites", suite, "-sigalgs", sigalgs)
    assert probe.body == f"TLSv1.3 {suite}"
    assert probe.get("Peer signature type: (.*)") == kind


@pytest.mark.parametrize("version", ["1.2", "1.3"])
def test_chain_verifies(site, version):
    """The client knows the root alone, so the intermediate one must have been sent."""
    assert tls_fetch(site.ports[7], "/", made=context(version)).body == b"chain"


def test_curl(site):
    done = subprocess.run(["curl", "-sS", "--cacert", site.path("ca.pem"), "--resolve",
                           f"localhost:{site.port}:127.0.0.1",
                           f"https://localhost:{site.port}/https"],
                          capture_output=True, text=True, timeout=seconds(10))
    assert done.stdout == "on https localhost", done.stderr


@pytest.mark.parametrize("flag", ["-tls1", "-tls1_1"])
def test_protocols_of_old_are_refused(site, flag):
    probe = s_client(site.port, flag, "-cipher", "ALL:@SECLEVEL=0")
    assert not probe.ok and probe.alert == "70"


def test_protocol_that_is_not_configured(site):
    assert s_client(site.ports[5], "-tls1_2").alert == "70"
    assert s_client(site.ports[3], "-tls1_3").alert == "70"


def test_no_common_cipher(site):
    assert s_client(site.ports[4], "-cipher", "ECDHE-RSA-CHACHA20-POLY1305").alert == "40"


@pytest.mark.millrace_only
@pytest.mark.parametrize("cipher", ["AES128-SHA", "AES128-GCM-SHA256", "ECDHE-RSA-AES128-SHA"])
def test_default_ciphers_are_forward_secret_and_authenticated(site, cipher):
    assert s_client(site.port, "-tls1_2", "-cipher", f"{cipher}:@SECLEVEL=0").alert == "40"


def test_conf_command_ciphersuites(site):
    assert s_client(site.ports[5]).body == "TLS_CHACHA20_POLY1305_SHA256"
    assert s_client(site.ports[5], "-ciphersuites", SUITES[0]).alert == "40"


def test_prefer_server_ciphers(site):
    offer = f"{AES128}:{AES256}"
    assert s_client(site.ports[3], "-cipher", offer).body == AES256
    assert s_client(site.ports[4], "-cipher", offer).body == AES128


def test_dhparam(site):
    probe = s_client(site.ports[3], "-cipher", "DHE-RSA-AES128-GCM-SHA256")
    assert probe.body == "DHE-RSA-AES128-GCM-SHA256"
    assert probe.get("Server Temp Key: (DH, .*)") == "DH, 2048 bits"


@pytest.mark.parametrize("version", ["-tls1_2", "-tls1_3"])
def test_curve(site, version):
    assert s_client(site.ports[2], version, "-groups", "P-256:P-384").body == "secp384r1"
    assert s_client(site.ports[2], version, "-groups", "X25519").alert == "40"


def test_curve_variable(site):
    assert s_client(site.port, "-groups", "P-256", path="/curve").body == "<prime256v1>"


@pytest.mark.parametrize("offer,body", [("http/1.1", "<http/1.1>"), ("x,http/1.1", "<http/1.1>"),
                                        ("http/1.0", "<http/1.0>")])
def test_alpn(site, offer, body):
    probe = s_client(site.port, "-alpn", offer, path="/alpn")
    assert probe.body == body and probe.get("ALPN protocol: (.*)") == body[1:-1]


def test_no_alpn(site):
    assert s_client(site.port, path="/alpn").body == "<>"


def test_alpn_without_a_common_protocol(site):
    probe = s_client(site.port, "-alpn", "spdy/1")
    assert not probe.ok and probe.alert == "120"


def test_reject_handshake(site):
    probe = s_client(site.ports[6])
    assert not probe.ok and probe.alert == "112"


def test_password_file(site):
    assert tls_fetch(site.ports[8], "/").body == b"secret"


def test_no_compression_and_no_renegotiation(site):
    probe = s_client(site.port, "-tls1_2", "-comp")
    assert probe.get("^Compression: (.*)") == "NONE"
    assert "Secure Renegotiation IS supported" in probe.text


# Plain HTTP where TLS is spoken.


def test_plain_http_is_400(site):
    with site.client() as client:
        client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        answer = client.response()
        assert answer.status == 400 and answer["Connection"] == "close"
        assert b"The plain HTTP request was sent to HTTPS port" in answer.body


def test_error_page_497(site):
    with site.client(site.ports[5]) as client:
        client.send("GET /x?y HTTP/1.1\r\nHost: a\r\n\r\n")
        answer = client.response()
        assert (answer.status, answer["Location"]) == (302, f"https://a:{site.ports[5]}/x?y")


def test_tls_to_a_plain_port(site):
    answer = raw(site.ports[1], client_hello())
    assert answer == b"" or b" 400 " in answer


# Hostile and slow clients.


def alive(site):
    assert tls_fetch(site.port, "/").status == 200


@pytest.mark.parametrize("data", [
    b"\x16\x03\x01\x00\x05hello", b"\x16\x03\x01\xff\xff" + b"a" * 70000, b"\x80\x2e\x01\x00\x02",
    b"\x15\x03\x01\x00\x02\x02\x28", b"\x15\x03\x03\x00\x02\x01\x00", b"\x14\x03\x01\x00\x01\x01",
    b"\x17\x03\x03\x00\x10" + b"x" * 16, b"\x16\x03\x01\x00\x00" * 100, b"\x00" * 600,
    b"\x16" * 1000])
def test_garbage(site, data):
    try:
        with site.client() as client:
            client.send(data)
            client.sock.shutdown(socket.SHUT_WR)
            client.rest()
    except OSError:
        pass
    alive(site)


def test_truncated_hello(site):
    hello = client_hello()
    for size in [0, 1, 4, 5, 6, 9, 43, 100, len(hello) - 1]:
        with site.client() as client:
            client.send(hello[:size])
            client.sock.shutdown(socket.SHUT_WR)
            client.rest()
    alive(site)


def test_mutated_hello(site):
    """A seeded choice; what is checked is that nothing hangs and the server lives on."""
    rng, hello = random.Random(7), client_hello()
    for _ in range(150):
        data = bytearray(hello)
        for _ in range(rng.randrange(1, 6)):
            data[rng.randrange(len(data))] = rng.randrange(256)
        try:
            with site.client() as client:
                client.send(bytes(data))
                client.sock.shutdown(socket.SHUT_WR)
                client.rest()
        except OSError:
            pass
    alive(site)


def test_hello_in_single_bytes(site):
    made = context()
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    tls = made.wrap_bio(incoming, outgoing, server_hostname="localhost")
    with site.client() as client:
        while True:
            try:
                tls.do_handshake()
                break
            except ssl.SSLWantReadError:
                for byte in outgoing.read():
                    client.send(bytes([byte]))
                incoming.write(client.sock.recv(65536))
        tls.write(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        for byte in outgoing.read():
            client.send(bytes([byte]))
        incoming.write(client.rest())
        assert b"200 OK" in tls.read(65536)


def test_hello_split_into_records(site):
    """A handshake message may span records (RFC 8446, 5.1)."""
    hello = client_hello()
    body = hello[5:]
    records = b"".join(b"\x16\x03\x01" + len(part).to_bytes(2, "big") + part
                       for part in (body[i:i + 37] for i in range(0, len(body), 37)))
    with site.client() as client:
        client.send(records)
        assert client.sock.recv(5)[:1] == b"\x16", "a ServerHello"


def test_silent_client_is_dropped_after_client_header_timeout(site):
    start = time.monotonic()
    with site.client() as client:
        assert client.rest() == b""
    drop_time(1, start)


def test_half_a_hello_is_dropped_after_client_header_timeout(site):
    start = time.monotonic()
    with site.client() as client:
        client.send(client_hello()[:50])
        client.rest()
    drop_time(1, start)


def test_dripping_hello_does_not_prolong_the_timeout(site):
    hello, start = client_hello(), time.monotonic()
    with site.client() as client:
        try:
            for byte in hello[:60]:
                client.send(bytes([byte]))
                time.sleep(0.1)
        except OSError:
            pass
    drop_time(1, start)


def test_client_that_stops_after_the_servers_flight(site):
    start = time.monotonic()
    with site.client() as client:
        client.send(client_hello())
        client.rest()
    drop_time(1, start)


def test_nothing_is_left_of_handshakes_that_stop(site):
    check = StatusLeak(site, site.ports[1])
    hello = client_hello()
    clients = [Client(site.port) for _ in range(60)]
    for number, client in enumerate(clients):
        client.send(hello[:[0, 3, 80, len(hello)][number % 4]])
    for client in clients[::2]:
        client.reset()
    for client in clients[1::2]:
        client.close()
    check.settle()
    alive(site)


# The end of a connection.


@pytest.mark.parametrize("version", ["1.2", "1.3"])
def test_server_closes_with_close_notify(site, version):
    with TlsClient(site.port, context(version)) as client:
        client.request("/", "Connection: close")
        assert client.rest() == b"", "SSLEOFError would say that it is missing"


@pytest.mark.parametrize("version", ["1.2", "1.3"])
def test_close_notify_is_answered(site, version):
    with TlsClient(site.port, context(version)) as client:
        client.request("/")
        client.close_notify()
        assert client.rest() == b""


def test_handshake_failures_are_informational(site):
    """Anybody can provoke them: [info], and [crit] only for what nginx says so of."""
    raw(site.port, b"\x16\x03\x01\x00\x05hello")
    site.wait_log(r"\[info\].*SSL_do_handshake\(\) failed \(SSL: error:.* while SSL handshaking, "
                  r"client: 127.0.0.1, server: 127.0.0.1:\d+$")
