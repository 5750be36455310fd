# SPDX-License-Identifier: Apache-2.0
"""What only TLS has: the cost of handshakes, and transfers while a flood of them runs."""

import json
import statistics
import subprocess

from .load import CONNECTIONS, children_cpu, ksoftirqd_ns, verify_tls
from .throughput import summary, turn
from .workspace import BenchError

KINDS = {"full": [], "resumed": ["-r"]}
TRANSFERS = 4    # connections that download
MIB = 250        # that each of them wants in a second: in sum, about half of a CPU
FLOOD = 64       # handshakes under way at any time
# Of the server's CPU, when transfers and handshakes together want more than there is.
FAIR_SHARE = 0.5
LARGE = "100m.bin"
LARGE_MIB = 100


def client(program, cpu, server, seconds, options):
    return ["taskset", "-c", str(cpu), program, "-p", str(server.port), "-u", "/1k.bin",
            "-s", str(seconds), "-C", server.tls.ciphersuite, *options]


def result_of(server, returncode, stdout, stderr):
    if returncode:
        raise BenchError(f"{server.name}: {stderr.strip()}")
    result = json.loads(stdout)
    if result["errors"] or not result["handshakes"]:
        raise BenchError(f"{server.name}: {result['handshakes']} handshakes, "
                         f"{result['errors']} errors: {stderr.strip()}")
    return result


def one_run(server, program, cpu, kind, seconds):
    """Connections that shake hands, ask once for 1 KiB and close."""
    command = client(program, cpu, server, seconds, ["-c", str(CONNECTIONS), *KINDS[kind]])
    soft, cpu_ns, before = ksoftirqd_ns(server.cpu), server.cpu_ns(), children_cpu()
    p = subprocess.run(command, capture_output=True, text=True, timeout=seconds + 30, check=False)
    client_cpu = children_cpu() - before
    cpu_ns, soft = server.cpu_ns() - cpu_ns, ksoftirqd_ns(server.cpu) - soft
    result = result_of(server, p.returncode, p.stdout, p.stderr)
    count = result["handshakes"]
    if result["resumed"] != (count if kind == "resumed" else 0):
        raise BenchError(f"{server.name}: {result['resumed']} of {count} {kind} handshakes resumed "
                         "a session")
    return {
        "us": cpu_ns / 1000 / count,
        "client_us": client_cpu * 1e6 / count,
        "rps": count / result["seconds"],
        "busy": cpu_ns / 1e9 / result["seconds"],
        "ksoftirqd_us": soft / 1000 / count,
    }


def handshakes(servers, program, cpu, rounds, seconds, say):
    """servers: {role: Server}, all of them running; a row for each kind of handshake."""
    rows = []
    for server in servers.values():
        verify_tls(server)
    for kind in KINDS:
        taken = []
        for n in range(rounds):
            taken.append({role: one_run(servers[role], program, cpu, kind, seconds)
                          for role in turn(list(servers), n)})
            say(f"{kind} round {n + 1}: " + "  ".join(
                f"{role} {taken[-1][role]['us']:.1f} us" for role in servers))
        rows.append(summary(kind, taken))
    return rows


class Flood:
    """ClientHellos without end; `with` it, the server has them to answer."""

    def __init__(self, program, cpu, server, seconds):
        self.server = server
        self.command = client(program, cpu, server, seconds, ["-f", "-c", str(FLOOD)])
        self.per_second = None

    def __enter__(self):
        self.process = subprocess.Popen(self.command, stdout=subprocess.PIPE,
                                        stderr=subprocess.PIPE, text=True)
        return self

    def __exit__(self, kind, error, trace):
        if kind:
            self.process.kill()
        stdout, stderr = self.process.communicate(timeout=60)
        if not kind:
            result = result_of(self.server, self.process.returncode, stdout, stderr)
            self.per_second = result["handshakes"] / result["seconds"]


def download(program, cpu, server, seconds):
    """MiB per second, and how much of its CPU the server used."""
    command = ["taskset", "-c", str(cpu), program, "-p", str(server.port), "-u", f"/{LARGE}",
               "-c", str(TRANSFERS), "-r", str(MIB), "-s", str(seconds),
               "-C", server.tls.ciphersuite]
    cpu_ns = server.cpu_ns()
    p = subprocess.run(command, capture_output=True, text=True, timeout=seconds + 30, check=False)
    cpu_ns = server.cpu_ns() - cpu_ns
    if p.returncode:
        raise BenchError(f"{server.name}: {p.stderr.strip()}")
    result = json.loads(p.stdout)
    return {"mib_per_second": result["bytes"] / (1 << 20) / result["seconds"],
            "busy": cpu_ns / 1e9 / result["seconds"]}


def flood_round(server, programs, cpu, seconds):
    alone = download(programs["download"], cpu, server, seconds)
    with Flood(programs["handshakes"], cpu, server, seconds + 1) as both:
        beside = download(programs["download"], cpu, server, seconds)
    with Flood(programs["handshakes"], cpu, server, seconds) as only:
        pass
    kept = beside["mib_per_second"] / alone["mib_per_second"]
    return {
        "alone": alone, "beside": beside, "kept": kept,
        # Transfers that want no more than the share ought to keep all of their rate.
        "of_fair": kept / min(1, FAIR_SHARE / alone["busy"]),
        "handshakes_per_second": both.per_second,
        "handshakes_per_second_alone": only.per_second,
    }


def flood(servers, programs, cpu, rounds, seconds, say):
    """servers: {role: Server}, all of them running."""
    taken = {role: [] for role in servers}
    for n in range(rounds):
        for role in turn(list(servers), n):
            r = flood_round(servers[role], programs, cpu, seconds)
            taken[role].append(r)
            say(f"flood round {n + 1}: {role} {r['alone']['mib_per_second']:.0f} MiB/s alone, "
                f"{r['beside']['mib_per_second']:.0f} beside "
                f"{r['handshakes_per_second']:.0f} handshakes/s")
    return {role: of_rounds(rounds_) for role, rounds_ in taken.items()}


def of_rounds(rounds):
    def spread(key):
        values = [r[key] for r in rounds]
        return {"median": statistics.median(values), "min": min(values), "max": max(values)}

    return {
        "alone": statistics.median(r["alone"]["mib_per_second"] for r in rounds),
        "beside": statistics.median(r["beside"]["mib_per_second"] for r in rounds),
        "handshakes_per_second": statistics.median(r["handshakes_per_second"] for r in rounds),
        "handshakes_per_second_alone": statistics.median(
            r["handshakes_per_second_alone"] for r in rounds),
        "kept": spread("kept"),
        "of_fair": spread("of_fair"),
        "rounds": rounds,
    }
