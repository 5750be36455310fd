# SPDX-License-Identifier: Apache-2.0
"""Connections over the bundle, one at a time, and which member each one's bytes left by, by the
members' own byte counters; and lab_predict, which says what millrace expects.

Clients are hosts on the link, hosts behind a router, and hosts on VLANs with a MAC address each,
so that what each policy hashes differs from flow to flow.
"""

import json
import os
import socket
import subprocess
from collections import Counter
from itertools import cycle, islice
from pathlib import Path

import pytest

import lab
import lacp
from wire import eventually

SO_MARK = 36
SIZE = 16_000
NOISE = 2_000  # LACP, neighbour discovery, handshakes
VLANS = [11, 12, 13, 14]
FAMILIES = {4: socket.AF_INET, 6: socket.AF_INET6}

# Connects when told so, reads one answer, and says so.
CLIENT = f"""
import socket, sys
for line in sys.stdin:
    family, source, address, port = line.split()
    with socket.socket(int(family)) as s:
        s.settimeout(30)
        s.bind((source, 0))
        s.connect((address, int(port)))
        left = {SIZE}
        while left:
            left -= len(s.recv(left)) or exit("closed")
        print("done", flush=True)
        s.recv(1)
"""


class Lines:
    """A program that answers lines with lines."""

    def __init__(self, *command, **options):
        self.process = subprocess.Popen([str(part) for part in command], text=True,
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE, **options)

    def tell(self, *words):
        print(*words, file=self.process.stdin, flush=True)

    def line(self):
        return self.process.stdout.readline().strip()

    def ask(self, *words):
        self.tell(*words)
        return self.line()

    def close(self):
        self.process.stdin.close()
        self.process.wait(30)


class Predictor(Lines):
    def __init__(self):
        super().__init__(lab.BUILD / "lab_predict",
                         env={**os.environ, "LD_LIBRARY_PATH": "/lab/lib"})
        self.load()

    def load(self):
        assert self.ask("load") == "ok"

    def rules(self, action):
        self.tell("rules", action)
        said = []
        while not (line := self.line()).startswith("= "):
            said.append(line)
        assert line == "= 0", said
        return said


class Flow:
    """A connection that was accepted and whose answer was not sent yet."""

    def __init__(self, network, version, ends):
        self.network = network
        self.client, server = ends
        network.clients.tell(int(FAMILIES[version]), self.client, server,
                             network.listeners[version].getsockname()[1])
        self.socket, _ = network.listeners[version].accept()
        self.socket.settimeout(30)
        self.ends = (*self.socket.getsockname()[:2], *self.socket.getpeername()[:2])

    def predicted(self):
        return self.network.predictor.ask("predict", *self.ends).split()[0]

    def mark(self, node):
        number = int(self.network.predictor.ask("mark", node, *self.ends))
        self.socket.setsockopt(socket.SOL_SOCKET, SO_MARK, number)
        return number

    def sent_by(self):
        """Sends the answer; the one member whose counter shows it."""
        before = self.network.sent()
        self.socket.sendall(bytes(SIZE))
        assert self.network.clients.line() == "done"
        # virtio counts a packet when its buffer comes back, which may be after its arrival.
        assert eventually(lambda: max(self.network.sent_since(before).values()) >= SIZE)
        moved = self.network.sent_since(before)
        used = [name for name, count in moved.items() if count >= NOISE]
        self.socket.close()
        assert len(used) == 1, moved
        return used[0]


