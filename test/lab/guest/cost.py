# SPDX-License-Identifier: Apache-2.0
"""Instructions per request, millrace's and nginx's, on the machine icount.

    cost.py [--modes http,ktls,tls,h2,h2-ktls,h2-tls] [--sizes 1k,10k,100k,1m] [--rounds 2]
            [--tcp-nopush off] [--openssl 3.0]

One keep-alive connection asks for a file again and again. A figure is the difference between a
long run and a short one, divided by the requests that the long one has more, so the handshake and
the connection itself are not in it. The table and /results/cost.json hold every round.
"""

import argparse
import json
import os
import statistics
import time
from pathlib import Path

import lab
import millrace

SIZES = {"1k": 1 << 10, "4k": 4 << 10, "10k": 10 << 10, "16k": 16 << 10, "32k": 32 << 10,
         "64k": 64 << 10, "100k": 100 << 10, "256k": 256 << 10, "1m": 1 << 20}
REQUESTS = {"1k": 300, "4k": 300, "10k": 300, "16k": 200, "32k": 200, "64k": 100, "100k": 60,
            "256k": 40, "1m": 24}
SHORT = 4  # requests of the short run
CIPHER = "TLS_AES_128_GCM_SHA256"
SERVERS = {"ours": lab.MILLRACE, "nginx": lab.NGINX}
OPTIONS = {"ktls": "KTLS", "tls": "-KTLS"}
MODES = {"http": "plain HTTP", "ktls": "kernel TLS", "tls": "userspace TLS",
         "h2": "HTTP/2 in the clear", "h2-ktls": "HTTP/2 over kernel TLS",
         "h2-tls": "HTTP/2 over userspace TLS"}
DEFAULT_MODES = ["http", "ktls", "tls", "h2-ktls"]

MAIN = "worker_processes 1;"
# Debian's nginx.conf has sendfile and tcp_nopush on; bench/run measures with the same text.
HTTP = """
sendfile on;
tcp_nopush {tcp_nopush};
keepalive_timeout 600s;
keepalive_requests 1000000;
open_file_cache max=1000 inactive=60s;
open_file_cache_valid 60s;
server {{
    listen 127.0.0.1:@PORT@{ssl};
    root /var/www;
{http2}{tls}}}
"""
TLS = """    ssl_certificate {crt};
    ssl_certificate_key {key};
    ssl_protocols TLSv1.3;
    ssl_conf_command Ciphersuites {cipher};
    ssl_conf_command Options {options};
"""


def protocol(mode):
    """h2load's name of it."""
    return "http/1.1" if not mode.startswith("h2") else "h2c" if mode == "h2" else "h2"


def security(mode):
    """ktls, tls, or None in the clear."""
    kind = mode.removeprefix("h2-")
    return kind if kind in OPTIONS else None


def configuration(mode, tcp_nopush):
    http2, kind = "    http2 on;\n" if mode.startswith("h2") else "", security(mode)
    if not kind:
        return HTTP.format(tcp_nopush=tcp_nopush, ssl="", http2=http2, tls="")
    crt, key = lab.certificate("ec")
    tls = TLS.format(crt=crt, key=key, cipher=CIPHER, options=OPTIONS[kind])
    return HTTP.format(tcp_nopush=tcp_nopush, ssl=" ssl", http2=http2, tls=tls)


def settled(pid):
    """The CPU time once the server has come to rest after a connection's end."""
    last = lab.cpu_time(pid)
    while True:
        time.sleep(0.05)
        now = lab.cpu_time(pid)
        if now == last:
            return now
        last = now


def load(scheme, port, size, requests, *more, version="http/1.1"):
    """h2load's windows are of 1 GiB by itself: flow control stops nobody."""
    if version == "http/1.1":
        more = ("--h1", *more)
    text = lab.run("h2load", "-n", requests, "-c", 1, "-t", 1, *more,
                   f"{scheme}://127.0.0.1:{port}/{size}", timeout=600)
    assert f"{requests} succeeded, 0 failed, 0 errored" in text, text
    said = f"Application protocol: {version}\n"
    assert said in text, f"h2load does not say {said.strip()}"


def spent(server, mode, size, requests):
    before = settled(server.pid)
    load("https" if security(mode) else "http", server.port, size, requests,
         version=protocol(mode))
    return settled(server.pid) - before


