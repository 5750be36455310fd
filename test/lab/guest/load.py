# SPDX-License-Identifier: Apache-2.0
"""Downloads files over many connections at once, and checks each of them: the client of a run.

    python3 load.py <ORDER >REPORT         JSON both; see ORDER and what main() writes

It runs in the clients' namespace. Each connection takes its files one after the other; `threads` of
them are open at a time. A body's CRC is compared with what the order says. SIGTERM: no new ones.
"""

import itertools
import json
import signal
import socket
import ssl
import struct
import sys
import threading
import time
import zlib

ORDER = {
    "address": ["10.9.0.1", 80], "tls": False, "http2": False, "threads": 4, "timeout": 60,
    "from": [""],                # own addresses, taken in turn
    "files": {"/name": [0, 0]},  # size and CRC-32 of each
    "connections": [["/name"]],  # which files each connection asks for
    "seconds": 0,                # go on with new connections, the list again and again, so long
    "pause": 0,                  # seconds that a connection waits after each piece of a body
    "piece": 1 << 18,
}


class Failed(Exception):
    pass


class Closed(Failed):
    """Before the first byte of an answer, which ends an idle connection as well."""


def connect(order, number):
    source = order["from"][number % len(order["from"])]
    sock = socket.create_connection(order["address"], timeout=order["timeout"],
                                    source_address=(source, 0) if source else None)
    port = sock.getsockname()[1]
    if order["tls"]:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        if order["http2"]:
            context.set_alpn_protocols(["h2"])
        sock = context.wrap_socket(sock)
    return sock, port


def read_head(sock):
    data = b""
    while b"\r\n\r\n" not in data:
        try:
            more = sock.recv(65536)
        except ConnectionResetError:
            more = b""
        if not more:
            raise Failed(f"closed after {data[:200]!r}") if data else Closed("closed unanswered")
        data += more
    head, _, rest = data.partition(b"\r\n\r\n")
    lines = head.decode("latin-1").lower().split("\r\n")
    length = [line.partition(":")[2] for line in lines if line.startswith("content-length:")]
    if not lines[0].split(" ")[1:2] == ["200"] or not length:
        raise Failed(f"answered {lines[0]}")
    return int(length[0]), rest


def download(sock, path, order):
    """Bytes of the body, which is what it must be."""
    sock.sendall(f"GET {path} HTTP/1.1\r\nHost: lab\r\n\r\n".encode())
    size, body = read_head(sock)
    check, have = zlib.crc32(body), len(body)
    buffer = memoryview(bytearray(order["piece"]))
    while have < size:
        count = sock.recv_into(buffer)
        if not count:
            raise Failed(f"closed after {have} of {size} bytes")
        check, have = zlib.crc32(buffer[:count], check), have + count
        if order["pause"]:
            time.sleep(order["pause"])
    if [have, check] != list(order["files"][path]):
        raise Failed(f"{path}: {have} bytes with CRC {check}")
    return have


# As much of HTTP/2 (RFC 9113) as a download takes.

DATA, HEADERS, SETTINGS, WINDOW_UPDATE = 0, 1, 4, 8
END_STREAM = ACK = 1
END_HEADERS = 4
LARGEST = (1 << 31) - 1
STATUS_200 = 0x88  # RFC 7541, appendix A: index 8


def frame(kind, flags, stream, payload=b""):
    return struct.pack(">I", len(payload))[1:] + struct.pack(">BBI", kind, flags, stream) + payload


def ask_h2(paths):
    """The client's first words, with windows that are never in the way; streams 1, 3, ..."""
    yield b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
    yield frame(SETTINGS, 0, 0, struct.pack(">HI", 4, LARGEST))
    yield frame(WINDOW_UPDATE, 0, 0, struct.pack(">I", LARGEST - 65535))
    for number, path in enumerate(paths):
        # :method GET, :scheme https, :path, :authority
        block = b"\x82\x87\x04" + bytes([len(path)]) + path.encode() + b"\x41\x03lab"
        yield frame(HEADERS, END_STREAM | END_HEADERS, 2 * number + 1, block)


