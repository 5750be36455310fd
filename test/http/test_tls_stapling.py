# SPDX-License-Identifier: Apache-2.0
"""OCSP stapling: from a file, from a responder that this test runs, and when there is none."""

import signal
import socket
import ssl
import subprocess
import tempfile
import time

import pytest

import ports
import tls_files
from settings import seconds
from tls_wire import s_client, tls_fetch
from wire import eventually


class Responder:
    """openssl ocsp for the certificates of a CA of its own."""

    def __init__(self):
        self.port = ports.reserve(1)[0]
        self.folder = tempfile.TemporaryDirectory(prefix="millrace-ocsp-")
        self.maker = tls_files.Maker(self.folder.name)
        self.process = None
        self.maker.root("ca")
        where = f"authorityInfoAccess=OCSP;URI:http://127.0.0.1:{self.port}/\n"
        for name, rsa in (("rsa", True), ("ec", False), ("revoked", False)):
            self.maker.signed(name, "ca", "localhost", where, rsa)
        self.maker.signed("silent", "ca", "localhost")
        self.maker.root("other")
        for name in ("rsa", "ec", "revoked"):
            self.maker.join(f"{name}-chain.pem", f"{name}.pem", "ca.pem")
        self.maker.crl("crl.pem", "ca", "revoked")
        self._list_all()

    def _list_all(self):
        """The index that openssl ocsp answers from: those that openssl ca knows, and the others."""
        index = self.maker.read("index.txt").decode()
        for name in ("rsa", "ec", "silent"):
            text = tls_files.openssl(self.folder.name, "x509", "-in", f"{name}.pem", "-noout",
                                     "-serial").decode()
            serial = text.strip().partition("=")[2]
            index += f"V\t491231235959Z\t\t{serial}\tunknown\t/CN={name}\n"
        self.maker.write("index.txt", index)

    def signed_by(self, signer="ca", *more):
        return ["-index", "index.txt", "-CA", "ca.pem", "-rsigner", f"{signer}.pem",
                "-rkey", f"{signer}.key", *more]

    def file(self, name, *more):
        """A response for ssl_stapling_file."""
        tls_files.openssl(self.folder.name, "ocsp", "-issuer", "ca.pem", "-cert", f"{name}.pem",
                          "-reqout", "request.der", "-no_nonce")
        tls_files.openssl(self.folder.name, "ocsp", *self.signed_by(), "-reqin", "request.der",
                          "-respout", f"{name}.der", "-ndays", "1", *more)
        return self.maker.read(f"{name}.der")

    def start(self, signer="ca", *more):
        self.process = subprocess.Popen(
            ["openssl", "ocsp", "-port", str(self.port), "-ndays", "1",
             *self.signed_by(signer, *more)],
            cwd=self.folder.name, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT)
        assert b"ACCEPT" in self.process.stdout.readline()
        return self

    def stop(self):
        if self.process:
            self.process.kill()
            self.process.wait()
            self.process.stdout.close()
            self.process = None

    def close(self):
        self.stop()
        ports.release([self.port])
        self.folder.cleanup()


@pytest.fixture(scope="module")
def authority():
    responder = Responder()
    yield responder
    responder.close()


@pytest.fixture
def responder(authority):
    yield authority
    authority.stop()


def pair(name, key=None):
    return f"ssl_certificate @PREFIX@/{name}.pem; ssl_certificate_key @PREFIX@/{key or name}.key;"


def http(*certificates, extra="", head="ssl_stapling on;"):
    pairs = "".join(pair(name, name.replace("-chain", "")) for name in certificates)
    return f"""ssl_protocols TLSv1.2 TLSv1.3; {head}
        server {{ listen 127.0.0.1:@PORT@ ssl; {pairs} {extra} location / {{ return 200 x; }} }}"""


def staple(server, *args):
    """The status stapled, or None."""
    probe = s_client(server.port, "-status", *args)
    assert probe.ok
    if "OCSP response: no response sent" in probe.text:
        return None
    assert probe.get("OCSP Response Status: (\\w+)") == "successful"
    return probe.get("Cert Status: (\\w+)")


