# SPDX-License-Identifier: Apache-2.0
"""The clients: a plain one that looks at every byte, wrk for load, pace for latency."""

import http.client
import json
import pathlib
import resource
import socket
import ssl
import subprocess

from .workspace import BenchError, find_tool

CONNECTIONS = 32

# `done` costs nothing while wrk runs; a request function would, so only cold reads have one.
DONE = """
done = function(s, l)
  local e = s.errors
  io.write(string.format("RESULT %.0f %.0f %.0f %.0f %.0f %.0f %.0f %.0f\\n", s.duration,
    s.requests, s.bytes, e.connect, e.read, e.write, e.status, e.timeout))
end
"""
WALK = """
local i = 0
request = function()
  i = i % COUNT + 1
  return wrk.format("GET", string.format("/cold/%d.bin", i))
end
"""
FIELDS = ("duration_us", "requests", "bytes", "connect", "read", "write", "status", "timeout")
ERRORS = FIELDS[3:]
FIELDS_EXPECTED = {"date", "content-length", "last-modified", "etag", "accept-ranges"}


def any_certificate():
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def connect(server, timeout=10, context=None):
    """A connection to the server, with TLS if it has that."""
    plain = socket.create_connection(("127.0.0.1", server.port), timeout=timeout)
    if not server.tls:
        return plain
    try:
        return (context or any_certificate()).wrap_socket(plain)
    except OSError:
        plain.close()
        raise


def fetch_http2(server, path):
    command = [find_tool("curl", "curl"), "-sSik", "--noproxy", "*", "--max-time", "10",
               "--http2" if server.tls else "--http2-prior-knowledge", server.base + path]
    p = subprocess.run(command, capture_output=True, check=False)
    head, _, body = p.stdout.partition(b"\r\n\r\n")
    status, *lines = head.decode("latin-1").split("\r\n")
    if p.returncode or not status.startswith("HTTP/2 "):
        raise OSError(f"bad answer over HTTP/2: {p.stderr.decode().strip() or status}")
    return int(status.split()[1]), body, dict(line.split(": ", 1) for line in lines)


def fetch(server, path):
    """One GET on a connection of its own; the status, the body and the header fields."""
    if server.http2:
        return fetch_http2(server, path)
    if server.tls:
        c = http.client.HTTPSConnection("127.0.0.1", server.port, timeout=10,
                                        context=any_certificate())
    else:
        c = http.client.HTTPConnection("127.0.0.1", server.port, timeout=10)
    try:
        c.request("GET", path)
        r = c.getresponse()
        return r.status, r.read(), dict(r.getheaders())
    except http.client.HTTPException as e:
        raise OSError(f"bad answer: {e}") from e
    finally:
        c.close()


def verify(server, path, expected):
    """The answer must be right before it is worth timing."""
    if server.tls and not server.http2:  # there the client for load checks it in each run
        verify_tls(server)
    status, body, headers = fetch(server, path)
    if status != 200 or body != expected:
        raise BenchError(f"{server.name} answers {path} with {status} and {len(body)} bytes, "
                         f"expected 200 and {len(expected)}, or other bytes")
    missing = FIELDS_EXPECTED - {name.lower() for name in headers}
    if missing:
        raise BenchError(f"{server.name} leaves out {', '.join(sorted(missing))}")
    return sum(len(k) + len(v) + 4 for k, v in headers.items())


def verify_tls(server):
    with connect(server) as c:
        got = c.version(), c.cipher()[0]
    if got != ("TLSv1.3", server.tls.ciphersuite):
        raise BenchError(f"{server.name} speaks {' with '.join(got)}, not TLSv1.3 with "
                         f"{server.tls.ciphersuite}")


def errors_of(result):
    return sum(result[e] for e in ERRORS)


def children_cpu():
    """Seconds of CPU of the children that have ended; between two calls that is wrk."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


class Wrk:
    """wrk with one thread on one CPU."""

    def __init__(self, workspace, cpu):
        self.binary = find_tool("wrk", "wrk")
        self.cpu = cpu
        self.done = workspace.dir / "done.lua"
        self.done.write_text(DONE)
        self.walk = workspace.dir / "walk.lua"

    def command(self, server, path, connections, seconds, timeout, script, headers=()):
        return ["taskset", "-c", str(self.cpu), self.binary, "-t1", f"-c{connections}",
                f"-d{seconds}s", "--timeout", f"{timeout}s", "-s", str(script),
                *(word for h in headers for word in ("-H", h)), f"{server.base}{path}"]

    def run(self, server, path, connections, seconds, timeout=10, headers=()):
        before = children_cpu()
        p = subprocess.run(
            self.command(server, path, connections, seconds, timeout, self.done, headers),
            capture_output=True, text=True, timeout=seconds + 60, check=False)
        result = parse(p.stdout, p.stderr)
        result["client_cpu"] = children_cpu() - before
        return result

    def warm(self, server, path):
        self.run(server, path, CONNECTIONS, 1)

    def start_walk(self, server, count, connections, seconds):
        """Starts reading the cold files in turn; the process is handed back running."""
        self.walk.write_text(DONE + WALK.replace("COUNT", str(count)))
        command = self.command(server, "/", connections, seconds, 60, self.walk)
        return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def parse(stdout, stderr):
    for line in stdout.splitlines():
        if line.startswith("RESULT "):
            return dict(zip(FIELDS, map(int, line.split()[1:])))
    raise BenchError(f"wrk failed: {(stderr or stdout).strip()[-300:]}")


def pace(program, cpu, port, path, connections, rate, seconds):
    command = ["taskset", "-c", str(cpu), program, "-p", str(port), "-u", path,
               "-c", str(connections), "-r", str(rate), "-s", str(seconds)]
    p = subprocess.run(command, capture_output=True, text=True, timeout=seconds + 60, check=False)
    if p.returncode:
        raise BenchError(f"pace failed: {p.stderr.strip()}")
    return json.loads(p.stdout)


def ksoftirqd_ns(cpu):
    """CPU of the kernel thread that takes over soft interrupts when there are too many.

    What it does is charged to no server, so a run in which it did much is not to be trusted.
    """
    for comm in pathlib.Path("/proc").glob("[0-9]*/comm"):
        try:
            if comm.read_text().strip() == f"ksoftirqd/{cpu}":
                return int((comm.parent / "schedstat").read_text().split()[0])
        except OSError:
            continue
    return 0
