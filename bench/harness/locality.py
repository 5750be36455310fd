# SPDX-License-Identifier: Apache-2.0
"""What locality costs: on a machine with one node beside `silos none`, and a hand-off by itself."""

import json
import statistics

from .load import fetch
from .servers import Configured
from .throughput import one_run, turn
from .workspace import BenchError

# Two workers on the one CPU, so that there is somebody to weigh a connection against.
ONE_NODE = {"silos": "worker_processes 2;", "none": "worker_processes 2; silos none;"}
KEEP, CLOSE = (), ("Connection: close",)
# The load's CPU is that of the second silo, so that its connections all belong there. Without
# steering the kernel's hash puts half of them before the first silo, which hands them over.
TWO_SILOS = "worker_processes 2; silo cpus={0}; silo cpus={1};"


class Placed(Configured):
    """Ours, with a main context of its own, and a page of counters."""

    def __init__(self, name, main, binary, workspace, cpu, nofile):
        super().__init__("millrace-" + name, binary, workspace, cpu, nofile)
        self.main = main

    location = "location = /status { status json; }"

    def counters(self):
        return json.loads(fetch(self, "/status")[1])["total"]


def running(places, measure):
    """measure(servers) while all of them run."""
    started = {}
    try:
        for name, server in places.items():
            started[name] = server.start()
        return measure(started)
    finally:
        for server in started.values():
            server.stop()


def in_turn(servers, wrk, path, headers, rounds, seconds, say, label):
    roles, taken = list(servers), []
    for n in range(rounds):
        found = {}
        for role in turn(roles, n):
            before = servers[role].counters()
            found[role] = one_run(servers[role], wrk, path, seconds, headers)
            after = servers[role].counters()
            found[role]["handed"] = ((after["handed_over"] - before["handed_over"]) /
                                     max(1, after["accepted"] - before["accepted"]))
        taken.append(found)
        say(f"{label} round {n + 1}: " +
            "  ".join(f"{r} {found[r]['us']:.2f} us" for r in roles))
    return taken


def spread_of(values):
    return {"median": statistics.median(values), "min": min(values), "max": max(values)}


def one_node(make, wrk, rounds, seconds, say):
    """CPU per request, and per connection of one request, with everything on and with it off."""
    def measure(servers):
        rows = []
        for label, path, headers in (("1k", "/1k.bin", KEEP), ("100k", "/100k.bin", KEEP),
                                     ("connection", "/1k.bin", CLOSE)):
            for server in servers.values():
                wrk.run(server, path, 32, 1, headers=headers)
            taken = in_turn(servers, wrk, path, headers, rounds, seconds, say, label)
            rows.append({"what": label, "rounds": taken,
                         "us": {r: statistics.median(t[r]["us"] for t in taken)
                                for r in servers},
                         "ratio": spread_of([t["silos"]["us"] / t["none"]["us"]
                                             for t in taken])})
        return rows
    return running({name: make(name, main) for name, main in ONE_NODE.items()}, measure)


def handoff(make, cpus, wrk, rounds, seconds, say):
    """CPU of one hand-off between silos: the same connections before the same two CPUs, of which half
    are handed over, against all served where they were accepted; the difference divided by the
    share handed over. Beside it, connections that were steered to where they belong."""
    two = TWO_SILOS.format(*cpus)
    masks = " ".join("1" + "0" * cpu for cpu in cpus)
    places = {"handed": make("handed", two + " steering off;"),
              "stay": make("stay", f"worker_processes 2; silos none; worker_cpu_affinity {masks};"),
              "steered": make("steered", two + " steering silo;")}

    def measure(servers):
        taken = in_turn(servers, wrk, "/1k.bin", CLOSE, rounds, seconds, say, "hand-off")
        cost = []
        for t in taken:
            share = t["handed"]["handed"]
            if share < 0.2:
                raise BenchError(f"only {share:.2f} of the connections were handed over")
            cost.append((t["handed"]["us"] - t["stay"]["us"]) / share)
        return {"us": spread_of(cost), "rounds": taken,
                "each": {r: statistics.median(t[r]["us"] for t in taken) for r in places},
                "share": statistics.median(t["handed"]["handed"] for t in taken)}
    return running(places, measure)