def eventually_staple(server, *args):
    return eventually(lambda: staple(server, *args), step=0.1)


@pytest.mark.parametrize("version", ["-tls1_2", "-tls1_3"])
def test_asked_of_the_responder(launch, responder, version):
    responder.start()
    server = launch(http=http("ec-chain"), files=responder.maker.files())
    assert eventually_staple(server, version) == "good"


def test_each_certificate_has_its_own(launch, responder):
    responder.start()
    server = launch(http=http("rsa-chain", "ec-chain"), files=responder.maker.files())
    for sigalgs in ("RSA-PSS+SHA256", "ECDSA+SHA256"):
        assert eventually_staple(server, "-tls1_3", "-sigalgs", sigalgs) == "good"
        probe = s_client(server.port, "-status", "-tls1_3", "-sigalgs", sigalgs)
        wanted = probe.get("Serial Number: (\\w+)")
        pem = probe.text.partition("Server certificate\n")[2].partition("-----END")[0]
        serial = tls_files.openssl("/", "x509", "-noout", "-serial",
                                   data=(pem + "-----END CERTIFICATE-----\n").encode())
        assert serial.decode().strip() == f"serial={wanted}"


def test_client_that_does_not_ask_gets_none(launch, responder):
    responder.start()
    server = launch(http=http("ec-chain"), files=responder.maker.files())
    assert eventually_staple(server) == "good"
    assert "OCSP" not in s_client(server.port).text


def test_revoked_is_not_stapled(launch, responder):
    responder.start()
    server = launch(http=http("revoked-chain"), files=responder.maker.files())
    staple(server)
    server.wait_log(r'\[error\].*certificate status "revoked" in the OCSP response while '
                    r'requesting certificate status, responder: 127.0.0.1.*certificate: '
                    r'"\S+/revoked-chain.pem"')
    assert staple(server) is None


def test_off(launch, responder):
    responder.start()
    server = launch(http=http("ec-chain", head=""), files=responder.maker.files())
    time.sleep(0.5)
    assert staple(server) is None


def test_issuer_from_the_trusted_store(launch, responder):
    responder.start()
    server = launch(http=http("ec", extra="ssl_trusted_certificate @PREFIX@/ca.pem;"),
                    files=responder.maker.files())
    assert eventually_staple(server) == "good"


def test_configured_responder(launch, responder):
    responder.start()
    extra = f"ssl_trusted_certificate @PREFIX@/ca.pem; " \
            f"ssl_stapling_responder http://127.0.0.1:{responder.port}/;"
    server = launch(http=http("silent", extra=extra), files=responder.maker.files())
    assert eventually_staple(server) == "good"


def test_verify(launch, responder):
    responder.start()
    server = launch(http=http("ec-chain", extra="ssl_stapling_verify on; "
                              "ssl_trusted_certificate @PREFIX@/ca.pem;"),
                    files=responder.maker.files())
    assert eventually_staple(server) == "good"


def test_verify_of_a_strange_signer(launch, responder):
    responder.start("other")
    server = launch(http=http("ec-chain", extra="ssl_stapling_verify on;"),
                    files=responder.maker.files())
    staple(server)
    server.wait_log(r"\[error\].*OCSP_basic_verify\(\) failed \(SSL: error:")
    assert staple(server) is None


@pytest.mark.millrace_only
def test_dead_responder(launch, responder):
    """nginx asks with the first handshake."""
    server = launch(http=http("ec-chain"), files=responder.maker.files())
    server.wait_log(r"\[error\].*connect\(\) failed \(111: Connection refused\) while requesting "
                    "certificate status")
    assert staple(server) is None
    assert tls_fetch_any(server) == 200


def tls_fetch_any(server):
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    made.check_hostname, made.verify_mode = False, ssl.CERT_NONE
    return tls_fetch(server.port, "/", made=made).status


