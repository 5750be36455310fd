# SPDX-License-Identifier: Apache-2.0
"""Which server answers: by the name in the handshake, and by the Host of each request."""

import pytest

import tls_files
from tls_files import certificate
from tls_wire import TlsClient, context, s_client, tls_fetch, visit_raw

ANSWER = "return 200 \"$server_name <$ssl_server_name>\";"
CACHE = "ssl_session_cache shared:S:1m;"
HTTP = f"""
    ssl_protocols TLSv1.2 TLSv1.3;
    server {{ listen 127.0.0.1:@PORT@ ssl; server_name first; {certificate("ec")} {ANSWER} }}
    server {{ listen 127.0.0.1:@PORT@ ssl; server_name a.example.com;
              {certificate("a.example.com")} location / {{ {ANSWER} }}
              location /closed {{ return 200 $ssl_cipher; }} }}
    server {{ listen 127.0.0.1:@PORT@ ssl; server_name b.example.com;
              {certificate("b.example.com")} ssl_protocols TLSv1.2; {ANSWER} }}
    server {{ listen 127.0.0.1:@PORT@ ssl; server_name *.wild.example;
              {certificate("star.wild.example")} {ANSWER} }}
    server {{ listen 127.0.0.1:@PORT@ ssl; server_name "~^re(?<n>[0-9]+)\\.example$";
              {certificate("new")} return 200 "regex $n"; }}
    server {{ listen 127.0.0.1:@PORT@ ssl; server_name verified; {certificate("ec")}
              ssl_verify_client on; ssl_client_certificate @PREFIX@/ca2.pem; {ANSWER} }}
    server {{ listen 127.0.0.1:@PORT1@ ssl; server_name rejecting; ssl_reject_handshake on; }}
    server {{ listen 127.0.0.1:@PORT1@ ssl; server_name a.example.com; {CACHE}
              {certificate("a.example.com")} {ANSWER} }}
    server {{ listen 127.0.0.1:@PORT1@ ssl; server_name b.example.com; {CACHE}
              {certificate("b.example.com")} {ANSWER} }}
    server {{ listen 127.0.0.1:@PORT2@ ssl; server_name var;
              ssl_certificate @PREFIX@/$ssl_server_name.pem;
              ssl_certificate_key @PREFIX@/$ssl_server_name.key; {ANSWER} }}
"""
PORTS = 3


def SETUP(server):
    tls_files.install(server)
    for kind in ("pem", "key"):
        path = server.path(f"*.wild.example.{kind}")
        if path.exists():
            path.rename(server.path(f"star.wild.example.{kind}"))


@pytest.mark.parametrize("name,peer,server", [
    ("a.example.com", "a.example.com", "a.example.com"),
    ("A.Example.COM", "a.example.com", "a.example.com"),
    ("b.example.com", "b.example.com", "b.example.com"),
    ("x.wild.example", "*.wild.example", "*.wild.example"),
    ("x.y.wild.example", "*.wild.example", "*.wild.example"),
    ("wild.example", "localhost", "first"),
    ("unknown.example", "localhost", "first"),
    ("a.example.com.evil", "localhost", "first"),
])
def test_choice_by_name(site, name, peer, server):
    with TlsClient(site.port, name=name) as client:
        assert client.peer == peer
        assert client.request("/").body.decode().lower() == f"{server} <{name}>".lower()


def test_regex_name(site):
    with TlsClient(site.port, name="re42.example") as client:
        assert client.peer == "new.example.com"
        assert client.request("/").body == b"regex 42"


def test_no_name(site):
    probe = s_client(site.port, "-noservername", request="GET / HTTP/1.0\r\n\r\n")
    assert probe.body == "first <>"
    assert probe.get("^subject=(.*)") == "CN = localhost"


def test_name_with_a_trailing_dot(site):
    with TlsClient(site.port, name="a.example.com.") as client:
        assert client.peer == "a.example.com"


def test_protocols_are_those_of_the_chosen_server(site):
    """OpenSSL fixes the version before the name is known, but for those a context forbids."""
    with TlsClient(site.port, context("1.2"), name="b.example.com") as client:
        assert client.sock.version() == "TLSv1.2"


def test_host_differs_from_the_name(site):
    """The request goes to the Host's server, over the connection of the other."""
    with TlsClient(site.port, name="a.example.com") as client:
        answer = client.request("/", host="b.example.com")
        assert answer.body == b"b.example.com <a.example.com>"
        assert client.request("/", host="unknown").body == b"first <a.example.com>"
        assert client.request("/", host="a.example.com").body == b"a.example.com <a.example.com>"


def test_host_of_a_server_that_verifies_is_misdirected(site):
    """Else the verification that its handshake demands could be avoided."""
    with TlsClient(site.port, name="a.example.com") as client:
        assert client.request("/", host="verified").status == 421
    site.wait_log(r"\[info\].*client attempted to request the server name different from the one "
                  r"that was negotiated")


def test_host_of_the_verified_server_itself(site):
    with TlsClient(site.port, context(cert="client"), name="verified") as client:
        assert client.request("/").body == b"verified <verified>"


def test_rejecting_default_and_named_server(site):
    with TlsClient(site.ports[1], name="a.example.com") as client:
        assert client.request("/").body == b"a.example.com <a.example.com>"
    assert s_client(site.ports[1], "-servername", "unknown").alert == "112"
    assert s_client(site.ports[1], "-noservername").alert == "112"


@pytest.mark.parametrize("version", ["1.2", "1.3"])
def test_session_is_not_carried_to_another_name(site, version):
    """A session offered to another server is served all the same, by the one asked for.

    What $ssl_server_name is then with TLS 1.2 depends on whether it was resumed.
    """
    made = context(version)
    session = visit_raw(site.ports[1], made, "a.example.com")[1]
    assert visit_raw(site.ports[1], made, "a.example.com", session)[0]
    with TlsClient(site.ports[1], made, "b.example.com", session) as client:
        assert client.request("/").body.startswith(b"b.example.com <")


@pytest.mark.parametrize("name", ["a.example.com", "b.example.com", "rsa"])
def test_certificate_path_with_a_variable(site, name):
    with TlsClient(site.ports[2], name=name) as client:
        assert client.peer == {"rsa": "localhost"}.get(name, name)
        assert client.request("/").status == 200


def test_certificate_path_with_a_variable_and_no_such_file(site):
    probe = s_client(site.ports[2], "-servername", "missing")
    assert not probe.ok and probe.alert is not None
    site.wait_log(r"cannot load certificate \"\S+/missing.pem\": BIO_new_file\(\) failed")
    assert tls_fetch(site.ports[2], "/", name="rsa").status == 200


@pytest.mark.millrace_only
def test_name_cannot_leave_the_folder(site):
    """What a client names is a host name: no path comes of it."""
    site.write("logs/x.pem", site.path("rsa.pem").read_bytes())
    site.write("logs/x.key", site.path("rsa.key").read_bytes())
    probe = s_client(site.ports[2], "-servername", "logs/x")
    assert not probe.ok
