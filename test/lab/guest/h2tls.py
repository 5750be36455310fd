# SPDX-License-Identifier: Apache-2.0
"""HTTP/2 over TLS whose records are seen as they come, and a client that changes its keys.

test/http's H2Client does the frames. Its own records are made in userspace, so every counter of the
kernel is the server's.
"""

import ctypes
import ssl
from functools import cache

import ktls
from h2client import DATA, HEADERS, H2Client

FULL = 16384          # what a record holds
PAYLOAD = FULL - 9    # of a frame that fills it
DATA_RECORD = 23
# The pointer to OpenSSL's object in a _ssl._SSLSocket: behind the head of every object, and a weak
# reference to the socket.
PLACE_OF_SSL = 3 * ctypes.sizeof(ctypes.c_void_p)


@cache
def context(version=None, ciphers=None, alpn=("h2",)):
    made = ktls.context(version, ciphers)
    made.set_alpn_protocols(list(alpn))
    return made


class Recorded:
    """A socket's TLS without its socket: what comes is looked at before it is opened."""

    def __init__(self, sock, made):
        self.raw = sock
        self.incoming, self.outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls = made.wrap_bio(self.incoming, self.outgoing, server_hostname="localhost")
        self.part, self.records, self.clean = bytearray(), [], False
        while not self._try(self.tls.do_handshake):
            self._more()
        self.records.clear()

    def _try(self, call):
        """True when it is done, False when more has to come first."""
        try:
            call()
            return True
        except ssl.SSLWantReadError:
            return False
        finally:
            if self.outgoing.pending:
                self.raw.sendall(self.outgoing.read())

    def _more(self):
        data = self.raw.recv(1 << 18)
        if not data:
            self.incoming.write_eof()
        self.incoming.write(data) if data else None
        self.part += data
        while len(self.part) >= 5 and len(self.part) >= (size := 5 + self._length()):
            self.records.append((self.part[0], size - 5))
            del self.part[:size]

    def _length(self):
        return int.from_bytes(self.part[3:5], "big")

    def recv(self, size):
        """b"" at the end behind close_notify; SSLEOFError at one without."""
        while True:
            try:
                data = self.tls.read(size)
                break
            except ssl.SSLWantReadError:
                self._more()
            except ssl.SSLZeroReturnError:
                data = b""
                break
        self.clean = self.clean or not data
        return data

    def sendall(self, data):
        self.tls.write(data)
        self.raw.sendall(self.outgoing.read())

    def close_notify(self):
        self._try(self.tls.unwrap)

    def change_keys(self, ours_too):
        """KeyUpdate goes out with what is sent next (RFC 8446, 4.6.3)."""
        library = ctypes.CDLL("libssl.so.3")
        library.SSL_get_version.restype = ctypes.c_char_p
        pointer = ctypes.c_void_p.from_address(id(self.tls._sslobj) + PLACE_OF_SSL)
        assert library.SSL_get_version(pointer) == b"TLSv1.3"
        assert library.SSL_key_update(pointer, int(ours_too)) == 1

    def settimeout(self, timeout):
        self.raw.settimeout(timeout)

    def close(self):
        self.raw.close()

    def payloads(self, cipher_overhead):
        """Bytes inside of each record of data."""
        return [size - cipher_overhead for kind, size in self.records if kind == DATA_RECORD]

    @property
    def overhead(self):
        """Of a record of data: the tag, and the record's type or a part of the nonce."""
        name, version, _ = self.tls.cipher()
        return 16 + (1 if version == "TLSv1.3" else 0 if "CHACHA20" in name else 8)


def client(port, version="1.3", made=None, **options):
    """A connection with windows without end unless `settings` and `window` say otherwise."""
    made = made or context(version)
    one = H2Client(port, sock=lambda sock: Recorded(sock, made), **options)
    assert one.sock.tls.selected_alpn_protocol() == "h2"
    return one


def which(one):
    """Of a connection: ["kernel", "TLSv1.3", "TLS_AES_256_GCM_SHA384"]."""
    return one.request("/which").body.decode().split()


def frames_of(one, stream):
    """Sizes of the payloads of a stream's DATA frames, in order."""
    return one.streams[stream].sizes


def check_full(one, streams):
    """Every frame but the last of each body fills a record, and no other record is full."""
    full = 0
    for stream in streams:
        *sizes, last = frames_of(one, stream)
        assert set(sizes) <= {PAYLOAD}, sizes
        full += len(sizes) + (last == PAYLOAD)
    inside = one.sock.payloads(one.sock.overhead)
    assert max(inside) <= FULL and inside.count(FULL) == full, (inside.count(FULL), full)
    others = sum(1 for one_frame in one.frames if one_frame.type not in (DATA, HEADERS))
    assert len(inside) <= full + 2 * len(streams) + others + 2, (len(inside), full, inside)