def per_request(server, mode, size):
    """Instructions. Checks by the kernel's counters that TLS was where it should have been."""
    spent(server, mode, size, 2)  # caches are filled, the file is open
    few = spent(server, mode, size, SHORT)
    with lab.tls_counted() as moved:
        many = spent(server, mode, size, SHORT + REQUESTS[size])
    if (moved["TlsTxSw"] > 0) != (security(mode) == "ktls"):
        raise AssertionError(f"{mode}, {size}: kernel TLS counted {dict(moved)}")
    return (many - few) / REQUESTS[size]


def start(name, mode, options):
    env = lab.OLD_OPENSSL if name == "ours" and options.openssl == "3.0" else None
    server = millrace.Server(configuration(mode, options.tcp_nopush), main=MAIN,
                             binary=SERVERS[name], env=env)
    check = server.run("-t")
    if check.returncode != 0:
        raise RuntimeError((check.stdout + check.stderr).strip().splitlines()[-2])
    return server.start()


def measure(name, mode, options):
    """A dictionary of size to instructions, or the text that says why there is none."""
    try:
        server = start(name, mode, options)
    except RuntimeError as error:
        return str(error)
    try:
        figures = {size: per_request(server, mode, size) for size in options.sizes}
    except AssertionError as error:
        return str(error)
    finally:
        server.finish()
    return figures


def rounds(mode, options):
    """name to size to figures of the rounds; the servers take turns, in an order that changes."""
    found = {name: {size: [] for size in options.sizes} for name in SERVERS}
    for number in range(options.rounds):
        for name in list(found)[::1 if number % 2 else -1]:
            figures = measure(name, mode, options)
            if isinstance(figures, str):
                print(f"{mode}: {name}: not measured: {figures}", flush=True)
                del found[name]
                continue
            for size, figure in figures.items():
                found[name][size].append(figure)
    return found


def spread(figures):
    return (max(figures) - min(figures)) / statistics.mean(figures) * 100


def show(mode, found, options):
    print(f"\n{MODES[mode]}: instructions per request, mean of {options.rounds} rounds")
    print(f"{'body':>6} {'ours':>12} {'nginx':>12} {'ours/nginx':>11} {'spread %':>9}")
    for size in options.sizes:
        means = {name: statistics.mean(rows[size]) for name, rows in found.items()
                 if rows[size]}
        wide = max((spread(rows[size]) for rows in found.values() if rows[size]), default=0)
        ratio = f"{means['ours'] / means['nginx']:.3f}" if len(means) == 2 else "-"
        cells = [f"{means[name]:,.0f}" if name in means else "-" for name in SERVERS]
        print(f"{size:>6} {cells[0]:>12} {cells[1]:>12} {ratio:>11} {wide:>9.2f}", flush=True)


def compare_transports(everything, options):
    """Where kernel TLS begins to win over userspace TLS, for each server."""
    for name in SERVERS:
        both = [everything.get(mode, {}).get(name) for mode in ("ktls", "tls")]
        if not all(rows and all(rows.values()) for rows in both):
            continue
        print(f"\n{name}: kernel TLS against userspace TLS")
        for size in options.sizes:
            kernel, user = (statistics.mean(rows[size]) for rows in both)
            print(f"{size:>6} {kernel:>12,.0f} {user:>12,.0f} {kernel / user:>11.3f}", flush=True)


def arguments():
    parser = argparse.ArgumentParser()
    parser.add_argument("--modes", type=lambda text: text.split(","), default=DEFAULT_MODES)
    parser.add_argument("--sizes", type=lambda text: text.split(","),
                        default=["1k", "10k", "100k", "1m"])
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--tcp-nopush", choices=["on", "off"], default="on")
    parser.add_argument("--openssl", choices=["3.0", "3.5"], default="3.5", help="millrace's")
    return parser.parse_args()


def main():
    options = arguments()
    os.environ["OPENSSL_CONF"] = "/dev/null"
    folder = Path("/var/www")
    folder.mkdir()
    for size in options.sizes:
        (folder / size).write_bytes(os.urandom(SIZES[size]))
    everything = {}
    for mode in options.modes:
        everything[mode] = rounds(mode, options)
        show(mode, everything[mode], options)
    compare_transports(everything, options)
    Path("/results/cost.json").write_text(json.dumps(
        {"kernel": os.uname().release, "options": vars(options), "instructions": everything},
        indent=1))


if __name__ == "__main__":
    main()
