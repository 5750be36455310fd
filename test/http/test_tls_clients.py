# SPDX-License-Identifier: Apache-2.0
"""Certificates of clients: demanded, verified, revoked, and what is told of them."""

import hashlib
import re
import ssl
from urllib.parse import unquote

import pytest

import tls_files
from tls_files import certificate
from tls_wire import TlsClient, context, s_client

VALUES = ("$ssl_client_verify|$ssl_client_s_dn|$ssl_client_i_dn|$ssl_client_serial|"
          "$ssl_client_fingerprint|$ssl_client_v_remain|$ssl_client_s_dn_legacy|"
          "$ssl_client_v_start|$ssl_client_v_end")
HTTP = f"""
    ssl_protocols TLSv1.2 TLSv1.3; {certificate("ec")}
    ssl_client_certificate @PREFIX@/ca2.pem;
    log_format v "$status $ssl_client_verify";
    server {{ listen 127.0.0.1:@PORT@ ssl; server_name on; ssl_verify_client on;
              access_log access.log v; location / {{ return 200 "{VALUES}"; }}
              location /pem {{ return 200 "$ssl_client_cert"; }}
              location /raw {{ return 200 "$ssl_client_raw_cert"; }}
              location /escaped {{ return 200 "$ssl_client_escaped_cert"; }} }}
    server {{ listen 127.0.0.1:@PORT@ ssl; server_name optional; ssl_verify_client optional;
              location / {{ return 200 "$ssl_client_verify"; }} }}
    server {{ listen 127.0.0.1:@PORT@ ssl; server_name no_ca; ssl_verify_client optional_no_ca;
              location / {{ return 200 "$ssl_client_verify"; }} }}
    server {{ listen 127.0.0.1:@PORT@ ssl; server_name off; ssl_verify_client off;
              location / {{ return 200 "<$ssl_client_verify>"; }} }}
    server {{ listen 127.0.0.1:@PORT@ ssl; server_name shallow; ssl_verify_client on;
              ssl_verify_depth 0; location / {{ return 200 "$ssl_client_verify"; }} }}
    server {{ listen 127.0.0.1:@PORT@ ssl; server_name crl; ssl_verify_client optional;
              ssl_crl @PREFIX@/crl.pem; location / {{ return 200 "$ssl_client_verify"; }} }}
    server {{ listen 127.0.0.1:@PORT@ ssl; server_name trusted; ssl_verify_client optional;
              ssl_trusted_certificate @PREFIX@/stranger.pem;
              location / {{ return 200 "$ssl_client_verify"; }} }}
    server {{ listen 127.0.0.1:@PORT@ ssl; server_name pages; ssl_verify_client on;
              error_page 495 496 /page;
              location = /page {{ return 200 "$status $ssl_client_verify"; }}
              location / {{ return 200 never; }} }}
    server {{ listen 127.0.0.1:@PORT@ ssl; server_name codes; ssl_verify_client on;
              error_page 495 =403 /bad; error_page 496 =401 /none;
              location = /bad {{ return 403 bad; }} location = /none {{ return 401 none; }} }}
    server {{ listen 127.0.0.1:@PORT1@ ssl; server_name on; ssl_verify_client on;
              ssl_session_cache shared:S:1m; location / {{ return 200 "$ssl_client_verify"; }} }}
"""
PORTS = 2
SETUP = tls_files.install
VERSION = pytest.mark.parametrize("version", ["1.2", "1.3"])


def ask(site, name, cert=None, path="/", version=None):
    with TlsClient(site.port, context(version, cert=cert), name) as client:
        return client.request(path)


@VERSION
def test_on(site, version):
    answer = ask(site, "on", "client", version=version)
    assert answer.status == 200 and answer.body.startswith(b"SUCCESS|CN=client|CN=ca2|")


def test_on_without_a_certificate(site):
    answer = ask(site, "on")
    assert answer.status == 400 and answer["Connection"] == "close"
    assert b"<h1>400 Bad Request</h1>" in answer.body
    assert b"No required SSL certificate was sent" in answer.body
    site.wait_log(r"\[info\].*client sent no required SSL certificate while reading client request")
    site.wait_log("^400 NONE$", name="access.log")


def test_on_with_a_strangers(site):
    answer = ask(site, "on", "stranger")
    assert answer.status == 400 and b"The SSL certificate error" in answer.body
    site.wait_log(r"\[info\].*client SSL certificate verify error: \(18:self[- ]signed "
                  "certificate\\) while")
    site.wait_log("^400 FAILED:self[- ]signed certificate$", name="access.log")


