# SPDX-License-Identifier: Apache-2.0
"""CPU per request at each size: the servers in turn, round after round."""

import statistics

from .load import CONNECTIONS, ERRORS, errors_of, ksoftirqd_ns, verify
from .workspace import BenchError

# Cost can move between the ends of a loopback connection; their sum tells a saving from a shift.
BOTH_ENDS = ("us", "client_us")


def one_run(server, wrk, path, seconds, headers=()):
    """One run of one server: microseconds of CPU per request, and what else is worth keeping."""
    soft, cpu = ksoftirqd_ns(server.cpu), server.cpu_ns()
    result = wrk.run(server, path, CONNECTIONS, seconds, headers=headers)
    cpu, soft = server.cpu_ns() - cpu, ksoftirqd_ns(server.cpu) - soft
    if errors_of(result) or not result["requests"]:
        seen = ", ".join(f"{e} {result[e]}" for e in ERRORS)
        raise BenchError(f"{server.name} {path}: {result['requests']} requests, errors: {seen}")
    return {
        "us": cpu / 1000 / result["requests"],
        "client_us": result["client_cpu"] * 1e6 / result["requests"],
        "rps": result["requests"] / (result["duration_us"] / 1e6),
        "busy": cpu / 1000 / result["duration_us"],
        "ksoftirqd_us": soft / 1000 / result["requests"],
    }


def ratio(rounds, a, b, keys=("us",)):
    """Median, minimum and maximum of the per-round ratios; None if one of the two is absent."""
    if a not in rounds[0] or b not in rounds[0]:
        return None
    values = [sum(r[a][k] for k in keys) / sum(r[b][k] for k in keys) for r in rounds]
    return {"median": statistics.median(values), "min": min(values), "max": max(values)}


def turn(roles, n):
    """The order of round n: it moves by one, and every other time it is turned round, so that no
    server has a place, or a predecessor, of its own."""
    order = roles[n % len(roles):] + roles[:n % len(roles)]
    return order[::-1] if n % 2 else order


def take_turns(servers, load, path, content, rounds, seconds, say, label):
    """servers: {role: Server}; all of them run all the time, and one at a time is asked. For each
    round {role: figures}, and the length of each one's header."""
    header = {role: verify(s, path, content) for role, s in servers.items()}
    for s in servers.values():
        load.warm(s, path)
    roles, taken = list(servers), []
    for n in range(rounds):
        taken.append({role: one_run(servers[role], load, path, seconds)
                      for role in turn(roles, n)})
        say(f"{label} round {n + 1}: " + "  ".join(
            f"{role} {taken[-1][role]['us']:.2f} us" for role in roles))
    return taken, header


def compare(servers, wrk, label, content, rounds, seconds, say):
    taken, header = take_turns(servers, wrk, f"/{label}.bin", content, rounds, seconds, say, label)
    return summary(label, taken) | {"header_bytes": header}


def summary(label, taken, others=("nginx", "floor")):
    """taken: for each round {role: figures}; others: whom ours is set against."""
    roles = list(taken[0])
    medians = {role: {key: statistics.median(r[role][key] for r in taken)
                      for key in taken[0][role]} for role in roles}
    return {
        "size": label,
        "median": medians,
        **{f"ours_{role}": ratio(taken, "millrace", role) for role in others},
        **{f"ours_{role}_both_ends": ratio(taken, "millrace", role, BOTH_ENDS)
           for role in others},
        "nginx_floor": ratio(taken, "nginx", "floor"),
        "rounds": taken,
    }
