# SPDX-License-Identifier: Apache-2.0
"""Many connections: what an idle one costs in memory, and whether all of many are served."""

import os
import threading
import time

from .load import any_certificate, connect, errors_of
from .workspace import BenchError, Skipped

REQUEST = b"GET /1k.bin HTTP/1.1\r\nHost: localhost\r\n\r\n"


def ask(sock):
    """One request on an open connection; its whole answer is read."""
    sock.sendall(REQUEST)
    data = b""
    while b"\r\n\r\n" not in data or len(data) < data.index(b"\r\n\r\n") + 4 + 1024:
        more = sock.recv(65536)
        if not more:
            raise BenchError("an idle connection was closed while it asked")
        data += more
    if not data.startswith(b"HTTP/1.1 200 "):
        raise BenchError(f"an idle connection got {data[:40]!r}")


def open_and_ask(server, count):
    socks, context = [], any_certificate()
    for _ in range(count):
        socks.append(connect(server, context=context))
        ask(socks[-1])
    return socks


def idle_memory(server, count):
    """Bytes per idle keep-alive connection that has served one request.

    A quarter as many are open before, so that what the server keeps for its next connections is
    in use when counting begins.
    """
    first = open_and_ask(server, count // 4)
    time.sleep(1)
    before = server.memory()
    socks = open_and_ask(server, count)
    time.sleep(1)
    after = server.memory()
    for s in first + socks:
        s.settimeout(5)
        ask(s)  # It must really have been kept.
        s.close()
    return {
        "connections": count,
        "per_connection": {k: (after[k] - before[k]) / count for k in before},
        "before": before,
        "after": after,
    }


def descriptors(server):
    """What all processes of the server hold open now; accepted connections are among them."""
    return sum(len(os.listdir(f"/proc/{pid}/fd")) for pid in server.pids)


class Watch(threading.Thread):
    """Takes the highest number of accepted connections until it is stopped."""

    def __init__(self, server):
        super().__init__(daemon=True)
        self.server = server
        self.before = descriptors(server)
        self.highest = 0
        self.stopped = threading.Event()

    def run(self):
        while not self.stopped.wait(0.2):
            self.highest = max(self.highest, descriptors(self.server) - self.before)


def many(server, wrk, connections, seconds, limit):
    """All connections at once, all asking; errors are counted and none is expected."""
    if limit < connections + 500:
        raise Skipped(f"the hard descriptor limit is {limit}, too low for {connections}")
    watch = Watch(server)
    watch.start()
    try:
        result = wrk.run(server, "/1k.bin", connections, seconds, timeout=20)
    finally:
        watch.stopped.set()
        watch.join()
    result["connections"] = connections
    result["highest_accepted"] = watch.highest
    result["errors"] = errors_of(result)
    result["rps"] = result["requests"] / (result["duration_us"] / 1e6)
    return result