class Network:
    """Addresses on both sides of the bundle, a listener of each family, and who asks them."""

    def __init__(self, bundle):
        self.bundle = bundle
        self.ends = {4: [], 6: []}  # (client's address, server's address)
        self.both("", 9)
        for number, vlan in enumerate(VLANS):
            mac = f"02:aa:bb:cc:0{number}:{33 + 7 * number:02x}"
            for call, mac in ((lab.run, None), (bundle.clients.run, mac)):
                call("ip", "link", "add", "link", lacp.BOND, "name", f"v{vlan}", "type", "vlan",
                     "id", vlan)
                if mac:
                    call("ip", "link", "set", f"v{vlan}", "address", mac)
                call("ip", "link", "set", f"v{vlan}", "up")
            self.both(f"v{vlan}", vlan)
        self.behind_a_router()
        self.listeners = {4: socket.create_server(("0.0.0.0", 0)),
                          6: socket.create_server(("::", 0), family=socket.AF_INET6)}
        for listener in self.listeners.values():
            listener.settimeout(30)
        self.clients = Lines(*bundle.clients.command("python3", "-c", CLIENT))
        self.warm()
        self.predictor = Predictor()

    def both(self, link, number):
        for call, last in ((lab.run, 1), (self.bundle.clients.run, 2)):
            if link:
                call("ip", "address", "replace", f"10.{number}.0.{last}/24", "dev", link)
            call("ip", "address", "replace", f"fd{number:02}::{last}/64", "dev", link or lacp.BOND,
                 "nodad")
        self.ends[4].append((f"10.{number}.0.2", f"10.{number}.0.1"))
        self.ends[6].append((f"fd{number:02}::2", f"fd{number:02}::1"))

    def behind_a_router(self):
        lab.run("ip", "route", "add", "10.64.0.0/16", "via", lacp.CLIENT)
        lab.run("ip", "route", "add", "fd64::/64", "via", "fd09::2")
        for host in range(1, 9):
            self.bundle.clients.run("ip", "address", "replace", f"10.64.0.{host}/32", "dev", "lo")
            self.bundle.clients.run("ip", "address", "replace", f"fd64::{host}/128", "dev", "lo",
                                    "nodad")
            self.ends[4].append((f"10.64.0.{host}", lacp.SERVER))
            self.ends[6].append((f"fd64::{host}", "fd09::1"))

    def warm(self):
        """Everybody's MAC address is known afterwards."""
        for version, pairs in self.ends.items():
            for pair in pairs:
                Flow(self, version, pair).sent_by()

    def sent(self):
        return {name: int(Path(f"/sys/class/net/{name}/statistics/tx_bytes").read_text())
                for name in self.bundle.members}

    def sent_since(self, before):
        return {name: count - before[name] for name, count in self.sent().items()}

    def flows(self, count, version, ends=None):
        return (Flow(self, version, pair)
                for pair in islice(cycle(ends or self.ends[version]), count))

    def policy(self, name):
        lab.run("ip", "link", "set", lacp.BOND, "type", "bond", "xmit_hash_policy", name)
        self.predictor.load()

    def close(self):
        self.predictor.close()
        self.clients.close()
        for listener in self.listeners.values():
            listener.close()
        lab.run("ip", "link", "set", lacp.BOND, "type", "bond", "xmit_hash_policy", "layer3+4")
        for vlan in VLANS:
            lab.run("ip", "link", "delete", f"v{vlan}")
            self.bundle.clients.run("ip", "link", "delete", f"v{vlan}")
        lab.run("ip", "route", "delete", "10.64.0.0/16")
        lab.run("ip", "route", "delete", "fd64::/64")


@pytest.fixture(scope="module")
def network(bundle):
    made = Network(bundle)
    yield made
    made.close()


def note(name, data):
    """Beside the other results of the run."""
    path = Path("/results") / "egress.json"
    known = json.loads(path.read_text()) if path.exists() else {}
    known[name] = data
    if path.parent.is_dir():
        path.write_text(json.dumps(known, indent=1))


def ports(call):
    """How many members each side's aggregator has."""
    text = call("cat", f"/proc/net/bonding/{lacp.BOND}")
    return next(int(line.split(":")[1]) for line in text.splitlines()
                if "Number of ports" in line)


def without(network, member):
    """The member goes down, and both sides know."""
    lab.run("ip", "link", "set", member, "down")
    left = len(network.bundle.members) - 1
    assert eventually(lambda: ports(lab.run) == left == ports(network.bundle.clients.run),
                      timeout=60, step=0.2)


def back(network, member):
    lab.run("ip", "link", "set", member, "up")
    network.bundle.wait(60)


def compare(flows, at_least_each, members=None):
    """Every flow left by the member that was foretold, and all members were."""
    seen, wrong = Counter(), []
    for flow in flows:
        predicted = flow.predicted()
        used = flow.sent_by()
        seen[used] += 1
        if used != predicted:
            wrong.append((flow.ends, predicted, used))
    assert not wrong, f"{len(wrong)} of {sum(seen.values())}: {wrong[:10]}"
    assert min(seen[name] for name in members or ("server0", "server1")) >= at_least_each, seen
    return dict(seen)