@pytest.mark.parametrize("name,cert,status,verify", [
    ("optional", None, 200, "NONE"), ("optional", "client", 200, "SUCCESS"),
    ("optional", "stranger", 400, None), ("no_ca", None, 200, "NONE"),
    ("no_ca", "client", 200, "SUCCESS"), ("no_ca", "stranger", 200, "FAILED:self[- ]signed.*"),
    ("off", "client", 200, "<NONE>"), ("off", None, 200, "<NONE>"),
    ("on", "deep", 200, "SUCCESS.*"), ("shallow", "deep", 400, None),
    ("shallow", "client", 200, "SUCCESS"),
    ("crl", "client", 200, "SUCCESS"), ("crl", "revoked", 400, None), ("crl", None, 200, "NONE"),
    ("optional", "revoked", 200, "SUCCESS"),
    ("trusted", "stranger", 200, "SUCCESS"), ("trusted", "client", 200, "SUCCESS"),
    ("trusted", "deep", 200, "SUCCESS")])
def test_verification(site, name, cert, status, verify):
    answer = ask(site, name, cert)
    assert answer.status == status, answer
    if verify:
        assert re.fullmatch(verify, answer.body.decode())


def test_revoked_is_logged(site):
    ask(site, "crl", "revoked")
    site.wait_log(r"client SSL certificate verify error: \(23:certificate revoked\)")


def test_too_deep_is_logged(site):
    ask(site, "shallow", "deep")
    site.wait_log(r"client SSL certificate verify error: \((20|22):.*server: shallow")


@pytest.mark.parametrize("cert,body", [(None, "400 NONE"), ("stranger", "400 FAILED:")])
def test_error_pages(site, cert, body):
    answer = ask(site, "pages", cert)
    assert answer.body.decode().startswith(body), answer


@pytest.mark.parametrize("cert,status,body", [(None, 401, b"none"), ("stranger", 403, b"bad")])
def test_error_pages_with_codes(site, cert, status, body):
    answer = ask(site, "codes", cert)
    assert (answer.status, answer.body) == (status, body)


@VERSION
def test_names_of_cas_are_sent(site, version):
    """Those of ssl_client_certificate, and not those of ssl_trusted_certificate."""
    probe = s_client(site.port, f"-tls{version.replace('.', '_')}", "-servername", "trusted")
    names = probe.text.partition("Acceptable client certificate CA names\n")[2].split("\n")
    assert names[0] == "CN = ca2" and "stranger" not in "".join(names[:3])


def test_no_request_for_a_certificate_when_off(site):
    probe = s_client(site.port, "-servername", "off")
    assert "No client certificate CA names sent" in probe.text


# Variables.


def facts(name):
    """What the openssl command says of a certificate of ours."""
    files = tls_files.pki()
    der = ssl.PEM_cert_to_DER_cert(files[f"{name}.pem"].decode())
    text = tls_files.openssl("/", "x509", "-noout", "-serial", "-startdate", "-enddate",
                             data=files[f"{name}.pem"]).decode()
    serial, start, end = (line.partition("=")[2] for line in text.splitlines())
    return {"serial": serial, "start": start, "end": end,
            "fingerprint": hashlib.sha1(der).hexdigest()}


def test_variables(site):
    values = ask(site, "on", "client").body.decode().split("|")
    verify, subject, issuer, serial, print_, remain, legacy, start, end = values
    wanted = facts("client")
    assert (verify, subject, issuer) == ("SUCCESS", "CN=client", "CN=ca2")
    assert (serial, print_) == (wanted["serial"], wanted["fingerprint"])
    assert (start, end) == (wanted["start"], wanted["end"])
    # Whole days of two: the second of them is whole in the certificate's first second alone.
    assert legacy == "/CN=client" and remain in ("1", "2")


def test_variables_of_no_certificate(site):
    with TlsClient(site.port, name="optional") as client:
        assert client.request("/").body == b"NONE"


def test_pem_variables(site):
    pem = tls_files.pki()["client.pem"].decode().strip()
    assert ask(site, "on", "client", "/raw").body.decode().strip() == pem
    assert ask(site, "on", "client", "/pem").body.decode() == pem.replace("\n", "\n\t")
    escaped = ask(site, "on", "client", "/escaped").body.decode()
    assert unquote(escaped).strip() == pem and "\n" not in escaped


@VERSION
def test_resumed_session_keeps_the_verification(site, version):
    made = context(version, cert="client")
    with TlsClient(site.ports[1], made, "on") as client:
        assert client.request("/", "Connection: close").body == b"SUCCESS"
        session = client.sock.session
    with TlsClient(site.ports[1], made, "on", session) as client:
        assert client.sock.session_reused
        assert client.request("/").body == b"SUCCESS"


def test_session_of_an_unverified_name_is_no_way_in(site):
    """A session made without a certificate cannot be resumed where one is demanded."""
    made = context("1.2")
    with TlsClient(site.port, made, "off") as client:
        client.request("/", "Connection: close")
        session = client.sock.session
    with TlsClient(site.port, made, "on", session) as client:
        assert client.request("/").status in (400, 421)
