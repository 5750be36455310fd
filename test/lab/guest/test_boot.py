# SPDX-License-Identifier: Apache-2.0
"""Is the guest what it claims to be? What the other tests take for granted is proven here."""

import ctypes
import os
import socket
import time
from pathlib import Path

import pytest

import lab

pytestmark = pytest.mark.machine("small", "numa2", "numa4", "icount")

TCP_ULP = 31
IO_URING_SETUP = 425


def test_kernel_is_the_one_that_was_asked_for():
    if lab.KERNEL == "newest":
        assert lab.kernel_version() > (6, 12)
    else:
        assert ".".join(map(str, lab.kernel_version())) == lab.KERNEL


def test_tls_module_is_loaded():
    assert Path("/sys/module/tls").exists()
    assert lab.tls_stat()["TlsDecryptError"] == 0


def test_tls_can_be_put_on_a_connection():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        with socket.create_connection(listener.getsockname()) as client:
            client.setsockopt(socket.IPPROTO_TCP, TCP_ULP, b"tls")
            kind = client.getsockopt(socket.IPPROTO_TCP, TCP_ULP, 16)
    assert kind.rstrip(b"\0") == b"tls"


def test_io_uring_is_there():
    parameters = (ctypes.c_ubyte * 120)()
    libc = ctypes.CDLL(None, use_errno=True)
    ring = libc.syscall(IO_URING_SETUP, 4, parameters)
    assert ring >= 0, os.strerror(ctypes.get_errno())
    os.close(ring)


def test_openssl_is_new_and_the_old_one_lies_beside_it():
    assert lab.openssl_version() >= "OpenSSL 3.5"
    assert lab.openssl_version("/opt/openssl-3.0").startswith("OpenSSL 3.0.")


def test_processes_run_on_the_libraries_they_need():
    for program in [lab.MILLRACE, lab.NGINX]:
        lab.run(program, "-V")
    lab.run(lab.MILLRACE, "-V", env={**os.environ, **lab.OLD_OPENSSL})


def test_more_than_one_cpu():
    if lab.MACHINE == "icount":
        assert os.cpu_count() == 1
    else:
        assert os.cpu_count() >= 2


def seconds_to_read(folder, megabytes):
    """From the disk itself, past the page cache."""
    device = next(line.split()[0] for line in Path("/proc/mounts").read_text().splitlines()
                  if line.split()[1] == folder)
    began = time.monotonic()
    lab.run("dd", f"if={device}", "of=/dev/null", "bs=1M", f"count={megabytes}", "iflag=direct")
    return time.monotonic() - began


@pytest.mark.machine("small")
def test_slow_disk_is_slower_than_the_fast_one():
    slow, fast = seconds_to_read("/data/slow", 6), seconds_to_read("/data/fast", 6)
    assert slow > 2  # 2 MiB/s
    assert fast < slow / 2
