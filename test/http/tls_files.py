# SPDX-License-Identifier: Apache-2.0
"""Certificates, keys and what belongs to them, made by the openssl command once for a test run.

    ca, ca2             root certificates: ca signs servers, ca2 signs clients
    int, int2           intermediate ones of ca and ca2
    rsa, ec             for localhost, signed by ca; each with its key
    chain               for localhost, signed by int, with int behind it
    a.example.com, ...  one for each name, signed by ca
    client, deep, revoked, stranger   clients: of ca2, of int2, of ca2 and in crl.pem, self-signed
"""

import os
import subprocess
import tempfile
from functools import cache
from pathlib import Path

PASSWORD = "correct horse"
CA = "basicConstraints=critical,CA:TRUE\nkeyUsage=critical,keyCertSign,cRLSign,digitalSignature\n"
NAMES = ("a.example.com", "b.example.com", "*.wild.example")

CA_CONFIG = """
[ca]
default_ca = own
[own]
database = index.txt
default_md = sha256
default_crl_days = 30
default_days = 2
new_certs_dir = .
serial = serial
policy = policy
[policy]
commonName = supplied
"""


def openssl(folder, *args, data=None):
    """Runs the command there; what it wrote."""
    done = subprocess.run(["openssl", *map(str, args)], cwd=folder, input=data,
                          capture_output=True, timeout=60)
    assert done.returncode == 0, f"openssl {args}: {done.stderr.decode()}"
    return done.stdout


class Maker:
    """A folder that certificates are made in."""

    def __init__(self, folder):
        self.folder = Path(folder)
        self.serial = 0x1000

    def write(self, name, content):
        mode = "wb" if isinstance(content, bytes) else "w"
        with open(self.folder / name, mode) as file:
            file.write(content)

    def read(self, name):
        return (self.folder / name).read_bytes()

    def key(self, name, rsa=False):
        kind = ["RSA", "-pkeyopt", "rsa_keygen_bits:2048"] if rsa else \
               ["EC", "-pkeyopt", "ec_paramgen_curve:P-256"]
        openssl(self.folder, "genpkey", "-algorithm", *kind, "-out", f"{name}.key")

    def root(self, name):
        self.key(name)
        self.write(f"{name}.ext", CA)
        openssl(self.folder, "req", "-new", "-x509", "-key", f"{name}.key", "-subj", f"/CN={name}",
                "-days", 2, "-out", f"{name}.pem", "-addext", "keyUsage=critical,keyCertSign,"
                "cRLSign,digitalSignature")

    def signed(self, name, ca, subject="localhost", ext=None, rsa=False):
        """name.pem and name.key; `ext` defaults to a server's or client's."""
        if not (self.folder / f"{name}.key").exists():
            self.key(name, rsa)
        self.serial += 1
        self.write(f"{name}.ext", ext or f"subjectAltName=DNS:{subject}\n")
        openssl(self.folder, "req", "-new", "-key", f"{name}.key", "-subj", f"/CN={subject}",
                "-out", f"{name}.csr")
        openssl(self.folder, "x509", "-req", "-in", f"{name}.csr", "-CA", f"{ca}.pem",
                "-CAkey", f"{ca}.key", "-set_serial", self.serial, "-days", 2,
                "-extfile", f"{name}.ext", "-out", f"{name}.pem")

    def join(self, name, *parts):
        self.write(name, b"".join(map(self.read, parts)))

    def crl(self, name, ca, *revoked):
        """An index of the CA with those revoked, and its list."""
        self.write("ca.conf", CA_CONFIG)
        self.write("index.txt", "")
        for certificate in revoked:
            openssl(self.folder, "ca", "-config", "ca.conf", "-keyfile", f"{ca}.key",
                    "-cert", f"{ca}.pem", "-revoke", f"{certificate}.pem")
        openssl(self.folder, "ca", "-config", "ca.conf", "-keyfile", f"{ca}.key",
                "-cert", f"{ca}.pem", "-gencrl", "-out", name)

    def files(self):
        wanted = (".pem", ".key", ".txt", ".der", ".dh", ".tickets")
        return {path.name: path.read_bytes() for path in self.folder.iterdir()
                if path.name.endswith(wanted)}


def _servers(maker):
    maker.root("ca")
    maker.signed("int", "ca", "int", CA)
    maker.signed("rsa", "ca", rsa=True)
    maker.signed("ec", "ca")
    maker.signed("new", "ca", "new.example.com")
    maker.signed("leaf", "int")
    maker.join("chain.pem", "leaf.pem", "int.pem")
    for name in NAMES:
        maker.signed(name.replace("*", "star"), "ca", name)


def _clients(maker):
    maker.root("ca2")
    maker.signed("int2", "ca2", "int2", CA)
    for name, ca in (("client", "ca2"), ("revoked", "ca2"), ("deep", "int2")):
        maker.signed(name, ca, name)
    maker.root("stranger")
    maker.join("deep-chain.pem", "deep.pem", "int2.pem")
    maker.crl("crl.pem", "ca2", "revoked")


def _rest(maker):
    openssl(maker.folder, "pkey", "-in", "rsa.key", "-aes128", "-passout", f"pass:{PASSWORD}",
            "-out", "secret.key")
    maker.write("passwords.txt", f"wrong one\n{PASSWORD}\n")
    openssl(maker.folder, "genpkey", "-genparam", "-algorithm", "DH",
            "-pkeyopt", "group:ffdhe2048", "-out", "params.dh")
    for name, size in (("one", 80), ("two", 80), ("short", 48), ("bad", 47)):
        maker.write(f"{name}.tickets", os.urandom(size))


@cache
def pki():
    """All files: name -> bytes."""
    with tempfile.TemporaryDirectory(prefix="millrace-pki-") as folder:
        maker = Maker(folder)
        _servers(maker)
        _clients(maker)
        _rest(maker)
        return maker.files()


def install(server):
    """Into a server's prefix; as the SETUP of a module."""
    for name, content in pki().items():
        server.write(name, content)


def certificate(name):
    """The two directives."""
    return f"ssl_certificate @PREFIX@/{name}.pem; ssl_certificate_key @PREFIX@/{name}.key;"
