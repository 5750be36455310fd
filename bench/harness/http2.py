# SPDX-License-Identifier: Apache-2.0
"""HTTP/2: the same turns as for the sizes, with h2load, h2o as one more peer, and HTTP/1.1."""

import getpass
import re
import shutil
import subprocess

from .load import ERRORS, children_cpu, errors_of
from .servers import Configured, Server
from .throughput import summary, take_turns
from .workspace import BenchError, Skipped, find_tool

# Row: file, connections, streams at once on each of them. At 1 KiB many streams share a
# connection, which is what HTTP/2 is for. With one stream on each, nginx takes the time of a
# delayed acknowledgement for every answer, and the row would be about that. At 1 MiB one stream on
# each of 32 connections asks for what HTTP/1.1 can ask for too, so the two can be compared. The
# third row has as many transfers under way, on fewer connections, because that changes nginx much.
LOADS = {"1k": ("1k", 8, 16), "1m": ("1m", 32, 1), "1m/4": ("1m", 8, 4)}
# Both windows of 1 GiB, as h2load has them by itself: flow control stops nobody.
WINDOW_BITS = 30
TOOLS = {"h2load": "nghttp2-client", "curl": "curl"}
OTHERS = ("nginx", "h2o", "http1")

H2O = """\
listen:
  host: 127.0.0.1
  port: {port}
{tls}num-threads: 1
user: {user}
pid-file: {dir}/h2o.pid
http1-request-timeout: 600
http2-idle-timeout: 600
hosts:
  default:
    paths:
      "/":
        file.dir: {www}
"""

H2O_TLS = """\
  ssl:
    certificate-file: {pem}
    key-file: {pem}
    ocsp-update-interval: 0
"""


def has_h2o():
    return shutil.which("h2o") is not None


class H2o(Server):
    """h2o, which speaks HTTP/2 wherever it listens."""

    http2 = True

    def __init__(self, workspace, cpu, tls=None):
        super().__init__("h2o" + ("-tls" if tls else ""), workspace, cpu, tls)
        self.binary = find_tool("h2o", "h2o")
        self.user = getpass.getuser()

    def command(self):
        tls = H2O_TLS.format(pem=self.tls.pem) if self.tls else ""
        path = self.workspace.dir / f"{self.name}.yaml"
        path.write_text(H2O.format(port=self.port, tls=tls, user=self.user,
                                   dir=self.workspace.dir, www=self.workspace.www))
        return [self.binary, "-c", str(path)]


class Http2(Configured):
    """nginx, or a server that reads nginx's configuration, with HTTP/2."""

    http2 = True
    protocol = " http2"


class H2load:
    """h2load with one thread on one CPU; run() is wrk's, with streams."""

    def __init__(self, cpu):
        self.binary = find_tool("h2load", "nghttp2-client")
        self.cpu = cpu

    def command(self, server, path, connections, streams, requests):
        # HTTP/1.1 has no streams: as many transfers at once take as many connections.
        load = (["-c", str(connections), "-m", str(streams)] if server.http2 else
                ["--h1", "-c", str(connections * streams), "-m", "1"])
        tls = [f"--tls13-ciphers={server.tls.ciphersuite}"] if server.tls else []
        return ["taskset", "-c", str(self.cpu), self.binary, "-t", "1", *load, *tls,
                "-w", str(WINDOW_BITS), "-W", str(WINDOW_BITS), "-n", str(requests),
                f"{server.base}{path}"]

    def run(self, server, path, connections, streams, requests):
        """A number of requests, not a time: at a time's end transfers would be cut off, of which
        the server has already paid what lies in the socket's buffers."""
        before = children_cpu()
        p = subprocess.run(self.command(server, path, connections, streams, requests),
                           capture_output=True, text=True, timeout=300, check=False)
        result = parse(p.stdout, p.stderr) | {"client_cpu": children_cpu() - before}
        check_protocol(server, p.stdout)
        if result["requests"] != requests or errors_of(result):
            raise BenchError(f"{server.name} {path}: {result['requests']} of {requests} requests "
                             f"succeeded: {p.stdout.strip()[-600:]}")
        return result


def parse(stdout, stderr):
    """The figures, in wrk's words."""
    finished = re.search(r"^finished in .*, ([\d.]+) req/s", stdout, re.M)
    counted = re.search(r"^requests: (\d+) total.* (\d+) succeeded, (\d+) failed, (\d+) errored, "
                        r"(\d+) timeout", stdout, re.M)
    if not finished or not counted:
        raise BenchError(f"h2load failed: {(stderr or stdout).strip()[-300:]}")
    total, succeeded, failed, errored, timeout = map(int, counted.groups())
    per_second = float(finished[1])
    return dict.fromkeys(ERRORS, 0) | {
        "requests": succeeded, "status": failed, "read": errored, "timeout": timeout,
        "duration_us": total / per_second * 1e6 if per_second else 0}


def check_protocol(server, stdout):
    """Over TLS the protocol is what ALPN agreed on, and h2load would take either."""
    wanted = {"Application protocol": "http/1.1"}
    if server.http2:
        wanted["Application protocol"] = "h2" if server.tls else "h2c"
    if server.tls:
        wanted |= {"TLS Protocol": "TLSv1.3", "Cipher": server.tls.ciphersuite}
    said = dict(re.findall(r"^([A-Z][^:\n]*): (\S+)$", stdout, re.M))
    for key, value in wanted.items():
        if said.get(key) != value:
            raise BenchError(f"{server.name}: {key} is {said.get(key)}, not {value}")


class Load:
    """One row's load in the shape that the turns expect: as many requests as take the seconds."""

    def __init__(self, h2load, connections, streams):
        self.h2load = h2load
        self.shape = (connections, streams)
        self.rate = {}

    @classmethod
    def of(cls, size, cpu):
        """The load of a size; of one without a row of its own, that of the largest."""
        return cls(H2load(cpu), *LOADS.get(size, LOADS["1m"])[1:])

    def warm(self, server, path):
        few = 20 * self.shape[0] * self.shape[1]
        for requests in (few, 5 * few):
            result = self.h2load.run(server, path, *self.shape, requests)
            self.rate[server] = result["requests"] / (result["duration_us"] / 1e6)

    def run(self, server, path, _connections, seconds, headers=()):
        assert not headers
        return self.h2load.run(server, path, *self.shape,
                               max(100, round(self.rate[server] * seconds)))


def compare(servers, h2load, contents, rounds, seconds, say):
    """servers: {role: Server}, all of them running; contents: {file: bytes}. A row for each load
    of these files."""
    rows = []
    for row, (name, connections, streams) in LOADS.items():
        if name not in contents:
            continue
        taken, header = take_turns(servers, Load(h2load, connections, streams), f"/{name}.bin",
                                   contents[name], rounds, seconds, say, f"http2 {row}")
        rows.append(summary(row, taken, OTHERS) | {
            "header_bytes": header, "connections": connections, "streams": streams})
    if not rows:
        raise Skipped("of the sizes asked for, it has none: it takes 1k and 1m")
    return rows
