# SPDX-License-Identifier: Apache-2.0
"""What tests of locality share: files on the disks of the nodes, clients over the bundle, one run
under the checker's eyes.
"""

import itertools
import json
import os
import random
import shutil
import subprocess
import sys
import zlib
from functools import cache
from pathlib import Path

import crossings
import lab
import lacp
import probes

DATA = Path("/data")
FOLDER = "lab"
KIB = 1 << 10


@cache
def layout():
    return probes.Layout()


def disks():
    """Mount points of the disks on nodes."""
    return sorted(DATA.glob("node*"))


class Library:
    """Files of one size, dealt out to the nodes' disks. Their URLs are below `root /data;`."""

    def __init__(self, count, size, seed, on=None):
        chosen = itertools.cycle(on or [path.name for path in disks()])
        order = random.Random(seed)
        self.size, self.files, self.seed = size, {}, seed
        for number in range(count):
            name = f"{next(chosen)}/{FOLDER}/{seed}-{number}"
            data = order.randbytes(size)
            path = DATA / name
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(data)
            self.files[f"/{name}"] = [size, zlib.crc32(data)]
        os.sync()

    def urls(self):
        return list(self.files)

    def paths(self):
        return [f"{DATA}{url}" for url in self.files]

    def dealt(self, connections, each, seed=0):
        """The files that each connection asks for, all about as often, in an order of its own."""
        order, pile, hands = random.Random(seed), [], []
        for _ in range(connections):
            while len(pile) < each:
                more = self.urls()
                order.shuffle(more)
                pile += more
            hands.append(pile[:each])
            pile = pile[each:]
        return hands

    def dealt_by_disk(self, seed=0):
        """Each file to one connection, and to each connection one file of every disk: wherever the
        connections end up, the disks are as far from them as chance has it on average."""
        order, piles = random.Random(seed), {}
        for url in self.urls():
            piles.setdefault(url.split("/")[1], []).append(url)
        for pile in piles.values():
            order.shuffle(pile)
        hands = [list(hand) for hand in zip(*piles.values(), strict=True)]
        for hand in hands:
            order.shuffle(hand)
        return hands

    def remove(self):
        for disk in disks():
            shutil.rmtree(disk / FOLDER, ignore_errors=True)


def drop_caches():
    os.sync()
    Path("/proc/sys/vm/drop_caches").write_text("3")


class Clients:
    """A started load.py in the clients' namespace."""

    def __init__(self, bundle, port, library, connections, **order):
        self.process = subprocess.Popen(
            bundle.clients.command(sys.executable, "-B", Path(__file__).with_name("load.py")),
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        order = {"address": [lacp.SERVER, port], "files": library.files,
                 "connections": connections, **order}
        self.process.stdin.write(json.dumps(order))
        self.process.stdin.close()
        self.process.stdin = None

    def end(self):
        """No new connections, of an order with seconds."""
        self.process.terminate()
        return self

    def report(self, timeout=140):
        """What became of each connection."""
        try:
            text, _ = self.process.communicate(timeout=timeout)
        finally:
            self.process.kill()
        return json.loads(text)

    def finish(self):
        """The same of connections that may not fail."""
        rows = self.report()
        assert not (failed := [row for row in rows if row["error"]]), \
            f"{len(failed)} of {len(rows)} failed: {failed[:3]}"
        return rows


def download(*args, **order):
    return Clients(*args, **order).finish()


def measure(bundle, server, library, connections, port=None, **order):
    """Downloads under the eyes of the checker: its account, which it has compared with the
    kernel's own counters."""
    port = port or server.port
    machine = crossings.Machine(bundle.members, disks())
    threads = crossings.threads_of(server)
    with probes.Watch(port, layout()) as watch:
        before = machine.counters()
        rows = download(bundle, port, library, connections, **order)
        after = machine.counters()
    threads |= crossings.threads_of(server)
    account = crossings.Account(watch.trace, machine, layout(), threads,
                                sum(row["bytes"] for row in rows),
                                pages=crossings.nodes_of_files(library.paths(), machine))
    account.agree({name: after[name] - before[name] for name in after})
    return account


def nodes_of_processes(server):
    """The node of each process of a server, None for one that is not bound to one."""
    cpus = crossings.cpu_nodes()
    return {pid: crossings.node_of_process(pid, cpus) for pid in server.processes()}


def tls_files():
    crt, key = lab.certificate("ec")
    return {"ec.pem": crt.read_bytes(), "ec.key": key.read_bytes()}


TLS = "ssl_certificate @PREFIX@/ec.pem; ssl_certificate_key @PREFIX@/ec.key; " \
      "ssl_protocols TLSv1.3;"
NGINX_TLS = TLS + " ssl_conf_command Options KTLS;"
