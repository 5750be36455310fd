# SPDX-License-Identifier: Apache-2.0
"""What locality costs where there is nothing to gain, in instructions, on the machine icount.

    cost_locality.py [--modes http,ktls,tls] [--rounds 3] [--strict]

Two workers on the one CPU of a machine with one node, so that there is somebody to weigh a
connection against: with everything on, and with `silos none`. A figure is the difference between a
long run and a short one, divided by what the long one has more. A connection is one of a single
small request. The load is beside the server on the CPU, and the kernel does for whoever runs what
packets demand (steering too): so the second ratio is of both ends' instructions.
"""

import argparse
import json
import os
import resource
import statistics
import sys
from pathlib import Path

import cost
import millrace

# One worker has nobody to give a connection to, and nothing is different then.
MAINS = {"silos": "worker_processes 2;", "none": "worker_processes 2; silos none;"}
TARGET = 1.02
SHORT = 20
# What, file, how many, and what is said beside the request.
WHAT = (("1k", "1k", 1000, ()), ("100k", "100k", 200, ()),
        ("connection", "1k", 500, ("-H", "Connection: close")))


def both_ends(server):
    """Instructions of the server, and of it and all clients that have ended."""
    spent = cost.settled(server.pid)
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return spent, spent + round((used.ru_utime + used.ru_stime) * 1e9)


def spent(server, mode, name, count, more):
    """The same of a run."""
    before = both_ends(server)
    cost.load("http" if mode == "http" else "https", server.port, name, count, *more)
    return [after - then for after, then in zip(both_ends(server), before, strict=True)]


def figures(server, mode):
    """what: instructions of the server and of both ends."""
    found = {}
    for what, name, count, more in WHAT:
        spent(server, mode, name, SHORT, more)  # caches are filled, the file is open
        few = spent(server, mode, name, SHORT, more)
        many = spent(server, mode, name, SHORT + count, more)
        found[what] = [(long - short) / count for long, short in zip(many, few, strict=True)]
    return found


def measure(main, mode):
    server = millrace.Server(cost.configuration(mode, "on"), main=main).start()
    try:
        return figures(server, mode)
    finally:
        server.finish()


def rounds(mode, count):
    """For each round: name, what, figures. The servers take turns, in an order that changes."""
    return [{name: measure(MAINS[name], mode) for name in list(MAINS)[::1 if n % 2 else -1]}
            for n in range(count)]


def ratio(found, what, column):
    """The means of all rounds divided."""
    silos, none = (statistics.mean(turn[name][what][column] for turn in found) for name in MAINS)
    return silos / none


def show(mode, found):
    """The table; whether the target is kept."""
    kept = True
    print(f"\n{cost.MODES[mode]}: instructions, a line for each round")
    print(f"{'':>12} {'silos':>12} {'none':>12} {'ratio':>8} {'both ends':>10}")
    for what, *_ in WHAT:
        for turn in found:
            silos, none = (turn[name][what] for name in MAINS)
            print(f"{what:>12} {silos[0]:>12,.0f} {none[0]:>12,.0f} {silos[0] / none[0]:>8.4f} "
                  f"{silos[1] / none[1]:>10.4f}")
        own, both = ratio(found, what, 0), ratio(found, what, 1)
        kept = kept and own <= TARGET
        print(f"{'of the means':>38} {own:>8.4f} {both:>10.4f}", flush=True)
    return kept


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--modes", type=lambda text: text.split(","), default=["http", "ktls"])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--strict", action="store_true", help="exit 1 when the target is missed")
    options = parser.parse_args()
    os.environ["OPENSSL_CONF"] = "/dev/null"
    folder = Path("/var/www")
    folder.mkdir()
    for name in sorted({name for _, name, *_ in WHAT}):
        (folder / name).write_bytes(os.urandom(cost.SIZES[name]))
    everything = {mode: rounds(mode, options.rounds) for mode in options.modes}
    Path("/results/cost-locality.json").write_text(json.dumps(everything, indent=1))
    kept = [show(mode, found) for mode, found in everything.items()]
    if not all(kept):
        print(f"\ntarget missed: server's ratio at most {TARGET}")
    return 0 if all(kept) or not options.strict else 1


if __name__ == "__main__":
    sys.exit(main())
