# SPDX-License-Identifier: Apache-2.0
"""An 802.3ad bond over the server's NICs, and one over the clients' in a namespace of their own.

QEMU wires server0 to client0 and so on; the two bonds negotiate with each other, as a server and
its switch would.
"""

import re
from contextlib import contextmanager
from pathlib import Path

from lab import Namespace, run
from wire import eventually

BOND = "bond0"
SERVER, CLIENT = "10.9.0.1", "10.9.0.2"
OPTIONS = ["mode", "802.3ad", "miimon", "100", "lacp_rate", "fast", "xmit_hash_policy",
           "layer3+4"]
RUNNING = 0x38  # IEEE 802.1AX: synchronized, collecting, distributing


class Bundle:
    """The bonds. members are the server's NICs: server0, server1 and so on."""

    def __init__(self):
        run("modprobe", "bonding", "max_bonds=0")
        self.members = sorted(path.name for path in Path("/sys/class/net").glob("server*"))
        self.clients = Namespace("clients")
        for member in self.members:
            self.clients.take(member.replace("server", "client"))
        self._join(run, self.members, SERVER)
        self._join(self.clients.run, [name.replace("server", "client") for name in self.members],
                   CLIENT)

    @staticmethod
    def _join(call, members, address):
        call("ip", "link", "add", BOND, "type", "bond", *OPTIONS)
        for member in members:
            call("ip", "link", "set", member, "down")
            call("ip", "link", "set", member, "master", BOND)
        call("ip", "link", "set", BOND, "up")
        call("ip", "address", "add", f"{address}/24", "dev", BOND)

    def status(self):
        """What both bonds say of themselves."""
        path = f"/proc/net/bonding/{BOND}"
        return [Path(path).read_text(), self.clients.run("cat", path)]

    def negotiated(self):
        """Every member of both bonds collects and distributes, and so does its partner."""
        for text in self.status():
            states = [int(state) for state in re.findall(r"port state: (\d+)", text)]
            if len(states) != 2 * len(self.members) or \
                    any(state & RUNNING != RUNNING for state in states):
                return False
        return True

    def wait(self, seconds=20):
        assert eventually(self.negotiated, timeout=seconds, step=0.2), "\n".join(self.status())
        self.clients.run("ping", "-c", "1", "-W", "10", SERVER)
        return self

    @contextmanager
    def another_hash(self):
        """As it is with a router in between: it spreads by a rule of its own, so that a connection
        comes in by another member than it leaves by, or by the same, as it happens. The clients'
        addresses that make it so."""
        more = [f"{CLIENT.rsplit('.', 1)[0]}.{last}" for last in range(3, 10)]
        for address in more:
            self.clients.run("ip", "address", "add", f"{address}/24", "dev", BOND)
        self.policy("layer2+3")
        yield [CLIENT, *more]
        self.policy("layer3+4")
        for address in more:
            self.clients.run("ip", "address", "delete", f"{address}/24", "dev", BOND)

    def policy(self, name):
        """Of the clients' side."""
        self.clients.run("ip", "link", "set", BOND, "type", "bond", "xmit_hash_policy", name)

    def switch(self, number, state):
        """Both ends of a member: "up" or "down"."""
        run("ip", "link", "set", self.members[number], state)
        self.clients.run("ip", "link", "set", f"client{number}", state)

    def lose(self, number):
        self.switch(number, "down")

    def bring_back(self, number):
        self.switch(number, "up")

    def remove(self):
        self.clients.run("ip", "link", "delete", BOND)
        run("ip", "link", "delete", BOND)
        self.clients.remove()
