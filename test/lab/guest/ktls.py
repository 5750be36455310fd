# SPDX-License-Identifier: Apache-2.0
"""What the tests of millrace's kernel TLS share: a configuration, clients, and what is counted.

The clients' own records are made in userspace, so every counter of the kernel is the server's.
"""

import random
import socket
import ssl
import struct
from contextlib import contextmanager
from functools import cache

import lab
from tls_wire import VERSIONS, TlsClient
from wire import eventually

CERTIFICATE = "ssl_certificate @PREFIX@/ec.pem; ssl_certificate_key @PREFIX@/ec.key;"
HTTP = "ssl_protocols TLSv1.2 TLSv1.3; lingering_timeout 1s; " + CERTIFICATE
# $tls_transport is asked on a connection of its own, or as its first request.
WHICH = 'location = /which { return 200 "$tls_transport $ssl_protocol $ssl_cipher"; }'
STATUS = "location = /status { stub_status; }"
KIB, MIB = 1 << 10, 1 << 20


def files(**more):
    """For a server's prefix: the certificate, its key, and more."""
    crt, key = lab.certificate("ec")
    return {"ec.pem": crt.read_bytes(), "ec.key": key.read_bytes(), **more}


def install(server, sizes=()):
    """As SETUP of a module: the certificate, and html/SIZE for each size."""
    for name, data in files().items():
        server.write(name, data)
    for size in sizes:
        server.write(f"html/{size}", content(size))


@cache
def content(size):
    return random.Random(size).randbytes(size)


def context(version=None, ciphers=None):
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    made.check_hostname = False
    made.verify_mode = ssl.CERT_NONE
    if version:
        made.minimum_version = made.maximum_version = VERSIONS[version]
    if ciphers:
        made.set_ciphers(ciphers)
    return made


@cache
def plain_context(version):
    return context(version)


def connect(port, version=None, made=None, **options):
    return TlsClient(port, made or plain_context(version), **options)


def which(client):
    """Of a connection: ["kernel", "TLSv1.3", "TLS_AES_256_GCM_SHA384"]."""
    return client.request("/which").body.decode().split()


def get(size, path="/"):
    return f"GET {path}{size} HTTP/1.1\r\nHost: a\r\n\r\n"


def abort(client, how):
    """The client goes without a word: by RST or by FIN."""
    raw = socket.socket(fileno=client.sock.detach())
    if how == "reset":
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    else:
        raw.shutdown(socket.SHUT_WR)
    raw.close()


def in_the_kernel():
    """Connections whose keys the kernel has right now: to send, and to receive."""
    counters = lab.tls_stat()
    return counters["TlsCurrTxSw"], counters["TlsCurrRxSw"]


@contextmanager
def kernel_connections(count, receive=True, at_least=None):
    """Exactly so many connections get their keys into the kernel, no record is refused there, and
    in the end all of them are gone. A client that vanishes may do so before the server has seen the
    end of its handshake: at_least counts those that cannot."""
    with lab.tls_counted() as moved:
        yield moved
    sending, receiving = moved["TlsTxSw"], moved["TlsRxSw"]
    if at_least is None:
        assert (sending, receiving) == (count, count if receive else 0), dict(moved)
    else:
        assert at_least <= receiving <= sending <= count, dict(moved)
    assert moved["TlsDecryptError"] == 0, dict(moved)
    assert eventually(lambda: in_the_kernel() == (0, 0)), in_the_kernel()
