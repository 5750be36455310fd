# SPDX-License-Identifier: Apache-2.0
"""What tests inside the guest need besides test/http's millrace.py, wire.py and fixtures.py.

It knows the kernel's counters of TLS, network namespaces, CPU time, and where Debian 12's OpenSSL
lies.
"""

import ctypes
import os
import platform
import subprocess
from contextlib import contextmanager
from functools import cache
from pathlib import Path

KERNEL = os.environ.get("LAB_KERNEL", "")  # 6.1, 6.12 or newest: what was asked for
MACHINE = os.environ.get("LAB_MACHINE", "")
NGINX = "/usr/sbin/nginx"
MILLRACE = os.environ.get("MILLRACE_BINARY", "/lab/build/millrace")
BUILD = Path("/lab/build")

# OpenSSL 3.0 instead of 3.5, for millrace: Server(..., env=OLD_OPENSSL). nginx needs 3.5.
OLD_OPENSSL = {"LD_LIBRARY_PATH": "/opt/openssl-3.0"}


def kernel_version():
    """(6, 12) of the kernel that really runs."""
    return tuple(int(part) for part in platform.release().split(".")[:2])


def run(*command, **options):
    """A command that must succeed; its standard output."""
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True,
                          timeout=options.pop("timeout", 60), **options)
    assert done.returncode == 0, f"{command}: {done.returncode}: {done.stdout}{done.stderr}"
    return done.stdout


# Kernel TLS.

def tls_stat():
    """The counters of /proc/net/tls_stat: TlsTxSw, TlsRxSw, TlsDecryptError and so on."""
    rows = (line.split() for line in Path("/proc/net/tls_stat").read_text().splitlines())
    return {name: int(value) for name, value in rows}


class Difference(dict):
    """Counters that moved; those that did not are 0."""

    def __missing__(self, key):
        return 0


@contextmanager
def tls_counted():
    """Yields a dictionary that is filled at the end with how much each counter rose."""
    moved, before = Difference(), tls_stat()
    yield moved
    after = tls_stat()
    moved.update({name: after[name] - before.get(name, 0) for name in after
                  if after[name] != before.get(name, 0)})


@cache
def openssl_version(folder=None):
    """The text of the OpenSSL library there, or of the guest's own."""
    name = f"{folder}/libcrypto.so.3" if folder else "libcrypto.so.3"
    library = ctypes.CDLL(name)
    library.OpenSSL_version.restype = ctypes.c_char_p
    return library.OpenSSL_version(0).decode()


@cache
def certificate(kind="ec", name="localhost"):
    """Paths of a self-signed certificate and its key. kind: ec or rsa."""
    folder = Path("/tmp/certificates")
    folder.mkdir(exist_ok=True)
    crt, key = folder / f"{kind}-{name}.crt", folder / f"{kind}-{name}.key"
    algorithm = ["ec", "-pkeyopt", "ec_paramgen_curve:P-256"] if kind == "ec" else ["rsa:2048"]
    run("openssl", "req", "-x509", "-newkey", *algorithm, "-nodes", "-days", "30",
        "-subj", f"/CN={name}", "-addext", f"subjectAltName=DNS:{name},IP:127.0.0.1",
        "-keyout", key, "-out", crt)
    for path in (crt, key):
        path.chmod(0o644)
    return crt, key


# CPU time.

def tasks(pid):
    """Threads of a process and of all processes below it."""
    found = []
    try:
        for task in Path(f"/proc/{pid}/task").iterdir():
            found.append(task)
            for child in (task / "children").read_text().split():
                found += tasks(child)
    except (FileNotFoundError, ProcessLookupError):
        pass
    return found


def cpu_time(pid):
    """Nanoseconds on a CPU of a process, its threads and all below it. On the machine icount that
    is the number of instructions, and counts the kernel's on its behalf."""
    total = 0
    for task in tasks(pid):
        try:
            total += int((task / "schedstat").read_text().split()[0])
        except (FileNotFoundError, ProcessLookupError):
            pass
    return total


# Network namespaces.

class Namespace:
    """A network namespace; commands run in it, and interfaces move to it."""

    def __init__(self, name):
        self.name = name
        run("ip", "netns", "add", name)
        self.run("ip", "link", "set", "lo", "up")

    def command(self, *command):
        return ["ip", "netns", "exec", self.name, *map(str, command)]

    def run(self, *command, **options):
        return run(*self.command(*command), **options)

    def take(self, interface):
        run("ip", "link", "set", interface, "netns", self.name)

    def remove(self):
        run("ip", "netns", "delete", self.name)