def frames(sock, order):
    data = bytearray()
    while True:
        while len(data) < 9 or len(data) < 9 + int.from_bytes(data[:3], "big"):
            more = sock.recv(order["piece"])
            if not more:
                raise Failed("closed")
            data += more
            if order["pause"]:
                time.sleep(order["pause"])
        size = 9 + int.from_bytes(data[:3], "big")
        yield data[3], data[4], int.from_bytes(data[5:9], "big"), bytes(data[9:size])
        del data[:size]


def download_h2(sock, paths, order, done):
    """All files over one connection, each on a stream of its own."""
    sock.sendall(b"".join(ask_h2(paths)))
    bodies = {2 * number + 1: [path, 0, 0] for number, path in enumerate(paths)}
    left = len(paths)
    for kind, flags, stream, payload in frames(sock, order):
        if kind == HEADERS and payload[0] != STATUS_200:
            raise Failed(f"answered {payload[:8]!r}")
        if kind == SETTINGS and not flags & ACK:
            sock.sendall(frame(SETTINGS, ACK, 0))
        if kind not in (DATA, HEADERS, SETTINGS, WINDOW_UPDATE):
            raise Failed(f"a frame of type {kind}: {payload!r}")
        if kind == DATA:
            body = bodies[stream]
            body[1:] = body[1] + len(payload), zlib.crc32(payload, body[2])
            done["bytes"] += len(payload)
        if kind in (DATA, HEADERS) and flags & END_STREAM:
            path, have, check = bodies.pop(stream)
            if [have, check] != list(order["files"][path]):
                raise Failed(f"{path}: {have} bytes with CRC {check}")
            left -= 1
        if not left:
            return


def visit_h2(number, paths, order, done):
    with opened(number, order, done) as sock:
        if sock.selected_alpn_protocol() != "h2":
            raise Failed("no HTTP/2")
        download_h2(sock, paths, order, done)


def visit(number, paths, order):
    """One connection: its ports, more than one if an idle connection was closed and another was
    made, as every client does (RFC 9112, 9.3.1), its bytes, its error, times since the epoch."""
    done = {"ports": [], "bytes": 0, "error": None, "began": time.time()}
    sock = None
    try:
        if order["http2"]:
            visit_h2(number, paths, order, done)
            paths = []
        for path in paths:
            try:
                sock = sock or opened(number, order, done)
                done["bytes"] += download(sock, path, order)
            except (Closed, BrokenPipeError):
                if not done["bytes"]:
                    raise
                sock = opened(number, order, done)
                done["bytes"] += download(sock, path, order)
    except (OSError, Failed, ValueError) as error:
        done["error"] = f"{type(error).__name__}: {error}"
    if sock:
        sock.close()
    done["ended"] = time.time()
    return done


def opened(number, order, done):
    sock, port = connect(order, number)
    done["ports"].append(port)
    return sock


class Pile:
    """The connections to be made, taken one by one by the threads."""

    def __init__(self, order):
        self.left = enumerate(order["connections"])
        self.over = False
        if order["seconds"]:
            end = time.time() + order["seconds"]
            self.left = itertools.takewhile(lambda _: not self.over and time.time() < end,
                                            enumerate(itertools.cycle(order["connections"])))
        self.lock = threading.Lock()

    def end(self, *_):
        self.over = True

    def take(self):
        with self.lock:
            return next(self.left, None)


def work(pile, order, report):
    while taken := pile.take():
        report.append(visit(*taken, order))


def main():
    order = {**ORDER, **json.load(sys.stdin)}
    pile, report = Pile(order), []
    signal.signal(signal.SIGTERM, pile.end)
    threads = [threading.Thread(target=work, args=(pile, order, report))
               for _ in range(order["threads"])]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    json.dump(report, sys.stdout)


if __name__ == "__main__":
    main()
