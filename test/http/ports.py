# SPDX-License-Identifier: Apache-2.0
"""Free loopback ports that parallel runs cannot give out twice.

A port is reserved by an abstract unix socket of its number, which the kernel releases with the
test process, and tried by binding it; the numbers are below the kernel's range for outgoing
connections.
"""

import random
import socket

FIRST, LAST = 18000, 32000
_held = {}


def _lock(port):
    sock = socket.socket(socket.AF_UNIX)
    try:
        sock.bind(f"\0millrace-test-port-{port}")
    except OSError:
        sock.close()
        return False
    _held[port] = sock
    return True


def _bindable(port):
    for family, host in ((socket.AF_INET, "0.0.0.0"), (socket.AF_INET6, "::")):
        with socket.socket(family) as sock:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if family == socket.AF_INET6:
                sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            try:
                sock.bind((host, port))
            except OSError:
                return False
    return True


def _take(port):
    if port in _held or not _lock(port):
        return False
    if _bindable(port):
        return True
    release([port])
    return False


def reserve(count=1):
    """`count` consecutive ports; keep them until release()."""
    for _ in range(500):
        first = random.randrange(FIRST, LAST - count)
        taken = []
        for port in range(first, first + count):
            if not _take(port):
                break
            taken.append(port)
        if len(taken) == count:
            return taken
        release(taken)
    raise RuntimeError("no free ports")


def release(ports):
    for port in ports:
        _held.pop(port).close()
