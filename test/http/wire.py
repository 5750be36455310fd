# SPDX-License-Identifier: Apache-2.0
"""A raw HTTP/1.x client: bytes out, one exactly framed response in.

It must not be kinder than a real client: nothing is retried, and what follows a response
stays in the buffer, so that a test of pipelining sees every byte the server sent.
"""

import re
import socket
import struct
import time

from settings import seconds


class Response:
    """One parsed response; header names keep their case and order."""

    def __init__(self, status_line, headers, body):
        self.status_line = status_line
        self.headers = headers
        self.body = body
        self.trailers = []
        self.version, self.status, self.reason = self._split(status_line)

    @staticmethod
    def _split(line):
        match = re.fullmatch(r"HTTP/(\d\.\d) (\d{3})(?: (.*))?", line)
        assert match, f"malformed status line {line!r}"
        return match[1], int(match[2]), match[3] or ""

    def all(self, name):
        return [v for n, v in self.headers if n.lower() == name.lower()]

    def get(self, name, default=None):
        values = self.all(name)
        assert len(values) <= 1, f"{name} sent {len(values)} times: {values}"
        return values[0] if values else default

    def __getitem__(self, name):
        value = self.get(name)
        assert value is not None, f"no {name} in {self.headers}"
        return value

    def __contains__(self, name):
        return bool(self.all(name))

    def __repr__(self):
        return f"<{self.status_line!r} {self.headers} {self.body[:200]!r}>"


class Client:
    """One connection. `address` is a port, a (host, port) pair or a unix socket's path."""

    def __init__(self, address, timeout=10, rcvbuf=None):
        self.sock = self._open(address, rcvbuf, seconds(timeout))
        self.buffer = b""

    @staticmethod
    def _open(address, rcvbuf, timeout):
        if isinstance(address, int):
            address = ("127.0.0.1", address)
        if isinstance(address, str):
            sock = socket.socket(socket.AF_UNIX)
        else:
            family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
            sock = socket.socket(family)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if rcvbuf:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, rcvbuf)
        sock.settimeout(timeout)
        sock.connect(address)
        return sock

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.sock.close()

    def reset(self):
        """Vanish with a RST, as a client whose machine went away."""
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.sock.close()

    def send(self, data):
        self.sock.sendall(data.encode("latin-1") if isinstance(data, str) else data)
        return self

    def _more(self):
        data = self.sock.recv(65536)
        self.buffer += data
        return bool(data)

    def _until(self, mark):
        while mark not in self.buffer:
            if not self._more():
                raise EOFError(f"closed after {self.buffer!r}")
        head, self.buffer = self.buffer.split(mark, 1)
        return head

    def _exactly(self, count):
        parts, have = [self.buffer], len(self.buffer)
        while have < count:
            data = self.sock.recv(min(1 << 20, count - have + 65536))
            if not data:
                raise EOFError(f"closed after {have} of {count} bytes")
            parts.append(data)
            have += len(data)
        everything = b"".join(parts)
        self.buffer = everything[count:]
        return everything[:count]

    def rest(self):
        """Everything up to the end of the connection."""
        parts = [self.buffer]
        while data := self.sock.recv(1 << 20):
            parts.append(data)
        self.buffer = b""
        return b"".join(parts)

    def head(self):
        """Reads a status line and headers."""
        lines = self._until(b"\r\n\r\n").decode("latin-1").split("\r\n")
        headers = []
        for line in lines[1:]:
            headers.append(self._field(line))
        return Response(lines[0], headers, b"")

    @staticmethod
    def _field(line):
        name, colon, value = line.partition(":")
        assert colon and name and not name[0].isspace(), f"bad header line {line!r}"
        return name, value.removeprefix(" ")

    def _chunks(self):
        body, trailers = b"", []
        while size := int(self._until(b"\r\n").split(b";")[0], 16):
            body += self._exactly(size)
            assert self._exactly(2) == b"\r\n"
        while line := self._until(b"\r\n"):
            trailers.append(self._field(line.decode("latin-1")))
        return body, trailers

    def response(self, method="GET", trailers=False):
        """Reads exactly one final response (1xx other than 101 are collected in .interim).

        Trailers are an error unless they are expected.
        """
        interim = []
        answer = self.head()
        while 100 <= answer.status < 200:
            interim.append(answer.status)
            answer = self.head()
        answer.interim = interim
        if method == "HEAD" or answer.status in (204, 304):
            return answer
        if "chunked" in answer.get("Transfer-Encoding", ""):
            answer.body, answer.trailers = self._chunks()
            assert trailers or not answer.trailers, f"unexpected trailers {answer.trailers}"
        elif "Content-Length" in answer:
            answer.body = self._exactly(int(answer["Content-Length"]))
        else:
            answer.body = self.rest()
        return answer

    def request(self, path, *headers, method="GET", body=b"", host="localhost", version="1.1",
                trailers=False):
        text = f"{method} {path} HTTP/{version}\r\n"
        if host is not None:
            text += f"Host: {host}\r\n"
        text += "".join(f"{line}\r\n" for line in headers)
        self.send(text.encode("latin-1") + b"\r\n" + body)
        return self.response(method, trailers)

    def is_closed(self, within=2):
        """True when the server closes in time and sends nothing more."""
        self.sock.settimeout(seconds(within))
        try:
            self._more()
        except ConnectionResetError:
            return True
        except TimeoutError:
            return False
        return self.buffer == b""

    def is_open(self, after=0.1):
        """True when nothing arrives and nothing is closed for a while."""
        old = self.sock.gettimeout()
        self.sock.settimeout(after)
        try:
            return self._more() and False
        except TimeoutError:
            return True
        finally:
            self.sock.settimeout(old)


def fetch(address, path, *headers, **options):
    """One request on a connection of its own."""
    timeout = options.pop("timeout", 10)
    with Client(address, timeout) as client:
        return client.request(path, "Connection: close", *headers, **options)


def raw(address, data, timeout=10):
    """Sends bytes and returns everything until the server closes."""
    with Client(address, timeout) as client:
        try:
            return client.send(data).rest()
        except ConnectionResetError:
            return client.buffer


def eventually(probe, timeout=5, step=0.02):
    """Polls until probe() is true; returns its last value."""
    limit = time.monotonic() + seconds(timeout)
    while True:
        value = probe()
        if value or time.monotonic() > limit:
            return value
        time.sleep(step)
