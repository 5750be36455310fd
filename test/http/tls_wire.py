# SPDX-License-Identifier: Apache-2.0
"""TLS clients: Python's for whole exchanges, openssl s_client for what Python cannot say."""

import re
import socket
import ssl
import subprocess
import tempfile
import threading
import time
from pathlib import Path

from millrace import LeakCheck, status_counters_at
from settings import seconds
from tls_files import pki
from wire import Client

VERSIONS = {"1.2": ssl.TLSVersion.TLSv1_2, "1.3": ssl.TLSVersion.TLSv1_3}


def context(version=None, ciphers=None, alpn=None, cert=None, tickets=True):
    """Trusts our CA; `version` "1.2" or "1.3"; `cert` the name of a client's certificate."""
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    made.check_hostname = False
    made.load_verify_locations(cadata=pki()["ca.pem"].decode())
    if version:
        made.minimum_version = made.maximum_version = VERSIONS[version]
    if ciphers:
        made.set_ciphers(ciphers)
    if alpn:
        made.set_alpn_protocols(alpn)
    if not tickets:
        made.options |= ssl.OP_NO_TICKET
    if cert:
        load_client(made, cert)
    return made


def load_client(made, cert):
    with tempfile.TemporaryDirectory() as folder:
        files = pki()
        chain, key = Path(folder, "chain"), Path(folder, "key")
        chain.write_bytes(files.get(f"{cert}-chain.pem", files[f"{cert}.pem"]))
        key.write_bytes(files[f"{cert}.key"])
        made.load_cert_chain(chain, key)


class TlsClient(Client):
    """wire.Client over TLS. A connection that ends without close_notify is an SSLEOFError."""

    def __init__(self, address, made=None, name="localhost", session=None, timeout=10,
                 rcvbuf=None):
        super().__init__(address, timeout, rcvbuf)
        made = made or context()
        try:
            self.sock = made.wrap_socket(self.sock, server_hostname=name, session=session,
                                         suppress_ragged_eofs=False)
        except BaseException:
            self.sock.close()
            raise

    def request(self, path, *headers, host=None, **options):
        host = host or self.sock.server_hostname or "localhost"
        return super().request(path, *headers, host=host, **options)

    @property
    def peer(self):
        """The name in the server's certificate."""
        return dict(part[0] for part in self.sock.getpeercert()["subject"])["commonName"]

    def close_notify(self):
        """Says goodbye and waits for the server's."""
        self.sock = self.sock.unwrap()
        return self

    def vanish(self):
        """FIN without close_notify."""
        raw = socket.socket(fileno=self.sock.detach())
        raw.shutdown(socket.SHUT_WR)
        raw.close()


def tls_fetch(address, path, *headers, **options):
    """One request on a connection of its own, closed cleanly by the server."""
    keys = ("made", "name", "session", "timeout")
    tls = {key: options.pop(key) for key in keys if key in options}
    with TlsClient(address, **tls) as client:
        answer = client.request(path, "Connection: close", *headers, **options)
        assert client.rest() == b"", "close_notify and nothing else"
        return answer


class Probe:
    """What openssl s_client reports of one connection."""

    def __init__(self, done):
        self.text = (done.stdout + done.stderr).decode("latin-1")
        self.ok = "HTTP/1." in self.text

    def get(self, pattern):
        found = re.search(pattern, self.text, re.M)
        return found[1] if found else None

    @property
    def body(self):
        """Of the response, which s_client's own words follow without a line end."""
        head, _, rest = self.text[self.text.find("HTTP/1."):].partition("\r\n\r\n")
        length = re.search(r"Content-Length: (\d+)", head)
        return rest[:int(length[1])] if length else None

    @property
    def alert(self):
        return self.get(r"SSL alert number (\d+)")

    @property
    def reused(self):
        return self.get(r"^(Reused|New), ") == "Reused"


def s_client_command(port, *args):
    return ["openssl", "s_client", "-connect", f"127.0.0.1:{port}", *args]


def s_client(port, *args, path="/", request=None, timeout=10):
    """One request with openssl s_client, which waits for the server to close."""
    if request is None:
        request = f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
    done = subprocess.run(s_client_command(port, "-ign_eof", *args), input=request.encode(),
                          capture_output=True, timeout=seconds(timeout))
    return Probe(done)


class Interactive:
    """A running openssl s_client that obeys its letters (Q, R, K, k) at the start of a line."""

    def __init__(self, port, *args):
        self.process = subprocess.Popen(s_client_command(port, *args), stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        self.output = b""
        self.lock = threading.Lock()
        self.thread = threading.Thread(target=self._collect, daemon=True)
        self.thread.start()

    def _collect(self):
        while data := self.process.stdout.read1(65536):
            with self.lock:
                self.output += data

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()
        self.thread.join(seconds(5))
        self.process.stdout.close()
        try:
            self.process.stdin.close()
        except BrokenPipeError:
            pass  # what the test says of it matters more

    def send(self, text):
        self.process.stdin.write(text.encode())
        self.process.stdin.flush()
        return self

    def wait_for(self, pattern, timeout=10):
        limit = time.monotonic() + seconds(timeout)
        while time.monotonic() < limit:
            with self.lock:
                found = re.search(pattern, self.output, re.S)
            if found:
                return found
            time.sleep(0.02)
        raise AssertionError(f"no {pattern!r} in {self.output[-500:]!r}")

    def wait_end(self, timeout=10):
        self.process.wait(seconds(timeout))
        self.thread.join(seconds(5))
        return self.output


def client_hello(made=None, name="localhost"):
    """The bytes of a ClientHello."""
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    tls = (made or context()).wrap_bio(incoming, outgoing, server_hostname=name)
    try:
        tls.do_handshake()
    except ssl.SSLWantReadError:
        pass
    return outgoing.read()


class StatusLeak(LeakCheck):
    """A LeakCheck whose stub_status is on another, plain port: /status there."""

    def __init__(self, server, port):
        self.port = port
        super().__init__(server)

    def _look(self):
        counters = status_counters_at(self.port, self.status)
        state = {k: counters[k] for k in ("active", "reading", "writing", "waiting")}
        return self.server.descriptors(), state


def visit_raw(port, made, name="localhost", session=None):
    """One request; (was resumed, the session afterwards)."""
    with TlsClient(port, made, name, session) as client:
        client.request("/", "Connection: close")
        assert client.rest() == b""
        return client.sock.session_reused, client.sock.session