@pytest.mark.parametrize("number", [
    pytest.param(signal.SIGQUIT, marks=pytest.mark.millrace_only), signal.SIGTERM])
def test_responder_that_hangs_delays_no_exit(launch, responder, number):
    with socket.create_server(("127.0.0.1", responder.port)) as hanging:
        server = launch(http=http("ec-chain"), files=responder.maker.files())
        assert staple(server) is None
        hanging.settimeout(seconds(5))
        conn, _ = hanging.accept()
        start = time.monotonic()
        server.signal(number)
        assert server.wait_exit() == 0
        assert time.monotonic() - start < seconds(4)
        conn.close()


def test_reload_with_stapling(launch, responder):
    responder.start()
    server = launch(http=http("ec-chain"), files=responder.maker.files())
    assert eventually_staple(server) == "good"
    server.reload(http=http("ec-chain"))
    assert eventually_staple(server) == "good"


@pytest.mark.millrace_only
def test_every_silo_staples(launch, responder):
    responder.start()
    server = launch(main="silo cpus=0 node=0;\nsilo cpus=1 node=0;\n", http=http("ec-chain"),
                    files=responder.maker.files())
    assert eventually(lambda: all(staple(server) == "good" for _ in range(10)), 10)


# ssl_stapling_file


def test_file(launch, responder):
    files = {**responder.maker.files(), "ec.der": responder.file("ec")}
    server = launch(http=http("ec", extra="ssl_stapling_file @PREFIX@/ec.der;"), files=files)
    assert staple(server) == "good" and staple(server, "-tls1_2") == "good"


def test_file_is_passed_on_as_it_is(launch, responder):
    files = {**responder.maker.files(), "r.der": responder.file("revoked")}
    server = launch(http=http("revoked", extra="ssl_stapling_file @PREFIX@/r.der;"), files=files)
    assert staple(server) == "revoked"


def test_new_file_on_reload(launch, responder):
    files = {**responder.maker.files(), "x.der": responder.file("ec")}
    conf = http("ec", extra="ssl_stapling_file @PREFIX@/x.der;")
    server = launch(http=conf, files=files)
    server.write("x.der", responder.file("revoked"))
    assert staple(server) == "good"
    server.reload(http=conf)
    assert staple(server) == "revoked"


@pytest.mark.parametrize("content", [None, b"", b"no DER at all"])
def test_broken_file(prepare, responder, content):
    files = responder.maker.files()
    if content is not None:
        files["x.der"] = content
    server = prepare(http=http("ec", extra="ssl_stapling_file @PREFIX@/x.der;"), files=files)
    done = server.run("-t")
    what = "BIO_new_file" if content is None else "d2i_OCSP_RESPONSE_bio"
    assert done.returncode == 1 and f'{what}("{server.path("x.der")}") failed' in done.stderr


# Warnings at the start.


@pytest.mark.parametrize("certificate,extra,warning", [
    ("ec", "", 'issuer certificate not found for certificate "'),
    ("silent", "ssl_trusted_certificate @PREFIX@/ca.pem;",
     'no OCSP responder URL in the certificate "'),
    ("ec-chain", "ssl_stapling_responder https://a/;",
     'invalid URL prefix in OCSP responder "https://a/" in the certificate "'),
])
def test_ignored(prepare, responder, certificate, extra, warning):
    server = prepare(http=http(certificate, extra=extra), files=responder.maker.files())
    done = server.run("-t")
    assert done.returncode == 0
    assert '[warn] ' in done.stderr and f'"ssl_stapling" ignored, {warning}' in done.stderr


def test_ignored_serves_all_the_same(launch, responder):
    server = launch(http=http("ec"), files=responder.maker.files())
    assert staple(server) is None


@pytest.mark.millrace_only
def test_single_process(launch, responder):
    responder.start()
    server = launch(main="master_process off;", http=http("ec-chain"),
                    files=responder.maker.files())
    assert eventually_staple(server) == "good"
